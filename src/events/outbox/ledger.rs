//! The ids of a lane that were acknowledged, and the lock that guards the lane.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Name of the ledger within its lane.
pub(super) const NAME: &str = "sent";

/// Most ids kept in one ledger; the newest stay.
///
/// A deployment has about five. Only the lane of a service that is destroyed and created again and again grows.
const MAX_IDS: usize = 1000;

/// Locks are taken on files that another process may replace or remove at that moment. Each time that happens the
/// attempt is repeated; so often in a row it means that something else is wrong.
const MAX_RACES: usize = 100;

/// The ledger, locked against other processes until it is dropped.
#[derive(Debug)]
pub(super) struct Ledger {
    path: PathBuf,
    file: File,
    ids: Vec<String>,
    /// The last line has no end: a process died while it wrote.
    torn: bool,
}

impl Ledger {
    /// Opens and locks the ledger of a lane, creating it (and, with `prepare`, its directory) if it is missing.
    pub(super) fn lock(lane: &Path, prepare: impl Fn() -> io::Result<()>) -> io::Result<Self> {
        let path = lane.join(NAME);
        for _ in 0..MAX_RACES {
            prepare()?;
            let opened = OpenOptions::new()
                .read(true)
                .append(true)
                .create(true)
                .mode(0o600)
                .open(&path);
            let file = match opened {
                Ok(file) => file,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            file.lock()?;
            if same_file(&file, &path) {
                return Self::read(path, file);
            }
        }
        Err(io::Error::other(
            "the ledger is replaced again and again by other processes",
        ))
    }

    fn read(path: PathBuf, mut file: File) -> io::Result<Self> {
        let mut bytes = Vec::new();
        file.seek(SeekFrom::Start(0))?;
        file.read_to_end(&mut bytes)?;
        let text = String::from_utf8_lossy(&bytes);
        let torn = !text.is_empty() && !text.ends_with('\n');
        let ids = text
            .split_inclusive('\n')
            .filter_map(|line| line.strip_suffix('\n'))
            .filter(|line| !line.is_empty())
            .map(str::to_owned)
            .collect();
        Ok(Self {
            path,
            file,
            ids,
            torn,
        })
    }

    /// Whether an id was acknowledged.
    pub(super) fn contains(&self, id: &str) -> bool {
        self.ids.iter().any(|sent| sent == id)
    }

    /// How many ids are recorded.
    pub(super) fn len(&self) -> u64 {
        self.ids.len() as u64
    }

    /// Records an id durably.
    pub(super) fn record(&mut self, id: &str) -> io::Result<()> {
        if self.contains(id) {
            return Ok(());
        }
        let start = if self.torn { "\n" } else { "" };
        self.file.write_all(format!("{start}{id}\n").as_bytes())?;
        self.file.sync_data()?;
        self.torn = false;
        self.ids.push(id.to_owned());
        if self.ids.len() > MAX_IDS {
            self.compact()?;
        }
        Ok(())
    }

    /// Rewrites the ledger without its oldest half. Who waits for the lock finds a new file and opens that one.
    fn compact(&mut self) -> io::Result<()> {
        let kept = &self.ids[self.ids.len() - MAX_IDS / 2..];
        let partial = self.path.with_extension(&super::entry::PARTIAL[1..]);
        let mut file = super::entry::create_private(&partial)?;
        for id in kept {
            writeln!(file, "{id}")?;
        }
        file.sync_all()?;
        fs::rename(partial, &self.path)
    }
}

/// Whether an open file is still the one at `path`.
pub(super) fn same_file(file: &File, path: &Path) -> bool {
    match (file.metadata(), fs::metadata(path)) {
        (Ok(open), Ok(named)) => open.ino() == named.ino() && open.dev() == named.dev(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ledger(dir: &Path) -> Ledger {
        Ledger::lock(dir, || Ok(())).unwrap()
    }

    #[test]
    fn an_id_is_known_after_it_was_recorded_and_a_torn_line_is_not_an_id() {
        let dir = tempfile::tempdir().unwrap();
        ledger(dir.path()).record("one").unwrap();
        fs::write(dir.path().join(NAME), "one\ntw").unwrap();
        let mut torn = ledger(dir.path());
        assert!(torn.contains("one") && !torn.contains("tw") && !torn.contains("two"));
        torn.record("three").unwrap();
        drop(torn);
        let healed = ledger(dir.path());
        assert!(healed.contains("one") && healed.contains("three"));
    }

    #[test]
    fn a_ledger_is_bounded_and_keeps_its_newest_ids() {
        let dir = tempfile::tempdir().unwrap();
        let old: String = (0..MAX_IDS).map(|n| format!("id-{n}\n")).collect();
        fs::write(dir.path().join(NAME), old).unwrap();
        ledger(dir.path()).record("newest").unwrap();
        let kept = ledger(dir.path());
        assert_eq!(kept.ids.len(), MAX_IDS / 2);
        assert!(kept.contains("newest") && !kept.contains("id-0"));
    }
}
