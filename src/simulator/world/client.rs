//! The client agents: tasks that start, end, restart and are killed, and reporting that.

use std::collections::BTreeMap;

use super::World;
use super::alloc::{Alloc, TaskEvent, TaskState};
use super::driver::{self, Behaviour, Exit};
use super::spec::{Group, Restart, Task};
use super::tables::Table;
use super::time::{MILLISECOND, Nanos, format_go};
use super::timers::Due;

/// What the restart policy says to a task that has ended.
enum Verdict {
    /// It has done its work.
    Done,
    /// It starts again after a while, for this reason.
    Restart(Nanos, &'static str),
    /// It stays down, for this reason.
    GiveUp(String),
}

impl World {
    fn task_spec(&self, alloc: &str, task: &str) -> Option<(Group, Task)> {
        let group = self.allocs.get(alloc)?.spec()?;
        let task = group.tasks.iter().find(|found| found.name == task)?.clone();
        Some((group, task))
    }

    fn behaviour(&self, alloc: &Alloc, task: &Task) -> Behaviour {
        driver::behaviour(task, self.scripts.of(&alloc.job, task))
    }

    fn state(&mut self, alloc: &str, task: &str) -> Option<&mut TaskState> {
        self.allocs.get_mut(alloc)?.tasks.get_mut(task)
    }

    /// Whether the client of an allocation still works.
    fn reachable(&self, alloc: &str) -> bool {
        self.allocs
            .get(alloc)
            .and_then(|alloc| self.nodes.get(&alloc.node_id))
            .is_some_and(|node| !matches!(node.status, "down" | "disconnected"))
    }

