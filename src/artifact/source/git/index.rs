//! Git's index, so that `git status` knows the files. Source: git, `gitformat-index`, version 2.

use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};

use git2::Oid;

use super::fault::Fault;
use super::pack::Summed;
use super::tree::Mode;

/// Length of an entry in front of its path.
const FIXED: usize = 62;

/// An index that is being written, entry by entry, in the order of the tree.
pub(super) struct IndexWriter {
    file: Summed<BufWriter<File>>,
    path: PathBuf,
}

impl IndexWriter {
    pub(super) fn new(path: &Path, entries: u64) -> Result<Self, Fault> {
        let too_many = |_| Fault::Corrupt("a tree has too many entries");
        let entries = u32::try_from(entries).map_err(too_many)?;
        let file = File::create_new(path).map_err(Fault::disk(path))?;
        let mut file = Summed::new(BufWriter::new(file));
        file.write_all(b"DIRC\0\0\0\x02")
            .and_then(|()| file.write_all(&entries.to_be_bytes()))
            .map_err(Fault::disk(path))?;
        Ok(Self {
            file,
            path: path.to_owned(),
        })
    }

    pub(super) fn add(&mut self, path: &[u8], mode: Mode, id: Oid) -> Result<(), Fault> {
        self.write(path, mode, id).map_err(Fault::disk(&self.path))
    }

    /// Times, device and size stay zero: Git then compares the content once, and the repository may be copied to another
    /// place, where they would be wrong.
    fn write(&mut self, path: &[u8], mode: Mode, id: Oid) -> io::Result<()> {
        let mut fixed = [0; FIXED];
        fixed[24..28].copy_from_slice(&mode.bits().to_be_bytes());
        fixed[40..60].copy_from_slice(id.as_bytes());
        let length = u16::try_from(path.len()).unwrap_or(u16::MAX).min(0xfff);
        fixed[60..62].copy_from_slice(&length.to_be_bytes());
        self.file.write_all(&fixed)?;
        self.file.write_all(path)?;
        // At least one zero, up to a multiple of eight.
        let padding = 8 - (FIXED + path.len()) % 8;
        self.file.write_all(&[0; 8][..padding])
    }

    pub(super) fn finish(self) -> Result<(), Fault> {
        self.file.finish().map_err(Fault::disk(&self.path))
    }
}
