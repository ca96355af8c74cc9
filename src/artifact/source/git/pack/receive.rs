//! The first reading of a pack: finds the objects, hashes those that are whole.

use std::collections::HashMap;

use flate2::{Decompress, FlushDecompress, Status};
use git2::Oid;

use super::super::fault::Fault;
use super::delta::varint;
use super::incoming::{Incoming, Received};
use super::spool::{Spool, hash};
use super::{Entry, Kind, NONE, PIECE};

/// Bounds of a pack. A commit without its history has no more objects than its tree has entries, and they are no larger
/// than the files; a few more for the commit and its tags, and for the trees themselves.
pub(in super::super) struct Bounds {
    pub(in super::super) objects: u64,
    /// What an error about too many objects names.
    pub(in super::super) entries: u64,
    /// Of the objects together.
    pub(in super::super) bytes: u64,
    /// What an error about too many bytes names.
    pub(in super::super) unpacked_bytes: u64,
}

/// What the first reading found.
pub(super) struct Raw {
    pub(super) received: Received,
    /// In the order of their offsets.
    pub(super) entries: Vec<Entry>,
    /// Differences that name their base by id.
    pub(super) bases: HashMap<u32, Oid>,
    pub(super) spool: Spool,
}

/// Reads a pack while it arrives.
pub(super) fn receive(incoming: Incoming, spool: Spool, bounds: &Bounds) -> Result<Raw, Fault> {
    let mut reading = Reading {
        incoming,
        spool,
        entries: Vec::new(),
        bases: HashMap::new(),
        inflate: Decompress::new(true),
        buffer: vec![0; PIECE],
        bytes: 0,
    };
    let count = reading.count()?;
    if u64::from(count) > bounds.objects {
        return Err(Fault::TooMany {
            limit: bounds.entries,
        });
    }
    // At once: growing would copy them, and they are most of the memory that is used.
    reading.entries.reserve_exact(count as usize);
    reading.incoming.progress().objects.expect(count.into());
    for _ in 0..count {
        reading.entry(bounds)?;
        reading.incoming.progress().objects.advance();
    }
    Ok(Raw {
        received: reading.incoming.finish()?,
        entries: reading.entries,
        bases: reading.bases,
        spool: reading.spool,
    })
}

struct Reading {
    incoming: Incoming,
    spool: Spool,
    entries: Vec<Entry>,
    bases: HashMap<u32, Oid>,
    inflate: Decompress,
    buffer: Vec<u8>,
    bytes: u64,
}

/// The kinds of entries of a pack, as numbered there.
enum Stored {
    Whole(Kind),
    /// A difference to the object so many bytes before.
    OffsetDelta,
    /// A difference to an object by name.
    NamedDelta,
}

impl Reading {
    fn count(&mut self) -> Result<u32, Fault> {
        let magic = self.incoming.bytes::<4>()?;
        let version = u32::from_be_bytes(self.incoming.bytes()?);
        if &magic != b"PACK" || !matches!(version, 2 | 3) {
            return Err(Fault::Corrupt("it is no pack"));
        }
        Ok(u32::from_be_bytes(self.incoming.bytes()?))
    }

    fn entry(&mut self, bounds: &Bounds) -> Result<(), Fault> {
        let offset = self.incoming.position();
        self.incoming.reset_crc();
        let (stored, stored_size) = self.header()?;
        let place = u32::try_from(self.entries.len()).expect("the count has 32 bits");
        let base = match stored {
            Stored::Whole(_) => NONE,
            Stored::OffsetDelta => self.base_before(offset)?,
            Stored::NamedDelta => {
                let id = Oid::from_bytes(&self.incoming.bytes::<20>()?);
                let id = id.expect("20 bytes are an id");
                self.bases.insert(place, id);
                NONE
            }
        };
        let header = self.incoming.position() - offset;
        let (kind, size, id) = match stored {
            Stored::Whole(kind) => {
                self.weigh(stored_size, bounds)?;
                (kind, stored_size, self.whole(place, kind, stored_size)?)
            }
            _ => {
                let size = self.delta(stored_size)?;
                self.weigh(size, bounds)?;
                (Kind::Unknown, size, Oid::ZERO_SHA1)
            }
        };
        self.entries.push(Entry {
            offset,
            size,
            id,
            crc: self.incoming.crc(),
            base,
            kind,
            header: u8::try_from(header).expect("a header is short"),
            is_base: false,
        });
        Ok(())
    }

