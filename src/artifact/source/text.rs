//! How names and sizes of a source are told: a source is written by others, and so is every name in it.

use std::borrow::Cow;

use crate::plain::steers;

/// Longest name that is shown whole, in characters.
const SHOWN: usize = 200;

/// A name for a message: on one line, without anything that steers a terminal, and not endless.
pub(super) fn shown(name: impl AsRef<[u8]>) -> String {
    let text = String::from_utf8_lossy(name.as_ref());
    let mut out = String::with_capacity(text.len().min(SHOWN));
    for (count, c) in text.chars().enumerate() {
        if count == SHOWN {
            out.push('…');
            break;
        }
        if steers(c) {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    out
}

/// Bytes for people: `512 B`, `12.3 MiB`.
pub(super) fn size(bytes: u64) -> Cow<'static, str> {
    let tenths = |unit: u64| {
        // Rounded down, so that a bound is never said to be reached when it is not.
        let tenths = u128::from(bytes) * 10 / u128::from(unit);
        format!("{}.{}", tenths / 10, tenths % 10)
    };
    match bytes {
        0 => "0 B".into(),
        1..=1023 => format!("{bytes} B").into(),
        1024..=1_048_575 => format!("{} KiB", tenths(1 << 10)).into(),
        1_048_576..=1_073_741_823 => format!("{} MiB", tenths(1 << 20)).into(),
        _ => format!("{} GiB", tenths(1 << 30)).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_steer_a_terminal_or_fill_a_line() {
        assert_eq!(shown("a/ü b"), "a/ü b");
        assert_eq!(
            shown("a\n\u{1b}[2J\u{202e}\u{9b}"),
            "a\\n\\u{1b}[2J\\u{202e}\\u{9b}"
        );
        assert_eq!(shown(b"a\xff"), "a\u{fffd}");
        assert_eq!(shown("x".repeat(5000)).chars().count(), SHOWN + 1);
    }

    #[test]
    fn a_size_has_the_unit_that_fits() {
        for (bytes, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1536, "1.5 KiB"),
            (12_900_000, "12.3 MiB"),
            (4 << 30, "4.0 GiB"),
            (u64::MAX, "17179869183.9 GiB"),
        ] {
            assert_eq!(size(bytes), text);
        }
    }
}
