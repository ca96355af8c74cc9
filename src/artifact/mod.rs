//! Images and sources: what is known about an image before it runs.

pub mod facts;
pub mod registry;
