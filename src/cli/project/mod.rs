//! Projects: what `cs build`, `cs deploy`, `cs up` and `cs convert` read, and what they have in common.
//!
//! A project is a `cloudstation.hcl`, or specs of kind `Workload` at the top of a folder, or a folder alone with what the
//! flags say.

pub(super) mod hcl;
pub(super) mod images;
pub(super) mod load;
pub(super) mod rollout;

use std::path::PathBuf;

use crate::ids::JobId;

/// Flags of every command that reads a project.
#[derive(Debug, Clone, Default, clap::Args)]
pub(super) struct ProjectArgs {
    /// Folder of the project.
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub(super) path: PathBuf,
    /// The project file, or a spec. Default: `cloudstation.hcl` in the folder, else the specs of kind Workload at its top.
    #[arg(short, long, value_name = "FILE")]
    pub(super) file: Option<PathBuf>,
    /// Only this app. Without a project file: name of the app. Default: all apps; the folder's name.
    #[arg(long, value_name = "NAME")]
    pub(super) app: Option<JobId>,
    #[command(flatten)]
    pub(super) variables: VariableArgs,
}

/// Values of variables.
#[derive(Debug, Clone, Default, clap::Args)]
pub(super) struct VariableArgs {
    /// Value of a variable of the project, as NAME=VALUE. May be repeated. Arguments are public: secrets belong into the
    /// environment, which the variable's `env` names.
    #[arg(long = "var", value_name = "NAME=VALUE")]
    pub(super) var: Vec<String>,
    /// File with such values, as NAME = "VALUE". May be repeated.
    #[arg(long = "var-file", value_name = "FILE")]
    pub(super) var_file: Vec<PathBuf>,
}

/// How images are built.
#[derive(Debug, Clone, Default, clap::Args)]
pub(super) struct BuildArgs {
    /// Builder that is tried first: csdocker, nixpacks, railpack or noop. Default: that of the project, else what the folder
    /// asks for.
    #[arg(long, value_name = "BUILDER", value_parser = builder)]
    pub(super) builder: Option<String>,
    /// Tag of the built image. Default: that of the project, else `latest`.
    #[arg(long, value_name = "TAG")]
    pub(super) tag: Option<String>,
    /// Build even if there is an image of the same source and inputs.
    #[arg(long)]
    pub(super) rebuild: bool,
}

fn builder(text: &str) -> Result<String, String> {
    text.parse::<crate::artifact::build::Builder>()
        .map(|builder| builder.as_str().to_owned())
        .map_err(|error| error.to_string())
}
