//! What people are shown of a cluster: the real binary against a simulated Nomad, output and exit code as committed under
//! `snapshots/`.

mod cut;
mod get;
mod history;
mod jobs;
mod logs;
mod logs_follow;
mod promote;
mod rollback;
mod schema;
pub(crate) mod snapshot;
mod stage;
mod status;
mod wait;
mod why;
