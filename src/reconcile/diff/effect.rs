//! What writing a change does to running allocations.
//!
//! Source: Nomad's scheduler, `tasksUpdated`; nomad-api.md 2.4. The annotations of Nomad's own plan are wrong for some
//! members (log rotation), so they are not used.

use super::ChangeKind;
use super::path::Step;

/// From the softest to the hardest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effect {
    /// Running allocations are updated without a restart, or not at all.
    InPlace,
    /// Allocations are started.
    Create,
    /// Running allocations are replaced.
    Destructive,
    /// Running allocations are stopped without a replacement.
    Destroy,
}

/// `grows`: more is to run than before.
pub(super) fn of(path: &[Step<'_>], kind: ChangeKind, grows: bool) -> Effect {
    let members: Vec<&str> = path.iter().filter_map(Step::member).collect();
    match members.as_slice() {
        ["TaskGroups"] => match kind {
            ChangeKind::Added => Effect::Create,
            ChangeKind::Removed => Effect::Destroy,
            ChangeKind::Changed => Effect::InPlace,
        },
        ["TaskGroups", "Tasks", rest @ ..] => of_task(rest),
        ["TaskGroups", "Count"] if grows => Effect::Create,
        ["TaskGroups", "Count"] => Effect::Destroy,
        ["TaskGroups", rest @ ..] => of_group(rest),
        ["Stop"] if grows => Effect::Create,
        ["Stop"] => Effect::Destroy,
        ["Namespace" | "Region" | "ID"] => Effect::Create,
        ["Meta" | "Type", ..] => Effect::Destructive,
        _ => Effect::InPlace,
    }
}

fn of_group(members: &[&str]) -> Effect {
    match members {
        [
            "Name" | "Meta" | "Networks" | "EphemeralDisk" | "Volumes" | "Consul",
            ..,
        ]
        | ["Services", "Connect", ..]
        | ["RestartPolicy", "RenderTemplates"] => Effect::Destructive,
        _ => Effect::InPlace,
    }
}

fn of_task(members: &[&str]) -> Effect {
    match members {
        // The set of tasks.
        []
        | [
            "Name" | "Driver" | "User" | "Config" | "Env" | "Meta" | "Artifacts" | "Templates"
            | "Vault",
            ..,
        ]
        | [
            "Secrets" | "Identity" | "Identities" | "VolumeMounts" | "Resources" | "Consul",
            ..,
        ]
        | ["CSIPluginConfig", ..]
        | ["LogConfig", "Disabled"]
        | ["RestartPolicy", "RenderTemplates"] => Effect::Destructive,
        _ => Effect::InPlace,
    }
}
