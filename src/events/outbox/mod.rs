//! Events on disk, from before the first attempt to send them until they are acknowledged.
//!
//! Below the state directory stands `outbox/` (mode 0700) with one directory, a [`Lane`], for each deployment or
//! destroyed service. A lane holds
//! - `00000001.event`, … (mode 0600): what waits, in order. Written aside, synced, then renamed, so it is whole or absent.
//! - `sent`: the ledger, one line for each id that was acknowledged. It outlives the stream's duplicate window, so the
//!   repeat of a run announces nothing twice.
//!
//! Guarantees: an event is on disk before it is sent; a lane is sent in order; an acknowledged id is not sent again
//! while its ledger lives (14 days, or until 4096 younger lanes exist); a file that cannot be read is moved aside with
//! a warning. Two processes may share a state directory: the lock on a lane's directory belongs to the one that sends
//! it, the lock on its ledger to the one that reads or changes the lane right now. The system drops both when a
//! process dies.
//!
//! Caveat: a process killed between the acknowledgement and the ledger's line sends that event again. The stream drops
//! the copy by its message id, if it arrives within the duplicate window.

mod entry;
mod lane;
mod ledger;

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use super::event::Message;
use crate::private;
pub(super) use entry::Entry;
use lane::Lane;

/// How long the ledger of a finished lane is kept.
///
/// 14 days: twice the age (7 days) after which the platform's stream forgets a message, so a repeat that comes later
/// concerns a deployment nobody waits for.
const LANE_LIFE: Duration = Duration::from_secs(14 * 24 * 60 * 60);

/// Most finished lanes kept; older ones go first. A lane is one directory and one file of a few hundred bytes.
const MAX_LANES: usize = 4096;

/// Why the outbox cannot do what it is for.
#[derive(Debug, thiserror::Error)]
pub(super) enum OutboxError {
    #[error("cannot use `{}` for events (CS_STATE_DIR must be a writable directory)", .path.display())]
    Prepare {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("cannot keep event `{id}` in `{}`", .path.display())]
    Keep {
        id: String,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("cannot read the events in `{}`", .path.display())]
    Read {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("cannot record in `{}` that event `{id}` was sent", .path.display())]
    Record {
        id: String,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

/// What keeping an event led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kept {
    /// It waits at this position of its lane, since now or since an earlier run.
    Waiting(u64),
    /// It was acknowledged in this or an earlier run.
    SentBefore,
}

/// What stands first in a lane.
#[derive(Debug)]
pub(super) enum Head {
    /// This is next.
    Entry(Entry),
    /// Nothing up to the position that was asked for.
    Done,
    /// Another process sends this lane.
    Busy,
}

/// The lanes below one state directory. All calls block on the file system.
#[derive(Debug)]
pub(super) struct Outbox {
    root: PathBuf,
    lanes: Mutex<BTreeMap<String, Arc<Lane>>>,
}

impl Outbox {
    /// Opens the outbox below `state_dir`, creating what is missing.
    pub(super) fn open(state_dir: &Path) -> Result<Self, OutboxError> {
        let root = state_dir.join("outbox");
        let prepared = private::directory(&root).and_then(|()| probe(&root));
        match prepared {
            Ok(()) => Ok(Self {
                root,
                lanes: Mutex::default(),
            }),
            Err(source) => Err(OutboxError::Prepare { path: root, source }),
        }
    }

    /// Makes a message durable, unless its id was sent or waits already.
    pub(super) fn keep(&self, lane: &str, message: &Message) -> Result<Kept, OutboxError> {
        let lane = self.lane(lane);
        lane.keep(message).map_err(|source| OutboxError::Keep {
            id: message.id.clone(),
            path: lane.path().to_owned(),
            source,
        })
    }

    /// Whether one of these ids was announced by any run, sent or not. What cannot be read counts as not announced.
    pub(super) fn knows(&self, lane: &str, ids: &[String]) -> bool {
        let lane = self.lane(lane);
        lane.knows(ids).unwrap_or_else(|error| {
            tracing::debug!("Cannot read `{}`: {error}", lane.path().display());
            false
        })
    }

    /// Returns what has to be sent next so that `lane` is sent up to and including `position`.
    pub(super) fn head(&self, lane: &str, position: u64) -> Result<Head, OutboxError> {
        let lane = self.lane(lane);
        lane.head(position).map_err(|source| OutboxError::Read {
            path: lane.path().to_owned(),
            source,
        })
    }

