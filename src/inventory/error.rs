//! What can go wrong with an inventory, and what to do about it.

use std::io;
use std::path::PathBuf;

use crate::clients::nomad::NomadError;
use crate::clients::nomad::calls::variables::VariablePath;
use crate::ids::Namespace;

/// Why an inventory could not be read or changed. Nothing may be pruned after one of these.
#[derive(Debug, thiserror::Error)]
pub enum InventoryError {
    /// Nomad did not answer a read. Repeat it when its [`disposition`](NomadError::disposition) says so.
    #[error("cannot read the inventory")]
    Read(#[source] NomadError),
    /// The token may read the inventory's root, but not a part of it.
    #[error(
        "the token may read variable `{root}`, but not `{part}`, which holds a part of the same inventory"
    )]
    Hidden {
        /// The variable that names the part.
        root: VariablePath,
        /// The part.
        part: VariablePath,
        /// Nomad's answer.
        #[source]
        source: NomadError,
    },
    /// The token may not list inventories. An empty list would prove nothing.
    #[error("the token may not read the variables below `cs/inventory` in namespace `{namespace}`")]
    Forbidden {
        /// Where it was asked.
        namespace: Namespace,
        /// Nomad's answer.
        #[source]
        source: NomadError,
    },
    /// Nomad did not take a write, or nobody knows whether it did.
    #[error("cannot write the inventory")]
    Write(#[source] NomadError),
    /// Others kept changing it for as long as we tried.
    #[error(
        "the inventory was changed by others again and again: {waiting} of our changes are not in it"
    )]
    Contended {
        /// How many changes are missing.
        waiting: usize,
    },
    /// A later version of `cs` wrote it.
    #[error("{item} in {place} was written by a newer version of cs")]
    Newer {
        /// Variable or file.
        place: String,
        /// Item in it.
        item: String,
    },
    /// It is not what `cs` writes.
    #[error("{item} in {place} cannot be read: {what}")]
    Damaged {
        /// Variable or file.
        place: String,
        /// Item in it.
        item: String,
        /// What is wrong with it.
        what: String,
    },
    /// An entry is too large for a variable.
    #[error("the entry of job {job} is too large for a variable")]
    TooLarge {
        /// Its key.
        job: String,
    },
    /// The local file cannot be used.
    #[error("cannot {doing} the inventory at {path}")]
    File {
        /// The file.
        path: PathBuf,
        /// Verb.
        doing: &'static str,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Another run does not let go of the local file.
    #[error("another run of cs holds {path} for too long")]
    Busy {
        /// The lock.
        path: PathBuf,
    },
}

impl InventoryError {
    /// What a person can do about it.
    #[must_use]
    pub fn help(&self) -> &'static str {
        match self {
            Self::Read(error) | Self::Write(error) => error.help(),
            Self::Hidden { .. } | Self::Forbidden { .. } => {
                "allow the token `read`, `list`, `write` and `destroy` on the variables `cs/inventory/*` of the namespace"
            }
            Self::Contended { .. } => {
                "repeat the command: it finds what was done and adds what is missing; if it stays, see who holds a lock \
                 on the variable"
            }
            Self::Newer { .. } => "use that version of cs, or a later one, for this owner",
            Self::Damaged { .. } => {
                "restore or remove it: a job whose entry is missing is found again by its meta, but is not pruned until \
                 it was applied again"
            }
            Self::TooLarge { .. } => "shorten its revision, hook generation or outcome",
            Self::File { .. } => "check the directory, or name another one in CS_STATE_DIR",
            Self::Busy { .. } => "wait for the other run, or end it",
        }
    }
}
