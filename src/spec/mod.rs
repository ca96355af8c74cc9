//! What users write: the versioned kinds, and how their YAML is read.
//!
//! Plain data with serde and schemars; nothing here reads files, the environment or a clock. Both doors end here:
//! params are converted into a [`Workload`], YAML is parsed into one. Whether it makes sense is asked by `desired`.
//!
//! Reading takes two steps: [`parse()`] lets the YAML library build a tree (`tree`), then serde reads the kind from that
//! tree (`reader`), which finds every unknown field and wrong type in one go instead of only the first.

pub mod diagnostic;
pub mod duration;
pub mod parse;
pub mod path;
mod reader;
pub mod schema;
pub mod suggest;
mod tree;
pub mod workload;

pub use diagnostic::{Diagnostic, Severity};
pub use duration::Span;
pub use parse::{Document, parse};
pub use workload::Workload;
