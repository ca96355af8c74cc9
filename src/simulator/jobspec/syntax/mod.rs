//! Text to a tree, with Nomad's words for what is no HCL.

mod explain;
mod tokens;

use hcl::edit::parser::{Error, parse_body};
use hcl::edit::structure::Body;

use super::problem::{Problem, Source};

/// Reads the text.
///
/// # Errors
/// The first place where it is no HCL.
pub(super) fn read(source: Source<'_>) -> Result<Body, Vec<Problem>> {
    // A mark at the beginning is no part of the text, but its bytes count for places.
    let bare = source.text.strip_prefix('\u{feff}');
    let blanked = bare.map(|bare| format!("   {bare}"));
    parse_body(blanked.as_deref().unwrap_or(source.text))
        .map_err(|error| vec![explained(source, &error)])
}

/// The parser says where it gave up; what is wrong there is found by a second, slower look.
fn explained(source: Source<'_>, error: &Error) -> Problem {
    explain::first_mistake(source).unwrap_or_else(|| {
        let at = error.location().offset();
        source.problem(at..at + 1, "Invalid syntax", error.message())
    })
}

/// Whether a name may stand without quotes.
pub(super) fn is_identifier(name: &str) -> bool {
    let mut letters = name.chars();
    letters
        .next()
        .is_some_and(|first| first.is_alphabetic() || first == '_')
        && letters.all(|letter| letter.is_alphanumeric() || letter == '_' || letter == '-')
}

/// ` Did you mean "…"?`, or nothing when no name is close.
pub(super) fn suggestion<'n>(given: &str, names: impl Iterator<Item = &'n str>) -> String {
    let mut names = names;
    match names.find(|name| distance(given, name) < 3) {
        Some(name) => format!(" Did you mean {name:?}?"),
        None => String::new(),
    }
}

/// Letters to insert, remove or replace.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (at, letter) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = at + 1;
        for (column, other) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(letter != *other);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(row[column] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}
