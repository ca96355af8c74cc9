//! `cs render`: spec or params → Nomad job, as JSON or HCL. Needs no cluster and reads no registry.

use std::path::PathBuf;

use super::{Context, convert, exit, input, output};
use crate::clients::nomad::job::Job;
use crate::compile::{compile, hcl};
use crate::desired::validate::{Options, validate};
use crate::ids::OwnerId;
use crate::spec::Workload;
use crate::spec::parse::{self, Document};

/// Shows the Nomad job that a spec or params become.
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("source").required(true))]
pub(super) struct Arguments {
    /// Spec files, `-` for standard input.
    #[arg(short, long = "file", value_name = "PATH", num_args = 1.., group = "source")]
    file: Vec<PathBuf>,
    /// File with dispatch params, `-` for standard input.
    #[arg(long, value_name = "FILE", group = "source")]
    params: Option<PathBuf>,
    /// Task that the params belong to. Default: `NOMAD_META_TASK`, else `deploy-image`.
    #[arg(long, requires = "params")]
    task: Option<String>,
    /// On whose behalf the jobs are. Default: `CS_OWNER`, else `dispatch` for converted params and `cs` for other specs.
    #[arg(long, env = "CS_OWNER")]
    owner: Option<OwnerId>,
    /// How the job is written. JSON is `{"Job": …}`, one a line when there are several.
    #[arg(short, long, value_enum, default_value = "json")]
    output: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Json,
    Hcl,
}

pub(super) fn run(context: &Context, arguments: Arguments) -> u8 {
    let owner = arguments.owner.as_ref();
    let jobs = match &arguments.params {
        Some(path) => {
            from_params(context, path, arguments.task.as_deref(), owner).map(|job| vec![job])
        }
        None => from_files(&arguments.file, owner),
    };
    let jobs = match jobs {
        Ok(jobs) => jobs,
        Err(code) => return code,
    };
    for job in &jobs {
        match arguments.output {
            Format::Json => output::line(&serde_json::json!({ "Job": job.to_value() }).to_string()),
            Format::Hcl => output::raw(&hcl::to_hcl(job)),
        }
    }
    0
}

/// References to secrets stay unresolved: what is shown must not hold them.
fn options(workload: &Workload, owner: Option<&OwnerId>) -> Options {
    let is_dispatched = workload
        .spec
        .platform
        .as_ref()
        .is_some_and(|platform| platform.pack_meta);
    let by_default = || {
        if is_dispatched { "dispatch" } else { "cs" }
            .parse()
            .expect("a valid owner")
    };
    Options {
        offline: true,
        image: built_image(workload),
        ..Options::new(owner.cloned().unwrap_or_else(by_default))
    }
}

fn from_params(
    context: &Context,
    path: &std::path::Path,
    task: Option<&str>,
    owner: Option<&OwnerId>,
) -> Result<Job, u8> {
    let workload = convert::read_workload(context, path, task)?;
    let desired = validate(&workload, &options(&workload, owner)).map_err(|issues| {
        for issue in issues {
            exit::complain(&issue.to_string(), None);
        }
        3
    })?;
    Ok(compile(&desired))
}

/// The name that a build would give its image: nothing is built here.
fn built_image(workload: &Workload) -> Option<String> {
    let build = workload.spec.build.as_ref()?;
    let name = build.image.as_deref().unwrap_or(&workload.metadata.name);
    Some(
        build
            .tag
            .as_ref()
            .map_or_else(|| name.to_owned(), |tag| format!("{name}:{tag}")),
    )
}

fn from_files(paths: &[PathBuf], owner: Option<&OwnerId>) -> Result<Vec<Job>, u8> {
    let mut jobs = Vec::new();
    let mut worst = None;
    for path in paths {
        match read_documents(path) {
            Ok(documents) => {
                for document in &documents {
                    match validate(&document.workload, &options(&document.workload, owner)) {
                        Ok(desired) => jobs.push(compile(&desired)),
                        Err(issues) => {
                            for issue in issues {
                                exit::finding(&issue.into_diagnostic(document));
                            }
                            worst = worst.max(Some(3));
                        }
                    }
                }
            }
            Err(code) => worst = worst.max(Some(code)),
        }
    }
    worst.map_or(Ok(jobs), Err)
}

fn read_documents(path: &std::path::Path) -> Result<Vec<Document>, u8> {
    let text = input::read(path).map_err(|error| exit::usage(error, ""))?;
    let name = path.display().to_string();
    let text = String::from_utf8(text)
        .map_err(|_| exit::usage(format!("{name} is not UTF-8"), "save it as UTF-8"))?;
    parse::parse(&name, &text).map_err(|findings| {
        findings.iter().for_each(exit::finding);
        3
    })
}
