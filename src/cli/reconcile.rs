//! `cs reconcile`: one dispatched task, from `NOMAD_META_TASK` and `NOMAD_META_PARAMS` to an exit code.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc::{Receiver, UnboundedReceiver};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::signals::Signals;
use super::{Context, exit, input, output, progress, report};
use crate::clients::chain;
use crate::clients::nomad::connection::ConnectionConfig;
use crate::config::{BadVariable, Environment};
use crate::controller::log::Echo;
use crate::controller::note::{Note, Notes, Phase};
use crate::controller::run::{self, RunResult, Surroundings};
use crate::dispatch::ConvertOptions;
use crate::dispatch::Task;
use crate::events::{Announcer, AnnouncerConfig, InvalidPrefix, LogLimits, NatsConfig};
use crate::reconcile::Outcome;
use crate::spec::Span;

/// Carries out one dispatched task: deploys an image or destroys jobs, watches it, announces it.
///
/// The task and its params come from NOMAD_META_TASK and NOMAD_META_PARAMS, as Nomad sets them in a dispatched job.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The task: deploy-image, deploy-repository, redeploy-repository, destroy-job-pack. Default: `NOMAD_META_TASK`.
    #[arg(long)]
    task: Option<String>,
    /// File with the params (JSON or base64 of it), `-` for standard input. Default: `NOMAD_META_PARAMS`.
    #[arg(long, value_name = "FILE")]
    params: Option<PathBuf>,
    /// One deadline over everything. Default: `CS_DEADLINE`, else 15m.
    #[arg(long, value_name = "DURATION")]
    deadline: Option<Span>,
    /// Build even if there is an image of the same source and inputs; redeploy-repository always does.
    #[arg(long)]
    rebuild: bool,
    /// Write the report to this file as well.
    #[arg(long, value_name = "FILE")]
    summary: Option<PathBuf>,
    /// How the run is shown on standard output.
    #[arg(short, long, value_enum, default_value = "text")]
    output: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Text,
    Json,
    Ndjson,
}

pub(super) fn run(context: &Context, arguments: Arguments) -> u8 {
    let runtime = match tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            exit::complain(&format!("cannot start: {error}"), None);
            return 1;
        }
    };
    let result = runtime.block_on(reconcile(context, &arguments));
    // A look-up or a read that hangs must not hold the process up.
    runtime.shutdown_timeout(Duration::from_millis(100));
    match result {
        Ok(result) => conclude(&result, &arguments),
        Err(bad) => exit::usage(chain(&bad), ""),
    }
}

