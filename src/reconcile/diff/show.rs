//! How values are shown, and which are not.

use serde_json::Value;

use super::path::{Place, Step};

/// Longest text of a value before it is cut, in characters.
const LONGEST: usize = 160;

/// A value as people may see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shown {
    /// Compact JSON; empty when there is no value. Secrets inside are replaced, long texts are cut.
    Value(String),
    /// It may be a secret.
    Hidden,
}

/// What stands in place of a secret inside a larger value.
const HIDDEN: &str = "(hidden)";

/// Parts of names that promise a secret.
const TELLTALES: [&str; 5] = ["password", "passwd", "secret", "token", "credential"];

/// Values that may carry a secret: environment, rendered files, credentials of registries and downloads, and whatever
/// says so by its name. `members` are those of the job on the way there, without the entries of lists.
#[must_use]
pub fn is_secret(members: &[&str]) -> bool {
    let task: &[&str] = match members {
        ["TaskGroups", "Tasks", task @ ..] => task,
        _ => members,
    };
    let by_place = matches!(
        task,
        ["Env", _, ..]
            | ["Templates", "EmbeddedTmpl"]
            | ["Config", "auth" | "env" | "environment" | "logging", ..]
            | ["Secrets", "Config" | "Env", _, ..]
            | ["Artifacts", "GetterSource"]
            | ["Artifacts", "GetterHeaders" | "GetterOptions", _, ..]
    ) || matches!(
        members,
        [.., "Env", _] | [.., "Checks", "Header", _] | [.., "MountOptions", "MountFlags"]
    );
    by_place || has_telling_name(task)
}

/// Keys that users choose: in `Meta` and in a driver's configuration.
fn has_telling_name(members: &[&str]) -> bool {
    let keys = members
        .iter()
        .skip_while(|member| !matches!(**member, "Meta" | "Config"));
    keys.skip(1).any(|key| tells_of_secret(key))
}

/// Whether a name that users chose promises a secret.
pub(crate) fn tells_of_secret(name: &str) -> bool {
    let name = name.to_lowercase();
    TELLTALES.iter().any(|telltale| name.contains(telltale))
}

pub(super) fn shown(value: Option<&Value>, path: &[Step<'_>], hide: &[Place]) -> Shown {
    let Some(value) = value.filter(|value| !value.is_null()) else {
        return Shown::Value(String::new());
    };
    let mut members: Vec<&str> = path.iter().filter_map(Step::member).collect();
    let mut steps = path.to_vec();
    if is_secret(&members) || hide.iter().any(|place| place.covers(path)) {
        return Shown::Hidden;
    }
    let text = match value {
        Value::Object(_) | Value::Array(_) => {
            redacted(value, &mut members, &mut steps, hide).to_string()
        }
        scalar => scalar.to_string(),
    };
    Shown::Value(cut(&text))
}

/// The whole value with a word in place of each secret.
#[must_use]
pub fn without_secrets(job: &Value) -> Value {
    let mut job = job.clone();
    hide_in(&mut job, &mut Vec::new());
    job
}

fn hide_in(value: &mut Value, members: &mut Vec<String>) {
    match value {
        Value::Object(object) => {
            for (name, inner) in object.iter_mut() {
                members.push(name.clone());
                let path: Vec<&str> = members.iter().map(String::as_str).collect();
                if !is_secret(&path) {
                    hide_in(inner, members);
                } else if !inner.is_null() {
                    *inner = Value::from(HIDDEN);
                }
                members.pop();
            }
        }
        Value::Array(list) => list.iter_mut().for_each(|entry| hide_in(entry, members)),
        _ => {}
    }
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(LONGEST) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

/// The value without its secrets, and without members that say nothing.
fn redacted<'a>(
    value: &'a Value,
    members: &mut Vec<&'a str>,
    steps: &mut Vec<Step<'a>>,
    hide: &[Place],
) -> Value {
    match value {
        Value::Object(object) => {
            let mut kept = serde_json::Map::new();
            for (name, inner) in object.iter().filter(|(_, inner)| says_something(inner)) {
                members.push(name);
                steps.push(Step::Member(name));
                let inner = if is_secret(members) || hide.iter().any(|place| place.covers(steps)) {
                    Value::from(HIDDEN)
                } else {
                    redacted(inner, members, steps, hide)
                };
                kept.insert(name.clone(), inner);
                members.pop();
                steps.pop();
            }
            Value::Object(kept)
        }
        Value::Array(list) => {
            let entries = list.iter().map(|entry| {
                steps.push(Step::Entry(
                    super::lists::name_of(entry).unwrap_or_default().to_owned(),
                ));
                let entry = redacted(entry, members, steps, hide);
                steps.pop();
                entry
            });
            Value::Array(entries.collect())
        }
        scalar => scalar.clone(),
    }
}

fn says_something(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => false,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(list) => !list.is_empty(),
        Value::Object(object) => !object.is_empty(),
        Value::Bool(true) => true,
    }
}
