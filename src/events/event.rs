//! Events and their exact bytes.
//!
//! Key order and omissions are part of the wire contract (2.3 to 2.7), so payloads are structs whose fields stand in
//! that order. Nothing here sends anything.

use std::sync::Arc;

use bytes::Bytes;
use serde::{Serialize, Serializer};
use sha2::{Digest, Sha256};

use super::subject::{Subject, SubjectPrefix};
use crate::ids::DeploymentId;
use crate::observe::{self, TraceContext};

/// Something the platform must learn, once.
///
/// Deployment ids are plain texts where they only fill a payload: a deployment whose id is malformed has to be
/// announced as failed, too. Where the id becomes part of a subject it is a [`DeploymentId`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// `deployment.status.changed`, status `IN_PROGRESS`: work begins.
    DeploymentStarted {
        /// Tells events of different deployments apart; not part of the payload.
        deployment_id: String,
        /// Params `deploymentJobId`, 0 if absent. Never the Nomad job's name.
        job_id: i64,
    },
    /// `deployment.succeeded`.
    DeploymentSucceeded(DeploymentOutcome),
    /// `deployment.failed`.
    DeploymentFailed(DeploymentOutcome),
    /// `job.destroyed`.
    JobDestroyed {
        /// The entry's `serviceId`, not the Nomad job id.
        service_id: String,
        /// Params `reason`, unchanged.
        reason: String,
        /// What makes this destroy differ from a later one of a job that was created again under the same id, and
        /// the same as a repeat of itself, e.g. job id, its create index and the reason. Any text.
        occasion: String,
    },
    /// `build.log.end.<deploymentId>`: no line follows.
    BuildLogEnd {
        /// Whose log.
        deployment_id: DeploymentId,
        /// Params `deploymentJobId`.
        job_id: i64,
        /// How it ended.
        status: LogEnd,
    },
}

/// Payload of `deployment.succeeded` and `deployment.failed`. Source: contract, 2.4.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DeploymentOutcome {
    /// Params `deploymentJobId`, 0 if absent. Never the Nomad job's name.
    pub job_id: i64,
    /// What was deployed.
    #[serde(rename = "type")]
    pub kind: DeploymentKind,
    /// Params `deploymentId`.
    pub deployment_id: String,
    /// Params `serviceId`.
    pub service_id: String,
    /// Params `teamId`; left out when empty.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub team_id: String,
    /// Params `userId`: sent as text, as `null` when 0.
    #[serde(serialize_with = "text_or_null")]
    pub user_id: i64,
    /// Params `ownerId`, as text.
    pub owner_id: String,
}

/// What a deployment is made from. Local uploads report as a repository. Source: contract, 2.4.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DeploymentKind {
    /// A repository or an uploaded archive.
    GitRepo,
    /// A ready image.
    Image,
}

/// How a build log ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogEnd {
    /// After `deployment.succeeded`.
    Success,
    /// After `deployment.failed`.
    Failed,
}

impl LogEnd {
    fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failed => "failed",
        }
    }
}

/// One message, ready to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// What NATS gets as `Nats-Msg-Id`: the same for the same event, however often the run is repeated.
    pub id: String,
    /// Where it goes.
    pub subject: Subject,
    /// JSON.
    pub payload: Bytes,
    /// The trace that it belongs to: goes with it as headers, and is no part of what makes it the same message.
    pub trace: Option<Arc<TraceContext>>,
}

impl Event {
    /// Returns the message that announces this event.
    #[must_use]
    pub fn message(&self, prefix: &SubjectPrefix) -> Message {
        Message {
            id: prefix.join(&self.id()),
            subject: self.subject(prefix),
            payload: self.payload(),
            trace: observe::here(),
        }
    }

    /// Names the queue that keeps this event in order: events of one deployment never overtake each other.
    pub(super) fn lane(&self, prefix: &SubjectPrefix) -> String {
        let lane = match self {
            Self::DeploymentStarted { deployment_id, .. } => token(deployment_id),
            Self::DeploymentSucceeded(outcome) | Self::DeploymentFailed(outcome) => {
                token(&outcome.deployment_id)
            }
            Self::BuildLogEnd { deployment_id, .. } => token(deployment_id.as_str()),
            Self::JobDestroyed { service_id, .. } => format!("destroy-{}", token(service_id)),
        };
        // A prefix may hold characters that mean something in a path.
        match prefix.as_str() {
            "" => lane,
            prefix => format!("{}.{lane}", token(prefix)),
        }
    }

