//! What happened, line by line; counts; and the moment at which a process dies.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use cs::simulator::Within;
use tokio::sync::Notify;

/// What all parts of a world write into.
#[derive(Default)]
pub(super) struct Trace {
    inner: Mutex<Inner>,
    died: Notify,
}

#[derive(Default)]
struct Inner {
    lines: Vec<String>,
    counts: BTreeMap<String, u64>,
    /// Calls of the process that runs, and the one at which it dies.
    calls: u64,
    /// When the last one was, in milliseconds.
    last: i64,
    dies_at: Option<u64>,
    is_dead: bool,
    problems: Vec<String>,
    /// Ids of jobs whose stop arrived twice.
    doubled: Vec<String>,
}

impl Trace {
    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn line(&self, world: &Within, text: &str) {
        let now = world.world().now / 1_000_000;
        self.lock()
            .lines
            .push(format!("{:>9} ms  {text}", now - START / 1_000_000));
    }

    pub(super) fn count(&self, what: &str) {
        *self.lock().counts.entry(what.to_owned()).or_default() += 1;
    }

    /// Something that must never be.
    pub(super) fn problem(&self, text: String) {
        self.lock().problems.push(text);
    }

    pub(super) fn problems(&self) -> Vec<String> {
        self.lock().problems.clone()
    }

    /// The stop of a job arrived twice.
    pub(super) fn double(&self, job: &str) {
        self.lock().doubled.push(job.to_owned());
    }

    /// How often that was so.
    pub(super) fn doubled(&self, job: &str) -> u64 {
        let inner = self.lock();
        inner.doubled.iter().filter(|other| *other == job).count() as u64
    }

    /// In the order of their time; within a moment in that of the alphabet.
    pub(super) fn lines(&self) -> Vec<String> {
        let mut lines = self.lock().lines.clone();
        let moment = |line: &String| {
            line.split("  ")
                .find(|part| part.ends_with(" ms"))
                .map(str::to_owned)
        };
        for same in lines.chunk_by_mut(|one, other| moment(one) == moment(other)) {
            // A heading stays where it is: everything before it is over.
            if !same.iter().any(|line| line.contains("  ==")) {
                same.sort();
            }
        }
        lines
    }

    pub(super) fn counts(&self) -> BTreeMap<String, u64> {
        self.lock().counts.clone()
    }

    /// A process begins, and dies at this call, if it makes so many.
    pub(super) fn begin(&self, dies_at: Option<u64>) {
        let mut inner = self.lock();
        inner.calls = 0;
        inner.dies_at = dies_at;
        inner.is_dead = false;
    }

    /// A call begins. Does not return in a process that is dead.
    pub(super) async fn call(&self, world: &Within) -> Moment {
        let moment = {
            let now = world.world().now / 1_000_000;
            let mut inner = self.lock();
            // Calls of the same moment are one: their order among each other is nobody's business.
            inner.calls += u64::from(inner.last != now);
            inner.last = now;
            let reached = inner.dies_at.is_some_and(|at| at / 2 == inner.calls);
            let before = inner.dies_at.is_some_and(|at| at % 2 == 0);
            match (inner.is_dead, reached) {
                (true, _) => Moment::Dead,
                (false, true) if before => Moment::Dead,
                (false, true) => Moment::Last,
                (false, false) => Moment::Alive,
            }
        };
        if moment == Moment::Dead {
            self.die().await;
        }
        moment
    }

    /// The process is gone: whoever calls never hears of anything.
    pub(super) async fn die(&self) {
        self.lock().is_dead = true;
        self.died.notify_one();
        std::future::pending().await
    }

    /// Resolves when the process dies.
    pub(super) async fn death(&self) {
        // The word of an earlier death may still be there.
        while !self.lock().is_dead {
            self.died.notified().await;
        }
    }
}

/// Where in its life a process makes a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Moment {
    Alive,
    /// The call is made, its answer is not seen.
    Last,
    Dead,
}

/// When every world begins, in nanoseconds since 1970.
pub(super) const START: i64 = 1_700_000_000_000_000_000;

/// What is shared by the parts of one world.
pub(super) type Shared = Arc<Trace>;
