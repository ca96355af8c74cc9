//! The spec set with the real binary: plan, diff, apply, delete against a simulated Nomad.

mod apply;
mod bad_luck;
mod corpus;
mod failures;
mod hooks;
pub(crate) mod lab;
mod order;
mod owners;
mod plan;
mod prune;
mod real;
mod sealed;
mod shown;
