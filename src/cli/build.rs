//! `cs build`: the image of a project, in the engine of this machine.

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::project::images::{self, Made, Wanted};
use super::project::load::{Loaded, adjust};
use super::project::{BuildArgs, ProjectArgs};
use super::record::{RecordArgs, Started, recorded};
use super::report::image::{BuildReport, ImageReport};
use super::{Context, exit, output};
use crate::artifact::build::{Builder, detect};
use crate::controller::local::Reach;
use crate::spec::Span;

/// Builds the images of a project with the engine of this machine.
///
/// A Dockerfile is built by the engine, other sources by nixpacks or railpack. Prints what each image is called.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  cs build
  cs build --path services/shop --tag 1.4.2 --push
  cs build --builder nixpacks --image registry.example.com/team/shop:dev
  cs build --app web --dry-run -o json")]
pub(super) struct Arguments {
    #[command(flatten)]
    project: ProjectArgs,
    #[command(flatten)]
    build: BuildArgs,
    /// Name of the built image, with its registry and tag if it has one. Only for one app.
    #[arg(long, value_name = "NAME")]
    image: Option<String>,
    /// Push it too, where a registry is named.
    #[arg(long)]
    push: bool,
    /// Show what would be built, and end.
    #[arg(long)]
    dry_run: bool,
    /// Longest time for all of it. Default: `CS_DEADLINE`, else 15m.
    #[arg(long, value_name = "DURATION")]
    timeout: Option<Span>,
    #[command(flatten)]
    record: RecordArgs,
    /// How the result is written.
    #[arg(short, long, value_enum, default_value = "text")]
    output: Format,
}

/// How a project's results are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Format {
    Text,
    Json,
}

pub(super) fn run(context: &Context, arguments: Arguments) -> u8 {
    let record = arguments.record.clone();
    let started = Started::new("build", "built", &record);
    recorded(context, &started, async {
        build(context, arguments).await.unwrap_or_else(|code| code)
    })
}

async fn build(context: &Context, arguments: Arguments) -> Result<u8, u8> {
    let began = Instant::now();
    let given = arguments.timeout.map(|span| span.0);
    let time = given.map_or_else(|| context.environment.deadline(), Ok);
    let time = time.map_err(|bad| exit::usage(bad, ""))?;
    let mut loaded = arguments.project.load(context)?;
    single(&loaded, arguments.image.as_deref())?;
    for app in &mut loaded.apps {
        adjust(app, &arguments.build, arguments.image.as_deref());
    }
    let reach = if arguments.push {
        Reach::Registry
    } else {
        Reach::Engine
    };
    if arguments.dry_run {
        let planned = planned(&loaded, reach)?;
        return Ok(show(&planned, true, 0, began, arguments.output));
    }
    let wanted = Wanted {
        builds: true,
        reach,
        rebuild: arguments.build.rebuild,
        ready: None,
        deadline: began + time,
    };
    let cancel = CancellationToken::new();
    let work = images::make(context, &mut loaded, wanted, &cancel);
    let made = images::stoppable(&cancel, work).await??;
    let code = exit_code(&made);
    let reports: Vec<ImageReport> = made.iter().map(ImageReport::of).collect();
    let code = show(&reports, false, code, began, arguments.output);
    complain(&made);
    Ok(code)
}

/// # Errors
/// One name for the images of several apps: exit code 2.
pub(super) fn single(loaded: &Loaded, image: Option<&str>) -> Result<(), u8> {
    if image.is_some() && loaded.apps.len() > 1 {
        return Err(exit::usage(
            "--image names one image, and the project has several apps",
            "choose one with --app",
        ));
    }
    Ok(())
}

/// What would be built, with which builders, called what.
pub(super) fn planned(loaded: &Loaded, reach: Reach) -> Result<Vec<ImageReport>, u8> {
    let mut reports = Vec::new();
    for app in &loaded.apps {
        let target = images::target(app, loaded)?;
        let workload = app.workload();
        let builders = match (&target, &workload.spec.source.path) {
            (Some(_), Some(path)) => {
                let build = workload.spec.build.clone().unwrap_or_default();
                let root = build.root_directory.as_deref().unwrap_or_default();
                let directory = app.folder.join(path).join(root);
                let found = detect::detect(&directory).map_err(|error| {
                    let text = format!("cannot look into {}: {error}", directory.display());
                    exit::usage(text, "correct `path` or `context`")
                })?;
                let named = build.builder.as_deref().and_then(|name| name.parse().ok());
                let has_dockerfile = found.dockerfile.is_some() || build.dockerfile.is_some();
                detect::chain(named, has_dockerfile)
            }
            _ => Vec::new(),
        };
        reports.push(ImageReport::planned(
            &app.name,
            workload,
            target.as_ref(),
            reach,
            builders.iter().map(|builder: &Builder| builder.as_str()),
        ));
    }
    Ok(reports)
}

/// The code of the image that failed.
pub(super) fn exit_code(made: &[Made]) -> u8 {
    made.iter()
        .map(|made| made.outcome.exit_code())
        .find(|code| *code != 0)
        .unwrap_or(0)
}

/// Prints what is wrong with the image that failed.
pub(super) fn complain(made: &[Made]) {
    for made in made.iter().filter(|made| !made.outcome.is_success()) {
        for line in &made.tail {
            exit::say(&format!("    | {line}"));
        }
        exit::complain(
            &format!("{}: {}", made.app, made.outcome.message()),
            made.outcome.help().as_deref(),
        );
    }
}

fn show(reports: &[ImageReport], is_dry: bool, code: u8, began: Instant, format: Format) -> u8 {
    match format {
        Format::Json => {
            output::json(&BuildReport::new(reports, is_dry, code, began.elapsed()).line());
        }
        Format::Text => {
            for report in reports {
                if let Some(line) = report.text() {
                    output::line(&line);
                }
            }
        }
    }
    code
}
