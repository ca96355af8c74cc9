//! `cs deploy`: a project whose images are there becomes healthy jobs. `cs up` builds and pushes before.

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::build::{self, Format, single};
use super::plan::exit_code;
use super::project::images::{self, Made, Wanted};
use super::project::load::{Loaded, adjust};
use super::project::rollout::{DeployArgs, How};
use super::project::{BuildArgs, ProjectArgs};
use super::record::{RecordArgs, Started, recorded};
use super::report::image::{DeployReport, ImageReport};
use super::report::{apply as applied, plan};
use super::show_plan::Detail;
use super::{Context, exit, output};
use crate::controller::local::Reach;
use crate::project::Deploy;

/// Deploys the images of a project that were built before, and waits until the jobs are healthy.
///
/// The image is the one of the project's name and tag: in the registry where there is one, else in the engine of this
/// machine. Exit codes as of `cs apply`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  cs build --push && cs deploy
  cs deploy --image registry.example.com/shop:1.4.2
  cs deploy --path services/shop --app web --dry-run")]
pub(super) struct Arguments {
    #[command(flatten)]
    project: ProjectArgs,
    #[command(flatten)]
    deploy: DeployArgs,
    /// A ready image that is deployed instead. Only for one app.
    #[arg(long, value_name = "IMAGE")]
    image: Option<String>,
    /// Tag of the image. Default: that of the project, else `latest`.
    #[arg(long, value_name = "TAG", conflicts_with = "image")]
    tag: Option<String>,
    /// Show what would be done, and end.
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
        build: BuildArgs {
            tag: arguments.tag,
            ..BuildArgs::default()
        },
        image: arguments.image,
        builds: false,
        is_dry: arguments.dry_run,
        record: arguments.record,
        format: arguments.output,
    };
    run_task(context, task)
}

/// What `cs deploy` and `cs up` have in common.
pub(super) struct Task {
    pub(super) project: ProjectArgs,
    pub(super) deploy: DeployArgs,
    pub(super) build: BuildArgs,
    /// A ready image that is deployed instead.
    pub(super) image: Option<String>,
    /// Build and push first.
    pub(super) builds: bool,
    pub(super) is_dry: bool,
    pub(super) record: RecordArgs,
    pub(super) format: Format,
}

pub(super) fn run_task(context: &Context, task: Task) -> u8 {
    let record = task.record.clone();
    let command = if task.builds { "up" } else { "deploy" };
    let started = Started::new(command, "converged", &record);
    recorded(context, &started, async {
        task.run(context).await.unwrap_or_else(|code| code)
    })
}

/// What is known at the end.
#[derive(Default)]
struct Told {
    images: Vec<ImageReport>,
    plan: Vec<plan::PlannedItem>,
    results: Vec<applied::AppliedItem>,
}

impl Task {
    async fn run(self, context: &Context) -> Result<u8, u8> {
        let began = Instant::now();
        let environment = &context.environment;
        let bad = |bad| exit::usage(bad, "");
        let given = self.deploy.timeout.map(|span| span.0);
        let time = given.map_or_else(|| environment.deadline(), Ok);
        let time = time.map_err(bad)?;
        let grace = environment.placement_grace().map_err(bad)?;
        let mut loaded = self.project.load(context)?;
        single(&loaded, self.image.as_deref())?;
        for app in &mut loaded.apps {
            adjust(app, &self.build, None);
        }
        let how = How {
            deadline: began + time,
            placement_grace: grace.min(time / 2),
            is_text: self.format == Format::Text,
        };
        if self.is_dry {
            return self.plan(context, loaded, began).await;
        }
        let wanted = Wanted {
            builds: self.builds,
            reach: Reach::Registry,
            rebuild: self.build.rebuild,
            ready: self.image.as_deref(),
            deadline: how.deadline,
        };
        let cancel = CancellationToken::new();
        let work = images::make(context, &mut loaded, wanted, &cancel);
        let made = images::stoppable(&cancel, work).await??;
        let mut told = Told {
            images: made.iter().map(ImageReport::of).collect(),
            ..Told::default()
        };
        self.show_images(&told.images);
        let failed = build::exit_code(&made);
        if failed != 0 {
            return Ok(self.end_with_images(told, &made, failed, began));
        }
        warn_unpushed(&made);
        if loaded.apps.iter().all(|app| app.deploy == Deploy::Nothing) {
            exit::note("deploy is `noop`: there is nothing to deploy");
            if self.format == Format::Json {
                self.report(told, 0, began);
            }
            return Ok(0);
        }
        let planning = self.deploy.ready(context, &loaded, &cancel);
        let ready = images::interruptible(planning).await??;
        let (result, code) = ready.roll_out(context, &self.deploy, how).await?;
        match self.format {
            Format::Text => applied::print("Deploy", &result, context.paint, began.elapsed()),
            Format::Json => {
                told.results = applied::items(&result);
                self.report(told, code, began);
            }
        }
        Ok(code)
    }

    /// What would be done, with the names that the images would have.
    async fn plan(&self, context: &Context, mut loaded: Loaded, began: Instant) -> Result<u8, u8> {
        let images = match &self.image {
            Some(_) => Vec::new(),
            None => build::planned(&loaded, Reach::Registry)?,
        };
        images::expect(&mut loaded, self.image.as_deref())?;
        if self.builds {
            self.show_images(&images);
        }
        let cancel = CancellationToken::new();
        let planning = self.deploy.ready(context, &loaded, &cancel);
        let ready = images::interruptible(planning).await??;
        // That something would change is what a dry run is for; that it cannot be done is not.
        let code = match exit_code(&ready.planned.plan) {
            1 => 0,
            code => code,
        };
        match self.format {
            Format::Text => ready.show(context, Detail::Plan),
            Format::Json => {
                let told = Told {
                    images,
                    plan: plan::items(&ready.planned.plan),
                    results: Vec::new(),
                };
                self.report(told, code, began);
            }
        }
        Ok(code)
    }

    fn show_images(&self, images: &[ImageReport]) {
        if self.format == Format::Text {
            for line in images.iter().filter_map(ImageReport::text) {
                output::line(&line);
            }
        }
    }

    fn end_with_images(&self, told: Told, made: &[Made], code: u8, began: Instant) -> u8 {
        if self.format == Format::Json {
            self.report(told, code, began);
        }
        build::complain(made);
        code
    }

    fn report(&self, told: Told, code: u8, began: Instant) {
        let report = DeployReport::new(
            told.images,
            told.plan,
            told.results,
            self.is_dry,
            code,
            began.elapsed(),
        );
        output::json(&report.line());
    }
}

/// An image that stays in the engine is one that nobody else can pull.
fn warn_unpushed(made: &[Made]) {
    for made in made {
        if made.image.is_some() && made.pushed.is_none() {
            tracing::warn!(
                "{}: the image is in no registry: only nodes that use this machine's engine can run it",
                made.app
            );
        }
    }
}
