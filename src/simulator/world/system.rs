//! System and sysbatch groups: one allocation on every feasible node.

use super::alloc::Alloc;
use super::change::{Change, group_change};
use super::deployment::GroupRollout;
use super::placement::Metric;
use super::scheduler::{NOT_NEEDED, Placement, Run, UPDATED, Updates};
use super::service::fresh;
use super::spec::Group;

impl<'a> Run<'a> {
    pub(super) fn system_group(&mut self, group: &Group) {
        let mut updates = Updates::default();
        self.decision.queued.entry(group.name.clone()).or_insert(0);
        let nodes: Vec<_> = self.world.nodes.values().collect();
        let (mut feasible, mut changed) = (0, 0);
        let mut budget = self.system_budget(group);
        for node in nodes {
            let existing = self.on_node(group, &node.id);
            let fits = group.count > 0
                && node.ready()
                && self.ask(group).in_reach(node)
                && self.ask(group).infeasible(node).is_none();
            if !fits {
                if let Some(alloc) = existing.filter(|alloc| !alloc.client_terminal()) {
                    let lost = self.world.node_lost(alloc);
                    updates.stop += 1;
                    self.stop(alloc, NOT_NEEDED, lost.then_some("lost"));
                } else if group.count > 0 && node.ready() && self.ask(group).in_reach(node) {
                    self.note_misfit(group, node.id.clone());
                }
                continue;
            }
            feasible += 1;
            changed +=
                u64::from(self.system_node(group, existing, &node.id, &mut budget, &mut updates));
        }
        self.system_rollout(group, feasible, changed);
        self.complete &= changed == 0;
        self.decision.updates.insert(group.name.clone(), updates);
    }

    fn on_node(&self, group: &Group, node: &str) -> Option<&'a Alloc> {
        self.allocs
            .iter()
            .filter(|alloc| {
                alloc.group == group.name && alloc.node_id == node && alloc.desired_status == "run"
            })
            .max_by_key(|alloc| alloc.create_index)
            .copied()
    }

    /// Brings one node up to date; true when something is to be done there.
    fn system_node(
        &mut self,
        group: &Group,
        existing: Option<&'a Alloc>,
        node: &str,
        budget: &mut u64,
        updates: &mut Updates,
    ) -> bool {
        let Some(alloc) = existing else {
            updates.place += 1;
            self.place_on(group, node, None);
            return true;
        };
        let change = group_change(&alloc.job, &self.job, &group.name);
        match change {
            Change::None if alloc.client_terminal() && self.job.kind() == "system" => {
                updates.place += 1;
                self.stop(alloc, NOT_NEEDED, None);
                self.place_on(group, node, Some(alloc));
                true
            }
            Change::None => {
                updates.ignore += 1;
                false
            }
            Change::InPlace if !alloc.client_terminal() => {
                updates.in_place += 1;
                self.decision.in_place.push(alloc.id.clone());
                true
            }
            Change::InPlace if self.job.kind() == "sysbatch" => {
                updates.place += 1;
                self.place_on(group, node, None);
                true
            }
            _ if *budget == 0 => {
                updates.ignore += 1;
                true
            }
            _ => {
                *budget -= 1;
                updates.destructive += 1;
                self.stop(alloc, UPDATED, None);
                self.place_on(group, node, Some(alloc));
                true
            }
        }
    }

    fn place_on(&mut self, group: &Group, node: &str, previous: Option<&Alloc>) {
        let Some(found) = self.world.nodes.get(node) else {
            return;
        };
        let mut metric = Metric::default();
        let room = self.room.clone();
        if room.score(found, &self.ask(group), &mut metric).is_none() {
            metric.evaluated = 1;
            self.fail(group, metric);
            return;
        }
        self.room.take(node, group);
        let name = format!("{}.{}[0]", self.job.id(), group.name);
        self.decision.place.push(Placement {
            node_id: node.to_owned(),
            previous: previous.map(|alloc| alloc.id.clone()),
            ..fresh(name, group)
        });
    }

    /// Nodes that constraints filter show up as a failure, but nothing waits for them.
    fn note_misfit(&mut self, group: &Group, node: String) {
        let Some(found) = self.world.nodes.get(&node) else {
            return;
        };
        let mut metric = Metric {
            evaluated: 1,
            in_pool: 1,
            pool: self.ask(group).pool.to_owned(),
            ..Metric::default()
        };
        metric.available.insert(found.datacenter.clone(), 1);
        let room = self.room.clone();
        if room.score(found, &self.ask(group), &mut metric).is_none() {
            self.decision
                .failed
                .entry(group.name.clone())
                .or_insert(metric);
        }
    }

    fn system_budget(&self, group: &Group) -> u64 {
        let Some(update) = group
            .update
            .as_ref()
            .filter(|_| self.job.kind() == "system")
        else {
            return u64::MAX;
        };
        let waiting = self.rollout.map_or(0, |rollout| {
            self.allocs
                .iter()
                .filter(|alloc| {
                    alloc.deployment_id == rollout.id
                        && alloc.healthy().is_none()
                        && !alloc.terminal()
                })
                .count() as u64
        });
        match self.rollout.map(|rollout| rollout.status) {
            Some("failed" | "paused") => 0,
            _ => update.max_parallel.saturating_sub(waiting),
        }
    }

    fn system_rollout(&mut self, group: &Group, feasible: u64, changed: u64) {
        let Some(update) = group
            .update
            .as_ref()
            .filter(|_| self.job.kind() == "system")
        else {
            return;
        };
        let ran_before = self
            .allocs
            .iter()
            .any(|alloc| alloc.group == group.name && alloc.job.version == self.job.version);
        if self.rollout.is_none()
            && group.count > 0
            && !ran_before
            && (changed > 0 || feasible == 0)
        {
            self.new_groups.insert(
                group.name.clone(),
                GroupRollout {
                    desired_total: feasible,
                    auto_revert: update.auto_revert,
                    progress_deadline: update.progress_deadline,
                    ..GroupRollout::default()
                },
            );
        }
    }
}
