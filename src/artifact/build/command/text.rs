//! What a program says, made fit for a log: without terminal escapes, and its last lines.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::events::LogStream;

/// Lines that are kept.
const LINES: usize = 20;

/// Bytes of a line that are kept.
const LINE_BYTES: usize = 1 << 10;

const ESCAPE: u8 = 0x1b;
const BELL: u8 = 0x07;

/// Takes terminal escapes out of a stream, wherever the stream is cut.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Escapes(State);

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    #[default]
    Text,
    /// After the escape character.
    Escaped,
    /// `ESC [ … final`: colours, cursor.
    Control,
    /// `ESC ] … BEL` or `ESC ] … ESC \`: titles, links.
    Command,
    /// An escape character in a command, which ends it.
    CommandEscaped,
    /// `ESC ( B` and its like: one more character belongs to it.
    Designated,
}

impl Escapes {
    /// The text without escapes.
    pub(super) fn strip(&mut self, said: Bytes) -> Bytes {
        if self.0 == State::Text && !said.contains(&ESCAPE) {
            return said;
        }
        said.iter()
            .copied()
            .filter(|&byte| self.is_text(byte))
            .collect()
    }

    fn is_text(&mut self, byte: u8) -> bool {
        let (next, text) = match (self.0, byte) {
            (State::Text | State::Escaped | State::Control, ESCAPE) => (State::Escaped, false),
            (State::Text, _) => (State::Text, true),
            (State::Escaped, b'[') => (State::Control, false),
            (State::Escaped, b']' | b'P' | b'X' | b'^' | b'_') => (State::Command, false),
            (State::Escaped, 0x20..=0x2f) => (State::Designated, false),
            // A line that ends inside an escape is kept as a line: the escape was no escape.
            (State::Escaped | State::Control | State::Command | State::Designated, b'\n') => {
                (State::Text, true)
            }
            (State::Control, 0x20..=0x3f) => (State::Control, false),
            (State::Command, BELL) => (State::Text, false),
            (State::Command, ESCAPE) => (State::CommandEscaped, false),
            (State::Command, _) => (State::Command, false),
            (State::Escaped | State::Control | State::CommandEscaped | State::Designated, _) => {
                (State::Text, false)
            }
        };
        self.0 = next;
        text
    }
}

/// Last lines of diagnostics that ordinary output does not push out.
///
/// The two pipes are read independently: what a program said last on one of them may be heard before all of the other.
const DIAGNOSTICS: usize = 5;

/// The last lines of two streams, in the order in which they were finished.
#[derive(Debug, Default)]
pub(super) struct Tail {
    lines: VecDeque<(LogStream, String)>,
    stdout: Line,
    stderr: Line,
}

/// A line that is not finished yet.
#[derive(Debug, Default)]
struct Line {
    bytes: Vec<u8>,
    /// After a carriage return: what follows, unless it is the line feed, is written over the line.
    returned: bool,
}

impl Tail {
    pub(super) fn hear(&mut self, stream: LogStream, said: &[u8]) {
        let line = match stream {
            LogStream::Stdout => &mut self.stdout,
            LogStream::Stderr => &mut self.stderr,
        };
        // Lines that would be pushed out again at once are not looked at.
        let feeds = said
            .iter()
            .enumerate()
            .rev()
            .filter(|(_, byte)| **byte == b'\n');
        let skipped = feeds.map(|(at, _)| at + 1).nth(LINES);
        if skipped.is_some() {
            *line = Line::default();
        }
        for part in said[skipped.unwrap_or(0)..].split_inclusive(|byte| *byte == b'\n') {
            let (content, ended) = match part.split_last() {
                Some((b'\n', content)) => (content, true),
                _ => (part, false),
            };
            line.extend(content);
            if ended && let Some(text) = line.take() {
                push(&mut self.lines, stream, text);
            }
        }
    }

    pub(super) fn into_lines(mut self) -> Vec<String> {
        for (stream, line) in [
            (LogStream::Stdout, &mut self.stdout),
            (LogStream::Stderr, &mut self.stderr),
        ] {
            if let Some(text) = line.take() {
                push(&mut self.lines, stream, text);
            }
        }
        self.lines.into_iter().map(|(_, text)| text).collect()
    }
}

fn push(lines: &mut VecDeque<(LogStream, String)>, stream: LogStream, text: String) {
    if lines.len() == LINES {
        let is_diagnostic = |(stream, _): &(LogStream, String)| *stream == LogStream::Stderr;
        let diagnostics = lines.iter().filter(|line| is_diagnostic(line)).count();
        let oldest = if diagnostics <= DIAGNOSTICS {
            lines.iter().position(|line| !is_diagnostic(line))
        } else {
            Some(0)
        };
        lines.remove(oldest.unwrap_or(0));
    }
    lines.push_back((stream, text));
}

impl Line {
    fn extend(&mut self, content: &[u8]) {
        for (index, part) in content.split(|byte| *byte == b'\r').enumerate() {
            self.returned |= index > 0;
            if self.returned && !part.is_empty() {
                self.bytes.clear();
                self.returned = false;
            }
            let room = LINE_BYTES.saturating_sub(self.bytes.len());
            self.bytes.extend_from_slice(&part[..part.len().min(room)]);
        }
    }

