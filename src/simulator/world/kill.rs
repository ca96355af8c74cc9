//! Ending tasks: told to, too long, or because of each other.

use super::World;
use super::alloc::{Alloc, TaskState};
use super::driver::Exit;
use super::spec::{Group, Task};
use super::time::{MILLISECOND, format_go};
use super::timers::Due;

impl World {
    pub(super) fn main_tasks_dead(&mut self, id: &str, group: &Group) {
        let Some(alloc) = self.allocs.get(id) else {
            return;
        };
        let dead = |task: &&Task| {
            alloc
                .tasks
                .get(&task.name)
                .is_some_and(|state| state.name() == "dead")
        };
        let mut main = group.tasks.iter().filter(|task| task.hook.is_empty());
        if !main.all(|task| dead(&task)) {
            return;
        }
        let sidecars: Vec<_> = group
            .tasks
            .iter()
            .filter(|task| task.sidecar && !dead(task))
            .cloned()
            .collect();
        let pending = |task: &&Task| {
            alloc
                .tasks
                .get(&task.name)
                .is_some_and(|state| state.name() == "pending" && state.step == 0)
        };
        let after: Vec<_> = group
            .tasks
            .iter()
            .filter(|task| task.is_poststop())
            .filter(pending)
            .cloned()
            .collect();
        for task in sidecars {
            self.kill_task(id, &task, "Main Tasks Dead", "Main tasks in the group died");
        }
        for task in after {
            self.prepare(id, &task);
        }
    }

    pub(super) fn kill_others(
        &mut self,
        id: &str,
        group: &Group,
        but: &str,
        kind: &'static str,
        text: &str,
    ) {
        for task in group
            .tasks
            .iter()
            .filter(|task| task.name != but && !task.is_poststop())
        {
            self.kill_task(id, task, kind, text);
        }
    }

    /// Tells a task to end, for a reason that is noted first.
    pub(super) fn kill_task(&mut self, id: &str, task: &Task, kind: &'static str, text: &str) {
        let Some(alloc) = self.allocs.get(id) else {
            return;
        };
        let kill_after = self
            .behaviour(alloc, task)
            .kill_after
            .min(task.kill_timeout);
        let Some(state) = self.state(id, &task.name) else {
            return;
        };
        if state.name() == "dead" || state.killing {
            return;
        }
        state.killing = true;
        state.step += 1;
        let (step, running) = (state.step, state.name() == "running");
        if kind != "Killing" {
            self.note(id, &task.name, kind, text, &[]);
        }
        if running {
            let display = if kind == "Killing" && !text.is_empty() {
                text.to_owned()
            } else {
                format!(
                    "Sent interrupt. Waiting {} before force killing",
                    format_go(task.kill_timeout)
                )
            };
            self.note(
                id,
                &task.name,
                "Killing",
                &display,
                &[("kill_timeout", task.kill_timeout.to_string())],
            );
        }
        self.after(
            kill_after + 20 * MILLISECOND,
            Due::Killed {
                alloc: id.to_owned(),
                task: task.name.clone(),
                step,
            },
        );
    }

    pub(super) fn task_killed(&mut self, id: &str, name: &str, step: u64) {
        if !self.current(id, name, step) {
            return;
        }
        let Some((_, task)) = self.task_spec(id, name) else {
            return;
        };
        let running = self
            .state(id, name)
            .is_some_and(|state| state.name() == "running");
        if running {
            self.note_exit(id, name, &Exit::default());
            self.note(id, name, "Killed", "Task successfully killed", &[]);
        }
        self.dead(id, &task, false);
    }

    /// The client learns that an allocation is to end.
    pub(super) fn kill_alloc(&mut self, id: &str) {
        if self.reachable(id) {
            self.kill_all(id, "");
        }
    }

    pub(super) fn ran_too_long(&mut self, id: &str) {
        let Some(alloc) = self.allocs.get_mut(id).filter(|alloc| !alloc.terminal()) else {
            return;
        };
        alloc.ran_too_long = true;
        self.kill_all(id, "allocation exceeded max_run_duration");
    }

    pub(super) fn kill_all(&mut self, id: &str, reason: &str) {
        let Some(group) = self.allocs.get(id).and_then(Alloc::spec) else {
            return;
        };
        if self
            .allocs
            .get(id)
            .is_some_and(|alloc| alloc.tasks.is_empty())
            && let Some(alloc) = self.allocs.get_mut(id)
        {
            alloc.tasks = group
                .tasks
                .iter()
                .map(|task| (task.name.clone(), TaskState::default()))
                .collect();
        }
        for task in &group.tasks {
            self.kill_task(id, task, "Killing", reason);
        }
    }

    /// Restarts running tasks in place, as `alloc restart` does.
    pub fn restart_tasks(&mut self, id: &str, only: &str) -> bool {
        let Some(group) = self.allocs.get(id).and_then(Alloc::spec) else {
            return false;
        };
        let mut any = false;
        for task in group
            .tasks
            .iter()
            .filter(|task| only.is_empty() || task.name == only)
        {
            let Some(state) = self
                .state(id, &task.name)
                .filter(|state| state.name() == "running")
            else {
                continue;
            };
            state.restarts += 1;
            any = true;
            self.note(
                id,
                &task.name,
                "Restart Signaled",
                "User requested task to restart",
                &[],
            );
            self.note_exit(id, &task.name, &Exit::default());
            self.plan_start(id, &task.name, self.timing.start);
        }
        any
    }
}
