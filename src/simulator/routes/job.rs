//! `/job/:id` and what hangs below it. The id may contain slashes: the path is read from its end.

use std::collections::BTreeMap;

use base64::Engine as _;
use serde_json::{Value, json};

use super::jobs::{member, register, register_request, target, wants_diff, wrote};
use super::page::{Item, page};
use super::{Answer, Reply, Request};
use crate::simulator::world::json::{any_case, int, list, text};
use crate::simulator::world::{Dispatch, Job, JobKey, Refusal, Scale, Table, World};

type Handler = fn(&mut World, &Request, &JobKey) -> Answer;

/// Suffixes in the order in which Nomad tries them.
const ROUTES: &[(&str, &[&str], Handler)] = &[
    ("/evaluate", &["PUT", "POST"], evaluate),
    ("/allocations", &["GET"], allocations),
    ("/evaluations", &["GET"], evaluations),
    ("/periodic/force", &["PUT", "POST"], force),
    ("/plan", &["PUT", "POST"], plan),
    ("/summary", &["GET"], summary),
    ("/dispatch", &["PUT", "POST"], dispatch),
    ("/versions", &["GET"], versions),
    ("/revert", &["PUT", "POST"], revert),
    ("/deployments", &["GET"], deployments),
    ("/deployment", &["GET"], deployment),
    ("/stable", &["PUT", "POST"], stable),
    ("/scale", &["GET", "PUT", "POST"], scale),
    ("/services", &["GET"], services),
    ("/submission", &["GET"], submission),
    ("/actions", &["GET"], actions),
];

pub(super) fn route(world: &mut World, request: &Request, rest: &str) -> Answer {
    for (suffix, methods, handler) in ROUTES {
        if let Some(id) = rest.strip_suffix(suffix) {
            request.only(methods)?;
            return handler(world, request, &request.key(id));
        }
    }
    if let Some((id, tag)) = tag_path(rest) {
        return tag_version(world, request, &request.key(id), tag);
    }
    let key = request.key(rest);
    match request.method.as_str() {
        "GET" => match world.job(&key) {
            Some(job) => Ok(Reply::read(job.modify_index, job.json())),
            None => Err(Refusal::not_found("job not found")),
        },
        "PUT" | "POST" => register(world, request, Some(rest)),
        "DELETE" => {
            let written = world.deregister(&key, request.query.flag("purge"));
            let mut reply = wrote(&written);
            reply.index = Some(written.index);
            if let super::Body::Json(body) = &mut reply.body {
                body["VolumeEvalID"] = json!("");
                body["VolumeEvalIndex"] = json!(0);
            }
            Ok(reply)
        }
        _ => Err(Refusal {
            status: 405,
            text: "Invalid method".to_owned(),
        }),
    }
}

fn tag_path(rest: &str) -> Option<(&str, &str)> {
    let rest = rest.strip_suffix("/tag")?;
    let (rest, tag) = rest.rsplit_once('/')?;
    Some((rest.strip_suffix("/versions")?, tag))
}

fn found<'a>(world: &'a World, key: &JobKey) -> Result<&'a Job, Refusal> {
    world
        .job(key)
        .map(|job| &**job)
        .ok_or_else(|| Refusal::not_found("job not found"))
}

fn evaluate(world: &mut World, request: &Request, key: &JobKey) -> Answer {
    let body = request.optional_json()?;
    let options = any_case(&body, "EvalOptions").cloned().unwrap_or_default();
    let force = any_case(&options, "ForceReschedule")
        .and_then(Value::as_bool)
        .unwrap_or(false);
    Ok(wrote(&world.evaluate(key, force)?))
}

fn allocations(world: &mut World, request: &Request, key: &JobKey) -> Answer {
    let mut items: Vec<_> = world
        .allocs_of(key)
        .map(|alloc| Item::new(&alloc.id, alloc.stub()))
        .collect();
    items.sort_by(|one, other| one.token.cmp(&other.token));
    let (body, token) = page(request, items)?;
    Ok(Reply::read(world.table(Table::Allocs), body).page(token))
}

fn evaluations(world: &mut World, request: &Request, key: &JobKey) -> Answer {
    let mut items: Vec<_> = world
        .evals_of(key)
        .map(|eval| Item::new(&eval.id, eval.json()))
        .collect();
    items.sort_by(|one, other| one.token.cmp(&other.token));
    let (body, token) = page(request, items)?;
    Ok(Reply::read(world.table(Table::Evals), body).page(token))
}

