//! Desired → Nomad job.
//!
//! Cannot fail, because a [`Desired`] cannot be invalid. Everything is built as data: no text of a user is ever read
//! as HCL, template or shell on the way. Nomad's own interpolation at run time (`${NOMAD_…}`, `${attr.…}`) passes
//! through. All lists have a fixed order, so the same input gives the same job and a plan shows no noise.

mod group;
pub mod hcl;
mod job;
mod network;
mod task;
mod template;
mod text;
mod update;
mod volume;

use crate::clients::nomad::job::Job;
use crate::desired::Desired;

/// Returns the Nomad job of a workload.
#[must_use]
pub fn compile(desired: &Desired) -> Job {
    job::job(desired)
}
