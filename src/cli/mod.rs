//! Commands: arguments in, data on standard output, talk on standard error, an exit code at the end.
//!
//! Only this module prints. One file a command; [`output`] and [`progress`] know how things look.

mod answer;
mod apply;
mod attend;
mod build;
mod cluster;
mod completions;
mod confirm;
mod context;
mod convert;
mod delete;
mod demo;
mod deploy;
mod dev;
mod diff;
mod doctor;
mod exit;
mod explain;
mod get;
mod help;
mod history;
mod import;
mod init;
mod input;
mod live;
mod logs;
mod man;
mod new;
mod output;
mod paint;
mod panicked;
mod plan;
mod printer;
mod progress;
mod project;
mod promote;
mod reconcile;
mod record;
mod render;
mod report;
mod rollback;
mod runner;
mod schema;
mod serve;
mod set;
mod show_plan;
mod signals;
mod sources;
mod status;
mod table;
mod up;
mod validate;
mod version;
mod wait;
mod why;

use std::io::IsTerminal;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::config::Environment;
use crate::observe;
use paint::Paint;
use panicked::Owes;

use crate::telemetry::{self, Color, Level, LogFormat};

/// A Kubernetes-style reconciler for HashiCorp Nomad.
#[derive(Debug, Parser)]
#[command(
    name = "cs",
    version,
    long_version = crate::version::LONG,
    about,
    propagate_version = true,
    disable_help_subcommand = true
)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// Options of every command.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Options of every command")]
struct Global {
    /// How much is logged on standard error.
    #[arg(
        long,
        global = true,
        env = "CS_LOG_LEVEL",
        default_value = "info",
        value_enum
    )]
    log_level: Level,
    /// How log lines are written.
    #[arg(
        long,
        global = true,
        env = "CS_LOG_FORMAT",
        default_value = "text",
        value_enum
    )]
    log_format: LogFormat,
    /// When colours are used; NO_COLOR is honoured.
    #[arg(long, global = true, default_value = "auto", value_enum)]
    color: Color,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Check spec files without a cluster: fields, sense, references, policies.
    Validate(validate::Arguments),
    /// Show what apply would do, and seal it into a file if wanted.
    Plan(plan::Arguments),
    /// Show how the cluster differs from the spec files.
    Diff(diff::Arguments),
    /// Make the cluster what the spec files say, and wait until it is healthy.
    Apply(apply::Arguments),
    /// Stop jobs and wait until nothing of them runs.
    Delete(delete::Arguments),
    /// Show owner, health, drift and revision of jobs.
    Status(status::Arguments),
    /// Explain what keeps a job from being healthy, first cause first.
    Why(why::Arguments),
    /// Show a job as table, YAML or JSON.
    Get(get::Arguments),
    /// Show the versions of a job.
    History(history::Arguments),
    /// Go back to an earlier version of a job.
    Rollback(rollback::Arguments),
    /// Promote the canaries of a rollout.
    Promote(promote::Arguments),
    /// Show or follow the log of the tasks of a job.
    Logs(logs::Arguments),
    /// Wait until jobs are healthy, completed or gone.
    Wait(wait::Arguments),
    /// Write the spec of a job that runs already.
    Import(import::Arguments),
    /// Write a first spec file of a kind.
    New(new::Arguments),
    /// Look at a folder, and write its project file or spec.
    Init(init::Arguments),
    /// Build the images of a project.
    Build(build::Arguments),
    /// Deploy the images of a project that were built before.
    Deploy(deploy::Arguments),
    /// Build, push and deploy a project, and wait until it is healthy.
    Up(up::Arguments),
    /// Explain a kind, a field of a kind, or a code of a finding.
    Explain(explain::Arguments),
    /// Show, choose and edit the clusters of the config file.
    Context(context::Arguments),
    /// Check the connection, rights and surroundings, each with a remedy.
    Doctor(doctor::Arguments),
    /// Print the completion script of a shell.
    Completions(completions::Arguments),
    /// Print or write the manual pages.
    Man(man::Arguments),
    /// Carry out one dispatched task: deploy an image or destroy jobs, watch it, announce it.
    #[command(alias = "dispatch")]
    Reconcile(reconcile::Arguments),
    /// Work on tasks from a queue with any number of machines.
    Runner(runner::Arguments),
    /// Serve deployments whose builds run in Jenkins: create, run, webhooks, events, rollouts.
    Serve(serve::Arguments),
    /// Turn dispatch params into a spec file; secrets become references.
    Convert(convert::Arguments),
    /// Show the Nomad job that a spec or params become.
    Render(render::Arguments),
    /// Print the JSON Schema of a kind or of a report.
    Schema(schema::Arguments),
    /// Run the embedded Nomad on a port, for playing and for tests.
    Dev(dev::Arguments),
    /// Show the whole loop on the embedded Nomad: a broken version, its cause, the repaired one, the events.
    Demo(demo::Arguments),
    /// Show version, commit and target of this build, and the kinds it understands.
    Version(version::Arguments),
}

