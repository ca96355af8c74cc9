//! What a client tells the server about its allocations.

use super::World;
use super::alloc::Alloc;
use super::tables::Table;

impl World {
    /// A client tells the server what it has seen.
    pub(super) fn report(&mut self, id: &str) {
        let Some(alloc) = self.allocs.get_mut(id) else {
            return;
        };
        alloc.report_due = false;
        if !self.reachable(id) {
            return;
        }
        let mut tx = self.begin("AllocationUpdated");
        let now = self.now;
        let Some(alloc) = self.allocs.get_mut(id) else {
            return;
        };
        let occupied = !alloc.terminal();
        let before = alloc.client_status;
        let (status, description) = client_status(alloc);
        alloc.client_status = status;
        description.clone_into(&mut alloc.client_description);
        alloc.modify_index = tx.index;
        alloc.modify_time = now;
        let failed_now = status == "failed" && before != "failed" && alloc.desired_status == "run";
        let (key, alloc) = (alloc.key(), alloc.clone());
        self.touch(Table::Allocs, &tx);
        if occupied && alloc.terminal() {
            self.vacate(&alloc);
        }
        self.report_health(&mut tx, id);
        if let Some(alloc) = self.allocs.get(id) {
            let alloc = alloc.clone();
            self.emit_alloc(&mut tx, &alloc);
        }
        if status != before {
            self.touch(Table::Summaries, &tx);
            if let Some(entry) = self.jobs.get_mut(&key) {
                entry.summary_index = tx.index;
            }
        }
        if failed_now && self.job(&key).is_some_and(|job| !job.stopped()) {
            self.add_eval(&mut tx, &key, "alloc-failure", 0);
        }
        self.refresh_job(&mut tx, &key);
        self.commit(tx);
        self.act_on_health(id);
    }
}

fn client_status(alloc: &Alloc) -> (&'static str, &'static str) {
    let states = || alloc.tasks.values();
    if states().any(|task| task.failed && task.name() == "dead") {
        return ("failed", "Failed tasks");
    }
    let all_dead = states().all(|task| task.name() == "dead");
    if !alloc.tasks.is_empty() && all_dead {
        let text = if alloc.ran_too_long {
            "allocation exceeded max_run_duration"
        } else {
            "All tasks have completed"
        };
        return ("complete", text);
    }
    let ever_ran = states().any(|task| task.name() == "running" || task.started_at > 0);
    if ever_ran {
        ("running", "Tasks are running")
    } else {
        ("pending", "No tasks have started")
    }
}
