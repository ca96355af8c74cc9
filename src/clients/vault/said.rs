//! What Vault says about a refusal, fit for a log.

use std::fmt;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use url::form_urlencoded::byte_serialize;

use crate::secret::Secret;

/// Longest text, in characters.
const LONGEST: usize = 200;

/// How many characters in a row a text may have in common with a secret.
const IN_COMMON: usize = 7;

/// Vault's own words: one line of at most 200 characters, or nothing.
///
/// Nothing, too, when they repeat a part of a secret: Vault does quote what it refuses (`invalid secret_id "…"`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Said(Option<String>);

impl Said {
    /// Joins texts into one line, unless it gives away one of the secrets.
    pub(super) fn new(texts: &[String], secrets: &[&Secret]) -> Self {
        let joined = texts.join("; ");
        let line = one_line(&joined);
        let line = line.strip_prefix("1 error occurred: * ").unwrap_or(&line);
        let hidden = secrets
            .iter()
            .any(|secret| gives_away(&joined, secret) || gives_away(line, secret));
        if line.is_empty() || hidden {
            return Self(None);
        }
        let mut shown: String = line.chars().take(LONGEST).collect();
        if shown.len() < line.len() {
            shown.push('…');
        }
        Self(Some(shown))
    }

    /// Whether a word stands in it, in small letters.
    pub(super) fn mentions(&self, word: &str) -> bool {
        self.0
            .as_deref()
            .is_some_and(|text| text.to_lowercase().contains(word))
    }
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(text) => write!(f, " (Vault says: {text})"),
            None => Ok(()),
        }
    }
}

/// Control characters and runs of white space become one blank.
fn one_line(text: &str) -> String {
    text.split(|c: char| c.is_whitespace() || crate::plain::steers(c))
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

/// Whether a text has more than [`IN_COMMON`] characters in a row in common with a secret, plain or encoded in one of the
/// ways that web servers use. A secret that is not longer must not occur whole.
pub(super) fn gives_away(text: &str, secret: &Secret) -> bool {
    // Vault takes surrounding white space off before it looks, and quotes what is left.
    let secret = secret.expose().trim();
    let text = text.to_ascii_lowercase();
    let forms = [
        secret.to_owned(),
        byte_serialize(secret.as_bytes()).collect(),
        utf8_percent_encode(secret, NON_ALPHANUMERIC).to_string(),
        secret.escape_debug().to_string(),
    ];
    forms
        .iter()
        .any(|form| shares(&text, &form.to_ascii_lowercase()))
}

fn shares(text: &str, form: &str) -> bool {
    let characters: Vec<char> = form.chars().collect();
    let length = characters.len().min(IN_COMMON + 1);
    // An empty secret gives nothing away, and there are no windows of no characters.
    length > 0
        && characters
            .windows(length)
            .any(|part| text.contains(&part.iter().collect::<String>()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str, secret: &str) -> String {
        Said::new(&[text.to_owned()], &[&Secret::new(secret)]).to_string()
    }

    #[test]
    fn vaults_texts_become_one_bounded_line() {
        assert_eq!(
            said("1 error occurred:\n\t* permission denied\n\n", "s"),
            "",
            "a secret of one letter hides every text that has the letter"
        );
        assert_eq!(
            said("1 error occurred:\n\t* permission denied\n\n", "s3cret"),
            " (Vault says: permission denied)"
        );
        let both = ["a\u{1b}[31m".to_owned(), "b".to_owned()];
        assert_eq!(
            Said::new(&both, &[]).to_string(),
            " (Vault says: a [31m; b)"
        );
        assert_eq!(said(" \n ", "x"), "");
        let long = said(&"é".repeat(1000), "x");
        assert!(long.ends_with("é…)"), "{long}");
        assert_eq!(long.chars().filter(|c| *c == 'é').count(), LONGEST);
    }

    #[test]
    fn a_text_that_repeats_a_secret_is_not_shown() {
        let secret = "Cnry+se\"cret/8fq=Z";
        for text in [
            "invalid secret_id Cnry+se\"cret/8fq=Z",
            "invalid secret_id \"Cnry+se\\\"cret/8fq=Z\"",
            "CNRY+SE\"CRET/8FQ=Z",
            "cut off: Cnry+se\"",
            "cut off: ret/8fq=Z",
            "no route for ?x=Cnry%2Bse%22cret%2F8fq%3DZ",
            "no route for ?x=Cnry%2Bse",
        ] {
            assert_eq!(said(text, secret), "", "{text}");
        }
        assert_ne!(said("invalid secret_id", secret), "");
        assert_ne!(said("invalid secret_id", ""), "");
        assert_eq!(said("it was abc", " abc\n"), "");
    }

    #[test]
    fn a_secret_is_found_beyond_the_bound_and_across_line_breaks() {
        let far = format!("{}canary-value", "x ".repeat(400));
        assert_eq!(said(&far, "canary-value"), "");
        assert_eq!(said("canary\tvalue", "canary\tvalue"), "");
        assert_eq!(said("canary\n\nvalue", "canary value"), "");
    }
}
