//! One dispatched task from its text to its outcome: what is the same for every task.
//!
//! Deadline and signals bound all of it. However it ends (bad params, an outcome, a panic), the platform hears of it, the
//! log ends, what is queued is delivered or kept, and only then the run is over.

use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::deploy;
use super::destroy;
use super::image::Image;
use super::log::{DeploymentLog, Echo};
use super::note::{Notes, Phase};
use super::warrant::Warrant;
use crate::clients::nomad::connection::ConnectionConfig;
use crate::config::Environment;
use crate::dispatch::{
    ConvertOptions, DestroyParams, ErrorKind, EventIds, Params, ParamsError, RunContext, Task,
    TaskError, convert, params, readable_ids,
};
use crate::events::{Announcer, Delivery, DeploymentKind, LogStream, Phase as LogPhase};
use crate::observe::{self, Kind};
use crate::reconcile::Outcome;
use crate::spec::Workload;

/// What a run is given by its surroundings.
pub struct Surroundings {
    /// Environment variables.
    pub environment: Environment,
    /// Where Nomad is, unless params say otherwise.
    pub connection: ConnectionConfig,
    /// How params are converted.
    pub convert: ConvertOptions,
    /// Sends events and log lines.
    pub announcer: Announcer,
    /// Who looks on.
    pub notes: Notes,
    /// When time is up.
    pub deadline: Instant,
    /// Told to stop.
    pub cancel: CancellationToken,
    /// How long Nomad may find no node.
    pub placement_grace: Duration,
    /// Where records are kept between runs.
    pub state_dir: std::path::PathBuf,
    /// Build even where there is an image of the same source and inputs.
    pub rebuild: bool,
    /// Who else hears the log of the deployment.
    pub echo: Echo,
    /// Whether its end may be announced, where others may repeat it.
    pub warrant: Warrant,
}

/// How a run ended, for the report.
#[derive(Debug, Clone)]
pub struct RunResult {
    /// The task, when it was readable.
    pub task: Option<Task>,
    /// The platform's deployment, when there is one.
    pub deployment: Option<String>,
    /// How it ended as a whole.
    pub outcome: Outcome,
    /// One entry a job.
    pub jobs: Vec<JobResult>,
    /// What happened to the events.
    pub delivery: Delivery,
    /// How long it took.
    pub duration: Duration,
}

/// How one job of a run ended.
#[derive(Debug, Clone)]
pub struct JobResult {
    /// Job id as given.
    pub job: String,
    /// How it ended.
    pub outcome: Outcome,
    /// The step that failed, if one did.
    pub failed_in: Option<Phase>,
    /// The image that was built for it.
    pub image: Option<Image>,
    /// Last log lines of the task or the builder at fault.
    pub log_tail: Vec<String>,
}

/// What a run that panicked ends with.
const PANICKED: &str = "internal error: the run panicked; this is a bug in cs";

/// Longest wait for events at the end of a run.
///
/// 10 s: NATS had the whole run to come back. What is left then waits on disk.
const DELIVERY: Duration = Duration::from_secs(10);
/// The same after a signal: Nomad kills a task 5 s after it asked by default.
const DELIVERY_WHEN_CANCELLED: Duration = Duration::from_secs(3);

/// Carries out a task. Always ends with a result.
pub async fn run(
    task_text: Option<&str>,
    params_text: Option<&[u8]>,
    surroundings: Surroundings,
) -> RunResult {
    let began = Instant::now();
    let announcer = surroundings.announcer.clone();
    let cancel = surroundings.cancel.clone();
    let prepared = {
        let span = observe::span("convert", Kind::Internal);
        let prepared = prepare(task_text, params_text, &surroundings.convert);
        if let Err(refused) = &prepared {
            span.fail(refused.outcome.word());
        }
        prepared
    };
    let result = match prepared {
        Ok(prepared) => carry_out(prepared, surroundings).await,
        Err(refused) => refuse(*refused, &announcer).await,
    };
    deliver(result, &announcer, &cancel, began).await
}

/// Ends a run that cannot begin because a setting makes no sense: whoever waits for it hears of it.
pub async fn refuse_run(
    reason: String,
    task_text: Option<&str>,
    params_text: Option<&[u8]>,
    announcer: &Announcer,
    cancel: &CancellationToken,
) -> RunResult {
    let refused = Refused {
        task: task_text.and_then(|text| text.parse().ok()),
        outcome: Outcome::Usage(reason),
        ids: params_text.and_then(readable_ids),
    };
    let began = Instant::now();
    deliver(refuse(refused, announcer).await, announcer, cancel, began).await
}

