//! Whether an allocation of a rollout is well: decided by its client, told to the server with the next report.

use super::World;
use super::alloc::{Alloc, Health, TaskEvent};
use super::spec::Task;
use super::tables::Tx;
use super::time::{Nanos, format_go};
use super::timers::Due;

impl World {
    /// Looks anew at when an allocation will have been well for long enough. Called after every change of its tasks.
    pub(super) fn watch_health(&mut self, id: &str) {
        let Some(alloc) = self.allocs.get(id) else {
            return;
        };
        if alloc.deployment_id.is_empty()
            || alloc.verdict.is_some()
            || alloc.desired_status != "run"
        {
            return;
        }
        let Some(group) = alloc.spec() else { return };
        let Some(update) = group.update.clone() else {
            return;
        };
        if alloc.tasks.values().any(|task| task.failed) {
            self.decide_health(id, false, "Unhealthy because of failed task");
            return;
        }
        let must_run = |task: &&Task| !task.is_prestart() && !task.is_poststop();
        let started: Option<Vec<Nanos>> = group
            .tasks
            .iter()
            .filter(must_run)
            .map(|task| {
                alloc
                    .tasks
                    .get(&task.name)
                    .filter(|state| state.name() == "running")
                    .map(|state| state.started_at)
            })
            .collect();
        let blocked = self.scripts.unhealthy(&alloc.job, &group).is_some();
        let first = alloc.health_watch == 0;
        let create_time = alloc.create_time;
        let Some(alloc) = self.allocs.get_mut(id) else {
            return;
        };
        alloc.health_watch += 1;
        let watch = alloc.health_watch;
        if first {
            let at = create_time.max(self.now) + update.healthy_deadline;
            self.timers.add(
                at,
                Due::HealthDeadline {
                    alloc: id.to_owned(),
                },
            );
        }
        if let Some(started) = started.filter(|_| !blocked) {
            let since = started.into_iter().max().unwrap_or(self.now);
            let at = (since + update.min_healthy).max(self.now);
            self.timers.add(
                at,
                Due::Healthy {
                    alloc: id.to_owned(),
                    watch,
                },
            );
        }
    }

    pub(super) fn healthy_long_enough(&mut self, id: &str, watch: u64) {
        if self
            .allocs
            .get(id)
            .is_some_and(|alloc| alloc.health_watch == watch)
        {
            self.decide_health(id, true, "");
        }
    }

    pub(super) fn health_deadline(&mut self, id: &str) {
        let Some(alloc) = self.allocs.get(id) else {
            return;
        };
        if alloc.verdict.is_some()
            || alloc.desired_status != "run"
            || alloc.deployment_id.is_empty()
        {
            return;
        }
        let Some(group) = alloc.spec() else { return };
        let Some(update) = &group.update else { return };
        let deadline = format_go(update.healthy_deadline);
        let running = alloc.tasks.values().any(|task| task.name() == "running");
        let text = match self.scripts.unhealthy(&alloc.job, &group) {
            Some(true) => "Services not healthy by deadline".to_owned(),
            _ if running => format!(
                "Task not running for min_healthy_time of {} by healthy_deadline of {deadline}",
                format_go(update.min_healthy)
            ),
            _ => format!("Task not running by healthy_deadline of {deadline}"),
        };
        self.decide_health(id, false, &text);
    }

    fn decide_health(&mut self, id: &str, healthy: bool, why: &str) {
        let time = self.now;
        let Some(alloc) = self.allocs.get_mut(id) else {
            return;
        };
        if alloc.verdict.is_some() {
            return;
        }
        alloc.verdict = Some(healthy);
        if !healthy {
            for state in alloc.tasks.values_mut() {
                state.push(TaskEvent {
                    kind: "Alloc Unhealthy",
                    time,
                    display: why.to_owned(),
                    details: [("message".to_owned(), why.to_owned())].into(),
                });
            }
        }
        if !alloc.report_due {
            alloc.report_due = true;
            let wait = self.timing.report_min;
            self.after(wait, Due::Report(id.to_owned()));
        }
    }

    /// Puts what the client has decided into the allocation; part of its report.
    pub(super) fn report_health(&mut self, tx: &mut Tx, id: &str) {
        let now = self.now;
        let Some(alloc) = self.allocs.get_mut(id) else {
            return;
        };
        let (Some(verdict), None) = (alloc.verdict, alloc.healthy()) else {
            return;
        };
        set_health(alloc, verdict, now, tx.index);
        let (rollout, group) = (alloc.deployment_id.clone(), alloc.group.clone());
        self.note_health(tx, &rollout, &group, verdict);
    }
}

/// Writes a verdict into an allocation.
pub(super) fn set_health(alloc: &mut Alloc, verdict: bool, now: Nanos, index: u64) {
    let canary = alloc.is_canary();
    alloc.verdict = Some(verdict);
    alloc.health = Some(Health {
        healthy: Some(verdict),
        at: now,
        canary,
        modify_index: index,
    });
}
