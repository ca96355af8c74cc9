//! Texts of others made harmless for terminals and logs.
//!
//! A log line, a name or an error of a server may hold escape sequences that move the cursor, rewrite the title or what
//! stands above, and characters that turn the direction of text so that it reads as something else. This module alone knows
//! which characters those are; `cli::output` sends everything that is printed through it.

use std::borrow::Cow;

/// What stands in place of a character that is not shown.
const REPLACEMENT: char = char::REPLACEMENT_CHARACTER;

/// Longest colour that is read, in bytes. Real ones have at most twenty.
const LONGEST_COLOUR: usize = 40;

/// Ends every colour.
pub const RESET: &str = "\u{1b}[0m";

/// Whether a character steers a terminal (C0, DEL, C1), breaks lines where nobody expects it, or turns the direction of text.
#[must_use]
pub fn steers(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{61c}'
                | '\u{200e}'
                | '\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2066}'..='\u{2069}'
        )
}

/// A text as one line: every character that [`steers`] is replaced, line breaks and tabs too.
#[must_use]
pub fn line(text: &str) -> Cow<'_, str> {
    if !text.contains(steers) {
        return Cow::Borrowed(text);
    }
    let clean = |c: char| if steers(c) { REPLACEMENT } else { c };
    Cow::Owned(text.chars().map(clean).collect())
}

/// A text of several lines: line feeds and tabs stay, and a carriage return in front of a line feed goes.
#[must_use]
pub fn text(text: &str) -> Cow<'_, str> {
    cleaned(text, false)
}

/// The same with colours: an escape sequence stays when it sets nothing but colours and weight of letters.
#[must_use]
pub fn coloured(text: &str) -> Cow<'_, str> {
    cleaned(text, true)
}

/// The same for bytes, UTF-8 or not.
#[must_use]
pub fn of_bytes(bytes: &[u8], with_colours: bool) -> String {
    cleaned(&String::from_utf8_lossy(bytes), with_colours).into_owned()
}

fn cleaned(text: &str, with_colours: bool) -> Cow<'_, str> {
    let is_clean = |c: char| !steers(c) || matches!(c, '\n' | '\t');
    if text.chars().all(is_clean) {
        return Cow::Borrowed(text);
    }
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let mut length = c.len_utf8();
        if is_clean(c) {
            clean.push(c);
        } else if let Some(colour) = colour(rest).filter(|_| with_colours) {
            clean.push_str(colour);
            length = colour.len();
        } else if !rest.starts_with("\r\n") {
            clean.push(REPLACEMENT);
        }
        rest = &rest[length..];
    }
    Cow::Owned(clean)
}

/// The sequence at the beginning of a text, if it sets colours and weight of letters and nothing else. Blinking and hidden
/// letters are no colours.
fn colour(text: &str) -> Option<&str> {
    let body = text.strip_prefix("\u{1b}[")?;
    let end = body.bytes().take(LONGEST_COLOUR).position(|b| b == b'm')?;
    let codes: Option<Vec<u8>> = body[..end]
        .split(';')
        .map(|code| {
            if code.is_empty() {
                Some(0)
            } else {
                code.parse().ok()
            }
        })
        .collect();
    let digits = body[..end].bytes().all(|b| b.is_ascii_digit() || b == b';');
    (digits && are_colours(&codes?)).then(|| &text[..2 + end + 1])
}

fn are_colours(mut codes: &[u8]) -> bool {
    while let Some(code) = codes.first() {
        codes = match (code, codes) {
            (38 | 48, [_, 5, _, rest @ ..] | [_, 2, _, _, _, rest @ ..]) => rest,
            (
                0..=4 | 7 | 9 | 22..=24 | 27 | 29..=37 | 39..=47 | 49 | 90..=97 | 100..=107,
                [_, rest @ ..],
            ) => rest,
            _ => return false,
        };
    }
    true
}

/// A JSON document with everything that [`steers`] written as `\uXXXX`. The values stay the same: JSON has such characters
/// inside of texts only, and line breaks and tabs between them stay.
#[must_use]
pub fn json(text: &str) -> Cow<'_, str> {
    let is_clean = |c: char| !steers(c) || matches!(c, '\n' | '\t' | '\r');
    if text.chars().all(is_clean) {
        return Cow::Borrowed(text);
    }
    let mut clean = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_clean(c) {
            clean.push(c);
        } else {
            clean.push_str(&format!("\\u{:04x}", u32::from(c)));
        }
    }
    Cow::Owned(clean)
}

/// A name for a message, where it may matter which characters it has: what [`steers`] is written as `\n` or `\u{1b}`.
#[must_use]
pub fn escaped(text: &str) -> Cow<'_, str> {
    if !text.contains(steers) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if steers(c) {
            safe.extend(c.escape_default());
        } else {
            safe.push(c);
        }
    }
    Cow::Owned(safe)
}

