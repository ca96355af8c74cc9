//! What is due when, and running it.

use std::collections::BTreeMap;

use super::World;
use super::job::JobKey;
use super::time::Nanos;

/// Something to be done at its time.
#[derive(Debug, Clone)]
pub(super) enum Due {
    /// Run the scheduler.
    Eval(String),
    /// A client takes up an allocation.
    Receive(String),
    /// A task starts; void when the task has moved on from `step`.
    Start {
        alloc: String,
        task: String,
        step: u64,
    },
    /// A task ends by itself.
    Exit {
        alloc: String,
        task: String,
        step: u64,
    },
    /// A task that was told to end does so.
    Killed {
        alloc: String,
        task: String,
        step: u64,
    },
    /// A client learns that an allocation is to end.
    Kill(String),
    /// An allocation has run for too long.
    MaxRun(String),
    /// A client reports.
    Report(String),
    /// An allocation has been well for long enough; void when the watch has changed.
    Healthy { alloc: String, watch: u64 },
    /// An allocation should be healthy by now.
    HealthDeadline { alloc: String },
    /// A rollout looks at what it has gathered.
    Progress(String),
    /// A rollout should have made progress by now.
    ProgressDeadline(String),
    /// A periodic job starts; void when the job has changed.
    Periodic { key: JobKey, spec: u64 },
}

/// Everything that is due, by time, then in the order of planning.
#[derive(Debug, Default)]
pub(super) struct Timers {
    queue: BTreeMap<(Nanos, u64), Due>,
    next: u64,
}

impl Timers {
    pub(super) fn add(&mut self, at: Nanos, due: Due) {
        self.queue.insert((at, self.next), due);
        self.next += 1;
    }

    pub(super) fn next(&self) -> Option<Nanos> {
        self.queue.first_key_value().map(|((at, _), _)| *at)
    }

    fn pop(&mut self, until: Nanos) -> Option<(Nanos, Due)> {
        let entry = self.queue.first_entry()?;
        let (at, _) = *entry.key();
        (at <= until).then(|| (at, entry.remove()))
    }
}

impl World {
    pub(super) fn after(&mut self, wait: Nanos, due: Due) {
        self.timers.add(self.now + wait.max(0), due);
    }

    /// Moves time to `now` and runs all that is due by then, in order. Time never goes back.
    pub fn advance(&mut self, now: Nanos) {
        while let Some((at, due)) = self.timers.pop(now) {
            self.now = self.now.max(at);
            self.run(due);
        }
        self.now = self.now.max(now);
    }

    /// Moves time by a span.
    pub fn advance_by(&mut self, span: Nanos) {
        self.advance(self.now + span);
    }

    fn run(&mut self, due: Due) {
        match due {
            Due::Eval(id) => self.run_eval(&id),
            Due::Receive(alloc) => self.receive(&alloc),
            Due::Start { alloc, task, step } => self.start_task(&alloc, &task, step),
            Due::Exit { alloc, task, step } => self.exit_task(&alloc, &task, step),
            Due::Killed { alloc, task, step } => self.task_killed(&alloc, &task, step),
            Due::Kill(alloc) => self.kill_alloc(&alloc),
            Due::MaxRun(alloc) => self.ran_too_long(&alloc),
            Due::Report(alloc) => self.report(&alloc),
            Due::Healthy { alloc, watch } => self.healthy_long_enough(&alloc, watch),
            Due::HealthDeadline { alloc } => self.health_deadline(&alloc),
            Due::Progress(deployment) => self.rollout_progress(&deployment),
            Due::ProgressDeadline(deployment) => self.progress_deadline(&deployment),
            Due::Periodic { key, spec } => self.periodic_due(&key, spec),
        }
    }
}
