//! Job specifications that the cases start from, as raw JSON: what is sent is visible in the test.

use serde_json::{Value, json};

/// Nanoseconds of a second: durations in Nomad's JSON are integers.
pub(super) const SECOND: u64 = 1_000_000_000;

/// A service of one small task that runs until it is stopped, with quick rollouts and without second chances: a failed task
/// fails its allocation, a failed allocation fails the rollout.
pub(super) fn service(id: &str) -> Value {
    let mut job = bare(id, "service");
    job["Update"] = json!({
        "HealthCheck": "task_states", "MinHealthyTime": SECOND,
        "HealthyDeadline": 30 * SECOND, "ProgressDeadline": 40 * SECOND,
    });
    job
}

/// A batch job of one small task that ends at once with success.
pub(super) fn batch(id: &str) -> Value {
    let mut job = bare(id, "batch");
    job["TaskGroups"][0]["Tasks"][0]["Config"] = json!({"run_for": "10ms"});
    job
}

/// A service with count 0: it exists, costs nothing and settles at once.
pub(super) fn idle(id: &str) -> Value {
    let mut job = service(id);
    job["TaskGroups"][0]["Count"] = json!(0);
    job
}

/// A job of any type with one group `g` and one task `t` that runs until it is stopped.
pub(super) fn bare(id: &str, job_type: &str) -> Value {
    let mut group = json!({
        "Name": "g", "Count": 1,
        "RestartPolicy": {"Attempts": 0, "Interval": 60 * SECOND, "Delay": SECOND, "Mode": "fail"},
        "EphemeralDisk": {"SizeMB": 20},
        "Tasks": [{
            "Name": "t", "Driver": "mock_driver", "Config": {"run_for": "900s"},
            "Resources": {"CPU": 10, "MemoryMB": 16},
            "LogConfig": {"MaxFiles": 2, "MaxFileSizeMB": 5},
        }],
    });
    // System jobs are placed on every node anyway and refuse the block.
    if matches!(job_type, "service" | "batch") {
        group["ReschedulePolicy"] = json!({"Attempts": 0, "Unlimited": false});
    }
    json!({"ID": id, "Type": job_type, "TaskGroups": [group]})
}

/// The smallest job that Nomad accepts: every default is Nomad's.
pub(super) fn minimal(id: &str) -> Value {
    json!({"ID": id, "TaskGroups": [{
        "Name": "g",
        "Tasks": [{"Name": "t", "Driver": "mock_driver", "Config": {"run_for": "900s"}}],
    }]})
}

/// Sets the configuration of the only task.
pub(super) fn with_config(mut job: Value, config: Value) -> Value {
    job["TaskGroups"][0]["Tasks"][0]["Config"] = config;
    job
}

/// Sets one member of the job.
pub(super) fn with(mut job: Value, member: &str, value: Value) -> Value {
    job[member] = value;
    job
}

/// Sets one member of the only group.
pub(super) fn with_group(mut job: Value, member: &str, value: Value) -> Value {
    job["TaskGroups"][0][member] = value;
    job
}

/// Sets one member of the only task.
pub(super) fn with_task(mut job: Value, member: &str, value: Value) -> Value {
    job["TaskGroups"][0]["Tasks"][0][member] = value;
    job
}
