//! Service and batch groups: which allocations stay, change, move, end or come.

use std::collections::BTreeSet;

use super::alloc::{Alloc, RescheduleEvent};
use super::change::{Change, group_change};
use super::deployment::GroupRollout;
use super::placement::Metric;
use super::scheduler::{LOST, MIGRATED, NOT_NEEDED, Placement, RESCHEDULED, Run, UPDATED, Updates};
use super::spec::{Group, Reschedule};
use super::time::Nanos;

/// What a failed allocation may hope for.
enum Next {
    Never,
    Now(Nanos),
    At(Nanos),
}

/// Allocations of one group by fate.
#[derive(Default)]
struct Sorted<'a> {
    stay: Vec<&'a Alloc>,
    canaries: Vec<&'a Alloc>,
    lost: Vec<&'a Alloc>,
    migrate: Vec<&'a Alloc>,
    now: Vec<(&'a Alloc, Nanos)>,
    later: u64,
}

impl<'a> Run<'a> {
    pub(super) fn service_group(&mut self, group: &Group) {
        let sorted = self.sort(group);
        let mut updates = Updates {
            reschedule_now: sorted.now.len() as u64,
            reschedule_later: sorted.later,
            ..Updates::default()
        };
        self.decision.queued.entry(group.name.clone()).or_insert(0);
        let gone = (sorted.lost.len() + sorted.migrate.len() + sorted.now.len()) as u64;
        let live = self.stop_surplus(
            group,
            sorted.stay.clone(),
            &sorted.canaries,
            gone,
            &mut updates,
        );
        let (destructive, in_place) = self.changed(&live, &mut updates);
        let state = self.rollout_state(group, &destructive, &in_place);

        for alloc in &in_place {
            self.decision.in_place.push(alloc.id.clone());
        }
        updates.in_place = in_place.len() as u64;
        self.replace_gone(group, &sorted, &mut updates, state.failed);
        let missing = group.count.saturating_sub(live.len() as u64 + gone);
        let mut budget = state.limit;
        let mut names = Names::new(&self.job.id().to_owned(), group, &live, &sorted);
        if missing > 0 && state.places_missing {
            updates.place += missing;
            budget = budget.saturating_sub(missing);
            for _ in 0..missing {
                let name = names.free();
                self.place(group, fresh(name, group));
            }
        }
        updates.canary = state.canaries_missing;
        for number in 0..state.canaries_missing {
            let name = destructive
                .get(usize::try_from(number).unwrap_or(usize::MAX))
                .map_or_else(|| names.free(), |alloc| alloc.name.clone());
            let canary = Placement {
                canary: true,
                ..fresh(name, group)
            };
            self.place(group, canary);
        }
        self.update(group, &destructive, budget, &mut updates);
        let pending = missing > 0 || !in_place.is_empty() || !destructive.is_empty() || gone > 0;
        self.complete &= !pending && state.canaries_missing == 0;
        updates.ignore += sorted.canaries.len() as u64;
        self.decision.updates.insert(group.name.clone(), updates);
    }

