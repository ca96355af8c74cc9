//! Variables of the built-in pack `cloudstation` → a workload. Source: contract 7.3.
//!
//! They are params by other names, so they take the road of params: a table turns them into those, and `dispatch` decides
//! what they mean. The table also knows which field of the workload each becomes, so that what validation finds later is told
//! where it stands in the project file or in its variable file.

mod fields;

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json, json};

use super::text::{At, Findings, meant, shown};
use super::value::{Kind, Member, Value};
use crate::dispatch::{ConvertOptions, Params, ParamsError, Task, convert, params};
use crate::spec::Workload;
use crate::spec::path;
use fields::Sort::{Flag, List, Map as Members, Number, Text, Texts, Unused};
use fields::{FIELDS, Field};

/// What the pack's variables come to.
pub(super) struct Made {
    pub(super) workload: Workload,
    /// Places of the workload's paths.
    pub(super) places: BTreeMap<String, At>,
    /// The job is one of the platform: its ids are given.
    pub(super) is_platform: bool,
}

/// Variables of the pack by name, the later ones in place of the earlier ones.
pub(super) type Variables = BTreeMap<String, Member>;

/// Makes the workload of job `job`; `None` once what is wrong has been told. `at` is the block that deploys.
pub(super) fn workload(
    variables: &Variables,
    job: &str,
    at: At,
    options: &ConvertOptions,
    findings: &mut Findings,
) -> Option<Made> {
    let mut reading = Reading {
        findings,
        params: Map::new(),
        param_places: BTreeMap::new(),
        places: BTreeMap::new(),
        is_whole: true,
    };
    let path = "variables";
    let members: Vec<&Member> = variables.values().collect();
    let read = reading.members(&members, FIELDS, path, "", "spec");
    reading.params = read;
    let (is_platform, memory_max, arguments) = reading.settle(job);
    let Reading {
        params: wire,
        param_places,
        places,
        is_whole,
        ..
    } = reading;
    if !is_whole {
        return None;
    }
    let options = ConvertOptions {
        vault: options.vault && is_platform,
        backend_url: None,
        access_token: None,
        ..options.clone()
    };
    let text = Json::Object(wire).to_string();
    let params = match params::parse(Task::DeployImage, text.as_bytes()) {
        Ok(Params::Deploy(params)) => params,
        Ok(Params::Destroy(_)) => return None,
        Err(error) => {
            refuse(&error, &param_places, at, findings);
            return None;
        }
    };
    let converted = match convert(&params, &options) {
        Ok(converted) => converted,
        Err(error) => {
            refuse(&error, &param_places, at, findings);
            return None;
        }
    };
    for warning in converted.run.warnings {
        findings.warn(at, "pack-variable", path, warning, None);
    }
    let mut workload = converted.workload;
    if let Some(memory) = memory_max {
        workload.spec.resources.memory_max = Some(memory);
    }
    if arguments.len() > 1 {
        workload.spec.container.start_command = None;
        workload.spec.container.args = arguments;
    }
    if !is_platform {
        on_its_own(&mut workload, variables);
    }
    Some(Made {
        workload,
        places,
        is_platform,
    })
}

/// Takes out what only the platform's clusters have: its node pool, its user, its ids.
fn on_its_own(workload: &mut Workload, variables: &Variables) {
    let spec = &mut workload.spec;
    spec.platform = None;
    if !variables.contains_key("user") {
        spec.container.user = None;
    }
    let has_gpu = spec.resources.gpu.is_some();
    if !variables.contains_key("node_pool") && !has_gpu {
        spec.placement.node_pool = None;
    }
}

/// Tells what the conversion of params found, where it stands and by the name that it has there.
fn refuse(error: &ParamsError, origins: &Origins, fallback: At, findings: &mut Findings) {
    for problem in error.problems() {
        let mut near = Some(problem.field.as_str());
        let mut origin = None;
        while let Some(field) = near.filter(|field| !field.is_empty()) {
            origin = origins.get(field);
            if origin.is_some() {
                break;
            }
            near = path::parent(field);
        }
        let (at, place) = match origin {
            Some((at, place)) => (*at, place.as_str()),
            None => (fallback, "variables"),
        };
        let text = problem.to_string();
        // The name of the param is none of the project's.
        let prefix = format!("{}: ", problem.field);
        let text = text.strip_prefix(&prefix).unwrap_or(&text);
        findings.error(at, "pack-variable", place, text, None);
    }
    if error.problems().is_empty() {
        findings.error(
            fallback,
            "pack-variable",
            "variables",
            error.to_string(),
            None,
        );
    }
}