    fn weigh(&mut self, size: u64, bounds: &Bounds) -> Result<(), Fault> {
        self.bytes = self.bytes.saturating_add(size);
        if self.bytes > bounds.bytes {
            return Err(Fault::TooLarge {
                limit: bounds.unpacked_bytes,
            });
        }
        Ok(())
    }

    /// Kind and size: four bits of the first byte, then seven of each further one.
    fn header(&mut self) -> Result<(Stored, u64), Fault> {
        let first = self.incoming.byte()?;
        let mut size = u64::from(first & 0x0f);
        let mut shift = 4;
        let mut byte = first;
        while byte & 0x80 != 0 {
            byte = self.incoming.byte()?;
            if shift > 53 {
                return Err(Fault::Corrupt("an object has an impossible size"));
            }
            size |= u64::from(byte & 0x7f) << shift;
            shift += 7;
        }
        let stored = match (first >> 4) & 7 {
            1 => Stored::Whole(Kind::Commit),
            2 => Stored::Whole(Kind::Tree),
            3 => Stored::Whole(Kind::Blob),
            4 => Stored::Whole(Kind::Tag),
            6 => Stored::OffsetDelta,
            7 => Stored::NamedDelta,
            _ => return Err(Fault::Corrupt("an object is of an unknown kind")),
        };
        Ok((stored, size))
    }

    /// The entry that begins so many bytes before this one.
    fn base_before(&mut self, offset: u64) -> Result<u32, Fault> {
        const WRONG: Fault = Fault::Corrupt("a difference has no base");
        let mut byte = self.incoming.byte()?;
        let mut back = u64::from(byte & 0x7f);
        while byte & 0x80 != 0 {
            byte = self.incoming.byte()?;
            if back >> 55 != 0 {
                return Err(WRONG);
            }
            back = ((back + 1) << 7) | u64::from(byte & 0x7f);
        }
        let base = offset.checked_sub(back).ok_or(WRONG)?;
        let place = self
            .entries
            .binary_search_by_key(&base, |entry| entry.offset)
            .map_err(|_| WRONG)?;
        self.entries[place].is_base = true;
        Ok(u32::try_from(place).expect("the count has 32 bits"))
    }

    /// Reads an object and hashes it.
    fn whole(&mut self, place: u32, kind: Kind, size: u64) -> Result<Oid, Fault> {
        let mut draft = self.spool.draft(place, size)?;
        inflate(
            &mut self.inflate,
            &mut self.buffer,
            &mut self.incoming,
            size,
            |piece| draft.write(piece),
        )?;
        let content = self.spool.finish(place, draft);
        hash(&content, kind, &self.incoming.halt)
    }

    /// Skips a difference, but for the size of the object that it makes.
    fn delta(&mut self, size: u64) -> Result<u64, Fault> {
        let mut head = Vec::with_capacity(20);
        inflate(
            &mut self.inflate,
            &mut self.buffer,
            &mut self.incoming,
            size,
            |piece| {
                let missing = head.capacity() - head.len();
                head.extend_from_slice(&piece[..piece.len().min(missing)]);
                Ok(())
            },
        )?;
        let mut head = head.as_slice();
        varint(&mut head)?;
        varint(&mut head)
    }
}

/// Decompresses one object from where the pack stands.
fn inflate(
    inflate: &mut Decompress,
    buffer: &mut [u8],
    incoming: &mut Incoming,
    size: u64,
    mut hear: impl FnMut(&[u8]) -> Result<(), Fault>,
) -> Result<(), Fault> {
    const WRONG: Fault = Fault::Corrupt("an object cannot be decompressed");
    inflate.reset(true);
    loop {
        let (before_in, before_out) = (inflate.total_in(), inflate.total_out());
        let status = inflate
            .decompress(incoming.available()?, buffer, FlushDecompress::None)
            .map_err(|_| WRONG)?;
        let taken = usize::try_from(inflate.total_in() - before_in).map_err(|_| WRONG)?;
        let given = usize::try_from(inflate.total_out() - before_out).map_err(|_| WRONG)?;
        incoming.take(taken)?;
        if inflate.total_out() > size {
            return Err(Fault::Corrupt("an object is longer than announced"));
        }
        hear(&buffer[..given])?;
        if status == Status::StreamEnd {
            break;
        }
        if taken == 0 && given == 0 {
            return Err(WRONG);
        }
    }
    if inflate.total_out() < size {
        return Err(Fault::Corrupt("an object is shorter than announced"));
    }
    Ok(())
}
