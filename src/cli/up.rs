//! `cs up`: build, push, deploy, and wait until it is healthy.

use super::Context;
use super::build::Format;
use super::deploy::{Task, run_task};
use super::project::rollout::DeployArgs;
use super::project::{BuildArgs, ProjectArgs};
use super::record::RecordArgs;

/// Builds the images of a project, pushes them, deploys them, and waits until the jobs are healthy.
///
/// Without a registry the images stay in the engine of this machine, which is enough for a Nomad on the same machine. Repeat
/// the same command whenever it was cut off. Exit codes as of `cs apply`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  cs up
  cs up --app web --tag 1.4.2
  cs up --path services/shop --builder nixpacks --dry-run
  cs up --file shop.yaml -o json")]
pub(super) struct Arguments {
    #[command(flatten)]
    project: ProjectArgs,
    #[command(flatten)]
    build: BuildArgs,
    #[command(flatten)]
    deploy: DeployArgs,
    /// A ready image that is deployed; nothing is built. Only for one app.
    #[arg(long, value_name = "IMAGE", conflicts_with_all = ["builder", "tag", "rebuild"])]
    image: Option<String>,
    /// Show what would be built and done, and end.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    record: RecordArgs,
    /// How the result is written.
    #[arg(short, long, value_enum, default_value = "text")]
    output: Format,
}

pub(super) fn run(context: &Context, arguments: Arguments) -> u8 {
    let task = Task {
        project: arguments.project,
        deploy: arguments.deploy,
        build: arguments.build,
        builds: true,
        image: arguments.image,
        is_dry: arguments.dry_run,
        record: arguments.record,
        format: arguments.output,
    };
    run_task(context, task)
}
