//! Lines on their way from the engine to the listener, and the last ones kept for an error.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

use crate::events::LogStream;

/// Longest line; a longer one is cut in two.
const LINE: usize = 64 * 1024;

/// Bytes that are handed on at once.
const CHUNK: usize = 32 * 1024;

/// Lines that an error repeats.
const TAIL: usize = 20;

/// Longest line of an error, in characters.
const TAIL_LINE: usize = 500;

/// Lines in order. Neighbours of the same stream are handed on together.
#[derive(Debug, Default)]
pub(super) struct Lines(Vec<(LogStream, BytesMut)>);

impl Lines {
    /// Adds one line; the line feed is added.
    pub(super) fn push(&mut self, stream: LogStream, line: &[u8]) {
        let length = line.len() + 1;
        let chunk = match self.0.last_mut() {
            Some((last, chunk)) if *last == stream && chunk.len() + length <= CHUNK => chunk,
            _ => {
                self.0.push((stream, BytesMut::with_capacity(length)));
                &mut self.0.last_mut().expect("one was just pushed").1
            }
        };
        chunk.extend_from_slice(line);
        chunk.extend_from_slice(b"\n");
    }

    /// Adds one line of text.
    pub(super) fn text(&mut self, stream: LogStream, line: &str) {
        self.push(stream, line.as_bytes());
    }

    /// What is handed on, piece by piece.
    pub(super) fn into_chunks(self) -> impl Iterator<Item = (LogStream, Bytes)> {
        let chunks = self.0.into_iter();
        chunks.map(|(stream, chunk)| (stream, chunk.freeze()))
    }

    #[cfg(test)]
    pub(super) fn shown(&self) -> String {
        let mut shown = String::new();
        for (stream, chunk) in &self.0 {
            for line in String::from_utf8_lossy(chunk).lines() {
                let mark = match stream {
                    LogStream::Stdout => "",
                    LogStream::Stderr => "! ",
                };
                shown.push_str(&format!("{mark}{line}\n"));
            }
        }
        shown
    }
}

/// Bytes of one stream that are cut into lines.
#[derive(Debug, Default)]
pub(super) struct LineBuffer(Vec<u8>);

impl LineBuffer {
    /// Takes bytes and hands each line that they finish to `take`, without its line feed.
    pub(super) fn feed(&mut self, bytes: &[u8], mut take: impl FnMut(&[u8])) {
        for piece in bytes.split_inclusive(|b| *b == b'\n') {
            let (text, is_whole) = match piece.strip_suffix(b"\n") {
                Some(text) => (text, true),
                None => (piece, false),
            };
            for part in text.chunks(LINE) {
                if self.0.len() + part.len() > LINE {
                    take(&std::mem::take(&mut self.0));
                }
                self.0.extend_from_slice(part);
            }
            if is_whole {
                take(without_return(&std::mem::take(&mut self.0)));
            }
        }
    }

    /// Hands on the line that was not finished, if there is one.
    pub(super) fn flush(&mut self, mut take: impl FnMut(&[u8])) {
        if !self.0.is_empty() {
            take(&std::mem::take(&mut self.0));
        }
    }
}

fn without_return(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// The last lines that somebody said.
#[derive(Debug, Default)]
pub(super) struct Tail(VecDeque<String>);

impl Tail {
    pub(super) fn push(&mut self, line: &[u8]) {
        let text = String::from_utf8_lossy(line);
        let text = text.trim_end();
        if text.is_empty() {
            return;
        }
        if self.0.len() == TAIL {
            self.0.pop_front();
        }
        // Of a line that draws over itself, the last state is what a person saw.
        let shown = text.rsplit('\r').next().unwrap_or(text);
        self.0.push_back(shown.chars().take(TAIL_LINE).collect());
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    pub(super) fn take(&mut self) -> Vec<String> {
        std::mem::take(&mut self.0).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fed(pieces: &[&[u8]]) -> Vec<Vec<u8>> {
        let mut buffer = LineBuffer::default();
        let mut lines = Vec::new();
        for piece in pieces {
            buffer.feed(piece, |line| lines.push(line.to_owned()));
        }
        buffer.flush(|line| lines.push(line.to_owned()));
        lines
    }

    #[test]
    fn lines_are_whole_wherever_they_were_cut() {
        assert_eq!(
            fed(&[b"on", b"e\ntw", b"o\r\n\nthree"]),
            [
                b"one".to_vec(),
                b"two".to_vec(),
                b"".to_vec(),
                b"three".to_vec()
            ]
        );
        assert_eq!(fed(&[b"\n"]), [b"".to_vec()]);
        assert!(fed(&[b""]).is_empty());
    }

    #[test]
    fn a_line_without_end_is_cut_and_nothing_is_lost() {
        let long = vec![b'x'; 3 * LINE + 7];
        let lines = fed(&[&long[..LINE + 1], &long[LINE + 1..], b"\ny\n"]);
        assert!(lines.iter().all(|line| line.len() <= LINE));
        assert_eq!(lines.concat().len(), long.len() + 1);
        assert_eq!(lines.last().unwrap(), b"y");
    }

    #[test]
    fn the_tail_is_bounded_in_lines_and_their_length() {
        let mut tail = Tail::default();
        for number in 0..100 {
            tail.push(format!("{number} {}", "x".repeat(10_000)).as_bytes());
        }
        tail.push(b"10%\r50%\r100%\n");
        tail.push(b" \n");
        tail.push(b"\xff");
        let lines = tail.take();
        assert_eq!(lines.len(), TAIL);
        assert_eq!(lines[TAIL - 2..], ["100%", "\u{fffd}"]);
        assert!(lines.iter().all(|line| line.chars().count() <= TAIL_LINE));
    }

    #[test]
    fn neighbours_of_one_stream_are_handed_on_together() {
        let mut lines = Lines::default();
        lines.text(LogStream::Stdout, "a");
        lines.text(LogStream::Stdout, "b");
        lines.text(LogStream::Stderr, "c");
        lines.push(LogStream::Stderr, &vec![b'x'; CHUNK]);
        let chunks: Vec<_> = lines
            .into_chunks()
            .map(|(stream, bytes)| (stream, bytes.len()))
            .collect();
        assert_eq!(
            chunks,
            [
                (LogStream::Stdout, 4),
                (LogStream::Stderr, 2),
                (LogStream::Stderr, CHUNK + 1)
            ]
        );
    }
}