    fn sort(&mut self, group: &Group) -> Sorted<'a> {
        let mut sorted = Sorted::default();
        for alloc in self.allocs.clone() {
            if alloc.group != group.name || alloc.desired_status != "run" {
                continue;
            }
            if self.job.kind() == "batch" && alloc.client_terminal() {
                self.sort_batch_end(alloc, group, &mut sorted);
                continue;
            }
            if alloc.client_status == "lost" {
                continue;
            }
            if alloc.is_canary() && !self.canary_is_current(alloc) {
                if !alloc.client_terminal() || alloc.client_status == "failed" {
                    self.stop(alloc, NOT_NEEDED, None);
                }
                continue;
            }
            if self.world.node_lost(alloc) && !alloc.client_terminal() {
                self.stop(alloc, LOST, Some("lost"));
                sorted.lost.push(alloc);
            } else if alloc.migrate && !alloc.client_terminal() {
                sorted.migrate.push(alloc);
            } else if alloc.client_status == "failed" {
                self.sort_failed(alloc, group, &mut sorted);
            } else {
                sorted.keep(alloc);
            }
        }
        sorted
    }

    fn sort_batch_end(&mut self, alloc: &'a Alloc, group: &Group, sorted: &mut Sorted<'a>) {
        if alloc.job.version != self.job.version || alloc.job.create_index != self.job.create_index
        {
            return;
        }
        if alloc.client_status == "failed" {
            self.sort_failed(alloc, group, sorted);
        } else {
            sorted.keep(alloc);
        }
    }

    fn sort_failed(&mut self, alloc: &'a Alloc, group: &Group, sorted: &mut Sorted<'a>) {
        if !alloc.next.is_empty() {
            return;
        }
        let of_failed_rollout = self
            .rollout
            .is_some_and(|rollout| rollout.status == "failed" && rollout.id == alloc.deployment_id);
        let next = match &group.reschedule {
            _ if of_failed_rollout || alloc.job.version != self.job.version => Next::Never,
            _ if alloc.force_reschedule => Next::Now(0),
            Some(policy) => self.next_attempt(alloc, policy),
            None => Next::Never,
        };
        match next {
            Next::Never => sorted.keep(alloc),
            Next::Now(delay) => sorted.now.push((alloc, delay)),
            Next::At(at) => {
                sorted.keep(alloc);
                sorted.later += 1;
                if alloc.followup_eval.is_empty() {
                    self.decision.later.push((alloc.id.clone(), at));
                }
            }
        }
    }

    fn next_attempt(&self, alloc: &Alloc, policy: &Reschedule) -> Next {
        if !self.world.may_reschedule(alloc, policy) {
            return Next::Never;
        }
        let delay = policy.wait(alloc.attempts.len());
        let at = alloc.ended_at() + delay;
        if at <= self.world.now {
            Next::Now(delay)
        } else {
            Next::At(at)
        }
    }

    fn canary_is_current(&self, alloc: &Alloc) -> bool {
        self.rollout
            .is_some_and(|rollout| rollout.id == alloc.deployment_id && rollout.status != "failed")
    }

    /// Ends what is too much, and returns what lives on: first what canaries replace, then the highest numbers.
    fn stop_surplus(
        &mut self,
        group: &Group,
        mut live: Vec<&'a Alloc>,
        canaries: &[&'a Alloc],
        gone: u64,
        updates: &mut Updates,
    ) -> Vec<&'a Alloc> {
        let _ = canaries;
        live.sort_by_key(|alloc| (alloc.position(), alloc.create_index));
        let wanted = group.count.saturating_sub(gone);
        let surplus = usize::try_from((live.len() as u64).saturating_sub(wanted)).unwrap_or(0);
        for _ in 0..surplus {
            let version = self.job.version;
            let twin = live.iter().position(|old| {
                old.job.version != version
                    && live
                        .iter()
                        .any(|new| new.job.version == version && new.name == old.name)
            });
            let old = live.iter().rposition(|alloc| alloc.job.version != version);
            let at = twin.or(old).unwrap_or(live.len() - 1);
            let victim = live.remove(at);
            updates.stop += 1;
            self.stop(victim, NOT_NEEDED, None);
        }
        live
    }

    fn changed(
        &self,
        live: &[&'a Alloc],
        updates: &mut Updates,
    ) -> (Vec<&'a Alloc>, Vec<&'a Alloc>) {
        let (mut destructive, mut in_place) = (Vec::new(), Vec::new());
        for alloc in live {
            match group_change(&alloc.job, &self.job, &alloc.group) {
                Change::None => updates.ignore += 1,
                // What cannot run where it is any more has to move.
                Change::InPlace if alloc.client_terminal() => destructive.push(*alloc),
                Change::InPlace if self.unfit(alloc) => destructive.push(*alloc),
                Change::InPlace => in_place.push(*alloc),
                Change::Destructive => destructive.push(*alloc),
            }
        }
        (destructive, in_place)
    }

    fn unfit(&self, alloc: &Alloc) -> bool {
        let Some(group) = super::spec::group_named(&self.job.spec, &alloc.group) else {
            return true;
        };
        let ask = self.ask(&group);
        self.world
            .nodes
            .get(&alloc.node_id)
            .is_none_or(|node| !ask.in_reach(node) || ask.infeasible(node).is_some())
    }

    fn replace_gone(
        &mut self,
        group: &Group,
        sorted: &Sorted<'a>,
        updates: &mut Updates,
        failed: bool,
    ) {
        for alloc in &sorted.lost {
            updates.place += 1;
            self.place(group, after(alloc, group, None));
        }
        for alloc in &sorted.migrate {
            updates.migrate += 1;
            self.stop(alloc, MIGRATED, None);
            self.place(group, after(alloc, group, None));
        }
        if failed {
            return;
        }
        for (alloc, delay) in &sorted.now {
            updates.place += 1;
            let attempt = RescheduleEvent {
                time: self.world.now,
                previous: alloc.id.clone(),
                node: alloc.node_id.clone(),
                delay: *delay,
            };
            if self.place(group, after(alloc, group, Some(attempt))) {
                self.stop(alloc, RESCHEDULED, None);
            }
        }
    }

    fn update(
        &mut self,
        group: &Group,
        destructive: &[&'a Alloc],
        budget: u64,
        updates: &mut Updates,
    ) {
        let mut order = destructive.to_vec();
        // What does not run can be replaced without harm, so it goes first.
        order.sort_by_key(|alloc| (!alloc.client_terminal(), alloc.position()));
        let now = usize::try_from(budget)
            .unwrap_or(usize::MAX)
            .min(order.len());
        for alloc in &order[..now] {
            self.stop(alloc, UPDATED, None);
            if !self.place(group, after(alloc, group, None)) {
                // Nothing is stopped for a successor that has no place.
                self.decision.stop.pop();
            }
        }
        updates.destructive = now as u64;
        updates.ignore += (order.len() - now) as u64;
    }
}

/// What the rollout allows in a group.
struct RolloutState {
    failed: bool,
    places_missing: bool,
    canaries_missing: u64,
    limit: u64,
}

impl<'a> Run<'a> {
    fn rollout_state(
        &mut self,
        group: &Group,
        destructive: &[&'a Alloc],
        in_place: &[&'a Alloc],
    ) -> RolloutState {
        let Some(update) = group
            .update
            .as_ref()
            .filter(|_| self.job.kind() == "service")
        else {
            return RolloutState {
                failed: false,
                places_missing: true,
                canaries_missing: 0,
                limit: u64::MAX,
            };
        };
        let current = self
            .rollout
            .filter(|rollout| rollout.status != "successful");
        let failed = current.is_some_and(|rollout| rollout.status == "failed");
        let paused = current.is_some_and(|rollout| rollout.status == "paused");
        let numbers = self
            .rollout
            .and_then(|rollout| rollout.groups.get(&group.name));
        let promoted = numbers.is_some_and(|numbers| !numbers.unpromoted());
        let wants_canaries = update.canary > 0 && !destructive.is_empty() && !promoted;
        if self.rollout.is_none() && self.starts_rollout(group, destructive, in_place) {
            self.new_groups.insert(
                group.name.clone(),
                GroupRollout {
                    desired_total: group.count,
                    desired_canaries: if wants_canaries { update.canary } else { 0 },
                    auto_revert: update.auto_revert,
                    auto_promote: update.auto_promote,
                    progress_deadline: update.progress_deadline,
                    ..GroupRollout::default()
                },
            );
        }
        let canary_state = wants_canaries || numbers.is_some_and(GroupRollout::unpromoted);
        let placed = self.live_canaries(group);
        RolloutState {
            failed,
            places_missing: !failed && !paused && !canary_state,
            canaries_missing: if canary_state && !failed && !paused {
                let wanted = numbers.map_or(update.canary, |numbers| numbers.desired_canaries);
                wanted.saturating_sub(placed)
            } else {
                0
            },
            limit: if failed || paused || canary_state {
                0
            } else {
                self.free_slots(group, update.max_parallel)
            },
        }
    }

    fn live_canaries(&self, group: &Group) -> u64 {
        self.allocs
            .iter()
            .filter(|alloc| {
                alloc.group == group.name
                    && alloc.is_canary()
                    && !alloc.terminal()
                    && self.canary_is_current(alloc)
            })
            .count() as u64
    }

    fn starts_rollout(
        &self,
        group: &Group,
        destructive: &[&'a Alloc],
        in_place: &[&'a Alloc],
    ) -> bool {
        let ran_before = self.allocs.iter().any(|alloc| {
            alloc.group == group.name
                && alloc.job.version == self.job.version
                && alloc.job.create_index == self.job.create_index
        });
        group.count > 0 && (!ran_before || !destructive.is_empty() || !in_place.is_empty())
    }

    /// How many more may be replaced while earlier ones of this rollout are not healthy yet.
    fn free_slots(&self, group: &Group, max_parallel: u64) -> u64 {
        let Some(rollout) = self.rollout else {
            return max_parallel;
        };
        let mine = self.allocs.iter().filter(|alloc| {
            alloc.group == group.name
                && alloc.deployment_id == rollout.id
                && alloc.desired_status == "run"
        });
        let mut slots = max_parallel;
        for alloc in mine {
            match alloc.healthy() {
                Some(true) => {}
                Some(false) => return 0,
                None => slots = slots.saturating_sub(1),
            }
        }
        slots
    }
}

impl<'a> Sorted<'a> {
    fn keep(&mut self, alloc: &'a Alloc) {
        if alloc.is_canary() {
            self.canaries.push(alloc);
        } else {
            self.stay.push(alloc);
        }
    }
}

/// Gives out the lowest free numbers of a group.
struct Names {
    stem: String,
    taken: BTreeSet<u64>,
}

impl Names {
    fn new(job: &str, group: &Group, live: &[&Alloc], sorted: &Sorted<'_>) -> Self {
        let others = sorted.lost.iter().chain(&sorted.migrate).copied();
        let others = others.chain(sorted.now.iter().map(|(alloc, _)| *alloc));
        Self {
            stem: format!("{job}.{}", group.name),
            taken: live
                .iter()
                .copied()
                .chain(others)
                .map(Alloc::position)
                .collect(),
        }
    }

    fn free(&mut self) -> String {
        let number = (0..)
            .find(|number| !self.taken.contains(number))
            .unwrap_or(0);
        self.taken.insert(number);
        format!("{}[{number}]", self.stem)
    }
}

pub(super) fn fresh(name: String, group: &Group) -> Placement {
    Placement {
        name,
        group: group.name.clone(),
        node_id: String::new(),
        canary: false,
        previous: None,
        attempts: Vec::new(),
        metric: Metric::default(),
    }
}

fn after(alloc: &Alloc, group: &Group, attempt: Option<RescheduleEvent>) -> Placement {
    let mut attempts = Vec::new();
    if let Some(attempt) = attempt {
        attempts.clone_from(&alloc.attempts);
        attempts.push(attempt);
    }
    Placement {
        canary: alloc.is_canary(),
        previous: Some(alloc.id.clone()),
        attempts,
        ..fresh(alloc.name.clone(), group)
    }
}
