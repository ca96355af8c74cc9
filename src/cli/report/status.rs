//! What is shown of jobs as one JSON document, described by `schemas/reports/status.json`.
//!
//! All commands that look at jobs share it: each fills the members that it knows and leaves the others out.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use super::run::{CauseReport, cause_report};
use crate::reconcile::Outcome;
use crate::spec::schema;
use crate::spec::workload::ApiVersion;
use crate::views::fleet::{Drift, Row};
use crate::views::history::Version;
use crate::views::text::Nanos;
use crate::views::why::{Step, Story};

/// The report of `cs status`, `why`, `history`, `wait`, `rollback` and `promote`.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::cli) struct StatusReport {
    /// `cloudstation.io/v1`.
    api_version: ApiVersion,
    /// `StatusReport`.
    kind: StatusReportKind,
    /// `converged` when all is well, else the worst: `failed`, `deadline`, `unhealthy`, `rolled-back`, `unplaceable`,
    /// `conflict`, `refused`, `cancelled`, `superseded`; `progressing` while something is on its way.
    outcome: &'static str,
    /// All jobs together.
    summary: StatusSummary,
    /// One entry a job.
    results: Vec<JobEntry>,
}

#[derive(Debug, Serialize, JsonSchema)]
enum StatusReportKind {
    StatusReport,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct StatusSummary {
    /// How many jobs.
    jobs: usize,
    /// Word of `health` → how many jobs.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    health: BTreeMap<&'static str, usize>,
    /// In one line.
    message: String,
    /// What to do next.
    #[serde(skip_serializing_if = "Option::is_none")]
    help: Option<String>,
}

/// What is known of one job.
#[derive(Debug, Default, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::cli) struct JobEntry {
    /// Nomad job id.
    pub(in crate::cli) job: String,
    /// Its namespace.
    pub(in crate::cli) namespace: String,
    /// `service`, `batch`, `system` or `sysbatch`, with `periodic` or `parameterized` before it.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub(in crate::cli) job_type: Option<String>,
    /// On whose behalf it was written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::cli) owner: Option<String>,
    /// `healthy`, `completed`, `progressing`, `awaits-promotion`, `degraded`, `blocked`, `unhealthy`, `rolled-back`,
    /// `stopped` or `missing`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::cli) health: Option<&'static str>,
    /// The same, or how the command ended for it, in one line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::cli) message: Option<String>,
    /// How the command ended for it, in the words of the report's outcome.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::cli) outcome: Option<&'static str>,
    /// Allocations of the current version that run, or that completed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::cli) ready: Option<u64>,
    /// Of so many.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::cli) desired: Option<u64>,
    /// `none`, `changed`, `failed` or `gone`; absent when nothing is remembered of the job.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::cli) drift: Option<&'static str>,
    /// Current version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::cli) version: Option<u64>,
    /// Version before the command.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::cli) from_version: Option<u64>,
    /// Version whose specification was made the newest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::cli) to_version: Option<u64>,
    /// Revision of the source that was written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::cli) revision: Option<String>,
    /// When the current version was submitted, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::cli) submitted: Option<String>,
    /// Index of the specification.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::cli) index: Option<u64>,
    /// First cause of trouble.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::cli) cause: Option<CauseReport>,
    /// From the specification to the last log line, in the order in which Nomad works.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(in crate::cli) steps: Vec<StepReport>,
    /// Commands that would help.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(in crate::cli) commands: Vec<CommandReport>,
    /// The last run of a periodic or parameterized job.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::cli) child: Option<Box<Self>>,
    /// Versions that Nomad has, newest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(in crate::cli) versions: Vec<VersionReport>,
    /// What the command changed, one line each, secrets hidden.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(in crate::cli) changes: Vec<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::cli) struct StepReport {
    /// `spec`, `evaluation`, `placement`, `rollout`, `allocation`, `log`, `checks` or `runs`.
    step: &'static str,
    /// `good`, `bad`, `open` or `none`.
    mark: &'static str,
    /// In one line.
    text: String,
    /// More, one line each.
    lines: Vec<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::cli) struct CommandReport {
    /// To be copied.
    command: String,
    /// Why one would.
    what: &'static str,
}

