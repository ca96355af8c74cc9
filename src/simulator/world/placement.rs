//! Where an allocation may go: feasibility of nodes, room on them, and why there is none.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::constraint::{self, Verdict};
use super::node::{Node, Usage};
use super::spec::{Constraint, Group};

/// Why nodes were passed over (`AllocMetric`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Metric {
    /// Nodes looked at.
    pub evaluated: u64,
    /// Nodes that no constraint let through.
    pub filtered: u64,
    /// Nodes without room.
    pub exhausted: u64,
    /// Nodes in the pool.
    pub in_pool: u64,
    /// The pool.
    pub pool: String,
    /// Datacenter → nodes.
    pub available: BTreeMap<String, u64>,
    /// Constraint → nodes that it filtered.
    pub constraint_filtered: BTreeMap<String, u64>,
    /// Class → nodes that were filtered.
    pub class_filtered: BTreeMap<String, u64>,
    /// Class → nodes without room.
    pub class_exhausted: BTreeMap<String, u64>,
    /// Dimension → nodes exhausted in it.
    pub dimension_exhausted: BTreeMap<String, u64>,
    /// Further allocations that failed the same way.
    pub coalesced: u64,
}

impl Metric {
    fn filter(&mut self, node: &Node, why: &str) {
        self.filtered += 1;
        *self.constraint_filtered.entry(why.to_owned()).or_default() += 1;
        if !node.class.is_empty() {
            *self.class_filtered.entry(node.class.clone()).or_default() += 1;
        }
    }

    fn exhaust(&mut self, node: &Node, dimension: &str) {
        self.exhausted += 1;
        *self
            .dimension_exhausted
            .entry(dimension.to_owned())
            .or_default() += 1;
        if !node.class.is_empty() {
            *self.class_exhausted.entry(node.class.clone()).or_default() += 1;
        }
    }

    /// As the API shows it.
    #[must_use]
    pub fn json(&self) -> Value {
        json!({
            "AllocationTime": 100_000,
            "ClassExhausted": map(&self.class_exhausted),
            "ClassFiltered": map(&self.class_filtered),
            "CoalescedFailures": self.coalesced,
            "ConstraintFiltered": map(&self.constraint_filtered),
            "DimensionExhausted": map(&self.dimension_exhausted),
            "NodePool": self.pool,
            "NodesAvailable": self.available,
            "NodesEvaluated": self.evaluated,
            "NodesExhausted": self.exhausted,
            "NodesFiltered": self.filtered,
            "NodesInPool": self.in_pool,
            "QuotaExhausted": null,
            "ResourcesExhausted": null,
            "ScoreMetaData": null,
            "Scores": null,
        })
    }
}

fn map(of: &BTreeMap<String, u64>) -> Value {
    if of.is_empty() {
        Value::Null
    } else {
        json!(of)
    }
}

/// What a group asks of a node.
#[derive(Debug)]
pub struct Ask<'a> {
    /// Datacenters, patterns with `*`.
    pub datacenters: &'a [String],
    /// Pool; `all` is every pool.
    pub pool: &'a str,
    /// Constraints of the job.
    pub job_constraints: &'a [Constraint],
    /// The group.
    pub group: &'a Group,
    /// Refuses every node, with this as the reason: a fault.
    pub refused: Option<&'a str>,
}

impl Ask<'_> {
    fn distinct_hosts(&self) -> bool {
        self.job_constraints
            .iter()
            .chain(&self.group.constraints)
            .any(|constraint| constraint.operand == "distinct_hosts" && constraint.right != "false")
    }

    /// Whether a node is in the pool and in one of the datacenters.
    #[must_use]
    pub fn in_reach(&self, node: &Node) -> bool {
        self.in_pool(node)
            && self
                .datacenters
                .iter()
                .any(|pattern| constraint::glob(pattern, &node.datacenter))
    }

    fn in_pool(&self, node: &Node) -> bool {
        self.pool == "all"
            || self.pool == node.pool
            || node.serves.iter().any(|pool| pool == self.pool)
    }

    /// The first reason for which a node cannot run the group, whatever room it has.
    #[must_use]
    pub fn infeasible(&self, node: &Node) -> Option<String> {
        if let Some(reason) = self.refused {
            return Some(reason.to_owned());
        }
        let all = self
            .job_constraints
            .iter()
            .chain(&self.group.constraints)
            .chain(self.group.tasks.iter().flat_map(|task| &task.constraints));
        for constraint in all {
            if constraint::check(constraint, node) == Verdict::Fails {
                return Some(constraint.name());
            }
        }
        let missing_driver = |task: &super::spec::Task| !node.drivers.contains(&task.driver);
        if self.group.tasks.iter().any(missing_driver) {
            return Some("missing drivers".to_owned());
        }
        if self
            .group
            .host_volumes
            .iter()
            .any(|volume| !node.host_volumes.contains(volume))
        {
            return Some("missing compatible host volumes".to_owned());
        }
        let missing_device = |(name, count): &(String, u64)| devices(node, name) < *count;
        if self
            .group
            .tasks
            .iter()
            .flat_map(|task| &task.devices)
            .any(missing_device)
        {
            return Some("missing devices".to_owned());
        }
        None
    }
}

