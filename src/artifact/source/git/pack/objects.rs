//! The second reading of a pack: any object, whenever it is needed, a little at a time.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use flate2::bufread::ZlibDecoder;
use git2::Oid;
use tokio_util::sync::CancellationToken;

use super::super::fault::{Fault, go_on};
use super::super::progress::Progress;
use super::delta;
use super::spool::{Spool, hash};
use super::{Entry, NONE, PIECE};

/// Bytes of objects that are kept because others are differences to them.
const CACHED: usize = 12 << 20;

/// An object.
#[derive(Debug, Clone)]
pub(in super::super) enum Content {
    Memory(Rc<Vec<u8>>),
    File(PathBuf),
}

impl Content {
    /// Reads it from a place on.
    pub(in super::super) fn reader(&self, from: u64) -> Result<Box<dyn BufRead>, Fault> {
        match self {
            Self::Memory(bytes) => {
                let mut cursor = Cursor::new(Shared(Rc::clone(bytes)));
                cursor.set_position(from);
                Ok(Box::new(cursor))
            }
            Self::File(path) => {
                let mut file = File::open(path).map_err(Fault::disk(path))?;
                io::Seek::seek(&mut file, io::SeekFrom::Start(from)).map_err(Fault::disk(path))?;
                Ok(Box::new(BufReader::with_capacity(PIECE, file)))
            }
        }
    }
}

struct Shared(Rc<Vec<u8>>);

impl AsRef<[u8]> for Shared {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// What a difference copies from.
pub(super) enum Base<'a> {
    Memory(&'a [u8]),
    File {
        file: File,
        path: &'a Path,
        size: u64,
    },
}

impl<'a> Base<'a> {
    fn open(content: &'a Content, size: u64) -> Result<Self, Fault> {
        Ok(match content {
            Content::Memory(bytes) => Self::Memory(bytes),
            Content::File(path) => Self::File {
                file: File::open(path).map_err(Fault::disk(path))?,
                path,
                size,
            },
        })
    }

    pub(super) fn len(&self) -> u64 {
        match self {
            Self::Memory(bytes) => bytes.len() as u64,
            Self::File { size, .. } => *size,
        }
    }

    /// Hands a part on, piece by piece. The part lies inside.
    pub(super) fn pieces(
        &self,
        offset: u64,
        count: u64,
        mut write: impl FnMut(&[u8]) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        match self {
            Self::Memory(bytes) => {
                let inside = "the caller has checked it";
                let from = usize::try_from(offset).expect(inside);
                let to = from + usize::try_from(count).expect(inside);
                write(&bytes[from..to])
            }
            Self::File { file, path, .. } => {
                let mut buffer = [0; 8192];
                let (mut at, end) = (offset, offset + count);
                while at < end {
                    let length = (end - at).min(buffer.len() as u64);
                    let piece = &mut buffer[..usize::try_from(length).expect("a short buffer")];
                    file.read_exact_at(piece, at).map_err(Fault::disk(path))?;
                    write(piece)?;
                    at += length;
                }
                Ok(())
            }
        }
    }
}

/// All objects of a pack.
pub(in super::super) struct Objects {
    pub(super) entries: Vec<Entry>,
    /// Places of the entries in the order of their ids; empty until all are known.
    pub(super) by_id: Vec<u32>,
    pub(super) file: Arc<File>,
    pub(super) path: PathBuf,
    /// Where the entries end.
    pub(super) end: u64,
    pub(super) checksum: [u8; 20],
    pub(super) progress: Arc<Progress>,
    pub(super) halt: CancellationToken,
    pub(super) spool: Spool,
    pub(super) cache: Cache,
}

impl Objects {
    /// The place of an object.
    pub(in super::super) fn find(&self, id: Oid) -> Option<u32> {
        self.by_id
            .binary_search_by_key(&id, |place| self.entry(*place).id)
            .ok()
            .map(|found| self.by_id[found])
    }

    /// Of every object, in ascending order.
    pub(in super::super) fn ids(&self) -> Vec<Oid> {
        let ids = self.by_id.iter().map(|place| self.entry(*place).id);
        ids.collect()
    }

    /// An entry by its place.
    pub(in super::super) fn entry(&self, place: u32) -> &Entry {
        &self.entries[place as usize]
    }

    /// The pack's checksum in hexadecimal, by which it is called.
    pub(in super::super) fn name(&self) -> String {
        self.checksum
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }

    pub(in super::super) fn progress(&self) -> &Progress {
        &self.progress
    }

    pub(in super::super) fn halt(&self) -> &CancellationToken {
        &self.halt
    }

    /// The object at a place. The bases of all differences on the way must be known.
    pub(in super::super) fn content(&mut self, place: u32) -> Result<Content, Fault> {
        go_on(&self.halt)?;
        let mut deltas = Vec::new();
        let mut at = place;
        let mut content = loop {
            if let Some(known) = self.known(at) {
                break known;
            }
            match self.entry(at).base {
                NONE => break self.whole(at)?,
                base => {
                    deltas.push(at);
                    at = base;
                }
            }
        };
        while let Some(delta) = deltas.pop() {
            content = self.applied(delta, &content)?;
        }
        Ok(content)
    }

