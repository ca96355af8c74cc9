//! The frames of Git's protocol: four hexadecimal digits of length, then that much. Source: git, `protocol-common`.

use bytes::{Bytes, BytesMut};

use super::error::GitError;
use super::remote::Body;

/// Longest frame, its length included.
const LONGEST: usize = 65_520;

const PREFIX: usize = 4;

/// One frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Packet {
    Data(Bytes),
    /// `0000`: the end of a list or of an answer.
    Flush,
    /// `0001`: the end of a section.
    Delimiter,
}

/// Frames of an answer.
#[derive(Debug)]
pub(super) struct Packets {
    body: Body,
    buffer: BytesMut,
}

impl Packets {
    pub(super) fn new(body: Body) -> Self {
        Self {
            body,
            buffer: BytesMut::new(),
        }
    }

    /// The next frame. An answer never ends between two frames without saying so: then it was cut.
    pub(super) async fn next(&mut self) -> Result<Packet, GitError> {
        self.fill(PREFIX).await?;
        let length = length(&self.buffer[..PREFIX])
            .ok_or_else(|| self.malformed("it is not made of Git's frames"))?;
        let packet = match length {
            0 => Packet::Flush,
            1 => Packet::Delimiter,
            // What follows is the frame's content, and the four digits are counted.
            PREFIX.. => {
                self.fill(length).await?;
                let mut frame = self.buffer.split_to(length);
                return Ok(Packet::Data(frame.split_off(PREFIX).freeze()));
            }
            _ => return Err(self.malformed("it has a frame of an unknown kind")),
        };
        let _ = self.buffer.split_to(PREFIX);
        Ok(packet)
    }

    /// The next frame of a list as one line, without its line feed; `None` at the end of the list.
    pub(super) async fn line(&mut self) -> Result<Option<Bytes>, GitError> {
        match self.next().await? {
            Packet::Data(data) => Ok(Some(match data.strip_suffix(b"\n") {
                Some(line) => data.slice_ref(line),
                None => data,
            })),
            Packet::Flush | Packet::Delimiter => Ok(None),
        }
    }

    /// Whether the answer ends before the next frame.
    pub(super) async fn is_over(&mut self) -> Result<bool, GitError> {
        if self.buffer.is_empty()
            && let Some(chunk) = self.body.chunk().await?
        {
            self.buffer.extend_from_slice(&chunk);
        }
        Ok(self.buffer.is_empty())
    }

    pub(super) fn malformed(&self, problem: &'static str) -> GitError {
        GitError::Protocol {
            host: self.body.host.clone(),
            problem,
        }
    }

    async fn fill(&mut self, needed: usize) -> Result<(), GitError> {
        while self.buffer.len() < needed {
            match self.body.chunk().await? {
                Some(chunk) => self.buffer.extend_from_slice(&chunk),
                None => return Err(self.body.cut(None)),
            }
        }
        Ok(())
    }
}

fn length(digits: &[u8]) -> Option<usize> {
    let digits = digits.iter().try_fold(0, |sum, digit| {
        let value = char::from(*digit).to_digit(16)?;
        Some(sum * 16 + value as usize)
    })?;
    (digits <= LONGEST).then_some(digits)
}

/// A frame to send.
pub(super) fn frame(text: &str) -> String {
    format!("{:04x}{text}", text.len() + PREFIX)
}

pub(super) const FLUSH: &str = "0000";
pub(super) const DELIMITER: &str = "0001";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_is_four_hexadecimal_digits_up_to_the_longest_frame() {
        assert_eq!(length(b"0000"), Some(0));
        assert_eq!(length(b"fff0"), Some(LONGEST));
        assert_eq!(length(b"00Fa"), Some(250));
        for bad in [b"fff1", b"<htm", b"+001", b" 001"] {
            assert_eq!(length(bad), None);
        }
    }

    #[test]
    fn a_frame_counts_its_own_length() {
        assert_eq!(frame("done\n"), "0009done\n");
    }
}
