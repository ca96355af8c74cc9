//! Defaults of a group, and what it takes from its job.

use serde_json::{Value, json};

use super::job::{Inherited, fill_update};
use super::{
    Object, SECOND, block, block_or_new, blocks_mut, connect, default, default_text,
    default_weights, inherit, number, service, task, text,
};

/// A group as its tasks see it.
pub(super) struct Parent<'a> {
    pub(super) job: &'a Inherited,
    pub(super) group: &'a str,
    pub(super) restart: &'a Object,
}

pub(super) fn fill(group: &mut Object, job: &Inherited) {
    default(group, "Name", "");
    count(group, job);
    disk(group);
    consul(group, job);
    policies(group, job);
    default_weights(group);
    network_ports(group);
    volumes(group);
    let name = text(group, "Name").to_owned();
    for service in blocks_mut(group, "Services") {
        service::fill(service, job, &name, None);
    }
    tasks(group, job, &name);
    connect::fill(group, job);
    for service in blocks_mut(group, "Services") {
        service::identify(service);
    }
    // Accepted, but no longer kept: `Disconnect` replaced them.
    for gone in [
        "MaxClientDisconnect",
        "StopAfterClientDisconnect",
        "PreventRescheduleOnLost",
    ] {
        group.remove(gone);
    }
}

fn count(group: &mut Object, job: &Inherited) {
    let least = block(group, "Scaling").and_then(|scaling| number(scaling, "Min"));
    default(group, "Count", least.unwrap_or(1));
    let count = number(group, "Count").unwrap_or_default();
    let name = text(group, "Name").to_owned();
    if let Some(scaling) = block(group, "Scaling") {
        fill_scaling(scaling, count, job, &[("Group", &name)]);
    }
}

pub(super) fn fill_scaling(
    scaling: &mut Object,
    count: i64,
    job: &Inherited,
    target: &[(&str, &str)],
) {
    for member in super::SCALING_SERVER_MEMBERS {
        scaling.remove(member);
    }
    default(scaling, "Enabled", true);
    default(scaling, "Min", count);
    default(scaling, "Max", -1);
    default_text(scaling, "Type", "horizontal");
    let mut members = json!({ "Namespace": job.namespace, "Job": job.id });
    for (member, name) in target {
        members[*member] = Value::from(*name);
    }
    scaling.insert("Target".to_owned(), members);
}

fn disk(group: &mut Object) {
    if let Some(disk) = block_or_new(group, "EphemeralDisk") {
        default(disk, "SizeMB", 300);
    }
}

fn consul(group: &mut Object, job: &Inherited) {
    if let Some(consul) = block(group, "Consul") {
        default_text(consul, "Namespace", &job.consul_namespace);
        default_text(consul, "Cluster", "default");
    }
}

fn policies(group: &mut Object, job: &Inherited) {
    update(group, job);
    reschedule(group, &job.job_type, job.reschedule.as_ref());
    migrate(group, &job.job_type, job.migrate.as_ref());
    restart(group, &job.job_type);
    if let Some(disconnect) = block(group, "Disconnect") {
        default(disconnect, "Replace", true);
        default_text(disconnect, "Reconcile", "best_score");
    }
}

fn update(group: &mut Object, job: &Inherited) {
    if let Some(inherited) = &job.update {
        match block(group, "Update") {
            Some(own) => inherit(own, inherited),
            None if says_something(inherited) => {
                group.insert("Update".to_owned(), Value::Object(inherited.clone()));
            }
            None => {}
        }
    }
    if let Some(own) = block(group, "Update") {
        fill_update(own);
    }
}

/// A stored batch job carries a rollout policy of zeros, which groups do not take over. Source: `UpdateStrategy.Empty`.
fn says_something(update: &Object) -> bool {
    update.values().any(|value| match value {
        Value::Bool(flag) => *flag,
        Value::Number(number) => number.as_i64() != Some(0),
        Value::String(text) => !text.is_empty(),
        _ => false,
    })
}

fn reschedule(group: &mut Object, job_type: &str, inherited: Option<&Object>) {
    if let Some(inherited) = inherited
        && let Some(own) = block_or_new(group, "ReschedulePolicy")
    {
        inherit(own, inherited);
    }
    if !matches!(job_type, "system" | "sysbatch") {
        block_or_new(group, "ReschedulePolicy");
    }
    let Some(own) = block(group, "ReschedulePolicy") else {
        return;
    };
    match job_type {
        "service" => {
            default(own, "Delay", 30 * SECOND);
            default(own, "DelayFunction", "exponential");
            default(own, "MaxDelay", 3600 * SECOND);
            default(own, "Unlimited", true);
        }
        "batch" => {
            default(own, "Attempts", 1);
            default(own, "Interval", 24 * 3600 * SECOND);
            default(own, "Delay", 5 * SECOND);
            default(own, "DelayFunction", "constant");
        }
        _ => {}
    }
}

fn migrate(group: &mut Object, job_type: &str, inherited: Option<&Object>) {
    if let Some(inherited) = inherited
        && let Some(own) = block_or_new(group, "Migrate")
    {
        inherit(own, inherited);
    }
    if job_type == "service" {
        block_or_new(group, "Migrate");
    }
    if let Some(own) = block(group, "Migrate") {
        default(own, "MaxParallel", 1);
        default(own, "HealthCheck", "checks");
        default(own, "MinHealthyTime", 10 * SECOND);
        default(own, "HealthyDeadline", 300 * SECOND);
    }
}

fn restart(group: &mut Object, job_type: &str) {
    let (attempts, interval) = match job_type {
        "service" | "system" => (2, 1800 * SECOND),
        _ => (3, 24 * 3600 * SECOND),
    };
    if let Some(own) = block_or_new(group, "RestartPolicy") {
        default(own, "Delay", 15 * SECOND);
        default(own, "Attempts", attempts);
        default(own, "Interval", interval);
        default(own, "Mode", "fail");
        default(own, "RenderTemplates", false);
    }
}

/// Also used for the networks of a task.
pub(super) fn network_ports(owner: &mut Object) {
    for network in blocks_mut(owner, "Networks") {
        for list in ["DynamicPorts", "ReservedPorts"] {
            for port in blocks_mut(network, list) {
                default_text(port, "HostNetwork", "default");
            }
        }
    }
}

/// Nomad keeps the kinds of volumes it knows and forgets the others without a word.
fn volumes(group: &mut Object) {
    if let Some(volumes) = block(group, "Volumes") {
        volumes.retain(|_, volume| {
            let kind = volume.get("Type").and_then(Value::as_str);
            matches!(kind, Some("host" | "csi"))
        });
    }
}

fn tasks(group: &mut Object, job: &Inherited, name: &str) {
    // Out of the map while tasks are changed: they inherit from it.
    let Some(Value::Object(restart)) = group.remove("RestartPolicy") else {
        return;
    };
    let parent = Parent {
        job,
        group: name,
        restart: &restart,
    };
    for task in blocks_mut(group, "Tasks") {
        task::fill(task, &parent);
    }
    group.insert("RestartPolicy".to_owned(), Value::Object(restart));
}
