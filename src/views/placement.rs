//! Why Nomad places nothing: counts per constraint and dimension, and what was asked for.

use serde_json::Value;

use crate::clients::nomad::types::PlacementMetric;

use super::text::count;

/// Why one group found no node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupPlacement {
    /// The group.
    pub group: String,
    /// How many of its allocations have no node.
    pub missing: u64,
    /// One line a reason, the one that excludes most nodes first.
    pub reasons: Vec<String>,
}

/// Explains a failed placement. `spec` is the job, for what the group asks for.
#[must_use]
pub fn explain(group: &str, metric: &PlacementMetric, spec: &Value) -> GroupPlacement {
    let total = metric.nodes_evaluated.max(metric.nodes_in_pool);
    let asks = Asks::of(group, spec);
    let mut reasons: Vec<(u64, String)> = Vec::new();
    if let Some(text) = nobody(metric, spec) {
        reasons.push((u64::MAX, text));
    }
    for (constraint, nodes) in &metric.constraint_filtered {
        let text = format!("{} filtered by {constraint}", of(*nodes, total));
        reasons.push((*nodes, text));
    }
    for (dimension, nodes) in &metric.dimension_exhausted {
        let asked = asks.in_dimension(dimension);
        let text = format!("{} exhausted in {dimension}{asked}", of(*nodes, total));
        reasons.push((*nodes, text));
    }
    for limit in &metric.quota_exhausted {
        reasons.push((u64::MAX, format!("quota limit reached: {limit}")));
    }
    if reasons.is_empty() {
        reasons.push((0, format!("none of {} fits", count(total, "node"))));
    }
    // Stable: equal ones stay in the order of their names.
    reasons.sort_by_key(|(nodes, _)| std::cmp::Reverse(*nodes));
    GroupPlacement {
        group: group.to_owned(),
        missing: metric.coalesced_failures + 1,
        reasons: reasons.into_iter().map(|(_, text)| text).collect(),
    }
}

fn of(nodes: u64, total: u64) -> String {
    format!("{nodes} of {}", count(total.max(nodes), "node"))
}

/// There was nothing to look at. Nomad counts the nodes of a pool only after those of other datacenters are left out.
fn nobody(metric: &PlacementMetric, spec: &Value) -> Option<String> {
    let is_empty = metric.nodes_available.values().all(|nodes| *nodes == 0);
    if metric.nodes_evaluated > 0 || !is_empty {
        return None;
    }
    let pool = match metric.node_pool.as_str() {
        "" => "default",
        pool => pool,
    };
    let datacenters = spec.get("Datacenters").and_then(Value::as_array);
    let datacenters: Vec<&str> = datacenters
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    Some(match datacenters.as_slice() {
        [] | ["*"] => format!("node pool {pool} has no node that is ready"),
        named => format!(
            "node pool {pool} has no node that is ready in datacenter {}",
            named.join(", ")
        ),
    })
}

/// What one allocation of a group asks for.
#[derive(Debug, Default)]
struct Asks {
    cpu: u64,
    memory_mb: u64,
    disk_mb: u64,
}

impl Asks {
    fn of(group: &str, spec: &Value) -> Self {
        let groups = spec.get("TaskGroups").and_then(Value::as_array);
        let found = groups
            .into_iter()
            .flatten()
            .find(|found| found["Name"] == group);
        let Some(found) = found else {
            return Self::default();
        };
        let tasks = found.get("Tasks").and_then(Value::as_array);
        let sum = |member: &str| {
            let tasks = tasks.into_iter().flatten();
            let number = |task: &Value| task["Resources"][member].as_u64();
            tasks.filter_map(number).sum()
        };
        Self {
            cpu: sum("CPU"),
            memory_mb: sum("MemoryMB"),
            disk_mb: found["EphemeralDisk"]["SizeMB"].as_u64().unwrap_or(0),
        }
    }

    fn in_dimension(&self, dimension: &str) -> String {
        match dimension {
            "cpu" if self.cpu > 0 => format!(" (asks for {} MHz)", self.cpu),
            "memory" if self.memory_mb > 0 => format!(" (asks for {} MB)", self.memory_mb),
            "disk" if self.disk_mb > 0 => format!(" (asks for {} MB)", self.disk_mb),
            _ => String::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn metric(json: Value) -> PlacementMetric {
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn every_reason_has_its_count_and_the_one_that_excludes_most_comes_first() {
        let metric = metric(json!({
            "NodesEvaluated": 5, "NodesInPool": 5, "NodesFiltered": 3, "NodesExhausted": 2, "CoalescedFailures": 1,
            "ConstraintFiltered": {"${attr.kernel.name} = linux": 3}, "DimensionExhausted": {"cpu": 1, "memory": 2},
        }));
        let spec = json!({"TaskGroups": [{"Name": "web", "Tasks": [
            {"Resources": {"CPU": 100, "MemoryMB": 4000}}, {"Resources": {"CPU": 50, "MemoryMB": 96}}]}]});
        let explained = explain("web", &metric, &spec);
        assert_eq!(explained.missing, 2);
        assert_eq!(
            explained.reasons,
            [
                "3 of 5 nodes filtered by ${attr.kernel.name} = linux",
                "2 of 5 nodes exhausted in memory (asks for 4096 MB)",
                "1 of 5 nodes exhausted in cpu (asks for 150 MHz)",
            ]
        );
    }

    #[test]
    fn where_there_is_no_node_at_all_that_is_the_reason() {
        let spec = |datacenters: Value| json!({"Datacenters": datacenters});
        let reasons = |json: Value| explain("web", &metric(json), &spec(json!(["*"]))).reasons;
        assert_eq!(
            reasons(json!({"NodePool": "gpu", "NodesInPool": 0})),
            ["node pool gpu has no node that is ready"]
        );
        let empty = metric(json!({"NodePool": "all", "NodesAvailable": {}}));
        assert_eq!(
            explain("web", &empty, &spec(json!(["dc1", "dc2"]))).reasons,
            ["node pool all has no node that is ready in datacenter dc1, dc2"]
        );
        assert_eq!(
            reasons(json!({"NodesInPool": 3, "NodesEvaluated": 3})),
            ["none of 3 nodes fits"]
        );
    }
}
