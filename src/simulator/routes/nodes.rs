//! `/nodes`, `/node/:id`.

use serde_json::json;

use super::page::{Item, page};
use super::{Answer, Reply, Request};
use crate::simulator::world::json::any_case;
use crate::simulator::world::{Refusal, Table, World};

pub(super) fn route(world: &mut World, request: &Request, head: &str, rest: &str) -> Answer {
    if head == "nodes" {
        request.only(&["GET"])?;
        return listing(world, request);
    }
    let (id, verb) = rest.split_once('/').unwrap_or((rest, ""));
    if !world.nodes.contains_key(id) {
        return Err(Refusal::not_found("node not found"));
    }
    match verb {
        "" => {
            request.only(&["GET"])?;
            let node = &world.nodes[id];
            Ok(Reply::read(node.modify_index, node.json()))
        }
        "allocations" => {
            request.only(&["GET"])?;
            let allocs: Vec<_> = world
                .allocs
                .values()
                .filter(|alloc| alloc.node_id == id)
                .map(crate::simulator::world::Alloc::json)
                .collect();
            Ok(Reply::read(world.table(Table::Allocs), json!(allocs)))
        }
        "drain" => {
            request.only(&["PUT", "POST"])?;
            let body = request.json()?;
            let drain = any_case(&body, "DrainSpec").is_some_and(|spec| !spec.is_null());
            written(world.set_node_drain(id, drain)?)
        }
        "eligibility" => {
            request.only(&["PUT", "POST"])?;
            let body = request.json()?;
            let eligible = any_case(&body, "Eligibility").is_some_and(|value| value == "eligible");
            written(world.set_node_eligible(id, eligible)?)
        }
        _ => Err(Refusal::not_found("")),
    }
}

fn written(index: u64) -> Answer {
    Ok(Reply::wrote(
        index,
        json!({"NodeModifyIndex": index, "EvalIDs": null, "EvalCreateIndex": 0, "Index": index}),
    ))
}

fn listing(world: &World, request: &Request) -> Answer {
    let resources = request.query.flag("resources");
    let items = world
        .nodes
        .values()
        .filter(|node| node.id.starts_with(request.query.get("prefix")))
        .map(|node| Item {
            token: node.id.clone(),
            whole: node.json(),
            shown: node.stub(resources),
        })
        .collect();
    let (body, token) = page(request, items)?;
    Ok(Reply::read(world.table(Table::Nodes), body).page(token))
}
