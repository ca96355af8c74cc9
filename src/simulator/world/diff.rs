//! The `Diff` of a plan: what changed by field, in Nomad's shape and with its blind spots (nomad-api.md 2.4).

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::change::task_is_destructive;
use super::diff_members::{map_fields, nullable, objects, primitives, sort};
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
    let groups = groups(before, after, updates);
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

fn groups(before: &Value, after: &Value, updates: &BTreeMap<String, Updates>) -> Vec<Value> {
    let (olds, news) = (named(before, "TaskGroups"), named(after, "TaskGroups"));
    let names: BTreeSet<_> = olds.keys().chain(news.keys()).copied().collect();
    names
        .into_iter()
        .map(|name| {
            group(
                name,
                olds.get(name).copied(),
                news.get(name).copied(),
                updates.get(name),
            )
        })
        .collect()
}

fn group(name: &str, old: Option<&Value>, new: Option<&Value>, updates: Option<&Updates>) -> Value {
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
    Value::Object(counts)
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
