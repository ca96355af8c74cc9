//! Texts. Positions and lengths count characters.

use serde_json::{Value, json};

use super::{Function, Outcome, failed, fixed, list_at, repeated, text_at, whole_at};
use crate::simulator::jobspec::convert;

pub(super) const TABLE: &[Function] = &[
    fixed("chomp", &["str"], |arguments| {
        Ok(json!(text_at(arguments, 0)?.trim_end_matches(['\r', '\n'])))
    }),
    fixed("indent", &["spaces", "str"], |arguments| {
        let spaces = usize::try_from(whole_at(arguments, 0)?).unwrap_or(0);
        let text = text_at(arguments, 1)?;
        Ok(json!(text.replace(
            '\n',
            &format!("\n{}", " ".repeat(spaces.min(1000)))
        )))
    }),
    repeated("join", &["separator"], "lists", join),
    fixed("lower", &["str"], |arguments| {
        Ok(json!(text_at(arguments, 0)?.to_lowercase()))
    }),
    fixed("upper", &["str"], |arguments| {
        Ok(json!(upper(&text_at(arguments, 0)?)))
    }),
    fixed("title", &["str"], |arguments| {
        Ok(json!(title(&text_at(arguments, 0)?)))
    }),
    fixed("trim", &["str", "cutset"], |arguments| {
        let cut: Vec<char> = text_at(arguments, 1)?.chars().collect();
        Ok(json!(text_at(arguments, 0)?.trim_matches(cut.as_slice())))
    }),
    fixed("trimprefix", &["str", "prefix"], |arguments| {
        let (text, prefix) = (text_at(arguments, 0)?, text_at(arguments, 1)?);
        Ok(json!(text.strip_prefix(&prefix).unwrap_or(&text)))
    }),
    fixed("trimsuffix", &["str", "suffix"], |arguments| {
        let (text, suffix) = (text_at(arguments, 0)?, text_at(arguments, 1)?);
        Ok(json!(text.strip_suffix(&suffix).unwrap_or(&text)))
    }),
    fixed("trimspace", &["str"], |arguments| {
        Ok(json!(text_at(arguments, 0)?.trim()))
    }),
    fixed("replace", &["str", "substr", "replace"], |arguments| {
        let (text, from) = (text_at(arguments, 0)?, text_at(arguments, 1)?);
        Ok(json!(text.replace(&from, &text_at(arguments, 2)?)))
    }),
    fixed(
        "regex_replace",
        &["str", "pattern", "replace"],
        |arguments| match regex_lite::Regex::new(&text_at(arguments, 1)?) {
            Ok(pattern) => {
                let (text, by) = (text_at(arguments, 0)?, text_at(arguments, 2)?);
                Ok(json!(pattern.replace_all(&text, by.as_str())))
            }
            Err(error) => failed(format!("invalid regular expression: {error}")),
        },
    ),
    fixed("split", &["separator", "str"], |arguments| {
        let (separator, text) = (text_at(arguments, 0)?, text_at(arguments, 1)?);
        if separator.is_empty() {
            return Ok(text.chars().map(|c| json!(c)).collect());
        }
        Ok(text.split(&separator).map(|part| json!(part)).collect())
    }),
    fixed("strlen", &["str"], |arguments| {
        Ok(json!(text_at(arguments, 0)?.chars().count()))
    }),
    fixed("strrev", &["str"], reversed),
    fixed("reverse", &["str"], reversed),
    fixed("substr", &["str", "offset", "length"], substr),
];

fn reversed(arguments: &[Value]) -> Outcome {
    let text = text_at(arguments, 0)?;
    Ok(json!(text.chars().rev().collect::<String>()))
}

/// Letter by letter, as Go does: `ß` stays one letter.
fn upper(text: &str) -> String {
    text.chars().map(upper_letter).collect()
}

fn upper_letter(letter: char) -> char {
    let mut upper = letter.to_uppercase();
    match (upper.next(), upper.next()) {
        (Some(only), None) => only,
        _ => letter,
    }
}

fn title(text: &str) -> String {
    let mut start = true;
    let letters = text.chars().map(|c| {
        let letter = if start { upper_letter(c) } else { c };
        start = !c.is_alphanumeric() && c != '_' && c != '\'';
        letter
    });
    letters.collect()
}

fn join(arguments: &[Value]) -> Outcome {
    let separator = text_at(arguments, 0)?;
    let mut parts = Vec::new();
    if arguments.len() == 1 {
        return failed("at least one list is required");
    }
    for position in 1..arguments.len() {
        for item in list_at(arguments, position)? {
            match convert::text(item) {
                Ok(text) => parts.push(text),
                Err(error) => return Err(super::Wrong::Argument(position, error)),
            }
        }
    }
    Ok(json!(parts.join(&separator)))
}

/// A negative offset counts from the end, a negative length means the rest.
fn substr(arguments: &[Value]) -> Outcome {
    let letters: Vec<char> = text_at(arguments, 0)?.chars().collect();
    let (offset, length) = (whole_at(arguments, 1)?, whole_at(arguments, 2)?);
    let start = match usize::try_from(offset) {
        Ok(offset) => offset,
        Err(_) => {
            let back = usize::try_from(offset.unsigned_abs()).unwrap_or(usize::MAX);
            letters.len().saturating_sub(back)
        }
    };
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    let part = letters.iter().skip(start).take(length);
    Ok(json!(part.collect::<String>()))
}
