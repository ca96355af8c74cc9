//! Who a run is about, as its events name it; also as far as broken params still tell.

use super::decode::decode;
use super::lenient::{Object, Problems, salvage};
use crate::ids::{DeploymentId, ServiceId};

/// The ids that go with every outcome event. Source: contract 2.4.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventIds {
    /// The platform's database key of the deployment's job; 0 when params lack it. Never the Nomad job.
    pub deployment_job_id: i64,
    /// The deployment.
    pub deployment_id: DeploymentId,
    /// The service.
    pub service_id: ServiceId,
    /// The team, unless empty.
    pub team_id: Option<String>,
    /// Who asked; `None` when absent, empty or 0.
    pub user_id: Option<i64>,
    /// The owner; may be empty.
    pub owner_id: String,
}

/// Returns the ids that can still be read from params that do not parse or are not valid, so that
/// `deployment.failed` can be sent.
///
/// `None` unless `deploymentJobId`, `deploymentId` and `serviceId` are all there and usable. A text that breaks off
/// gives what stands before the break.
#[must_use]
pub fn readable_ids(text: &[u8]) -> Option<EventIds> {
    let json = decode(text).ok()?;
    let entries = salvage(&json);
    // Type errors of other fields are why this is asked; they are told elsewhere.
    let ignored = Problems::default();
    let top = Object::top(&entries, &ignored);
    Some(EventIds {
        deployment_job_id: top.number("deploymentJobId")?,
        deployment_id: top.text("deploymentId").parse().ok()?,
        service_id: top.text("serviceId").parse().ok()?,
        team_id: not_empty(top.text("teamId")),
        user_id: not_zero(top.number("userId")),
        owner_id: top.flexible_text("ownerId"),
    })
}

/// Returns `traceparent` and `tracestate` of params, where they can be read: the trace that a run belongs to. Optional, and
/// nothing else depends on them.
#[must_use]
pub fn readable_trace(text: &[u8]) -> Option<(String, Option<String>)> {
    let json = decode(text).ok()?;
    // Params that do not mention it are not read once more.
    if !json.contains("traceparent") {
        return None;
    }
    let entries = salvage(&json);
    let ignored = Problems::default();
    let top = Object::top(&entries, &ignored);
    let parent = not_empty(top.text("traceparent"))?;
    Some((parent, not_empty(top.text("tracestate"))))
}

pub(super) fn not_empty(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

pub(super) fn not_zero(number: Option<i64>) -> Option<i64> {
    number.filter(|number| *number != 0)
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    #[test]
    fn a_trace_is_read_however_params_are_encoded_and_is_never_missed() {
        let json = r#"{"traceparent":"00-a-b-01","tracestate":"c=d","jobId":7,"broken""#;
        let expected = Some(("00-a-b-01".to_owned(), Some("c=d".to_owned())));
        assert_eq!(readable_trace(json.as_bytes()), expected);
        assert_eq!(readable_trace(STANDARD.encode(json).as_bytes()), expected);
        for none in [
            "{}",
            r#"{"traceparent":""}"#,
            r#"{"traceparent":7}"#,
            "",
            "nonsense",
        ] {
            assert_eq!(readable_trace(none.as_bytes()), None, "{none}");
        }
    }

    const IDS: &str = r#""deploymentJobId":"456","deploymentId":"dep-1","serviceId":"svc-1","userId":"0","ownerId":7"#;

    #[test]
    fn ids_are_readable_although_another_field_is_badly_typed_or_the_text_breaks_off() {
        for text in [
            format!("{{{IDS},\"cpu\":true}}"),
            format!("{{{IDS},\"jobId\":\"unfin"),
            format!("{{{IDS}}} garbage"),
            STANDARD.encode(format!("{{{IDS},}}")),
        ] {
            let ids = readable_ids(text.as_bytes()).unwrap();
            assert_eq!(ids.deployment_job_id, 456);
            assert_eq!(ids.deployment_id.as_str(), "dep-1");
            assert_eq!(ids.service_id.as_str(), "svc-1");
            assert_eq!((ids.team_id, ids.user_id), (None, None));
            assert_eq!(ids.owner_id, "7");
        }
    }

    #[test]
    fn without_all_three_ids_there_is_nothing_to_tell() {
        for text in [
            r#"{"deploymentId":"d","serviceId":"s"}"#,
            r#"{"deploymentJobId":1,"serviceId":"s"}"#,
            r#"{"deploymentJobId":1,"deploymentId":"d"}"#,
            r#"{"deploymentJobId":1,"deploymentId":"a.b","serviceId":"s"}"#,
            r#"{"deploymentJobId":true,"deploymentId":"d","serviceId":"s"}"#,
            "%%%",
            "",
        ] {
            assert_eq!(readable_ids(text.as_bytes()), None, "{text}");
        }
    }
}
