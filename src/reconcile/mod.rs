//! The pure middle of the loop: what was observed, how it differs, how healthy it is, what to do next.
//!
//! No IO, no clock, no choice left to whoever runs a plan. [`plan`](plan::plan) is level-triggered: it sees one
//! observation and says what to do, never why it was called.

pub mod cause;
pub mod diff;
pub mod fast;
pub mod health;
pub mod observed;
pub mod outcome;
pub mod plan;

pub use cause::{Cause, CauseKind};
pub use health::{Health, judge};
pub use observed::{Activity, Attempt, Gap, Observed, Seen};
pub use outcome::Outcome;
pub use plan::{Action, Goal, Guard, Memory, Next, Plan, RunGoal, plan};
