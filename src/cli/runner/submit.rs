//! `cs runner submit`: a task into the queue, checked before.

use std::path::PathBuf;

use super::super::report::runner::SubmitReport;
use super::super::{Context, exit, input, output};
use super::{Format, reach};
use crate::agent::submission::submit;
use crate::clients::chain;
use crate::controller::run;
use crate::dispatch::Task;

/// Put a task into the queue.
///
/// The params are checked first, as `cs reconcile` would. The same task with the same params is taken once: a repeat within
/// ten minutes is dropped, and said to be one.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  cs runner submit --task deploy-image --params shop.json
  cs runner submit --task destroy-job-pack --params - -o json < destroy.json")]
pub(super) struct Arguments {
    /// The task: deploy-image, deploy-repository, redeploy-repository, destroy-job-pack.
    #[arg(long)]
    task: String,
    /// File with the params (JSON or base64 of it), `-` for standard input.
    #[arg(long, value_name = "FILE")]
    params: PathBuf,
    /// How it is written.
    #[arg(short, long, value_enum, default_value = "text")]
    output: Format,
}

pub(super) async fn run(context: &Context, arguments: Arguments) -> u8 {
    let environment = &context.environment;
    let params = match input::read(&arguments.params) {
        Ok(params) => params,
        Err(error) => return exit::usage(error, ""),
    };
    let options = match input::convert_options(environment) {
        Ok(options) => options,
        Err(error) => return exit::usage(error, ""),
    };
    let task: Task = match arguments.task.parse() {
        Ok(task) => task,
        Err(error) => return exit::usage(error, ""),
    };
    if let Err(outcome) = run::check(task.as_str(), &params, &options, environment) {
        return exit::fail(&outcome);
    }
    let fleet = match reach(environment).await {
        Ok(fleet) => fleet,
        Err(error) => return error.complain(),
    };
    let submitted = match submit(fleet.context(), fleet.names(), task, &params).await {
        Ok(submitted) => submitted,
        Err(error) => {
            exit::complain(
                &chain(&error),
                Some("repeat the command: a task that is in the queue already is not taken twice"),
            );
            return 1;
        }
    };
    if submitted.is_repeat {
        exit::note(
            "this task is in the queue already, or was in the last ten minutes: the repeat is dropped",
        );
    }
    match arguments.output {
        Format::Json => output::json(&SubmitReport::new(&submitted, task).line()),
        Format::Text => output::line(&format!("{} {}", submitted.id, submitted.sequence)),
    }
    0
}
