//! `/allocations`, `/allocation/:id`, and what is asked of clients: logs, restart, signal.

use serde_json::{Value, json};

use super::evaluations::check_uuid;
use super::jobs::member;
use super::page::{Item, page};
use super::{Answer, Body, Reply, Request};
use crate::simulator::world::json::text;
use crate::simulator::world::{Alloc, Refusal, Table, World};

pub(super) fn route(world: &mut World, request: &Request, head: &str, rest: &str) -> Answer {
    match (head, rest) {
        ("allocations", "") => {
            request.only(&["GET"])?;
            listing(world, request)
        }
        ("client", rest) => client(world, request, rest),
        ("allocation", rest) => one(world, request, rest),
        _ => Err(Refusal::not_found("")),
    }
}

fn listing(world: &World, request: &Request) -> Answer {
    let namespace = request.namespace();
    let without_states = request.query.get("task_states") == "false";
    let filtered = request.query.has("filter");
    let items = world
        .allocs
        .values()
        .filter(|alloc| namespace == "*" || alloc.job.namespace() == namespace)
        .filter(|alloc| alloc.id.starts_with(request.query.get("prefix")))
        .map(|alloc| {
            let mut shown = alloc.stub();
            let whole = if filtered {
                filterable(alloc)
            } else {
                Value::Null
            };
            if without_states {
                shown["TaskStates"] = Value::Null;
            }
            Item {
                token: format!("{}.{}", alloc.create_index, alloc.id),
                whole,
                shown,
            }
        })
        .collect();
    let (body, token) = page(request, items)?;
    Ok(Reply::read(world.table(Table::Allocs), body).page(token))
}

fn filterable(alloc: &Alloc) -> Value {
    let mut whole = alloc.json();
    whole["JobVersion"] = json!(alloc.job.version);
    whole["JobType"] = json!(alloc.job.kind());
    whole
}

fn one(world: &mut World, request: &Request, rest: &str) -> Answer {
    let (id, verb) = rest.split_once('/').unwrap_or((rest, ""));
    if verb == "stop" {
        request.only(&["PUT", "POST"])?;
        let (eval, index) = world.stop_allocation(id)?;
        return Ok(Reply::wrote(index, json!({"EvalID": eval, "Index": index})));
    }
    request.only(&["GET"])?;
    check_uuid(id, "alloc lookup failed")?;
    let alloc = world
        .allocs
        .get(id)
        .ok_or_else(|| Refusal::not_found("alloc not found"))?;
    match verb {
        "" => Ok(Reply::read(alloc.modify_index, alloc.json())),
        "services" => {
            let mine: Vec<_> = world
                .services()
                .into_iter()
                .filter(|service| text(service, "AllocID") == id)
                .collect();
            Ok(Reply::read(world.table(Table::Allocs), json!(mine)))
        }
        "checks" => Ok(Reply::read(world.table(Table::Allocs), json!({}))),
        _ => Err(Refusal::not_found("")),
    }
}

fn client(world: &mut World, request: &Request, rest: &str) -> Answer {
    if let Some(rest) = rest.strip_prefix("fs/") {
        let (verb, id) = rest.split_once('/').unwrap_or((rest, ""));
        request.only(&["GET"])?;
        return match verb {
            "logs" => logs(world, request, id),
            "ls" => files(world, request, id),
            "cat" | "readat" => Ok(raw(format!(
                "open {}: no such file or directory",
                request.query.get("path")
            )
            .into_bytes())),
            _ => Err(Refusal::not_found("")),
        };
    }
    let Some((id, verb)) = rest
        .strip_prefix("allocation/")
        .and_then(|rest| rest.split_once('/'))
    else {
        return Err(Refusal::not_found(""));
    };
    if !world.allocs.contains_key(id) {
        return Err(Refusal::not_found(format!("Unknown allocation {id:?}")));
    }
    let body = request.optional_json()?;
    let task = [member(&body, "TaskName"), member(&body, "Task")].join("");
    match verb {
        "restart" | "signal" => {
            let known = world
                .allocs
                .get(id)
                .is_some_and(|alloc| task.is_empty() || alloc.tasks.contains_key(&task));
            if !known {
                return Err(Refusal::server(format!(
                    "Could not find task runner for task: {task}"
                )));
            }
            let running = match verb {
                "restart" => world.restart_tasks(id, &task),
                _ => world
                    .allocs
                    .get(id)
                    .is_some_and(|alloc| alloc.client_status == "running"),
            };
            if running {
                Ok(Reply::json(json!({"Index": 0})))
            } else {
                Err(Refusal::server("Task not running"))
            }
        }
        "stats" => Ok(Reply::json(
            json!({"ResourceUsage": null, "Tasks": {}, "Timestamp": world.now}),
        )),
        _ => Err(Refusal::not_found("")),
    }
}