    /// The finished line; `None` for an empty one.
    fn take(&mut self) -> Option<String> {
        let line = std::mem::take(self);
        let text = String::from_utf8_lossy(&line.bytes);
        let text = text.trim_end();
        (!text.is_empty()).then(|| text.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stripped(parts: &[&'static str]) -> String {
        let mut escapes = Escapes::default();
        let parts = parts
            .iter()
            .map(|part| escapes.strip(Bytes::from_static(part.as_bytes())));
        parts
            .map(|part| String::from_utf8(part.to_vec()).unwrap())
            .collect()
    }

    fn tail(parts: &[(LogStream, &[u8])]) -> Vec<String> {
        let mut tail = Tail::default();
        for (stream, said) in parts {
            tail.hear(*stream, said);
        }
        tail.into_lines()
    }

    #[test]
    fn the_last_diagnostics_are_not_pushed_out_by_ordinary_output() {
        let mut tail = Tail::default();
        for number in 0..30 {
            tail.hear(LogStream::Stderr, format!("error {number}\n").as_bytes());
        }
        for number in 0..100 {
            tail.hear(LogStream::Stdout, format!("line {number}\n").as_bytes());
        }
        let lines = tail.into_lines();
        assert_eq!(lines.len(), LINES);
        assert_eq!(lines[..DIAGNOSTICS].last().unwrap(), "error 29");
        assert_eq!(lines.last().unwrap(), "line 99");
        assert_eq!(
            lines
                .iter()
                .filter(|line| line.starts_with("error"))
                .count(),
            DIAGNOSTICS
        );
    }

    #[test]
    fn colours_titles_and_links_are_taken_out() {
        assert_eq!(
            stripped(&["\x1b[1;31mred\x1b[0m ╔═ \x1b[2Kx\n"]),
            "red ╔═ x\n"
        );
        assert_eq!(
            stripped(&["\x1b]0;title\x07a\x1b]8;;http://x\x1b\\b\x1b(Bc"]),
            "abc"
        );
    }

    #[test]
    fn an_escape_may_be_cut_anywhere() {
        let whole = "a\x1b[38;5;1mb\x1b]0;t\x1b\\c";
        for cut in 0..whole.len() {
            let (left, right) = whole.split_at(cut);
            let mut escapes = Escapes::default();
            let left = escapes.strip(Bytes::copy_from_slice(left.as_bytes()));
            let right = escapes.strip(Bytes::copy_from_slice(right.as_bytes()));
            assert_eq!([left, right].concat(), b"abc", "cut at {cut}");
        }
    }

    #[test]
    fn an_escape_that_never_ends_costs_one_line_only() {
        assert_eq!(
            stripped(&["\x1b]0;title\nnext\n", "\x1b[12\nlast"]),
            "\nnext\n\nlast"
        );
    }

    #[test]
    fn the_last_lines_are_kept_in_the_order_in_which_they_end() {
        use LogStream::{Stderr, Stdout};
        let kept = tail(&[
            (Stdout, b"one\ntw"),
            (Stderr, b"error\n\n"),
            (Stdout, b"o\n"),
            (Stderr, b"unfinished"),
        ]);
        assert_eq!(kept, ["one", "error", "two", "unfinished"]);
    }

    #[test]
    fn no_more_than_twenty_lines_of_a_thousand_bytes_are_kept() {
        let many: String = (0..1000).map(|line| format!("line {line}\n")).collect();
        let kept = tail(&[
            (LogStream::Stdout, b"begun "),
            (LogStream::Stdout, many.as_bytes()),
        ]);
        assert_eq!(kept.len(), 20);
        assert_eq!(kept[0], "line 980");
        assert_eq!(kept[19], "line 999");
        let long = vec![b'x'; 1 << 20];
        let kept = tail(&[(LogStream::Stdout, &long), (LogStream::Stdout, &long)]);
        assert_eq!(kept, ["x".repeat(1024)]);
    }

    #[test]
    fn exactly_the_lines_that_fit_are_all_kept() {
        let fit: String = (0..20).map(|line| format!("{line}\n")).collect();
        let kept = tail(&[
            (LogStream::Stdout, b"begun "),
            (LogStream::Stdout, fit.as_bytes()),
        ]);
        assert_eq!(kept.len(), 20);
        assert_eq!(kept[0], "begun 0");
    }

    #[test]
    fn a_progress_bar_is_its_last_state() {
        let kept = tail(&[
            (LogStream::Stdout, b"10%\r50%"),
            (LogStream::Stdout, b"\r100%\r\nend\r\n"),
        ]);
        assert_eq!(kept, ["100%", "end"]);
    }

    #[test]
    fn what_is_not_utf_8_is_shown_as_well_as_it_goes() {
        assert_eq!(
            tail(&[(LogStream::Stderr, b"caf\xe9 ok\n")]),
            ["caf\u{fffd} ok"]
        );
    }
}
