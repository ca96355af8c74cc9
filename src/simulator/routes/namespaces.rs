//! Namespaces and node pools.

use serde_json::{Value, json};

use super::jobs::member;
use super::page::{Item, page};
use super::{Answer, Reply, Request};
use crate::simulator::world::json::{any_case, text};
use crate::simulator::world::{Refusal, Table, World};

pub(super) fn route(world: &mut World, request: &Request, head: &str, rest: &str) -> Answer {
    if head == "namespaces" {
        request.only(&["GET"])?;
        let items = world.namespaces.iter();
        let items = items
            .map(|(name, found)| Item::new(name, found.json()))
            .collect();
        let (body, token) = page(request, items)?;
        return Ok(Reply::read(world.table(Table::Namespaces), body).page(token));
    }
    match request.method.as_str() {
        "GET" => match world.namespaces.get(rest) {
            Some(found) => Ok(Reply::read(found.modify_index, found.json())),
            None => Err(Refusal::not_found("Namespace not found")),
        },
        "PUT" | "POST" => {
            let body = request.json()?;
            let name = if rest.is_empty() {
                member(&body, "Name")
            } else {
                rest
            };
            check_name(name)?;
            let meta = any_case(&body, "Meta").cloned().unwrap_or(Value::Null);
            let index = world.put_namespace(name, member(&body, "Description"), meta);
            Ok(Reply::empty(Some(index)))
        }
        "DELETE" => world
            .delete_namespace(rest)
            .map(|index| Reply::empty(Some(index))),
        _ => Err(Refusal {
            status: 405,
            text: "Invalid method".to_owned(),
        }),
    }
}

fn check_name(name: &str) -> Result<(), Refusal> {
    let fits = !name.is_empty()
        && name.len() <= 128
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    if fits {
        Ok(())
    } else {
        Err(Refusal::server(format!(
            "invalid namespace: 1 error occurred:\n\t* invalid name {name:?}. Must match regex ^[a-zA-Z0-9-]{{1,128}}$\n\n"
        )))
    }
}

pub(super) fn pools(world: &mut World, request: &Request) -> Answer {
    if request.writes() {
        return write_pool(world, request, "");
    }
    request.only(&["GET"])?;
    let items = world
        .pools
        .iter()
        .map(|(name, found)| Item::new(name, found.json()))
        .collect();
    let (body, token) = page(request, items)?;
    Ok(Reply::read(world.table(Table::Pools), body).page(token))
}

pub(super) fn pool(world: &mut World, request: &Request, rest: &str) -> Answer {
    let rest = rest.strip_prefix("pool/").unwrap_or_default();
    let (name, part) = rest.split_once('/').unwrap_or((rest, ""));
    match (request.method.as_str(), part) {
        ("GET", "") => match world.pools.get(name) {
            Some(found) => Ok(Reply::read(found.modify_index, found.json())),
            None => Err(Refusal::not_found("node pool not found")),
        },
        ("GET", "nodes") => {
            let nodes: Vec<_> = world
                .nodes
                .values()
                .filter(|node| name == "all" || node.pool == name)
                .map(|node| node.stub(false))
                .collect();
            Ok(Reply::read(world.table(Table::Nodes), json!(nodes)))
        }
        ("GET", "jobs") => {
            let jobs: Vec<_> = world
                .jobs
                .values()
                .filter(|entry| text(&entry.job.spec, "NodePool") == name)
                .map(|entry| entry.job.json())
                .collect();
            Ok(Reply::read(world.table(Table::Jobs), json!(jobs)))
        }
        ("PUT" | "POST", "") => write_pool(world, request, name),
        ("DELETE", "") => world
            .delete_pool(name)
            .map(|index| Reply::empty(Some(index))),
        _ => Err(Refusal {
            status: 405,
            text: "Invalid method".to_owned(),
        }),
    }
}

fn write_pool(world: &mut World, request: &Request, name: &str) -> Answer {
    let body = request.json()?;
    let name = if name.is_empty() {
        member(&body, "Name")
    } else {
        name
    };
    let meta = any_case(&body, "Meta").cloned().unwrap_or(Value::Null);
    let index = world.put_pool(name, member(&body, "Description"), &meta)?;
    Ok(Reply::empty(Some(index)))
}
