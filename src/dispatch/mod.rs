//! What the platform sends: tasks and their params, and how they become specs.

pub mod convert;
pub mod params;
pub mod task;
