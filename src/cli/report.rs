//! The report of a run: one JSON document, described by `schemas/reports/run.json`.

use serde::Serialize;
use serde_json::{Value, json};

use crate::controller::Note;
use crate::controller::run::{JobResult, RunResult};
use crate::reconcile::Outcome;
use crate::spec::workload::API_VERSION;

/// The envelope that every report shares (design, section 10).
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Report {
    api_version: &'static str,
    kind: &'static str,
    outcome: &'static str,
    summary: Value,
    results: Vec<Value>,
}

impl Report {
    /// One line of JSON.
    pub(super) fn line(&self) -> String {
        serde_json::to_string(self).expect("plain data with text keys")
    }
}

/// The report of a run.
pub(super) fn run_report(result: &RunResult) -> Report {
    let delivery = &result.delivery;
    let failed: Vec<&str> = result
        .jobs
        .iter()
        .filter(|job| !job.outcome.is_success())
        .map(|job| job.job.as_str())
        .collect();
    Report {
        api_version: API_VERSION,
        kind: "RunReport",
        outcome: result.outcome.word(),
        summary: json!({
            "task": result.task.map(|task| task.to_string()),
            "deploymentId": result.deployment,
            "exitCode": result.outcome.exit_code(),
            "message": result.outcome.message(),
            "help": result.outcome.help(),
            "durationMs": u64::try_from(result.duration.as_millis()).unwrap_or(u64::MAX),
            "failed": failed,
            "events": {
                "sent": delivery.sent,
                "pending": delivery.pending.iter().map(|event| json!({"subject": event.subject, "id": event.id})).collect::<Vec<_>>(),
            },
        }),
        results: result.jobs.iter().map(job_result).collect(),
    }
}

fn job_result(job: &JobResult) -> Value {
    json!({
        "job": job.job,
        "outcome": job.outcome.word(),
        "message": job.outcome.message(),
        "cause": cause(&job.outcome),
        "logTail": job.log_tail,
    })
}

fn cause(outcome: &Outcome) -> Value {
    outcome.cause().map_or(Value::Null, |cause| {
        json!({
            "kind": cause.kind.word(),
            "text": cause.text,
            "allocation": cause.at.as_ref().map(|at| &at.allocation),
            "task": cause.at.as_ref().map(|at| &at.task),
            "node": cause.at.as_ref().map(|at| &at.node),
        })
    })
}

/// One note as one line of JSON, for `-o ndjson`.
pub(super) fn note_line(note: &Note) -> String {
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
