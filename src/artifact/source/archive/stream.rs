//! From the pieces of a download to decompressed bytes: hashed on the way in, counted on the way out.

use std::fmt::Write as _;
use std::io::{self, BufRead, Read};
use std::rc::Rc;

use bytes::{Buf as _, Bytes, BytesMut};
use flate2::bufread::GzDecoder;
use sha2::{Digest as _, Sha256};
use tokio::sync::mpsc::Receiver;

use super::error::ArchiveError;
use super::gauge::Gauge;

/// What the download hands over.
#[derive(Debug)]
pub(super) enum Piece {
    /// The next bytes.
    Data(Bytes),
    /// All has come. A channel that closes without it means that the download failed or was given up.
    End,
}

/// The download as a reader. Blocks while nothing has come.
pub(super) struct Pieces {
    receiver: Receiver<Piece>,
    current: Bytes,
    ended: bool,
    hash: Sha256,
    gauge: Rc<Gauge>,
}

impl Pieces {
    pub(super) fn new(receiver: Receiver<Piece>, gauge: Rc<Gauge>) -> Self {
        Self {
            receiver,
            current: Bytes::new(),
            ended: false,
            hash: Sha256::new(),
            gauge,
        }
    }

    /// The first bytes, at least `wanted` if there are so many. They stay unread.
    pub(super) fn peek(&mut self, wanted: usize) -> io::Result<&[u8]> {
        let mut start = BytesMut::new();
        while start.len() < wanted {
            let next = self.fill_buf()?;
            if next.is_empty() {
                break;
            }
            start.extend_from_slice(next);
            self.current = Bytes::new();
        }
        self.current = start.freeze();
        Ok(&self.current)
    }

    /// Reads what is left. Returns the digest of the whole download in hexadecimal digits.
    pub(super) fn finish(mut self) -> io::Result<String> {
        loop {
            let rest = self.fill_buf()?.len();
            if rest == 0 {
                break;
            }
            self.consume(rest);
        }
        let mut text = String::with_capacity(64);
        for byte in self.hash.finalize() {
            // Writing to a string cannot fail.
            let _ = write!(text, "{byte:02x}");
        }
        Ok(text)
    }
}

impl BufRead for Pieces {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        while self.current.is_empty() && !self.ended {
            match self.receiver.blocking_recv() {
                Some(Piece::Data(bytes)) => {
                    self.hash.update(&bytes);
                    self.gauge.pull(bytes.len());
                    self.current = bytes;
                }
                Some(Piece::End) => self.ended = true,
                None => return Err(self.gauge.fail(ArchiveError::Stopped)),
            }
        }
        Ok(&self.current)
    }

    fn consume(&mut self, amount: usize) {
        self.current.advance(amount);
    }
}

impl Read for Pieces {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let amount = self.fill_buf()?.read(into)?;
        self.consume(amount);
        Ok(amount)
    }
}

/// Decompresses gzip data of one or several members. Bytes after them that are no member are ignored, as `gzip` does.
pub(super) struct Gunzip {
    member: Option<GzDecoder<Pieces>>,
    /// Once the members are over.
    rest: Option<Pieces>,
    gauge: Rc<Gauge>,
}

impl Gunzip {
    pub(super) fn new(pieces: Pieces, gauge: Rc<Gauge>) -> Self {
        Self {
            member: Some(GzDecoder::new(pieces)),
            rest: None,
            gauge,
        }
    }

    /// Reads to the end of the last member, which also checks its checksum. Returns what comes after it.
    pub(super) fn finish(mut self) -> io::Result<Pieces> {
        io::copy(&mut self, &mut io::sink())?;
        let over = self.rest.or(self.member.map(GzDecoder::into_inner));
        Ok(over.expect("the download is in one of the two places"))
    }

    fn inflate(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while let Some(member) = &mut self.member {
            self.gauge.go_on().map_err(|stop| self.gauge.fail(stop))?;
            let amount = member.read(into)?;
            if amount > 0 || into.is_empty() {
                return Ok(amount);
            }
            let Some(member) = self.member.take() else {
                break;
            };
            let mut pieces = member.into_inner();
            // The first byte decides: a piece may end after it.
            if pieces.fill_buf()?.first() == Some(&0x1f) {
                self.member = Some(GzDecoder::new(pieces));
            } else {
                self.rest = Some(pieces);
            }
        }
        self.gauge.end();
        Ok(0)
    }
}

impl Read for Gunzip {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let amount = match self.inflate(into) {
            Ok(amount) => amount,
            Err(error) if self.gauge.failed() => return Err(error),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                let what = "gzip data";
                return Err(self.gauge.fail(ArchiveError::Truncated { what }));
            }
            Err(error) => return Err(self.gauge.fail(ArchiveError::Gzip(error))),
        };
        self.gauge
            .inflate(amount)
            .map_err(|reason| self.gauge.fail(reason))?;
        Ok(amount)
    }
}
