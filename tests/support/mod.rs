//! What several themes need: servers with guards, temporary homes, waiting for a condition.
#![allow(dead_code, reason = "every theme uses its own part")]

pub(crate) mod nats;
pub(crate) mod nomad;
pub(crate) mod ports;