/// Where a place of the params comes from: the place of the variable, and its path.
type Origins = BTreeMap<String, (At, String)>;

struct Reading<'f> {
    findings: &'f mut Findings,
    params: Map<String, Json>,
    param_places: Origins,
    places: BTreeMap<String, At>,
    is_whole: bool,
}

impl Reading<'_> {
    fn wrong(&mut self, value: &Value, path: &str, expected: &str) -> Option<Json> {
        let message = format!("must be {expected}, and is {}", value.name());
        self.findings
            .error(value.at, "wrong-type", path, message, None);
        self.is_whole = false;
        None
    }

    /// Members of a map as an object of params. `param` and `workload` are the places of the map itself.
    fn members(
        &mut self,
        members: &[&Member],
        fields: &'static [Field],
        path: &str,
        param: &str,
        workload: &str,
    ) -> Map<String, Json> {
        let mut object = Map::new();
        for member in members {
            let Some(field) = fields.iter().find(|field| field.key == member.key) else {
                let message = format!("the pack has no variable `{}`", shown(&member.key));
                let help = meant(&member.key, fields.iter().map(|field| field.key));
                self.findings
                    .error(member.at, "unknown-variable", path, message, Some(help));
                self.is_whole = false;
                continue;
            };
            if member.value.is_null() {
                continue;
            }
            let inner = Place {
                path: path::member(path, field.key),
                param: joined(param, field.param),
                workload: joined(workload, field.workload),
            };
            self.param_places
                .insert(inner.param.clone(), (member.at, inner.path.clone()));
            if !field.workload.is_empty() {
                self.places.insert(inner.workload.clone(), member.at);
            }
            let Some(value) = self.value(&member.value, field, &inner) else {
                continue;
            };
            if field.param.is_empty() {
                if let Json::Object(flat) = value {
                    object.extend(flat);
                }
                continue;
            }
            put(&mut object, field.param, value);
        }
        object
    }

    fn value(&mut self, value: &Value, field: &Field, place: &Place) -> Option<Json> {
        if value.holds_secret() && !matches!(field.sort, Unused) {
            let message = "a sensitive variable would be shown here, in plans and in the job";
            let help = "use it for credentials and for `config.env` only";
            self.findings.error(
                value.at,
                "secret-in-plain",
                &place.path,
                message,
                Some(help.to_owned()),
            );
            self.is_whole = false;
            return None;
        }
        match &field.sort {
            Unused => None,
            Text => match value.text() {
                Some(text) => Some(Json::String(text)),
                None => self.wrong(value, &place.path, "a text"),
            },
            Number => match &value.kind {
                Kind::Number(number) => Some(whole(number)),
                // A variable of the project is always a text.
                Kind::Text(text) => match text.trim().parse::<i64>() {
                    Ok(number) => Some(number.into()),
                    Err(_) => self.wrong(value, &place.path, "a whole number"),
                },
                _ => self.wrong(value, &place.path, "a whole number"),
            },
            Flag => match &value.kind {
                Kind::Bool(flag) => Some((*flag).into()),
                Kind::Text(text) if text == "true" => Some(true.into()),
                Kind::Text(text) if text == "false" => Some(false.into()),
                _ => self.wrong(value, &place.path, "`true` or `false`"),
            },
            Texts => self.texts(value, place),
            Members(fields) => {
                let Kind::Map(members) = &value.kind else {
                    return self.wrong(value, &place.path, "a map");
                };
                let members: Vec<&Member> = members.iter().collect();
                let read =
                    self.members(&members, fields, &place.path, &place.param, &place.workload);
                Some(Json::Object(read))
            }
            List(fields) => {
                let Kind::List(items) = &value.kind else {
                    return self.wrong(value, &place.path, "a list");
                };
                let read = items.iter().enumerate().filter_map(|(index, item)| {
                    let place = place.element(index);
                    let Kind::Map(members) = &item.kind else {
                        return self.wrong(item, &place.path, "a map");
                    };
                    self.param_places
                        .insert(place.param.clone(), (item.at, place.path.clone()));
                    self.places.insert(place.workload.clone(), item.at);
                    let members: Vec<&Member> = members.iter().collect();
                    let read =
                        self.members(&members, fields, &place.path, &place.param, &place.workload);
                    Some(Json::Object(read))
                });
                Some(Json::Array(read.collect()))
            }
        }
    }

    fn texts(&mut self, value: &Value, place: &Place) -> Option<Json> {
        let one = std::slice::from_ref(value);
        let items = match &value.kind {
            Kind::List(items) => items.as_slice(),
            _ => one,
        };
        let mut texts = Vec::new();
        for (index, item) in items.iter().enumerate() {
            let place = place.element(index);
            self.places.insert(place.workload, item.at);
            match item.text() {
                Some(text) => texts.push(Json::String(text)),
                None => {
                    self.wrong(item, &place.path, "a text");
                }
            }
        }
        Some(Json::Array(texts))
    }

    /// Gives the params what they must have, and what the table cannot say. Returns whether the platform's ids are given, the
    /// memory limit, and the arguments.
    fn settle(&mut self, job: &str) -> (bool, Option<u32>, Vec<String>) {
        let is_given = |params: &Map<String, Json>, key: &str| {
            params
                .get(key)
                .and_then(Json::as_str)
                .is_some_and(|text| !text.is_empty())
        };
        let params = &mut self.params;
        let is_platform = is_given(params, "deploymentId") && is_given(params, "serviceId");
        for (key, value) in [
            ("jobId", job),
            ("deploymentId", "project"),
            ("serviceId", "project"),
            // Replaced by what is built.
            ("imageName", "unbuilt"),
        ] {
            if !is_given(params, key) {
                params.insert(key.to_owned(), json!(value));
            }
        }
        let uses = |params: &mut Map<String, Json>, key: &str| {
            params.remove(key).and_then(|value| value.as_bool()) == Some(true)
        };
        let name = params.remove("volume_name");
        let mounts = params.remove("volume_mounts").unwrap_or(json!([]));
        if uses(params, "use_csi_volume")
            && let Some(name) = name
        {
            params.insert(
                "csiVolume".to_owned(),
                json!([{"id": name, "mountPaths": mounts}]),
            );
        }
        let tls = params.remove("tls");
        if uses(params, "use_tls")
            && let Some(Json::Array(list)) = tls
            && let Some(first) = list.into_iter().next()
        {
            params.insert("tls".to_owned(), first);
        }
        let memory_max = params
            .remove("memory_max")
            .and_then(|value| value.as_u64())
            .and_then(|number| u32::try_from(number).ok());
        let mut arguments = Vec::new();
        if let Some(build) = params.get_mut("build")
            && let Json::Array(items) = build["startCommand"].take()
        {
            arguments = items
                .into_iter()
                .filter_map(|item| item.as_str().map(str::to_owned))
                .collect();
            build["startCommand"] = json!(arguments.first().cloned().unwrap_or_default());
        }
        (is_platform, memory_max, arguments)
    }
}

