//! Builders: which one builds a source, and how.
//!
//! [`Builder`] is a closed set. `csdocker` hands a Dockerfile to the engine, `nixpacks` plans one with the program of that
//! name, `railpack` builds through the program of that name, `noop` does nothing. Which ones are tried, and in which order,
//! is `detect::chain`'s decision; whether the next one is tried after a failure is [`BuildError::falls_back`]'s.

pub mod attempt;
pub mod command;
pub mod context;
mod csdocker;
pub mod detect;
pub mod dockerfile;
pub mod inputs;
pub mod nixpacks;
pub mod programs;
pub mod railpack;
mod report;
pub mod target;
mod unbuildable;
mod variables;

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use super::registry::Credentials;
use super::source::{OutOfTree, SourceTree};
use crate::secret::Secret;

pub use unbuildable::Unbuildable;

/// The builders. Source: contract 5.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Builder {
    /// A Dockerfile, built by the engine.
    CsDocker,
    /// The program `nixpacks` plans, the engine builds.
    Nixpacks,
    /// The program `railpack`.
    Railpack,
    /// Nothing is built, which succeeds.
    Noop,
}

impl Builder {
    /// Its name in params and specs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CsDocker => "csdocker",
            Self::Nixpacks => "nixpacks",
            Self::Railpack => "railpack",
            Self::Noop => "noop",
        }
    }
}

impl fmt::Display for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// No builder has this name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown builder; expected `csdocker`, `docker`, `nixpacks`, `railpack` or `noop`")]
pub struct UnknownBuilder;

impl FromStr for Builder {
    type Err = UnknownBuilder;

    fn from_str(text: &str) -> Result<Self, UnknownBuilder> {
        match text {
            "csdocker" | "docker" => Ok(Self::CsDocker),
            "nixpacks" => Ok(Self::Nixpacks),
            "railpack" => Ok(Self::Railpack),
            "noop" => Ok(Self::Noop),
            _ => Err(UnknownBuilder),
        }
    }
}

/// What every builder is given.
#[derive(Debug, Clone)]
pub struct Recipe {
    /// The source.
    pub tree: SourceTree,
    /// The directory that is built: the root directory inside the source, absolute.
    pub directory: PathBuf,
    /// The user's Dockerfile, relative to `directory`; `None` lets detection decide.
    pub dockerfile: Option<String>,
    /// The repository of a Git source, for Dockerfiles that need `.git`.
    pub git_dir: Option<PathBuf>,
    /// What the image is called in the engine, with its tag.
    pub image: String,
    /// Build arguments.
    pub args: BTreeMap<String, String>,
    /// Environment of the build; not secret.
    pub env: BTreeMap<String, String>,
    /// Secrets of the build.
    pub secrets: BTreeMap<String, Secret>,
    /// Build command, for nixpacks and railpack.
    pub build_command: Option<String>,
    /// Start command, for nixpacks and railpack.
    pub start_command: Option<String>,
    /// Labels of the image.
    pub labels: BTreeMap<String, String>,
    /// Images whose layers may be reused.
    pub cache_from: Vec<String>,
    /// Put into the image what makes its own layers reusable.
    pub keep_layers: bool,
    /// Credentials for base images and caches, by registry host.
    pub registries: BTreeMap<String, Credentials>,
    /// Modification time of every file that is handed to the engine, in seconds since 1970, so that the same commit gives
    /// the same layers; `None` keeps the files' own.
    pub modified: Option<u64>,
    /// A private directory for generated files, outside the source.
    pub scratch: PathBuf,
}

/// Why a builder gave no image.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The builder ran, and the source does not build with it.
    #[error("{builder} failed{}: {reason}", at(step))]
    Failed {
        /// Which one.
        builder: Builder,
        /// The step at fault, e.g. `[3/4] RUN make`.
        step: Option<String>,
        /// One line.
        reason: String,
        /// The last lines that it said, oldest first.
        tail: Vec<String>,
    },
    /// Its program is not there.
    #[error(
        "{builder} is not available: the program `{program}` is not on PATH; install it or choose another builder"
    )]
    NotInstalled {
        /// Which one.
        builder: Builder,
        /// What was looked for.
        program: &'static str,
    },
    /// The source has no Dockerfile, and no program that could do without one is there.
    #[error(
        "nothing can build this source: it has no Dockerfile, and of the programs that need none {} on PATH; add a \
         Dockerfile, or install one of them where the runner runs",
        none_of(missing)
    )]
    NoBuilder {
        /// What was looked for.
        missing: Vec<&'static str>,
    },
    /// The source does not hold what the build asks for.
    #[error(transparent)]
    Source(#[from] OutOfTree),
    /// The source contradicts what the build asks for.
    #[error(transparent)]
    Unbuildable(#[from] Unbuildable),
    /// The engine cannot be used. No other builder would fare better.
    #[error("the Docker engine cannot be used")]
    Engine(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A file or a process of ours fails.
    #[error("cannot {what}")]
    Io {
        /// What was tried, with the path.
        what: String,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// It was told to stop.
    #[error("the build was stopped")]
    Stopped,
}

impl BuildError {
    /// Whether the next builder of the chain may be tried: only after an error that is the builder's own (contract 5.3).
    #[must_use]
    pub const fn falls_back(&self) -> bool {
        match self {
            Self::Failed { .. } | Self::NotInstalled { .. } => true,
            Self::NoBuilder { .. }
            | Self::Source(_)
            | Self::Unbuildable(_)
            | Self::Engine(_)
            | Self::Io { .. }
            | Self::Stopped => false,
        }
    }
}

fn at(step: &Option<String>) -> String {
    step.as_ref()
        .map(|step| format!(" at {step}"))
        .unwrap_or_default()
}

fn none_of(programs: &[&str]) -> String {
    match programs {
        [one] => format!("`{one}` is not"),
        several => format!("none (`{}`) is", several.join("`, `")),
    }
}
