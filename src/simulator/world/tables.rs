//! The tables of the server, the raft index over them, and reading them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;

use super::alloc::Alloc;
use super::deployment::Deployment;
use super::eval::Eval;
use super::events::{Event, EventBuffer};
use super::job::{Job, JobEntry, JobKey};
use super::node::{Node, Usage};
use super::random::Random;
use super::script::Scripts;
use super::time::{MILLISECOND, Nanos, SECOND};
use super::timers::Timers;
use super::variables::{Variable, VariableKey};

/// What has its own index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Table {
    Jobs,
    Summaries,
    Evals,
    Allocs,
    Deployments,
    Nodes,
    Pools,
    Namespaces,
    Variables,
}

/// How long the cluster takes for things.
#[derive(Debug, Clone)]
pub struct Timing {
    /// From a request to its evaluation.
    pub evaluation: Nanos,
    /// From a placement to the start of its tasks.
    pub start: Nanos,
    /// A client reports a change between this …
    pub report_min: Nanos,
    /// … and this much later.
    pub report_max: Nanos,
    /// Rollouts gather news for this long before they act on it.
    pub batch: Nanos,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            evaluation: 3 * MILLISECOND,
            start: 50 * MILLISECOND,
            report_min: 250 * MILLISECOND,
            report_max: 700 * MILLISECOND,
            batch: SECOND,
        }
    }
}

/// What a world starts with.
#[derive(Debug, Clone)]
pub struct WorldOptions {
    /// Region.
    pub region: String,
    /// Nodes; ids and indexes are given when they join.
    pub nodes: Vec<Node>,
    /// Pools besides `all` and `default`.
    pub pools: Vec<String>,
    /// Namespaces besides `default`.
    pub namespaces: Vec<String>,
    /// Seed of ids and jitter.
    pub seed: u64,
    /// When it starts.
    pub now: Nanos,
    /// How long things take.
    pub timing: Timing,
}

impl Default for WorldOptions {
    fn default() -> Self {
        Self {
            region: "global".to_owned(),
            nodes: vec![Node::linux(String::new(), "client-1".to_owned())],
            pools: Vec::new(),
            namespaces: Vec::new(),
            seed: 1,
            now: 1_750_000_000 * SECOND,
            timing: Timing::default(),
        }
    }
}

/// A namespace.
#[derive(Debug, Clone)]
pub struct Named {
    /// As the API shows it, without its indexes.
    pub body: Value,
    /// Index of its creation.
    pub create_index: u64,
    /// Index of its last change.
    pub modify_index: u64,
}

/// What belongs to a job besides its own row. Evaluations outlive a purge.
#[derive(Debug, Clone, Default)]
pub(super) struct Related {
    pub(super) allocs: Vec<String>,
    pub(super) evals: Vec<String>,
    pub(super) deployments: Vec<String>,
}

/// A simulated cluster.
#[derive(Debug)]
pub struct World {
    /// Region.
    pub region: String,
    /// Virtual time.
    pub now: Nanos,
    /// Raft index of the last write.
    pub index: u64,
    /// Jobs.
    pub jobs: BTreeMap<JobKey, JobEntry>,
    /// Evaluations by id.
    pub evals: BTreeMap<String, Eval>,
    /// Allocations by id.
    pub allocs: BTreeMap<String, Alloc>,
    /// Rollouts by id.
    pub deployments: BTreeMap<String, Deployment>,
    /// Nodes by id.
    pub nodes: BTreeMap<String, Node>,
    /// Node pools by name.
    pub pools: BTreeMap<String, Named>,
    /// Namespaces by name.
    pub namespaces: BTreeMap<String, Named>,
    /// Variables.
    pub variables: BTreeMap<VariableKey, Variable>,
    /// The event stream's memory.
    pub events: EventBuffer,
    /// How workloads behave, by job and image.
    pub scripts: Scripts,
    /// The scheduler's configuration.
    pub scheduler_config: Value,
    /// How long things take.
    pub timing: Timing,
    pub(super) usage: BTreeMap<String, Usage>,
    pub(super) related: BTreeMap<JobKey, Related>,
    pub(super) children: BTreeMap<JobKey, BTreeSet<JobKey>>,
    pub(super) blocked: BTreeSet<String>,
    pub(super) tokens: BTreeMap<(JobKey, String), JobKey>,
    pub(super) timers: Timers,
    pub(super) random: Random,
    table_index: BTreeMap<Table, u64>,
}

/// A raft message that is being built: its index and what it tells the event stream.
#[derive(Debug)]
pub(super) struct Tx {
    pub(super) index: u64,
    kind: &'static str,
    events: Vec<Event>,
}

