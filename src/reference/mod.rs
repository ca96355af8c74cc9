//! The reference of the kinds: what every field is, told from the schemas and so from the comments in `spec`.
//!
//! Pure. `cs explain` prints it, `docs/spec/` is generated from it, and `cs new` takes its comments from it, so that
//! nothing about a field is written down twice. [`field`] is the tree of fields of a kind, [`example`] finds a field in
//! the examples under `specs/`, [`markdown`] writes the page of a kind, [`starter`] a first spec file.

pub mod example;
pub mod field;
pub mod markdown;
pub mod starter;

pub use field::{Field, NoField};
