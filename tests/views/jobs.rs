//! Jobs of the stage, as raw JSON.

use serde_json::{Value, json};

pub(super) const SECOND: u64 = 1_000_000_000;

/// A service of one group `web` with one task `app`; how it behaves depends on its image ([`super::stage`]).
pub(super) fn service(id: &str, image: &str, count: u64) -> Value {
    let mut job = bare(id, "service", image, count);
    job["Update"] = json!({
        "HealthCheck": "task_states", "MinHealthyTime": SECOND,
        "HealthyDeadline": 10 * SECOND, "ProgressDeadline": 12 * SECOND,
    });
    job
}

/// A batch job.
pub(super) fn batch(id: &str, image: &str) -> Value {
    bare(id, "batch", image, 1)
}

fn bare(id: &str, job_type: &str, image: &str, count: u64) -> Value {
    json!({
        "ID": id, "Type": job_type, "Meta": {"cs.owner": "storefront", "cs.managed-by": "cs"},
        "TaskGroups": [{
            "Name": "web", "Count": count,
            "RestartPolicy": {"Attempts": 0, "Interval": 60 * SECOND, "Delay": SECOND, "Mode": "fail"},
            "ReschedulePolicy": {"Attempts": 0, "Unlimited": false},
            "Tasks": [{
                "Name": "app", "Driver": "docker", "Config": {"image": image}, "Env": {"PASSWORD": "canary-env"},
                "Resources": {"CPU": 10, "MemoryMB": 16},
            }],
        }],
    })
}

/// Sets a member by its pointer, e.g. `/Update/Canary`.
pub(super) fn with(mut job: Value, pointer: &str, value: Value) -> Value {
    let (parent, member) = pointer.rsplit_once('/').expect("a pointer");
    let parent = job.pointer_mut(parent).expect("it has this place");
    parent[member] = value;
    job
}

/// A constraint that no node meets.
pub(super) fn nowhere(id: &str) -> Value {
    let constraint =
        json!([{"LTarget": "${attr.kernel.name}", "RTarget": "plan9", "Operand": "="}]);
    with(service(id, "ok:1", 2), "/Constraints", constraint)
}