impl World {
    /// A fresh cluster.
    #[must_use]
    pub fn new(options: WorldOptions) -> Self {
        let mut world = Self {
            region: options.region,
            now: options.now,
            index: 1,
            jobs: BTreeMap::new(),
            evals: BTreeMap::new(),
            allocs: BTreeMap::new(),
            deployments: BTreeMap::new(),
            nodes: BTreeMap::new(),
            pools: BTreeMap::new(),
            namespaces: BTreeMap::new(),
            variables: BTreeMap::new(),
            events: EventBuffer::default(),
            scripts: Scripts::default(),
            scheduler_config: super::cluster::default_scheduler_config(),
            timing: options.timing,
            usage: BTreeMap::new(),
            related: BTreeMap::new(),
            children: BTreeMap::new(),
            blocked: BTreeSet::new(),
            tokens: BTreeMap::new(),
            timers: Timers::default(),
            random: Random::new(options.seed),
            table_index: BTreeMap::new(),
        };
        world.found(options.pools, options.namespaces, options.nodes);
        world
    }

    /// Index of a table's last change; 1 while it is untouched.
    #[must_use]
    pub fn table(&self, table: Table) -> u64 {
        self.table_index.get(&table).copied().unwrap_or(1)
    }

    /// A job's current version.
    #[must_use]
    pub fn job(&self, key: &JobKey) -> Option<&Arc<Job>> {
        self.jobs.get(key).map(|entry| &entry.job)
    }

    /// A job's allocations, oldest first.
    pub fn allocs_of<'a>(&'a self, key: &JobKey) -> impl Iterator<Item = &'a Alloc> + use<'a> {
        self.related
            .get(key)
            .into_iter()
            .flat_map(|related| &related.allocs)
            .filter_map(|id| self.allocs.get(id))
    }

    /// A job's evaluations, oldest first.
    pub fn evals_of<'a>(&'a self, key: &JobKey) -> impl Iterator<Item = &'a Eval> + use<'a> {
        self.related
            .get(key)
            .into_iter()
            .flat_map(|related| &related.evals)
            .filter_map(|id| self.evals.get(id))
    }

    /// A job's rollouts, oldest first.
    pub fn deployments_of<'a>(
        &'a self,
        key: &JobKey,
    ) -> impl Iterator<Item = &'a Deployment> + use<'a> {
        self.related
            .get(key)
            .into_iter()
            .flat_map(|related| &related.deployments)
            .filter_map(|id| self.deployments.get(id))
    }

    /// A job's newest rollout.
    #[must_use]
    pub fn latest_deployment(&self, key: &JobKey) -> Option<&Deployment> {
        self.related
            .get(key)?
            .deployments
            .last()
            .and_then(|id| self.deployments.get(id))
    }

    /// Jobs that a periodic or parameterized job has started.
    pub fn children_of<'a>(&'a self, key: &JobKey) -> impl Iterator<Item = &'a Arc<Job>> + use<'a> {
        self.children
            .get(key)
            .into_iter()
            .flatten()
            .filter_map(|child| self.job(child))
    }

    /// Whether an allocation's node is gone for it.
    #[must_use]
    pub fn node_lost(&self, alloc: &Alloc) -> bool {
        match self.nodes.get(&alloc.node_id) {
            None => true,
            Some(node) => match node.status {
                "down" => true,
                "disconnected" => alloc.spec().is_none_or(|group| group.lost_after.is_none()),
                _ => false,
            },
        }
    }

    /// When something is due next.
    #[must_use]
    pub fn next_due(&self) -> Option<Nanos> {
        self.timers.next()
    }

    pub(super) fn begin(&mut self, kind: &'static str) -> Tx {
        self.index += 1;
        Tx {
            index: self.index,
            kind,
            events: Vec::new(),
        }
    }

    /// Ends a raft message. Jobs and evaluations of one registration come as two lines with the same index.
    pub(super) fn commit(&mut self, tx: Tx) {
        let split = matches!(tx.kind, "JobRegistered" | "JobDeregistered");
        if !split {
            self.events.push(tx.index, tx.events);
            return;
        }
        let (jobs, others): (Vec<_>, Vec<_>) = tx
            .events
            .into_iter()
            .partition(|event| event.topic == "Job");
        self.events.push(tx.index, jobs);
        self.events.push(tx.index, others);
    }

    pub(super) fn touch(&mut self, table: Table, tx: &Tx) {
        self.table_index.insert(table, tx.index);
    }
}

impl Tx {
    pub(super) fn emit(
        &mut self,
        topic: &'static str,
        key: &str,
        namespace: &str,
        filter_keys: Vec<String>,
        payload: Value,
    ) {
        self.events.push(Event {
            topic,
            kind: self.kind,
            key: key.to_owned(),
            namespace: namespace.to_owned(),
            filter_keys,
            payload,
        });
    }
}
