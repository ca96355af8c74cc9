//! Tasks for many machines: `cs runner`.
//!
//! Any number of agents take tasks (the same names and params as dispatch) from one JetStream work queue. NATS hands each
//! task to one of them; each runs it through [`controller::run`](crate::controller::run), the code of `cs reconcile`.
//!
//! - [`names`], [`settings`], [`claim`], [`verdict`] decide, without time and calls: what things are called, how the queue is
//!   set up, who works on what, what becomes of a task.
//! - [`fleet`] is NATS: records by compare-and-set, dead letters, the consumer. [`setup`] makes it, [`submission`] fills it,
//!   [`status`] shows it.
//! - [`connect`] holds the connection, [`pull`] takes tasks as there are free slots; [`parcel`] is one delivery, [`enter`] claims it, [`attend`] carries it
//!   out while `watch` looks after the run and [`held`] keeps its record, `settle` ends it, [`health`] tells how it goes.
//!
//! Guarantees: a task is in the stream until its events are acknowledged; what is announced of a task is one end, whatever
//! dies meanwhile; of two tasks for one job the later one wins and waits until the earlier one has let go. `docs/runner.md`
//! says how, and where the limits are.

pub mod attend;
pub mod claim;
pub mod connect;
pub mod enter;
pub mod fleet;
pub mod health;
pub mod held;
pub mod names;
pub mod parcel;
pub mod pull;
pub mod running;
pub mod settings;
mod settle;
pub mod setup;
pub mod status;
pub mod submission;
pub mod verdict;
mod watch;
