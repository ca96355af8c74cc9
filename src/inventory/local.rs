//! The inventory of those whose token may not use variables: a file beside the outbox, on this machine alone.
//!
//! It holds changes: entries, and names of jobs that were forgotten. Read by itself it is the inventory; read together
//! with the variables (the token may read but not write them, or was given the right later) it says what is not in them
//! yet. Recording into the variables brings it in, and removes it.
//!
//! `inventory/<hash>-<owner>.json`, mode 0600. The hash is over address, region, namespace and owner: indexes of another
//! cluster say nothing here. Written aside, synced and renamed, so it is whole or absent; a lock file beside it, which
//! stays, lets runs change it one after the other.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tokio::time::Instant;

use super::codec::{self, Unreadable};
use super::page::Items;
use super::recorder::{Wish, make};
use super::{Inventory, InventoryError, paths, tree};
use crate::clients::nomad::NomadClient;
use crate::ids::OwnerId;
use crate::private;

/// How long another run may hold the lock. It does so for one read and one write.
const PATIENCE: Duration = Duration::from_secs(10);

/// Between two looks at a lock that somebody else holds.
const PACE: Duration = Duration::from_millis(20);

/// The only version of the format. Entries have a version of their own.
const VERSION: u32 = 1;

/// Which file it is.
#[derive(Debug, Clone)]
pub(super) struct Local {
    path: PathBuf,
    owner: OwnerId,
    cluster: String,
}

/// What the file says.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Document {
    version: u32,
    owner: String,
    /// For people: which cluster it is about.
    cluster: String,
    /// Entries by name of the job.
    #[serde(default)]
    jobs: Items,
    /// Jobs that were forgotten, and when, in seconds since 1970.
    #[serde(default)]
    removed: BTreeMap<String, i64>,
}

impl Local {
    /// The file for an owner on a cluster. Nothing is touched.
    pub(super) fn new(nomad: &NomadClient, owner: &OwnerId, state_dir: &Path) -> Self {
        let (address, namespace) = (nomad.address().to_string(), nomad.namespace());
        let region = nomad.region().unwrap_or_default();
        let named = format!("{address}\0{region}\0{namespace}\0{owner}");
        let hash = paths::hex(&Sha256::digest(named)[..8]);
        let file = format!("{hash}-{}.json", paths::segment(owner));
        Self {
            path: state_dir.join("inventory").join(file),
            owner: owner.clone(),
            cluster: format!("{address} {region} {namespace}"),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// What the file says; nothing when there is none.
    pub(super) async fn read(&self) -> Result<Option<Document>, InventoryError> {
        let local = self.clone();
        blocking(move || local.read_now()).await
    }

    /// Makes changes, one run after the other.
    pub(super) async fn update(
        &self,
        change: impl FnOnce(&mut Document) -> Result<(), Unreadable> + Send + 'static,
    ) -> Result<(), InventoryError> {
        let lock = self.lock().await?;
        let local = self.clone();
        blocking(move || {
            let mut document = local.read_now()?.unwrap_or_else(|| local.empty());
            change(&mut document).map_err(|why| local.refused("an entry", why))?;
            local.write_now(&document)?;
            drop(lock);
            Ok(())
        })
        .await
    }

    fn empty(&self) -> Document {
        Document {
            version: VERSION,
            owner: self.owner.to_string(),
            cluster: self.cluster.clone(),
            ..Document::default()
        }
    }

    async fn lock(&self) -> Result<File, InventoryError> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let local = self.clone();
            if let Some(lock) = blocking(move || local.try_lock()).await? {
                return Ok(lock);
            }
            if Instant::now() >= deadline {
                return Err(InventoryError::Busy {
                    path: self.path.with_extension("lock"),
                });
            }
            tokio::time::sleep(PACE).await;
        }
    }

