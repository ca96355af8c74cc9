//! From a repository to a rollout with the real binary: a real Git server, engine, registry and NATS, a simulated Nomad.
//!
//! The engine needs root; where there is none these tests say so and are skipped.

mod again;
mod builders;
mod happy;
mod leaks;
mod refused;
mod stage;
mod stopped;
mod trouble;
