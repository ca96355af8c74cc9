//! Integration tests, one module a theme (docs/ARCHITECTURE.md, "Tests").

mod backend;
mod build;
mod cli;
mod compile;
mod conformance;
mod convergence;
mod crash;
mod dispatch;
mod docker;
mod events;
mod git;
mod leaks;
mod nomad_client;
mod packs;
mod registry;
mod repository;
mod simulator;
mod source;
mod spec;
mod support;
mod vault;
