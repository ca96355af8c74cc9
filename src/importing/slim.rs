//! A job without what Nomad fills in by itself.
//!
//! Nomad returns every member of a job, defaults included. A member may go when the job without it has the same canonical
//! form: then registering it gives the same job. Blocks are tried before their members, so a block of defaults goes as a
//! whole.

use serde_json::{Number, Value};

use crate::clients::nomad::canonical::canonicalize;

use super::OWN_META;

/// Members that stay although Nomad would fill them in: people look for them.
const KEPT: [&str; 2] = ["ID", "Type"];

/// Members in whose inside every value counts, whatever it is.
const FREE: [&str; 4] = ["Config", "Env", "Meta", "Policy"];

/// Returns the specification of a job that `GET /v1/job/:id` returned, without server members, defaults and our own meta.
/// The namespace is left out, too.
#[must_use]
pub fn slim(observed: &Value) -> Value {
    let region = match observed.get("Region").and_then(Value::as_str) {
        None | Some("") => "global",
        Some(region) => region,
    };
    let mut goal = observed.clone();
    without_own_meta(&mut goal);
    without_connect(&mut goal);
    canonicalize(&mut goal, region);
    let mut shrinking = Shrinking {
        job: goal.clone(),
        goal,
        region,
    };
    drop_empty(&mut shrinking.job);
    if !shrinking.is_same() {
        shrinking.job = shrinking.goal.clone();
    }
    shrinking.shrink(&mut Vec::new());
    let mut job = shrinking.job;
    if let Value::Object(members) = &mut job {
        members.remove("Namespace");
    }
    whole_numbers(&mut job, false);
    job
}

fn without_own_meta(job: &mut Value) {
    if let Some(meta) = job.get_mut("Meta").and_then(Value::as_object_mut) {
        meta.retain(|key, _| !OWN_META.contains(&key.as_str()));
    }
}

/// What Consul Connect puts into a job by itself: its side-car tasks and their ports. The comparator leaves them alone.
fn without_connect(job: &mut Value) {
    for group in entries(job.get_mut("TaskGroups")) {
        if let Some(Value::Array(tasks)) = group.get_mut("Tasks") {
            tasks.retain(|task| {
                !matches!(task["Kind"].as_str(), Some(kind) if kind.starts_with("connect-proxy:"))
            });
        }
        for network in entries(group.get_mut("Networks")) {
            if let Some(Value::Array(ports)) = network.get_mut("DynamicPorts") {
                ports.retain(|port| {
                    !matches!(port["Label"].as_str(), Some(label) if label.starts_with("connect-proxy-"))
                });
            }
        }
    }
}

fn entries(list: Option<&mut Value>) -> impl Iterator<Item = &mut Value> {
    list.and_then(Value::as_array_mut).into_iter().flatten()
}

/// Drops what says nothing, except among what users wrote themselves.
fn drop_empty(value: &mut Value) {
    match value {
        Value::Object(members) => {
            for (name, inner) in members.iter_mut() {
                if !FREE.contains(&name.as_str()) {
                    drop_empty(inner);
                }
            }
            members.retain(|name, inner| KEPT.contains(&name.as_str()) || !says_nothing(inner));
        }
        Value::Array(items) => items.iter_mut().for_each(drop_empty),
        _ => {}
    }
}

fn says_nothing(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Bool(true) => false,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
    }
}

/// A step into a job.
#[derive(Clone)]
enum Step {
    Member(String),
    Entry(usize),
}

struct Shrinking<'a> {
    job: Value,
    /// Its canonical form, which must not change.
    goal: Value,
    region: &'a str,
}

impl Shrinking<'_> {
    fn canonical(&self) -> Value {
        let mut canonical = self.job.clone();
        canonicalize(&mut canonical, self.region);
        canonical
    }

    fn is_same(&self) -> bool {
        self.canonical() == self.goal
    }

    fn shrink(&mut self, path: &mut Vec<Step>) {
        if matches!(at(&mut self.job, path), Some(Value::Object(_))) {
            self.shrink_scalars(path);
        }
        let steps: Vec<Step> = match at(&mut self.job, path) {
            Some(Value::Object(members)) => {
                let blocks = members.iter().filter(|(_, value)| is_block(value));
                blocks.map(|(name, _)| Step::Member(name.clone())).collect()
            }
            Some(Value::Array(items)) => (0..items.len()).map(Step::Entry).collect(),
            _ => return,
        };
        for step in steps {
            if let Step::Member(name) = &step
                && (self.drops(path, name) || FREE.contains(&name.as_str()))
            {
                continue;
            }
            path.push(step);
            self.shrink(path);
            path.pop();
        }
    }

    /// Drops the members of an object that hold no blocks: those that come back by themselves when all are gone, if
    /// nothing changes by that, else one by one.
    fn shrink_scalars(&mut self, path: &[Step]) {
        let Some(Value::Object(members)) = at(&mut self.job, path) else {
            return;
        };
        let before = members.clone();
        members.retain(|name, value| is_block(value) || is_kept(path, name));
        let mut canonical = self.canonical();
        let filled_in = at(&mut canonical, path).map(Value::take);
        let Some(Value::Object(members)) = at(&mut self.job, path) else {
            return;
        };
        for (name, value) in &before {
            let comes_back = filled_in.as_ref().and_then(|filled| filled.get(name)) == Some(value);
            if !comes_back {
                members.insert(name.clone(), value.clone());
            }
        }
        if self.is_same() {
            return;
        }
        if let Some(Value::Object(members)) = at(&mut self.job, path) {
            *members = before.clone();
        }
        let names = before
            .iter()
            .filter(|(name, value)| !is_block(value) && !is_kept(path, name));
        for (name, _) in names {
            self.drops(path, name);
        }
    }

    /// Removes a member if nothing changes by that.
    fn drops(&mut self, path: &[Step], name: &str) -> bool {
        let Some(Value::Object(members)) = at(&mut self.job, path) else {
            return false;
        };
        let Some(value) = members.remove(name) else {
            return false;
        };
        if self.is_same() {
            return true;
        }
        if let Some(Value::Object(members)) = at(&mut self.job, path) {
            members.insert(name.to_owned(), value);
        }
        false
    }
}

