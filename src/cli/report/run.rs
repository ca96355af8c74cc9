//! The report of a run: one JSON document, described by `schemas/reports/run.json`.

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

use crate::controller::image::{Found, Image};
use crate::controller::run::{JobResult, RunResult};
use crate::controller::{Note, Phase};
use crate::events::Delivery;
use crate::observe::Run;
use crate::observe::tally::{Job, Step, Tally};
use crate::reconcile::Cause;
use crate::spec::schema;
use crate::spec::workload::ApiVersion;

/// The report of a run: of `cs reconcile`, and of `--summary` of every command that changes something.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::cli) struct RunReport {
    /// `cloudstation.io/v1`.
    api_version: ApiVersion,
    /// `RunReport`.
    kind: RunReportKind,
    /// How the run ended: `converged`, `destroyed`, `built`, `failed`, `usage`, `invalid`, `deadline`, `unhealthy`, `rolled-back`,
    /// `unplaceable`, `conflict`, `refused`, `cancelled`, `superseded`.
    outcome: &'static str,
    /// The run as a whole.
    summary: RunSummary,
    /// One entry a job that was worked on; of a dispatched task in the order of its params.
    results: Vec<JobReport>,
}

#[derive(Debug, Serialize, JsonSchema)]
enum RunReportKind {
    RunReport,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RunSummary {
    /// The command, e.g. `reconcile` or `apply`.
    command: &'static str,
    /// The dispatched task, when there is one and it was readable.
    task: Option<String>,
    /// The platform's deployment, when there is one.
    deployment_id: Option<String>,
    /// Exit code of the process, undelivered events included.
    exit_code: u8,
    /// How it ended, in one line.
    message: String,
    /// What to do next.
    help: Option<String>,
    /// When it began: RFC 3339, UTC.
    started_at: String,
    /// When it ended.
    ended_at: String,
    /// Whole milliseconds.
    duration_ms: u64,
    /// The steps that ended, in order; one that came again is there again.
    steps: Vec<StepReport>,
    /// How often something was tried again, by whose trouble it was: `nomad`, `nats`, `backend`, `jenkins`, `build`.
    retries: BTreeMap<&'static str, u64>,
    /// Calls by whom they went to and what was answered.
    calls: Vec<CallsReport>,
    /// What took part.
    versions: VersionsReport,
    /// The trace that the run belongs to, as 32 digits, when it belongs to one.
    trace_id: Option<String>,
    /// Jobs that did not end well.
    failed: Vec<String>,
    /// What became of the events.
    events: EventsReport,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct StepReport {
    /// `clone`, `build`, `push`, `image_download`, `sync`, `deploy`, `healthCheck`, `destroy`, `plan`, …
    name: &'static str,
    /// Whole milliseconds.
    duration_ms: u64,
    /// Whether it ended well.
    success: bool,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct CallsReport {
    /// `nomad`, `backend`, `registry` or `jenkins`.
    peer: &'static str,
    /// A status such as `200`, or `timeout`, `connect`, `error`, `dropped`.
    answer: String,
    /// How many.
    count: u64,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct VersionsReport {
    /// Of `cs`.
    cs: &'static str,
    /// The commit it was built of, when that is known.
    commit: Option<&'static str>,
    /// Of Nomad: only in `--summary`, and when the token may ask.
    nomad: Option<String>,
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
    /// Index of its specification in Nomad, when it was seen.
    index: Option<u64>,
    /// Its version, when it was seen.
    version: Option<u64>,
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
    /// The report of a dispatched task.
    pub(in crate::cli) fn of_task(result: &RunResult, run: &Run) -> Self {
        let tally = run.tally();
        let failed = result.jobs.iter().filter(|job| !job.outcome.is_success());
        let failed: Vec<String> = failed.map(|job| job.job.clone()).collect();
        let job = |job: &JobResult| job_report(job, tally.jobs.get(&job.job));
        let results = result.jobs.iter().map(job).collect();
        let known = Known {
            command: "reconcile",
            exit_code: result.outcome.exit_code(),
            message: result.outcome.message(),
            help: result.outcome.help(),
            failed,
        };
        let mut summary = summary(known, run, &tally);
        summary.task = result.task.map(|task| task.as_str().to_owned());
        summary.deployment_id.clone_from(&result.deployment);
        summary.duration_ms = whole_ms(result.duration);
        summary.events = events_report(&result.delivery);
        Self::new(result.outcome.word(), summary, results)
    }

    /// The report of another command, of what was recorded while it ran.
    pub(in crate::cli) fn of_command(
        command: &'static str,
        outcome: &'static str,
        exit_code: u8,
        run: &Run,
    ) -> Self {
        let tally = run.tally();
        let is_bad = |job: &&JobReport| !GOOD.contains(&job.outcome);
        let results: Vec<JobReport> = tally.jobs.iter().map(recorded_job).collect();
        let failed: Vec<&JobReport> = results.iter().filter(is_bad).collect();
        let (message, help) = match (&tally.complaint, failed.first()) {
            (Some((message, help)), _) if exit_code != 0 => (message.clone(), help.clone()),
            (_, Some(job)) if exit_code != 0 => (format!("{}: {}", job.job, job.message), None),
            _ => (outcome.to_owned(), None),
        };
        let known = Known {
            command,
            exit_code,
            message,
            help,
            failed: failed.iter().map(|job| job.job.clone()).collect(),
        };
        Self::new(outcome, summary(known, run, &tally), results)
    }

    const fn new(outcome: &'static str, summary: RunSummary, results: Vec<JobReport>) -> Self {
        Self {
            api_version: ApiVersion::V1,
            kind: RunReportKind::RunReport,
            outcome,
            summary,
            results,
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
        "Report of a run",
    )
}

/// Words for jobs that are as wanted, or on their way.
const GOOD: [&str; 5] = [
    "converged",
    "destroyed",
    "stopped",
    "registered",
    "unchanged",
];

/// What only the caller knows of a run.
struct Known {
    command: &'static str,
    exit_code: u8,
    message: String,
    help: Option<String>,
    failed: Vec<String>,
}

fn summary(known: Known, run: &Run, tally: &Tally) -> RunSummary {
    let step = |step: &Step| StepReport {
        name: step.name,
        duration_ms: whole_ms(step.took),
        success: step.is_success,
    };
    let calls = tally
        .calls
        .iter()
        .map(|((peer, answer), count)| CallsReport {
            peer,
            answer: answer.clone(),
            count: *count,
        });
    RunSummary {
        command: known.command,
        task: None,
        deployment_id: None,
        exit_code: known.exit_code,
        message: known.message,
        help: known.help,
        started_at: run.began().to_string(),
        ended_at: jiff::Timestamp::now().to_string(),
        duration_ms: whole_ms(run.elapsed()),
        steps: tally.steps.iter().map(step).collect(),
        retries: tally.retries.clone(),
        calls: calls.collect(),
        versions: VersionsReport {
            cs: env!("CARGO_PKG_VERSION"),
            commit: crate::version::commit(),
            nomad: tally.nomad_version.clone(),
        },
        trace_id: run.trace_id(),
        failed: known.failed,
        events: events_report(&Delivery::default()),
    }
}

fn whole_ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn recorded_job((name, job): (&String, &Job)) -> JobReport {
    let outcome = job.outcome.unwrap_or(match job.index {
        Some(_) => "registered",
        None => "unchanged",
    });
    JobReport {
        job: name.clone(),
        outcome,
        message: job.message.clone().unwrap_or_else(|| outcome.to_owned()),
        cause: None,
        failed_in: None,
        index: job.index,
        version: job.version,
        image: None,
        log_tail: Vec::new(),
    }
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

fn job_report(job: &JobResult, recorded: Option<&Job>) -> JobReport {
    JobReport {
        job: job.job.clone(),
        outcome: job.outcome.word(),
        message: job.outcome.message(),
        cause: job.outcome.cause().map(cause_report),
        failed_in: job.failed_in.map(Phase::name),
        index: recorded.and_then(|job| job.index),
        version: recorded.and_then(|job| job.version),
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
