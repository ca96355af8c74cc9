//! Wakes many loops from one event stream: a set of a thousand jobs watches with one connection.
//!
//! A wake-up is a hint, as everywhere. While there is no stream (a token without rights, a server that is away), every
//! loop looks again after [`POLL`] by itself, so that nothing depends on it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::clients::chain;
use crate::clients::nomad::NomadClient;
use crate::clients::nomad::stream::{Continuity, EventQuery, StreamItem};
use crate::ids::{JobId, Namespace};

/// Least time between two looks at one of many jobs: the steps of a rollout come in bursts.
pub const MIN_TURN: Duration = Duration::from_millis(200);

/// Between two looks while there is no stream.
const POLL: Duration = Duration::from_secs(2);

/// Between two tries to open the stream.
const RECONNECT: Duration = Duration::from_secs(1);

/// What is subscribed to. The job's own topic tells of stops and of other people's writes.
const TOPICS: [&str; 4] = ["Job", "Evaluation", "Allocation", "Deployment"];

/// One event stream for many loops. Ends when it is dropped.
#[derive(Debug)]
pub struct Hub {
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Shared {
    /// Namespace and id → who waits.
    waiting: Mutex<HashMap<(String, String), Arc<Notify>>>,
    is_live: AtomicBool,
}

/// One loop's part of the hub.
#[derive(Debug)]
pub struct Subscription {
    shared: Arc<Shared>,
    notify: Arc<Notify>,
}

impl Hub {
    /// Opens the stream in the background. Needs a tokio runtime.
    #[must_use]
    pub fn start(nomad: &NomadClient, all_namespaces: bool) -> Self {
        let shared = Arc::<Shared>::default();
        let query = EventQuery {
            topics: TOPICS.map(str::to_owned).to_vec(),
            resume: None,
            all_namespaces,
        };
        let task = tokio::spawn(crate::observe::handed_on(follow(
            nomad.clone(),
            query,
            Arc::clone(&shared),
        )));
        Self { shared, task }
    }

    /// Wakes for a job from now on.
    #[must_use]
    pub fn subscribe(&self, namespace: &Namespace, job: &JobId) -> Subscription {
        let key = (namespace.as_str().to_owned(), job.as_str().to_owned());
        let notify = Arc::clone(self.shared.lock().entry(key).or_default());
        Subscription {
            shared: Arc::clone(&self.shared),
            notify,
        }
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Shared {
    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<(String, String), Arc<Notify>>> {
        // The map is whole after every statement.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wake(&self, namespace: &str, job: &str) {
        let key = (namespace.to_owned(), job.to_owned());
        if let Some(notify) = self.lock().get(&key) {
            notify.notify_one();
        }
    }

    fn wake_all(&self) {
        self.lock().values().for_each(|notify| notify.notify_one());
    }
}

impl Subscription {
    /// Waits until something may have changed, at the latest until `patience` is over.
    ///
    /// # Cancel safety
    /// Cancel-safe: a wake-up that arrives while nobody waits is kept for the next call.
    pub async fn changed(&mut self, patience: Instant) {
        let deadline = if self.shared.is_live.load(Ordering::Relaxed) {
            patience
        } else {
            patience.min(Instant::now() + POLL)
        };
        // Elapsed is as good as woken: the next look tells.
        let _ = tokio::time::timeout_at(deadline, self.notify.notified()).await;
    }
}

/// Follows the stream for ever; opens it again when it ends.
async fn follow(nomad: NomadClient, query: EventQuery, shared: Arc<Shared>) {
    loop {
        match nomad.events(&query).await {
            Ok(mut stream) => {
                shared.is_live.store(true, Ordering::Relaxed);
                // What happened before the stream stood is unknown.
                shared.wake_all();
                loop {
                    match stream.next().await {
                        Ok(StreamItem::Heartbeat) => {}
                        Ok(StreamItem::Events(batch)) => {
                            if batch.continuity == Continuity::Gap {
                                shared.wake_all();
                            }
                            for event in &batch.events {
                                if let Some(job) = &event.job_id {
                                    shared.wake(&event.namespace, job);
                                }
                            }
                        }
                        Err(end) => {
                            tracing::debug!("the event stream ended: {}", chain(&end));
                            break;
                        }
                    }
                }
                shared.is_live.store(false, Ordering::Relaxed);
                shared.wake_all();
            }
            Err(error) => tracing::debug!("no event stream: {}", chain(&error)),
        }
        tokio::time::sleep(RECONNECT).await;
    }
}