fn is_kept(path: &[Step], name: &str) -> bool {
    path.is_empty() && KEPT.contains(&name)
}

/// Objects, and lists of them.
fn is_block(value: &Value) -> bool {
    match value {
        Value::Object(_) => true,
        Value::Array(items) => items.iter().any(Value::is_object),
        _ => false,
    }
}

fn at<'a>(value: &'a mut Value, path: &[Step]) -> Option<&'a mut Value> {
    path.iter().try_fold(value, |value, step| match step {
        Step::Member(name) => value.get_mut(name),
        Step::Entry(index) => value.get_mut(index),
    })
}

/// Nomad keeps numbers of a driver's configuration as floats; `512` reads better than `512.0` and is the same.
fn whole_numbers(value: &mut Value, is_free: bool) {
    /// Beyond it not every whole number is a float.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    match value {
        Value::Object(members) => {
            for (name, inner) in members.iter_mut() {
                whole_numbers(
                    inner,
                    is_free || matches!(name.as_str(), "Config" | "Policy"),
                );
            }
        }
        Value::Array(items) => items
            .iter_mut()
            .for_each(|item| whole_numbers(item, is_free)),
        Value::Number(number) if is_free && number.is_f64() => {
            let float = number.as_f64().unwrap_or_default();
            if float.fract() == 0.0 && float.abs() < EXACT {
                // In range, and without a fraction.
                *number = Number::from(float as i64);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_job_of_defaults_is_what_its_author_wrote() {
        let written = json!({
            "ID": "a", "Type": "service", "Priority": 70,
            "TaskGroups": [{
                "Name": "g", "Count": 3,
                "RestartPolicy": {"Attempts": 5},
                "Networks": [{"DynamicPorts": [{"Label": "http", "To": 80}]}],
                "Services": [{"Name": "web", "PortLabel": "http", "Provider": "nomad",
                    "Checks": [{"Type": "tcp", "Interval": 10_000_000_000_i64, "Timeout": 2_000_000_000}]}],
                "Tasks": [{
                    "Name": "t", "Driver": "docker", "Env": {"A": "", "B": "0"},
                    "Config": {"image": "nginx", "tty": false, "memory_hard_limit": 512, "ratio": 0.5},
                    "Resources": {"CPU": 250},
                    "Templates": [{"DestPath": "local/x", "EmbeddedTmpl": "y"}],
                }],
            }],
        });
        let mut running = written.clone();
        canonicalize(&mut running, "global");
        running["Version"] = 4.into();
        running["Status"] = "running".into();
        running["Meta"] = json!({"cs.owner": "x", "cs.managed-by": "cs"});
        assert_eq!(slim(&running), written);
    }

    #[test]
    fn what_connect_adds_goes_and_what_users_wrote_for_it_stays() {
        let running = json!({
            "ID": "a", "Type": "service",
            "TaskGroups": [{
                "Name": "g",
                "Networks": [{"Mode": "bridge", "DynamicPorts": [{"Label": "connect-proxy-web", "To": -1}]}],
                "Services": [{"Name": "web", "PortLabel": "9090", "Connect": {"SidecarService": {"Port": ""}}}],
                "Tasks": [
                    {"Name": "t", "Driver": "docker", "Config": {"image": "x"}},
                    {"Name": "connect-proxy-web", "Driver": "docker", "Kind": "connect-proxy:web"},
                ],
            }],
        });
        let found = slim(&running);
        let group = &found["TaskGroups"][0];
        assert_eq!(group["Tasks"].as_array().map(Vec::len), Some(1));
        assert_eq!(group["Networks"], json!([{"Mode": "bridge"}]));
        assert_eq!(
            group["Services"][0]["Connect"],
            json!({"SidecarService": {}})
        );
    }

    #[test]
    fn meta_of_others_stays() {
        let running = json!({"ID": "a", "Type": "batch", "Meta": {"cs.owner": "x", "k": ""}, "Region": "eu",
            "Namespace": "prod", "TaskGroups": []});
        assert_eq!(
            slim(&running),
            json!({"ID": "a", "Type": "batch", "Meta": {"k": ""}})
        );
    }
}
