//! What is wrong with a source before anything is built.

use std::fmt;

use super::context::InvalidPattern;

/// A source that contradicts what its build asks for. Another builder would not mend that.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unbuildable {
    /// The Dockerfile that was named is not there.
    #[error("the source has no Dockerfile `{path}`; {}", Near { path, near })]
    NoDockerfile {
        /// As given.
        path: String,
        /// Dockerfiles that are there, relative to the directory that is built.
        near: Vec<String>,
    },
    /// A Dockerfile or an ignore file of absurd length.
    #[error("`{path}` has more than {limit} bytes; is it the right file?")]
    TooLarge {
        /// Relative to the directory that is built.
        path: String,
        /// Bytes.
        limit: u64,
    },
    /// An ignore file that cannot be followed.
    #[error("`{path}` cannot be followed")]
    Ignore {
        /// Relative to the directory that is built.
        path: String,
        /// Which line, and why.
        #[source]
        source: InvalidPattern,
    },
}

/// What to do about a Dockerfile that is not there.
struct Near<'a> {
    path: &'a str,
    near: &'a [String],
}

impl fmt::Display for Near<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = self.near.iter().map(String::as_str);
        let meant = crate::spec::suggest::closest(self.path, known);
        match (meant, self.near) {
            (Some(meant), _) => write!(f, "did you mean `{meant}`?"),
            (None, []) => f.write_str("nothing near it looks like one either"),
            (None, near) => write!(f, "it has `{}`", near.join("`, `")),
        }
    }
}