/// One version of a job.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::cli) struct VersionReport {
    /// Its number.
    version: u64,
    /// It is the one that runs.
    current: bool,
    /// Nomad saw it healthy.
    stable: bool,
    /// It stops the job.
    stop: bool,
    /// When it was submitted, RFC 3339.
    submitted: Option<String>,
    /// Name that somebody gave it.
    tag: Option<String>,
    /// What became of its rollout: `running`, `paused`, `failed`, `cancelled` or `successful`.
    rollout: Option<String>,
    /// Nomad's sentence about that.
    rollout_description: Option<String>,
    /// What it changed against the version before it, one line each, secrets hidden; `null` when Nomad does not have that
    /// version.
    changes: Option<Vec<String>>,
    /// Fingerprint of the specification that cs wrote.
    digest: Option<String>,
    /// Revision of the source that cs wrote.
    revision: Option<String>,
}

impl StatusReport {
    fn new(outcome: &'static str, message: String, results: Vec<JobEntry>) -> Self {
        let mut health = BTreeMap::new();
        for word in results.iter().filter_map(|entry| entry.health) {
            *health.entry(word).or_default() += 1;
        }
        Self {
            api_version: ApiVersion::V1,
            kind: StatusReportKind::StatusReport,
            outcome,
            summary: StatusSummary {
                jobs: results.len(),
                health,
                message,
                help: None,
            },
            results,
        }
    }

    /// A fleet.
    pub(in crate::cli) fn of_fleet(rows: &[Row], message: String) -> Self {
        let outcome = if rows.iter().any(|row| row.condition.is_trouble()) {
            "unhealthy"
        } else if rows.iter().any(|row| !row.condition.is_settled()) {
            "progressing"
        } else {
            "converged"
        };
        Self::new(
            outcome,
            message,
            rows.iter().map(JobEntry::of_row).collect(),
        )
    }

    /// The answers to why.
    pub(in crate::cli) fn of_stories(entries: Vec<JobEntry>, stories: &[Story]) -> Self {
        let outcome = if stories.iter().any(|story| story.condition.is_trouble()) {
            "unhealthy"
        } else if stories.iter().any(|story| !story.condition.is_settled()) {
            "progressing"
        } else {
            "converged"
        };
        let headlines = stories.iter().map(|story| story.headline.as_str());
        let message = headlines.collect::<Vec<_>>().join("; ");
        Self::new(outcome, message, entries)
    }

    /// What has been found out about jobs that nothing was done to.
    pub(in crate::cli) fn of_entries(entries: Vec<JobEntry>, message: String) -> Self {
        Self::new("converged", message, entries)
    }

    /// What was begun and goes on without whoever began it.
    pub(in crate::cli) fn of_begun(entry: JobEntry, message: String) -> Self {
        let entry = JobEntry {
            outcome: Some("progressing"),
            message: Some(message.clone()),
            ..entry
        };
        Self::new("progressing", message, vec![entry])
    }

    /// How a command ended.
    pub(in crate::cli) fn of_outcome(
        outcome: &Outcome,
        help: Option<String>,
        entries: Vec<JobEntry>,
    ) -> Self {
        let mut report = Self::new(outcome.word(), outcome.message(), entries);
        report.summary.help = help;
        report
    }

    /// Indented JSON.
    pub(in crate::cli) fn json(&self) -> String {
        serde_json::to_string_pretty(self).expect("plain data with text keys")
    }

    /// One line of JSON.
    pub(in crate::cli) fn line(&self) -> String {
        serde_json::to_string(self).expect("plain data with text keys")
    }

    /// The same as YAML.
    pub(in crate::cli) fn yaml(&self) -> String {
        serde_saphyr::to_string(self).expect("plain data with text keys")
    }
}

