//! The task: process, environment, resources, storage.

use serde_json::Value;

use super::{Texts, number, text, texts};
use crate::desired::defaults;
use crate::spec::workload::{
    Container, EnvValue, Gpu, Platform, Pull, Resources, Volume, WorkloadSpec,
};

pub(super) fn pull(task: &Value) -> Option<Pull> {
    let config = &task["Config"];
    let timeout = text(config, "image_pull_timeout").and_then(|text| text.parse().ok());
    let pull = Pull {
        authenticate: config.get("auth").is_some(),
        timeout: timeout.filter(|timeout| *timeout != defaults::IMAGE_PULL_TIMEOUT),
        vault_path: None,
    };
    (pull != Pull::default()).then_some(pull)
}

pub(super) fn container(task: &Value, job: &str, platform: Option<&Platform>) -> Container {
    let config = &task["Config"];
    let name = text(task, "Name").unwrap_or_default();
    let by_default = platform.and_then(|platform| platform.deployment_id.as_deref());
    let mut container = Container {
        user: text(task, "User").map(str::to_owned),
        command: text(config, "command").map(str::to_owned),
        entrypoint: texts(&config["entrypoint"]),
        args: texts(&config["args"]),
        task_name: (name != by_default.unwrap_or(job)).then(|| name.to_owned()),
        ..Container::default()
    };
    if container.entrypoint == defaults::SHELL
        && let [line] = container.args.as_slice()
    {
        container.start_command = Some(line.clone());
        container.entrypoint.clear();
        container.args.clear();
    }
    container
}

pub(super) fn labels(task: &Value) -> Texts {
    let labels = &task["Config"]["labels"];
    let maps = labels
        .as_array()
        .map_or(std::slice::from_ref(labels), Vec::as_slice);
    let members = maps.iter().filter_map(Value::as_object).flatten();
    members
        .filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())))
        .collect()
}

pub(super) fn env(task: &Value) -> std::collections::BTreeMap<String, EnvValue> {
    let members = task["Env"].as_object().into_iter().flatten();
    members
        .filter_map(|(name, value)| {
            Some((name.clone(), EnvValue::Text(value.as_str()?.to_owned())))
        })
        .collect()
}

pub(super) fn resources(task: &Value) -> Resources {
    let resources = &task["Resources"];
    let memory = number(resources, "MemoryMB");
    Resources {
        cpu: number(resources, "CPU"),
        memory,
        memory_max: number(resources, "MemoryMaxMB")
            .filter(|most| *most != defaults::memory_max_mb(memory)),
        gpu: None,
    }
}

/// Graphics processors decide pool and class themselves.
pub(super) fn gpu(task: &Value, spec: &mut WorkloadSpec) {
    let devices = task["Resources"]["Devices"].as_array();
    let Some(count) = devices
        .and_then(|devices| devices.first())
        .and_then(|device| number(device, "Count"))
    else {
        return;
    };
    let model = spec.placement.node_classes.first().cloned();
    spec.resources.gpu = Some(Gpu { count, model });
    spec.placement.node_classes.clear();
    spec.placement.node_pool = None;
}

pub(super) fn volumes(group: &Value, task: &Value) -> Vec<Volume> {
    let mounts = task["VolumeMounts"]
        .as_array()
        .map_or(&[][..], Vec::as_slice);
    let of = |name: &str| -> Vec<String> {
        let own = mounts.iter().filter(|mount| mount["Volume"] == name);
        own.filter_map(|mount| text(mount, "Destination"))
            .map(str::to_owned)
            .collect()
    };
    let volumes = group["Volumes"].as_object().into_iter().flatten();
    volumes
        .map(|(name, volume)| {
            let mounts = of(name);
            Volume {
                csi: text(volume, "Source").unwrap_or(name).to_owned(),
                mounts: if mounts == [defaults::MOUNT] {
                    Vec::new()
                } else {
                    mounts
                },
            }
        })
        .collect()
}
