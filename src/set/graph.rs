//! Who waits for whom in a set: `dependsOn` and hooks, as waves.
//!
//! A resource comes after what it depends on, a `pre` hook before what it serves, a `post` hook after it. Hooks of phase
//! `onFailure` have no place in the order; [`Graph::failure_hooks`] finds them when something has failed.
//!
//! A hook without `for` serves every resource that is no hook, except those that must come on its other side anyway: a
//! `pre` hook that needs the database does not come before the database.

mod edges;
mod issue;
mod waves;

use std::collections::BTreeSet;

use crate::ids::{JobId, JobKey, Namespace};
use crate::spec::relations::{Dependency, Hook, HookPhase};
use crate::spec::{Kind, Resource};

pub use issue::GraphIssue;

use edges::{Edges, Neighbours};
use waves::waves;

/// What the graph needs to know of one resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Its job.
    pub key: JobKey,
    /// Its kind.
    pub kind: Kind,
    /// What it waits for.
    pub needs: Vec<Need>,
    /// Whether and when it runs as a hook.
    pub hook: Option<Hook>,
    /// Whether its tasks are meant to end; `None` when that is not known here.
    pub runs_to_completion: Option<bool>,
}

/// A job that a resource waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Need {
    /// Which job.
    pub key: JobKey,
    /// Of which kind; `None` is either.
    pub kind: Option<Kind>,
    /// Its position in `dependsOn`.
    pub position: usize,
}

impl Node {
    /// The node of a resource; `None` when its name or namespace cannot be one. Dependencies with such names are left
    /// out. Both are for the validation of single documents to report.
    #[must_use]
    pub fn of(
        resource: &Resource,
        default_namespace: &Namespace,
        runs_to_completion: Option<bool>,
    ) -> Option<Self> {
        let metadata = resource.metadata();
        let namespace = metadata.namespace.as_deref();
        let key = job_key(&metadata.name, namespace, default_namespace)?;
        let need = |(position, dependency): (usize, &Dependency)| {
            let namespace = dependency.namespace.as_deref();
            Some(Need {
                key: job_key(&dependency.name, namespace, &key.namespace)?,
                kind: dependency.kind,
                position,
            })
        };
        Some(Self {
            needs: resource
                .depends_on()
                .iter()
                .enumerate()
                .filter_map(need)
                .collect(),
            kind: resource.kind(),
            hook: resource.hook().cloned(),
            runs_to_completion,
            key,
        })
    }

    fn phase(&self) -> Option<HookPhase> {
        self.hook.as_ref().map(|hook| hook.phase)
    }

    fn is_failure_hook(&self) -> bool {
        self.phase() == Some(HookPhase::OnFailure)
    }
}

fn job_key(name: &str, namespace: Option<&str>, default: &Namespace) -> Option<JobKey> {
    Some(JobKey {
        namespace: match namespace {
            Some(namespace) => namespace.parse().ok()?,
            None => default.clone(),
        },
        job: name.parse::<JobId>().ok()?,
    })
}

/// Who waits for whom, without cycles. Numbers are positions among the nodes that it was made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Graph {
    dependencies: Vec<Vec<usize>>,
    dependents: Vec<Vec<usize>>,
    failure_hooks: Vec<Vec<usize>>,
    waves: Vec<Vec<usize>>,
    warnings: Vec<GraphIssue>,
}

impl Graph {
    /// Builds the graph of a set.
    ///
    /// # Errors
    /// Every issue, warnings included, in the order of the nodes; cycles last.
    pub fn new(nodes: &[Node]) -> Result<Self, Vec<GraphIssue>> {
        let mut edges = Edges::new(nodes);
        edges.needs();
        edges.named_hooks();
        edges.hooks_of_all();
        let Edges {
            before,
            failure_hooks,
            mut issues,
            ..
        } = edges;
        let waves = match waves(nodes, &before) {
            Ok(waves) => waves,
            Err(cycles) => {
                issues.extend(cycles);
                Vec::new()
            }
        };
        if issues.iter().any(GraphIssue::is_error) {
            return Err(issues);
        }
        Ok(Self {
            dependents: turned(&before),
            dependencies: lists(before),
            failure_hooks: lists(failure_hooks),
            waves,
            warnings: issues,
        })
    }

    /// The order: each wave depends only on earlier ones, and each node stands in the first wave that it can. Within a
    /// wave ascending. Hooks of phase `onFailure` are in none.
    #[must_use]
    pub fn order(&self) -> &[Vec<usize>] {
        &self.waves
    }

