//! `cs reconcile`: one dispatched task, from `NOMAD_META_TASK` and `NOMAD_META_PARAMS` to an exit code.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc::{Receiver, UnboundedReceiver, channel};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::printer::Printer;
use super::record::{Done, RecordArgs, Started, recorded};
use super::signals::Signals;
use super::{Context, exit, input, output, progress, report};
use crate::clients::chain;
use crate::clients::nomad::connection::ConnectionConfig;
use crate::config::{BadVariable, Environment};
use crate::controller::log::Echo;
use crate::controller::note::{Note, Notes, Phase};
use crate::controller::run::{self, RunResult, Surroundings};
use crate::controller::warrant::Warrant;
use crate::dispatch::ConvertOptions;
use crate::dispatch::Task;
use crate::events::{Announcer, AnnouncerConfig, InvalidPrefix, LogLimits, NatsConfig};
use crate::observe::{self, Run};
use crate::reconcile::Outcome;
use crate::spec::Span;

/// Carries out one dispatched task: deploys an image or destroys jobs, watches it, announces it.
///
/// The task and its params come from NOMAD_META_TASK and NOMAD_META_PARAMS, as Nomad sets them in a dispatched job.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  cs reconcile                                        # as a dispatched Nomad job: NOMAD_META_TASK, NOMAD_META_PARAMS
  cs reconcile --task deploy-image --params shop.json
  cs reconcile --task deploy-image --params - -o json < shop.json")]
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
    #[command(flatten)]
    record: RecordArgs,
    /// How the run is shown on standard output.
    #[arg(short, long, value_enum, default_value = "text")]
    output: Format,
    /// Only announce that the run before this one panicked.
    #[arg(long, hide = true)]
    after_panic: bool,
}

