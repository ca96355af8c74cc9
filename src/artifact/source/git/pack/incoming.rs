//! A pack as it arrives: what is taken from it is written to disk and goes into the checksums.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::{Buf as _, Bytes};
use flate2::Crc;
use sha1_smol::Sha1;
use tokio::sync::mpsc::Receiver;
use tokio_util::sync::CancellationToken;

use super::super::fault::{Fault, go_on};
use super::super::progress::Progress;
use super::{PIECE, TRAILER};

/// A pack as it arrives. Belongs to a thread that may block.
pub(in super::super) struct Incoming {
    pieces: Receiver<Bytes>,
    piece: Bytes,
    position: u64,
    file: BufWriter<File>,
    path: PathBuf,
    sum: Sha1,
    crc: Crc,
    progress: Arc<Progress>,
    pub(super) halt: CancellationToken,
}

impl Incoming {
    /// Begins to write to a new file.
    pub(in super::super) fn new(
        pieces: Receiver<Bytes>,
        path: PathBuf,
        progress: Arc<Progress>,
        halt: CancellationToken,
    ) -> Result<Self, Fault> {
        let file = File::options()
            .read(true)
            .write(true)
            .create_new(true)
            .open(&path)
            .map_err(Fault::disk(&path))?;
        Ok(Self {
            pieces,
            piece: Bytes::new(),
            position: 0,
            file: BufWriter::with_capacity(PIECE, file),
            path,
            sum: Sha1::new(),
            crc: Crc::new(),
            progress,
            halt,
        })
    }

    pub(super) fn progress(&self) -> &Progress {
        &self.progress
    }

    pub(super) fn position(&self) -> u64 {
        self.position
    }

    /// Some bytes that have not been taken yet; never none.
    pub(super) fn available(&mut self) -> Result<&[u8], Fault> {
        while self.piece.is_empty() {
            go_on(&self.halt)?;
            self.piece = self.pieces.blocking_recv().ok_or(Fault::Truncated)?;
            let received = self.piece.len() as u64;
            self.progress
                .received
                .fetch_add(received, Ordering::Relaxed);
        }
        Ok(&self.piece)
    }

    /// Takes the first of the available bytes.
    pub(super) fn take(&mut self, count: usize) -> Result<(), Fault> {
        let taken = &self.piece[..count];
        self.sum.update(taken);
        self.crc.update(taken);
        self.file
            .write_all(taken)
            .map_err(Fault::disk(&self.path))?;
        self.position += count as u64;
        self.piece.advance(count);
        Ok(())
    }

    pub(super) fn byte(&mut self) -> Result<u8, Fault> {
        let byte = self.available()?[0];
        self.take(1)?;
        Ok(byte)
    }

    pub(super) fn bytes<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        let mut bytes = [0; N];
        for byte in &mut bytes {
            *byte = self.byte()?;
        }
        Ok(bytes)
    }

    /// Begins a new checksum of an entry.
    pub(super) fn reset_crc(&mut self) {
        self.crc.reset();
    }

    /// The checksum of everything since then.
    pub(super) fn crc(&self) -> u32 {
        self.crc.sum()
    }

    /// Takes the checksum at the end, which must be right and the last thing that comes.
    pub(super) fn finish(mut self) -> Result<Received, Fault> {
        let expected = self.sum.digest().bytes();
        let checksum = self.bytes::<{ TRAILER as usize }>()?;
        if checksum != expected {
            return Err(Fault::Corrupt("the checksum of the pack is wrong"));
        }
        if !self.piece.is_empty() || self.pieces.blocking_recv().is_some() {
            return Err(Fault::Corrupt("something follows the pack"));
        }
        let end = self.position - TRAILER;
        let file = self.file.into_inner().map_err(|error| Fault::Disk {
            path: self.path.clone(),
            source: error.into_error(),
        })?;
        Ok(Received {
            file,
            path: self.path,
            end,
            checksum,
            progress: self.progress,
            halt: self.halt,
        })
    }
}

/// A pack that has arrived as a whole.
pub(super) struct Received {
    pub(super) file: File,
    pub(super) path: PathBuf,
    /// Where the checksum begins.
    pub(super) end: u64,
    pub(super) checksum: [u8; TRAILER as usize],
    pub(super) progress: Arc<Progress>,
    pub(super) halt: CancellationToken,
}
