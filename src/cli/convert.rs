//! `cs convert`: params or a project file → spec files; params → a project file. Secrets become references.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use super::project::VariableArgs;
use super::project::hcl::of_hcl;
use super::{Context, exit, input, output};
use crate::dispatch::{
    Converted, DeployParams, ErrorKind, Params, ParamsError, Task, convert, params, to_yaml,
};
use crate::project::write::{self, VARS_FILE, Written};
use crate::project::{Deploy, FILE};
use crate::spec::Workload;

/// Turns dispatch params or a project file into spec files, or params into a project file; secrets become references.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  cs convert --params shop.json > specs/shop.yaml
  cs convert --task deploy-repository --params - < shop.json
  cs convert cloudstation.hcl --var tag=1.4.2
  cs convert --params shop.json --to hcl --out shop/")]
pub(super) struct Arguments {
    /// A project file, `cloudstation.hcl`.
    #[arg(value_name = "FILE", conflicts_with_all = ["params", "task"], required_unless_present = "params")]
    project: Option<PathBuf>,
    /// File with params (JSON or base64 of it), `-` for standard input.
    #[arg(long, value_name = "FILE")]
    params: Option<PathBuf>,
    /// Task that the params belong to. Default: `NOMAD_META_TASK`, else `deploy-image`.
    #[arg(long)]
    task: Option<String>,
    /// What to write: specs, or `cloudstation.hcl` and `vars.hcl`.
    #[arg(long, value_enum, default_value = "spec")]
    to: Target,
    /// Write the files into this folder, and overwrite none. Default: everything on standard output.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// How specs are written; the files of `--to hcl` as texts of one JSON object.
    #[arg(short, long, value_enum, default_value = "yaml")]
    output: Format,
    #[command(flatten)]
    variables: VariableArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Target {
    Spec,
    Hcl,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Yaml,
    Json,
}

/// Lets editors check and complete the file.
const MODELINE: &str = "# yaml-language-server: $schema=../schemas/cloudstation.io_v1.json\n";

pub(super) fn run(context: &Context, arguments: Arguments) -> u8 {
    let done = match (&arguments.project, &arguments.params, arguments.to) {
        (Some(file), _, Target::Spec) => of_project(context, file, &arguments),
        (Some(_), _, Target::Hcl) => Err(exit::usage(
            "it is a project file already",
            "leave out --to, to see the specs that it stands for",
        )),
        (None, Some(params), Target::Spec) => of_params(context, params, &arguments),
        (None, Some(params), Target::Hcl) => to_hcl(context, params, &arguments),
        (None, None, _) => Err(exit::usage("there is nothing to convert", "name a file")),
    };
    done.err().unwrap_or(0)
}

/// The specs that a project stands for.
fn of_project(context: &Context, file: &Path, arguments: &Arguments) -> Result<(), u8> {
    let loaded = of_hcl(context, file, &arguments.variables)?;
    let mut workloads = Vec::new();
    for app in &loaded.apps {
        match &app.deploy {
            Deploy::Job { .. } => workloads.push(app.workload()),
            Deploy::Pack(pack) => exit::warn(&format!(
                "{}: its job is what pack `{}` renders; `cs up` renders and deploys it",
                app.name, pack.pack
            )),
            Deploy::Nothing => exit::warn(&format!("{}: nothing is deployed", app.name)),
        }
    }
    write_specs(&workloads, arguments)
}

fn of_params(context: &Context, path: &Path, arguments: &Arguments) -> Result<(), u8> {
    let workload = read_workload(context, path, arguments.task.as_deref())?;
    write_specs(&[&workload], arguments)
}

/// One document a workload, in the order of the apps.
fn write_specs(workloads: &[&Workload], arguments: &Arguments) -> Result<(), u8> {
    let text = match (arguments.output, workloads) {
        (Format::Yaml, _) => {
            let documents: Vec<String> = workloads.iter().map(|one| to_yaml(one)).collect();
            format!("{MODELINE}{}", documents.join("---\n"))
        }
        (Format::Json, [one]) => pretty(one),
        // One a line.
        (Format::Json, several) => several
            .iter()
            .map(|one| serde_json::to_string(one).expect("plain data with text keys") + "\n")
            .collect(),
    };
    let Some(folder) = &arguments.out else {
        match arguments.output {
            Format::Yaml => output::data(&text),
            Format::Json => output::raw_json(&text),
        }
        return Ok(());
    };
    let name = match (arguments.output, workloads.first()) {
        (Format::Yaml, Some(first)) => format!("{}.yaml", first.metadata.name),
        (Format::Json, Some(first)) => format!("{}.json", first.metadata.name),
        (_, None) => return Ok(()),
    };
    if name.contains('/') {
        return Err(exit::usage(
            "the workload's name is none that a file can have",
            "leave out --out, and choose a file with `>`",
        ));
    }
    write_files(folder, &[(&name, &text)])
}

fn pretty(workload: &Workload) -> String {
    serde_json::to_string_pretty(workload).expect("plain data with text keys") + "\n"
}

/// `cloudstation.hcl` and `vars.hcl` of params.
fn to_hcl(context: &Context, path: &Path, arguments: &Arguments) -> Result<(), u8> {
    let (params, converted) = read(context, path, arguments.task.as_deref())?;
    let written = write::write(&params, &converted.workload, &converted.run);
    let Written {
        project,
        vars,
        warnings,
    } = written.map_err(|error| {
        exit::complain(&error.to_string(), None);
        3
    })?;
    warnings.iter().for_each(|warning| exit::warn(warning));
    let mut files = vec![(FILE, project.as_str())];
    files.extend(vars.as_deref().map(|vars| (VARS_FILE, vars)));
    if let Some(folder) = &arguments.out {
        return write_files(folder, &files);
    }
    if arguments.output == Format::Json {
        let object: serde_json::Map<String, serde_json::Value> = files
            .iter()
            .map(|(name, text)| ((*name).to_owned(), (*text).into()))
            .collect();
        output::json(&serde_json::Value::Object(object).to_string());
        return Ok(());
    }
    for (name, text) in files {
        output::data(&format!("# ==> {name} <==\n{text}"));
    }
    Ok(())
}

/// Writes files into a folder, all or none, and overwrites none.
fn write_files(folder: &Path, files: &[(&str, &str)]) -> Result<(), u8> {
    let cannot = |path: &Path, error: std::io::Error| {
        exit::usage(format!("cannot write {}: {error}", path.display()), "")
    };
    std::fs::create_dir_all(folder).map_err(|error| cannot(folder, error))?;
    for (name, _) in files {
        let path = folder.join(name);
        if path.exists() {
            return Err(exit::usage(
                format!("{} is there already", path.display()),
                "choose another folder, or remove it first",
            ));
        }
    }
    for (name, text) in files {
        let path = folder.join(name);
        let made = std::fs::File::options()
            .write(true)
            .create_new(true)
            .open(&path);
        made.and_then(|mut file| file.write_all(text.as_bytes()))
            .map_err(|error| cannot(&path, error))?;
        exit::note(&format!("{} written", path.display()));
    }
    Ok(())
}

/// Params from a file, converted; complains and returns the exit code when that fails.
pub(super) fn read_workload(
    context: &Context,
    path: &Path,
    task: Option<&str>,
) -> Result<Workload, u8> {
    read(context, path, task).map(|(_, converted)| converted.workload)
}

fn read(
    context: &Context,
    path: &Path,
    task: Option<&str>,
) -> Result<(Box<DeployParams>, Converted), u8> {
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
    Ok((params, converted))
}

fn refused(error: ParamsError) -> u8 {
    exit::complain(&error.to_string(), None);
    match error.kind() {
        ErrorKind::Usage => 2,
        ErrorKind::Invalid => 3,
    }
}
