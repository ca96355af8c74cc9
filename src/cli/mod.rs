//! Commands: arguments in, data on standard output, talk on standard error, an exit code at the end.
//!
//! Only this module prints. One file a command; [`output`] and [`progress`] know how things look.

mod convert;
mod demo;
mod dev;
mod exit;
mod input;
mod output;
mod printer;
mod progress;
mod reconcile;
mod render;
mod report;
mod schema;
mod signals;

use std::io::IsTerminal;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::config::Environment;
use crate::telemetry::{self, Color, Level, LogFormat};

/// A Kubernetes-style reconciler for HashiCorp Nomad.
#[derive(Debug, Parser)]
#[command(
    name = "cs",
    version,
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
    /// Carry out one dispatched task: deploy an image or destroy jobs, watch it, announce it.
    #[command(alias = "dispatch")]
    Reconcile(reconcile::Arguments),
    /// Turn dispatch params into a spec file; secrets become references.
    Convert(convert::Arguments),
    /// Show the Nomad job that a spec or params become.
    Render(render::Arguments),
    /// Print the JSON Schema of a kind.
    Schema(schema::Arguments),
    /// Run the embedded Nomad on a port, for playing and for tests.
    Dev(dev::Arguments),
    /// Show the whole loop on the embedded Nomad: a broken version, its cause, the repaired one, the events.
    Demo(demo::Arguments),
}

/// What a command needs to know about its surroundings.
struct Context {
    environment: Environment,
    /// Standard error is a terminal that may be redrawn.
    interactive: bool,
}

/// Runs the command line of this process.
#[must_use]
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    let environment = Environment::of_process();
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
    let dumb = environment.get("TERM").as_deref() == Some("dumb");
    let interactive = stderr.is_terminal() && !dumb && cli.global.log_format == LogFormat::Text;
    let context = Context {
        environment,
        interactive,
    };
    let code = match cli.command {
        Command::Reconcile(arguments) => reconcile::run(&context, arguments),
        Command::Convert(arguments) => convert::run(&context, arguments),
        Command::Render(arguments) => render::run(&context, arguments),
        Command::Schema(arguments) => schema::run(&arguments),
        Command::Dev(arguments) => dev::run(&arguments),
        Command::Demo(arguments) => demo::run(&arguments, color),
    };
    ExitCode::from(code)
}
