//! The spec set: all resources of one owner, planned as one. Pure.
//!
//! [`wanted`] one resource, ready to be compared · [`graph`] what waits for what · [`generation`] when a hook runs ·
//! [`plan`] what happens to each resource, and in which order · [`prune`] what is owned and no longer wanted · [`rollback`] what goes back
//! after a failure · [`seal`] a
//! plan that is kept, and whether it still holds.

pub mod generation;
pub mod graph;
pub mod plan;
pub mod prune;
pub mod rollback;
pub mod seal;
pub mod wanted;

pub use plan::{Change, Item, SetPlan};
pub use wanted::Wanted;
