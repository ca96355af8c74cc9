//! The loop around the pure middle: look, plan, act, look again.
//!
//! Only [`act`] changes the cluster. One path leads there: dispatching, applying, destroying all end in
//! [`Converge::run`](converge::Converge::run).

pub mod act;
pub mod attend;
pub mod bounds;
pub mod converge;
pub mod deploy;
pub mod destroy;
pub mod hub;
pub mod image;
pub mod local;
pub mod log;
mod mask;
pub mod note;
pub mod observe;
pub mod pack;
pub mod run;
pub mod set;
pub mod steps;
pub mod sync;
pub mod warrant;

pub use converge::Converge;
pub use note::{Note, Notes, Phase};
