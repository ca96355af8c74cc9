//! What to send: the desired job, with what belongs to others taken over from the observed one.

use serde_json::{Map, Value};

use super::DiffOptions;
use super::lists::name_of;

/// The job to register: `desired` as it was compiled, the namespace of the query, counts that an autoscaler owns, and
/// the places of [`DiffOptions::ignore`] as they were observed.
///
/// It has no drift against `observed` exactly if `desired` has none.
#[must_use]
pub fn merged(desired: &Value, observed: &Value, options: &DiffOptions) -> Value {
    let mut job = desired.clone();
    if let Some(namespace) = &options.namespace {
        set_member(&mut job, "Namespace", namespace.as_str().into());
    }
    take_counts(&mut job, observed);
    for place in &options.ignore {
        take_over(&mut job, Some(observed), place.steps());
    }
    job
}

/// Nomad matches members without regard to case.
pub(super) fn member<'a>(object: &'a Value, name: &str) -> Option<&'a Value> {
    let object = object.as_object()?;
    object.get(name).or_else(|| {
        let mut members = object.iter();
        members
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    })
}

fn spelling(object: &Map<String, Value>, name: &str) -> String {
    if object.contains_key(name) {
        return name.to_owned();
    }
    let found = object.keys().find(|key| key.eq_ignore_ascii_case(name));
    found.cloned().unwrap_or_else(|| name.to_owned())
}

pub(super) fn set_member(object: &mut Value, name: &str, value: Value) {
    if let Some(object) = object.as_object_mut() {
        let key = spelling(object, name);
        object.insert(key, value);
    }
}

/// Counts of groups with an enabled policy are the autoscaler's, as far as the policy allows them.
pub(super) fn take_counts(job: &mut Value, observed: &Value) {
    let Some(groups) = member_mut(job, "TaskGroups").and_then(Value::as_array_mut) else {
        return;
    };
    for group in groups {
        if let Some(count) = scaled_count(group, observed) {
            set_member(group, "Count", count.into());
        }
    }
}

fn scaled_count(group: &Value, observed: &Value) -> Option<i64> {
    let scaling = member(group, "Scaling").filter(|scaling| scaling.is_object())?;
    if member(scaling, "Enabled").and_then(Value::as_bool) == Some(false) {
        return None;
    }
    let name = member(group, "Name")?;
    let groups = observed.get("TaskGroups")?.as_array()?;
    let found = groups
        .iter()
        .find(|group| group.get("Name") == Some(name))?;
    let count = found.get("Count")?.as_i64()?;
    let bound = |name| member(scaling, name).and_then(Value::as_i64);
    let least = bound("Min")
        .or_else(|| member(group, "Count").and_then(Value::as_i64))
        .unwrap_or(1);
    let most = bound("Max").unwrap_or(i64::MAX).max(least);
    Some(count.clamp(least, most))
}

fn member_mut<'a>(object: &'a mut Value, name: &str) -> Option<&'a mut Value> {
    let object = object.as_object_mut()?;
    let key = spelling(object, name);
    object.get_mut(&key)
}

/// Replaces the place in `job` by what was observed there; without such a place the member goes.
fn take_over(job: &mut Value, observed: Option<&Value>, steps: &[String]) {
    let [step, rest @ ..] = steps else {
        return;
    };
    if step == "*" {
        for name in names(job, observed) {
            let mut concrete = vec![name];
            concrete.extend_from_slice(rest);
            take_over(job, observed, &concrete);
        }
        return;
    }
    let observed = observed.and_then(|value| part(value, step));
    match job {
        Value::Object(object) => {
            let key = spelling(object, step);
            if rest.is_empty() {
                match observed {
                    Some(value) => object.insert(key, value.clone()),
                    None => object.remove(&key),
                };
            } else if let Some(inner) = inner_or_new(object, key, observed) {
                take_over(inner, observed, rest);
            }
        }
        Value::Array(list) => take_over_entry(list, step, observed, rest),
        _ => {}
    }
}

/// A member that the desired job leaves out starts out empty when the observed job has it.
fn inner_or_new<'a>(
    object: &'a mut Map<String, Value>,
    key: String,
    observed: Option<&Value>,
) -> Option<&'a mut Value> {
    let absent = object.get(&key).is_none_or(Value::is_null);
    if absent {
        let empty = match observed? {
            Value::Object(_) => Value::Object(Map::new()),
            Value::Array(_) => Value::Array(Vec::new()),
            _ => return None,
        };
        object.insert(key.clone(), empty);
    }
    object.get_mut(&key)
}

fn take_over_entry(list: &mut Vec<Value>, name: &str, observed: Option<&Value>, rest: &[String]) {
    let at = list
        .iter()
        .position(|entry| name_of_any(entry) == Some(name));
    match (at, observed, rest) {
        (Some(at), Some(observed), []) => list[at] = observed.clone(),
        (Some(at), None, []) => {
            list.remove(at);
        }
        (None, Some(observed), []) => list.push(observed.clone()),
        (None, None, []) | (None, _, [_, ..]) => {}
        (Some(at), observed, rest) => take_over(&mut list[at], observed, rest),
    }
}

fn name_of_any(entry: &Value) -> Option<&str> {
    name_of(entry).or_else(|| member(entry, "Name")?.as_str())
}

fn part<'a>(value: &'a Value, step: &str) -> Option<&'a Value> {
    match value {
        Value::Array(list) => list.iter().find(|entry| name_of_any(entry) == Some(step)),
        other => member(other, step),
    }
}

/// What `*` stands for.
fn names(job: &Value, observed: Option<&Value>) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for value in [Some(job), observed].into_iter().flatten() {
        match value {
            Value::Object(object) => names.extend(object.keys().cloned()),
            Value::Array(list) => {
                names.extend(list.iter().filter_map(name_of_any).map(str::to_owned));
            }
            _ => {}
        }
    }
    names.sort();
    names.dedup();
    names
}
