//! `cs new`: a first spec file, commented, valid as it is.

use std::io::Write;
use std::path::{Path, PathBuf};

use super::{Context, exit, output};
use crate::desired::validate::{Options, validate};
use crate::ids::JobId;
use crate::reference::starter::{self, WorkloadStarter};
use crate::spec::parse;
use crate::spec::schema::DOCUMENT_FILE;

/// Write a first spec file of a kind: short, commented, valid as it is.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  cs new workload shop --image nginx:1.27 --port 80
  cs new workload shop --out specs/shop.yaml
  cs new nomadjob batch-import > import.yaml")]
pub(super) struct Arguments {
    #[command(subcommand)]
    kind: Kind,
}

#[derive(Debug, clap::Subcommand)]
enum Kind {
    /// A first spec of kind Workload: a job in the terms of its users.
    #[command(
        alias = "Workload",
        after_help = "Examples:
  cs new workload shop --image nginx:1.27 --port 80
  cs new workload shop --out specs/shop.yaml"
    )]
    Workload(WorkloadArguments),
    /// A first spec of kind NomadJob: a job in Nomad's own words, with its HCL inside.
    #[command(
        name = "nomadjob",
        alias = "nomad-job",
        alias = "NomadJob",
        after_help = "Examples:
  cs new nomadjob import
  cs new nomadjob import --out specs/import.yaml"
    )]
    NomadJob(Target),
}

#[derive(Debug, clap::Args)]
struct WorkloadArguments {
    #[command(flatten)]
    target: Target,
    /// Image that runs. Default: a placeholder to be replaced.
    #[arg(long, value_name = "IMAGE")]
    image: Option<String>,
    /// Port inside the container that is served and checked, 1 to 65535. Default: none.
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    port: Option<u16>,
}

#[derive(Debug, clap::Args)]
struct Target {
    /// Name of it, which is the Nomad job id.
    #[arg(value_name = "NAME")]
    name: JobId,
    /// File that is written. Default: standard output.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Write the file even if there is one already.
    #[arg(long, requires = "out")]
    force: bool,
    /// Where editors find the JSON Schema: a path relative to the file, or an address. Default: the nearest
    /// `schemas/cloudstation.io_v1.json` at or above the file's folder.
    #[arg(long, value_name = "PATH")]
    schema: Option<String>,
}

pub(super) fn run(_context: &Context, arguments: Arguments) -> u8 {
    let (target, spec) = match &arguments.kind {
        Kind::Workload(arguments) => {
            let given = WorkloadStarter {
                name: arguments.target.name.as_str(),
                image: arguments.image.as_deref(),
                port: arguments.port,
            };
            (&arguments.target, starter::workload(&given))
        }
        Kind::NomadJob(target) if target.name.as_str().contains(['"', '\\', '$', '%']) => {
            return exit::usage(
                "a job name inside HCL must have no quotes, `\\`, `$` or `%`",
                "choose another name",
            );
        }
        Kind::NomadJob(target) => (target, starter::nomad_job(target.name.as_str())),
    };
    let schema = Modeline::of(target);
    let text = format!(
        "# yaml-language-server: $schema={}\n{}{spec}",
        schema.address,
        next_steps(target)
    );
    if let Err(code) = checked(&text) {
        return code;
    }
    let code = match &target.out {
        None => {
            output::data(&text);
            0
        }
        Some(path) => write(path, &text, target.force),
    };
    if code == 0
        && let Some(missing) = &schema.missing
    {
        remark(missing);
    }
    code
}

/// What can be done with the file, as its second line.
fn next_steps(target: &Target) -> String {
    let file = target.out.as_ref().map_or_else(
        || format!("{}.yaml", target.name),
        |path| path.display().to_string(),
    );
    format!(
        "# Check it with `cs validate {file}`, see what it would do with `cs plan -f {file}`.\n"
    )
}

/// Reads the spec back as every other command will.
fn checked(text: &str) -> Result<(), u8> {
    let documents = parse("the new spec", text).map_err(|findings| {
        findings.iter().for_each(exit::finding);
        2
    })?;
    for document in &documents {
        let Some(workload) = document.workload() else {
            continue;
        };
        let options = Options {
            offline: true,
            ..Options::new("cs".parse().expect("a valid owner"))
        };
        validate(workload, &options).map_err(|issues| {
            for issue in issues {
                exit::finding(&issue.into_diagnostic(document));
            }
            2
        })?;
    }
    Ok(())
}

fn write(path: &Path, text: &str, force: bool) -> u8 {
    let mut options = std::fs::File::options();
    options.write(true);
    if force {
        options.create(true).truncate(true);
    } else {
        options.create_new(true);
    }
    // `specs/shop.yaml` in an empty folder is what the examples say.
    if let Some(folder) = path.parent()
        && let Err(error) = std::fs::create_dir_all(folder)
    {
        let message = format!("cannot make the folder {}: {error}", folder.display());
        return exit::usage(message, "");
    }
    let written = options
        .open(path)
        .and_then(|mut file| file.write_all(text.as_bytes()));
    match written {
        Ok(()) => 0,
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => exit::usage(
            format!("{} is there already", path.display()),
            "choose another file, or overwrite it with --force",
        ),
        Err(error) => exit::usage(format!("cannot write {}: {error}", path.display()), ""),
    }
}

/// Where the modeline points.
///
/// A path relative to the file: it works without a network, and wherever the folder is copied to. Somebody who has no
/// schema there yet is told how to make it.
struct Modeline {
    address: String,
    /// The file to be made.
    missing: Option<PathBuf>,
}

/// Folders above the file that are searched; deeper trees are none that people keep specs in.
const MOST_FOLDERS: usize = 16;

impl Modeline {
    fn of(target: &Target) -> Self {
        if let Some(address) = &target.schema {
            return Self {
                address: address.clone(),
                missing: None,
            };
        }
        let file = target.out.as_deref().unwrap_or(Path::new(""));
        let folder = file.parent().unwrap_or(Path::new(""));
        let place = Path::new("schemas").join(DOCUMENT_FILE);
        let absolute = std::path::absolute(folder.join(".")).unwrap_or_default();
        let ups = absolute.ancestors().take(MOST_FOLDERS).enumerate();
        let found = ups
            .filter(|(_, above)| above.join(&place).is_file())
            .map(|(ups, _)| format!("{}schemas/{DOCUMENT_FILE}", "../".repeat(ups)))
            .next();
        match found {
            Some(address) => Self {
                address,
                missing: None,
            },
            None => Self {
                address: format!("schemas/{DOCUMENT_FILE}"),
                missing: Some(folder.join(place)),
            },
        }
    }
}

fn remark(missing: &Path) {
    let folder = missing.parent().unwrap_or(Path::new("."));
    output::say(&format!(
        "for completion and checks in editors: mkdir -p {} && cs schema > {}",
        folder.display(),
        missing.display()
    ));
}
