//! What a webhook may say, and for how long. Source: contract, 9.4.

use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::Deserialize;

use super::machine::{BuildNumber, Message};

/// Longest id of a CI job.
pub const LONGEST_ID: usize = 128;

/// The body of a webhook, as it is sent.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WebhookBody {
    /// Id of the CI job, as the bridge gave it: parameter `CS_JOB_ID` of the build.
    #[schemars(length(min = 1, max = 128))]
    pub job_id: String,
    /// `SUCCESS`, `FAILURE`, `RUNNING`, in any case; any other word is `pending`.
    #[schemars(length(min = 1, max = 64))]
    pub status: String,
    /// Number of the build, as text.
    #[schemars(regex(pattern = "^[0-9]{1,18}$"))]
    pub build_number: String,
    /// When that was so: ISO 8601 with an offset, e.g. `2024-03-20T12:00:00Z`. It bounds how long the signature holds.
    pub timestamp: String,
}

/// A webhook that makes sense.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    /// Whose.
    pub job: String,
    /// What.
    pub message: Message,
}

/// Why a body is refused. None of the texts repeats what was sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadWebhook {
    /// It is no JSON object with the four texts. The text is the parser's, without values.
    #[error("the body is not the JSON object that is expected: {0}")]
    Shape(String),
    /// One member makes no sense.
    #[error("`{member}`: expected {expected}")]
    Member {
        /// Which.
        member: &'static str,
        /// What it may be.
        expected: &'static str,
    },
    /// The time is too far from ours.
    #[error("`timestamp` is more than {tolerance} s away from the time of this server")]
    OutsideWindow {
        /// How far it may be.
        tolerance: i64,
    },
}

/// Reads a body.
///
/// # Errors
/// It makes no sense, or is too old, or is of the future.
pub fn read(body: &[u8], now: Timestamp, tolerance: SignedDuration) -> Result<Webhook, BadWebhook> {
    let body: WebhookBody =
        serde_json::from_slice(body).map_err(|error| BadWebhook::Shape(without_values(&error)))?;
    let member = |member, expected| BadWebhook::Member { member, expected };
    if !is_id(&body.job_id) {
        return Err(member(
            "jobId",
            "1 to 128 letters, digits, `.`, `_`, `:`, `/` or `-`",
        ));
    }
    let status = body
        .status
        .parse()
        .map_err(|_| member("status", "a word such as `SUCCESS`, `FAILURE` or `RUNNING`"))?;
    let build = build_number(&body.build_number)
        .ok_or_else(|| member("buildNumber", "the number of the build as text, from `1`"))?;
    let at: Timestamp = body.timestamp.parse().map_err(|_| {
        member(
            "timestamp",
            "ISO 8601 with an offset, such as `2024-03-20T12:00:00Z`",
        )
    })?;
    // As exact as it is kept: a repeat must be the same message.
    let at = Timestamp::from_millisecond(at.as_millisecond()).unwrap_or(at);
    if at.duration_since(now).abs() > tolerance {
        return Err(BadWebhook::OutsideWindow {
            tolerance: tolerance.as_secs(),
        });
    }
    Ok(Webhook {
        job: body.job_id,
        message: Message { build, status, at },
    })
}

/// Whether a text may be an id in this API.
#[must_use]
pub fn is_id(text: &str) -> bool {
    let is_allowed =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b':' | b'/' | b'-');
    (1..=LONGEST_ID).contains(&text.len()) && text.bytes().all(is_allowed)
}

/// Whether a text may be the locale or the tenant in the path of a webhook.
#[must_use]
pub fn is_segment(text: &str) -> bool {
    text.len() <= 64 && is_id(text) && !text.contains(['/', ':'])
}

fn build_number(text: &str) -> Option<BuildNumber> {
    let is_number = (1..=18).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    let number: BuildNumber = is_number.then(|| text.parse().ok())??;
    (number > 0).then_some(number)
}

