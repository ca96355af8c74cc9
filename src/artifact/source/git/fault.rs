//! What goes wrong while a pack is unpacked, before the repository is named.

use std::io;
use std::path::{Path, PathBuf};

use tokio_util::sync::CancellationToken;

use super::error::GitError;

/// What goes wrong on the thread that unpacks. Turned into a [`GitError`] at its end.
#[derive(Debug)]
pub(super) enum Fault {
    Stopped,
    /// The pack ended early. The side that downloads knows why.
    Truncated,
    Corrupt(&'static str),
    Entry {
        path: String,
        problem: &'static str,
    },
    TooLarge {
        limit: u64,
    },
    TooMany {
        limit: u64,
    },
    Disk {
        path: PathBuf,
        source: io::Error,
    },
    Attributes {
        path: String,
        source: git2::Error,
    },
}

impl Fault {
    /// For `map_err` of a file operation.
    pub(super) fn disk(path: &Path) -> impl FnOnce(io::Error) -> Self {
        |source| Self::Disk {
            path: path.to_owned(),
            source,
        }
    }

    pub(super) fn into_error(self, repository: &str) -> GitError {
        let repository = repository.to_owned();
        match self {
            Self::Stopped => GitError::Stopped,
            Self::Truncated => GitError::Corrupt {
                repository,
                problem: "the pack ends early",
            },
            Self::Corrupt(problem) => GitError::Corrupt {
                repository,
                problem,
            },
            Self::Entry { path, problem } => GitError::Entry {
                repository,
                path,
                problem,
            },
            Self::TooLarge { limit } => GitError::TooLarge {
                repository,
                what: "checkout",
                limit,
            },
            Self::TooMany { limit } => GitError::TooMany { repository, limit },
            Self::Disk { path, source } => match source.kind() {
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                    GitError::DiskFull { path }
                }
                _ => GitError::Disk { path, source },
            },
            Self::Attributes { path, source } => GitError::Attributes { path, source },
        }
    }
}

/// Fails once nobody wants the result any more.
pub(super) fn go_on(halt: &CancellationToken) -> Result<(), Fault> {
    if halt.is_cancelled() {
        Err(Fault::Stopped)
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(kind: io::ErrorKind) -> String {
        let fault = Fault::disk(Path::new("/work/files/a"))(kind.into());
        fault.into_error("R").to_string()
    }

    #[test]
    fn a_full_disk_is_named_with_what_to_do() {
        for full in [io::ErrorKind::StorageFull, io::ErrorKind::QuotaExceeded] {
            assert_eq!(
                text(full),
                "the disk is full at `/work/files/a`: free some room there, or point TMPDIR to another disk"
            );
        }
        assert!(text(io::ErrorKind::PermissionDenied).contains("cannot write or read"));
    }
}
