//! The simulated cluster as a pure model: no clock, no IO, no task. `now` is an argument, ids come from a seed.
//!
//! [`World`] holds the tables of a Nomad server under one raft index and runs the clients too. Requests are methods
//! (`register`, `deregister`, …); [`World::advance`] runs what is due by then: evaluations, task starts and ends,
//! health, rollouts, periodic starts; [`World::next_due`] tells when to come back, so that time can jump.
//! Behaviour follows nomad-api.md and was compared with Nomad 2.0.6-dev.

mod alloc;
mod allowance;
mod apply;
mod change;
mod client;
mod cluster;
mod connect;
mod constraint;
mod deployment;
mod diff;
mod diff_members;
mod dispatch;
mod driver;
mod eval;
mod evaluate;
mod events;
mod gc;
mod health;
mod job;
pub mod json;
mod kill;
mod lifecycle;
mod node;
mod periodic;
mod placement;
mod plan;
mod random;
mod refusal;
mod register;
mod report;
mod rollout;
mod rollout_calls;
mod scheduler;
mod schema;
mod script;
mod service;
mod spec;
mod status;
mod system;
mod tables;
pub mod time;
mod timers;
mod validate;
mod variables;

#[cfg(test)]
mod tests;

pub use crate::clients::nomad::canonical::canonicalize;
pub use alloc::{Alloc, Health, TaskEvent, TaskState};
pub use constraint::glob;
pub use deployment::{Deployment, GroupRollout};
pub use dispatch::{Dispatch, Dispatched};
pub use eval::Eval;
pub use events::{Event, EventBuffer, EventLine};
pub use job::{Job, JobEntry, JobKey};
pub use lifecycle::Scale;
pub use node::{Node, Usage};
pub use periodic::Cron;
pub use placement::Metric;
pub use plan::Planned;
pub use random::Random;
pub use refusal::Refusal;
pub use register::{Register, Written};
pub use script::{Script, Scripts};
pub use tables::{Table, Timing, World, WorldOptions};
pub use validate::problems;
pub(crate) use variables::items_of;
pub use variables::{Lock, Variable, VariableKey, VariableWrite};