    fn note(
        &mut self,
        alloc: &str,
        task: &str,
        kind: &'static str,
        display: &str,
        details: &[(&str, String)],
    ) {
        let time = self.now;
        let details: BTreeMap<_, _> = details
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.clone()))
            .collect();
        if let Some(state) = self.state(alloc, task) {
            state.push(TaskEvent {
                kind,
                time,
                display: display.to_owned(),
                details,
            });
        }
        self.report_soon(alloc);
    }

    fn report_soon(&mut self, alloc: &str) {
        let wait = self
            .random
            .between(self.timing.report_min, self.timing.report_max);
        if let Some(found) = self.allocs.get_mut(alloc)
            && !found.report_due
        {
            found.report_due = true;
            self.after(wait, Due::Report(alloc.to_owned()));
        }
    }

    pub(super) fn receive(&mut self, id: &str) {
        let Some(group) = self
            .allocs
            .get(id)
            .filter(|alloc| alloc.desired_status == "run")
            .and_then(Alloc::spec)
        else {
            return;
        };
        if let Some(alloc) = self.allocs.get_mut(id) {
            alloc.tasks = group
                .tasks
                .iter()
                .map(|task| (task.name.clone(), TaskState::default()))
                .collect();
        }
        for task in &group.tasks {
            self.note(id, &task.name, "Received", "Task received by client", &[]);
            let message = "Building Task Directory";
            self.note(
                id,
                &task.name,
                "Task Setup",
                message,
                &[("message", message.to_owned())],
            );
        }
        let prestart = group.tasks.iter().any(Task::is_prestart);
        for task in &group.tasks {
            let first = task.is_prestart() || (task.sidecar && task.hook == "prestart");
            if !task.is_poststop() && (first || !prestart) {
                self.prepare(id, task);
            }
        }
        if let Some(limit) = group.max_run {
            self.after(limit, Due::MaxRun(id.to_owned()));
        }
        self.watch_health(id);
    }

    /// Plans a task's start.
    fn prepare(&mut self, id: &str, task: &Task) {
        let Some(alloc) = self.allocs.get(id) else {
            return;
        };
        let behaviour = self.behaviour(alloc, task);
        if task.driver == "docker" {
            let message = "Downloading image";
            self.note(
                id,
                &task.name,
                "Driver",
                message,
                &[("message", message.to_owned())],
            );
        }
        self.plan_start(id, &task.name, self.timing.start + behaviour.start_delay);
    }

    fn plan_start(&mut self, alloc: &str, task: &str, wait: Nanos) {
        let Some(state) = self.state(alloc, task) else {
            return;
        };
        state.step += 1;
        let step = state.step;
        self.after(
            wait,
            Due::Start {
                alloc: alloc.to_owned(),
                task: task.to_owned(),
                step,
            },
        );
    }

    fn current(&self, alloc: &str, task: &str, step: u64) -> bool {
        self.reachable(alloc)
            && self
                .allocs
                .get(alloc)
                .and_then(|alloc| alloc.tasks.get(task))
                .is_some_and(|state| state.step == step)
    }

    pub(super) fn start_task(&mut self, id: &str, name: &str, step: u64) {
        if !self.current(id, name, step) {
            return;
        }
        let (Some((_, task)), Some(alloc)) = (self.task_spec(id, name), self.allocs.get(id)) else {
            return;
        };
        let behaviour = self.behaviour(alloc, &task);
        if let Some(error) = behaviour.start_error {
            self.note(
                id,
                name,
                "Driver Failure",
                &error,
                &[("driver_error", error.clone())],
            );
            self.after_start_error(id, &task, behaviour.recoverable);
            return;
        }
        let now = self.now;
        if let Some(state) = self.state(id, name) {
            state.state = "running";
            state.started_at = now;
            state.stdout.push_str(&behaviour.stdout);
            state.stderr.push_str(&behaviour.stderr);
            if state.window_start == 0 {
                state.window_start = now;
            }
        }
        self.note(id, name, "Started", "Task started by client", &[]);
        if let Some(run_for) = behaviour.run_for {
            self.after(
                run_for.max(MILLISECOND),
                Due::Exit {
                    alloc: id.to_owned(),
                    task: name.to_owned(),
                    step,
                },
            );
        }
        self.watch_health(id);
    }

    pub(super) fn exit_task(&mut self, id: &str, name: &str, step: u64) {
        if !self.current(id, name, step) {
            return;
        }
        let (Some((_, task)), Some(alloc)) = (self.task_spec(id, name), self.allocs.get(id)) else {
            return;
        };
        let exit = self.behaviour(alloc, &task).exit;
        self.note_exit(id, name, &exit);
        let verdict = self.judge(id, &task, exit.successful());
        self.conclude(id, &task, verdict);
    }

    fn note_exit(&mut self, id: &str, name: &str, exit: &Exit) {
        let mut display = format!("Exit Code: {}", exit.code);
        if exit.signal != 0 {
            display.push_str(&format!(", Signal: {}", exit.signal));
        }
        if !exit.message.is_empty() {
            display.push_str(&format!(", Exit Message: {:?}", exit.message));
        }
        let mut details = vec![
            ("exit_code", exit.code.to_string()),
            ("signal", exit.signal.to_string()),
            ("oom_killed", exit.oom.to_string()),
        ];
        if !exit.message.is_empty() {
            details.push(("exit_message", exit.message.clone()));
        }
        self.note(id, name, "Terminated", &display, &details);
    }

    fn after_start_error(&mut self, id: &str, task: &Task, recoverable: bool) {
        let verdict = if recoverable {
            self.judge(id, task, false)
        } else if task.restart.attempts == 0 {
            Verdict::GiveUp("Policy allows no restarts".to_owned())
        } else {
            Verdict::GiveUp("Error was unrecoverable".to_owned())
        };
        self.conclude(id, task, verdict);
    }

    fn judge(&mut self, id: &str, task: &Task, successful: bool) -> Verdict {
        let kind = self
            .allocs
            .get(id)
            .map_or("service", |alloc| alloc.job.kind())
            .to_owned();
        let stays_down = matches!(kind.as_str(), "batch" | "sysbatch")
            || task.is_prestart()
            || task.is_poststop();
        if successful && stays_down {
            return Verdict::Done;
        }
        let (now, jitter) = (self.now, self.random.between(0, 250));
        let Restart {
            attempts,
            interval,
            delay,
            delays,
        } = task.restart.clone();
        if attempts == 0 {
            return Verdict::GiveUp("Policy allows no restarts".to_owned());
        }
        let Some(state) = self.state(id, &task.name) else {
            return Verdict::Done;
        };
        if now > state.window_start + interval {
            state.window_count = 0;
            state.window_start = now;
        }
        state.window_count += 1;
        if state.window_count <= attempts {
            return Verdict::Restart(delay + delay / 1000 * jitter, "Restart within policy");
        }
        if delays {
            return Verdict::Restart(
                state.window_start + interval - now + delay / 1000 * jitter,
                "Exceeded allowed attempts, applying a delay",
            );
        }
        Verdict::GiveUp(format!(
            "Exceeded allowed attempts {attempts} in interval {} and mode is \"fail\"",
            format_go(interval)
        ))
    }

    fn conclude(&mut self, id: &str, task: &Task, verdict: Verdict) {
        match verdict {
            Verdict::Done => self.dead(id, task, false),
            Verdict::GiveUp(reason) => {
                let details = [
                    ("restart_reason", reason.clone()),
                    ("fails_task", "true".to_owned()),
                ];
                self.note(id, &task.name, "Not Restarting", &reason, &details);
                self.dead(id, task, true);
            }
            Verdict::Restart(wait, reason) => {
                let now = self.now;
                if let Some(state) = self.state(id, &task.name) {
                    state.state = "pending";
                    state.restarts += 1;
                    state.last_restart = now;
                    state.finished_at = now;
                }
                let display = format!(
                    "Task restarting in {}",
                    format_go(wait / MILLISECOND * MILLISECOND)
                );
                let details = [
                    ("restart_reason", reason.to_owned()),
                    ("start_delay", wait.to_string()),
                ];
                self.note(id, &task.name, "Restarting", &display, &details);
                self.plan_start(id, &task.name, wait);
                self.watch_health(id);
            }
        }
    }

    /// A task has ended for good: others start or end because of it.
    fn dead(&mut self, id: &str, task: &Task, failed: bool) {
        let now = self.now;
        if let Some(state) = self.state(id, &task.name) {
            state.state = "dead";
            state.failed |= failed;
            state.finished_at = now;
            state.step += 1;
        }
        self.report_soon(id);
        let Some((group, _)) = self.task_spec(id, &task.name) else {
            return;
        };
        if failed && !task.is_poststop() {
            self.kill_others(
                id,
                &group,
                &task.name,
                "Sibling Task Failed",
                &format!("Task's sibling {:?} failed", task.name),
            );
        } else if task.leader {
            self.kill_others(
                id,
                &group,
                &task.name,
                "Leader Task Dead",
                "Leader Task in Group dead",
            );
        } else if task.is_prestart() {
            self.start_main(id, &group);
        }
        self.main_tasks_dead(id, &group);
        self.watch_health(id);
    }

    fn start_main(&mut self, id: &str, group: &Group) {
        let Some(alloc) = self.allocs.get(id) else {
            return;
        };
        let over = |task: &Task| {
            alloc
                .tasks
                .get(&task.name)
                .is_some_and(|state| state.name() == "dead")
        };
        if !group
            .tasks
            .iter()
            .filter(|task| task.is_prestart())
            .all(over)
        {
            return;
        }
        for task in &group.tasks {
            if task.hook.is_empty() || task.hook == "poststart" {
                self.prepare(id, task);
            }
        }
    }

    fn main_tasks_dead(&mut self, id: &str, group: &Group) {
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

    fn kill_others(&mut self, id: &str, group: &Group, but: &str, kind: &'static str, text: &str) {
        for task in group
            .tasks
            .iter()
            .filter(|task| task.name != but && !task.is_poststop())
        {
            self.kill_task(id, task, kind, text);
        }
    }

    /// Tells a task to end, for a reason that is noted first.
    fn kill_task(&mut self, id: &str, task: &Task, kind: &'static str, text: &str) {
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

    fn kill_all(&mut self, id: &str, reason: &str) {
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
