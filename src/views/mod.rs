//! From what Nomad answered to what people are shown.
//!
//! Pure: no IO, no clock (the present is an argument), no colours. [`fleet`] all jobs at a glance · [`why`] one job from
//! its specification to its last log line · [`history`] its versions · [`rollback`] which of them to go back to ·
//! [`promotion`] whether canaries may be promoted · [`wait`] whether something has come about · [`job`] the job itself
//! without what is not for everybody's eyes · [`logs`] whose output is shown and how.

pub mod condition;
pub mod fleet;
pub mod history;
pub mod job;
pub mod logs;
pub mod placement;
pub mod promotion;
pub mod rollback;
pub mod text;
pub mod wait;
pub mod why;

pub use condition::Condition;
