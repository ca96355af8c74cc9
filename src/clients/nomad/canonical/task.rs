//! Defaults of a task.

use serde_json::{Value, json};

use super::group::{Parent, fill_scaling, network_ports};
use super::{
    Object, SECOND, block, block_or_new, blocks_mut, default, default_number, default_text,
    default_weights, inherit, service, text, upper,
};

pub(super) fn fill(task: &mut Object, parent: &Parent<'_>) {
    resources(task);
    run(task, parent);
    for artifact in blocks_mut(task, "Artifacts") {
        fill_artifact(artifact);
    }
    vault(task, parent);
    if let Some(consul) = block(task, "Consul") {
        default_text(consul, "Cluster", "default");
    }
    for template in blocks_mut(task, "Templates") {
        fill_template(template);
    }
    default_weights(task);
    mounts(task);
    csi_plugin(task);
    identities(task);
    let name = text(task, "Name").to_owned();
    for service in blocks_mut(task, "Services") {
        service::fill(service, parent.job, parent.group, Some(&name));
        service::identify(service);
    }
    for policy in blocks_mut(task, "ScalingPolicies") {
        fill_scaling(
            policy,
            0,
            parent.job,
            &[("Group", parent.group), ("Task", &name)],
        );
    }
    if block(task, "Schedule").is_some_and(|schedule| !schedule.contains_key("Cron")) {
        task.remove("Schedule");
    }
}

fn run(task: &mut Object, parent: &Parent<'_>) {
    default_number(task, "KillTimeout", 5 * SECOND);
    logs(task);
    if let Some(restart) = block_or_new(task, "RestartPolicy") {
        inherit(restart, parent.restart);
    }
}

/// Also for the task that replaces parts of a proxy's.
pub(super) fn logs(task: &mut Object) {
    if let Some(log) = block_or_new(task, "LogConfig") {
        default(log, "MaxFiles", 10);
        default(log, "MaxFileSizeMB", 10);
    }
}

/// Also for the task that replaces parts of a proxy's.
pub(super) fn resources(task: &mut Object) {
    let Some(resources) = block_or_new(task, "Resources") else {
        return;
    };
    // Cores replace the CPU share.
    let cpu = if resources.contains_key("Cores") {
        0
    } else {
        100
    };
    default(resources, "CPU", cpu);
    default(resources, "MemoryMB", 300);
    resources.remove("DiskMB");
    for device in blocks_mut(resources, "Devices") {
        default(device, "Count", 1);
        default_weights(device);
    }
    network_ports(resources);
    if let Some(numa) = block(resources, "NUMA") {
        default_text(numa, "Affinity", "none");
    }
}

fn fill_artifact(artifact: &mut Object) {
    default(artifact, "GetterMode", "any");
    let destination = if text(artifact, "GetterMode") == "file" {
        let source = text(artifact, "GetterSource").trim_end_matches('/');
        format!("local/{}", source.rsplit('/').next().unwrap_or_default())
    } else {
        "local/".to_owned()
    };
    default(artifact, "RelativeDest", destination);
}

fn vault(task: &mut Object, parent: &Parent<'_>) {
    if let Some(vault) = block(task, "Vault") {
        default(vault, "Env", true);
        default_text(vault, "Cluster", "default");
        default_text(vault, "Namespace", &parent.job.vault_namespace);
        default_text(vault, "ChangeMode", "restart");
        default(vault, "ChangeSignal", "SIGHUP");
        upper(vault, "ChangeSignal");
    }
}

fn fill_template(template: &mut Object) {
    default(template, "ChangeMode", "restart");
    if text(template, "ChangeMode") == "signal" {
        default(template, "ChangeSignal", "SIGHUP");
    }
    upper(template, "ChangeSignal");
    default(template, "Splay", 5 * SECOND);
    default(template, "Perms", "0644");
    default(template, "LeftDelim", "{{");
    default(template, "RightDelim", "}}");
    if let Some(script) = block(template, "ChangeScript") {
        default(script, "Args", json!([]));
        default(script, "Timeout", 5 * SECOND);
    }
}

/// A mount that names no volume is forgotten.
pub(super) fn mounts(task: &mut Object) {
    if let Some(Value::Array(mounts)) = task.get_mut("VolumeMounts") {
        mounts.retain(|mount| mount.get("Volume").is_some());
    }
    for mount in blocks_mut(task, "VolumeMounts") {
        default(mount, "PropagationMode", "private");
    }
}

fn csi_plugin(task: &mut Object) {
    if let Some(plugin) = block(task, "CSIPluginConfig") {
        default_text(plugin, "MountDir", "/csi");
        default_text(plugin, "StagePublishBaseDir", "/local/csi");
        default_number(plugin, "HealthTimeout", 30 * SECOND);
    }
}

/// Every task has the identity called `default`. It may be written among the others, but is stored apart.
fn identities(task: &mut Object) {
    for identity in blocks_mut(task, "Identities") {
        fill_identity(identity);
    }
    if let Some(Value::Array(list)) = task.get_mut("Identities")
        && let Some(at) = list
            .iter()
            .rposition(|identity| identity["Name"] == "default")
    {
        let identity = list.remove(at);
        task.insert("Identity".to_owned(), identity);
    }
    if let Some(identity) = block_or_new(task, "Identity") {
        fill_identity(identity);
    }
}

fn fill_identity(identity: &mut Object) {
    default_text(identity, "Name", "default");
    if text(identity, "Name") == "default" {
        identity.insert("Audience".to_owned(), json!(["nomadproject.io"]));
    }
    upper(identity, "ChangeSignal");
}
