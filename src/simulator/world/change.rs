//! How an allocation of one version becomes one of another: not at all, as it runs, or by a restart.

use serde_json::Value;

use super::job::Job;
use super::json::{list, text};
use super::spec::raw_group;

/// The smallest step from one version of a group to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Change {
    /// Nothing to do.
    None,
    /// The allocation goes on and belongs to the new version.
    InPlace,
    /// It is replaced.
    Destructive,
}

/// Members of a group that need a restart (nomad-api.md 2.4).
const GROUP: &[&str] = &["EphemeralDisk", "Networks", "Volumes", "Consul"];
/// Members of a task that need a restart.
const TASK: &[&str] = &[
    "Name",
    "Driver",
    "User",
    "Config",
    "Env",
    "Artifacts",
    "Templates",
    "Vault",
    "Consul",
    "Secrets",
    "Identity",
    "Identities",
    "VolumeMounts",
    "Resources",
    "DispatchPayload",
    "Kind",
    "CSIPluginConfig",
];

/// What a new version means for an allocation of a group.
#[must_use]
pub fn group_change(old: &Job, new: &Job, group: &str) -> Change {
    if old.job_modify_index == new.job_modify_index && old.create_index == new.create_index {
        return Change::None;
    }
    let (Some(before), Some(after)) = (raw_group(&old.spec, group), raw_group(&new.spec, group))
    else {
        return Change::Destructive;
    };
    if meta_differs(old, new, before, after) || differs(before, after, GROUP) {
        return Change::Destructive;
    }
    let (before, after) = (list(before, "Tasks"), list(after, "Tasks"));
    if before.len() != after.len() {
        return Change::Destructive;
    }
    for task in after {
        let twin = before
            .iter()
            .find(|old| text(old, "Name") == text(task, "Name"));
        let Some(twin) = twin else {
            return Change::Destructive;
        };
        if task_is_destructive(twin, task) {
            return Change::Destructive;
        }
    }
    Change::InPlace
}

/// Whether a task with these members has to be restarted.
#[must_use]
pub fn task_is_destructive(before: &Value, after: &Value) -> bool {
    differs(before, after, TASK)
        || before["Meta"] != after["Meta"]
        || before["LogConfig"]["Disabled"] != after["LogConfig"]["Disabled"]
        || before["RestartPolicy"]["RenderTemplates"] != after["RestartPolicy"]["RenderTemplates"]
        || connect(before) != connect(after)
}

fn meta_differs(old: &Job, new: &Job, before: &Value, after: &Value) -> bool {
    old.spec["Meta"] != new.spec["Meta"]
        || before["Meta"] != after["Meta"]
        || connect(before) != connect(after)
}

fn connect(of: &Value) -> Vec<&Value> {
    list(of, "Services")
        .iter()
        .map(|service| &service["Connect"])
        .filter(|connect| !connect.is_null())
        .collect()
}

fn differs(before: &Value, after: &Value, members: &[&str]) -> bool {
    members
        .iter()
        .any(|member| before[*member] != after[*member])
}
