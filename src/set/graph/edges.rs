//! From what resources say to who waits for whom.

use std::collections::{BTreeMap, BTreeSet};

use super::{GraphIssue, Need, Node, job_key, turned};
use crate::ids::JobKey;
use crate::spec::Kind;
use crate::spec::relations::HookPhase;

/// For each node the others that concern it.
pub(super) type Neighbours = Vec<BTreeSet<usize>>;

/// The graph while it grows.
pub(super) struct Edges<'n> {
    nodes: &'n [Node],
    /// The first node of each job.
    by_key: BTreeMap<&'n JobKey, usize>,
    /// What must come before each node.
    pub(super) before: Neighbours,
    pub(super) failure_hooks: Neighbours,
    pub(super) issues: Vec<GraphIssue>,
}

impl<'n> Edges<'n> {
    pub(super) fn new(nodes: &'n [Node]) -> Self {
        let mut by_key = BTreeMap::new();
        let mut issues = Vec::new();
        for (position, node) in nodes.iter().enumerate() {
            let first = *by_key.entry(&node.key).or_insert(position);
            if first != position {
                issues.push(GraphIssue::Duplicate {
                    first,
                    second: position,
                });
            }
            if node.hook.is_some() && node.runs_to_completion == Some(false) {
                issues.push(GraphIssue::EndlessHook { node: position });
            }
        }
        Self {
            nodes,
            by_key,
            before: vec![BTreeSet::new(); nodes.len()],
            failure_hooks: vec![BTreeSet::new(); nodes.len()],
            issues,
        }
    }

    /// What resources say themselves.
    pub(super) fn needs(&mut self) {
        for (position, node) in self.nodes.iter().enumerate() {
            for (number, need) in node.needs.iter().enumerate() {
                match self.find(need) {
                    // A failure hook is in nobody's order, so its own needs are for whoever runs it.
                    Ok(_) if node.is_failure_hook() => {}
                    Ok(found) if self.nodes[found].is_failure_hook() => {
                        self.issues.push(GraphIssue::NeedsFailureHook {
                            node: position,
                            need: number,
                        });
                    }
                    Ok(found) => {
                        self.before[position].insert(found);
                    }
                    Err(None) => self.issues.push(GraphIssue::Unresolved {
                        node: position,
                        need: number,
                    }),
                    Err(Some(kind)) => self.issues.push(GraphIssue::WrongKind {
                        node: position,
                        need: number,
                        kind,
                    }),
                }
            }
        }
    }

    /// The node of a need; else the kind of the one that has its name, when there is one.
    fn find(&self, need: &Need) -> Result<usize, Option<Kind>> {
        let found = *self.by_key.get(&need.key).ok_or(None)?;
        let kind = self.nodes[found].kind;
        match need.kind {
            Some(wanted) if wanted != kind => Err(Some(kind)),
            _ => Ok(found),
        }
    }

    /// Hooks that say whom they serve.
    pub(super) fn named_hooks(&mut self) {
        for (position, node) in self.nodes.iter().enumerate() {
            let Some(hook) = &node.hook else { continue };
            for (number, name) in hook.serves.iter().enumerate() {
                let served = job_key(name, None, &node.key.namespace)
                    .and_then(|key| self.by_key.get(&key).copied());
                match served {
                    Some(served) if self.nodes[served].hook.is_some() => {
                        self.issues.push(GraphIssue::ServesHook {
                            node: position,
                            served: number,
                        });
                    }
                    Some(served) => self.serve(position, hook.phase, served),
                    None => self.issues.push(GraphIssue::UnknownServed {
                        node: position,
                        served: number,
                    }),
                }
            }
        }
    }

    /// Hooks that serve everything.
    pub(super) fn hooks_of_all(&mut self) {
        let plain = |phase| self.hooks_without_names(phase);
        let (pre, post) = (plain(HookPhase::Pre), plain(HookPhase::Post));
        let on_failure = plain(HookPhase::OnFailure);
        // Asked before the first edge of this step is there, so that no two of these hooks can wait for each other.
        let needed = reachable(&self.before, &pre);
        let awaiting = reachable(&sets(turned(&self.before)), &post);
        for (position, node) in self.nodes.iter().enumerate() {
            if node.hook.is_some() {
                continue;
            }
            if !needed.contains(&position) {
                self.before[position].extend(&pre);
            }
            if !awaiting.contains(&position) {
                for hook in &post {
                    self.before[*hook].insert(position);
                }
            }
            self.failure_hooks[position].extend(&on_failure);
        }
    }

    fn hooks_without_names(&self, phase: HookPhase) -> BTreeSet<usize> {
        let serves_all = |node: &Node| matches!(&node.hook, Some(hook) if hook.phase == phase && hook.serves.is_empty());
        let positions = self.nodes.iter().enumerate();
        positions
            .filter(|(_, node)| serves_all(node))
            .map(|(position, _)| position)
            .collect()
    }

    fn serve(&mut self, hook: usize, phase: HookPhase, served: usize) {
        match phase {
            HookPhase::Pre => self.before[served].insert(hook),
            HookPhase::Post => self.before[hook].insert(served),
            HookPhase::OnFailure => self.failure_hooks[served].insert(hook),
        };
    }
}

/// Everything that can be reached from some nodes, these included.
fn reachable(neighbours: &Neighbours, from: &BTreeSet<usize>) -> BTreeSet<usize> {
    let mut seen = from.clone();
    let mut open: Vec<usize> = from.iter().copied().collect();
    while let Some(node) = open.pop() {
        open.extend(neighbours[node].iter().filter(|next| seen.insert(**next)));
    }
    seen
}

fn sets(lists: Vec<Vec<usize>>) -> Neighbours {
    let set = |list: Vec<usize>| list.into_iter().collect();
    lists.into_iter().map(set).collect()
}
