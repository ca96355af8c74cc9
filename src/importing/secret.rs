//! Values that may be secrets, in a job that somebody wants to write into a file.
//!
//! They are those that plans never show (`reconcile::diff`): environments, rendered files, credentials, and whatever says
//! so by its name. A value that only refers to something else (`${NOMAD_PORT_http}`) is none.

use serde_json::Value;

use crate::reconcile::diff::{is_secret, name_of};

/// A value that may be a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Where, for people: `TaskGroups[web].Tasks[app].Env.KEY`.
    pub path: String,
    /// Where, as a place for `ignoreFields`: `/TaskGroups/web/Tasks/app/Env/KEY`. `None` when entries of a list on the way
    /// have no name of their own.
    pub place: Option<String>,
}

/// Finds them all, in the order of the job.
#[must_use]
pub fn find(job: &Value) -> Vec<Found> {
    let mut search = Search::default();
    search.visit(job, &mut Vec::new(), &Found::top());
    search.found.into_iter().map(|(found, _)| found).collect()
}

/// Texts that may be secrets. Handle with care.
#[must_use]
pub fn texts(job: &Value) -> Vec<&str> {
    let mut search = Search::default();
    search.visit(job, &mut Vec::new(), &Found::top());
    let mut texts = Vec::new();
    for (_, value) in search.found {
        collect(value, &mut texts);
    }
    texts
}

fn collect<'a>(value: &'a Value, texts: &mut Vec<&'a str>) {
    match value {
        Value::String(text) => texts.push(text),
        Value::Array(items) => items.iter().for_each(|item| collect(item, texts)),
        Value::Object(members) => members.values().for_each(|value| collect(value, texts)),
        _ => {}
    }
}

/// Takes them out of the job and returns their places: the cluster keeps the values, the spec leaves them alone.
///
/// # Errors
/// Paths that no place can name; the job is as it was.
pub fn leave(job: &mut Value) -> Result<Vec<String>, Vec<String>> {
    let found = find(job);
    let unnamed: Vec<String> = found
        .iter()
        .filter(|found| found.place.is_none())
        .map(|found| found.path.clone())
        .collect();
    if !unnamed.is_empty() {
        return Err(unnamed);
    }
    remove(job, &mut Vec::new());
    Ok(found.into_iter().filter_map(|found| found.place).collect())
}

impl Found {
    const fn top() -> Self {
        Self {
            path: String::new(),
            place: Some(String::new()),
        }
    }

    fn member(&self, name: &str) -> Self {
        let dot = if self.path.is_empty() { "" } else { "." };
        Self {
            path: [&self.path, dot, name].concat(),
            place: self.place.as_ref().map(|place| step(place, name)),
        }
    }

    /// An entry of a list. `*` would stand for any entry, so it names none.
    fn entry(&self, list: &[Value], index: usize) -> Self {
        let name = name_of(&list[index]);
        let is_unique =
            |name: &&str| list.iter().filter(|e| name_of(e) == Some(*name)).count() == 1;
        let unique = name.filter(is_unique).filter(|name| *name != "*");
        let shown = name.map_or_else(|| index.to_string(), str::to_owned);
        Self {
            path: format!("{}[{shown}]", self.path),
            place: self
                .place
                .as_ref()
                .and_then(|place| Some(step(place, unique?))),
        }
    }
}

fn step(place: &str, name: &str) -> String {
    format!("{place}/{}", name.replace('~', "~0").replace('/', "~1"))
}

#[derive(Default)]
struct Search<'a> {
    found: Vec<(Found, &'a Value)>,
}

impl<'a> Search<'a> {
    fn visit(&mut self, value: &'a Value, members: &mut Vec<&'a str>, at: &Found) {
        match value {
            Value::Object(object) => {
                for (name, inner) in object {
                    members.push(name);
                    let at = at.member(name);
                    if may_be_secret(members, inner) {
                        self.found.push((at, inner));
                    } else {
                        self.visit(inner, members, &at);
                    }
                    members.pop();
                }
            }
            Value::Array(list) => {
                for (index, inner) in list.iter().enumerate() {
                    self.visit(inner, members, &at.entry(list, index));
                }
            }
            _ => {}
        }
    }
}

fn remove(value: &mut Value, members: &mut Vec<String>) {
    match value {
        Value::Object(object) => {
            object.retain(|name, inner| {
                members.push(name.clone());
                let path: Vec<&str> = members.iter().map(String::as_str).collect();
                let is_kept = !may_be_secret(&path, inner);
                if is_kept {
                    remove(inner, members);
                }
                members.pop();
                is_kept
            });
        }
        Value::Array(list) => list.iter_mut().for_each(|inner| remove(inner, members)),
        _ => {}
    }
}

fn may_be_secret(members: &[&str], value: &Value) -> bool {
    is_secret(members) && !refers(value)
}

/// Nothing, or nothing but interpolation of Nomad.
pub(super) fn refers(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(_) => true,
        Value::Number(_) => false,
        Value::String(text) => {
            let inner = text
                .strip_prefix("${")
                .and_then(|rest| rest.strip_suffix('}'));
            text.is_empty() || inner.is_some_and(|inner| !inner.contains('}'))
        }
        Value::Array(items) => items.iter().all(refers),
        Value::Object(members) => members.values().all(refers),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn job() -> Value {
        json!({
            "ID": "a", "Meta": {"team": "t", "api_token": "x"},
            "TaskGroups": [{"Name": "g", "Tasks": [{
                "Name": "t",
                "Env": {"A": "1", "PORT": "${NOMAD_PORT_http}", "EMPTY": ""},
                "Config": {"image": "i", "auth": [{"username": "u", "password": "p"}]},
                "Templates": [{"DestPath": "local/x", "EmbeddedTmpl": "y"}],
            }]}],
        })
    }

    #[test]
    fn what_plans_hide_is_found_and_what_refers_is_not() {
        let found = find(&job());
        let paths: Vec<&str> = found.iter().map(|found| found.path.as_str()).collect();
        assert_eq!(
            paths,
            [
                "Meta.api_token",
                "TaskGroups[g].Tasks[t].Config.auth",
                "TaskGroups[g].Tasks[t].Env.A",
                "TaskGroups[g].Tasks[t].Templates[local/x].EmbeddedTmpl",
            ]
        );
        assert_eq!(
            found[3].place.as_deref(),
            Some("/TaskGroups/g/Tasks/t/Templates/local~1x/EmbeddedTmpl")
        );
        assert_eq!(texts(&job()), ["x", "p", "u", "1", "y"]);
    }

    #[test]
    fn what_is_left_to_the_cluster_makes_no_drift() {
        let running = job();
        let mut spec = running.clone();
        let places = leave(&mut spec).unwrap();
        assert_eq!(places.len(), 4);
        assert!(find(&spec).is_empty());
        assert_eq!(
            spec["TaskGroups"][0]["Tasks"][0]["Env"]["PORT"],
            "${NOMAD_PORT_http}"
        );
        assert!(!crate::importing::drift(&spec, &running, &[]).is_empty());
        assert_eq!(
            crate::importing::drift(&spec, &running, &places).changes,
            []
        );
    }

    #[test]
    fn entries_that_share_a_name_cannot_be_left() {
        let mut job = job();
        let templates = &mut job["TaskGroups"][0]["Tasks"][0]["Templates"];
        *templates =
            json!([{"DestPath": "a", "EmbeddedTmpl": "1"}, {"DestPath": "a", "EmbeddedTmpl": "2"}]);
        let before = job.clone();
        assert_eq!(leave(&mut job).unwrap_err().len(), 2);
        assert_eq!(job, before);
    }
}