fn raw(bytes: Vec<u8>) -> Reply {
    Reply {
        body: Body::Raw(bytes),
        ..Reply::json(Value::Null)
    }
}

/// What stands in a directory of an allocation: the logs, which are all that it has.
fn files(world: &World, request: &Request, id: &str) -> Answer {
    let alloc = world
        .allocs
        .get(id)
        .ok_or_else(|| Refusal::not_found(format!("Unknown allocation {id:?}")))?;
    if request.query.get("path").trim_matches('/') != "alloc/logs" {
        return Ok(Reply::json(json!([])));
    }
    let started = alloc.tasks.iter().filter(|(_, state)| state.started_at > 0);
    let files: Vec<Value> = started
        .flat_map(|(task, state)| {
            [("stderr", &state.stderr), ("stdout", &state.stdout)].map(|(kind, log)| {
                json!({
                    "Name": format!("{task}.{kind}.0"), "IsDir": false, "Size": log.len(),
                    "FileMode": "-rw-r--r--",
                })
            })
        })
        .collect();
    Ok(Reply::json(json!(files)))
}

/// What a task has written, or why there is nothing.
///
/// # Errors
/// As `/client/fs/logs` refuses.
pub(crate) fn log_of<'a>(
    world: &'a World,
    request: &Request,
    id: &str,
) -> Result<&'a str, Refusal> {
    let (task, kind) = (request.query.get("task"), request.query.get("type"));
    if task.is_empty() {
        return Err(Refusal::bad_request("must provide task name"));
    }
    if !matches!(kind, "stdout" | "stderr") {
        return Err(Refusal::bad_request(
            "must provide log type (stdout/stderr)",
        ));
    }
    let alloc = world
        .allocs
        .get(id)
        .ok_or_else(|| Refusal::not_found(format!("Unknown allocation {id:?}")))?;
    let known = alloc
        .spec()
        .is_some_and(|group| group.tasks.iter().any(|found| found.name == task));
    if !known {
        return Err(Refusal::bad_request(format!("unknown task name {task:?}")));
    }
    let state = alloc.tasks.get(task).filter(|state| state.started_at > 0);
    let Some(state) = state else {
        return Err(Refusal::not_found(format!(
            "task {task:?} not started yet. No logs available"
        )));
    };
    Ok(if kind == "stdout" {
        &state.stdout
    } else {
        &state.stderr
    })
}

fn logs(world: &World, request: &Request, id: &str) -> Answer {
    let log = log_of(world, request, id)?;
    let offset = usize::try_from(request.query.number("offset").unwrap_or(0)).unwrap_or(usize::MAX);
    let from = match request.query.get("origin") {
        "end" => log.len().saturating_sub(offset),
        _ => offset.min(log.len()),
    };
    let part = &log.as_bytes()[from..];
    if request.query.flag("plain") {
        return Ok(raw(part.to_vec()));
    }
    Ok(raw(frame(request, part, from)))
}

/// Most bytes of data in a frame. Source: Nomad, `streamFrameSize`.
const FRAME: usize = 64 * 1024;

/// A part of a log as frames, the way Nomad streams it.
pub(crate) fn frame(request: &Request, part: &[u8], offset: usize) -> Vec<u8> {
    use base64::Engine as _;
    let file = format!(
        "alloc/logs/{}.{}.0",
        request.query.get("task"),
        request.query.get("type")
    );
    let mut frames = Vec::new();
    for (number, data) in part.chunks(FRAME).enumerate() {
        let frame = json!({
            "File": file, "Offset": offset + number * FRAME + data.len(),
            "Data": base64::engine::general_purpose::STANDARD.encode(data),
        });
        frames.extend_from_slice(frame.to_string().as_bytes());
    }
    frames
}
