//! Native jobs: parsing by Nomad, and specs made of jobs that run already. Cases that need no fault run unchanged against
//! the simulator and a real Nomad.

mod import;
mod parse;
mod recorded;
mod refusals;
mod stage;
mod workloads;
