//! A fingerprint of validated intent: same digest, same job.

use std::fmt;

/// SHA-256 over a desired workload, in hex.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Digest(pub String);

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
