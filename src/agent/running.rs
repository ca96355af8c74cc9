//! What this agent is working on, so that news about a job and repeated deliveries find the run they are for.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_nats::jetstream::Message;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc::UnboundedSender;

use super::claim::JobRecord;
use super::held::Held;
use super::names::{JobKey, Order, TaskKey};
use crate::ids::JobId;

/// One run that is going on.
pub struct Running {
    /// What people are shown.
    pub shown: Shown,
    /// Its place in the queue.
    pub order: Order,
    /// The jobs it writes.
    pub jobs: Vec<(JobKey, JobId)>,
    /// Its record in the ledger.
    pub held: tokio::sync::Mutex<Held>,
    /// The delivery that is to be acknowledged.
    message: Mutex<Arc<Message>>,
    /// Takes news about its jobs.
    news: UnboundedSender<(JobKey, JobRecord)>,
}

/// A run as people are shown it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Shown {
    /// The task's name.
    pub task: String,
    /// The platform's deployment, when there is one.
    pub deployment_id: Option<String>,
    /// Its place in the queue.
    pub sequence: u64,
    /// Which try it is.
    pub tries: u32,
    /// When it was begun, as a time stamp.
    pub since: String,
}

impl Running {
    /// A run whose claim is written.
    #[must_use]
    pub fn new(
        shown: Shown,
        order: Order,
        jobs: Vec<(JobKey, JobId)>,
        held: Held,
        message: Arc<Message>,
        news: UnboundedSender<(JobKey, JobRecord)>,
    ) -> Self {
        Self {
            shown,
            order,
            jobs,
            held: tokio::sync::Mutex::new(held),
            message: Mutex::new(message),
            news,
        }
    }

    /// The delivery that is to be acknowledged.
    #[must_use]
    pub fn message(&self) -> Arc<Message> {
        Arc::clone(&lock(&self.message))
    }

    /// From now on it is this delivery.
    pub fn redelivered(&self, message: Arc<Message>) {
        *lock(&self.message) = message;
    }
}

/// All of them.
#[derive(Default)]
pub struct Roll(Mutex<HashMap<TaskKey, Arc<Running>>>);

impl Roll {
    /// Adds a run, until the guard is dropped.
    #[must_use]
    pub fn enter(&self, key: TaskKey, running: Arc<Running>) -> Entered<'_> {
        let order = running.order;
        lock(&self.0).insert(key.clone(), running);
        Entered {
            roll: self,
            key,
            order,
        }
    }

    /// The run of a message, if it is going on here.
    #[must_use]
    pub fn find(&self, key: &TaskKey, order: Order) -> Option<Arc<Running>> {
        lock(&self.0)
            .get(key)
            .filter(|running| running.order == order)
            .cloned()
    }

    /// Tells every run that writes a job what became of it.
    pub fn tell(&self, job: &JobKey, record: &JobRecord) {
        for running in lock(&self.0).values() {
            if running.jobs.iter().any(|(key, _)| key == job) {
                // A run that is over no longer listens.
                let _ = running.news.send((job.clone(), record.clone()));
            }
        }
    }

    /// What is going on, earliest first.
    #[must_use]
    pub fn shown(&self) -> Vec<Shown> {
        let mut all: Vec<Shown> = lock(&self.0)
            .values()
            .map(|running| running.shown.clone())
            .collect();
        all.sort_by_key(|shown| shown.sequence);
        all
    }
}

/// Takes its run off the roll when dropped.
pub struct Entered<'a> {
    roll: &'a Roll,
    key: TaskKey,
    order: Order,
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        let mut all = lock(&self.roll.0);
        // Another message of the same task may have taken its place.
        if all
            .get(&self.key)
            .is_some_and(|run| run.order == self.order)
        {
            all.remove(&self.key);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
