//! Requests and answers of the HTTP interface. The OpenAPI document is made from these types.

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

pub use self::time_text::Time;
use super::status::{DeploymentStatus, Provider};
use crate::secret::Secret;

/// Longest name of a deployment, in characters.
pub const LONGEST_NAME: usize = 200;

/// Longest path of a job at its provider, in bytes.
pub const LONGEST_JOB: usize = 500;

/// Most parameters of a build.
pub const MOST_PARAMETERS: usize = 100;

/// Longest value of a parameter, in bytes.
pub const LONGEST_PARAMETER: usize = 16 * 1024;

/// Parameters that every build gets beside its own: the id that webhooks name, the deployment, the run.
pub const JOB_ID: &str = "CS_JOB_ID";
/// See [`JOB_ID`].
pub const DEPLOYMENT_ID: &str = "CS_DEPLOYMENT_ID";
/// See [`JOB_ID`].
pub const RUN_ID: &str = "CS_RUN_ID";

/// A new deployment with its CI job.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CreateDeployment {
    /// For people.
    #[schemars(length(min = 1, max = 200))]
    pub name: String,
    /// Which CI server.
    pub provider: Provider,
    /// The job there, folders separated by `/`, e.g. `shop/build`.
    #[schemars(length(min = 1, max = 500))]
    pub job: String,
    /// Parameters of every build. Their values are never shown again.
    #[serde(default)]
    pub parameters: BTreeMap<String, Parameter>,
    /// A document of kind `Workload` that is made to stand in Nomad once a build has succeeded. `{{buildNumber}}` in
    /// `spec.source.image` becomes the number of that build.
    #[serde(default)]
    pub workload: Option<Value>,
}

/// Value of a parameter: a text, a number, `true` or `false`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter(pub Secret);

impl<'de> Deserialize<'de> for Parameter {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "expected a text, a number, `true` or `false`")]
        enum Written {
            Text(Secret),
            Bool(bool),
            Number(serde_json::Number),
        }
        Ok(Self(match Written::deserialize(deserializer)? {
            Written::Text(text) => text,
            Written::Bool(yes) => Secret::new(yes.to_string()),
            Written::Number(number) => Secret::new(number.to_string()),
        }))
    }
}

impl JsonSchema for Parameter {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Parameter".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "Value of a parameter.",
            "type": ["string", "number", "boolean"],
        })
    }
}

/// How a run is asked for. The body may be left out.
#[derive(Debug, Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RunDeployment {
    /// Start another build although one is under way, e.g. because its webhook never came.
    #[serde(default)]
    pub force: bool,
}

/// A deployment.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Deployment {
    /// Its id.
    pub deployment_id: String,
    /// Id of its CI job: what webhooks call `jobId`.
    pub cicd_job_id: String,
    /// For people.
    pub name: String,
    /// Which CI server.
    pub provider: Provider,
    /// The job there.
    pub job: String,
    /// Names of the parameters of a build.
    pub parameter_names: Vec<String>,
    /// Its status.
    pub status: DeploymentStatus,
    /// What the CI server called it.
    pub ci_status: String,
    /// The build that told it last.
    pub build_number: Option<String>,
    /// The latest run.
    pub last_run: Option<Run>,
    /// The latest rollout of its workload.
    pub last_rollout: Option<Rollout>,
    /// When it was made.
    pub created_at: Time,
    /// When it changed last.
    pub updated_at: Time,
}

/// A run of a deployment.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Run {
    /// Its id: parameter `CS_RUN_ID` of the build.
    pub run_id: String,
    /// How far it is.
    pub state: RunState,
    /// Its build, once the CI server has named it.
    pub build_number: Option<String>,
    /// Why it failed.
    pub error: Option<RunError>,
    /// When it began.
    pub started_at: Time,
}

/// How far a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RunState {
    /// The CI server is being asked.
    Triggering,
    /// It waits in the CI server's queue.
    Queued,
    /// Its build has a number. Webhooks tell the rest.
    Started,
    /// There is no build of it.
    Failed,
    /// Another run was forced.
    Superseded,
}

impl RunState {
    /// The word in the database and in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Triggering => "triggering",
            Self::Queued => "queued",
            Self::Started => "started",
            Self::Failed => "failed",
            Self::Superseded => "superseded",
        }
    }

    /// Reads the word.
    #[must_use]
    pub fn named(word: &str) -> Option<Self> {
        let all = [
            Self::Triggering,
            Self::Queued,
            Self::Started,
            Self::Failed,
            Self::Superseded,
        ];
        all.into_iter().find(|state| state.as_str() == word)
    }

    /// Whether the bridge still has something to do about it.
    #[must_use]
    pub const fn is_active(self) -> bool {
        match self {
            Self::Triggering | Self::Queued => true,
            Self::Started | Self::Failed | Self::Superseded => false,
        }
    }
}

