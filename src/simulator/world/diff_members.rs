//! Differences of members: plain ones, maps, objects and lists, in Nomad's shape.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::json::text;

/// Members whose change counts but is not shown inside their object.
const OBJECT_HIDDEN: &[(&str, &str)] = &[
    ("Update", "Stagger"),
    ("Scaling", "ID"),
    ("Scaling", "CreateIndex"),
    ("Scaling", "ModifyIndex"),
];

/// Objects in lists go by a name of their own.
const SINGULAR: &[(&str, &str)] = &[
    ("Constraints", "Constraint"),
    ("Affinities", "Affinity"),
    ("Networks", "Network"),
    ("Services", "Service"),
    ("Artifacts", "Artifact"),
    ("Templates", "Template"),
    ("VolumeMounts", "VolumeMount"),
    ("Checks", "Check"),
    ("ReservedPorts", "Static Port"),
    ("DynamicPorts", "Dynamic Port"),
    ("Devices", "Device"),
    ("Identities", "Identity"),
    ("Links", "Link"),
];

fn keys<'a>(before: &'a Value, after: &'a Value) -> BTreeSet<&'a str> {
    let names = |value: &'a Value| {
        value
            .as_object()
            .into_iter()
            .flat_map(Map::keys)
            .map(String::as_str)
    };
    names(before).chain(names(after)).collect()
}

fn plain(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        _ => None,
    }
}

/// Differences of plain members. With `context` equal ones are shown too, as Nomad does inside objects that changed.
pub(super) fn primitives(
    before: &Value,
    after: &Value,
    hidden: &[&str],
    context: bool,
) -> Vec<Value> {
    let mut fields = Vec::new();
    for name in keys(before, after) {
        if hidden.contains(&name) {
            continue;
        }
        let (old, new) = (plain(&before[name]), plain(&after[name]));
        if old.is_none() && new.is_none() {
            continue;
        }
        fields.extend(field(name, old.as_deref(), new.as_deref(), context));
    }
    fields
}

fn field(name: &str, old: Option<&str>, new: Option<&str>, context: bool) -> Option<Value> {
    let (old, new) = (old.unwrap_or_default(), new.unwrap_or_default());
    let kind = match (old.is_empty(), new.is_empty()) {
        _ if old == new && context => "None",
        _ if old == new => return None,
        (true, _) => "Added",
        (_, true) => "Deleted",
        _ => "Edited",
    };
    Some(json!({"Type": kind, "Name": name, "Old": old, "New": new, "Annotations": null}))
}

pub(super) fn map_fields(label: &str, before: &Value, after: &Value) -> Vec<Value> {
    keys(before, after)
        .into_iter()
        .filter_map(|key| {
            let (old, new) = (plain(&before[key]), plain(&after[key]));
            field(
                &format!("{label}[{key}]"),
                old.as_deref(),
                new.as_deref(),
                false,
            )
        })
        .collect()
}

/// Differences of members that are objects or lists.
pub(super) fn objects(before: &Value, after: &Value, hidden: &[&str]) -> Vec<Value> {
    let mut found = Vec::new();
    for name in keys(before, after) {
        if hidden.contains(&name) {
            continue;
        }
        let (old, new) = (&before[name], &after[name]);
        if old == new {
            continue;
        }
        if old.is_array() || new.is_array() {
            found.extend(list_diff(name, old, new));
        } else if old.is_object() || new.is_object() {
            let (old, new) = match name {
                "Config" => (&flattened(old), &flattened(new)),
                _ => (old, new),
            };
            found.extend(object_diff(name, old, new));
        }
    }
    arrange(&mut found);
    found
}

fn object_diff(name: &str, old: &Value, new: &Value) -> Option<Value> {
    let kind = match (old.is_object(), new.is_object()) {
        (false, true) => "Added",
        (true, false) => "Deleted",
        _ => "Edited",
    };
    let hidden: Vec<&str> = OBJECT_HIDDEN
        .iter()
        .filter(|(object, _)| *object == name)
        .map(|(_, member)| *member)
        .collect();
    let mut fields = primitives(old, new, &hidden, true);
    sort(&mut fields);
    let inner = objects(old, new, &hidden);
    let changed = |field: &Value| text(field, "Type") != "None";
    if !fields.iter().any(changed) {
        // Only `Scaling` is reported without a visible difference.
        if inner.is_empty() && name != "Scaling" {
            return None;
        }
        if inner.is_empty() {
            fields.clear();
        }
    }
    Some(
        json!({"Type": kind, "Name": name, "Fields": nullable(fields), "Objects": nullable(inner)}),
    )
}