/// Devices of a node that a request such as `gpu`, `nvidia/gpu` or `nvidia/gpu/T4` means.
fn devices(node: &Node, name: &str) -> u64 {
    node.devices
        .iter()
        .filter(|(have, _)| {
            have.as_str() == name
                || have.split('/').nth(1) == Some(name)
                || have.starts_with(&format!("{name}/"))
        })
        .map(|(_, count)| count)
        .sum()
}

/// What is in use on each node while an evaluation places one allocation after the other.
#[derive(Debug, Clone, Default)]
pub struct Room {
    /// Node id → use.
    pub used: BTreeMap<String, Usage>,
    /// Node id → allocations of the job on it.
    pub mine: BTreeMap<String, u64>,
}

impl Room {
    /// Takes room for a group.
    pub fn take(&mut self, node: &str, group: &Group) {
        let used = self.used.entry(node.to_owned()).or_default();
        used.cpu += group.tasks.iter().map(|task| task.cpu).sum::<i64>();
        used.memory += group.tasks.iter().map(|task| task.memory).sum::<i64>();
        used.disk += group.disk;
        used.allocations += 1;
        for (name, count) in group.tasks.iter().flat_map(|task| &task.devices) {
            *used.devices.entry(name.clone()).or_default() += count;
        }
        *self.mine.entry(node.to_owned()).or_default() += 1;
    }

    /// Gives it back.
    pub fn release(&mut self, node: &str, group: &Group) {
        let used = self.used.entry(node.to_owned()).or_default();
        used.cpu -= group.tasks.iter().map(|task| task.cpu).sum::<i64>();
        used.memory -= group.tasks.iter().map(|task| task.memory).sum::<i64>();
        used.disk -= group.disk;
        used.allocations = used.allocations.saturating_sub(1);
        for (name, count) in group.tasks.iter().flat_map(|task| &task.devices) {
            let devices = used.devices.entry(name.clone()).or_default();
            *devices = devices.saturating_sub(*count);
        }
        let mine = self.mine.entry(node.to_owned()).or_default();
        *mine = mine.saturating_sub(1);
    }

    /// The dimension that a node lacks for a group.
    #[must_use]
    pub fn lacks(&self, node: &Node, group: &Group) -> Option<&'static str> {
        let none = Usage::default();
        let used = self.used.get(&node.id).unwrap_or(&none);
        if used.cpu + group.tasks.iter().map(|task| task.cpu).sum::<i64>() > node.cpu {
            return Some("cpu");
        }
        if used.memory + group.tasks.iter().map(|task| task.memory).sum::<i64>() > node.memory {
            return Some("memory");
        }
        if used.disk + group.disk > node.disk {
            return Some("disk");
        }
        for (name, count) in group.tasks.iter().flat_map(|task| &task.devices) {
            if used.devices.get(name).copied().unwrap_or(0) + count > devices(node, name) {
                return Some("devices");
            }
        }
        None
    }

    /// Chooses a node: the one with the fewest allocations of the job, then the fullest.
    ///
    /// # Errors
    /// The reasons, node by node.
    pub fn choose(
        &self,
        nodes: &BTreeMap<String, Node>,
        ask: &Ask<'_>,
    ) -> Result<(String, Metric), Metric> {
        let mut metric = Metric {
            pool: ask.pool.to_owned(),
            ..Metric::default()
        };
        let mut best: Option<(u64, i64, &Node)> = None;
        for node in nodes.values().filter(|node| node.ready()) {
            if ask.in_pool(node) {
                metric.in_pool += 1;
            }
            if !ask.in_reach(node) {
                continue;
            }
            *metric.available.entry(node.datacenter.clone()).or_default() += 1;
            metric.evaluated += 1;
            if let Some(score) = self.score(node, ask, &mut metric) {
                let better = best.is_none_or(|(mine, free, _)| score < (mine, free));
                if better {
                    best = Some((score.0, score.1, node));
                }
            }
        }
        match best {
            Some((_, _, node)) => Ok((node.id.clone(), metric)),
            None => Err(metric),
        }
    }

    /// Whether one node takes the group; `None` with the reason in `metric` when it does not. Lower is better.
    pub fn score(&self, node: &Node, ask: &Ask<'_>, metric: &mut Metric) -> Option<(u64, i64)> {
        if let Some(why) = ask.infeasible(node) {
            metric.filter(node, &why);
            return None;
        }
        let mine = self.mine.get(&node.id).copied().unwrap_or(0);
        if ask.distinct_hosts() && mine > 0 {
            metric.filter(node, "distinct_hosts");
            return None;
        }
        if let Some(dimension) = self.lacks(node, ask.group) {
            metric.exhaust(node, dimension);
            return None;
        }
        let used = self.used.get(&node.id).map_or(0, |used| used.memory);
        Some((mine, node.memory - used))
    }
}
