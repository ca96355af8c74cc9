//! `/jobs`, `/jobs/statuses`, `/jobs/parse`, `/validate/job`, and registering.

use serde_json::{Value, json};

use super::page::{Item, page};
use super::{Answer, Reply, Request, jobspec};
use crate::simulator::world::json::{any_case, flag, int, list, present, text};
use crate::simulator::world::{
    Alloc, Job, JobKey, Refusal, Register, Table, World, Written, problems,
};

pub(super) fn route(world: &mut World, request: &Request, rest: &str) -> Answer {
    match rest {
        "" => match request.method.as_str() {
            "GET" => listing(world, request),
            "PUT" | "POST" => register(world, request, None),
            _ => Err(Refusal {
                status: 405,
                text: "Invalid method".to_owned(),
            }),
        },
        "statuses" => {
            request.only(&["GET", "POST"])?;
            statuses(world, request)
        }
        "parse" => {
            request.only(&["PUT", "POST"])?;
            jobspec::parse(world, request)
        }
        _ => Err(Refusal::not_found("")),
    }
}

/// Jobs that a list shows, in the order of namespace and id.
pub(super) fn visible<'a>(world: &'a World, request: &Request) -> Vec<&'a Job> {
    let namespace = request.namespace().to_owned();
    let prefix = request.query.get("prefix").to_owned();
    world
        .jobs
        .iter()
        .filter(|(key, _)| {
            (namespace == "*" || key.namespace == namespace) && key.id.starts_with(&prefix)
        })
        .map(|(_, entry)| &*entry.job)
        .collect()
}

fn listing(world: &World, request: &Request) -> Answer {
    let with_meta = request.query.flag("meta");
    let filtered = request.query.has("filter");
    let items = visible(world, request)
        .into_iter()
        .map(|job| Item {
            token: format!("{}.{}", job.namespace(), job.id()),
            whole: if filtered { job.json() } else { Value::Null },
            shown: stub(world, job, with_meta),
        })
        .collect();
    let (body, token) = page(request, items)?;
    let index = world.table(Table::Jobs).max(world.table(Table::Summaries));
    Ok(Reply::read(index, body).page(token))
}

fn stub(world: &World, job: &Job, with_meta: bool) -> Value {
    let spec = &job.spec;
    let mut stub = json!({
        "ID": spec["ID"], "ParentID": spec["ParentID"], "Name": spec["Name"], "Namespace": spec["Namespace"],
        "Datacenters": spec["Datacenters"], "NodePool": spec["NodePool"], "Multiregion": null,
        "Type": spec["Type"], "Priority": spec["Priority"], "Periodic": present(spec, "Periodic"),
        "ParameterizedJob": present(spec, "ParameterizedJob"), "Stop": job.stopped(), "Status": job.status,
        "StatusDescription": "", "JobSummary": world.summary(job), "CreateIndex": job.create_index,
        "ModifyIndex": job.modify_index, "JobModifyIndex": job.job_modify_index, "SubmitTime": job.submit_time,
    });
    if with_meta && !spec["Meta"].is_null() {
        stub["Meta"] = spec["Meta"].clone();
    }
    stub
}

fn statuses(world: &World, request: &Request) -> Answer {
    let body = request.optional_json()?;
    let wanted = any_case(&body, "Jobs").and_then(Value::as_array).cloned();
    let mut jobs: Vec<&Job> = match &wanted {
        Some(wanted) if !wanted.is_empty() => wanted
            .iter()
            .filter_map(|item| {
                let member = |name: &str| {
                    any_case(item, name)
                        .and_then(Value::as_str)
                        .unwrap_or_default()
                };
                let namespace = match member("Namespace") {
                    "" => "default",
                    namespace => namespace,
                };
                world.job(&JobKey::new(namespace, member("ID")))
            })
            .map(|job| &**job)
            .collect(),
        _ => visible(world, request),
    };
    let named = wanted.is_some_and(|wanted| !wanted.is_empty());
    if !named && !request.query.flag("include_children") {
        jobs.retain(|job| job.parent_id().is_empty());
    }
    jobs.sort_by_key(|job| std::cmp::Reverse(job.modify_index));
    let index = jobs.iter().map(|job| job.modify_index).max();
    let items = jobs
        .into_iter()
        .map(|job| Item {
            token: job.modify_index.to_string(),
            whole: job.json(),
            shown: status(world, job),
        })
        .collect();
    let (body, token) = page(request, items)?;
    let index = if named { index } else { Some(world.index) };
    Ok(Reply::read(index.unwrap_or(1), body).page(token))
}

