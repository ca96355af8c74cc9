//! The real binary against a simulated Nomad, a real NATS server and a recording backend.

mod backend;
mod broken;
mod deploy;
mod destroy;
mod dev;
mod files;
mod flags;
mod input;
pub(crate) mod lab;
mod nats;
mod nomad;
mod panics;
mod repeats;
mod signals;
mod text;
