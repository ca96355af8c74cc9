//! `/evaluations`, `/evaluation/:id`.

use serde_json::json;

use super::page::{Item, page};
use super::{Answer, Reply, Request};
use crate::simulator::world::{Refusal, Table, World};

pub(super) fn route(world: &World, request: &Request, head: &str, rest: &str) -> Answer {
    request.only(&["GET"])?;
    match (head, rest) {
        ("evaluations", "") => listing(world, request),
        ("evaluations", "count") => {
            let count = selected(world, request)?.len();
            Ok(Reply::read(
                world.table(Table::Evals),
                json!({"Count": count}),
            ))
        }
        ("evaluation", rest) => match rest.strip_suffix("/allocations") {
            Some(id) => allocations(world, id),
            None => one(world, request, rest),
        },
        _ => Err(Refusal::not_found("")),
    }
}

fn selected(world: &World, request: &Request) -> Result<Vec<Item>, Refusal> {
    let (job, status) = (request.query.get("job"), request.query.get("status"));
    if request.query.has("filter") && !(job.is_empty() && status.is_empty()) {
        return Err(Refusal::bad_request(
            "Filter expression cannot be used with other filter parameters",
        ));
    }
    let namespace = request.namespace();
    let mut evals: Vec<_> = world
        .evals
        .values()
        .filter(|eval| namespace == "*" || eval.key.namespace == namespace)
        .filter(|eval| job.is_empty() || eval.key.id == job)
        .filter(|eval| status.is_empty() || eval.status == status)
        .filter(|eval| eval.id.starts_with(request.query.get("prefix")))
        .collect();
    evals.sort_by_key(|eval| (eval.create_index, eval.id.clone()));
    Ok(evals
        .into_iter()
        .map(|eval| Item::new(format!("{}.{}", eval.create_index, eval.id), eval.json()))
        .collect())
}

fn listing(world: &World, request: &Request) -> Answer {
    let (body, token) = page(request, selected(world, request)?)?;
    Ok(Reply::read(world.table(Table::Evals), body).page(token))
}

fn one(world: &World, request: &Request, id: &str) -> Answer {
    check_uuid(id, "failed to lookup eval: eval lookup failed")?;
    let eval = world
        .evals
        .get(id)
        .ok_or_else(|| Refusal::not_found("eval not found"))?;
    let mut body = eval.json();
    if request.query.flag("related") {
        let related: Vec<_> = world
            .evals_of(&eval.key)
            .filter(|other| other.previous_eval == eval.id || eval.previous_eval == other.id)
            .map(crate::simulator::world::Eval::json)
            .collect();
        body["RelatedEvals"] = json!(related);
    }
    Ok(Reply::read(eval.modify_index, body))
}

fn allocations(world: &World, id: &str) -> Answer {
    let allocs: Vec<_> = world
        .allocs
        .values()
        .filter(|alloc| alloc.eval_id == id)
        .map(crate::simulator::world::Alloc::stub)
        .collect();
    Ok(Reply::read(world.table(Table::Allocs), json!(allocs)))
}

/// Refuses what is no UUID, with Nomad's words after `prefix`.
pub(super) fn check_uuid(id: &str, prefix: &str) -> Result<(), Refusal> {
    if id.len() == 36 {
        Ok(())
    } else {
        Err(Refusal::server(format!(
            "{prefix}: index error: UUID must be 36 characters"
        )))
    }
}