/// Why a run failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RunError {
    /// For programs, e.g. `jenkins-unauthorized`.
    pub code: String,
    /// For people.
    pub message: String,
}

/// What asking for a run came to.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RunAnswer {
    /// The deployment.
    pub deployment_id: String,
    /// Its CI job.
    pub cicd_job_id: String,
    /// Status of the deployment.
    pub status: DeploymentStatus,
    /// Nothing was started: a run is under way, or this key was used before.
    pub repeated: bool,
    /// The run.
    #[serde(flatten)]
    pub run: Run,
}

/// A rollout of the deployment's workload after a build.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Rollout {
    /// The build.
    pub build_number: String,
    /// How far it is.
    pub state: RolloutState,
    /// How it ended, in a word: `converged`, `unhealthy`, `rolled-back`, …
    pub outcome: Option<String>,
    /// The same for people.
    pub message: Option<String>,
    /// When it changed last.
    pub updated_at: Time,
}

/// How far a rollout is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RolloutState {
    /// It waits for its turn.
    Due,
    /// The loop is at it.
    Running,
    /// The workload stands and is healthy.
    Converged,
    /// It does not.
    Failed,
    /// A newer build took its place.
    Superseded,
}

impl RolloutState {
    /// The word in the database and in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Due => "due",
            Self::Running => "running",
            Self::Converged => "converged",
            Self::Failed => "failed",
            Self::Superseded => "superseded",
        }
    }

    /// Reads the word.
    #[must_use]
    pub fn named(word: &str) -> Option<Self> {
        let all = [
            Self::Due,
            Self::Running,
            Self::Converged,
            Self::Failed,
            Self::Superseded,
        ];
        all.into_iter().find(|state| state.as_str() == word)
    }
}

/// Several deployments, newest first.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeploymentList {
    /// At most `limit`.
    pub deployments: Vec<Deployment>,
    /// `after` of the next page; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// What happened to a deployment, newest first.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct History {
    /// At most `limit`.
    pub transitions: Vec<Transition>,
    /// `before` of the next page; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// Something that happened to a deployment.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Transition {
    /// When.
    pub at: Time,
    /// What: `created`, `run`, `webhook`, `build`, `run-failed`, `rollout`.
    pub kind: String,
    /// Status before.
    pub from: Option<DeploymentStatus>,
    /// Status after; the same when nothing changed.
    pub to: DeploymentStatus,
    /// What the CI server called it.
    pub ci_status: Option<String>,
    /// Of which build.
    pub build_number: Option<String>,
    /// Whether it changed the status. A message that came too late does not.
    pub applied: bool,
    /// More for people.
    pub detail: Option<String>,
}

/// What a webhook came to.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WebhookAnswer {
    /// In a word.
    pub outcome: WebhookOutcome,
    /// The deployment, when there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deployment_id: Option<String>,
    /// Its status now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<DeploymentStatus>,
    /// Why nothing changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// What a webhook came to, in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum WebhookOutcome {
    /// The deployment has changed.
    Updated,
    /// The same was known.
    Unchanged,
    /// It came too late.
    Ignored,
    /// No deployment belongs to the job.
    Unmapped,
}

/// What went wrong. Media type `application/problem+json` (RFC 9457).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProblemBody {
    /// `about:blank`: the code says it.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// The status in words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// For programs, e.g. `jenkins-unauthorized`.
    pub code: &'static str,
    /// What and where.
    pub detail: String,
    /// What to do.
    pub help: String,
}

/// A member of a request that makes no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{member}`: expected {expected}")]
pub struct BadMember {
    /// Which.
    pub member: String,
    /// What it may be.
    pub expected: &'static str,
}