    fn try_lock(&self) -> Result<Option<File>, InventoryError> {
        let path = self.path.with_extension("lock");
        let failed = |doing, source| InventoryError::File {
            path: path.clone(),
            doing,
            source,
        };
        let directory = self.path.parent().expect("the path has a directory");
        private::create(directory).map_err(|error| failed("make a directory for", error))?;
        let file = private(&path).map_err(|error| failed("lock", error))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(file)),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(failed("lock", error)),
        }
    }

    fn read_now(&self) -> Result<Option<Document>, InventoryError> {
        let bytes = match fs::read(&self.path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(self.failed("read", error)),
        };
        // The version decides before anything else is looked at.
        #[derive(Deserialize)]
        struct Head {
            version: u32,
        }
        let damaged = |_| self.refused("its text", Unreadable::Damaged("it is not what cs writes"));
        let head: Head = serde_json::from_slice(&bytes).map_err(damaged)?;
        if head.version > VERSION {
            return Err(self.refused("its text", Unreadable::Newer));
        }
        let document: Document = serde_json::from_slice(&bytes).map_err(damaged)?;
        if document.owner != self.owner.as_str() {
            let what = Unreadable::Damaged("it names another owner");
            return Err(self.refused("its text", what));
        }
        Ok(Some(document))
    }

    /// Writes the file, or removes it when it would say nothing.
    fn write_now(&self, document: &Document) -> Result<(), InventoryError> {
        let failed = |error| self.failed("write", error);
        if document.is_empty() {
            return match fs::remove_file(&self.path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed(error)),
                _ => Ok(()),
            };
        }
        let text = serde_json::to_vec_pretty(document).expect("texts and numbers are JSON");
        let partial = self.path.with_extension("partial");
        let write = || {
            let mut file = private(&partial)?;
            file.set_len(0)?;
            file.write_all(&text)?;
            file.sync_all()?;
            fs::rename(&partial, &self.path)?;
            File::open(self.path.parent().expect("the path has a directory"))?.sync_all()
        };
        write().map_err(failed)
    }

    /// The entries of a document as an inventory.
    pub(super) fn inventory(&self, document: &Document) -> Result<Inventory, InventoryError> {
        let mut inventory = Inventory::default();
        for (name, text) in &document.jobs {
            let item = format!("item `{name}`");
            let key = tree::job_key(name).ok_or_else(|| {
                self.refused(&item, Unreadable::Damaged("it is named like no job"))
            })?;
            let entry = codec::decode(text).map_err(|why| self.refused(&item, why))?;
            inventory.entries.insert(key, entry);
        }
        Ok(inventory)
    }

    fn refused(&self, item: &str, why: Unreadable) -> InventoryError {
        tree::refused(format!("file {}", self.path.display()), item, why)
    }

    fn failed(&self, doing: &'static str, source: io::Error) -> InventoryError {
        InventoryError::File {
            path: self.path.clone(),
            doing,
            source,
        }
    }
}

impl Document {
    fn is_empty(&self) -> bool {
        self.jobs.is_empty() && self.removed.is_empty()
    }

    /// Makes a change. What is removed is remembered, with the time, for variables that may still name it.
    pub(super) fn make(
        &mut self,
        name: &str,
        wish: &Wish,
        now: Timestamp,
    ) -> Result<(), Unreadable> {
        make(&mut self.jobs, name, wish)?;
        if self.jobs.contains_key(name) {
            self.removed.remove(name);
        } else {
            self.removed.insert(name.to_owned(), now.as_second());
        }
        Ok(())
    }

    /// Takes out what is said in the variables by now. What another run has changed meanwhile stays.
    pub(super) fn forget(&mut self, recorded: &Self) {
        self.jobs
            .retain(|name, text| recorded.jobs.get(name) != Some(text));
        self.removed
            .retain(|name, time| recorded.removed.get(name) != Some(time));
    }

    /// What has to be changed in the variables so that they say the same. Entries that cannot be read were refused when
    /// the file was read as an inventory.
    pub(super) fn wishes(&self) -> BTreeMap<String, Wish> {
        let entry = |(name, text): (&String, &String)| {
            let entry = codec::decode(text).ok()?;
            Some((name.clone(), Wish::Recover(entry)))
        };
        let removal = |(name, time): (&String, &i64)| {
            let time = Timestamp::from_second(*time).ok()?;
            Some((name.clone(), Wish::Forget(time)))
        };
        let entries = self.jobs.iter().filter_map(entry);
        entries
            .chain(self.removed.iter().filter_map(removal))
            .collect()
    }
}

/// Opens a file that only its owner may read, creating it if it is missing.
fn private(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, InventoryError> + Send + 'static,
) -> Result<T, InventoryError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(panic) => std::panic::resume_unwind(panic.into_panic()),
    }
}
