//! Constraints that Nomad adds by itself, because of what a group uses.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::json::{int, list, present, text};

const CNI: [&str; 5] = ["bridge", "firewall", "host-local", "loopback", "portmap"];

/// Adds what is missing to every group; a second time adds nothing.
pub(super) fn add(job: &mut Value) {
    for group in job["TaskGroups"].as_array_mut().into_iter().flatten() {
        for constraint in of_group(group) {
            append(group, constraint);
        }
        for task in group["Tasks"].as_array_mut().into_iter().flatten() {
            if list(task, "Services").iter().any(by_consul) {
                append(task, consul());
            }
        }
    }
}

fn append(to: &mut Value, constraint: Value) {
    if list(to, "Constraints").contains(&constraint) {
        return;
    }
    match to["Constraints"].as_array_mut() {
        Some(constraints) => constraints.push(constraint),
        None => to["Constraints"] = json!([constraint]),
    }
}

fn constraint(left: &str, operand: &str, right: &str) -> Value {
    json!({"LTarget": left, "Operand": operand, "RTarget": right})
}

fn consul() -> Value {
    constraint("${attr.consul.version}", "semver", ">= 1.8.0")
}

fn by_consul(service: &Value) -> bool {
    text(service, "Provider") == "consul"
}

fn by_nomad(service: &Value) -> bool {
    text(service, "Provider") == "nomad"
}

fn of_group(group: &Value) -> Vec<Value> {
    let tasks = list(group, "Tasks");
    let mut found = Vec::new();
    if tasks.iter().any(|task| present(task, "Vault")) {
        found.push(constraint("${attr.vault.version}", "semver", ">= 0.6.1"));
    }
    let signals = signals(tasks);
    if !signals.is_empty() {
        let all = signals.into_iter().collect::<Vec<_>>().join(",");
        found.push(constraint("${attr.os.signals}", "set_contains", &all));
    }
    let services = || list(group, "Services").iter();
    let of_tasks = || tasks.iter().flat_map(|task| list(task, "Services"));
    if services().chain(of_tasks()).any(by_nomad) {
        found.push(constraint("${attr.nomad.service_discovery}", "=", "true"));
    }
    let checked = |service: &&Value| by_nomad(service) && !list(service, "Checks").is_empty();
    if services()
        .chain(of_tasks())
        .any(|service| checked(&service))
    {
        found.push(constraint("${attr.nomad.version}", "semver", ">= 1.4.0"));
    }
    if services().any(by_consul) {
        found.push(consul());
    }
    if list(group, "Networks")
        .iter()
        .any(|network| text(network, "Mode") == "bridge")
    {
        for plugin in CNI {
            let attribute = format!("${{attr.plugins.cni.version.{plugin}}}");
            found.push(constraint(&attribute, "semver", ">= 0.4.0"));
        }
    }
    if tasks
        .iter()
        .any(|task| int(&task["Resources"], "Cores") > 0)
    {
        found.push(constraint("${attr.nomad.version}", "semver", ">= 1.7.0-a"));
    }
    found
}

fn signals(tasks: &[Value]) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for task in tasks {
        found.insert(text(task, "KillSignal").to_owned());
        if text(&task["Vault"], "ChangeMode") == "signal" {
            found.insert(text(&task["Vault"], "ChangeSignal").to_owned());
        }
        for template in list(task, "Templates") {
            if text(template, "ChangeMode") == "signal" {
                found.insert(text(template, "ChangeSignal").to_owned());
            }
        }
    }
    found.remove("");
    found
}
