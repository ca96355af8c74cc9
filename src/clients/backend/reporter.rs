//! Steps are sent beside the work: in order, by one task, so that a slow backend never holds up a deployment.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::client::{Backend, CallOutcome};
use super::wire::{DeploymentType, Step, StepStatus};

/// Steps that may wait. A deployment has about a dozen, so a full queue means many deployments and a dead backend.
const QUEUE: usize = 256;

struct Report {
    deployment_id: String,
    deployment_type: DeploymentType,
    step: Step,
    status: StepStatus,
}

enum Item {
    Step(Report),
    /// Everything before it was tried.
    Reached(oneshot::Sender<()>),
}

/// Sends steps in the order in which they were given, by a task of its own.
///
/// Nothing is lost silently: a step that finds the queue full is warned of, and [`finish`](Self::finish) counts every
/// step that did not arrive. A reporter that is dropped without it goes on sending in the background, for as long as the
/// runtime lives, and tells nobody.
pub struct BackendReporter {
    backend: Backend,
    queue: mpsc::Sender<Item>,
    task: JoinHandle<()>,
    given: AtomicUsize,
    delivered: Arc<AtomicUsize>,
}

impl BackendReporter {
    /// Starts the task.
    ///
    /// # Panics
    /// There is no tokio runtime.
    #[must_use]
    pub fn start(backend: Backend) -> Self {
        let (queue, items) = mpsc::channel(QUEUE);
        let delivered = Arc::new(AtomicUsize::new(0));
        let task = tokio::spawn(crate::observe::handed_on(send_all(
            backend.clone(),
            items,
            Arc::clone(&delivered),
        )));
        Self {
            backend,
            queue,
            task,
            given: AtomicUsize::new(0),
            delivered,
        }
    }

    /// The client, for calls whose answer is needed.
    #[must_use]
    pub fn backend(&self) -> &Backend {
        &self.backend
    }

    /// Puts a step into the queue. Never waits.
    pub fn step(
        &self,
        deployment_id: &str,
        deployment_type: DeploymentType,
        step: Step,
        status: StepStatus,
    ) {
        self.given.fetch_add(1, Ordering::Relaxed);
        let report = Report {
            deployment_id: deployment_id.to_owned(),
            deployment_type,
            step,
            status,
        };
        if self.queue.try_send(Item::Step(report)).is_err() {
            tracing::warn!(
                deployment.id = deployment_id,
                ?step,
                "step is not reported: {QUEUE} others wait for the backend already"
            );
        }
    }

    /// Waits until every step given so far was tried, for at most `patience`: what follows then arrives after them.
    pub async fn settle(&self, patience: Duration) {
        let (reached, wait) = oneshot::channel();
        if self.queue.try_send(Item::Reached(reached)).is_ok() {
            // Order is a courtesy: a slow backend, or a task that is gone, holds nobody up.
            let _ = tokio::time::timeout(patience, wait).await;
        }
    }

    /// Lets the task send what waits, for at most `patience`. Returns how many steps did not arrive since the start.
    ///
    /// A step that is on its way when patience ends counts as not delivered, although it may have arrived.
    pub async fn finish(self, patience: Duration) -> usize {
        let Self {
            backend,
            queue,
            mut task,
            given,
            delivered,
        } = self;
        drop(queue);
        if tokio::time::timeout(patience, &mut task).await.is_err() {
            task.abort();
        }
        let given = given.into_inner();
        let missing = given.saturating_sub(delivered.load(Ordering::Relaxed));
        if missing > 0 {
            tracing::warn!(
                missing,
                given,
                "{missing} of {given} steps were not delivered to the backend"
            );
        }
        backend.report_skipped();
        missing
    }
}

async fn send_all(backend: Backend, mut items: mpsc::Receiver<Item>, delivered: Arc<AtomicUsize>) {
    while let Some(item) = items.recv().await {
        let report = match item {
            Item::Step(report) => report,
            Item::Reached(reached) => {
                // Whoever waited may have given up.
                let _ = reached.send(());
                continue;
            }
        };
        let outcome = backend
            .step(
                &report.deployment_id,
                report.deployment_type,
                report.step,
                report.status,
            )
            .await;
        if outcome == CallOutcome::Done {
            delivered.fetch_add(1, Ordering::Relaxed);
        }
    }
}
