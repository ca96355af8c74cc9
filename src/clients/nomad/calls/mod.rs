//! The endpoints, by theme. Each module adds calls to [`NomadClient`](super::client::NomadClient) and holds the request
//! and reply types that only those calls use.

pub mod cluster;
pub mod jobs;
pub mod log_stream;
pub mod logs;
pub mod parse;
pub mod rollouts;
pub mod statuses;
pub mod variables;