/// What the parser says, without the values that it may quote.
fn without_values(error: &serde_json::Error) -> String {
    let place = (error.line(), error.column());
    let what = match error.classify() {
        serde_json::error::Category::Data => "a member is missing or is no text",
        serde_json::error::Category::Syntax => "it is no JSON",
        serde_json::error::Category::Eof | serde_json::error::Category::Io => "it ends too soon",
    };
    format!("{what} (line {}, column {})", place.0, place.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: &str = "2024-03-20T12:00:00Z";

    fn read_at(body: &str, now: &str) -> Result<Webhook, BadWebhook> {
        let window = SignedDuration::from_secs(300);
        read(body.as_bytes(), now.parse().unwrap(), window)
    }

    fn body(job: &str, status: &str, build: &str, at: &str) -> String {
        serde_json::json!({"jobId": job, "status": status, "buildNumber": build, "timestamp": at})
            .to_string()
    }

    #[test]
    fn the_body_of_the_contract_is_read() {
        let read = read_at(&body("job-123", "SUCCESS", "123", NOW), NOW).unwrap();
        assert_eq!(read.job, "job-123");
        assert_eq!(read.message.build, 123);
        assert_eq!(read.message.status.as_str(), "SUCCESS");
        // Other members are none of our business.
        let more = r#"{"jobId":"j","status":"x","buildNumber":"1","timestamp":"2024-03-20T13:00:00+01:00","url":1}"#;
        assert!(read_at(more, NOW).is_ok());
    }

    #[test]
    fn what_makes_no_sense_is_refused_by_its_member_and_not_repeated() {
        for (bad, member) in [
            (body("", "SUCCESS", "1", NOW), "jobId"),
            (body("canary'; DROP TABLE x", "SUCCESS", "1", NOW), "jobId"),
            (body("canary\n", "SUCCESS", "1", NOW), "jobId"),
            (body("j", "", "1", NOW), "status"),
            (body("j", "canary canary", "1", NOW), "status"),
            (body("j", "SUCCESS", "0", NOW), "buildNumber"),
            (body("j", "SUCCESS", "-1", NOW), "buildNumber"),
            (body("j", "SUCCESS", "canary", NOW), "buildNumber"),
            (
                body("j", "SUCCESS", "1234567890123456789", NOW),
                "buildNumber",
            ),
            (body("j", "SUCCESS", "1", "canary"), "timestamp"),
            (
                body("j", "SUCCESS", "1", "2024-03-20T12:00:00"),
                "timestamp",
            ),
        ] {
            let error = read_at(&bad, NOW).unwrap_err();
            assert!(
                matches!(&error, BadWebhook::Member { member: found, .. } if *found == member),
                "{bad}: {error}"
            );
            assert!(!error.to_string().contains("canary"), "{error}");
        }
        for bad in [
            "",
            "[]",
            "canary",
            r#"{"jobId":"canary"}"#,
            r#"{"jobId":1}"#,
        ] {
            let error = read_at(bad, NOW).unwrap_err();
            assert!(matches!(error, BadWebhook::Shape(_)), "{bad}: {error}");
            assert!(!error.to_string().contains("canary"), "{error}");
        }
    }

    #[test]
    fn a_message_is_taken_only_near_its_time() {
        for (now, is_taken) in [
            ("2024-03-20T12:05:00Z", true),
            ("2024-03-20T11:55:00Z", true),
            ("2024-03-20T12:05:01Z", false),
            ("2024-03-20T11:54:59Z", false),
            ("2034-03-20T12:00:00Z", false),
        ] {
            let read = read_at(&body("j", "SUCCESS", "1", NOW), now);
            assert_eq!(read.is_ok(), is_taken, "{now}: {read:?}");
        }
    }

    #[test]
    fn segments_of_the_path_are_short_words() {
        for good in ["en", "de-AT", "tenant_1", "a.b"] {
            assert!(is_segment(good), "{good}");
        }
        for bad in ["", "a/b", "a b", "é", "a'b", "a".repeat(65).as_str()] {
            assert!(!is_segment(bad), "{bad}");
        }
    }
}
