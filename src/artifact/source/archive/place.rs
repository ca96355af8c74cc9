//! Entries of an archive on the disk.
//!
//! While files are written there is no symbolic link below the top: links are kept aside and made last. So no path leads
//! anywhere else, whatever the order of entries. What comes later takes the place of what came before, as with `tar`,
//! except that a directory with content is never thrown away for something else.

use std::ffi::OsStr;
use std::fs::{DirBuilder, File, FileTimes, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Read, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;
use std::time::SystemTime;

use super::error::ArchiveError;
use super::gauge::Gauge;
use super::links::Links;
use super::name::Name;
use crate::artifact::source::SourceTree;
use crate::artifact::source::text::shown;

/// Bytes that are copied at once.
const BUFFER: usize = 64 << 10;

/// Permissions, without setuid, setgid and sticky: nothing in a source runs as somebody else.
const PERMISSIONS: u32 = 0o777;

/// Of a directory that an archive implies without listing it.
const IMPLIED: u32 = 0o755;

/// What is told about a regular file besides its content.
#[derive(Debug)]
pub(super) struct Facts {
    pub(super) mode: u32,
    pub(super) modified: Option<SystemTime>,
    /// Bytes.
    pub(super) size: u64,
}

/// Puts entries below a directory that nobody else writes to.
pub(super) struct Place<'a> {
    root: &'a Path,
    gauge: &'a Gauge,
    links: Links,
    files: u64,
    buffer: Vec<u8>,
}

