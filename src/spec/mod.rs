//! What users write: the versioned kinds, and how their YAML is read.
//!
//! Plain data with serde and schemars; nothing here reads files, the environment or a clock. Both doors end here:
//! params are converted into a [`Workload`], YAML is parsed into one. Whether it makes sense is asked by `desired`.
//!
//! Reading takes two steps: [`parse()`] builds a tree from the events of the YAML library (`tree`), then serde reads the
//! kind from that tree (`reader`), which finds every unknown field and wrong type in one go instead of only the first.
//! Overlays change trees between the two ([`overlay`]).

pub mod diagnostic;
mod document;
pub mod duration;
pub mod nomad_job;
pub mod overlay;
pub mod parse;
pub mod path;
mod reader;
pub mod relations;
pub mod resource;
pub mod schema;
pub(crate) mod single;
pub mod suggest;
mod tree;
pub mod workload;

pub use diagnostic::{Diagnostic, Severity};
pub use document::{Document, Location};
pub use duration::Span;
pub use nomad_job::NomadJob;
pub use overlay::Overlay;
pub use parse::parse;
pub use resource::{Kind, Resource};
pub(crate) use tree::lines;
pub use workload::Workload;