    /// Records that an entry was acknowledged and removes it. It is not offered again, whatever the result.
    pub(super) fn settle(&self, lane: &str, entry: &Entry) -> Result<(), OutboxError> {
        let lane = self.lane(lane);
        lane.settle(entry).map_err(|source| OutboxError::Record {
            id: entry.message.id.clone(),
            path: lane.path().to_owned(),
            source,
        })
    }

    /// Moves an entry that will never be accepted out of the way of the next one.
    pub(super) fn give_up(&self, lane: &str, entry: &Entry) {
        self.lane(lane).give_up(entry);
    }

    /// Lets another process send this lane. Returns false, and keeps it, if something came in that waits to be sent.
    pub(super) fn release(&self, name: &str) -> bool {
        let lane = self.lane(name);
        let released = lane.release();
        if released {
            let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
            // Somebody else may hold the lane by now; it then stays, and its lock with it.
            if Arc::strong_count(&lane) <= 2 {
                lanes.remove(name);
            }
        }
        released
    }

    /// Returns the lanes this process used and did not release.
    pub(super) fn in_use(&self) -> Vec<String> {
        let lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        lanes.keys().cloned().collect()
    }

    /// Returns what waits in the lanes of this process, in order.
    pub(super) fn waiting(&self) -> Vec<Message> {
        let lanes: Vec<Arc<Lane>> = {
            let lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
            lanes.values().cloned().collect()
        };
        lanes.iter().flat_map(|lane| lane.waiting()).collect()
    }

    /// Takes over the lanes in which earlier runs left something and that no living process sends. Returns each with
    /// its last waiting position, oldest first.
    ///
    /// To be called before anything is kept: an event of this run is no leftover, it has its place among log lines.
    pub(super) fn leftovers(&self) -> Vec<(String, u64)> {
        let mut found = self.directories();
        found.retain(|(_, name)| Lane::has_entries(&self.root.join(name)));
        found.sort();
        let taken_over = |name: String| {
            let lane = self.lane(&name);
            let last = match lane.own() {
                Ok(true) => lane.last_waiting(),
                Ok(false) => None,
                Err(error) => {
                    tracing::warn!("Cannot take over `{}`: {error}", lane.path().display());
                    None
                }
            };
            drop(lane);
            if last.is_none() {
                self.release(&name);
            }
            last.map(|position| (name, position))
        };
        found
            .into_iter()
            .filter_map(|(_, name)| taken_over(name))
            .collect()
    }

    /// Forgets finished lanes that are too old or too many.
    pub(super) fn prune(&self, now: SystemTime) {
        let used: HashSet<String> = self.in_use().into_iter().collect();
        let mut finished: Vec<(SystemTime, String)> = self
            .directories()
            .into_iter()
            .filter(|(_, name)| !used.contains(name) && !Lane::has_entries(&self.root.join(name)))
            .collect();
        finished.sort();
        let excess = finished.len().saturating_sub(MAX_LANES);
        for (index, (changed, name)) in finished.into_iter().enumerate() {
            let age = now.duration_since(changed).unwrap_or_default();
            if index < excess || age > LANE_LIFE {
                Lane::remove(&self.root.join(name));
            }
        }
    }

    fn lane(&self, name: &str) -> Arc<Lane> {
        let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        let lane = lanes
            .entry(name.to_owned())
            .or_insert_with(|| Arc::new(Lane::new(self.root.join(name))));
        Arc::clone(lane)
    }

    /// Lists all lanes with the time of their last change.
    fn directories(&self) -> Vec<(SystemTime, String)> {
        let Ok(entries) = fs::read_dir(&self.root) else {
            return Vec::new();
        };
        entries
            .filter_map(Result::ok)
            .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
            .filter_map(|entry| {
                let name = entry.file_name().into_string().ok()?;
                Some((lane::last_change(&entry.path())?, name))
            })
            .collect()
    }
}

/// Finds out whether files can be created here.
fn probe(dir: &Path) -> io::Result<()> {
    let path = dir.join(format!(".probe-{}", uuid::Uuid::new_v4()));
    entry::create_private(&path)?;
    fs::remove_file(path)
}

/// Makes renames and removals in a directory survive a power failure.
fn sync_dir(dir: &Path) -> io::Result<()> {
    fs::File::open(dir)?.sync_all()
}

#[cfg(test)]
mod tests;
