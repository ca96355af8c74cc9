//! The report of a run: one JSON document, described by `schemas/reports/run.json`.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

use crate::controller::image::{Found, Image};
use crate::controller::run::{JobResult, RunResult};
use crate::controller::{Note, Phase};
use crate::events::Delivery;
use crate::reconcile::Cause;
use crate::spec::schema;
use crate::spec::workload::ApiVersion;

/// The report of a run of `cs reconcile`.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::cli) struct RunReport {
    /// `cloudstation.io/v1`.
    api_version: ApiVersion,
    /// `RunReport`.
    kind: RunReportKind,
    /// How the run ended: `converged`, `destroyed`, `failed`, `usage`, `invalid`, `deadline`, `unhealthy`, `rolled-back`,
    /// `unplaceable`, `conflict`, `refused`, `cancelled`, `superseded`.
    outcome: &'static str,
    /// The run as a whole.
    summary: RunSummary,
    /// One entry a job, in the order of the params.
    results: Vec<JobReport>,
}

#[derive(Debug, Serialize, JsonSchema)]
enum RunReportKind {
    RunReport,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RunSummary {
    /// The task, when it was readable.
    task: Option<String>,
    /// The platform's deployment, when there is one.
    deployment_id: Option<String>,
    /// Exit code of the process, undelivered events included.
    exit_code: u8,
    /// How it ended, in one line.
    message: String,
    /// What to do next.
    help: Option<String>,
    /// Whole milliseconds.
    duration_ms: u64,
    /// Jobs that did not end well.
    failed: Vec<String>,
    /// What became of the events.
    events: EventsReport,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct EventsReport {
    /// Acknowledged, leftovers of earlier runs included.
    sent: usize,
    /// Not acknowledged.
    pending: Vec<PendingReport>,
    /// Lines of the deployment's log that were dropped.
    dropped_log_lines: usize,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct PendingReport {
    /// Where it was to go.
    subject: String,
    /// Its message id.
    id: String,
    /// Whether it waits in the outbox; otherwise it is lost.
    kept: bool,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct JobReport {
    /// Nomad job id.
    job: String,
    /// How it ended, in the words of the run's outcome.
    outcome: &'static str,
    /// The same in one line.
    message: String,
    /// First cause of trouble.
    cause: Option<CauseReport>,
    /// The step that failed: `clone`, `build`, `push`, `deploy`, `healthCheck`, …
    failed_in: Option<&'static str>,
    /// The image that was built for it.
    image: Option<ImageReport>,
    /// Last log lines of the task or the builder at fault.
    log_tail: Vec<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ImageReport {
    /// What the job refers to.
    reference: String,
    /// Digest in the registry, once it is there.
    digest: Option<String>,
    /// The commit, or the digest of the archive.
    revision: Option<String>,
    /// `csdocker`, `nixpacks`, `railpack` or `noop`.
    builder: &'static str,
    /// Where it was before this run, which then did not build it: `registry` or `engine`.
    found_in: Option<&'static str>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::cli) struct CauseReport {
    /// `placement`, `pull`, `driver`, `setup`, `exit`, `oom`, `check` or `stuck`.
    kind: &'static str,
    /// What happened, with Nomad's own words.
    text: String,
    /// Allocation id.
    allocation: Option<String>,
    /// Task name.
    task: Option<String>,
    /// Node name.
    node: Option<String>,
}

impl RunReport {
    /// The report of a run.
    pub(in crate::cli) fn new(result: &RunResult) -> Self {
        let failed = result.jobs.iter().filter(|job| !job.outcome.is_success());
        Self {
            api_version: ApiVersion::V1,
            kind: RunReportKind::RunReport,
            outcome: result.outcome.word(),
            summary: RunSummary {
                task: result.task.map(|task| task.as_str().to_owned()),
                deployment_id: result.deployment.clone(),
                exit_code: result.outcome.exit_code(),
                message: result.outcome.message(),
                help: result.outcome.help(),
                duration_ms: u64::try_from(result.duration.as_millis()).unwrap_or(u64::MAX),
                failed: failed.map(|job| job.job.clone()).collect(),
                events: events_report(&result.delivery),
            },
            results: result.jobs.iter().map(job_report).collect(),
        }
    }

    /// One line of JSON.
    pub(in crate::cli) fn line(&self) -> String {
        serde_json::to_string(self).expect("plain data with text keys")
    }
}

/// The JSON Schema of [`RunReport`], as it is committed under `schemas/reports/`.
pub(in crate::cli) fn run_schema() -> String {
    schema::rendered_output::<RunReport>(
        "https://cloudstation.io/schemas/reports/run.json",
        "Report of cs reconcile",
    )
}

fn events_report(delivery: &Delivery) -> EventsReport {
    let pending = delivery.pending.iter().map(|event| PendingReport {
        subject: event.subject.as_str().to_owned(),
        id: event.id.clone(),
        kept: event.kept,
    });
    EventsReport {
        sent: delivery.sent,
        pending: pending.collect(),
        dropped_log_lines: delivery.dropped_log_lines,
    }
}

fn job_report(job: &JobResult) -> JobReport {
    JobReport {
        job: job.job.clone(),
        outcome: job.outcome.word(),
        message: job.outcome.message(),
        cause: job.outcome.cause().map(cause_report),
        failed_in: job.failed_in.map(Phase::name),
        image: job.image.as_ref().map(image_report),
        log_tail: job.log_tail.clone(),
    }
}

fn image_report(image: &Image) -> ImageReport {
    ImageReport {
        reference: image.reference.clone(),
        digest: image.digest.clone(),
        revision: image.revision.clone(),
        builder: image.builder.as_str(),
        found_in: match image.found {
            Found::Nowhere => None,
            Found::Engine => Some("engine"),
            Found::Registry => Some("registry"),
        },
    }
}

pub(in crate::cli) fn cause_report(cause: &Cause) -> CauseReport {
    let at = cause.at.as_ref();
    CauseReport {
        kind: cause.kind.word(),
        text: cause.text.clone(),
        allocation: at.map(|at| at.allocation.clone()),
        task: at.map(|at| at.task.clone()),
        node: at.map(|at| at.node.clone()),
    }
}

/// One note as one line of JSON, for `-o ndjson`.
pub(in crate::cli) fn note_line(note: &Note) -> String {
    let value = match note {
        Note::Deploying { deployment, job_id } => {
            json!({"note": "deploying", "deploymentId": deployment, "deploymentJobId": job_id})
        }
        Note::Destroying { jobs } => json!({"note": "destroying", "jobs": jobs}),
        Note::Began(phase) => json!({"note": "began", "step": phase.name()}),
        Note::Ended(phase, ended) => {
            json!({"note": "ended", "step": phase.name(), "error": ended.as_ref().err()})
        }
        Note::Planned {
            job,
            is_new,
            changes,
        } => {
            json!({"note": "planned", "job": job, "new": is_new, "changes": changes})
        }
        Note::Registered {
            job,
            index,
            warnings,
        } => {
            json!({"note": "registered", "job": job, "index": index, "warnings": warnings})
        }
        Note::Unchanged { job } => json!({"note": "unchanged", "job": job}),
        Note::Stopped { job } => json!({"note": "stopped", "job": job}),
        Note::Purged { job } => json!({"note": "purged", "job": job}),
        Note::Reverted { job, version } => {
            json!({"note": "reverted", "job": job, "version": version})
        }
        Note::Waiting { job, progress } => json!({
            "note": "waiting", "job": job, "waitingFor": progress.waiting_for, "healthy": progress.healthy,
            "desired": progress.desired, "trouble": progress.trouble.as_ref().map(ToString::to_string),
        }),
        Note::Retrying { reason, pause } => {
            json!({"note": "retrying", "reason": reason, "pauseMs": u64::try_from(pause.as_millis()).unwrap_or(u64::MAX)})
        }
        Note::Warning(text) => json!({"note": "warning", "text": text}),
        Note::LogTail { task, lines } => json!({"note": "log", "task": task, "lines": lines}),
        Note::Finished { job, outcome } => {
            json!({"note": "finished", "job": job, "outcome": outcome.word(), "message": outcome.message()})
        }
    };
    value.to_string()
}