fn deployments(world: &mut World, request: &Request, key: &JobKey) -> Answer {
    let incarnation = world.job(key).map(|job| job.create_index);
    let all = request.query.flag("all");
    let mut items: Vec<_> = world
        .deployments_of(key)
        .filter(|found| all || Some(found.job_create_index) == incarnation)
        .map(|found| Item::new(&found.id, found.json()))
        .collect();
    items.sort_by(|one, other| one.token.cmp(&other.token));
    let (body, token) = page(request, items)?;
    Ok(Reply::read(world.table(Table::Deployments), body).page(token))
}

fn deployment(world: &mut World, _: &Request, key: &JobKey) -> Answer {
    match world.latest_deployment(key) {
        Some(found) => Ok(Reply::read(found.modify_index, found.json())),
        None => Ok(Reply::read(world.table(Table::Deployments), Value::Null)),
    }
}

fn force(world: &mut World, _: &Request, key: &JobKey) -> Answer {
    let (eval, index) = world.force_periodic(key)?;
    Ok(Reply::wrote(
        index,
        json!({"EvalID": eval, "EvalCreateIndex": index, "Index": index}),
    ))
}

fn plan(world: &mut World, request: &Request, key: &JobKey) -> Answer {
    let (register, body) = register_request(request, Some(&key.id), "Job ID does not match")?;
    let planned = world.plan(
        &register.job,
        register.namespace.as_deref(),
        wants_diff(&body),
    )?;
    Ok(Reply::wrote(planned.index, planned.body))
}

fn summary(world: &mut World, _: &Request, key: &JobKey) -> Answer {
    let body = world.summary(found(world, key)?);
    Ok(Reply::read(int(&body, "ModifyIndex").unsigned_abs(), body))
}

fn dispatch(world: &mut World, request: &Request, key: &JobKey) -> Answer {
    let body = request.optional_json()?;
    let payload = member(&body, "Payload");
    let size = base64::engine::general_purpose::STANDARD
        .decode(payload)
        .map_err(|error| Refusal::bad_request(format!("illegal base64 data: {error}")))?
        .len();
    let meta: BTreeMap<String, String> = any_case(&body, "Meta")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .map(|(name, value)| (name.clone(), value.as_str().unwrap_or_default().to_owned()))
        .collect();
    let dispatched = world.dispatch(
        key,
        &Dispatch {
            payload: (!payload.is_empty()).then(|| payload.to_owned()),
            payload_size: size,
            meta,
            id_prefix: member(&body, "IdPrefixTemplate").to_owned(),
            idempotency_token: request.query.get("idempotency_token").to_owned(),
        },
    )?;
    Ok(Reply::wrote(
        dispatched.index,
        json!({
            "DispatchedJobID": dispatched.job_id, "EvalID": dispatched.eval_id,
            "EvalCreateIndex": dispatched.eval_create_index, "JobCreateIndex": dispatched.job_create_index,
            "Index": dispatched.index,
        }),
    ))
}

fn versions(world: &mut World, _: &Request, key: &JobKey) -> Answer {
    let entry = world
        .jobs
        .get(key)
        .ok_or_else(|| Refusal::not_found("job versions not found"))?;
    let index = entry.job.modify_index;
    let versions: Vec<_> = entry.versions.iter().map(|job| job.json()).collect();
    Ok(Reply::read(
        index,
        json!({"Versions": versions, "Diffs": null, "Index": index, "LastContact": 0, "KnownLeader": true, "NextToken": ""}),
    ))
}

fn number(body: &Value, name: &str) -> Option<u64> {
    any_case(body, name).and_then(Value::as_u64)
}

fn revert(world: &mut World, request: &Request, key: &JobKey) -> Answer {
    let body = request.json()?;
    check_body_id(&body, key)?;
    let version = number(&body, "JobVersion").unwrap_or(0);
    let mut reply = wrote(&world.revert(key, version, number(&body, "EnforcePriorVersion"))?);
    if let super::Body::Json(body) = &mut reply.body {
        body["KnownLeader"] = json!(false);
    }
    Ok(reply)
}

fn check_body_id(body: &Value, key: &JobKey) -> Result<(), Refusal> {
    match member(body, "JobID") {
        "" => Err(Refusal::bad_request("JobID must be specified")),
        id if id != key.id => Err(Refusal::bad_request("Job ID does not match")),
        _ => Ok(()),
    }
}

