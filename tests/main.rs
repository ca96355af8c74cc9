//! Integration tests, one module a theme (docs/ARCHITECTURE.md, "Tests").

mod backend;
mod cli;
mod compile;
mod conformance;
mod convergence;
mod crash;
mod dispatch;
mod events;
mod leaks;
mod nomad_client;
mod registry;
mod simulator;
mod spec;
mod support;
