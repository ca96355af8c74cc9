//! Where an inventory stands, and why not in Nomad's variables.

use std::fmt;
use std::path::PathBuf;

use crate::clients::nomad::calls::variables::VariablePath;
use crate::ids::Namespace;

/// Where the inventory stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// In Nomad's variables: everybody with the right sees the same.
    Variables {
        /// The root.
        variable: VariablePath,
        /// Where.
        namespace: Namespace,
    },
    /// In a file on this machine, at least in part: others do not see it. Deserves a warning.
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: Reason,
        /// The root of what should hold it.
        variable: VariablePath,
        /// Where.
        namespace: Namespace,
    },
}

/// Why an inventory stands in a local file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// The token may not read the variable: the file is all there is.
    MayNotRead,
    /// The token may read but not write it: the file holds what is not in the variables.
    MayNotWrite,
    /// An earlier run might not write it. Whether this token may, shows the next change, which brings the file in.
    Leftover,
}

impl Place {
    /// How to put it into the variables; `None` when it is there.
    #[must_use]
    pub const fn help(&self) -> Option<&'static str> {
        match self {
            Self::Variables { .. } => None,
            Self::File { .. } => Some(
                "give the token a policy with: namespace \"…\" { variables { path \"cs/inventory/*\" { capabilities = \
                 [\"read\", \"list\", \"write\", \"destroy\"] } } }; the next change then brings the file in",
            ),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (path, reason, variable, namespace) = match self {
            Self::Variables {
                variable,
                namespace,
            } => return write!(f, "variable `{variable}` in namespace `{namespace}`"),
            Self::File {
                path,
                reason,
                variable,
                namespace,
            } => (path.display(), reason, variable, namespace),
        };
        let why = match reason {
            Reason::MayNotRead => "the token may not read",
            Reason::MayNotWrite => "the token may not write",
            Reason::Leftover => "an earlier run might not write",
        };
        write!(
            f,
            "{path} on this machine alone: {why} variable `{variable}` in namespace `{namespace}`"
        )
    }
}
