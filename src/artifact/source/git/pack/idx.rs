//! The index of a pack, for whoever reads the repository with Git. Source: git, `gitformat-pack`, version 2.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use sha1_smol::Sha1;

use super::super::fault::Fault;
use super::objects::Objects;

/// Offsets from here on stand in a table of their own.
const LARGE: u64 = 1 << 31;

/// Writes the index.
pub(in super::super) fn write_index(objects: &Objects, path: &Path) -> Result<(), Fault> {
    let file = File::create_new(path).map_err(Fault::disk(path))?;
    let mut index = Summed::new(BufWriter::new(file));
    write(objects, &mut index)
        .and_then(|()| index.finish())
        .map_err(Fault::disk(path))
}

fn write(objects: &Objects, index: &mut impl Write) -> io::Result<()> {
    let sorted = || objects.by_id.iter().map(|place| objects.entry(*place));
    index.write_all(b"\xfftOc\0\0\0\x02")?;
    let mut fanout = [0_u32; 256];
    for entry in sorted() {
        fanout[usize::from(entry.id.as_bytes()[0])] += 1;
    }
    let mut sum = 0;
    for count in fanout {
        sum += count;
        index.write_all(&sum.to_be_bytes())?;
    }
    for entry in sorted() {
        index.write_all(entry.id.as_bytes())?;
    }
    for entry in sorted() {
        index.write_all(&entry.crc.to_be_bytes())?;
    }
    let mut large = 0_u32;
    for entry in sorted() {
        let offset = match u32::try_from(entry.offset) {
            Ok(offset) if entry.offset < LARGE => offset,
            _ => {
                large += 1;
                0x8000_0000 | (large - 1)
            }
        };
        index.write_all(&offset.to_be_bytes())?;
    }
    for entry in sorted().filter(|entry| entry.offset >= LARGE) {
        index.write_all(&entry.offset.to_be_bytes())?;
    }
    index.write_all(&objects.checksum)
}

/// Writes and sums up, for files that end with their own checksum.
pub(in super::super) struct Summed<W> {
    inner: W,
    sum: Sha1,
}

impl<W: Write> Summed<W> {
    pub(in super::super) fn new(inner: W) -> Self {
        Self {
            inner,
            sum: Sha1::new(),
        }
    }

    /// Writes the checksum.
    pub(in super::super) fn finish(mut self) -> io::Result<()> {
        self.inner.write_all(&self.sum.digest().bytes())?;
        self.inner.flush()
    }
}

impl<W: Write> Write for Summed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.sum.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
