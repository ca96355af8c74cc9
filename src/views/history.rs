//! The versions of a job that Nomad still has: what each changed, and what became of it.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::clients::nomad::calls::jobs::Submission;
use crate::clients::nomad::types::{JobRecord, Rollout};
use crate::reconcile::diff::{DiffOptions, diff};

use super::text::Nanos;

/// Key of a submission's flags: fingerprint of the specification.
pub const FLAG_DIGEST: &str = "cs_digest";
/// Key of a submission's flags: revision of the source.
pub const FLAG_REVISION: &str = "cs_revision";

/// One version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// Its number.
    pub number: u64,
    /// It is the one that runs.
    pub is_current: bool,
    /// Nomad saw it healthy.
    pub is_stable: bool,
    /// It stops the job.
    pub is_stop: bool,
    /// When it was submitted; 0 when unknown.
    pub submitted: Nanos,
    /// Name that somebody gave it.
    pub tag: Option<String>,
    /// What became of its rollout, as long as Nomad knows it.
    pub rollout: Option<RolloutEnd>,
    /// What it changed against the version before it, one line each; `None` when Nomad does not have that version.
    pub changes: Option<Vec<String>>,
    /// Fingerprint of the specification that `cs` wrote.
    pub digest: Option<String>,
    /// Revision of the source that `cs` wrote.
    pub revision: Option<String>,
}

/// What became of a rollout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RolloutEnd {
    /// `running`, `paused`, `failed`, `cancelled` or `successful`.
    pub status: String,
    /// Nomad's sentence.
    pub description: String,
}

impl Version {
    /// What it was about, in a few words.
    #[must_use]
    pub fn summary(&self) -> String {
        match &self.changes {
            _ if self.is_stop => "stopped".to_owned(),
            None => "first version that Nomad has".to_owned(),
            Some(changes) => match changes.as_slice() {
                [] => "no change".to_owned(),
                [one] => one.clone(),
                more => format!("{} changes", more.len()),
            },
        }
    }
}

/// The history of a job, newest first.
///
/// `versions` are as Nomad lists them; `submissions` are those that could be read, by version.
#[must_use]
pub fn history(
    versions: &[JobRecord],
    rollouts: &[Rollout],
    submissions: &BTreeMap<u64, Submission>,
) -> Vec<Version> {
    let mut history = Vec::with_capacity(versions.len());
    for (place, version) in versions.iter().enumerate() {
        let head = &version.head;
        let before = versions
            .get(place + 1)
            .filter(|before| before.head.version + 1 == head.version);
        let flags = submissions
            .get(&head.version)
            .filter(|_| has_own_source(version, before))
            .map(|submission| &submission.variable_flags);
        let flag = |name: &str| flags.and_then(|flags| flags.get(name)).cloned();
        history.push(Version {
            number: head.version,
            is_current: place == 0,
            is_stable: head.stable,
            is_stop: head.stop,
            submitted: submitted(version, rollouts),
            tag: head.version_tag.as_ref().map(|tag| tag.name.clone()),
            rollout: rollout_of(version, rollouts),
            changes: before.map(|before| changes(version, before)),
            digest: flag(FLAG_DIGEST),
            revision: flag(FLAG_REVISION),
        });
    }
    history
}

/// A stop copies the source of the version before it (nomad-api.md 2.5), which says nothing about the stop.
fn has_own_source(version: &JobRecord, before: Option<&JobRecord>) -> bool {
    !(version.head.stop && before.is_some_and(|before| !before.head.stop))
}

/// Going back copies the time of the version that it goes back to: then the rollout tells when it was.
fn submitted(version: &JobRecord, rollouts: &[Rollout]) -> Nanos {
    let began = newest(version, rollouts).map_or(0, |rollout| rollout.create_time);
    began.max(version.head.submit_time)
}

fn rollout_of(version: &JobRecord, rollouts: &[Rollout]) -> Option<RolloutEnd> {
    let newest = newest(version, rollouts)?;
    Some(RolloutEnd {
        status: newest.status.clone(),
        description: newest.status_description.clone(),
    })
}

fn newest<'a>(version: &JobRecord, rollouts: &'a [Rollout]) -> Option<&'a Rollout> {
    let head = &version.head;
    let ours = rollouts.iter().filter(|rollout| {
        rollout.job_version == head.version && rollout.job_create_index == head.create_index
    });
    ours.max_by_key(|rollout| rollout.create_index)
}