fn list_diff(name: &str, old: &Value, new: &Value) -> Vec<Value> {
    let items = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let (olds, news) = (items(old), items(new));
    let gone: Vec<_> = olds.iter().filter(|item| !news.contains(item)).collect();
    let come: Vec<_> = news.iter().filter(|item| !olds.contains(item)).collect();
    if gone.is_empty() && come.is_empty() {
        return Vec::new();
    }
    if gone.iter().chain(&come).all(|item| plain(item).is_some()) {
        return vec![set_diff(name, &olds, &news)];
    }
    let label = SINGULAR
        .iter()
        .find(|(many, _)| *many == name)
        .map_or(name, |(_, one)| *one);
    let mut found = Vec::new();
    let mut come = come;
    come.sort_by_key(|item| text(item, "EmbeddedTmpl").to_owned());
    let mut left = gone.clone();
    for item in come {
        let twin = left.iter().position(|old| same_identity(old, item));
        let old = twin.map(|at| left.remove(at)).unwrap_or(&Value::Null);
        found.extend(object_diff(label, old, item));
    }
    for item in left {
        found.extend(object_diff(label, item, &Value::Null));
    }
    found
}

/// Whether two items of a list are the same thing, changed.
fn same_identity(old: &Value, new: &Value) -> bool {
    ["Name", "DestPath", "Label"].iter().any(|name| {
        old.get(*name)
            .is_some_and(|value| !text(old, name).is_empty() && new.get(*name) == Some(value))
    })
}

/// A list of texts: all of it is shown, ordered by what was there before.
fn set_diff(name: &str, olds: &[Value], news: &[Value]) -> Value {
    let all: BTreeSet<(String, String)> = olds
        .iter()
        .chain(news)
        .map(|item| {
            let shown = |list: &[Value]| list.contains(item).then(|| plain(item)).flatten();
            (
                shown(olds).unwrap_or_default(),
                shown(news).unwrap_or_default(),
            )
        })
        .collect();
    let fields = all
        .iter()
        .filter_map(|(old, new)| field(name, Some(old), Some(new), true))
        .collect();
    let gone = olds.iter().any(|item| !news.contains(item));
    let come = news.iter().any(|item| !olds.contains(item));
    let kind = match (gone, come) {
        (true, true) => "Edited",
        (true, false) => "Deleted",
        _ => "Added",
    };
    json!({"Type": kind, "Name": name, "Fields": nullable(fields), "Objects": null})
}

/// The plain members of a driver's configuration at every depth: `labels[0][team]`.
fn flattened(value: &Value) -> Value {
    fn walk(at: &str, value: &Value, into: &mut Map<String, Value>) {
        let below = |part: &str| {
            if at.is_empty() {
                part.to_owned()
            } else {
                format!("{at}[{part}]")
            }
        };
        match value {
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    walk(&below(&index.to_string()), item, into);
                }
            }
            Value::Object(members) => {
                for (name, member) in members {
                    walk(&below(name), member, into);
                }
            }
            other => {
                into.insert(at.to_owned(), other.clone());
            }
        }
    }
    if value.is_null() {
        return Value::Null;
    }
    let mut flat = Map::new();
    walk("", value, &mut flat);
    Value::Object(flat)
}

/// Objects in Nomad's order; others stay behind by name.
const ORDER: &[&str] = &[
    "Datacenters",
    "Constraint",
    "Affinity",
    "Config",
    "RestartPolicy",
    "Migrate",
    "ReschedulePolicy",
    "EphemeralDisk",
    "Update",
    "Scaling",
    "Network",
    "Service",
    "Resources",
    "LogConfig",
    "Artifact",
    "Volume",
    "Vault",
    "Template",
    "Identity",
];

fn arrange(objects: &mut [Value]) {
    objects.sort_by_key(|object| {
        let name = text(object, "Name");
        let known = ORDER.iter().position(|known| *known == name);
        known.unwrap_or(ORDER.len())
    });
}

pub(super) fn sort(fields: &mut [Value]) {
    fields.sort_by(|one, other| text(one, "Name").cmp(text(other, "Name")));
}

pub(super) fn nullable(items: Vec<Value>) -> Value {
    if items.is_empty() {
        Value::Null
    } else {
        Value::Array(items)
    }
}
