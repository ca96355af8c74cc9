//! Why nothing was read.

use std::io;
use std::path::PathBuf;

use crate::artifact::source::git::GitError;
use crate::config::BadVariable;

/// Why nothing can be said about the sources.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The caller wants no more.
    #[error("stopped while reading specs")]
    Stopped,
    /// No source was named.
    #[error(
        "no spec files are named: give files, folders, globs, `-` or the address of a Git repository"
    )]
    NoSources,
    /// Standard input was named more than once.
    #[error("`-` is named twice, but standard input can be read only once")]
    StandardInputTwice,
    /// A flag for a variable is not `NAME=VALUE`.
    #[error("`--var {name}` has no `=`: write `--var NAME=VALUE`")]
    Variable {
        /// What stands there, as far as it can be a name.
        name: String,
    },
    /// An address that is not read.
    #[error("`{address}` cannot be read: {problem}")]
    Address {
        /// As given, without credentials.
        address: String,
        /// What is wrong, and what to write instead.
        problem: &'static str,
    },
    /// An environment variable makes no sense.
    #[error(transparent)]
    Environment(#[from] BadVariable),
    /// A Git repository cannot be had.
    #[error("cannot read specs from Git")]
    Git(#[source] GitError),
    /// There is no place to put a repository.
    #[error("cannot make a work directory in `{}`", path.display())]
    WorkDirectory {
        /// Where.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl LoadError {
    /// 10 when stopped, else 2: bad usage, or input that cannot be had.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Stopped | Self::Git(GitError::Stopped) => 10,
            _ => 2,
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn help(&self) -> Option<&'static str> {
        match self {
            Self::Git(GitError::Refused { .. }) => {
                Some("set CS_GIT_TOKEN to a token that may read the repository")
            }
            Self::WorkDirectory { .. } => Some("point TMPDIR to a directory with room"),
            _ => None,
        }
    }
}
