//! "Did you mean": the known word that a mistyped one was probably meant to be.

/// The closest of some known words, when it is close enough to be a slip.
///
/// Letter case and `_` or `-` between words do not count, because fields are often written in another style
/// (`memory_max` for `memoryMax`). Close enough: at most a third of the letters differ, at least one may.
#[must_use]
pub fn closest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = plain(word);
    let allowed = (word.len() / 3).max(1);
    known
        .into_iter()
        .map(|candidate| (distance(&word, &plain(candidate)), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Words longer than this are no slip of a field name; bounds the work for hostile input.
const LONGEST: usize = 64;

fn plain(word: &str) -> Vec<char> {
    word.chars()
        .filter(|c| !matches!(c, '_' | '-'))
        .flat_map(char::to_lowercase)
        .take(LONGEST)
        .collect()
}

/// Edits (insert, delete, replace, swap of neighbours) between two words: optimal string alignment.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut rows = vec![(0..=b.len()).collect::<Vec<_>>()];
    for (i, from) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, to) in b.iter().enumerate() {
            let replaced = rows[i][j] + usize::from(from != to);
            let mut best = replaced.min(rows[i][j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *from == b[j - 1] && a[i - 1] == *to {
                best = best.min(rows[i - 1][j - 1] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: [&str; 5] = ["replicas", "resources", "memoryMax", "ports", "type"];

    #[test]
    fn a_slip_finds_the_word_that_was_meant() {
        for (typed, meant) in [
            ("replica", "replicas"),
            ("repilcas", "replicas"),
            ("memory_max", "memoryMax"),
            ("Ports", "ports"),
            ("port", "ports"),
            ("tpye", "type"),
        ] {
            assert_eq!(closest(typed, KNOWN), Some(meant), "{typed}");
        }
    }

    #[test]
    fn a_word_that_resembles_nothing_finds_nothing() {
        for typed in ["", "x", "image", "livenessProbe", &"z".repeat(10_000)] {
            assert_eq!(closest(typed, KNOWN), None, "{typed}");
        }
    }
}
