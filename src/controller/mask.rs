//! Secrets in what a builder says.
//!
//! A step may print the secret that it was given. Whatever was handed to a build is therefore taken out of its output and of
//! its errors, line by line: of a secret with several lines each line counts by itself. Short values (`true`, `8080`) are
//! words like any other and stay.

use bytes::{Bytes, BytesMut};

use crate::artifact::output::Chunk;
use crate::events::LogStream;
use crate::secret::{REDACTED, Secret};

/// Shorter values are not looked for.
const SHORTEST: usize = 8;

/// Longest part of a line that is held until its end comes.
const HELD: usize = 64 << 10;

/// What must not be seen.
#[derive(Clone, Default)]
pub(super) struct Mask {
    /// Longest first, so that a secret that contains another one is taken out whole.
    needles: Vec<Secret>,
}

impl Mask {
    pub(super) fn of<'a>(secrets: impl IntoIterator<Item = &'a Secret>) -> Self {
        let lines = secrets
            .into_iter()
            .flat_map(|secret| secret.expose().lines());
        let long = lines.map(str::trim).filter(|line| line.len() >= SHORTEST);
        let mut needles: Vec<Secret> = long.map(Secret::new).collect();
        needles.sort_by_key(|needle| std::cmp::Reverse(needle.expose().len()));
        Self { needles }
    }

    /// A text without the secrets.
    pub(super) fn text(&self, text: &str) -> String {
        self.needles.iter().fold(text.to_owned(), |text, needle| {
            text.replace(needle.expose(), REDACTED)
        })
    }

    fn bytes(&self, bytes: &[u8]) -> Bytes {
        let mut hidden = bytes.to_vec();
        for needle in &self.needles {
            hidden = without(hidden, needle.expose().as_bytes());
        }
        hidden.into()
    }
}

fn without(bytes: Vec<u8>, needle: &[u8]) -> Vec<u8> {
    let first = needle[0];
    let find = |from: usize| {
        let mut at = from;
        while let Some(step) = bytes[at..].iter().position(|byte| *byte == first) {
            at += step;
            if bytes[at..].starts_with(needle) {
                return Some(at);
            }
            at += 1;
        }
        None
    };
    let Some(mut found) = find(0) else {
        return bytes;
    };
    let (mut hidden, mut rest) = (Vec::with_capacity(bytes.len()), 0);
    loop {
        hidden.extend_from_slice(&bytes[rest..found]);
        hidden.extend_from_slice(REDACTED.as_bytes());
        rest = found + needle.len();
        match find(rest) {
            Some(next) => found = next,
            None => break,
        }
    }
    hidden.extend_from_slice(&bytes[rest..]);
    hidden
}

/// Masks two streams as they come. Holds unfinished lines back: a secret may be cut between two chunks.
pub(super) struct Masking {
    mask: Mask,
    stdout: BytesMut,
    stderr: BytesMut,
}

impl Masking {
    pub(super) fn new(mask: Mask) -> Self {
        Self {
            mask,
            stdout: BytesMut::new(),
            stderr: BytesMut::new(),
        }
    }

    /// What can be shown now; nothing while a line is unfinished.
    pub(super) fn pass(&mut self, chunk: Chunk) -> Option<Chunk> {
        if self.mask.needles.is_empty() {
            return Some(chunk);
        }
        let held = match chunk.stream {
            LogStream::Stdout => &mut self.stdout,
            LogStream::Stderr => &mut self.stderr,
        };
        held.extend_from_slice(&chunk.bytes);
        let end = held.iter().rposition(|byte| *byte == b'\n');
        let whole = match end {
            Some(end) => held.split_to(end + 1),
            None if held.len() >= HELD => held.split(),
            None => return None,
        };
        Some(Chunk {
            stream: chunk.stream,
            bytes: self.mask.bytes(&whole),
        })
    }

    /// What is left at the end.
    pub(super) fn rest(self) -> impl Iterator<Item = Chunk> {
        let Self {
            mask,
            stdout,
            stderr,
        } = self;
        [(LogStream::Stdout, stdout), (LogStream::Stderr, stderr)]
            .into_iter()
            .filter(|(_, held)| !held.is_empty())
            .map(move |(stream, held)| Chunk {
                stream,
                bytes: mask.bytes(&held),
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(secrets: &[&str], chunks: &[&str]) -> String {
        let secrets: Vec<Secret> = secrets.iter().map(|text| Secret::new(*text)).collect();
        let mut masking = Masking::new(Mask::of(&secrets));
        let mut shown = Vec::new();
        for chunk in chunks {
            let chunk = Chunk {
                stream: LogStream::Stdout,
                bytes: Bytes::copy_from_slice(chunk.as_bytes()),
            };
            shown.extend(masking.pass(chunk).map(|chunk| chunk.bytes));
        }
        shown.extend(masking.rest().map(|chunk| chunk.bytes));
        String::from_utf8(shown.concat()).unwrap()
    }

    #[test]
    fn a_secret_is_hidden_wherever_it_is_cut() {
        let text = "a canary-value and canary-value\nnext";
        for cut in 0..text.len() {
            let (one, two) = text.split_at(cut);
            assert_eq!(
                shown(&["canary-value"], &[one, two]),
                "a [redacted] and [redacted]\nnext",
                "{cut}"
            );
        }
    }

    #[test]
    fn each_line_of_a_key_is_hidden_and_short_values_stay() {
        let secrets = ["-----BEGIN-----\nMIIEvQIBADAN\n-----END-----\n", "true"];
        assert_eq!(
            shown(&secrets, &["key MIIEvQIBADAN is true\n"]),
            "key [redacted] is true\n"
        );
    }

    #[test]
    fn the_longer_of_two_secrets_is_hidden_whole() {
        assert_eq!(
            shown(&["canary-a", "canary-abc"], &["canary-abc\n"]),
            "[redacted]\n"
        );
    }

    #[test]
    fn without_secrets_chunks_pass_as_they_are() {
        assert_eq!(shown(&[], &["unfinished"]), "unfinished");
        assert_eq!(Mask::default().text("text"), "text");
    }
}
