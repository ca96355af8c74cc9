//! Where objects go that are too large for the memory, and how objects are hashed.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use git2::Oid;
use tokio_util::sync::CancellationToken;

use super::super::fault::{Fault, go_on};
use super::objects::Content;
use super::{IN_MEMORY, Kind};

/// A directory of large objects, each a file. It goes when the repository is checked out.
pub(in super::super) struct Spool {
    directory: PathBuf,
    /// Where each one is: here, or in the work tree once it was checked out.
    files: HashMap<u32, PathBuf>,
    halt: CancellationToken,
}

impl Spool {
    /// Makes the directory.
    pub(in super::super) fn new(
        directory: PathBuf,
        halt: CancellationToken,
    ) -> Result<Self, Fault> {
        std::fs::create_dir(&directory).map_err(Fault::disk(&directory))?;
        Ok(Self {
            directory,
            files: HashMap::new(),
            halt,
        })
    }

    /// Begins to write an object down.
    pub(super) fn draft(&self, object: u32, size: u64) -> Result<Draft, Fault> {
        match usize::try_from(size) {
            Ok(small) if size <= IN_MEMORY => Ok(Draft::Memory(Vec::with_capacity(small))),
            _ => {
                let path = self.directory.join(object.to_string());
                let file = File::create_new(&path).map_err(Fault::disk(&path))?;
                Ok(Draft::File(file, path, self.halt.clone()))
            }
        }
    }

    /// Ends that.
    pub(super) fn finish(&mut self, object: u32, draft: Draft) -> Content {
        match draft {
            Draft::Memory(bytes) => Content::Memory(Rc::new(bytes)),
            Draft::File(_, path, _) => {
                self.files.insert(object, path.clone());
                Content::File(path)
            }
        }
    }

    pub(super) fn get(&self, object: u32) -> Option<&PathBuf> {
        self.files.get(&object)
    }

    /// Takes note that an object's file has a new place, with the same content.
    pub(super) fn moved(&mut self, object: u32, to: PathBuf) {
        self.files.insert(object, to);
    }

    pub(super) fn owns(&self, path: &Path) -> bool {
        path.parent() == Some(&self.directory)
    }

    /// Removes what is left.
    pub(super) fn remove(self) -> Result<(), Fault> {
        std::fs::remove_dir_all(&self.directory).map_err(Fault::disk(&self.directory))
    }
}

/// An object that is being written down.
pub(super) enum Draft {
    Memory(Vec<u8>),
    File(File, PathBuf, CancellationToken),
}

impl Draft {
    pub(super) fn write(&mut self, piece: &[u8]) -> Result<(), Fault> {
        match self {
            Self::Memory(bytes) => {
                bytes.extend_from_slice(piece);
                Ok(())
            }
            Self::File(file, path, halt) => {
                go_on(halt)?;
                file.write_all(piece).map_err(Fault::disk(path))
            }
        }
    }
}

/// The id of an object.
pub(super) fn hash(content: &Content, kind: Kind, halt: &CancellationToken) -> Result<Oid, Fault> {
    match content {
        Content::Memory(bytes) => Oid::hash_object(kind.object_type(), bytes).map_err(|_| FORGED),
        Content::File(path) => hash_file(path, kind, halt),
    }
}

/// Hashing what is in memory fails for one reason alone.
const FORGED: Fault = Fault::Corrupt("an object is made to collide with another one");

/// How often hashing of a large file looks whether it is still wanted.
const LOOK: Duration = Duration::from_millis(50);

/// Hashes a file. libgit2 cannot be told to stop in the middle, and takes some seconds for a gigabyte: so it works on a
/// thread of its own, and when nobody wants the result any more, the file is cut off under it.
fn hash_file(path: &Path, kind: Kind, halt: &CancellationToken) -> Result<Oid, Fault> {
    let file = File::options()
        .write(true)
        .open(path)
        .map_err(Fault::disk(path))?;
    let hashed = std::thread::scope(|scope| {
        let (done, result) = channel();
        scope.spawn(move || done.send(Oid::hash_file(kind.object_type(), path)));
        loop {
            match result.recv_timeout(LOOK) {
                Ok(hashed) => return Ok(hashed),
                Err(RecvTimeoutError::Timeout) if halt.is_cancelled() => {
                    file.set_len(0).map_err(Fault::disk(path))?;
                    return Err(Fault::Stopped);
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    unreachable!("the thread sends before it ends")
                }
            }
        }
    })?;
    hashed.map_err(|error| match error.class() {
        git2::ErrorClass::Os => Fault::disk(path)(io::Error::other(error.to_string())),
        _ => FORGED,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn large_object(halt: &CancellationToken) -> (tempfile::TempDir, Spool, Content, Vec<u8>) {
        let home = tempfile::tempdir().unwrap();
        let mut spool = Spool::new(home.path().join("spool"), halt.clone()).unwrap();
        let bytes = vec![b'x'; usize::try_from(IN_MEMORY).unwrap() + 1];
        let mut draft = spool.draft(3, bytes.len() as u64).unwrap();
        draft.write(&bytes).unwrap();
        let content = spool.finish(3, draft);
        (home, spool, content, bytes)
    }

    #[test]
    fn a_large_object_lies_in_a_file_and_has_the_same_id() {
        let halt = CancellationToken::new();
        let (_home, spool, content, bytes) = large_object(&halt);
        assert!(matches!(&content, Content::File(path) if spool.owns(path)));
        let in_memory = Content::Memory(Rc::new(bytes));
        assert_eq!(
            hash(&content, Kind::Blob, &halt).unwrap(),
            hash(&in_memory, Kind::Blob, &halt).unwrap()
        );
    }

    #[test]
    fn nothing_is_written_once_nobody_wants_it() {
        let halt = CancellationToken::new();
        let (_home, spool, _, bytes) = large_object(&halt);
        let mut draft = spool.draft(4, bytes.len() as u64).unwrap();
        halt.cancel();
        assert!(matches!(draft.write(&bytes), Err(Fault::Stopped)));
    }

    #[test]
    fn hashing_of_a_huge_file_stops_when_nobody_wants_it() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("huge");
        // A hole: takes no room, and half a minute to hash.
        File::create_new(&path).unwrap().set_len(8 << 30).unwrap();
        let halt = CancellationToken::new();
        std::thread::scope(|scope| {
            let hashing = scope.spawn(|| hash_file(&path, Kind::Blob, &halt));
            let begun = std::time::Instant::now();
            halt.cancel();
            assert!(matches!(hashing.join().unwrap(), Err(Fault::Stopped)));
            assert!(begun.elapsed() < Duration::from_secs(5));
        });
    }
}
