//! Clients of outside services. Thin: they turn calls into types and failures into errors with a disposition.

pub mod backend;
pub mod nomad;
pub(crate) mod tls;
