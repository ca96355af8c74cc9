//! The lines of the file: where a member stands, and how one is put there.

use std::ops::Range;

use crate::config::file::{ContextName, Entry};

/// A text as YAML, in quotes unless it is plainly a word or an address, also inside `{}` and `[]`.
pub(super) fn scalar(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '/' | '@');
    let body = text
        .strip_prefix("https://")
        .or_else(|| text.strip_prefix("http://"))
        .map_or(text, |rest| {
            rest.split_once(':').map_or(rest, |(host, _)| host)
        });
    let is_word = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/')
        && body.chars().all(plain)
        && text.chars().all(|c| plain(c) || c == ':')
        && !text.ends_with(':');
    let means_something = matches!(
        text.to_ascii_lowercase().as_str(),
        "true" | "false" | "null" | "yes" | "no" | "on" | "off" | "y" | "n"
    );
    if is_word && !means_something {
        text.to_owned()
    } else {
        // JSON's texts are YAML's.
        serde_json::Value::from(text).to_string()
    }
}

pub(super) fn indent(line: &str) -> usize {
    line.len() - line.trim_start_matches(' ').len()
}

pub(super) fn says_nothing(line: &str) -> bool {
    let text = line.trim_start();
    text.is_empty() || text.starts_with('#')
}

/// The key that a line begins with.
pub(super) fn key_of(line: &str) -> Option<String> {
    let text = line.trim_start();
    if says_nothing(line) {
        return None;
    }
    for quote in ['"', '\''] {
        if let Some(rest) = text.strip_prefix(quote) {
            let (key, rest) = rest.split_once(quote)?;
            return rest.starts_with(':').then(|| key.to_owned());
        }
    }
    // A colon inside a name is followed by more of it.
    let end = text.find(": ").or_else(|| {
        let text = text.trim_end();
        text.ends_with(':').then(|| text.len() - 1)
    })?;
    Some(text[..end].to_owned())
}

/// The lines of the member `key` among those of `within` at the given indent: from its own line to its last one that
/// says something.
pub(super) fn member(
    lines: &[String],
    within: Range<usize>,
    at: usize,
    key: &str,
) -> Option<Range<usize>> {
    let start = within
        .clone()
        .find(|&i| indent(&lines[i]) == at && key_of(&lines[i]).as_deref() == Some(key))?;
    let told = (start + 1..within.end).filter(|&i| !says_nothing(&lines[i]));
    let inside = told.take_while(|&i| indent(&lines[i]) > at);
    let end = inside.last().unwrap_or(start) + 1;
    Some(start..end)
}

pub(super) fn contexts(lines: &[String]) -> Option<Range<usize>> {
    member(lines, 0..lines.len(), 0, "contexts")
}

/// Indent of the first line inside a block.
pub(super) fn inner_indent(lines: &[String], block: Range<usize>) -> Option<usize> {
    let inner = lines[block].iter().skip(1);
    inner
        .filter(|line| !says_nothing(line))
        .map(|line| indent(line))
        .next()
}

/// The lines of a context.
pub(super) fn block(lines: &[String], name: &ContextName) -> Option<Range<usize>> {
    let all = contexts(lines)?;
    let at = inner_indent(lines, all.clone())?;
    member(lines, all.start + 1..all.end, at, name.as_str())
}

pub(super) fn current(lines: &[String]) -> Option<ContextName> {
    let line = &lines[member(lines, 0..lines.len(), 0, "currentContext")?.start];
    let (_, value) = line.split_once(':')?;
    let (value, _) = split_comment(value);
    value.trim().trim_matches(['"', '\'']).parse().ok()
}

/// A value and the comment behind it, with the white space between.
pub(super) fn split_comment(text: &str) -> (&str, &str) {
    match text.find(" #") {
        Some(at) => {
            let at = text[..at].trim_end().len();
            text.split_at(at)
        }
        None => (text.trim_end(), ""),
    }
}

pub(super) fn set_current(lines: &mut Vec<String>, name: Option<&ContextName>) {
    let found = member(lines, 0..lines.len(), 0, "currentContext");
    match (found, name) {
        (Some(found), Some(name)) => {
            let comment = split_comment(&lines[found.start]).1.to_owned();
            let line = format!("currentContext: {}{comment}", scalar(name.as_str()));
            lines.splice(found, [line]);
        }
        (Some(found), None) => {
            lines.drain(found);
        }
        (None, Some(name)) => {
            // Behind what the file says about itself.
            let first = lines.iter().position(|line| !says_nothing(line));
            let at = match first {
                Some(at) if lines[at].starts_with("---") => at + 1,
                Some(at) => at,
                None => lines.len(),
            };
            let line = format!("currentContext: {}", scalar(name.as_str()));
            lines.insert(at, line);
        }
        (None, None) => {}
    }
}

pub(super) fn set_members(lines: &mut Vec<String>, name: &ContextName, given: &Entry) {
    let Some(found) = block(lines, name) else {
        add_context(lines, name, given);
        return;
    };
    let outer = indent(&lines[found.start]);
    let at = inner_indent(lines, found.clone()).unwrap_or(outer + 2);
    let mut end = found.end;
    for (key, value) in given.members() {
        let line = format!("{}{key}: {value}", " ".repeat(at));
        match member(lines, found.start + 1..end, at, key) {
            Some(old) => {
                let comment = if old.len() == 1 {
                    split_comment(&lines[old.start]).1.to_owned()
                } else {
                    String::new()
                };
                end -= old.len() - 1;
                lines.splice(old, [line + &comment]);
            }
            None => {
                lines.insert(end, line);
                end += 1;
            }
        }
    }
    // `prod: {}` and `prod: null` have no block to put members into: what is left of them does not fit, and is noticed.
}

pub(super) fn add_context(lines: &mut Vec<String>, name: &ContextName, entry: &Entry) {
    let all = contexts(lines).unwrap_or_else(|| {
        lines.push("contexts:".to_owned());
        lines.len() - 1..lines.len()
    });
    let at = inner_indent(lines, all.clone()).unwrap_or(2);
    let members = entry.members();
    let empty = if members.is_empty() { " {}" } else { "" };
    let mut new = vec![format!(
        "{}{}:{empty}",
        " ".repeat(at),
        scalar(name.as_str())
    )];
    let inner = " ".repeat(at + 2);
    new.extend(
        members
            .iter()
            .map(|(key, value)| format!("{inner}{key}: {value}")),
    );
    lines.splice(all.end..all.end, new);
}