/// Where a variable stands, and what it becomes.
struct Place {
    path: String,
    param: String,
    workload: String,
}

impl Place {
    fn element(&self, index: usize) -> Self {
        Self {
            path: path::element(&self.path, index),
            param: path::element(&self.param, index),
            workload: path::element(&self.workload, index),
        }
    }
}

fn joined(base: &str, tail: &str) -> String {
    match (base.is_empty(), tail.is_empty()) {
        (true, _) => tail.to_owned(),
        (_, true) => base.to_owned(),
        (false, false) => format!("{base}.{tail}"),
    }
}

/// Puts a value at a place such as `consul.serviceName`.
fn put(object: &mut Map<String, Json>, place: &str, value: Json) {
    match place.split_once('.') {
        None => {
            object.insert(place.to_owned(), value);
        }
        Some((first, rest)) => {
            let inner = object
                .entry(first)
                .or_insert_with(|| Json::Object(Map::new()));
            if let Json::Object(inner) = inner {
                put(inner, rest, value);
            }
        }
    }
}

/// A whole number as such: HCL does not tell `2` from `2.0`.
fn whole(number: &serde_json::Number) -> Json {
    match number.as_f64() {
        #[expect(clippy::cast_possible_truncation, reason = "whole and small")]
        Some(float) if !number.is_i64() && float.fract() == 0.0 && float.abs() < 9e15 => {
            (float as i64).into()
        }
        _ => Json::Number(number.clone()),
    }
}
