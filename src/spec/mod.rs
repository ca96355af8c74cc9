//! What users write: the versioned kinds, and how their YAML is read.
//!
//! Plain data with serde and schemars; nothing here reads files, the environment or a clock. Both doors end here:
//! params are converted into a [`Workload`], YAML is parsed into one. Whether it makes sense is asked by `desired`.

pub mod duration;
pub mod parse;
pub mod schema;
pub mod workload;

pub use duration::Span;
pub use workload::Workload;
