//! `cs convert`: params → spec file, each secret replaced by a reference.

use std::path::PathBuf;

use super::{Context, exit, input, output};
use crate::dispatch::{ErrorKind, Params, ParamsError, Task, convert, params, to_yaml};

/// Turns dispatch params into a spec file; secrets become references.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  cs convert --params shop.json > specs/shop.yaml
  cs convert --task deploy-repository --params - < shop.json")]
pub(super) struct Arguments {
    /// File with params (JSON or base64 of it), `-` for standard input.
    #[arg(long, value_name = "FILE")]
    params: PathBuf,
    /// Task that the params belong to. Default: `NOMAD_META_TASK`, else `deploy-image`.
    #[arg(long)]
    task: Option<String>,
    /// What to write.
    #[arg(long, value_enum, default_value = "spec")]
    to: Target,
    /// How to write it.
    #[arg(short, long, value_enum, default_value = "yaml")]
    output: Format,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Target {
    Spec,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Yaml,
    Json,
}

/// Lets editors check and complete the file.
const MODELINE: &str = "# yaml-language-server: $schema=../schemas/cloudstation.io_v1.json\n";

pub(super) fn run(context: &Context, arguments: Arguments) -> u8 {
    let Target::Spec = arguments.to;
    let workload = match read_workload(context, &arguments.params, arguments.task.as_deref()) {
        Ok(workload) => workload,
        Err(code) => return code,
    };
    match arguments.output {
        Format::Yaml => output::raw(&format!("{MODELINE}{}", to_yaml(&workload))),
        Format::Json => output::line(
            &serde_json::to_string_pretty(&workload).expect("plain data with text keys"),
        ),
    }
    0
}

/// Params from a file, converted; complains and returns the exit code when that fails.
pub(super) fn read_workload(
    context: &Context,
    path: &std::path::Path,
    task: Option<&str>,
) -> Result<crate::spec::Workload, u8> {
    let task = input::task_or_image(context, task).map_err(|error| exit::usage(error, ""))?;
    if task == Task::DestroyJobPack {
        return Err(exit::usage(
            "destroy-job-pack describes no workload",
            "convert the params of a deploy task",
        ));
    }
    let text = input::read(path).map_err(|error| exit::usage(error, ""))?;
    let options =
        input::convert_options(&context.environment).map_err(|error| exit::usage(error, ""))?;
    let params = params::parse(task, &text).map_err(refused)?;
    let Params::Deploy(params) = params else {
        return Err(exit::usage("these params describe no workload", ""));
    };
    let converted = convert(&params, &options).map_err(refused)?;
    for warning in &converted.run.warnings {
        exit::warn(warning);
    }
    Ok(converted.workload)
}

fn refused(error: ParamsError) -> u8 {
    exit::complain(&error.to_string(), None);
    match error.kind() {
        ErrorKind::Usage => 2,
        ErrorKind::Invalid => 3,
    }
}
