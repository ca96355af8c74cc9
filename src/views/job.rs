//! A job as Nomad has it, without what the server added and without what is not for everybody's eyes.

use hcl::expr::{Expression, ObjectKey};
use hcl::structure::{Body, Structure};
use serde_json::{Map, Value};

use crate::clients::nomad::canonical::{SCALING_SERVER_MEMBERS, SERVER_MEMBERS};
use crate::reconcile::diff::{is_secret, without_secrets};

/// Members that the server sets and that mean nothing in a specification, besides [`SERVER_MEMBERS`].
const MORE_SERVER_MEMBERS: [&str; 6] = [
    "DispatchIdempotencyToken",
    "Dispatched",
    "NomadTokenID",
    "ParentID",
    "Stop",
    "VersionTag",
];

/// Members whose contents belong to users: an empty text in them says something.
const USERS: [&str; 5] = ["Config", "Env", "Header", "Meta", "TaggedAddresses"];

/// How much of a job is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Depth {
    /// With what the server added and with members that say nothing.
    pub raw: bool,
    /// With secrets.
    pub secrets: bool,
}

/// The job as it is shown. What is left of it, registered again, would make no new version.
#[must_use]
pub fn shown(job: &Value, depth: Depth) -> Value {
    let mut job = if depth.secrets {
        job.clone()
    } else {
        without_secrets(job)
    };
    if depth.raw {
        return job;
    }
    if let Value::Object(members) = &mut job {
        members.retain(|name, _| {
            !SERVER_MEMBERS.contains(&name.as_str())
                && !MORE_SERVER_MEMBERS.contains(&name.as_str())
        });
        for group in list_mut(members, "TaskGroups") {
            strip_scaling(group.get_mut("Scaling"));
            for task in list_mut(group, "Tasks") {
                list_mut(task, "ScalingPolicies").for_each(strip_policy);
            }
        }
    }
    prune(&mut job);
    job
}

fn list_mut<'a>(
    members: &'a mut Map<String, Value>,
    name: &str,
) -> impl Iterator<Item = &'a mut Map<String, Value>> + use<'a> {
    let list = members.get_mut(name).and_then(Value::as_array_mut);
    list.into_iter().flatten().filter_map(Value::as_object_mut)
}

fn strip_scaling(policy: Option<&mut Value>) {
    if let Some(policy) = policy.and_then(Value::as_object_mut) {
        strip_policy(policy);
    }
}

fn strip_policy(policy: &mut Map<String, Value>) {
    policy.retain(|name, _| !SCALING_SERVER_MEMBERS.contains(&name.as_str()) && name != "Target");
}

/// Drops members that are as good as absent: `null`, empty texts, lists and objects. Zero and `false` say something.
fn prune(value: &mut Value) {
    match value {
        Value::Object(members) => members.retain(|name, inner| {
            if !USERS.contains(&name.as_str()) {
                prune(inner);
            }
            !is_nothing(inner)
        }),
        Value::Array(list) => list.iter_mut().for_each(prune),
        _ => {}
    }
}

fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(members) => members.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

/// Blocks and attributes of a job specification whose values may be secret, and the members that they become.
const HCL_NAMES: [(&str, &str); 17] = [
    ("artifact", "Artifacts"),
    ("check", "Checks"),
    ("config", "Config"),
    ("data", "EmbeddedTmpl"),
    ("env", "Env"),
    ("group", "TaskGroups"),
    ("header", "Header"),
    ("headers", "GetterHeaders"),
    ("meta", "Meta"),
    ("mount_flags", "MountFlags"),
    ("mount_options", "MountOptions"),
    ("options", "GetterOptions"),
    ("secret", "Secrets"),
    ("service", "Services"),
    ("source", "GetterSource"),
    ("task", "Tasks"),
    ("template", "Templates"),
];

/// A job specification without its secrets; comments and layout go with them. `None` when it does not parse.
#[must_use]
pub fn source_without_secrets(source: &str) -> Option<String> {
    let mut body = hcl::parse(source).ok()?;
    hide_in_body(&mut body, &mut Vec::new());
    hcl::format::to_string(&body).ok()
}

fn hide_in_body(body: &mut Body, members: &mut Vec<String>) {
    for structure in &mut body.0 {
        let name = match structure {
            Structure::Block(block) => block.identifier.as_str(),
            Structure::Attribute(attribute) => attribute.key.as_str(),
        };
        let is_job = name == "job" && members.is_empty();
        let depth = members.len();
        if !is_job {
            members.push(member(name, members));
        }
        match structure {
            Structure::Block(block) => hide_in_body(&mut block.body, members),
            Structure::Attribute(attribute) => hide_in_expression(&mut attribute.expr, members),
        }
        members.truncate(depth);
    }
}

