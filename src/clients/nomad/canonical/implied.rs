//! Constraints that Nomad adds to a job because of what the job uses.
//!
//! Source: `jobImpliedConstraints`, `jobConsulHook` and `jobImplicitIdentitiesHook` of Nomad.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{Object, blocks, blocks_mut, text};

const NOMAD_VERSION: &str = "${attr.nomad.version}";
const CONSUL_CNI: &str = "${attr.plugins.cni.version.consul-cni}";
const SIGNALS: &str = "${attr.os.signals}";
const CNI_PLUGINS: [&str; 5] = ["bridge", "firewall", "host-local", "loopback", "portmap"];

/// Attribute, operand, value.
type Rule = (String, &'static str, String);

/// When a constraint counts as already there.
#[derive(Clone, Copy)]
enum Unless {
    /// The same attribute is constrained in any way: users may override it.
    AttributeIsUsed,
    /// The very same constraint is there.
    Same,
}

/// Adds what the job implies. Constraints that are already there are not added again.
pub(super) fn add(job: &mut Object) {
    let providers: Vec<String> = blocks(job, "TaskGroups")
        .flat_map(|group| blocks(group, "Tasks"))
        .flat_map(|task| blocks(task, "Secrets"))
        .map(|secret| text(secret, "Provider").to_owned())
        .collect();
    for group in blocks_mut(job, "TaskGroups") {
        for (unless, rule) in group_rules(group, &providers) {
            add_rule(group, unless, rule);
        }
        for task in blocks_mut(group, "Tasks") {
            for rule in partition_rule(task).into_iter().chain(consul_rule(task)) {
                add_rule(task, Unless::AttributeIsUsed, rule);
            }
        }
    }
}

fn group_rules(group: &Object, providers: &[String]) -> Vec<(Unless, Rule)> {
    use Unless::{AttributeIsUsed, Same};
    let mut rules: Vec<(Unless, Rule)> = Vec::new();
    let mut push = |unless, found: Vec<Rule>| {
        rules.extend(found.into_iter().map(|rule| (unless, rule)));
    };
    push(Same, partition_rule(group).into_iter().collect());
    push(AttributeIsUsed, vault_rules(group));
    push(
        AttributeIsUsed,
        providers
            .iter()
            .map(|provider| secret_rule(provider))
            .collect(),
    );
    push(Same, numa_rules(group));
    push(Same, signal_rule(group).into_iter().collect());
    push(Same, nomad_service_rules(group));
    push(AttributeIsUsed, consul_rule(group).into_iter().collect());
    push(AttributeIsUsed, bridge_rules(group));
    push(AttributeIsUsed, transparent_proxy_rules(group));
    push(AttributeIsUsed, schedule_rule(group).into_iter().collect());
    push(Same, identity_rule(group).into_iter().collect());
    rules
}

fn add_rule(owner: &mut Object, unless: Unless, (attribute, operand, value): Rule) {
    let there = blocks(owner, "Constraints").any(|constraint| {
        text(constraint, "LTarget") == attribute
            && match unless {
                Unless::AttributeIsUsed => true,
                Unless::Same => {
                    text(constraint, "RTarget") == value && text(constraint, "Operand") == operand
                }
            }
    });
    if there {
        return;
    }
    super::default(owner, "Constraints", json!([]));
    if let Some(Value::Array(list)) = owner.get_mut("Constraints") {
        list.push(json!({ "LTarget": attribute, "Operand": operand, "RTarget": value }));
    }
}

fn rule(attribute: impl Into<String>, operand: &'static str, value: impl Into<String>) -> Rule {
    (attribute.into(), operand, value.into())
}

fn partition_rule(owner: &Object) -> Option<Rule> {
    let partition = owner.get("Consul")?.get("Partition")?.as_str()?;
    (!partition.is_empty()).then(|| rule("${attr.consul.partition}", "=", partition))
}

fn vault_rules(group: &Object) -> Vec<Rule> {
    let vaults = blocks(group, "Tasks").filter_map(|task| task.get("Vault")?.as_object());
    vaults
        .map(|vault| match text(vault, "Cluster") {
            "" | "default" => rule("${attr.vault.version}", "semver", ">= 0.6.1"),
            cluster => rule(
                format!("${{attr.vault.{cluster}.version}}"),
                "semver",
                ">= 1.11.0",
            ),
        })
        .collect()
}

fn secret_rule(provider: &str) -> Rule {
    rule(
        format!("${{attr.plugins.secrets.{provider}.version}}"),
        "is_set",
        "",
    )
}

fn numa_rules(group: &Object) -> Vec<Rule> {
    let asked = blocks(group, "Tasks").any(|task| {
        let numa = task
            .get("Resources")
            .and_then(|resources| resources.get("NUMA"));
        numa.and_then(Value::as_object)
            .is_some_and(|numa| text(numa, "Affinity") != "none")
    });
    if !asked {
        return Vec::new();
    }
    vec![
        rule(NOMAD_VERSION, "semver", ">= 1.6.3-dev"),
        rule("${attr.kernel.name}", "=", "linux"),
    ]
}

fn signal_rule(group: &Object) -> Option<Rule> {
    let mut signals = BTreeSet::new();
    for task in blocks(group, "Tasks") {
        let vault = task.get("Vault").and_then(Value::as_object);
        for source in blocks(task, "Templates").chain(vault) {
            if text(source, "ChangeMode") == "signal" {
                signals.insert(text(source, "ChangeSignal"));
            }
        }
        signals.extend(Some(text(task, "KillSignal")).filter(|signal| !signal.is_empty()));
    }
    let list = signals.into_iter().collect::<Vec<_>>().join(",");
    (!list.is_empty()).then(|| rule(SIGNALS, "set_contains", list))
}

fn nomad_service_rules(group: &Object) -> Vec<Rule> {
    let mut rules = Vec::new();
    let of_tasks = blocks(group, "Tasks").flat_map(|task| blocks(task, "Services"));
    let services = blocks(group, "Services").chain(of_tasks);
    let nomad: Vec<&Object> = services
        .filter(|service| text(service, "Provider") == "nomad")
        .collect();
    if !nomad.is_empty() {
        rules.push(rule("${attr.nomad.service_discovery}", "=", "true"));
    }
    if nomad
        .iter()
        .any(|service| blocks(service, "Checks").next().is_some())
    {
        rules.push(rule(NOMAD_VERSION, "semver", ">= 1.4.0"));
    }
    rules
}

/// For groups and for tasks: services of the one do not constrain the other.
fn consul_rule(owner: &Object) -> Option<Rule> {
    let mut services = blocks(owner, "Services");
    let service = services.find(|service| text(service, "Provider") == "consul")?;
    Some(match text(service, "Cluster") {
        "" | "default" => rule("${attr.consul.version}", "semver", ">= 1.8.0"),
        cluster => rule(
            format!("${{attr.consul.{cluster}.version}}"),
            "semver",
            ">= 1.8.0",
        ),
    })
}

fn bridge_rules(group: &Object) -> Vec<Rule> {
    if !blocks(group, "Networks").any(|network| text(network, "Mode") == "bridge") {
        return Vec::new();
    }
    let attribute = |plugin| format!("${{attr.plugins.cni.version.{plugin}}}");
    CNI_PLUGINS
        .iter()
        .map(|plugin| rule(attribute(plugin), "semver", ">= 0.4.0"))
        .collect()
}

/// A proxy that nobody notices needs Consul's own plugin for the network.
fn transparent_proxy_rules(group: &Object) -> Vec<Rule> {
    let used = blocks(group, "Services").any(|service| {
        let proxy = |connect: &Value| connect.get("SidecarService")?.get("Proxy").cloned();
        let proxy = service.get("Connect").and_then(proxy);
        proxy.is_some_and(|proxy| proxy.get("TransparentProxy").is_some_and(Value::is_object))
    });
    if !used {
        return Vec::new();
    }
    vec![
        rule(CONSUL_CNI, "semver", ">= 1.4.2"),
        rule(NOMAD_VERSION, "semver", ">= 1.8.0-dev"),
    ]
}

fn schedule_rule(group: &Object) -> Option<Rule> {
    let mut tasks = blocks(group, "Tasks");
    let scheduled = tasks.any(|task| task.get("Schedule").is_some_and(Value::is_object));
    scheduled.then(|| rule(NOMAD_VERSION, "semver", ">= 1.8.0-dev"))
}

fn identity_rule(group: &Object) -> Option<Rule> {
    let of_task = |task: &Object| blocks(task, "Identities").next().is_some();
    let of_service = |service: &Object| {
        service
            .get("Identity")
            .is_some_and(|identity| identity.is_object())
    };
    let mut tasks = blocks(group, "Tasks");
    let used = blocks(group, "Services").any(of_service)
        || tasks.any(|task| of_task(task) || blocks(task, "Services").any(of_service));
    used.then(|| rule(NOMAD_VERSION, "semver", ">= 1.7.0-a"))
}

/// Whether Nomad could have added this constraint by itself.
pub(crate) fn is_implied(constraint: &Value) -> bool {
    let member = |name| {
        constraint
            .get(name)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    let attribute = member("LTarget");
    let plain = matches!(
        (attribute, member("Operand"), member("RTarget")),
        ("${attr.vault.version}", "semver", ">= 0.6.1")
            | ("${attr.consul.version}", "semver", ">= 1.8.0")
            | ("${attr.nomad.service_discovery}", "=", "true")
            | ("${attr.os.signals}", "set_contains", _)
            | (CONSUL_CNI, "semver", ">= 1.4.2")
            | (
                NOMAD_VERSION,
                "semver",
                ">= 1.4.0" | ">= 1.6.3-dev" | ">= 1.7.0-a" | ">= 1.8.0-dev"
            )
    );
    plain
        || (member("Operand") == "semver"
            && member("RTarget") == ">= 0.4.0"
            && attribute.starts_with("${attr.plugins.cni.version."))
        || (member("Operand") == "is_set" && attribute.starts_with("${attr.plugins.secrets."))
}
