//! What several themes need: servers with guards, temporary homes, waiting for a condition.
#![allow(dead_code, reason = "every theme uses its own part")]

pub(crate) mod backend;
pub(crate) mod env;
pub(crate) mod logs;
pub(crate) mod nats;
pub(crate) mod nomad;
pub(crate) mod ports;
pub(crate) mod registry;