impl<'a> Place<'a> {
    /// Takes a directory, which is made unless it is there and empty.
    pub(super) fn new(root: &'a Path, gauge: &'a Gauge) -> Result<Self, ArchiveError> {
        let place = Self {
            root,
            gauge,
            links: Links::default(),
            files: 0,
            buffer: vec![0; BUFFER],
        };
        match std::fs::create_dir(root) {
            Ok(()) => Ok(place),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                let mut entries = std::fs::read_dir(root).map_err(|e| place.io("read", root, e))?;
                match entries.next() {
                    None => Ok(place),
                    // A link that stands there could be written through.
                    Some(_) => {
                        Err(place.io("unpack into", root, ErrorKind::DirectoryNotEmpty.into()))
                    }
                }
            }
            Err(error) => Err(place.io("make directory", root, error)),
        }
    }

    /// Regular files so far, hard links included.
    pub(super) fn files(&self) -> u64 {
        self.files
    }

    /// Makes a directory, or gives one that is there its permissions. The owner keeps all of them, so that the directory
    /// can be filled and removed. Its time is not kept: what is put into it later would change it again.
    pub(super) fn directory(&mut self, name: &Name, mode: u32) -> Result<(), ArchiveError> {
        if name.is_top() {
            return Ok(());
        }
        self.links.admit(name)?;
        self.links.remove(name);
        let path = name.below(self.root);
        self.persist(name, &path, "make directory", |path| {
            match make_directory(path) {
                Err(error) if error.kind() == ErrorKind::AlreadyExists && is_directory(path)? => {
                    Ok(())
                }
                result => result,
            }
        })?;
        let mode = mode & PERMISSIONS | 0o700;
        std::fs::set_permissions(&path, Permissions::from_mode(mode))
            .map_err(|e| self.io("set the permissions of", &path, e))
    }

    /// Writes a regular file. Its owner may always read it, because it is to be built.
    pub(super) fn file(
        &mut self,
        name: &Name,
        facts: &Facts,
        content: &mut impl Read,
    ) -> Result<(), ArchiveError> {
        self.admit(name)?;
        let path = name.below(self.root);
        let mut file = self.persist(name, &path, "make file", |path| {
            let mut options = OpenOptions::new();
            options.write(true).create_new(true).mode(0o600).open(path)
        })?;
        let size = self.copy(content, &mut file, &path)?;
        if size != facts.size {
            return Err(ArchiveError::Truncated { what: "tar data" });
        }
        let mode = facts.mode & PERMISSIONS | 0o400;
        file.set_permissions(Permissions::from_mode(mode))
            .map_err(|e| self.io("set the permissions of", &path, e))?;
        if let Some(modified) = facts.modified {
            // A time that the file system cannot hold is not worth a failure.
            let _ = file.set_times(FileTimes::new().set_modified(modified));
        }
        self.files += 1;
        Ok(())
    }

    /// Keeps a symbolic link for [`Place::finish`].
    pub(super) fn link(&mut self, name: &Name, target: &[u8]) -> Result<(), ArchiveError> {
        self.admit(name)?;
        let path = name.below(self.root);
        self.remove(name, &path)?;
        self.make_parents(name)?;
        self.links.insert(name, target)
    }

    /// Makes a hard link to a file that came before. One to a symbolic link becomes a second link with the same target,
    /// which is the same thing.
    pub(super) fn hard_link(&mut self, name: &Name, target: &[u8]) -> Result<(), ArchiveError> {
        let refuse = |why| ArchiveError::HardLink {
            name: name.shown(),
            target: shown(target),
            why,
        };
        let source = Name::parse(target).map_err(refuse)?;
        if let Some(target) = self.links.target(&source) {
            let target = target.to_owned();
            return if source == *name {
                Ok(())
            } else {
                self.link(name, &target)
            };
        }
        let from = source.below(self.root);
        let is_file = std::fs::symlink_metadata(&from).is_ok_and(|metadata| metadata.is_file());
        if !is_file {
            return Err(refuse("is no file that comes before it in the archive"));
        }
        // `tar -c a a` writes the second one as a link to the first.
        if source == *name {
            return Ok(());
        }
        self.admit(name)?;
        let path = name.below(self.root);
        self.persist(name, &path, "make hard link", |path| {
            std::fs::hard_link(&from, path)
        })?;
        self.files += 1;
        Ok(())
    }

    /// Makes the symbolic links and refuses those that lead out.
    pub(super) fn finish(self) -> Result<(), ArchiveError> {
        let name = |name| Path::new(OsStr::from_bytes(name));
        for (link, target) in self.links.iter() {
            self.gauge.go_on()?;
            let path = self.root.join(name(link));
            std::os::unix::fs::symlink(OsStr::from_bytes(target), &path)
                .map_err(|e| self.io("make symbolic link", &path, e))?;
        }
        let tree = SourceTree::new(self.root.to_owned());
        for (link, _) in self.links.iter() {
            self.gauge.go_on()?;
            tree.check_link(name(link))?;
        }
        Ok(())
    }

    /// Admits something that is no directory, in the place of a link of the same name.
    fn admit(&mut self, name: &Name) -> Result<(), ArchiveError> {
        if name.is_top() {
            return Err(ArchiveError::Conflict {
                name: ".".to_owned(),
            });
        }
        self.links.admit(name)?;
        if self.links.any_below(name) {
            return Err(ArchiveError::Conflict { name: name.shown() });
        }
        self.links.remove(name);
        Ok(())
    }

    /// Makes something; when its place is taken, or its directory missing, after seeing to that.
    fn persist<T>(
        &mut self,
        name: &Name,
        path: &Path,
        what: &'static str,
        make: impl Fn(&Path) -> io::Result<T>,
    ) -> Result<T, ArchiveError> {
        match make(path) {
            Ok(made) => return Ok(made),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => self.remove(name, path)?,
            Err(error) if is_missing(&error) => self.make_parents(name)?,
            Err(error) => return Err(self.io(what, path, error)),
        }
        make(path).map_err(|e| self.io(what, path, e))
    }

    /// Removes what is no directory with content.
    fn remove(&self, name: &Name, path: &Path) -> Result<(), ArchiveError> {
        let removed = match std::fs::symlink_metadata(path) {
            Ok(metadata) if metadata.is_dir() => std::fs::remove_dir(path),
            Ok(_) => std::fs::remove_file(path),
            Err(error) if is_missing(&error) => Ok(()),
            Err(error) => Err(error),
        };
        removed.map_err(|error| match error.kind() {
            ErrorKind::DirectoryNotEmpty => ArchiveError::Conflict { name: name.shown() },
            _ => self.io("replace", path, error),
        })
    }

    /// Makes the directories that a name stands in, as far as they are missing.
    fn make_parents(&self, name: &Name) -> Result<(), ArchiveError> {
        for parent in name.parents() {
            let path = self.root.join(OsStr::from_bytes(parent));
            match make_directory(&path) {
                Ok(()) => {
                    self.gauge.entry()?;
                    std::fs::set_permissions(&path, Permissions::from_mode(IMPLIED))
                        .map_err(|e| self.io("set the permissions of", &path, e))?;
                }
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                    if !is_directory(&path).map_err(|e| self.io("look at", &path, e))? {
                        return Err(ArchiveError::Conflict {
                            name: shown(parent),
                        });
                    }
                }
                Err(error) => return Err(self.io("make directory", &path, error)),
            }
        }
        Ok(())
    }

    /// Counts before it writes: the bound holds whatever the headers say.
    fn copy(
        &mut self,
        from: &mut impl Read,
        to: &mut File,
        path: &Path,
    ) -> Result<u64, ArchiveError> {
        let mut size = 0;
        loop {
            self.gauge.go_on()?;
            let amount = match from.read(&mut self.buffer) {
                Ok(0) => return Ok(size),
                Ok(amount) => amount,
                Err(error) => return Err(self.gauge.reason(error)),
            };
            self.gauge.write(amount)?;
            to.write_all(&self.buffer[..amount])
                .map_err(|e| self.io("write", path, e))?;
            size += amount as u64;
        }
    }

    pub(super) fn io(&self, what: &'static str, path: &Path, source: io::Error) -> ArchiveError {
        match source.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => ArchiveError::DiskFull {
                directory: shown(self.root.as_os_str().as_bytes()),
                source,
            },
            _ => ArchiveError::Io {
                what,
                path: shown(path.as_os_str().as_bytes()),
                source,
            },
        }
    }
}

fn make_directory(path: &Path) -> io::Result<()> {
    DirBuilder::new().mode(0o700).create(path)
}

fn is_directory(path: &Path) -> io::Result<bool> {
    std::fs::symlink_metadata(path).map(|metadata| metadata.is_dir())
}

/// Whether nothing stands there; perhaps a file stands where a directory is needed.
fn is_missing(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}