/// What a version changed: by the comparator, and the counts of autoscaled groups, which it leaves to their owner.
fn changes(version: &JobRecord, before: &JobRecord) -> Vec<String> {
    let drift = diff(&version.spec, &before.spec, &DiffOptions::default());
    let mut lines: Vec<String> = drift.changes.iter().map(ToString::to_string).collect();
    let before = counts(&before.spec);
    for (group, new) in counts(&version.spec) {
        let Some(old) = before.get(group).filter(|old| **old != new) else {
            continue;
        };
        let path = format!("TaskGroups[{group}].Count");
        if !drift.changes.iter().any(|change| change.path == path) {
            lines.push(format!("~ {path}: {old} -> {new}"));
        }
    }
    lines
}

fn counts(spec: &Value) -> BTreeMap<&str, u64> {
    let groups = spec.get("TaskGroups").and_then(Value::as_array);
    let count = |group: &Value| group.get("Count").and_then(Value::as_u64);
    groups
        .into_iter()
        .flatten()
        .filter_map(|group| Some((group.get("Name")?.as_str()?, count(group)?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn version(number: u64, change: Value) -> JobRecord {
        let mut spec = json!({
            "ID": "shop", "Namespace": "default", "Type": "service", "Version": number, "CreateIndex": 10,
            "TaskGroups": [{"Name": "web", "Count": 1, "Tasks": [
                {"Name": "app", "Driver": "docker", "Config": {"image": "shop:1"}}]}],
        });
        for (name, value) in change.as_object().unwrap() {
            spec[name] = value.clone();
        }
        serde_json::from_value(spec).unwrap()
    }

    fn grown(count: u64, scaling: Value) -> Value {
        let mut group = version(0, json!({})).spec["TaskGroups"][0].clone();
        group["Count"] = count.into();
        group["Scaling"] = scaling;
        json!({"TaskGroups": [group]})
    }

    #[test]
    fn each_version_says_what_it_changed_against_the_one_before_it() {
        let versions = [
            version(7, json!({"Priority": 60, "Stop": true})),
            version(6, json!({"Priority": 60, "Datacenters": ["dc1"]})),
            version(5, json!({"Priority": 60})),
            version(4, json!({"Priority": 50})),
            version(2, json!({})),
        ];
        let summaries: Vec<String> = history(&versions, &[], &BTreeMap::new())
            .iter()
            .map(Version::summary)
            .collect();
        assert_eq!(
            summaries,
            [
                "stopped",
                "~ Datacenters: [\"*\"] -> [\"dc1\"]",
                "~ Priority: 50 -> 60",
                "first version that Nomad has",
                "first version that Nomad has",
            ],
        );
    }

    #[test]
    fn a_count_that_an_autoscaler_set_is_a_change_too() {
        let scaling = json!({"Enabled": true, "Min": 1, "Max": 9});
        let versions = [
            version(1, grown(4, scaling.clone())),
            version(0, grown(2, scaling)),
        ];
        let found = history(&versions, &[], &BTreeMap::new());
        assert_eq!(found[0].summary(), "~ TaskGroups[web].Count: 2 -> 4");
    }

    #[test]
    fn rollout_and_source_are_those_of_the_version() {
        let rollout = |version: u64, create_index: u64, status: &str| Rollout {
            job_version: version,
            job_create_index: create_index,
            status: status.to_owned(),
            ..Rollout::default()
        };
        let submission = |digest: &str| Submission {
            variable_flags: BTreeMap::from([(FLAG_DIGEST.to_owned(), digest.to_owned())]),
            ..Submission::default()
        };
        let versions = [version(1, json!({"Stop": true})), version(0, json!({}))];
        let rollouts = [
            rollout(0, 10, "successful"),
            rollout(1, 3, "failed"),
            rollout(0, 3, "failed"),
        ];
        let sources = BTreeMap::from([(0, submission("d0")), (1, submission("d0"))]);
        let found = history(&versions, &rollouts, &sources);
        assert_eq!(
            found[0].rollout, None,
            "that one is of an earlier incarnation"
        );
        assert_eq!(found[0].digest, None, "a stop has no source of its own");
        assert_eq!(found[1].digest.as_deref(), Some("d0"));
        let status = found[1].rollout.as_ref().map(|end| end.status.as_str());
        assert_eq!(status, Some("successful"));
        assert!(found[0].is_current && !found[1].is_current);
    }
}
