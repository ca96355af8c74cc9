//! A job as JSON: the same questions as for HCL, and the slips that Nomad answers with a parser's message.

use serde_json::{Map, Value};

use super::issue::{NativeIssue, Site};
use super::read::{Text, other_name, other_namespace};
use super::{Identity, MOST, json_place};
use crate::clients::nomad::canonical::unknown_members;
use crate::spec::nomad_job::NomadJob;
use crate::spec::path;

/// Members that hold a time, wherever they stand. Nomad's JSON wants nanoseconds there, and nothing else.
///
/// Source: Nomad, the `time.Duration` fields of `api.Job`.
const DURATIONS: [&str; 20] = [
    "Delay",
    "Grace",
    "HealthTimeout",
    "HealthyDeadline",
    "Interval",
    "KillTimeout",
    "LostAfter",
    "MaxClientDisconnect",
    "MaxDelay",
    "MaxRunDuration",
    "MinHealthyTime",
    "ProgressDeadline",
    "ShutdownDelay",
    "Splay",
    "Stagger",
    "StopAfterClientDisconnect",
    "StopOnClientAfter",
    "TTL",
    "Timeout",
    "VaultGrace",
];

/// Members that hold a time inside a template's `Wait`, and a count elsewhere.
const DURATIONS_OF_WAIT: [&str; 2] = ["Max", "Min"];

/// Members whose keys users choose, or that other programs read.
const FREE: [&str; 8] = [
    "Config",
    "Connect",
    "Env",
    "Meta",
    "Policy",
    "Header",
    "CanaryMeta",
    "Payload",
];

/// Nomad matches members without regard to case.
pub(super) fn spelling(members: &Map<String, Value>, name: &str) -> String {
    if members.contains_key(name) {
        return name.to_owned();
    }
    let found = members.keys().find(|key| key.eq_ignore_ascii_case(name));
    found.cloned().unwrap_or_else(|| name.to_owned())
}

fn member<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    let members = value.as_object()?;
    members.get(&spelling(members, name))
}

/// The job of `{"Job": …}`, or the value itself.
pub(super) fn unwrapped(value: &Value) -> &Value {
    member(value, "Job")
        .filter(|job| !job.is_null())
        .unwrap_or(value)
}

pub(super) fn identity(job: &Value) -> Identity {
    let text = |name| {
        let text = member(job, name)?.as_str()?;
        (!text.is_empty()).then(|| text.to_owned())
    };
    Identity {
        name: text("ID"),
        namespace: text("Namespace"),
        job_type: text("Type"),
    }
}

/// What is wrong with a JSON text, without the place that serde puts behind it.
pub(super) fn fault(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.rfind(" at line ") {
        Some(at) => text[..at].to_owned(),
        None => text,
    }
}

/// Where the JSON stands.
pub(super) enum Place<'a> {
    /// In `spec.job`.
    Field { value: &'a Value },
    /// In a file.
    Text { text: &'a Text, value: &'a Value },
}

impl Place<'_> {
    /// A path inside the job, e.g. `TaskGroups[0].Name`.
    fn site(&self, inside: &str) -> Site {
        let joined = |front: &str| match (front, inside) {
            ("", inside) => inside.to_owned(),
            (front, "") => front.to_owned(),
            (front, inside) => format!("{front}.{inside}"),
        };
        let wrapper = |value: &Value| match value.as_object() {
            Some(members) if member(value, "Job").is_some_and(|job| !job.is_null()) => {
                spelling(members, "Job")
            }
            _ => String::new(),
        };
        match self {
            Self::Field { value } => {
                let front = match wrapper(value).as_str() {
                    "" => "spec.job".to_owned(),
                    wrapper => format!("spec.job.{wrapper}"),
                };
                Site::Document(joined(&front))
            }
            Self::Text { text, value } => {
                let path = joined(&wrapper(value));
                let (line, column) = json_place::find(text.clean(), &path).unwrap_or((0, 0));
                match text.site_at(line, column) {
                    Site::File {
                        file, line, column, ..
                    } => Site::File {
                        file,
                        line,
                        column,
                        path,
                    },
                    other => other,
                }
            }
        }
    }
}

/// Everything that is wrong with a JSON job.
pub(super) fn check(value: &Value, job: &NomadJob, place: &Place<'_>) -> Vec<NativeIssue> {
    let mut issues = Vec::new();
    if !value.is_object() {
        let message = "a job is a JSON object, with or without `Job` around it";
        issues.push(NativeIssue::new("json-job", place.site(""), message));
        return issues;
    }
    if !job.spec.variables.is_empty() || !job.spec.variable_files.is_empty() {
        let site = Site::Document("spec.variables".to_owned());
        let message = "a JSON job has no variables";
        issues.push(NativeIssue::new("json-variables", site, message).help("use HCL"));
    }
    let said = identity(value);
    match &said.name {
        Some(name) if *name == job.metadata.name => {}
        Some(name) => issues.push(other_name(place.site("ID"), name, job)),
        None => {
            let message = "the job has no `ID`";
            let help = format!("set it to `{}`", job.metadata.name.escape_debug());
            issues.push(NativeIssue::new("job-name", place.site(""), message).help(help));
        }
    }
    if let (Some(said), Some(wanted)) = (&said.namespace, &job.metadata.namespace)
        && said != wanted
    {
        issues.push(other_namespace(place.site("Namespace"), said, wanted));
    }
    if member(value, "ParentID").is_some_and(|parent| !matches!(parent.as_str(), None | Some(""))) {
        let message = "this is a run of another job, started by the clock or on request";
        let issue = NativeIssue::new("json-child", place.site("ParentID"), message);
        issues.push(issue.help("describe the job that starts it"));
    }
    let mut found = Vec::new();
    durations(value, "", &mut found);
    issues.extend(found.into_iter().take(MOST).map(|(path, name)| {
        let message = format!("`{name}` must be a whole number of nanoseconds");
        NativeIssue::new("json-duration", place.site(&path), message)
            .help("1 s is 1000000000; HCL takes `10s`")
    }));
    let unknown = unknown_members(value).into_iter();
    issues.extend(unknown.take(MOST).map(|unknown| {
        let message = "Nomad knows no such member and overlooks it";
        let issue = NativeIssue::new("json-unknown", place.site(&unknown.path), message).warning();
        match unknown.meant {
            Some(meant) => issue.help(format!("did you mean `{meant}`?")),
            None => issue,
        }
    }));
    issues
}

/// Paths and names of times that are none.
fn durations(value: &Value, at: &str, found: &mut Vec<(String, String)>) {
    let known = |names: &[&str], name: &str| names.iter().any(|n| n.eq_ignore_ascii_case(name));
    match value {
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                durations(item, &path::element(at, index), found);
            }
        }
        Value::Object(members) => {
            for (name, inner) in members.iter().filter(|(name, _)| !known(&FREE, name)) {
                let is_time = known(&DURATIONS, name)
                    || at.ends_with(".Wait") && known(&DURATIONS_OF_WAIT, name);
                let at = path::member(at, name);
                if is_time && is_no_duration(inner) {
                    found.push((at, name.clone()));
                } else {
                    durations(inner, &at, found);
                }
            }
        }
        _ => {}
    }
}

fn is_no_duration(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Number(number) => !number.is_i64(),
        _ => true,
    }
}