impl CreateDeployment {
    /// Checks what types cannot. The workload is checked where it is read.
    ///
    /// # Errors
    /// The first member that makes no sense. No value is repeated.
    pub fn check(&self) -> Result<(), BadMember> {
        let bad = |member: &str, expected| BadMember {
            member: member.to_owned(),
            expected,
        };
        let is_name = (1..=LONGEST_NAME).contains(&self.name.chars().count());
        if !is_name || self.name.trim().is_empty() || self.name.contains(char::is_control) {
            return Err(bad("name", "1 to 200 characters in one line"));
        }
        if job_segments(&self.job).is_none() {
            return Err(bad(
                "job",
                "the name of the job behind its folders, such as `shop/build`",
            ));
        }
        if self.parameters.len() > MOST_PARAMETERS {
            return Err(bad("parameters", "at most 100 of them"));
        }
        for (name, value) in &self.parameters {
            if !is_parameter_name(name) {
                return Err(bad(
                    "parameters",
                    "names of 1 to 128 letters, digits, `_`, `.` or `-`",
                ));
            }
            if [JOB_ID, DEPLOYMENT_ID, RUN_ID].contains(&name.as_str()) {
                return Err(bad(
                    &format!("parameters.{name}"),
                    "another name: this one is set by the bridge",
                ));
            }
            let text = value.0.expose();
            if text.len() > LONGEST_PARAMETER || text.contains('\0') {
                return Err(bad(
                    &format!("parameters.{name}"),
                    "at most 16 KiB without NUL",
                ));
            }
        }
        Ok(())
    }
}

fn is_parameter_name(name: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
    (1..=128).contains(&name.len()) && name.bytes().all(is_allowed)
}

/// The folders and the name of a job, in order; `None` when the text names none.
#[must_use]
pub fn job_segments(job: &str) -> Option<Vec<&str>> {
    let is_segment = |segment: &&str| {
        !segment.is_empty()
            && !matches!(*segment, "." | "..")
            && !segment.contains(|c: char| c.is_control() || matches!(c, '\\' | '?' | '#' | '%'))
    };
    let segments: Vec<&str> = job.split('/').collect();
    (job.len() <= LONGEST_JOB && segments.len() <= 20 && segments.iter().all(is_segment))
        .then_some(segments)
}

/// Times in JSON.
mod time_text {
    use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
    use serde::Serialize;

    /// A time in JSON: RFC 3339 in UTC with milliseconds at most.
    #[derive(Debug, Clone, PartialEq, Eq, Serialize)]
    #[serde(transparent)]
    pub struct Time(String);

    impl Time {
        /// A time given in milliseconds since the epoch; what is beyond the calendar is its end.
        #[must_use]
        pub fn of_millis(millis: i64) -> Self {
            let time = jiff::Timestamp::from_millisecond(millis).unwrap_or(jiff::Timestamp::MAX);
            Self(time.to_string())
        }
    }

    impl JsonSchema for Time {
        fn schema_name() -> std::borrow::Cow<'static, str> {
            "Time".into()
        }

        fn inline_schema() -> bool {
            true
        }

        fn json_schema(_: &mut SchemaGenerator) -> Schema {
            json_schema!({"type": "string", "format": "date-time"})
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn created(text: &str) -> CreateDeployment {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn a_request_is_checked_member_by_member_without_repeating_values() {
        let good = created(
            r#"{"name":"Shop","provider":"jenkins","job":"team/shop build","parameters":{"A":"x","B":1,"C":true}}"#,
        );
        assert_eq!(good.check(), Ok(()));
        assert_eq!(good.parameters["B"].0.expose(), "1");
        assert!(!format!("{good:?}").contains('x'));
        for (bad, member) in [
            (r#"{"name":" ","provider":"jenkins","job":"j"}"#, "name"),
            (r#"{"name":"a\nb","provider":"jenkins","job":"j"}"#, "name"),
            (r#"{"name":"a","provider":"jenkins","job":""}"#, "job"),
            (r#"{"name":"a","provider":"jenkins","job":"../j"}"#, "job"),
            (
                r#"{"name":"a","provider":"jenkins","job":"j?canary"}"#,
                "job",
            ),
            (
                r#"{"name":"a","provider":"jenkins","job":"j","parameters":{"a b":"canary"}}"#,
                "parameters",
            ),
            (
                r#"{"name":"a","provider":"jenkins","job":"j","parameters":{"CS_JOB_ID":"canary"}}"#,
                "parameters.CS_JOB_ID",
            ),
            (
                r#"{"name":"a","provider":"jenkins","job":"j","parameters":{"A":"canary\u0000"}}"#,
                "parameters.A",
            ),
        ] {
            let error = created(bad).check().unwrap_err();
            assert_eq!(error.member, member, "{bad}");
            assert!(!error.to_string().contains("canary"), "{error}");
        }
    }

    #[test]
    fn a_time_is_written_in_utc() {
        let text = serde_json::to_string(&Time::of_millis(1_710_936_000_123)).unwrap();
        assert_eq!(text, "\"2024-03-20T12:00:00.123Z\"");
    }
}