/// Makes a stream harmless that comes in parts, cut anywhere.
#[derive(Debug, Default)]
pub struct Flow {
    /// The beginning of a character, or a carriage return: what it is shows with the next part.
    held: Vec<u8>,
}

impl Flow {
    /// What can be shown now.
    pub fn pass(&mut self, bytes: &[u8]) -> String {
        let mut all = std::mem::take(&mut self.held);
        all.extend_from_slice(bytes);
        let open = open_end(&all);
        self.held = all.split_off(all.len() - open);
        of_bytes(&all, false)
    }

    /// What is left at the end.
    pub fn rest(&mut self) -> String {
        of_bytes(&std::mem::take(&mut self.held), false)
    }
}

/// How many bytes at the end may belong to what comes next.
fn open_end(bytes: &[u8]) -> usize {
    if bytes.last() == Some(&b'\r') {
        return 1;
    }
    let Some(chunk) = bytes.utf8_chunks().last() else {
        return 0;
    };
    let tail = chunk.invalid();
    let is_begun = std::str::from_utf8(tail).is_err_and(|error| error.error_len().is_none());
    if is_begun { tail.len() } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ESCAPE: char = '\u{1b}';

    const HOSTILE: &str =
        "a\u{1b}]0;title\u{7}\u{9b}2J\u{7f}\r\u{202e}b\u{2066}\u{200f}\u{2028}\tc\n";

    #[test]
    fn a_text_of_others_steers_no_terminal() {
        assert_eq!(line("a\x1b[2Jb\n"), "a�[2Jb�");
        assert_eq!(text(HOSTILE), "a�]0;title��2J���b���\tc\n");
        assert_eq!(text("one\r\ntwo\r"), "one\ntwo�");
        assert_eq!(of_bytes(b"caf\xe9 \xc2\x9b1m", false), "caf� �1m");
        assert!(matches!(text("plain ü 店\n"), Cow::Borrowed(_)));
    }

    #[test]
    fn only_colours_pass_where_colours_are_wanted() {
        for kept in [
            "\u{1b}[m",
            "\u{1b}[0m",
            "\u{1b}[1;31mred\u{1b}[0m",
            "\u{1b}[38;5;208mx",
            "\u{1b}[38;2;1;2;3;48;5;7mx",
            "\u{1b}[97;104mx",
        ] {
            assert_eq!(coloured(kept), kept);
            assert!(!text(kept).contains(ESCAPE));
        }
        for other in [
            "\u{1b}[8mhidden",
            "\u{1b}[5mblinks",
            "\u{1b}[1;8m",
            "\u{1b}[38;5m",
            "\u{1b}[38;9;1m",
            "\u{1b}[2J",
            "\u{1b}[?25l",
            "\u{1b}[>4;1m",
            "\u{1b}[1:2m",
            "\u{1b}[999m",
            "\u{1b}[+1m",
            "\u{1b}[31",
            "\u{1b}]8;;http://x\u{1b}\\",
            "\u{9b}31m",
            "\u{1b}[0000000000000000000000000000000000000000000000000031m",
        ] {
            assert!(!coloured(other).contains([ESCAPE, '\u{9b}']), "{other:?}");
        }
    }

    #[test]
    fn json_keeps_its_values() {
        let value = serde_json::json!({"a": HOSTILE, "b": ["ü\u{85}"]});
        let shown = json(&format!("{value:#}")).into_owned();
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&shown).unwrap(),
            value
        );
        assert!(!shown.contains(|c| steers(c) && c != '\n'), "{shown:?}");
    }

    #[test]
    fn a_name_shows_which_characters_it_has() {
        assert_eq!(escaped("a\n\u{1b}[2J\u{202e}"), "a\\n\\u{1b}[2J\\u{202e}");
    }

    proptest! {
        /// Wherever a stream is cut, the same is shown, and nothing of it steers.
        #[test]
        fn a_stream_is_the_same_wherever_it_is_cut(
            bytes in proptest::collection::vec(prop_oneof![Just(0x1b), Just(b'\r'), Just(b'\n'), Just(0xc2), Just(0x9b), Just(0xe2), Just(0x80), Just(0xae), any::<u8>()], 0..40),
            at in 0_usize..40,
        ) {
            let at = at.min(bytes.len());
            let mut flow = Flow::default();
            let shown = [flow.pass(&bytes[..at]), flow.pass(&bytes[at..]), flow.rest()].concat();
            prop_assert_eq!(&shown, &of_bytes(&bytes, false));
            prop_assert!(!shown.contains(|c| steers(c) && !matches!(c, '\n' | '\t')));
        }
    }
}
