//! `/jobs/parse`: HCL to a job.

use serde_json::Value;

use super::jobs::member;
use super::{Answer, Reply, Request};
use crate::simulator::jobspec;
use crate::simulator::world::json::any_case;
use crate::simulator::world::{Refusal, World, canonicalize};

pub(super) fn parse(world: &World, request: &Request) -> Answer {
    let body = request.json()?;
    let source = member(&body, "JobHCL");
    if source.is_empty() {
        return Err(Refusal::bad_request("Job spec is empty"));
    }
    let mut job = jobspec::parse(source, member(&body, "Variables"))
        .map_err(|text| Refusal::bad_request(format!("Failed to parse job: {text}")))?;
    if any_case(&body, "Canonicalize")
        .and_then(Value::as_bool)
        .unwrap_or(false)
    {
        canonicalize(&mut job, &world.region);
    }
    Ok(Reply::json(job))
}