impl JobEntry {
    pub(in crate::cli) fn of_row(row: &Row) -> Self {
        Self {
            job: row.job.clone(),
            namespace: row.namespace.clone(),
            job_type: Some(row.kind.clone()).filter(|kind| kind != "-"),
            owner: row.owner.clone(),
            health: Some(row.condition.word()),
            message: Some(row.message.clone()).filter(|text| !text.is_empty()),
            ready: Some(row.ready),
            desired: row.desired,
            drift: (row.drift != Drift::Unknown).then(|| row.drift.word()),
            version: row.version,
            revision: row.revision.clone(),
            submitted: moment(row.submitted),
            index: Some(row.index.0),
            ..Self::default()
        }
    }

    /// A job with its story.
    pub(in crate::cli) fn of_story(story: &Story, namespace: &str) -> Self {
        Self {
            job: story.job.clone(),
            namespace: namespace.to_owned(),
            health: Some(story.condition.word()),
            message: Some(story.headline.clone()),
            cause: story.cause.as_ref().map(cause_report),
            steps: story.steps.iter().map(step_report).collect(),
            commands: story
                .hints
                .iter()
                .map(|hint| CommandReport {
                    command: hint.command.clone(),
                    what: hint.what,
                })
                .collect(),
            child: story
                .child
                .as_ref()
                .map(|child| Box::new(Self::of_story(child, namespace))),
            ..Self::default()
        }
    }

    /// How a command ended for a job.
    pub(in crate::cli) fn of_outcome(job: &str, namespace: &str, outcome: &Outcome) -> Self {
        Self {
            job: job.to_owned(),
            namespace: namespace.to_owned(),
            outcome: Some(outcome.word()),
            message: Some(outcome.message()),
            cause: outcome.cause().map(cause_report),
            ..Self::default()
        }
    }
}

impl VersionReport {
    pub(in crate::cli) fn new(version: &Version) -> Self {
        let rollout = version.rollout.as_ref();
        Self {
            version: version.number,
            current: version.is_current,
            stable: version.is_stable,
            stop: version.is_stop,
            submitted: moment(version.submitted),
            tag: version.tag.clone(),
            rollout: rollout.map(|end| end.status.clone()),
            rollout_description: rollout.map(|end| end.description.clone()),
            changes: version.changes.clone(),
            digest: version.digest.clone(),
            revision: version.revision.clone(),
        }
    }
}

fn step_report(step: &Step) -> StepReport {
    StepReport {
        step: step.name,
        mark: step.mark.word(),
        text: step.text.clone(),
        lines: step.lines.clone(),
    }
}

/// A moment as RFC 3339 in whole seconds; `None` when it is unknown.
pub(in crate::cli) fn moment(nanos: Nanos) -> Option<String> {
    if nanos <= 0 {
        return None;
    }
    jiff::Timestamp::from_second(nanos / 1_000_000_000)
        .ok()
        .map(|moment| moment.to_string())
}

/// A line of `cs logs -o json`, described by `schemas/reports/log-line.json`.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::cli) struct LogLine<'a> {
    /// Allocation id.
    pub(in crate::cli) allocation: &'a str,
    /// Task name.
    pub(in crate::cli) task: &'a str,
    /// `stdout` or `stderr`.
    pub(in crate::cli) stream: &'static str,
    /// What the task wrote, without the line break. What is no UTF-8 is replaced.
    pub(in crate::cli) line: &'a str,
}

/// The JSON Schema of [`StatusReport`], as it is committed under `schemas/reports/`.
pub(in crate::cli) fn status_schema() -> String {
    schema::rendered_output::<StatusReport>(
        "https://cloudstation.io/schemas/reports/status.json",
        "Report of cs status, why, history, wait, rollback and promote",
    )
}

/// The JSON Schema of [`LogLine`], as it is committed under `schemas/reports/`.
pub(in crate::cli) fn log_line_schema() -> String {
    schema::rendered_output::<LogLine<'_>>(
        "https://cloudstation.io/schemas/reports/log-line.json",
        "A line of cs logs -o json",
    )
}