    /// What must come before a node, ascending.
    #[must_use]
    pub fn dependencies(&self, node: usize) -> &[usize] {
        &self.dependencies[node]
    }

    /// What must come after a node, ascending.
    #[must_use]
    pub fn dependents(&self, node: usize) -> &[usize] {
        &self.dependents[node]
    }

    /// The hooks that run when a node has failed, ascending.
    #[must_use]
    pub fn failure_hooks(&self, node: usize) -> &[usize] {
        &self.failure_hooks[node]
    }

    /// Dependencies that are not in the set.
    #[must_use]
    pub fn warnings(&self) -> &[GraphIssue] {
        &self.warnings
    }
}

/// The same edges from their other end.
fn turned(neighbours: &Neighbours) -> Vec<Vec<usize>> {
    let mut turned = vec![Vec::new(); neighbours.len()];
    for (node, others) in neighbours.iter().enumerate() {
        for other in others {
            turned[*other].push(node);
        }
    }
    turned
}

fn lists(neighbours: Neighbours) -> Vec<Vec<usize>> {
    let list = |set: BTreeSet<usize>| set.into_iter().collect();
    neighbours.into_iter().map(list).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(name: &str) -> JobKey {
        job_key(name, None, &"default".parse().unwrap()).unwrap()
    }

    fn node(name: &str, needs: &[&str]) -> Node {
        let need = |(position, name): (usize, &&str)| Need {
            key: key(name),
            kind: None,
            position,
        };
        Node {
            key: key(name),
            kind: Kind::Workload,
            needs: needs.iter().enumerate().map(need).collect(),
            hook: None,
            runs_to_completion: Some(false),
        }
    }

    fn hook(name: &str, phase: HookPhase, serves: &[&str], needs: &[&str]) -> Node {
        Node {
            hook: Some(Hook {
                phase,
                serves: serves.iter().map(|name| (*name).to_owned()).collect(),
            }),
            runs_to_completion: Some(true),
            ..node(name, needs)
        }
    }

    /// The waves by name.
    fn order(nodes: &[Node]) -> Vec<Vec<&str>> {
        let graph = Graph::new(nodes).expect("a set that can be applied");
        let names = |wave: &Vec<usize>| wave.iter().map(|i| nodes[*i].key.job.as_str()).collect();
        graph.order().iter().map(names).collect()
    }

    fn messages(nodes: &[Node]) -> Vec<String> {
        let issues = Graph::new(nodes).expect_err("a set that cannot be applied");
        issues.iter().map(|issue| issue.message(nodes)).collect()
    }

    #[test]
    fn each_stands_in_the_first_wave_after_all_that_it_needs() {
        let nodes = [
            node("shop", &["db", "cache"]),
            node("db", &[]),
            node("cache", &["db"]),
            node("mailer", &[]),
        ];
        assert_eq!(
            order(&nodes),
            [vec!["db", "mailer"], vec!["cache"], vec!["shop"]]
        );
        let graph = Graph::new(&nodes).unwrap();
        assert_eq!(graph.dependencies(0), [1, 2]);
        assert_eq!(graph.dependents(1), [0, 2]);
        assert_eq!(graph.warnings(), []);
    }

    #[test]
    fn a_pre_hook_stands_before_what_it_serves_and_a_post_hook_after_it() {
        let nodes = [
            node("shop", &[]),
            node("mailer", &[]),
            hook("migrate", HookPhase::Pre, &["shop"], &[]),
            hook("smoke", HookPhase::Post, &["shop"], &[]),
        ];
        assert_eq!(
            order(&nodes),
            [vec!["mailer", "migrate"], vec!["shop"], vec!["smoke"]]
        );
    }

    #[test]
    fn a_hook_for_all_does_not_serve_what_must_come_on_its_other_side() {
        let nodes = [
            node("db", &[]),
            node("shop", &[]),
            node("report", &["smoke"]),
            hook("migrate", HookPhase::Pre, &[], &["db"]),
            hook("smoke", HookPhase::Post, &[], &[]),
        ];
        assert_eq!(
            order(&nodes),
            [
                vec!["db"],
                vec!["migrate"],
                vec!["shop"],
                vec!["smoke"],
                vec!["report"]
            ]
        );
    }

    #[test]
    fn two_hooks_for_all_with_needs_of_their_own_do_not_wait_for_each_other() {
        let nodes = [
            node("a", &[]),
            node("b", &[]),
            node("shop", &[]),
            hook("after-a", HookPhase::Pre, &[], &["a"]),
            hook("after-b", HookPhase::Pre, &[], &["b"]),
        ];
        assert_eq!(
            order(&nodes),
            [vec!["a", "b"], vec!["after-a", "after-b"], vec!["shop"]]
        );
    }

    #[test]
    fn a_failure_hook_is_in_no_wave_and_found_by_what_it_serves() {
        let nodes = [
            node("shop", &[]),
            node("mailer", &[]),
            hook("alarm", HookPhase::OnFailure, &[], &["mailer"]),
            hook("undo", HookPhase::OnFailure, &["shop"], &[]),
        ];
        assert_eq!(order(&nodes), [vec!["shop", "mailer"]]);
        let graph = Graph::new(&nodes).unwrap();
        assert_eq!(graph.failure_hooks(0), [2, 3]);
        assert_eq!(graph.failure_hooks(1), [2]);
        let mut nodes = nodes.to_vec();
        nodes.push(node("late", &["alarm"]));
        assert_eq!(
            messages(&nodes),
            ["`alarm` is a hook that runs only after a failure"]
        );
    }

    #[test]
    fn a_cycle_is_told_with_its_whole_path_and_each_once() {
        let nodes = [
            node("entry", &["a"]),
            node("a", &["b"]),
            node("b", &["c", "a"]),
            node("c", &["a"]),
            node("x", &["y"]),
            node("y", &["x"]),
            node("self", &["self"]),
        ];
        assert_eq!(
            messages(&nodes),
            [
                "these wait for each other: `a` → `b` → `a`",
                "these wait for each other: `x` → `y` → `x`",
                "a resource cannot wait for itself",
            ]
        );
    }

    #[test]
    fn two_resources_for_one_job_are_told_with_both_places_whatever_their_kinds() {
        let mut nodes = vec![node("shop", &[]), node("db", &[]), node("shop", &[])];
        nodes[2].kind = Kind::NomadJob;
        assert_eq!(
            Graph::new(&nodes),
            Err(vec![GraphIssue::Duplicate {
                first: 0,
                second: 2
            }])
        );
        nodes[2].key.namespace = "other".parse().unwrap();
        assert!(Graph::new(&nodes).is_ok());
    }

    #[test]
    fn a_dependency_outside_the_set_is_a_warning_and_one_of_another_kind_an_error() {
        let mut nodes = vec![node("shop", &["db", "cache"]), node("db", &[])];
        let graph = Graph::new(&nodes).unwrap();
        let texts: Vec<String> = graph.warnings().iter().map(|w| w.message(&nodes)).collect();
        assert_eq!(texts, ["there is no resource `cache` in this set"]);
        nodes[0].needs[0].kind = Some(Kind::Workload);
        assert!(Graph::new(&nodes).is_ok());
        nodes[0].needs[0].kind = Some(Kind::NomadJob);
        assert_eq!(messages(&nodes)[0], "`db` is a Workload");
    }

    #[test]
    fn a_hook_must_end_and_must_know_whom_it_serves() {
        let mut nodes = vec![
            node("shop", &[]),
            hook("a", HookPhase::Pre, &["shp"], &[]),
            hook("b", HookPhase::Post, &["a"], &[]),
        ];
        nodes[1].runs_to_completion = Some(false);
        assert_eq!(
            messages(&nodes),
            [
                "a hook must end; only a `batch` or `sysbatch` job does",
                "there is no such resource in namespace `default` of this set",
                "this is a hook itself, and hooks serve no hooks",
            ]
        );
        nodes.truncate(1);
        nodes.push(hook("a", HookPhase::Pre, &["shop"], &[]));
        nodes[1].runs_to_completion = None;
        assert!(Graph::new(&nodes).is_ok());
    }

    #[test]
    fn a_cycle_across_namespaces_names_them() {
        let mut nodes = [node("a", &["b"]), node("b", &["a"])];
        let other: Namespace = "other".parse().unwrap();
        nodes[1].key.namespace = other.clone();
        nodes[0].needs[0].key.namespace = other;
        assert_eq!(
            messages(&nodes),
            ["these wait for each other: `default/a` → `other/b` → `default/a`"]
        );
    }

    fn name(number: usize) -> String {
        format!("n{number}")
    }

    /// Sets in which only what stands earlier is needed, with hooks of every sort; hooks need no hooks.
    fn sets() -> impl Strategy<Value = Vec<Node>> {
        let one = (
            proptest::collection::vec(0usize..100, 0..4),
            0u8..10,
            proptest::collection::vec(0usize..100, 0..3),
        );
        proptest::collection::vec(one, 1..20).prop_map(|drawn| {
            let sort = |number: usize| drawn[number].1;
            let is_plain = |number: &usize| sort(*number) < 7;
            let plain: Vec<usize> = (0..drawn.len()).filter(is_plain).collect();
            let mut nodes = Vec::new();
            for (number, (needs, sort, serves)) in drawn.iter().enumerate() {
                let earlier: Vec<usize> = plain.iter().copied().filter(|n| *n < number).collect();
                let later: Vec<usize> = plain.iter().copied().filter(|n| *n > number).collect();
                let pick = |from: &[usize], drawn: &[usize]| -> Vec<String> {
                    let picked = drawn.iter().filter_map(|n| from.get(n % from.len().max(1)));
                    picked.map(|n| name(*n)).collect()
                };
                let needs = pick(&earlier, needs);
                let needs: Vec<&str> = needs.iter().map(String::as_str).collect();
                let (phase, serves) = match sort {
                    7 => (Some(HookPhase::Pre), pick(&later, serves)),
                    8 => (Some(HookPhase::Post), pick(&earlier, serves)),
                    9 => (Some(HookPhase::OnFailure), pick(&plain, serves)),
                    _ => (None, Vec::new()),
                };
                let serves: Vec<&str> = serves.iter().map(String::as_str).collect();
                nodes.push(match phase {
                    Some(phase) => hook(&name(number), phase, &serves, &needs),
                    None => node(&name(number), &needs),
                });
            }
            nodes
        })
    }

    proptest! {
        /// Sets without a cycle of their own get none from their hooks; every node but the failure hooks stands in one
        /// wave, after all that it depends on and in the first wave where that is so.
        #[test]
        fn waves_hold_every_node_once_and_as_early_as_can_be(nodes in sets()) {
            let graph = Graph::new(&nodes).expect("no cycle was drawn");
            let mut wave_of = vec![None; nodes.len()];
            for (number, wave) in graph.order().iter().enumerate() {
                prop_assert!(!wave.is_empty() && wave.is_sorted());
                for node in wave {
                    prop_assert_eq!(wave_of[*node].replace(number), None);
                }
            }
            for (position, node) in nodes.iter().enumerate() {
                let Some(wave) = wave_of[position] else {
                    prop_assert!(node.is_failure_hook());
                    continue;
                };
                let last = graph.dependencies(position).iter().map(|n| wave_of[*n].unwrap()).max();
                prop_assert_eq!(wave, last.map_or(0, |last| last + 1));
                for need in &node.needs {
                    let needed = nodes.iter().position(|other| other.key == need.key).unwrap();
                    prop_assert!(graph.dependencies(position).contains(&needed));
                }
            }
        }

        /// Dependencies and dependents are two views of the same edges, and hooks stand on their side of all they serve.
        #[test]
        fn edges_are_the_same_from_both_ends(nodes in sets()) {
            let graph = Graph::new(&nodes).expect("no cycle was drawn");
            for node in 0..nodes.len() {
                for other in graph.dependencies(node) {
                    prop_assert!(graph.dependents(*other).contains(&node));
                }
                for other in graph.dependents(node) {
                    prop_assert!(graph.dependencies(*other).contains(&node));
                }
                let Some(hook) = &nodes[node].hook else { continue };
                for served in &hook.serves {
                    let served = nodes.iter().position(|n| n.key.job.as_str() == served).unwrap();
                    let side = match hook.phase {
                        HookPhase::Pre => graph.dependents(node),
                        HookPhase::Post => graph.dependencies(node),
                        HookPhase::OnFailure => continue,
                    };
                    prop_assert!(side.contains(&served));
                }
            }
        }

        /// Whatever is drawn, a cycle that is told is one, and each node is in at most one.
        #[test]
        fn a_told_cycle_is_one(
            edges in proptest::collection::vec(proptest::collection::vec(0usize..12, 0..3), 12)
        ) {
            let named: Vec<(String, Vec<String>)> = edges.iter().enumerate()
                .map(|(number, needs)| (name(number), needs.iter().copied().map(name).collect()))
                .collect();
            let nodes: Vec<Node> = named.iter()
                .map(|(name, needs)| node(name, &needs.iter().map(String::as_str).collect::<Vec<_>>()))
                .collect();
            let mut told = BTreeSet::new();
            for issue in Graph::new(&nodes).err().unwrap_or_default() {
                let GraphIssue::Cycle { path } = issue else { continue };
                for (position, from) in path.iter().enumerate() {
                    let to = path[(position + 1) % path.len()];
                    prop_assert!(edges[*from].contains(&to));
                    prop_assert!(told.insert(*from));
                }
            }
        }
    }
}
