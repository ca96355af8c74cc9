//! What a rollout allows in a group: how many may be replaced, whether canaries come first, whether one begins.

use super::alloc::Alloc;
use super::deployment::GroupRollout;
use super::scheduler::Run;
use super::spec::Group;

/// What the rollout allows in a group.
pub(super) struct RolloutState {
    pub(super) failed: bool,
    pub(super) places_missing: bool,
    pub(super) canaries_missing: u64,
    pub(super) limit: u64,
}

impl<'a> Run<'a> {
    pub(super) fn rollout_state(
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