fn status(world: &World, job: &Job) -> Value {
    let key = job.key();
    let allocs: Vec<_> = world.allocs_of(&key).map(status_alloc).collect();
    let children: Vec<_> = world.children_of(&key).map(|child| child.status).collect();
    let count: i64 = list(&job.spec, "TaskGroups")
        .iter()
        .map(|group| int(group, "Count"))
        .sum();
    json!({
        "ID": job.id(), "Namespace": job.namespace(), "Name": job.spec["Name"], "Type": job.kind(),
        "NodePool": job.spec["NodePool"], "Datacenters": job.spec["Datacenters"], "Priority": job.spec["Priority"],
        "Version": job.version, "ParentID": job.parent_id(), "SubmitTime": job.submit_time,
        "ModifyIndex": job.modify_index, "GroupCountSum": count, "Stop": job.stopped(), "Status": job.status,
        "IsPack": job.spec["Meta"].get("pack.name").is_some(),
        "ChildStatuses": if job.is_parent() { json!(children) } else { Value::Null },
        "Allocs": allocs, "LatestDeployment": latest(world, &key),
    })
}

fn status_alloc(alloc: &Alloc) -> Value {
    json!({
        "ID": alloc.id, "Group": alloc.group, "ClientStatus": alloc.client_status, "NodeID": alloc.node_id,
        "DeploymentStatus": {"Canary": alloc.is_canary(), "Healthy": alloc.healthy()},
        "JobVersion": alloc.job.version, "FollowupEvalID": alloc.followup_eval, "HasPausedTask": false,
    })
}

fn latest(world: &World, key: &JobKey) -> Value {
    let Some(rollout) = world.latest_deployment(key) else {
        return Value::Null;
    };
    json!({
        "ID": rollout.id, "IsActive": rollout.active(), "JobVersion": rollout.job_version,
        "Status": rollout.status, "StatusDescription": rollout.description,
        "AllAutoPromote": rollout.groups.values().all(|group| group.auto_promote),
        "RequiresPromotion": rollout.groups.values().any(|group| group.desired_canaries > 0 && !group.promoted),
    })
}

/// Reads a request to register; `id` is the one in the path.
pub(super) fn register_request(
    request: &Request,
    id: Option<&str>,
    mismatch: &str,
) -> Result<(Register, Value), Refusal> {
    let body = request.json()?;
    let job = any_case(&body, "Job").filter(|job| !job.is_null()).cloned();
    let Some(job) = job else {
        return Err(Refusal::bad_request("Job must be specified"));
    };
    let job_id = any_case(&job, "ID")
        .and_then(Value::as_str)
        .unwrap_or_default();
    if job_id.is_empty() {
        return Err(Refusal::bad_request("Job ID hasn't been provided"));
    }
    if id.is_some_and(|id| id != job_id) {
        return Err(Refusal::bad_request(mismatch));
    }
    let flag = |name: &str| {
        any_case(&body, name)
            .and_then(Value::as_bool)
            .unwrap_or(false)
    };
    let number = |name: &str| any_case(&body, name).and_then(Value::as_u64).unwrap_or(0);
    let namespace = request.query.get("namespace");
    let register = Register {
        job,
        namespace: (!namespace.is_empty()).then(|| namespace.to_owned()),
        enforce_index: flag("EnforceIndex").then(|| number("JobModifyIndex")),
        preserve_counts: flag("PreserveCounts"),
        preserve_resources: flag("PreserveResources"),
        submission: any_case(&body, "Submission")
            .filter(|found| !found.is_null())
            .cloned(),
        token: String::new(),
    };
    Ok((register, body))
}

pub(super) fn register(world: &mut World, request: &Request, id: Option<&str>) -> Answer {
    let (register, _) = register_request(request, id, "Job ID does not match name")?;
    let written = world.register(&register)?;
    Ok(wrote(&written))
}

/// The reply to a write of a job.
pub(super) fn wrote(written: &Written) -> Reply {
    let body = json!({
        "EvalID": written.eval_id, "EvalCreateIndex": written.eval_create_index,
        "JobModifyIndex": written.job_modify_index, "Warnings": written.warnings, "Index": written.index,
        "LastContact": 0, "KnownLeader": false, "NextToken": "",
    });
    Reply::wrote(written.index, body)
}

pub(super) fn validate(world: &World, request: &Request) -> Answer {
    request.only(&["PUT", "POST"])?;
    let (register, _) = register_request(request, None, "")?;
    let job = world.prepare_job(&register.job, register.namespace.as_deref())?;
    let found = problems(&job);
    let error = if found.is_empty() {
        String::new()
    } else {
        Refusal::many(&found).text
    };
    Ok(Reply::json(json!({
        "DriverConfigValidated": true,
        "ValidationErrors": if found.is_empty() { Value::Null } else { json!(found) },
        "Error": error, "Warnings": "",
    })))
}

pub(super) fn wants_diff(body: &Value) -> bool {
    any_case(body, "Diff")
        .and_then(Value::as_bool)
        .unwrap_or(false)
        || flag(body, "Diff")
}

/// A member of a body as text, whatever its case.
pub(super) fn member<'a>(body: &'a Value, name: &str) -> &'a str {
    any_case(body, name)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

/// A name inside an object member.
pub(super) fn target(body: &Value, name: &str) -> Option<String> {
    let target = any_case(body, "Target")?;
    let value = text(target, name);
    (!value.is_empty()).then(|| value.to_owned())
}
