//! Nomad's HTTP API: types, canonical form, typed errors, client, watching.

pub mod canonical;
pub mod client;
pub mod error;
pub mod job;
pub mod types;
pub mod watch;
