//! `/vars`, `/var/:path`, locks included.

use serde_json::{Value, json};

use super::jobs::member;
use super::page::{Item, page};
use super::{Answer, Reply, Request};
use crate::simulator::world::json::{any_case, text};
use crate::simulator::world::time::parse_go;
use crate::simulator::world::{Refusal, Table, VariableKey, VariableWrite, World, items_of};

pub(super) fn route(world: &mut World, request: &Request, head: &str, rest: &str) -> Answer {
    if head == "vars" {
        request.only(&["GET"])?;
        let found = world.list_variables(request.namespace(), request.query.get("prefix"));
        let items = found
            .into_iter()
            .map(|item| {
                Item::new(
                    format!("{}.{}", text(&item, "Namespace"), text(&item, "Path")),
                    item,
                )
            })
            .collect();
        let (body, token) = page(request, items)?;
        return Ok(Reply::read(world.table(Table::Variables), body).page(token));
    }
    let key = VariableKey {
        namespace: request.namespace().to_owned(),
        path: rest.to_owned(),
    };
    match request.method.as_str() {
        "GET" => match world.variables.get(&key) {
            Some(found) => Ok(Reply::read(found.modify_index, found.json(world.now))),
            None => Err(Refusal::not_found("variable not found")),
        },
        "PUT" | "POST" => write(world, request, &key),
        "DELETE" => {
            let cas = cas(request)?;
            match world.delete_variable(&key, cas) {
                VariableWrite::Done { index, .. } => Ok(Reply {
                    status: 204,
                    ..Reply::empty(Some(index))
                }),
                VariableWrite::Conflict(body) => Ok(conflict(body)),
            }
        }
        _ => Err(Refusal {
            status: 405,
            text: "Invalid method".to_owned(),
        }),
    }
}

fn cas(request: &Request) -> Result<Option<u64>, Refusal> {
    if !request.query.has("cas") {
        return Ok(None);
    }
    request
        .query
        .number("cas")
        .map(Some)
        .ok_or_else(|| Refusal::bad_request("Invalid cas value"))
}

fn write(world: &mut World, request: &Request, key: &VariableKey) -> Answer {
    let body = request.json()?;
    let items = items_of(&body);
    let lock = any_case(&body, "Lock").cloned().unwrap_or(Value::Null);
    let lock_id = member(&lock, "ID").to_owned();
    let operation = ["lock-acquire", "lock-renew", "lock-release"]
        .into_iter()
        .find(|operation| request.query.has(operation));
    if operation.is_some() && request.query.has("cas") {
        return Err(Refusal::bad_request(
            "CAS can't be used with lock operations",
        ));
    }
    let written = match operation {
        Some("lock-acquire") => {
            let span = |name: &str| parse_go(member(&lock, name));
            world.acquire_lock(key, items, &lock_id, span("TTL"), span("LockDelay"))?
        }
        Some("lock-renew") => world.renew_lock(key, &lock_id)?,
        Some("lock-release") => world.release_lock(key, &lock_id)?,
        _ => world.put_variable(key, items, cas(request)?, &lock_id)?,
    };
    Ok(match written {
        VariableWrite::Done { body, index } => Reply::wrote(index, body),
        VariableWrite::Conflict(body) => conflict(body),
    })
}

fn conflict(body: Value) -> Reply {
    Reply {
        status: 409,
        plain: true,
        ..Reply::json(json!(body))
    }
}