    /// The id of a difference's object, once its base is known.
    pub(super) fn work_out(&mut self, place: u32) -> Result<Oid, Fault> {
        let base = self.entry(place).base;
        let kind = self.entry(base).kind;
        let base = self.content(base)?;
        let content = self.applied(place, &base)?;
        hash(&content, kind, &self.halt)
    }

    /// Puts a large object's file to where it is wanted, instead of copying it. `false` when it was put somewhere before.
    pub(in super::super) fn give_away(
        &mut self,
        place: u32,
        file: &Path,
        to: &Path,
    ) -> Result<bool, Fault> {
        if !self.spool.owns(file) {
            return Ok(false);
        }
        std::fs::rename(file, to).map_err(Fault::disk(to))?;
        self.spool.moved(place, to.to_owned());
        Ok(true)
    }

    /// Removes what is not part of the repository.
    pub(in super::super) fn close(self) -> Result<(), Fault> {
        self.spool.remove()
    }

    fn known(&mut self, place: u32) -> Option<Content> {
        if let Some(file) = self.spool.get(place) {
            return Some(Content::File(file.clone()));
        }
        self.cache.get(place).map(Content::Memory)
    }

    fn whole(&mut self, place: u32) -> Result<Content, Fault> {
        // Large objects are files since they were hashed.
        let size = usize::try_from(self.entry(place).size).expect("it fits into memory");
        let mut bytes = Vec::with_capacity(size);
        self.compressed(place)
            .read_to_end(&mut bytes)
            .map_err(Fault::disk(&self.path))?;
        let bytes = Rc::new(bytes);
        self.keep(place, &bytes);
        Ok(Content::Memory(bytes))
    }

    fn applied(&mut self, place: u32, base: &Content) -> Result<Content, Fault> {
        let size = self.entry(place).size;
        let base_size = self.entry(self.entry(place).base).size;
        let mut delta = BufReader::new(self.compressed(place));
        let mut draft = self.spool.draft(place, size)?;
        let base = Base::open(base, base_size)?;
        delta::apply(&base, &mut delta, size, |piece| draft.write(piece))?;
        let content = self.spool.finish(place, draft);
        if let Content::Memory(bytes) = &content {
            self.keep(place, bytes);
        }
        Ok(content)
    }

    fn keep(&mut self, place: u32, bytes: &Rc<Vec<u8>>) {
        if self.entry(place).is_base {
            self.cache.put(place, bytes);
        }
    }

    fn compressed(&self, place: u32) -> ZlibDecoder<BufReader<Part>> {
        let entry = self.entry(place);
        let next = self.entries.get(place as usize + 1);
        let part = Part {
            file: Arc::clone(&self.file),
            at: entry.offset + u64::from(entry.header),
            end: next.map_or(self.end, |next| next.offset),
        };
        let length = usize::try_from(part.end - part.at).unwrap_or(usize::MAX);
        ZlibDecoder::new(BufReader::with_capacity(length.min(PIECE), part))
    }
}

/// A part of the pack.
struct Part {
    file: Arc<File>,
    at: u64,
    end: u64,
}

impl Read for Part {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end - self.at).unwrap_or(usize::MAX);
        let wanted = buffer.len().min(left);
        let read = self.file.read_at(&mut buffer[..wanted], self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}

/// Bases that were needed last.
#[derive(Default)]
pub(super) struct Cache {
    objects: HashMap<u32, (u64, Rc<Vec<u8>>)>,
    /// Which was used when.
    used: BTreeMap<u64, u32>,
    clock: u64,
    bytes: usize,
}

impl Cache {
    fn get(&mut self, place: u32) -> Option<Rc<Vec<u8>>> {
        let (when, bytes) = self.objects.get_mut(&place)?;
        self.used.remove(when);
        self.clock += 1;
        *when = self.clock;
        self.used.insert(self.clock, place);
        Some(Rc::clone(bytes))
    }

    fn put(&mut self, place: u32, bytes: &Rc<Vec<u8>>) {
        self.clock += 1;
        let new = (self.clock, Rc::clone(bytes));
        if let Some((when, _)) = self.objects.insert(place, new) {
            self.used.remove(&when);
        } else {
            self.bytes += bytes.len();
        }
        self.used.insert(self.clock, place);
        while self.bytes > CACHED
            && let Some((_, oldest)) = self.used.pop_first()
            && let Some((_, bytes)) = self.objects.remove(&oldest)
        {
            self.bytes -= bytes.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cache_keeps_what_was_used_last_and_no_more_than_it_may() {
        let mut cache = Cache::default();
        let third = Rc::new(vec![0; CACHED / 3]);
        (0..3).for_each(|place| cache.put(place, &third));
        assert!(cache.get(0).is_some());
        cache.put(3, &third);
        assert!(cache.get(1).is_none());
        assert!(cache.get(0).is_some() && cache.get(2).is_some() && cache.get(3).is_some());
        assert!(cache.bytes <= CACHED);
        cache.put(3, &third);
        assert_eq!(cache.bytes, third.len() * 3);
    }
}