/// A name as it is called in a job. Below what users name themselves nothing is translated.
fn member(name: &str, members: &[String]) -> String {
    let is_users = members
        .iter()
        .any(|member| USERS.contains(&member.as_str()));
    let known = HCL_NAMES.iter().find(|(known, _)| *known == name);
    match known.filter(|_| !is_users) {
        Some((_, member)) => (*member).to_owned(),
        None => name.to_owned(),
    }
}

fn hide_in_expression(expression: &mut Expression, members: &mut Vec<String>) {
    let path: Vec<&str> = members.iter().map(String::as_str).collect();
    if is_secret(&path) {
        *expression = Expression::from("(hidden)");
        return;
    }
    match expression {
        Expression::Object(object) => {
            for (key, inner) in object.iter_mut() {
                let name = match key {
                    ObjectKey::Identifier(name) => name.as_str().to_owned(),
                    other => other.to_string().trim_matches('"').to_owned(),
                };
                members.push(name);
                hide_in_expression(inner, members);
                members.pop();
            }
        }
        Expression::Array(list) => {
            for inner in list {
                hide_in_expression(inner, members);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::clients::nomad::canonical::canonicalize;
    use crate::reconcile::diff::{DiffOptions, diff};

    fn job() -> Value {
        let mut job = json!({
            "ID": "shop", "Type": "service", "Meta": {"team": "", "api_token": "canary-meta"},
            "TaskGroups": [{
                "Name": "web", "Count": 0, "Scaling": {"Enabled": true, "Min": 0, "Max": 3, "Policy": {"cooldown": "1m"}},
                "RestartPolicy": {"Attempts": 0, "Interval": 60, "Delay": 1, "Mode": "fail"},
                "Tasks": [{"Name": "app", "Driver": "docker", "Env": {"PASSWORD": "canary-env"},
                    "Config": {"image": "shop:1", "auth": [{"password": "canary-auth"}]},
                    "Templates": [{"EmbeddedTmpl": "canary-template", "DestPath": "local/x"}]}],
            }],
        });
        canonicalize(&mut job, "global");
        for (name, value) in [
            ("Version", json!(3)),
            ("Stop", json!(false)),
            ("SubmitTime", json!(7)),
            ("Status", json!("running")),
            ("JobModifyIndex", json!(50)),
            ("Stable", json!(true)),
        ] {
            job[name] = value;
        }
        job["TaskGroups"][0]["Scaling"]["ID"] = json!("s1");
        job
    }

    #[test]
    fn what_is_shown_is_the_same_job() {
        let all = Depth {
            secrets: true,
            ..Depth::default()
        };
        let shown = shown(&job(), all);
        let drift = diff(&shown, &job(), &DiffOptions::default());
        assert!(drift.is_empty(), "{drift}");
        assert_eq!(shown["TaskGroups"][0]["Count"], 0, "a zero says something");
        assert_eq!(shown["Meta"]["team"], "", "so does a user's empty text");
    }

    #[test]
    fn what_the_server_added_is_left_out_unless_it_is_asked_for() {
        let text = shown(&job(), Depth::default()).to_string();
        for gone in [
            "null",
            "Version",
            "Stable",
            "SubmitTime",
            "\"s1\"",
            "JobModifyIndex",
        ] {
            assert!(!text.contains(gone), "{gone} in {text}");
        }
        let raw = Depth {
            raw: true,
            ..Depth::default()
        };
        assert_eq!(shown(&job(), raw)["Version"], 3);
    }

    #[test]
    fn no_secret_is_shown_unless_it_is_asked_for() {
        for raw in [false, true] {
            let hidden = Depth {
                raw,
                secrets: false,
            };
            let text = shown(&job(), hidden).to_string();
            assert!(!text.contains("canary"), "{text}");
            assert!(text.contains("PASSWORD"), "the name is no secret");
            let open = Depth { raw, secrets: true };
            assert_eq!(shown(&job(), open).to_string().matches("canary").count(), 4);
        }
    }

    #[test]
    fn no_secret_of_a_source_is_shown_either() {
        let source = r#"
job "shop" {
  # a comment
  meta { api_token = "canary-1" }
  group "web" {
    count = 2
    service {
      check {
        header {
          Authorization = ["canary-2"]
        }
      }
    }
    task "app" {
      driver = "docker"
      config {
        image = "shop:1"
        auth {
          password = "canary-3"
        }
        labels = { db_password = "canary-4", team = "blue" }
      }
      env = { A = "canary-5" }
      template { data = "canary-6" }
      artifact { source = "https://u:canary-7@host/x" }
    }
  }
}"#;
        let shown = source_without_secrets(source).unwrap();
        assert!(!shown.contains("canary"), "{shown}");
        for kept in ["\"shop:1\"", "count = 2", "\"blue\"", "\"app\"", "(hidden)"] {
            assert!(shown.contains(kept), "{kept} in {shown}");
        }
        assert_eq!(source_without_secrets("job {"), None);
    }
}
