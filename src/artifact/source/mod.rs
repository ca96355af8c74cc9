//! Where an image is built from: a Git repository or an uploaded archive, fetched into a directory of its own.
//!
//! Both end as the same thing: a [`SourceTree`], whose paths cannot lead out of it. Credentials stay in memory; nothing
//! that is fetched is trusted: sizes, counts, names and links are checked before they can do harm.

pub mod archive;
pub mod git;
mod limits;
mod text;
mod tree;
mod workdir;

pub use limits::Limits;
pub use tree::{OutOfTree, SourceTree};
pub use workdir::WorkDir;
