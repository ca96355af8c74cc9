//! `cs render`: spec or params → Nomad job, as JSON or HCL. Needs no cluster and reads no registry.

use std::path::PathBuf;

use super::sources::{SourceArgs, without_findings};
use super::{Context, convert, exit, output};
use crate::clients::nomad::job::Job;
use crate::compile::{compile, hcl};
use crate::desired::validate::{Options, validate};
use crate::ids::OwnerId;
use crate::spec::Workload;

/// Shows the Nomad job that a spec or params become.
#[derive(Debug, clap::Args)]
#[command(
    group = clap::ArgGroup::new("source").required(true).args(["file", "params"]),
    after_help = "Examples:\n  cs render -f specs/web.yaml\n  cs render -f overlays/prod -o hcl\n  cs render --params params.json"
)]
pub(super) struct Arguments {
    #[command(flatten)]
    sources: SourceArgs,
    /// File with dispatch params, `-` for standard input.
    #[arg(long, value_name = "FILE")]
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
        None => from_files(context, &arguments.sources, owner),
    };
    let jobs = match jobs {
        Ok(jobs) => jobs,
        Err(code) => return code,
    };
    for job in &jobs {
        match arguments.output {
            Format::Json => output::json(&serde_json::json!({ "Job": job.to_value() }).to_string()),
            Format::Hcl => output::data(&hcl::to_hcl(job)),
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

fn from_files(
    context: &Context,
    sources: &SourceArgs,
    owner: Option<&OwnerId>,
) -> Result<Vec<Job>, u8> {
    // Whether documents make sense is told even when others could not be read.
    let loaded = sources.load_now(context)?;
    let mut jobs = Vec::new();
    let mut is_invalid = false;
    for manifest in &loaded.manifests {
        let document = &manifest.document;
        let Some(workload) = document.workload() else {
            exit::warn(&format!(
                "{}: `{}` is a job in Nomad's own words already and not rendered",
                document.file(),
                document.resource.metadata().name.escape_debug()
            ));
            continue;
        };
        match validate(workload, &options(workload, owner)) {
            Ok(desired) => jobs.push(compile(&desired)),
            Err(issues) => {
                for issue in issues {
                    exit::finding(&issue.into_diagnostic(document));
                }
                is_invalid = true;
            }
        }
    }
    without_findings(loaded)?;
    if is_invalid { Err(3) } else { Ok(jobs) }
}