    /// Whether nothing of the same lane is expected to follow soon.
    pub(super) fn closes_lane(&self) -> bool {
        match self {
            Self::BuildLogEnd { .. } | Self::JobDestroyed { .. } => true,
            Self::DeploymentStarted { .. }
            | Self::DeploymentSucceeded(_)
            | Self::DeploymentFailed(_) => false,
        }
    }

    fn id(&self) -> String {
        match self {
            Self::DeploymentStarted { deployment_id, .. } => {
                format!("{}.started", token(deployment_id))
            }
            Self::DeploymentSucceeded(outcome) => {
                format!("{}.succeeded", token(&outcome.deployment_id))
            }
            Self::DeploymentFailed(outcome) => format!("{}.failed", token(&outcome.deployment_id)),
            Self::JobDestroyed {
                service_id,
                occasion,
                ..
            } => format!("{}.destroyed.{}", token(service_id), token(occasion)),
            Self::BuildLogEnd {
                deployment_id,
                status,
                ..
            } => format!(
                "{}.log-end.{}",
                token(deployment_id.as_str()),
                status.as_str()
            ),
        }
    }

    fn subject(&self, prefix: &SubjectPrefix) -> Subject {
        match self {
            Self::DeploymentStarted { .. } => Subject::deployment_status_changed(prefix),
            Self::DeploymentSucceeded(_) => Subject::deployment_succeeded(prefix),
            Self::DeploymentFailed(_) => Subject::deployment_failed(prefix),
            Self::JobDestroyed { .. } => Subject::job_destroyed(prefix),
            Self::BuildLogEnd { deployment_id, .. } => {
                Subject::build_log_end(prefix, deployment_id)
            }
        }
    }

