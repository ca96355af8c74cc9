//! The `Diff` of a plan: what changed by field, in Nomad's shape and with its blind spots (nomad-api.md 2.4).

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::change::task_is_destructive;
use super::job::Job;
use super::json::{list, text};
use super::scheduler::Updates;

/// Members of a job that are not compared, or not shown. `ID` names the diff itself.
const JOB_HIDDEN: &[&str] = &[
    "ID",
    "TaskGroups",
    "Update",
    "Spreads",
    "VersionTag",
    "Payload",
    "NomadTokenID",
    "Meta",
    "DispatchIdempotencyToken",
    "Multiregion",
];
/// Members of a group that make it `Edited` without being shown.
const GROUP_HIDDEN: &[&str] = &[
    "Spreads",
    "Name",
    "Tasks",
    "Meta",
    "StopAfterClientDisconnect",
];
/// Members of a task that make it `Edited` without being shown.
const TASK_HIDDEN: &[&str] = &[
    "RestartPolicy",
    "Lifecycle",
    "ScalingPolicies",
    "CSIPluginConfig",
    "Kind",
    "Name",
    "Env",
    "Meta",
    "Schedule",
];
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

/// The diff of a job.
pub(super) fn job(old: Option<&Job>, new: &Job, updates: &BTreeMap<String, Updates>) -> Value {
    let before = old.map(|job| &*job.spec);
    let after = &*new.spec;
    let empty = Value::Null;
    let before = before.unwrap_or(&empty);
    let mut fields = primitives(before, after, JOB_HIDDEN, false);
    fields.extend(map_fields("Meta", &before["Meta"], &after["Meta"]));
    sort(&mut fields);
    let objects = objects(before, after, JOB_HIDDEN);
    let groups = groups(before, after, old, new, updates);
    let edited = !fields.is_empty()
        || !objects.is_empty()
        || groups.iter().any(|group| text(group, "Type") != "None");
    let kind = match (before.is_null(), edited) {
        (true, _) => "Added",
        (false, true) => "Edited",
        (false, false) => "None",
    };
    json!({
        "Type": kind, "ID": text(after, "ID"), "Fields": nullable(fields), "Objects": nullable(objects),
        "TaskGroups": nullable(groups),
    })
}

fn groups(
    before: &Value,
    after: &Value,
    old: Option<&Job>,
    new: &Job,
    updates: &BTreeMap<String, Updates>,
) -> Vec<Value> {
    let (olds, news) = (named(before, "TaskGroups"), named(after, "TaskGroups"));
    let names: BTreeSet<_> = olds.keys().chain(news.keys()).copied().collect();
    let whole_job = old.is_some_and(|old| old.spec["Meta"] != new.spec["Meta"]);
    names
        .into_iter()
        .map(|name| {
            group(
                name,
                olds.get(name).copied(),
                news.get(name).copied(),
                updates.get(name),
                whole_job,
            )
        })
        .collect()
}

fn group(
    name: &str,
    old: Option<&Value>,
    new: Option<&Value>,
    updates: Option<&Updates>,
    whole_job: bool,
) -> Value {
    let (kind, before, after) = sides(old, new);
    let mut fields = primitives(before, after, GROUP_HIDDEN, false);
    fields.extend(map_fields("Meta", &before["Meta"], &after["Meta"]));
    sort(&mut fields);
    annotate_count(&mut fields);
    let objects = objects(before, after, GROUP_HIDDEN);
    let (olds, news) = (named(before, "Tasks"), named(after, "Tasks"));
    let tasks: BTreeSet<_> = olds.keys().chain(news.keys()).copied().collect();
    let tasks: Vec<_> = tasks
        .into_iter()
        .map(|name| task(name, olds.get(name).copied(), news.get(name).copied(), kind))
        .collect();
    let hidden = differs(before, after, GROUP_HIDDEN, &["Name", "Tasks", "Meta"]);
    let edited = hidden
        || stagger_changed(before, after)
        || !fields.is_empty()
        || !objects.is_empty()
        || tasks.iter().any(|task| text(task, "Type") != "None");
    let kind = match kind {
        "Edited" if !edited => "None",
        kind => kind,
    };
    let _ = whole_job;
    json!({
        "Type": kind, "Name": name, "Fields": nullable(fields), "Objects": nullable(objects),
        "Tasks": nullable(tasks), "Updates": update_counts(updates),
    })
}

fn stagger_changed(before: &Value, after: &Value) -> bool {
    before["Update"].is_object()
        && after["Update"].is_object()
        && before["Update"]["Stagger"] != after["Update"]["Stagger"]
}

fn annotate_count(fields: &mut [Value]) {
    for field in fields
        .iter_mut()
        .filter(|field| text(field, "Name") == "Count")
    {
        let number = |name: &str| text(field, name).parse::<i64>().unwrap_or(0);
        let why = if number("New") > number("Old") {
            "forces create"
        } else {
            "forces destroy"
        };
        field["Annotations"] = json!([why]);
    }
}

