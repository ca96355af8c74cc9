//! The reports of `cs runner`: JSON documents, described by `schemas/reports/runner-*.json`.

use schemars::JsonSchema;
use serde::Serialize;

use crate::agent::fleet::DeadLetter;
use crate::agent::pull::RollCall;
use crate::agent::settings::Difference;
use crate::agent::setup::{Change, Done};
use crate::agent::status::Status;
use crate::agent::submission::Submitted;
use crate::dispatch::Task;
use crate::spec::schema;
use crate::spec::workload::ApiVersion;

/// The report of `cs runner setup`.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::cli) struct SetupReport {
    /// `cloudstation.io/v1`.
    api_version: ApiVersion,
    /// `RunnerSetupReport`.
    kind: SetupKind,
    /// `changed`, or `unchanged` when everything was as wanted.
    outcome: &'static str,
    /// How many were made, changed and left as they were.
    summary: SetupSummary,
    /// One entry a stream or consumer, in the order in which they were looked at.
    results: Vec<SetupEntry>,
}

#[derive(Debug, Serialize, JsonSchema)]
enum SetupKind {
    RunnerSetupReport,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct SetupSummary {
    /// Were not there.
    made: usize,
    /// Had other settings.
    changed: usize,
    /// Were as wanted.
    unchanged: usize,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct SetupEntry {
    /// Which stream or consumer.
    what: String,
    /// `made`, `changed` or `unchanged`.
    change: &'static str,
    /// Settings that differed.
    settings: Vec<SettingChange>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct SettingChange {
    /// Its name in NATS' own configuration.
    setting: &'static str,
    /// What it was.
    from: String,
    /// What it is now.
    to: String,
}

impl SetupReport {
    /// The report of a setup.
    pub(in crate::cli) fn new(done: &[Done]) -> Self {
        let results: Vec<SetupEntry> = done.iter().map(setup_entry).collect();
        let count = |word| results.iter().filter(|entry| entry.change == word).count();
        let summary = SetupSummary {
            made: count("made"),
            changed: count("changed"),
            unchanged: count("unchanged"),
        };
        Self {
            api_version: ApiVersion::V1,
            kind: SetupKind::RunnerSetupReport,
            outcome: match summary.unchanged == results.len() {
                true => "unchanged",
                false => "changed",
            },
            summary,
            results,
        }
    }

    /// One line of JSON.
    pub(in crate::cli) fn line(&self) -> String {
        line(self)
    }
}

fn setup_entry(done: &Done) -> SetupEntry {
    let (change, settings): (_, &[Difference]) = match &done.change {
        Change::Made => ("made", &[]),
        Change::Changed(differences) => ("changed", differences),
        Change::Unchanged => ("unchanged", &[]),
    };
    let setting = |difference: &Difference| SettingChange {
        setting: difference.setting,
        from: difference.found.clone(),
        to: difference.wanted.clone(),
    };
    SetupEntry {
        what: done.what.clone(),
        change,
        settings: settings.iter().map(setting).collect(),
    }
}

/// The report of `cs runner submit`.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::cli) struct SubmitReport {
    /// `cloudstation.io/v1`.
    api_version: ApiVersion,
    /// `RunnerSubmitReport`.
    kind: SubmitKind,
    /// `submitted`, or `repeated` when the queue has, or had minutes ago, the same task.
    outcome: &'static str,
    /// Where the task is.
    summary: SubmitSummary,
    /// Always empty: there is one task.
    results: [(); 0],
}

#[derive(Debug, Serialize, JsonSchema)]
enum SubmitKind {
    RunnerSubmitReport,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct SubmitSummary {
    /// The task.
    task: &'static str,
    /// What NATS got as `Nats-Msg-Id`.
    id: String,
    /// Its place in the queue; that of the first one when it is a repeat.
    sequence: u64,
    /// The stream.
    stream: String,
    /// The subject.
    subject: String,
}

impl SubmitReport {
    /// The report of a submission.
    pub(in crate::cli) fn new(submitted: &Submitted, task: Task) -> Self {
        Self {
            api_version: ApiVersion::V1,
            kind: SubmitKind::RunnerSubmitReport,
            outcome: match submitted.is_repeat {
                true => "repeated",
                false => "submitted",
            },
            summary: SubmitSummary {
                task: task.as_str(),
                id: submitted.id.clone(),
                sequence: submitted.sequence,
                stream: submitted.stream.clone(),
                subject: submitted.subject.clone(),
            },
            results: [],
        }
    }

    /// One line of JSON.
    pub(in crate::cli) fn line(&self) -> String {
        line(self)
    }
}

/// The report of `cs runner status`.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::cli) struct StatusReport {
    /// `cloudstation.io/v1`.
    api_version: ApiVersion,
    /// `RunnerStatusReport`.
    kind: StatusKind,
    /// `idle`, `working`, or `unattended` when tasks wait and no agent answers.
    outcome: &'static str,
    /// How much there is.
    summary: StatusSummary,
    /// The agents that answered, with what they work on.
    results: Vec<RollCall>,
    /// The latest dead letters, newest first, at most 20.
    dead_letters: Vec<DeadLetter>,
}

#[derive(Debug, Serialize, JsonSchema)]
enum StatusKind {
    RunnerStatusReport,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct StatusSummary {
    /// Tasks that wait for an agent.
    pending: u64,
    /// Tasks that were handed out and are not done with.
    in_progress: usize,
    /// Those among them that were handed out more than once.
    redelivered: usize,
    /// Agents that answered.
    agents: usize,
    /// Tasks that they may work on at a time.
    slots: usize,
    /// Tasks that were given up.
    dead: u64,
}

impl StatusReport {
    /// The report of a look at the queue.
    pub(in crate::cli) fn new(status: &Status) -> Self {
        let is_busy = status.pending > 0 || status.in_progress > 0;
        Self {
            api_version: ApiVersion::V1,
            kind: StatusKind::RunnerStatusReport,
            outcome: match (is_busy, status.agents.is_empty()) {
                (false, _) => "idle",
                (true, false) => "working",
                (true, true) => "unattended",
            },
            summary: StatusSummary {
                pending: status.pending,
                in_progress: status.in_progress,
                redelivered: status.redelivered,
                agents: status.agents.len(),
                slots: status.agents.iter().map(|agent| agent.slots).sum(),
                dead: status.dead,
            },
            results: status.agents.clone(),
            dead_letters: status.letters.clone(),
        }
    }

    /// One line of JSON.
    pub(in crate::cli) fn line(&self) -> String {
        line(self)
    }
}

fn line(report: &impl Serialize) -> String {
    serde_json::to_string(report).expect("plain data with text keys")
}

/// The JSON Schema of [`SetupReport`], as it is committed under `schemas/reports/`.
pub(in crate::cli) fn setup_schema() -> String {
    schema::rendered_output::<SetupReport>(
        "https://cloudstation.io/schemas/reports/runner-setup.json",
        "Report of cs runner setup",
    )
}

/// The JSON Schema of [`SubmitReport`].
pub(in crate::cli) fn submit_schema() -> String {
    schema::rendered_output::<SubmitReport>(
        "https://cloudstation.io/schemas/reports/runner-submit.json",
        "Report of cs runner submit",
    )
}

/// The JSON Schema of [`StatusReport`].
pub(in crate::cli) fn status_schema() -> String {
    schema::rendered_output::<StatusReport>(
        "https://cloudstation.io/schemas/reports/runner-status.json",
        "Report of cs runner status",
    )
}