    fn payload(&self) -> Bytes {
        match self {
            Self::DeploymentStarted { job_id, .. } => to_json(&Started {
                job_id: *job_id,
                status: "IN_PROGRESS",
            }),
            Self::DeploymentSucceeded(outcome) | Self::DeploymentFailed(outcome) => {
                to_json(outcome)
            }
            Self::JobDestroyed {
                service_id, reason, ..
            } => to_json(&Destroyed {
                id: service_id,
                reason,
            }),
            Self::BuildLogEnd {
                deployment_id,
                job_id,
                status,
            } => to_json(&LogEnded {
                deployment_id,
                job_id: *job_id,
                status: *status,
            }),
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Started {
    job_id: i64,
    status: &'static str,
}

#[derive(Serialize)]
struct Destroyed<'a> {
    id: &'a str,
    reason: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct LogEnded<'a> {
    deployment_id: &'a DeploymentId,
    job_id: i64,
    status: LogEnd,
}

fn text_or_null<S: Serializer>(number: &i64, serializer: S) -> Result<S::Ok, S::Error> {
    if *number == 0 {
        serializer.serialize_none()
    } else {
        serializer.collect_str(number)
    }
}

/// Returns the JSON of a payload.
pub(super) fn to_json(payload: &impl Serialize) -> Bytes {
    serde_json::to_vec(payload)
        .expect("payloads are structs of texts and numbers, which always serialise")
        .into()
}

/// Longest text that becomes part of a message id as it is.
///
/// 96 bytes: a UUID, a platform id or a job id with an index fit; two of them, a prefix and a word stay below the 255
/// bytes of a file name.
const MAX_TOKEN_BYTES: usize = 96;

/// Returns `text` in a form that fits a message id, a header and a file name, different for different texts.
pub(crate) fn token(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if !text.is_empty() && text.len() <= MAX_TOKEN_BYTES && text.chars().all(plain) {
        return text.to_owned();
    }
    let readable: String = text.chars().filter(|c| plain(*c)).take(40).collect();
    format!("{readable}~{}", short_hash(text.as_bytes()))
}

/// Returns the first 16 hexadecimal digits of the SHA-256 of `bytes`.
pub(crate) fn short_hash(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .take(8)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome() -> DeploymentOutcome {
        DeploymentOutcome {
            job_id: 456,
            kind: DeploymentKind::GitRepo,
            deployment_id: "dep-123".to_owned(),
            service_id: "svc-123".to_owned(),
            team_id: "team-123".to_owned(),
            user_id: 1,
            owner_id: "owner-123".to_owned(),
        }
    }

    fn text(event: &Event) -> String {
        let message = event.message(&SubjectPrefix::default());
        String::from_utf8(message.payload.to_vec()).unwrap()
    }

    #[test]
    fn payloads_are_the_bytes_of_the_contract() {
        let started = Event::DeploymentStarted {
            deployment_id: "dep-123".to_owned(),
            job_id: 456,
        };
        assert_eq!(text(&started), r#"{"jobId":456,"status":"IN_PROGRESS"}"#);
        assert_eq!(
            text(&Event::DeploymentSucceeded(outcome())),
            r#"{"jobId":456,"type":"git_repo","deploymentId":"dep-123","serviceId":"svc-123","teamId":"team-123","userId":"1","ownerId":"owner-123"}"#
        );
        let destroyed = Event::JobDestroyed {
            service_id: "svc-1".to_owned(),
            reason: "pause_service".to_owned(),
            occasion: "job-1@7".to_owned(),
        };
        assert_eq!(
            text(&destroyed),
            r#"{"id":"svc-1","reason":"pause_service"}"#
        );
        let end = Event::BuildLogEnd {
            deployment_id: "dep-123".parse().unwrap(),
            job_id: 456,
            status: LogEnd::Failed,
        };
        assert_eq!(
            text(&end),
            r#"{"deploymentId":"dep-123","jobId":456,"status":"failed"}"#
        );
    }

    #[test]
    fn an_absent_team_is_left_out_and_an_absent_user_is_null() {
        let failed = Event::DeploymentFailed(DeploymentOutcome {
            kind: DeploymentKind::Image,
            team_id: String::new(),
            user_id: 0,
            owner_id: String::new(),
            ..outcome()
        });
        assert_eq!(
            text(&failed),
            r#"{"jobId":456,"type":"image","deploymentId":"dep-123","serviceId":"svc-123","userId":null,"ownerId":""}"#
        );
    }

    #[test]
    fn ids_name_event_and_deployment_and_carry_the_prefix() {
        let prefix: SubjectPrefix = "cs".parse().unwrap();
        let id = |event: &Event| event.message(&prefix).id;
        let started = Event::DeploymentStarted {
            deployment_id: "dep-123".to_owned(),
            job_id: 1,
        };
        assert_eq!(id(&started), "cs.dep-123.started");
        assert_eq!(
            id(&Event::DeploymentSucceeded(outcome())),
            "cs.dep-123.succeeded"
        );
        assert_eq!(id(&Event::DeploymentFailed(outcome())), "cs.dep-123.failed");
        let bare = started.message(&SubjectPrefix::default());
        assert_eq!(bare.id, "dep-123.started");
    }

    #[test]
    fn a_destroy_is_repeated_under_the_same_id_and_a_later_one_gets_another() {
        let destroyed = |occasion: &str| {
            Event::JobDestroyed {
                service_id: "svc-1".to_owned(),
                reason: "delete".to_owned(),
                occasion: occasion.to_owned(),
            }
            .message(&SubjectPrefix::default())
            .id
        };
        assert_eq!(destroyed("a job@10/delete"), destroyed("a job@10/delete"));
        assert_ne!(destroyed("a job@10/delete"), destroyed("a job@11/delete"));
    }

    #[test]
    fn a_lane_is_a_file_name_whatever_prefix_and_ids_are() {
        for prefix in ["", "cs", "cs.prod", "a/b", &"x".repeat(300)] {
            for id in ["dep-1", "../..", "", &"y".repeat(300)] {
                let event = Event::JobDestroyed {
                    service_id: id.to_owned(),
                    reason: String::new(),
                    occasion: String::new(),
                };
                let lane = event.lane(&prefix.parse().unwrap());
                assert!(lane.len() <= 255 && !lane.contains('/'), "{lane}");
                assert!(
                    lane.starts_with(|c: char| c.is_ascii_alphanumeric()),
                    "{lane}"
                );
            }
        }
    }

    #[test]
    fn any_text_becomes_a_token_of_its_own() {
        let long = "x".repeat(500);
        let texts = [
            "", " ", "a", "a.b", "a b", "ab", "../..", "a\r\nb", "é", &long,
        ];
        let mut tokens: Vec<String> = texts.iter().map(|text| token(text)).collect();
        for token in &tokens {
            assert!(token.len() <= MAX_TOKEN_BYTES, "{token}");
            assert!(
                token
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"-_~".contains(&b)),
                "{token}"
            );
        }
        tokens.sort();
        tokens.dedup();
        assert_eq!(tokens.len(), texts.len());
    }
}
