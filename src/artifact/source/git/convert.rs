//! What Git changes in a file's content when it checks the file out. Source: git, `convert.c`.

use std::borrow::Cow;

use git2::Oid;

use super::attributes::{Conversion, LineEnds};

impl Conversion {
    /// The content as it goes to disk.
    pub(super) fn apply<'a>(&self, content: &'a [u8], id: Oid) -> Cow<'a, [u8]> {
        let content = if self.ident {
            identified(content, id)
        } else {
            Cow::Borrowed(content)
        };
        let is_converted = match self.line_ends {
            LineEnds::Kept => false,
            LineEnds::Windows => true,
            LineEnds::WindowsIfText => is_text_for_windows(&content),
        };
        if is_converted {
            Cow::Owned(with_carriage_returns(&content))
        } else {
            content
        }
    }
}

fn with_carriage_returns(content: &[u8]) -> Vec<u8> {
    let mut converted = Vec::with_capacity(content.len() + content.len() / 20);
    let mut last = 0;
    for &byte in content {
        if byte == b'\n' && last != b'\r' {
            converted.push(b'\r');
        }
        converted.push(byte);
        last = byte;
    }
    converted
}

/// Whether content that nobody called text is text, and has not a carriage return already: then it stays, because it
/// could not be told back.
fn is_text_for_windows(content: &[u8]) -> bool {
    let (mut printable, mut other) = (0_usize, 0_usize);
    for &byte in content {
        match byte {
            0 | b'\r' => return false,
            b'\n' => {}
            b'\x08' | b'\t' | b'\x1b' | b'\x0c' => printable += 1,
            0x7f | 0x01..0x20 => other += 1,
            _ => printable += 1,
        }
    }
    // The end mark of old editors.
    if content.last() == Some(&0x1a) {
        other -= 1;
    }
    printable >> 7 >= other
}

/// Puts the content's hash into each `$Id$`.
fn identified(content: &[u8], id: Oid) -> Cow<'_, [u8]> {
    const MARK: &[u8] = b"$Id";
    let mut made: Option<Vec<u8>> = None;
    let mut rest = content;
    while let Some(at) = find(rest, MARK) {
        let after = &rest[at + MARK.len()..];
        let Some(skipped) = keyword(after) else {
            if let Some(made) = &mut made {
                made.extend_from_slice(&rest[..at + MARK.len()]);
            }
            rest = after;
            continue;
        };
        let made = made.get_or_insert_with(|| content[..content.len() - rest.len()].to_vec());
        made.extend_from_slice(&rest[..at]);
        made.extend_from_slice(format!("$Id: {id} $").as_bytes());
        rest = &after[skipped..];
    }
    match made {
        None => Cow::Borrowed(content),
        Some(mut made) => {
            made.extend_from_slice(rest);
            Cow::Owned(made)
        }
    }
}

/// The length of what follows `$Id` up to and with the closing `$`, when it is Git's own keyword.
fn keyword(after: &[u8]) -> Option<usize> {
    if after.first() == Some(&b'$') {
        return Some(1);
    }
    let inside = after.strip_prefix(b":")?;
    let end = inside
        .iter()
        .position(|byte| matches!(byte, b'$' | b'\n'))?;
    if inside[end] == b'\n' {
        return None;
    }
    // With spaces inside it is the keyword of another system, and stays.
    let text = &inside[..end];
    let foreign = text.strip_prefix(b" ").unwrap_or(text);
    match foreign.iter().position(|byte| *byte == b' ') {
        Some(space) if space + 1 < foreign.len() => None,
        _ => Some(1 + end + 1),
    }
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|part| part == what)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0123456789012345678901234567890123456789";

    fn converted(line_ends: LineEnds, ident: bool, content: &str) -> String {
        let conversion = Conversion { line_ends, ident };
        let id = Oid::from_str(ID).unwrap();
        let made = conversion.apply(content.as_bytes(), id);
        String::from_utf8(made.into_owned()).unwrap()
    }

    #[test]
    fn line_feeds_get_a_carriage_return_unless_they_have_one() {
        let windows = |text| converted(LineEnds::Windows, false, text);
        assert_eq!(windows("a\nb\r\nc\n\n\rd"), "a\r\nb\r\nc\r\n\r\n\rd");
        assert_eq!(windows(""), "");
        assert_eq!(converted(LineEnds::Kept, false, "a\n"), "a\n");
    }

    #[test]
    fn what_may_be_no_text_stays() {
        let guessed = |text| converted(LineEnds::WindowsIfText, false, text);
        assert_eq!(guessed("a\nb\n"), "a\r\nb\r\n");
        assert_eq!(guessed("a\nb\n\x1a"), "a\r\nb\r\n\x1a");
        for kept in ["a\0\n", "a\r\nb\n", "a\rb\n", "\x01\n", "\x7f\n"] {
            assert_eq!(guessed(kept), kept);
        }
        let mostly_text = format!("{}\x01\n", "x".repeat(128));
        assert_eq!(guessed(&mostly_text), mostly_text.replace('\n', "\r\n"));
    }

    #[test]
    fn the_keyword_gets_the_hash_of_the_content() {
        let filled = |text| converted(LineEnds::Kept, true, text);
        let full = format!("$Id: {ID} $");
        assert_eq!(
            filled("a $Id$ b $Id: old $ c"),
            format!("a {full} b {full} c")
        );
        assert_eq!(filled("$Id:$"), full);
        for kept in ["$Ident$", "$Id: x y $", "$Id: x\n$", "$Id", "$ Id$", ""] {
            assert_eq!(filled(kept), kept);
        }
        assert_eq!(filled("$Ix $Id $Id$"), format!("$Ix $Id {full}"));
    }
}
