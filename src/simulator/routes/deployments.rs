//! `/deployments`, `/deployment/:id` and its verbs.

use serde_json::{Value, json};

use super::evaluations::check_uuid;
use super::jobs::member;
use super::page::{Item, page};
use super::{Answer, Reply, Request};
use crate::simulator::world::json::{any_case, texts};
use crate::simulator::world::{Refusal, Table, World};

pub(super) fn route(world: &mut World, request: &Request, head: &str, rest: &str) -> Answer {
    if head == "deployments" && rest.is_empty() {
        request.only(&["GET"])?;
        return listing(world, request);
    }
    if let Some((verb, id)) = rest.split_once('/') {
        return act(world, request, verb, id);
    }
    request.only(&["GET"])?;
    check_uuid(rest, "deployment lookup failed")?;
    match world.deployments.get(rest) {
        Some(found) => Ok(Reply::read(found.modify_index, found.json())),
        None => Err(Refusal::not_found("deployment not found")),
    }
}

fn listing(world: &World, request: &Request) -> Answer {
    let namespace = request.namespace();
    let items = world
        .deployments
        .values()
        .filter(|found| namespace == "*" || found.key.namespace == namespace)
        .filter(|found| found.id.starts_with(request.query.get("prefix")))
        .map(|found| Item::new(format!("{}.{}", found.create_index, found.id), found.json()))
        .collect();
    let (body, token) = page(request, items)?;
    Ok(Reply::read(world.table(Table::Deployments), body).page(token))
}

fn act(world: &mut World, request: &Request, verb: &str, id: &str) -> Answer {
    if verb == "allocations" {
        request.only(&["GET"])?;
        let allocs: Vec<_> = world
            .allocs
            .values()
            .filter(|alloc| alloc.deployment_id == id)
            .map(crate::simulator::world::Alloc::stub)
            .collect();
        return Ok(Reply::read(world.table(Table::Allocs), json!(allocs)));
    }
    if !matches!(
        verb,
        "fail" | "pause" | "promote" | "allocation-health" | "unblock"
    ) {
        return Err(Refusal::server(
            "deployment lookup failed: index error: UUID must be 36 characters",
        ));
    }
    request.only(&["PUT", "POST"])?;
    if verb == "fail" {
        let (eval, index, reverted) = world.fail(id)?;
        return Ok(reply(&eval, index, reverted));
    }
    let body = request.json()?;
    match member(&body, "DeploymentID") {
        "" => return Err(Refusal::bad_request("DeploymentID must be specified")),
        other if other != id => return Err(Refusal::bad_request("Deployment ID does not match")),
        _ => {}
    }
    let flag = |name: &str| {
        any_case(&body, name)
            .and_then(Value::as_bool)
            .unwrap_or(false)
    };
    let (eval, index) = match verb {
        "pause" => world.pause(id, flag("Pause"))?,
        "promote" => {
            let groups = texts(&body, "Groups");
            world.promote(id, if flag("All") { &[] } else { &groups })?
        }
        "allocation-health" => world.set_allocation_health(
            id,
            &texts(&body, "HealthyAllocationIDs"),
            &texts(&body, "UnhealthyAllocationIDs"),
        )?,
        _ => return Err(Refusal::server("can't unblock terminal deployment")),
    };
    Ok(reply(&eval, index, None))
}

fn reply(eval: &str, index: u64, reverted: Option<u64>) -> Reply {
    Reply::wrote(
        index,
        json!({
            "EvalID": eval, "EvalCreateIndex": if eval.is_empty() { 0 } else { index },
            "DeploymentModifyIndex": index, "RevertedJobVersion": reverted, "Index": index,
        }),
    )
}