/// Why a run cannot even begin.
#[derive(Debug, thiserror::Error)]
enum CannotBegin {
    #[error(transparent)]
    Variable(#[from] BadVariable),
    #[error(transparent)]
    Connection(#[from] crate::clients::nomad::connection::ConnectionError),
    #[error(transparent)]
    Input(#[from] input::InputError),
    #[error("NATS_STREAM_PREFIX: {0}")]
    Prefix(#[from] InvalidPrefix),
    #[error("--deadline must be longer than 0s")]
    Deadline,
}

/// What a run is told by flags and environment.
struct Settings {
    connection: ConnectionConfig,
    convert: ConvertOptions,
    /// From now.
    time: Duration,
    placement_grace: Duration,
}

fn settings(environment: &Environment, arguments: &Arguments) -> Result<Settings, CannotBegin> {
    let given = arguments.deadline.map(|span| span.0);
    let time = given.map_or_else(|| environment.deadline(), Ok)?;
    if time.is_zero() {
        return Err(CannotBegin::Deadline);
    }
    Ok(Settings {
        connection: ConnectionConfig::from_vars(&|name| environment.get(name))?,
        convert: input::convert_options(environment)?,
        time,
        placement_grace: environment.placement_grace()?.min(time / 2),
    })
}

/// Sets everything up, runs the task, shows progress meanwhile.
///
/// Only settings without which nobody can be told end it early; any other problem is announced as the run's end.
async fn reconcile(context: &Context, arguments: &Arguments) -> Result<RunResult, CannotBegin> {
    let environment = &context.environment;
    let task = arguments
        .task
        .clone()
        .or_else(|| environment.get("NOMAD_META_TASK"));
    let params = match &arguments.params {
        Some(path) => Some(input::read(path)?),
        None => environment.bytes("NOMAD_META_PARAMS"),
    };
    // Not before the params are read: a wait for standard input may be interrupted.
    let signals = Signals::catch();
    let announcer = announcer(environment)?;
    if arguments.output == Format::Text {
        banner(task.as_deref());
    }
    let cancel = CancellationToken::new();
    let signals = tokio::spawn(cancel_on_signal(signals, cancel.clone()));
    let (task, params) = (task.as_deref(), params.as_deref());
    let result = match settings(environment, arguments) {
        Err(bad) => run::refuse_run(chain(&bad), task, params, &announcer, &cancel).await,
        Ok(settings) => {
            let (notes, received) = Notes::channel();
            let (echo, said) = echo(environment, arguments.output);
            let surroundings = Surroundings {
                announcer,
                environment: environment.clone(),
                connection: settings.connection,
                convert: settings.convert,
                notes,
                deadline: Instant::now() + settings.time,
                cancel,
                placement_grace: settings.placement_grace,
                state_dir: environment.state_dir(),
                rebuild: arguments.rebuild,
                echo,
            };
            let work = run::run(task, params, surroundings);
            let shown = show(received, context.interactive, arguments.output);
            tokio::join!(work, shown, repeat(said)).0
        }
    };
    signals.abort();
    Ok(result)
}

/// Sends events to NATS, or to standard output without it.
fn announcer(environment: &Environment) -> Result<Announcer, CannotBegin> {
    let nats = match environment.secret("NATS_SERVERS") {
        None => None,
        Some(servers) => Some(NatsConfig {
            servers,
            seed: environment.secret("NATS_CLIENT_PRIVATE_KEY"),
            flush_timeout: environment.nats_flush_timeout()?,
        }),
    };
    let prefix = environment.get("NATS_STREAM_PREFIX").unwrap_or_default();
    Ok(Announcer::start(AnnouncerConfig {
        nats,
        prefix: prefix.parse()?,
        state_dir: Some(environment.state_dir()),
        stdout: Box::new(progress::EventWriter),
        clock: Arc::new(jiff::Timestamp::now),
        log_limits: LogLimits::default(),
    }))
}

/// The log of the deployment is written to standard output too, unless that carries data: a report, or the very same lines
/// as events where there is no NATS.
fn echo(environment: &Environment, format: Format) -> (Echo, Option<Receiver<Bytes>>) {
    if format != Format::Text || environment.get("NATS_SERVERS").is_none() {
        return (Echo::none(), None);
    }
    let (echo, said) = Echo::channel();
    (echo, Some(said))
}

/// Writes the log of the deployment from a thread of its own: a reader that hangs slows the builder and nothing else.
async fn repeat(said: Option<Receiver<Bytes>>) {
    let Some(mut said) = said else { return };
    let written = tokio::task::spawn_blocking(move || {
        while let Some(bytes) = said.blocking_recv() {
            output::bytes(&bytes);
        }
    });
    // It does not panic.
    let _ = written.await;
}

/// The lines that people and scripts look for in task logs (contract 1.9).
fn banner(task: Option<&str>) {
    output::line("=== Dispatch Execution Started ===");
    output::line(&format!(
        "Task: {}",
        task.map_or_else(|| "unset".to_owned(), printable)
    ));
    output::line(&format!("Start time: {}", jiff::Timestamp::now()));
    output::line(&format!(
        "Orchestrator version: {}",
        env!("CARGO_PKG_VERSION")
    ));
}

/// At most 64 characters without control characters: the text comes from outside.
fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(64).collect()
}

async fn show(notes: UnboundedReceiver<Note>, interactive: bool, format: Format) {
    progress::show(notes, interactive, |note| match format {
        Format::Ndjson => output::line(&report::note_line(note)),
        Format::Text => marker(note),
        Format::Json => {}
    })
    .await;
}

/// Phase markers on standard output (contract 1.9).
fn marker(note: &Note) {
    match note {
        Note::Deploying { deployment, job_id } => {
            output::line(&format!("Deployment ID: {deployment}, Job ID: {job_id}"));
        }
        Note::Destroying { jobs } => output::line(&format!("=== Destroying {jobs} job(s) ===")),
        Note::Began(Phase::Clone) => output::line("=== Phase: Clone ==="),
        Note::Began(Phase::Build) => output::line("=== Phase: Build ==="),
        Note::Began(Phase::Push) => output::line("=== Phase: Registry ==="),
        Note::Began(Phase::Deploy) => output::line("=== Phase: Deploy ==="),
        Note::Began(Phase::ImageDownload) => output::line("=== Phase: Image ==="),
        Note::Began(Phase::HealthCheck) => output::line("=== Phase: Health ==="),
        Note::LogTail { .. } => note.lines().iter().for_each(|line| output::line(line)),
        _ => {}
    }
}

/// Resolves the token on SIGTERM or SIGINT.
async fn cancel_on_signal(mut signals: Signals, cancel: CancellationToken) {
    signals.first().await;
    tracing::warn!("told to stop: announcing and delivering what is left");
    cancel.cancel();
}

/// Prints the end of a run and returns its exit code.
fn conclude(result: &RunResult, arguments: &Arguments) -> u8 {
    let report = report::RunReport::new(result).line();
    match arguments.output {
        Format::Json | Format::Ndjson => output::line(&report),
        Format::Text => closing_lines(result),
    }
    if let Some(path) = &arguments.summary
        && let Err(error) = std::fs::write(path, format!("{report}\n"))
    {
        exit::warn(&format!(
            "cannot write the summary to {}: {error}",
            path.display()
        ));
    }
    let undelivered = run::undelivered(&result.delivery);
    // When nothing worse happened it is the error itself.
    if !result.delivery.pending.is_empty() && undelivered != result.outcome.message() {
        exit::warn(&undelivered);
    }
    if result.outcome.is_success() {
        0
    } else {
        exit::fail(&result.outcome)
    }
}

fn closing_lines(result: &RunResult) {
    let mut is_told = false;
    for job in result.jobs.iter().filter(|job| !job.outcome.is_success()) {
        error_line(result, &format!("{}: {}", job.job, job.outcome.message()));
        is_told |= job.outcome == result.outcome;
    }
    if !is_told && !result.outcome.is_success() {
        error_line(result, &result.outcome.message());
    }
    match &result.outcome {
        Outcome::Converged => output::line("=== Deployment completed successfully ==="),
        Outcome::Destroyed => output::line("=== Job destruction completed ==="),
        _ => {}
    }
    output::line("=== Dispatch Execution Completed ===");
    output::line(&format!("Duration: {:.1}s", result.duration.as_secs_f64()));
}

fn error_line(result: &RunResult, text: &str) {
    output::line(&format!("ERROR [{}]: {text}", phase(result)));
}

/// The phase that an `ERROR [phase]` line names, in the contract's words (1.9).
fn phase(result: &RunResult) -> &'static str {
    match (&result.outcome, result.task) {
        (Outcome::Usage(_), None) => "parse_task_type",
        (Outcome::Usage(_) | Outcome::Invalid(_), _) => "parse_params",
        (_, Some(Task::DestroyJobPack)) => "handler_execution",
        _ if result.jobs.iter().all(|job| job.outcome.is_success()) => "publish_event",
        _ => match result.jobs.iter().find_map(|job| job.failed_in) {
            Some(Phase::Clone) => "clone",
            Some(Phase::Build) => "build",
            Some(Phase::Push) => "registry",
            _ => "deploy",
        },
    }
}