/// Ends a run that panicked, in the process after it: whoever waits for it hears of it. A destroy has no such event.
pub async fn end_panicked_run(
    task_text: Option<&str>,
    params_text: Option<&[u8]>,
    options: &ConvertOptions,
    announcer: &Announcer,
    cancel: &CancellationToken,
) -> RunResult {
    let task: Option<Task> = task_text.and_then(|text| text.parse().ok());
    // Read without the conversion first, which may be what panicked.
    let converted = || match prepare(task_text, params_text, options) {
        Ok(Prepared::Deploy { context, .. }) => Some(context.ids),
        Ok(Prepared::Destroy(_)) | Err(_) => None,
    };
    let ids = match task {
        Some(Task::DestroyJobPack) => None,
        _ => params_text.and_then(readable_ids).or_else(converted),
    };
    let outcome = Outcome::Failed(PANICKED.to_owned());
    let refused = Refused { task, outcome, ids };
    let began = Instant::now();
    deliver(refuse(refused, announcer).await, announcer, cancel, began).await
}

/// Whether a task would be carried out: what [`run`] finds wrong before it asks anybody, in the same words.
///
/// # Errors
/// [`Outcome::Usage`] or [`Outcome::Invalid`], with everything that is wrong.
pub fn check(
    task_text: &str,
    params_text: &[u8],
    options: &ConvertOptions,
    environment: &Environment,
) -> Result<Checked, Box<Outcome>> {
    let prepared = prepare(Some(task_text), Some(params_text), options)
        .map_err(|refused| Box::new(refused.outcome))?;
    match prepared {
        Prepared::Deploy { workload, context } => {
            deploy::check(&workload, &context, environment)?;
            Ok(Checked::Deploy(context))
        }
        Prepared::Destroy(params) => Ok(Checked::Destroy(params)),
    }
}

/// A task in which nothing is wrong.
#[derive(Debug)]
pub enum Checked {
    /// Of the three tasks that deploy.
    Deploy(Box<RunContext>),
    /// Of the task that destroys.
    Destroy(DestroyParams),
}

/// Announces an end that was decided before, by a try that is over, and waits until it is delivered.
///
/// Nothing is announced of a task that has no such event: a destroy, or params without ids. `reason` becomes the last line
/// of the log of a deployment that failed.
pub async fn announce_decided(
    task_text: &str,
    params_text: &[u8],
    options: &ConvertOptions,
    end: Result<(), &str>,
    announcer: &Announcer,
) -> Delivery {
    let (task, ids) = match prepare(Some(task_text), Some(params_text), options) {
        Ok(Prepared::Deploy { context, .. }) => (Some(context.task), Some(context.ids)),
        Ok(Prepared::Destroy(_)) => (None, None),
        Err(refused) => (refused.task, refused.ids),
    };
    if let Some(ids) = ids {
        let kind = task.map_or(DeploymentKind::Image, deploy::kind);
        match end {
            Ok(()) => deploy::announce_end(announcer, &ids, kind, true).await,
            Err(reason) => announce_failure(announcer, &ids, kind, reason).await,
        }
    }
    announcer.finish(DELIVERY).await
}

/// Waits for the events that are left, and takes note of what became of them.
async fn deliver(
    mut result: RunResult,
    announcer: &Announcer,
    cancel: &CancellationToken,
    began: Instant,
) -> RunResult {
    let patience = if cancel.is_cancelled() {
        DELIVERY_WHEN_CANCELLED
    } else {
        DELIVERY
    };
    let span = observe::span("announce", Kind::Internal);
    result.delivery = observe::within(span, announcer.finish(patience)).await;
    if !result.delivery.pending.is_empty() && result.outcome.is_success() {
        result.outcome = Outcome::Failed(undelivered(&result.delivery));
    }
    result.duration = began.elapsed();
    observe::ended(&result.outcome);
    result
}

/// What is said about events that nobody acknowledged: which, why, and what becomes of them.
#[must_use]
pub fn undelivered(delivery: &Delivery) -> String {
    let named = |kept: bool| {
        let of_kind = delivery.pending.iter().filter(|event| event.kept == kept);
        of_kind
            .map(|event| event.subject.as_str())
            .collect::<Vec<_>>()
    };
    let mut text = format!("{} event(s) were not acknowledged", delivery.pending.len());
    if let Some(reason) = &delivery.reason {
        text.push_str(&format!(" ({reason})"));
    }
    let (kept, lost) = (named(true), named(false));
    if !kept.is_empty() {
        text.push_str(&format!(
            "; in the outbox, sent by the next run with the same CS_STATE_DIR: {}",
            kept.join(", ")
        ));
    }
    if !lost.is_empty() {
        text.push_str(&format!(
            "; LOST, because no outbox keeps them: {}",
            lost.join(", ")
        ));
    }
    text
}

