//! The events of one deployment (or destroyed service) in order, with the locks that let two processes share them.

use std::collections::HashSet;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use super::super::event::Message;
use super::entry::{self, Entry, PARTIAL};
use super::ledger::{self, Ledger};
use super::{Head, Kept};

/// One directory of the outbox.
#[derive(Debug)]
pub(super) struct Lane {
    path: PathBuf,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    /// This process sends the lane.
    owner: Option<Owned>,
    /// Highest position given out by this process. Together with the ledger, which grows by one line for each event
    /// sent by any process, it keeps positions from being used twice.
    highest: u64,
    /// Positions that are done although their files could not be removed.
    done: HashSet<u64>,
}

/// A lane's directory, locked until this is dropped.
///
/// Let go of in words: a child that is being forked has the descriptor too, until it executes its program, and closing ours
/// would leave the lock with it for so long.
#[derive(Debug)]
struct Owned(File);

impl Drop for Owned {
    fn drop(&mut self) {
        // Fails only where there is no lock.
        let _ = self.0.unlock();
    }
}

impl Lane {
    pub(super) fn new(path: PathBuf) -> Self {
        Self {
            path,
            held: Mutex::default(),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Makes this process the one that sends the lane, unless another one is. Returns whether it is.
    pub(super) fn own(&self) -> io::Result<bool> {
        self.own_held(&mut self.held())
    }

    pub(super) fn keep(&self, message: &Message) -> io::Result<Kept> {
        let mut held = self.held();
        // Owned first, so that another process does not take a fresh entry for a leftover.
        self.own_held(&mut held)?;
        let ledger = self.ledger()?;
        if ledger.contains(&message.id) {
            return Ok(Kept::SentBefore);
        }
        let positions = self.positions()?;
        for &position in &positions {
            let known = self.peek(position)?;
            if known.is_some_and(|entry| entry.message.id == message.id) {
                return Ok(Kept::Waiting(position));
            }
        }
        let position = 1 + [
            positions.last().copied(),
            Some(held.highest),
            Some(ledger.len()),
        ]
        .into_iter()
        .flatten()
        .max()
        .unwrap_or(0);
        entry::write(&self.path, position, message)?;
        held.highest = position;
        Ok(Kept::Waiting(position))
    }

    /// Whether one of these ids was acknowledged or waits.
    pub(super) fn knows(&self, ids: &[String]) -> io::Result<bool> {
        let ledger = self.ledger()?;
        if ids.iter().any(|id| ledger.contains(id)) {
            return Ok(true);
        }
        for position in self.positions()? {
            let waiting = self.peek(position)?;
            if waiting.is_some_and(|entry| ids.contains(&entry.message.id)) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    pub(super) fn head(&self, upto: u64) -> io::Result<Head> {
        let mut held = self.held();
        let ours = self.own_held(&mut held)?;
        let ledger = self.ledger()?;
        for position in self.positions()? {
            if position > upto || held.done.contains(&position) {
                continue;
            }
            if !ours {
                return Ok(Head::Busy);
            }
            match entry::read(&self.path, position)? {
                Some(entry) if ledger.contains(&entry.message.id) => {
                    fs::remove_file(entry::path(&self.path, position))?;
                }
                Some(entry) => return Ok(Head::Entry(entry)),
                None => self.set_aside(position, "damaged"),
            }
        }
        Ok(Head::Done)
    }

    pub(super) fn settle(&self, entry: &Entry) -> io::Result<()> {
        let mut held = self.held();
        // Locked until the file is gone: another process must not find it in a list and then not there.
        let (recorded, _locked) = match self.ledger() {
            Ok(mut ledger) => (ledger.record(&entry.message.id), Some(ledger)),
            Err(error) => (Err(error), None),
        };
        // Also after a failed record: to send an acknowledged event again and again would be worse.
        let removed = fs::remove_file(entry::path(&self.path, entry.position));
        if removed.is_err() {
            held.done.insert(entry.position);
        }
        recorded.and(removed)
    }

    pub(super) fn give_up(&self, entry: &Entry) {
        let mut held = self.held();
        held.done.insert(entry.position);
        let _locked = self.ledger();
        self.set_aside(entry.position, "refused");
    }

    /// Stops sending the lane, unless something waits.
    pub(super) fn release(&self) -> bool {
        let mut held = self.held();
        if held.owner.is_none() {
            return true;
        }
        // Under the ledger's lock nothing can come in between the look and the release.
        let Ok(_ledger) = self.ledger() else {
            held.owner = None;
            return true;
        };
        let positions = self.positions().unwrap_or_default();
        let waits = positions
            .iter()
            .any(|position| !held.done.contains(position));
        if !waits {
            held.owner = None;
        }
        !waits
    }

    /// Returns what waits, in order.
    pub(super) fn waiting(&self) -> Vec<Message> {
        let held = self.held();
        self.positions()
            .unwrap_or_default()
            .into_iter()
            .filter(|position| !held.done.contains(position))
            .filter_map(|position| entry::read(&self.path, position).ok().flatten())
            .map(|entry| entry.message)
            .collect()
    }

    /// Returns the last position at which something waits.
    pub(super) fn last_waiting(&self) -> Option<u64> {
        let held = self.held();
        let positions = self.positions().unwrap_or_default();
        positions
            .into_iter()
            .rfind(|position| !held.done.contains(position))
    }

    /// Whether anything may wait in the lane at `path`, half-written files included.
    pub(super) fn has_entries(path: &Path) -> bool {
        names(path).is_ok_and(|names| {
            names
                .iter()
                .any(|name| entry::position(name).is_some() || name.ends_with(PARTIAL))
        })
    }

    /// Removes a finished lane, unless a process uses it.
    pub(super) fn remove(path: &Path) {
        let lane = Self::new(path.to_owned());
        if !lane.own().unwrap_or(false) {
            return;
        }
        let Ok(_ledger) = lane.ledger() else { return };
        let Ok(names) = names(path) else { return };
        if names.iter().any(|name| entry::position(name).is_some()) {
            return;
        }
        for name in names.iter().filter(|name| *name != ledger::NAME) {
            tracing::warn!(
                "Removing `{}`, an event that could not be read or sent for 14 days",
                path.join(name).display()
            );
        }
        if let Err(error) = fs::remove_dir_all(path) {
            tracing::debug!("Could not remove `{}`: {error}", path.display());
        }
    }

    fn held(&self) -> std::sync::MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn own_held(&self, held: &mut Held) -> io::Result<bool> {
        if held.owner.is_some() {
            return Ok(true);
        }
        crate::private::directory(&self.path)?;
        let dir = File::open(&self.path)?;
        match dir.try_lock() {
            Ok(()) if ledger::same_file(&dir, &self.path) => {}
            Ok(()) | Err(TryLockError::WouldBlock) => return Ok(false),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        held.owner = Some(Owned(dir));
        self.set_partials_aside()?;
        Ok(true)
    }

    /// A half-written file belongs to a process that died before its event counted as announced.
    fn set_partials_aside(&self) -> io::Result<()> {
        let _ledger = self.ledger()?;
        for name in names(&self.path)? {
            if name.ends_with(PARTIAL) {
                self.rename_aside(&name, "damaged");
            }
        }
        Ok(())
    }

    fn set_aside(&self, position: u64, why: &str) {
        let path = entry::path(&self.path, position);
        if let Some(name) = path.file_name().and_then(|name| name.to_str()) {
            self.rename_aside(name, why);
        }
    }

    fn rename_aside(&self, name: &str, why: &str) {
        let from = self.path.join(name);
        let unique = uuid::Uuid::new_v4().simple();
        let to = self.path.join(format!("{name}.{unique}.{why}"));
        match fs::rename(&from, &to) {
            Ok(()) => tracing::warn!(
                "An event in the outbox is {why} and was moved aside to `{}`",
                to.display()
            ),
            Err(error) => tracing::warn!(
                "An event in the outbox is {why}, and `{}` could not be moved aside: {error}",
                from.display()
            ),
        }
    }

    fn ledger(&self) -> io::Result<Ledger> {
        Ledger::lock(&self.path, || crate::private::directory(&self.path))
    }

    /// Reads an event that its owner may be done with any moment; `None` when it is, or when it is damaged.
    fn peek(&self, position: u64) -> io::Result<Option<Entry>> {
        match entry::read(&self.path, position) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            read => read,
        }
    }

    /// Returns the positions that are taken, ascending.
    fn positions(&self) -> io::Result<Vec<u64>> {
        let mut positions: Vec<u64> = names(&self.path)?
            .iter()
            .filter_map(|name| entry::position(name))
            .collect();
        positions.sort_unstable();
        Ok(positions)
    }
}

/// Returns when a lane was last changed.
pub(super) fn last_change(lane: &Path) -> Option<SystemTime> {
    let ledger = fs::metadata(lane.join(ledger::NAME));
    ledger.or_else(|_| fs::metadata(lane)).ok()?.modified().ok()
}

fn names(dir: &Path) -> io::Result<Vec<String>> {
    match fs::read_dir(dir) {
        Ok(entries) => Ok(entries
            .filter_map(Result::ok)
            .filter_map(|entry| entry.file_name().into_string().ok())
            .collect()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A test may see this by chance only: between fork and exec of somebody else's program.
    #[test]
    fn a_lane_is_let_go_of_although_a_child_has_its_descriptor() {
        let dir = tempfile::tempdir().unwrap();
        let lane = Lane::new(dir.path().join("d"));
        assert!(lane.own().unwrap());
        let inherited = lane.held().owner.as_ref().unwrap().0.try_clone().unwrap();
        let next = Lane::new(dir.path().join("d"));
        assert!(!next.own().unwrap());
        drop(lane);
        assert!(next.own().unwrap());
        drop(inherited);
    }
}
