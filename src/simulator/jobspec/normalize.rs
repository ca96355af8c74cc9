//! What Nomad does once the whole job is read.
//!
//! Source: `jobspec2.normalizeJob`.

use serde_json::{Map, Value, json};

use crate::simulator::world::time::SECOND;

type Members = Map<String, Value>;

pub(super) fn job(job: &mut Value) {
    let Some(job) = job.as_object_mut() else {
        return;
    };
    if let Some(Value::Object(periodic)) = job.get_mut("Periodic")
        && (periodic.contains_key("Spec") || periodic.contains_key("Specs"))
    {
        periodic.insert("SpecType".to_owned(), json!("cron"));
    }
    lonely_tasks(job);
    let vault = job.remove("@vault");
    let secrets = job.remove("@secrets");
    for group in list(job, "TaskGroups") {
        ports(group);
        for own in list(group, "Tasks") {
            task(own);
            if let Some(vault) = &vault {
                own.entry("Vault").or_insert_with(|| vault.clone());
            }
            if let Some(Value::Array(more)) = &secrets {
                let secrets = own.entry("Secrets").or_insert_with(|| json!([]));
                if let Value::Array(secrets) = secrets {
                    secrets.extend(more.iter().cloned());
                }
            }
            if let Some(Value::Object(vault)) = own.get_mut("Vault") {
                fill_vault(vault);
            }
        }
    }
}

fn list<'a>(
    owner: &'a mut Members,
    member: &str,
) -> impl Iterator<Item = &'a mut Members> + use<'a> {
    let list = owner.get_mut(member).and_then(Value::as_array_mut);
    list.into_iter().flatten().filter_map(Value::as_object_mut)
}

fn default(owner: &mut Members, member: &str, value: Value) {
    owner.entry(member).or_insert(value);
}

/// A task outside any group gets a group of its own, before the others.
fn lonely_tasks(job: &mut Members) {
    let Some(Value::Array(tasks)) = job.remove("@tasks") else {
        return;
    };
    let alone = tasks
        .into_iter()
        .map(|task| json!({ "Name": task["Name"], "Tasks": [task] }));
    let mut groups: Vec<Value> = alone.collect();
    if let Some(Value::Array(others)) = job.remove("TaskGroups") {
        groups.extend(others);
    }
    job.insert("TaskGroups".to_owned(), Value::Array(groups));
}

/// Ports with a number are reserved, the others are chosen by Nomad.
fn ports(owner: &mut Members) {
    for network in list(owner, "Networks") {
        let Some(Value::Array(ports)) = network.remove("DynamicPorts") else {
            continue;
        };
        let is_static = |port: &Value| port["Value"].as_i64().is_some_and(|number| number > 0);
        let (reserved, dynamic): (Vec<Value>, Vec<Value>) = ports.into_iter().partition(is_static);
        for (member, ports) in [("ReservedPorts", reserved), ("DynamicPorts", dynamic)] {
            if ports.is_empty() {
                network.remove(member);
            } else {
                network.insert(member.to_owned(), Value::Array(ports));
            }
        }
    }
}

fn task(task: &mut Members) {
    if let Some(Value::Object(resources)) = task.get_mut("Resources") {
        ports(resources);
    }
    for template in list(task, "Templates") {
        default(template, "ChangeMode", json!("restart"));
        default(template, "Perms", json!("0644"));
        default(template, "Splay", json!(5 * SECOND));
        default(template, "ErrMissingKey", json!(false));
        if let Some(Value::Object(script)) = template.get_mut("ChangeScript") {
            default(script, "Args", json!([]));
            default(script, "Timeout", json!(5 * SECOND));
            default(script, "FailOnError", json!(false));
            default(script, "RunOnFirstRender", json!(false));
        }
    }
    identity(task);
}

/// The identity called `default`, or without a name, stands apart from the others.
fn identity(task: &mut Members) {
    let Some(Value::Array(identities)) = task.get_mut("Identities") else {
        return;
    };
    let is_default = |identity: &Value| {
        let name = identity.get("Name").and_then(Value::as_str);
        matches!(name, None | Some("" | "default"))
    };
    if let Some(at) = identities.iter().position(is_default) {
        let identity = identities.remove(at);
        task.insert("Identity".to_owned(), identity);
    }
}

fn fill_vault(vault: &mut Members) {
    default(vault, "Env", json!(true));
    default(vault, "DisableFile", json!(false));
    default(vault, "ChangeMode", json!("restart"));
}
