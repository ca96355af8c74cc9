//! The Docker engine's API: build with BuildKit, inspect, tag, push.
//!
//! A client of our own over HTTP, like that for Nomad: the crates for the engine take a build's whole context as bytes in
//! memory, or have no secrets beside a streamed one. The context is streamed, the log is streamed, and every queue
//! between the engine and the listener is bounded.
//!
//! A build with BuildKit has a second connection, the session, over which the engine calls back: that is the only way
//! that a secret of the build or a registry's password takes. Both connections belong to the future of the build, so a
//! build that is dropped or stopped closes them, and on that the engine cancels its part.

mod address;
mod ahead;
mod build;
mod engine;
mod error;
mod images;
mod layers;
mod lines;
mod messages;
mod push;
mod tls;
mod transport;
mod version;

pub use address::EngineAddress;
pub use build::{Built, ImageBuild};
pub use engine::{BuilderKind, Engine, EngineInfo};
pub use error::{BuildFailure, EngineError, PushRefusal, Unreachable};
pub use images::LocalImage;
pub use version::ApiVersion;
