//! What may be wrong with how resources refer to each other.

use super::Node;
use crate::spec::Kind;

/// Something that is wrong with how resources refer to each other. Numbers are positions among the nodes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GraphIssue {
    /// Two resources describe one job.
    Duplicate {
        /// The earlier one.
        first: usize,
        /// The later one.
        second: usize,
    },
    /// Each of them waits for the next, the last for the first.
    Cycle {
        /// At least one; begins with the lowest.
        path: Vec<usize>,
    },
    /// Something that is not in the set. It may live elsewhere, so this is a warning.
    Unresolved {
        /// Who waits.
        node: usize,
        /// For which of its needs.
        need: usize,
    },
    /// What it waits for is of another kind. Both share the job ids of a namespace, so it cannot live elsewhere.
    WrongKind {
        /// Who waits.
        node: usize,
        /// For which of its needs.
        need: usize,
        /// What it is.
        kind: Kind,
    },
    /// What it waits for runs only after a failure.
    NeedsFailureHook {
        /// Who waits.
        node: usize,
        /// For which of its needs.
        need: usize,
    },
    /// A hook serves something that is not in the set.
    UnknownServed {
        /// The hook.
        node: usize,
        /// Position in its `for`.
        served: usize,
    },
    /// A hook serves another hook.
    ServesHook {
        /// The hook.
        node: usize,
        /// Position in its `for`.
        served: usize,
    },
    /// A hook whose tasks are not meant to end.
    EndlessHook {
        /// The hook.
        node: usize,
    },
}

impl GraphIssue {
    /// Whether the set cannot be applied. A warning otherwise.
    #[must_use]
    pub const fn is_error(&self) -> bool {
        !matches!(self, Self::Unresolved { .. })
    }

    /// What is wrong, without the place.
    #[must_use]
    pub fn message(&self, nodes: &[Node]) -> String {
        match self {
            Self::Duplicate { first, .. } => {
                let node = &nodes[*first];
                format!(
                    "a {} describes the job `{}` already",
                    node.kind, node.key.job
                )
            }
            Self::Cycle { path } if path.len() == 1 => {
                "a resource cannot wait for itself".to_owned()
            }
            Self::Cycle { path } => {
                let around = path.iter().chain(path.first());
                let names: Vec<String> = around.map(|node| named(nodes, *node)).collect();
                format!("these wait for each other: {}", names.join(" → "))
            }
            Self::Unresolved { node, need } => {
                let need = &nodes[*node].needs[*need];
                let kind = need.kind.map_or("resource", Kind::as_str);
                if need.key.namespace == nodes[*node].key.namespace {
                    format!("there is no {kind} `{}` in this set", need.key.job)
                } else {
                    format!("there is no {kind} `{}` in this set", need.key)
                }
            }
            Self::WrongKind { node, need, kind } => {
                let need = &nodes[*node].needs[*need];
                format!("`{}` is a {kind}", need.key.job)
            }
            Self::NeedsFailureHook { node, need } => {
                let need = &nodes[*node].needs[*need];
                format!(
                    "`{}` is a hook that runs only after a failure",
                    need.key.job
                )
            }
            Self::UnknownServed { node, .. } => {
                let namespace = &nodes[*node].key.namespace;
                format!("there is no such resource in namespace `{namespace}` of this set")
            }
            Self::ServesHook { .. } => "this is a hook itself, and hooks serve no hooks".to_owned(),
            Self::EndlessHook { .. } => {
                "a hook must end; only a `batch` or `sysbatch` job does".to_owned()
            }
        }
    }
}

/// `name`, with its namespace where that is not the same for all.
fn named(nodes: &[Node], node: usize) -> String {
    let key = &nodes[node].key;
    if nodes
        .iter()
        .all(|other| other.key.namespace == key.namespace)
    {
        format!("`{}`", key.job)
    } else {
        format!("`{key}`")
    }
}
