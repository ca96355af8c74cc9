//! Jobs that the scenarios want. As small as Nomad allows, with quick rollouts and without second chances.

use serde_json::{Value, json};

use super::lab::Lab;

/// Nanoseconds of a millisecond: durations in Nomad's JSON are integers.
pub(super) const MS: u64 = 1_000_000;

/// A service that runs until it is stopped.
pub(super) fn service(lab: &Lab) -> Value {
    let mut job = bare(lab, "service");
    job["Update"] = json!({
        "HealthCheck": "task_states", "MinHealthyTime": 1_000 * MS,
        "HealthyDeadline": 20_000 * MS, "ProgressDeadline": 30_000 * MS,
    });
    job
}

/// A service whose task ends with an exit code that is not 0.
pub(super) fn failing(lab: &Lab) -> Value {
    let config = json!({"run_for": "20ms", "exit_code": 3, "exit_err_msg": "boom"});
    with_config(service(lab), config)
}

/// A batch job that ends at once with success.
pub(super) fn batch(lab: &Lab) -> Value {
    with_config(bare(lab, "batch"), json!({"run_for": "20ms"}))
}

/// A batch job whose runs are started one by one, and run until they are stopped.
pub(super) fn parameterized(lab: &Lab) -> Value {
    let mut job = bare(lab, "batch");
    job["ParameterizedJob"] = json!({"Payload": "optional"});
    job
}

/// A batch job that is started by the clock, on New Year's night.
pub(super) fn periodic(lab: &Lab) -> Value {
    let mut job = bare(lab, "batch");
    job["Periodic"] =
        json!({"Enabled": true, "SpecType": "cron", "Specs": ["0 0 1 1 *"], "TimeZone": "UTC"});
    job
}

/// A job of any type with one group and one task that runs until it is stopped.
pub(super) fn bare(lab: &Lab, job_type: &str) -> Value {
    let mut group = json!({
        "Name": "g", "Count": 1,
        "RestartPolicy": {"Attempts": 0, "Interval": 60_000 * MS, "Delay": 100 * MS, "Mode": "fail"},
        "EphemeralDisk": {"SizeMB": 10},
        "Tasks": [{
            "Name": "t", "Driver": "mock_driver", "Config": {"run_for": "900s"},
            "Resources": {"CPU": 5, "MemoryMB": 10},
            "LogConfig": {"MaxFiles": 1, "MaxFileSizeMB": 1},
        }],
    });
    // System jobs are placed on every node anyway and refuse the block.
    if matches!(job_type, "service" | "batch") {
        group["ReschedulePolicy"] = json!({"Attempts": 0, "Unlimited": false});
    }
    json!({"ID": lab.id.as_str(), "Type": job_type, "TaskGroups": [group]})
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

/// Sets one variable of the only task's environment.
pub(super) fn with_env(job: Value, value: &str) -> Value {
    with_task(job, "Env", json!({"GREETING": value}))
}

/// Sets one member of the rollout's rules.
pub(super) fn with_update(mut job: Value, member: &str, value: Value) -> Value {
    job["Update"][member] = value;
    job
}

/// What a stored job has in the environment of its only task.
pub(super) fn greeting(spec: &Value) -> Option<&str> {
    spec.pointer("/TaskGroups/0/Tasks/0/Env/GREETING")?.as_str()
}

/// The count of its only group.
pub(super) fn count(spec: &Value) -> Option<u64> {
    spec.pointer("/TaskGroups/0/Count")?.as_u64()
}
