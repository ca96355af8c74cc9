//! The CI/CD bridge as plain data: what a deployment of it is, what CI may tell, and what follows from it.
//!
//! Pure: no clock, no database, no HTTP. `store` keeps it, `server` offers it, `clients::jenkins` asks the CI server.
//!
//! [`status`] statuses and their map · [`machine`] messages in any order → one state · [`webhook`] what a sender may say ·
//! [`signature`] who may say it · [`sender`] who that was · [`limiter`] how often · [`api`] requests and answers ·
//! [`event`] what is announced · [`wording`] log lines · [`rollout`] a workload with a build number in it.

pub mod api;
pub mod event;
pub mod limiter;
pub mod machine;
pub mod rollout;
pub mod sender;
pub mod signature;
pub mod status;
pub mod webhook;
pub mod wording;
