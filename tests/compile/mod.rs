//! Desired → Nomad job, against the golden jobs.

mod bridge;
mod envfile;
mod equal;
mod from_params;
mod golden;
mod hcl;
mod members;
mod render;
mod text_safety;

pub(crate) use from_params::golden_job;
pub(crate) use golden::{CASES, case, read};
