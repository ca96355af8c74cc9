//! What a page shows against what a command printed.
//!
//! `…` stands for any text inside of a line, and alone on a line for any number of lines. Empty lines and white space at
//! the ends of lines do not count.

/// Why `seen` is not what `shown` says; `None` when it is.
pub(super) fn difference(shown: &str, seen: &str) -> Option<String> {
    let shown = lines(shown);
    let seen = lines(seen);
    // The longest way down that fits, so that the message names the line that nothing fits to.
    let mut furthest = 0;
    if fits(&shown, &seen, 0, &mut furthest) {
        return None;
    }
    let line = shown.get(furthest).copied().unwrap_or("(the end)");
    Some(format!("nothing fits to the shown line: {line}"))
}

fn lines(text: &str) -> Vec<&str> {
    let trimmed = text.lines().map(str::trim_end);
    trimmed.filter(|line| !line.is_empty()).collect()
}

fn fits(shown: &[&str], seen: &[&str], depth: usize, furthest: &mut usize) -> bool {
    *furthest = (*furthest).max(depth);
    match shown {
        [] => seen.is_empty(),
        [line, rest @ ..] if line.trim() == "…" => {
            (0..=seen.len()).any(|skipped| fits(rest, &seen[skipped..], depth + 1, furthest))
        }
        [line, rest @ ..] => match seen {
            [first, others @ ..] if line_fits(line, first) => {
                fits(rest, others, depth + 1, furthest)
            }
            _ => false,
        },
    }
}

fn line_fits(shown: &str, seen: &str) -> bool {
    let mut parts = shown.split('…');
    let first = parts.next().expect("splitting gives one part at least");
    let Some(mut rest) = seen.strip_prefix(first) else {
        return false;
    };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else {
        return rest.is_empty();
    };
    for part in middle {
        let Some(at) = rest.find(part) else {
            return false;
        };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

#[test]
fn an_ellipsis_stands_for_text_and_for_lines() {
    assert_eq!(difference("a\nb…d\n", "a\nb c d\n"), None);
    assert_eq!(difference("a\n…\nz", "a\nb\n\nc\nz\n"), None);
    assert_eq!(difference("a\n…", "a"), None);
    assert_eq!(difference("…", ""), None);
    for (shown, seen) in [
        ("a", "b"),
        ("a", "a\nb"),
        ("a…c", "ab"),
        ("a\n…\nz", "a\nb"),
        ("a", ""),
    ] {
        assert!(difference(shown, seen).is_some(), "{shown} / {seen}");
    }
}

#[test]
fn the_line_that_nothing_fits_to_is_named() {
    let why = difference("a\n…\nq\nz", "a\nb\nz").unwrap();
    assert!(why.ends_with("line: q"), "{why}");
}