impl Arguments {
    /// Whether a run that panicked is to be announced, and nothing else to be done.
    pub(super) fn is_after_panic(&self) -> bool {
        self.after_panic
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Text,
    Json,
    Ndjson,
}

pub(super) fn run(context: &Context, arguments: Arguments) -> u8 {
    let given = Given::read(&context.environment, &arguments);
    let params = given
        .as_ref()
        .ok()
        .and_then(|given| given.params.as_deref());
    let started = Started {
        trace: params.and_then(observe::of_params),
        ..Started::new("reconcile", "converged", &arguments.record)
    };
    recorded(context, &started, async {
        let reconciled = match given {
            Ok(given) => reconcile(context, &arguments, given).await,
            Err(bad) => Err(bad.into()),
        };
        match reconciled {
            Ok(ended) => conclude(ended, &arguments),
            Err(bad) => exit::usage(chain(&bad), "").into(),
        }
    })
}

/// The task, as it was handed in.
struct Given {
    task: Option<String>,
    params: Option<Vec<u8>>,
}

impl Given {
    fn read(environment: &Environment, arguments: &Arguments) -> Result<Self, input::InputError> {
        let task = arguments.task.clone();
        Ok(Self {
            task: task.or_else(|| environment.get("NOMAD_META_TASK")),
            params: match &arguments.params {
                Some(path) => Some(input::read(path)?),
                None => environment.bytes("NOMAD_META_PARAMS"),
            },
        })
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

/// A run that is over.
struct Ended {
    result: RunResult,
    /// Whether standard output can be written to without fear of a reader that hangs.
    is_heard: bool,
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
    environment.egress()?;
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
async fn reconcile(
    context: &Context,
    arguments: &Arguments,
    Given { task, params }: Given,
) -> Result<Ended, CannotBegin> {
    let environment = &context.environment;
    // Not before the params are read: a wait for standard input may be interrupted.
    let signals = Signals::catch();
    let announcer = announcer(environment)?;
    if arguments.output == Format::Text && !arguments.after_panic {
        banner(task.as_deref());
    }
    debug_assert!(
        arguments.after_panic || environment.get("CS_TEST_PANIC").is_none(),
        "asked to panic"
    );
    let cancel = CancellationToken::new();
    let signals = tokio::spawn(cancel_on_signal(signals, cancel.clone()));
    let (task, params) = (task.as_deref(), params.as_deref());
    let printer = prints_log(environment, arguments.output).then(Printer::start);
    let result = match settings(environment, arguments) {
        Err(bad) => run::refuse_run(chain(&bad), task, params, &announcer, &cancel).await,
        Ok(settings) if arguments.after_panic => {
            run::end_panicked_run(task, params, &settings.convert, &announcer, &cancel).await
        }
        Ok(settings) => {
            let (notes, received) = Notes::channel();
            let (echo, said) = if printer.is_some() {
                Echo::channel()
            } else {
                (Echo::none(), channel(1).1)
            };
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
                warrant: Warrant::unshared(),
            };
            let work = run::run(task, params, surroundings);
            let printer = printer.as_ref();
            let shown = show(received, context.interactive, arguments.output, printer);
            // In this order, so that a marker stands before the lines that follow it.
            tokio::join!(biased; work, shown, repeat(said, printer)).0
        }
    };
    let is_heard = match printer {
        Some(printer) => printer.finish().await,
        None => true,
    };
    signals.abort();
    Ok(Ended { result, is_heard })
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

/// Whether the log of the deployment goes to standard output too: unless that carries data, a report or the very same lines
/// as events where there is no NATS.
fn prints_log(environment: &Environment, format: Format) -> bool {
    format == Format::Text && environment.get("NATS_SERVERS").is_some()
}

/// Writes the log of the deployment.
async fn repeat(mut said: Receiver<Bytes>, printer: Option<&Printer>) {
    let Some(printer) = printer else { return };
    while let Some(bytes) = said.recv().await {
        printer.log(bytes).await;
    }
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
    text.chars()
        .filter(|c| !crate::plain::steers(*c))
        .take(64)
        .collect()
}

async fn show(
    notes: UnboundedReceiver<Note>,
    interactive: bool,
    format: Format,
    printer: Option<&Printer>,
) {
    progress::show(notes, interactive, |note| match (format, printer) {
        (Format::Ndjson, _) => output::json(&report::run::note_line(note)),
        (Format::Text, Some(printer)) => marker(note).iter().for_each(|line| printer.line(line)),
        (Format::Text, None) => {
            marker(note).iter().for_each(|line| output::line(line));
            if let Note::LogTail { .. } = note {
                note.lines().iter().for_each(|line| output::line(line));
            }
        }
        (Format::Json, _) => {}
    })
    .await;
}

/// Phase markers on standard output (contract 1.9).
fn marker(note: &Note) -> Option<String> {
    Some(match note {
        Note::Deploying { deployment, job_id } => {
            format!("Deployment ID: {deployment}, Job ID: {job_id}")
        }
        Note::Destroying { jobs } => format!("=== Destroying {jobs} job(s) ==="),
        Note::Began(phase) => {
            let name = match phase {
                Phase::Clone => "Clone",
                Phase::Build => "Build",
                Phase::Push => "Registry",
                Phase::Deploy => "Deploy",
                Phase::ImageDownload => "Image",
                Phase::HealthCheck => "Health",
                Phase::Sync | Phase::Destroy => return None,
            };
            format!("=== Phase: {name} ===")
        }
        _ => return None,
    })
}

/// Resolves the token on SIGTERM or SIGINT.
async fn cancel_on_signal(mut signals: Signals, cancel: CancellationToken) {
    signals.first().await;
    tracing::warn!("told to stop: announcing and delivering what is left");
    cancel.cancel();
    // Still heard: a second one changes nothing.
    std::future::pending().await
}

/// Prints the end of a run.
fn conclude(ended: Ended, arguments: &Arguments) -> Done {
    let result = &ended.result;
    let run = Run::current().expect("a command is recorded");
    let report = report::run::RunReport::of_task(result, &run).line();
    match arguments.output {
        Format::Json | Format::Ndjson => output::json(&report),
        Format::Text if ended.is_heard => closing_lines(result),
        Format::Text => {}
    }
    let undelivered = run::undelivered(&result.delivery);
    // When nothing worse happened it is the error itself.
    if !result.delivery.pending.is_empty() && undelivered != result.outcome.message() {
        exit::warn(&undelivered);
    }
    let code = if result.outcome.is_success() {
        0
    } else {
        exit::fail(&result.outcome)
    };
    Done {
        code,
        result: Some(Box::new(ended.result)),
        report: Some(report),
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