fn stable(world: &mut World, request: &Request, key: &JobKey) -> Answer {
    let body = request.json()?;
    check_body_id(&body, key)?;
    let stable = any_case(&body, "Stable")
        .and_then(Value::as_bool)
        .unwrap_or(false);
    let index = world.set_stable(key, number(&body, "JobVersion").unwrap_or(0), stable)?;
    Ok(Reply::wrote(index, json!({"Index": index})))
}

fn scale(world: &mut World, request: &Request, key: &JobKey) -> Answer {
    if request.reads() {
        return scale_status(world, key);
    }
    let body = request.json()?;
    let scale = Scale {
        group: target(&body, "Group"),
        count: any_case(&body, "Count").and_then(Value::as_i64),
        message: member(&body, "Message").to_owned(),
        error: any_case(&body, "Error")
            .and_then(Value::as_bool)
            .unwrap_or(false),
        meta: any_case(&body, "Meta").cloned().unwrap_or(Value::Null),
        enforce_index: number(&body, "JobModifyIndex").filter(|index| *index > 0),
    };
    Ok(wrote(&world.scale(key, &scale)?))
}

fn scale_status(world: &World, key: &JobKey) -> Answer {
    let job = found(world, key)?;
    let events = |group: &str| {
        world
            .jobs
            .get(key)
            .and_then(|entry| entry.scaling_events.get(group))
            .map_or(Value::Null, |events| json!(events))
    };
    let groups: serde_json::Map<_, _> = list(&job.spec, "TaskGroups")
        .iter()
        .map(|group| {
            let name = text(group, "Name").to_owned();
            let mine: Vec<_> = world
                .allocs_of(key)
                .filter(|alloc| alloc.group == name && !alloc.terminal())
                .collect();
            let count = |test: &dyn Fn(&&&crate::simulator::world::Alloc) -> bool| {
                mine.iter().filter(test).count()
            };
            let status = json!({
                "Desired": group["Count"], "Placed": mine.len(),
                "Running": count(&|alloc| alloc.client_status == "running"),
                "Healthy": count(&|alloc| alloc.healthy() == Some(true)),
                "Unhealthy": count(&|alloc| alloc.healthy() == Some(false)),
                "Events": events(&name),
            });
            (name, status)
        })
        .collect();
    Ok(Reply::read(
        job.modify_index,
        json!({
            "JobID": job.id(), "Namespace": job.namespace(), "JobCreateIndex": job.create_index,
            "JobModifyIndex": job.modify_index, "JobStopped": job.stopped(), "TaskGroups": groups,
        }),
    ))
}

fn services(world: &mut World, _: &Request, key: &JobKey) -> Answer {
    found(world, key)?;
    let mine = world.services().into_iter();
    let mine: Vec<_> = mine
        .filter(|service| {
            text(service, "JobID") == key.id && text(service, "Namespace") == key.namespace
        })
        .collect();
    Ok(Reply::read(world.table(Table::Allocs), json!(mine)))
}

fn submission(world: &mut World, request: &Request, key: &JobKey) -> Answer {
    let Some(version) = request.query.number("version") else {
        return Err(Refusal::bad_request(
            "Unable to parse job submission version parameter",
        ));
    };
    let found = world.submission(key, version);
    let mut body = found.ok_or_else(|| Refusal::not_found("job source not found"))?;
    body["JobID"] = json!(key.id);
    body["Namespace"] = json!(key.namespace);
    body["Version"] = json!(version);
    let index = world.job(key).map_or(1, |job| job.modify_index);
    Ok(Reply::read(index, body))
}

fn actions(world: &mut World, _: &Request, key: &JobKey) -> Answer {
    let job = found(world, key)?;
    Ok(Reply::read(job.modify_index, json!([])))
}

fn tag_version(world: &mut World, request: &Request, key: &JobKey, tag: &str) -> Answer {
    request.only(&["PUT", "POST", "DELETE"])?;
    let body = request.optional_json()?;
    let version = match request.method.as_str() {
        "DELETE" => None,
        _ => Some(match number(&body, "Version") {
            Some(version) => version,
            None => world.job(key).map_or(0, |job| job.version),
        }),
    };
    let index = world.tag_version(key, tag, version, member(&body, "Description"))?;
    Ok(Reply::wrote(index, json!({"Name": tag, "Index": index})))
}
