//! What a block says in another way than by its members alone.

use serde_json::{Map, Value, json};

use super::Decoder;
use crate::simulator::jobspec::evaluate::place;
use crate::simulator::jobspec::expand::Item;
use crate::simulator::jobspec::schema::{AFFINITY, Block, CONSTRAINT, GROUP, TASK_SCALING};

/// Arguments of a constraint that are operators: the last one counts.
const OPERATORS: &[&str] = &["version", "semver", "regexp", "set_contains"];

/// The same of an affinity.
const AFFINITY_OPERATORS: &[&str] = &[
    "version",
    "semver",
    "regexp",
    "set_contains_any",
    "set_contains_all",
    "set_contains",
];

impl Decoder {
    pub(super) fn finish(
        &mut self,
        members: &mut Map<String, Value>,
        item: &Item<'_>,
        schema: &'static Block,
    ) {
        let is = |block: &'static Block| std::ptr::eq(schema, block);
        if is(&CONSTRAINT) {
            constraint(members);
        } else if is(&AFFINITY) {
            operator(members, AFFINITY_OPERATORS);
        } else if is(&TASK_SCALING) {
            self.task_scaling(members, item);
        } else if is(&GROUP) {
            self.group(members, item);
        }
    }

    /// `scaling "cpu"` and `scaling "mem"` of a task: the label is the type.
    fn task_scaling(&mut self, members: &mut Map<String, Value>, item: &Item<'_>) {
        let source = item.scope.source();
        let label = item.labels.first();
        let kind = match label.map(|label| label.text.to_lowercase()).as_deref() {
            Some("cpu") => "vertical_cpu",
            Some("mem") => "vertical_mem",
            _ => {
                let at = label.map(|label| label.at.clone()).unwrap_or_default();
                let detail = "scaling policy name must be \"cpu\" or \"mem\"";
                let problem = source.problem(at, "Invalid scaling policy name", detail);
                return self.problems.push(problem);
            }
        };
        members.remove("@name");
        match members.get("Type").and_then(Value::as_str) {
            None | Some("") => {
                members.insert("Type".to_owned(), json!(kind));
            }
            Some(given) if given == kind => {}
            Some(given) => {
                let detail = format!("Invalid policy type, expected {given:?} but found {kind:?}");
                let summary = "Invalid scaling policy type";
                self.problems
                    .push(source.problem(item.header(), summary, detail));
            }
        }
    }

    /// A group's scaling needs a bound, and its `vault` and `secret` are those of its tasks.
    fn group(&mut self, members: &mut Map<String, Value>, item: &Item<'_>) {
        self.group_scaling(members, item);
        let vault = members.remove("@vault");
        let secrets = members.remove("@secrets");
        let tasks = members.get_mut("Tasks").and_then(Value::as_array_mut);
        for task in tasks.into_iter().flatten() {
            if let Some(vault) = &vault
                && task.get("Vault").is_none()
            {
                task["Vault"] = vault.clone();
            }
            let Some(secrets) = &secrets else {
                continue;
            };
            match task.get_mut("Secrets").and_then(Value::as_array_mut) {
                // Nomad takes the task's own ones a second time instead.
                Some(own) => own.extend_from_within(..),
                None => task["Secrets"] = secrets.clone(),
            }
        }
    }

    fn group_scaling(&mut self, members: &mut Map<String, Value>, item: &Item<'_>) {
        let Some(scaling) = members.get_mut("Scaling") else {
            return;
        };
        if matches!(scaling["Type"].as_str(), None | Some("")) {
            scaling["Type"] = json!("horizontal");
        }
        let no_bound = scaling["Max"].is_null();
        let kind = scaling["Type"].as_str().unwrap_or_default().to_owned();
        let Some(block) = item.block.body.get_blocks("scaling").next() else {
            return;
        };
        let written = super::expand::written(block, &item.scope);
        if no_bound {
            self.missing(&written, "max");
        }
        if kind != "horizontal"
            && let Some(attribute) = block.body.get_attribute("type")
        {
            let at = place(&attribute.value);
            let detail = format!("task group scaling policy had invalid type: {kind:?}");
            let source = item.scope.source();
            let problem = source.problem(at, "Invalid group scaling type", detail);
            self.problems.push(problem);
        }
    }
}

fn constraint(members: &mut Map<String, Value>) {
    let hosts = members.remove("@distinct_hosts");
    let property = members.remove("@distinct_property");
    operator(members, OPERATORS);
    if let Some(hosts) = hosts {
        members.insert("Operand".to_owned(), json!("distinct_hosts"));
        members.insert("RTarget".to_owned(), json!(hosts.to_string()));
    }
    if let Some(property) = property.filter(|property| property != "") {
        members.insert("Operand".to_owned(), json!("distinct_property"));
        members.insert("LTarget".to_owned(), property);
    }
}

/// `version = "…"` is `operator = "version"` with `value = "…"`. Without any operator it is `=`.
fn operator(members: &mut Map<String, Value>, operators: &[&str]) {
    for name in operators {
        let value = members.remove(&format!("@{name}"));
        if let Some(value) = value.filter(|value| value != "") {
            members.insert("Operand".to_owned(), json!(name));
            members.insert("RTarget".to_owned(), value);
        }
    }
    // Known, and without effect.
    members.retain(|name, _| !name.starts_with('@'));
    let operand = members.entry("Operand").or_insert_with(|| json!(""));
    if operand == "" {
        *operand = json!("=");
    }
}
