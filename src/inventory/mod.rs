//! What an owner has, remembered in the cluster: which jobs, as what they were last written, how that ended.
//!
//! Pure: [`Inventory`] and its entries, [`ownership`](mod@ownership) of a job, how entries are written down (`codec`),
//! where they stand (`paths`, `page`, `tree`) and which calls change them without losing one (`recorder`). Edges:
//! [`store`] keeps them in Nomad's variables, `local` in a file where the token may not use variables.
//!
//! The inventory is a memory, never the judge: what it says of a job is trusted only together with Nomad's own list
//! ([`fast`](crate::reconcile::fast)), and a job that it does not name is still ours when its meta says so. What it alone
//! knows: which jobs may be pruned, which failed digests are not tried again, which batch jobs have run to their end,
//! which hooks have run, which jobs were taken over. docs/inventory.md describes format and guarantees.

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use crate::desired::Digest;
use crate::ids::{JobKey, ModifyIndex};
use crate::spec::Kind;

mod calls;
mod codec;
mod error;
mod local;
pub mod ownership;
mod page;
mod paths;
mod place;
mod recorder;
pub mod store;
mod tree;

pub use error::InventoryError;
pub use ownership::{Ownership, ownership};
pub use place::{Place, Reason};
pub use store::{Store, owners};

/// What an owner has.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Inventory {
    /// One entry a job.
    pub entries: BTreeMap<JobKey, Entry>,
}

impl Inventory {
    /// Makes the same change to this copy.
    pub fn apply(&mut self, change: Change) {
        match change {
            Change::Put(key, entry) => drop(self.entries.insert(key, entry)),
            Change::Remove(key) => drop(self.entries.remove(&key)),
        }
    }
}

/// What is remembered of one job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// What described it.
    pub kind: Kind,
    /// What was last written, or found to be as desired.
    pub digest: Fingerprint,
    /// `JobModifyIndex` that was *read*, with the job, after our last write. The index in a register's reply is not it
    /// (nomad-api.md, trap 3).
    pub index: ModifyIndex,
    /// The job's `CreateIndex`: another one is another job of the same name. 0 when unknown.
    pub created: u64,
    /// How the last run for it ended.
    pub state: State,
    /// When this was written, in whole seconds.
    pub written: Timestamp,
    /// Label `cs.prune: disabled`: it is never pruned.
    pub keep: bool,
    /// It was taken over: the job itself does not name us as its owner.
    pub adopted: bool,
    /// What is not tried again until something moves.
    pub failed: Option<Failed>,
    /// Generation for which this hook ran to its end.
    pub hook: Option<String>,
    /// Revision of the specs, e.g. a short commit.
    pub revision: Option<String>,
}

/// How the last run for a job ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// As desired and healthy.
    Converged,
    /// A batch job that ran to its end. It must not run again when Nomad has collected it.
    Completed,
    /// Written, but nobody waited for its health, or the run ended otherwise.
    Unsettled,
}

impl State {
    /// Every state.
    pub const ALL: [Self; 3] = [Self::Converged, Self::Completed, Self::Unsettled];

    /// The word for people and reports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Converged => "converged",
            Self::Completed => "completed",
            Self::Unsettled => "unsettled",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A digest that failed. It is not tried again while the same is desired and nobody writes the job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed {
    /// What failed.
    pub digest: Fingerprint,
    /// Word of the outcome, e.g. `rolled-back`.
    pub outcome: String,
    /// `JobModifyIndex` at which that was seen: after a rollback, that of the version it went back to.
    pub index: ModifyIndex,
}

/// One change of an inventory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Remember this, instead of whatever was remembered.
    Put(JobKey, Entry),
    /// Forget the job.
    Remove(JobKey),
}

impl Change {
    /// Which job it is about.
    #[must_use]
    pub const fn key(&self) -> &JobKey {
        match self {
            Self::Put(key, _) | Self::Remove(key) => key,
        }
    }
}

/// The first 128 bits of a [`Digest`]: enough to tell any two desired states of one owner apart, half as long.
///
/// Compare it with a full digest by `==`. Printed as 22 characters of URL-safe base64.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint([u8; 16]);

impl Fingerprint {
    /// Reads what `Display` wrote.
    fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0; 16];
        let written = BASE64.decode_slice(text, &mut bytes).ok()?;
        (written == bytes.len()).then_some(Self(bytes))
    }

    /// The first 32 hex digits as bytes; a digest in another notation is hashed again.
    fn of(digest: &str) -> Self {
        let mut bytes = [0; 16];
        let hex = digest.as_bytes();
        let digits = hex.len() >= 32 && hex.iter().all(u8::is_ascii_hexdigit);
        if digits {
            for (byte, pair) in bytes.iter_mut().zip(hex.chunks_exact(2)) {
                *byte = nibble(pair[0]) << 4 | nibble(pair[1]);
            }
        } else {
            bytes.copy_from_slice(&Sha256::digest(digest)[..16]);
        }
        Self(bytes)
    }
}

/// Value of a hex digit.
fn nibble(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        _ => (digit | 0x20) - b'a' + 10,
    }
}

impl From<&Digest> for Fingerprint {
    fn from(digest: &Digest) -> Self {
        Self::of(&digest.0)
    }
}

impl From<Digest> for Fingerprint {
    fn from(digest: Digest) -> Self {
        Self::of(&digest.0)
    }
}

impl PartialEq<Digest> for Fingerprint {
    fn eq(&self, other: &Digest) -> bool {
        *self == Self::from(other)
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&BASE64.encode(self.0))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({self})")
    }
}

/// An entry as it would be written again.
///
/// # Errors
/// It is none.
pub(crate) fn rewritten(text: &str) -> Result<String, String> {
    let entry = codec::decode(text).map_err(|error| format!("{error:?}"))?;
    Ok(codec::encode(&entry, Some(text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_equals_the_digest_it_was_made_of_and_no_other() {
        let full = Digest("0123456789abcdefFEDCBA98765432100f0f".to_owned());
        let short = Fingerprint::from(&full);
        assert_eq!(short, full);
        assert_eq!(short.to_string(), "ASNFZ4mrze_-3LqYdlQyEA");
        assert_eq!(Fingerprint::parse(&short.to_string()), Some(short));
        assert_ne!(short, Digest(full.0.replacen('1', "2", 1)));
        // Another notation, as tests and other makers of digests may use.
        let words = Digest("d1".to_owned());
        assert_eq!(Fingerprint::from(&words), words);
        assert_ne!(Fingerprint::from(&words), Digest("d2".to_owned()));
    }

    #[test]
    fn what_is_no_fingerprint_is_not_read_as_one() {
        for bad in [
            "",
            "ASNFZ4mrze_-3LqYdlQyE",
            "ASNFZ4mrze_-3LqYdlQyEAA",
            "ASNFZ4mrze/+3LqYdlQyEA",
            "ASNFZ4mrze_-3LqYdlQyEB",
        ] {
            assert_eq!(Fingerprint::parse(bad), None, "{bad}");
        }
    }
}