fn update_counts(updates: Option<&Updates>) -> Value {
    let Some(updates) = updates else {
        return Value::Null;
    };
    let counts = [
        ("ignore", updates.ignore),
        ("create", updates.place),
        ("migrate", updates.migrate),
        ("destroy", updates.stop),
        ("in-place update", updates.in_place),
        ("create/destroy update", updates.destructive),
        ("canary", updates.canary),
    ];
    let counts: Map<_, _> = counts
        .into_iter()
        .filter(|(_, count)| *count > 0)
        .map(|(name, count)| (name.to_owned(), json!(count)))
        .collect();
    if counts.is_empty() {
        Value::Null
    } else {
        Value::Object(counts)
    }
}

fn task(name: &str, old: Option<&Value>, new: Option<&Value>, group: &str) -> Value {
    let (kind, before, after) = sides(old, new);
    let mut fields = primitives(before, after, TASK_HIDDEN, false);
    fields.extend(map_fields("Env", &before["Env"], &after["Env"]));
    fields.extend(map_fields("Meta", &before["Meta"], &after["Meta"]));
    sort(&mut fields);
    let objects = objects(before, after, TASK_HIDDEN);
    let hidden = differs(before, after, TASK_HIDDEN, &["Name", "Env", "Meta"]);
    let edited = hidden || !fields.is_empty() || !objects.is_empty();
    let kind = match kind {
        "Edited" if !edited => "None",
        kind => kind,
    };
    let annotation = match (kind, group) {
        ("None", _) => None,
        ("Added", "Added") => Some("forces create"),
        ("Deleted", "Deleted") => Some("forces destroy"),
        ("Added" | "Deleted", _) => Some("forces create/destroy update"),
        _ if task_is_destructive(before, after) || log_files_changed(before, after) => {
            Some("forces create/destroy update")
        }
        _ => Some("forces in-place update"),
    };
    json!({
        "Type": kind, "Name": name, "Fields": nullable(fields), "Objects": nullable(objects),
        "Annotations": annotation.map(|text| json!([text])).unwrap_or(Value::Null),
    })
}

/// Nomad says that these force a restart, which they do not.
fn log_files_changed(before: &Value, after: &Value) -> bool {
    before["LogConfig"] != after["LogConfig"]
}

fn sides<'a>(
    old: Option<&'a Value>,
    new: Option<&'a Value>,
) -> (&'static str, &'a Value, &'a Value) {
    const NOTHING: &Value = &Value::Null;
    match (old, new) {
        (None, Some(new)) => ("Added", NOTHING, new),
        (Some(old), None) => ("Deleted", old, NOTHING),
        (Some(old), Some(new)) => ("Edited", old, new),
        (None, None) => ("None", NOTHING, NOTHING),
    }
}

fn differs(before: &Value, after: &Value, hidden: &[&str], shown: &[&str]) -> bool {
    if before.is_null() || after.is_null() {
        return false;
    }
    hidden
        .iter()
        .filter(|name| !shown.contains(name))
        .any(|name| before[*name] != after[*name])
}

fn named<'a>(of: &'a Value, member: &str) -> BTreeMap<&'a str, &'a Value> {
    list(of, member)
        .iter()
        .map(|item| (text(item, "Name"), item))
        .collect()
}

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
fn primitives(before: &Value, after: &Value, hidden: &[&str], context: bool) -> Vec<Value> {
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

fn map_fields(label: &str, before: &Value, after: &Value) -> Vec<Value> {
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
fn objects(before: &Value, after: &Value, hidden: &[&str]) -> Vec<Value> {
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
            found.extend(object_diff(name, old, new));
        }
    }
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
        return vec![set_diff(name, &olds, &gone, &come)];
    }
    let label = SINGULAR
        .iter()
        .find(|(many, _)| *many == name)
        .map_or(name, |(_, one)| *one);
    let mut found = Vec::new();
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

fn set_diff(name: &str, olds: &[Value], gone: &[&Value], come: &[&Value]) -> Value {
    let mut fields = Vec::new();
    for item in gone {
        fields.extend(field(name, plain(item).as_deref(), None, false));
    }
    for item in come {
        fields.extend(field(name, None, plain(item).as_deref(), false));
    }
    let kind = match (olds.is_empty(), come.is_empty()) {
        (true, _) => "Added",
        (_, true) if gone.len() == olds.len() => "Deleted",
        _ => "Edited",
    };
    json!({"Type": kind, "Name": name, "Fields": nullable(fields), "Objects": null})
}

fn sort(fields: &mut [Value]) {
    fields.sort_by(|one, other| text(one, "Name").cmp(text(other, "Name")));
}

fn nullable(items: Vec<Value>) -> Value {
    if items.is_empty() {
        Value::Null
    } else {
        Value::Array(items)
    }
}
