//! Nomad's HTTP API over a [`World`]: one request in, one reply out, nothing waits here.
//!
//! Waiting (blocking queries), streams and faults are the shell's business, in [`super::http`].

mod allocations;
mod deployments;
mod evaluations;
mod filter;
mod job;
mod jobs;
mod jobspec;
mod namespaces;
mod nodes;
mod page;
mod reply;
mod request;
mod services;
mod system;
mod variables;

use super::world::{Refusal, World};

pub(crate) use allocations::{frame, log_of};
pub use reply::{Body, Reply};
pub use request::{Query, Request};

/// A handler's answer: a refusal is a reply too.
pub(crate) type Answer = Result<Reply, Refusal>;

/// Answers a request. Only writes change the world.
#[must_use]
pub fn handle(world: &mut World, request: &Request) -> Reply {
    let answer = check(world, request).and_then(|()| route(world, request));
    match answer {
        Ok(reply) => reply,
        Err(refusal) => Reply::refused(world, request, &refusal),
    }
}

fn check(world: &World, request: &Request) -> Result<(), Refusal> {
    let region = request.query.get("region");
    if !region.is_empty() && region != world.region {
        return Err(Refusal::server("No path to region"));
    }
    request.query.check()
}

fn route(world: &mut World, request: &Request) -> Answer {
    let path = request.path.clone();
    let Some(path) = path.strip_prefix("/v1/") else {
        return Err(Refusal::not_found(""));
    };
    let (head, rest) = path.split_once('/').unwrap_or((path, ""));
    match (head, rest) {
        ("jobs", _) => jobs::route(world, request, rest),
        ("job", rest) if !rest.is_empty() => job::route(world, request, rest),
        ("validate", "job") => jobs::validate(world, request),
        ("evaluations" | "evaluation", _) => evaluations::route(world, request, head, rest),
        ("deployments" | "deployment", _) => deployments::route(world, request, head, rest),
        ("allocations" | "allocation" | "client", _) => {
            allocations::route(world, request, head, rest)
        }
        ("nodes", _) => nodes::route(world, request, head, rest),
        ("node", "pools") => namespaces::pools(world, request),
        ("node", rest) if rest.starts_with("pool") => namespaces::pool(world, request, rest),
        ("node", _) => nodes::route(world, request, head, rest),
        ("namespaces" | "namespace", _) => namespaces::route(world, request, head, rest),
        ("vars" | "var", _) => variables::route(world, request, head, rest),
        ("services" | "service", _) => services::route(world, request, head, rest),
        _ => system::route(world, request, head, rest),
    }
}