/// A task that can be carried out.
enum Prepared {
    Deploy {
        workload: Box<Workload>,
        context: Box<RunContext>,
    },
    Destroy(DestroyParams),
}

/// A task that cannot be carried out.
struct Refused {
    task: Option<Task>,
    outcome: Outcome,
    ids: Option<EventIds>,
}

fn prepare(
    task_text: Option<&str>,
    params_text: Option<&[u8]>,
    options: &ConvertOptions,
) -> Result<Prepared, Box<Refused>> {
    let ids = params_text.and_then(readable_ids);
    let usage = |task, message: String| {
        Box::new(Refused {
            task,
            outcome: Outcome::Usage(message),
            ids: ids.clone(),
        })
    };
    let Some(task_text) = task_text else {
        return Err(usage(
            None,
            "NOMAD_META_TASK is not set: it names the task, e.g. deploy-image".to_owned(),
        ));
    };
    let task: Task = task_text
        .parse()
        .map_err(|error: TaskError| usage(None, error.to_string()))?;
    let Some(params_text) = params_text else {
        let text =
            "NOMAD_META_PARAMS is not set: it holds the task's params as JSON or base64 of it"
                .to_owned();
        return Err(usage(Some(task), text));
    };
    let refused = |error: ParamsError| {
        let outcome = match error.kind() {
            ErrorKind::Usage => Outcome::Usage(error.to_string()),
            ErrorKind::Invalid => Outcome::Invalid(error.to_string()),
        };
        Box::new(Refused {
            task: Some(task),
            outcome,
            ids: ids.clone(),
        })
    };
    match params::parse(task, params_text).map_err(refused)? {
        Params::Destroy(params) => Ok(Prepared::Destroy(params)),
        Params::Deploy(params) => {
            let converted = convert(&params, options).map_err(refused)?;
            Ok(Prepared::Deploy {
                workload: Box::new(converted.workload),
                context: Box::new(converted.run),
            })
        }
    }
}

/// Announces a failure before anything was done, where it is known whose failure it is.
async fn refuse(refused: Refused, announcer: &Announcer) -> RunResult {
    let Refused { task, outcome, ids } = refused;
    if let Some(ids) = &ids {
        let kind = task.map_or(DeploymentKind::Image, deploy::kind);
        announce_failure(announcer, ids, kind, &outcome.message()).await;
    }
    RunResult {
        task,
        deployment: ids.map(|ids| ids.deployment_id.to_string()),
        outcome,
        jobs: Vec::new(),
        delivery: Delivery::default(),
        duration: Duration::ZERO,
    }
}

/// The reason in the log, `deployment.failed`, the end of the log.
async fn announce_failure(
    announcer: &Announcer,
    ids: &EventIds,
    kind: DeploymentKind,
    reason: &str,
) {
    let log = DeploymentLog::open(announcer, ids, Echo::none());
    log.line(LogPhase::Init, LogStream::Stderr, reason).await;
    deploy::announce_end(announcer, ids, kind, false).await;
}

async fn carry_out(prepared: Prepared, surroundings: Surroundings) -> RunResult {
    match prepared {
        Prepared::Deploy { workload, context } => {
            observe::set_of_run("cs.deployment.id", context.ids.deployment_id.as_str());
            observe::set_of_run("nomad.job.id", context.job_id.as_str());
            let task = context.task;
            let ids = context.ids.clone();
            // Large, and the stack of whoever waits is not.
            let result = Box::pin(deploy::deploy(*workload, *context, surroundings)).await;
            RunResult {
                task: Some(task),
                deployment: Some(ids.deployment_id.to_string()),
                outcome: result.outcome.clone(),
                jobs: vec![result],
                delivery: Delivery::default(),
                duration: Duration::ZERO,
            }
        }
        Prepared::Destroy(params) => {
            let (outcome, jobs) = destroy::destroy(params, &surroundings).await;
            RunResult {
                task: Some(Task::DestroyJobPack),
                deployment: None,
                outcome,
                jobs,
                delivery: Delivery::default(),
                duration: Duration::ZERO,
            }
        }
    }
}
