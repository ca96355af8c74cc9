//! Tasks that Nomad adds to a group for Consul's mesh: a proxy beside every service, the gateway itself.
//!
//! Source: `jobConnectHook` of Nomad 2.0.6-dev, whose other half is [`crate::clients::nomad::canonical`].

use serde_json::{Map, Value, json};

use super::json::{list, text};
use super::time::SECOND;
use crate::clients::nomad::canonical::Role;

/// Adds the tasks. The job must be canonical, and what is added is not yet.
///
/// Returns whether anything was added.
pub(super) fn add_tasks(job: &mut Value) -> bool {
    let mut added = false;
    let groups = job["TaskGroups"].as_array_mut();
    for group in groups.into_iter().flatten() {
        if list(group, "Networks").is_empty() {
            continue;
        }
        let wanted: Vec<Value> = list(group, "Services")
            .iter()
            .filter_map(|service| task(group, service))
            .collect();
        added |= !wanted.is_empty();
        if !group["Tasks"].is_array() {
            group["Tasks"] = json!([]);
        }
        if let Some(tasks) = group["Tasks"].as_array_mut() {
            tasks.extend(wanted);
        }
    }
    added
}

/// The task of a service; nothing when it needs none or has it already.
fn task(group: &Value, service: &Value) -> Option<Value> {
    let role = Role::of(service.as_object()?)?;
    if role == Role::Native {
        return None;
    }
    let name = text(service, "Name");
    let kind = format!("{}:{name}", role.prefix());
    let tasks = list(group, "Tasks");
    if tasks.iter().any(|task| text(task, "Kind") == kind) {
        return None;
    }
    let has_driver = |driver| tasks.iter().any(|task| text(task, "Driver") == driver);
    let driver = if has_driver("podman") && !has_driver("docker") {
        "podman"
    } else {
        "docker"
    };
    let mut task = json!({
        "Name": format!("{}-{name}", role.prefix()),
        "Kind": kind,
        "Driver": driver,
        "Config": config(role, group),
        "ShutdownDelay": 5 * SECOND,
        "LogConfig": {"MaxFiles": 2, "MaxFileSizeMB": 2},
        "Resources": {"CPU": 250, "MemoryMB": 128},
        "Constraints": [
            {"LTarget": "${attr.consul.version}", "Operand": "semver", "RTarget": ">= 1.8.0"},
            {"LTarget": "${attr.consul.grpc}", "Operand": ">", "RTarget": "0"},
        ],
    });
    if role == Role::Sidecar {
        task["Lifecycle"] = json!({"Hook": "prestart", "Sidecar": true});
    }
    if let Some(own) = service["Connect"]["SidecarTask"].as_object() {
        merge(&mut task, own);
    }
    Some(task)
}

fn config(role: Role, group: &Value) -> Value {
    let image = if role == Role::Sidecar {
        "${meta.connect.sidecar_image}"
    } else {
        "${meta.connect.gateway_image}"
    };
    let mut config = json!({
        "image": image,
        "args": [
            "-c", "${NOMAD_SECRETS_DIR}/envoy_bootstrap.json", "-l", "${meta.connect.log_level}",
            "--concurrency", "${meta.connect.proxy_concurrency}", "--disable-hot-restart",
        ],
    });
    if role != Role::Sidecar && text(&group["Networks"][0], "Mode") == "host" {
        config["network_mode"] = json!("host");
    }
    config
}

/// What the job says about the proxy's task wins over what Nomad would do.
fn merge(task: &mut Value, own: &Map<String, Value>) {
    let other_driver = own["Driver"] != "" && own["Driver"] != task["Driver"];
    for (member, value) in own {
        match (member.as_str(), value) {
            (_, Value::Null) => {}
            (_, Value::String(text)) if text.is_empty() => {}
            ("Config", value) if other_driver => task["Config"] = value.clone(),
            ("Config" | "Env" | "Meta" | "Resources" | "LogConfig", Value::Object(values)) => {
                for (name, value) in values {
                    if !value.is_null() && *value != json!(0) && *value != json!(false) {
                        task[member][name] = value.clone();
                    }
                }
            }
            (_, value) => task[member] = value.clone(),
        }
    }
}
