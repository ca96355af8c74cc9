//! What several themes need: servers with guards, temporary homes, waiting for a condition.
#![allow(dead_code, reason = "every theme uses its own part")]

pub(crate) mod backend;
pub(crate) mod collector;
pub(crate) mod disk;
pub(crate) mod docker;
pub(crate) mod egress;
pub(crate) mod env;
pub(crate) mod fault_registry;
pub(crate) mod files_server;
pub(crate) mod git_server;
pub(crate) mod http;
pub(crate) mod jenkins;
pub(crate) mod logs;
pub(crate) mod nats;
pub(crate) mod nomad;
pub(crate) mod ports;
pub(crate) mod postgres;
pub(crate) mod registry;
pub(crate) mod vault;
pub(crate) mod vault_server;