impl Command {
    /// Whether addresses that it is told may lead to the machine it runs on. Those that others tell to a service may not.
    const fn is_for_a_person(&self) -> bool {
        !matches!(self, Self::Reconcile(_) | Self::Runner(_) | Self::Serve(_))
    }
}

/// What a command needs to know about its surroundings.
struct Context {
    environment: Environment,
    /// How standard output is coloured.
    paint: Paint,
    /// Standard error is a terminal that may be redrawn.
    interactive: bool,
}

/// Runs a command's work to its end on a runtime of its own, on one thread.
///
/// What still runs then, such as a look-up or a read that hangs, does not hold the process up.
fn block_on(work: impl Future<Output = u8>) -> u8 {
    on_runtime(exported(Box::pin(work)))
}

/// Does some work, and sends its spans meanwhile and at its end, where they are wanted.
async fn exported<T>(work: impl Future<Output = T>) -> T {
    let exporting = observe::exporter().map(observe::Exporting::start);
    let done = work.await;
    if let Some(exporting) = exporting {
        exporting.finish().await;
    }
    done
}

fn on_runtime(work: impl Future<Output = u8>) -> u8 {
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
    let code = runtime.block_on(work);
    runtime.shutdown_timeout(std::time::Duration::from_millis(100));
    code
}

/// Runs the command line of this process.
#[must_use]
pub fn run() -> ExitCode {
    // Asked for by many a script, and answered before forty commands are described.
    if std::env::args_os().skip(1).eq(["--version"]) {
        output::line(&format!("cs {}", crate::version::LONG));
        return ExitCode::SUCCESS;
    }
    let environment = Environment::of_process();
    if let Some(asked) = completions::candidates::asked(std::env::args_os()) {
        return ExitCode::from(completions::candidates::print(environment, &asked));
    }
    let cli = match help::parse() {
        Ok(cli) => cli,
        Err(code) => return code,
    };
    panicked::prepare(match &cli.command {
        Command::Reconcile(run) if !run.is_after_panic() => Owes::Announcement,
        _ => Owes::Nothing,
    });
    let no_color = environment.get("NO_COLOR").is_some();
    let stderr = std::io::stderr();
    let color = cli.global.color.applies_to(&stderr, no_color);
    // The demo tells its own story.
    let level = if matches!(cli.command, Command::Demo(_)) {
        Level::Error
    } else {
        cli.global.log_level
    };
    telemetry::start(level, cli.global.log_format, color, progress::LogWriter);
    observe::start(&environment);
    let dumb = environment.get("TERM").as_deref() == Some("dumb");
    let interactive = stderr.is_terminal() && !dumb && cli.global.log_format == LogFormat::Text;
    let on_stdout = cli.global.color.applies_to(&std::io::stdout(), no_color);
    output::start(on_stdout, color);
    let context = Context {
        environment: match cli.command.is_for_a_person() {
            true => environment.for_a_person(),
            false => environment,
        },
        paint: Paint::new(on_stdout),
        interactive,
    };
    let code = match cli.command {
        Command::Validate(arguments) => validate::run(&context, arguments),
        Command::Plan(arguments) => plan::run(&context, arguments),
        Command::Diff(arguments) => diff::run(&context, arguments),
        Command::Apply(arguments) => apply::run(&context, arguments),
        Command::Delete(arguments) => delete::run(&context, arguments),
        Command::Status(arguments) => status::run(&context, arguments),
        Command::Why(arguments) => why::run(&context, arguments),
        Command::Get(arguments) => get::run(&context, arguments),
        Command::History(arguments) => history::run(&context, arguments),
        Command::Rollback(arguments) => rollback::run(&context, arguments),
        Command::Promote(arguments) => promote::run(&context, arguments),
        Command::Logs(arguments) => logs::run(&context, arguments),
        Command::Wait(arguments) => wait::run(&context, arguments),
        Command::Import(arguments) => import::run(&context, arguments),
        Command::New(arguments) => new::run(&context, arguments),
        Command::Init(arguments) => init::run(&context, arguments),
        Command::Build(arguments) => build::run(&context, arguments),
        Command::Deploy(arguments) => deploy::run(&context, arguments),
        Command::Up(arguments) => up::run(&context, arguments),
        Command::Explain(arguments) => explain::run(&context, arguments),
        Command::Context(arguments) => context::run(&context, arguments),
        Command::Doctor(arguments) => doctor::run(&context, arguments),
        Command::Completions(arguments) => completions::run(&context, arguments),
        Command::Man(arguments) => man::run(&context, arguments),
        Command::Reconcile(arguments) => reconcile::run(&context, arguments),
        Command::Runner(arguments) => runner::run(&context, arguments),
        Command::Serve(arguments) => serve::run(&context, arguments),
        Command::Convert(arguments) => convert::run(&context, arguments),
        Command::Render(arguments) => render::run(&context, arguments),
        Command::Schema(arguments) => schema::run(&context, &arguments),
        Command::Dev(arguments) => dev::run(&arguments),
        Command::Demo(arguments) => demo::run(&arguments, color),
        Command::Version(arguments) => version::run(&context, arguments),
    };
    ExitCode::from(code)
}
