//! Waking up when something about one job may have changed, by blocking queries.
//!
//! A wake-up is a hint: it says "look again", never what changed, and comes too often rather than too rarely. Each
//! [`Subject`] occupies one connection, of which a client has twelve for this purpose; beyond that subjects take
//! turns. To watch a fleet, use the event stream ([`stream`](super::stream)).

use std::time::Duration;

use backon::BackoffBuilder as _;
use serde::de::IgnoredAny;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::client::{NomadClient, next_index};
use super::error::{Disposition, NomadError};
use super::retry;
use crate::ids::JobId;

/// Wait of one blocking query. Shorter than the 60 s after which many proxies cut idle connections.
const WAIT: Duration = Duration::from_secs(30);
/// Shortest time between two queries of one subject. Lists wake for changes elsewhere; on a busy cluster they would do
/// nothing else.
const PACE: Duration = Duration::from_millis(50);

/// What to watch, and from which index: that of the read it was last seen with, 0 to be woken at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// What.
    pub what: Watched,
    /// From where.
    pub index: u64,
}

/// What can be watched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Watched {
    /// The job itself: specification, status, stability.
    Job(JobId),
    /// Its allocations: placement, task states, health.
    Allocations(JobId),
    /// Its evaluations.
    Evaluations(JobId),
    /// Its newest rollout.
    LatestRollout(JobId),
    /// One evaluation.
    Evaluation(String),
    /// One rollout.
    Rollout(String),
}

/// Why a wait ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wake {
    /// Something may have changed.
    Changed,
    /// The deadline passed.
    Elapsed,
}

/// Watches several subjects until it is dropped.
#[derive(Debug)]
pub struct Watcher {
    wakes: mpsc::Receiver<Result<(), NomadError>>,
    /// Aborted on drop, which closes their connections.
    _tasks: JoinSet<()>,
}

impl Watcher {
    /// Starts watching. Needs a tokio runtime.
    #[must_use]
    pub fn start(client: &NomadClient, subjects: Vec<Subject>) -> Self {
        // One place: wake-ups that nobody has taken yet become one.
        let (sender, wakes) = mpsc::channel(1);
        let mut tasks = JoinSet::new();
        for subject in subjects {
            tasks.spawn(crate::observe::handed_on(follow(
                client.clone(),
                subject,
                sender.clone(),
            )));
        }
        Self {
            wakes,
            _tasks: tasks,
        }
    }

    /// Waits until something may have changed, at the latest until `deadline`.
    ///
    /// Connections that break, elections and full agents are waited out.
    ///
    /// # Errors
    /// A failure that waiting does not cure, such as a revoked token. The subject concerned is not watched any further.
    ///
    /// # Cancel safety
    /// Cancel-safe: a wake-up that arrives while nobody waits is kept for the next call.
    pub async fn changed(&mut self, deadline: Instant) -> Result<Wake, NomadError> {
        match tokio::time::timeout_at(deadline, self.wakes.recv()).await {
            Ok(Some(Ok(()))) => Ok(Wake::Changed),
            Ok(Some(Err(error))) => Err(error),
            Err(_) => Ok(Wake::Elapsed),
            // Nothing is watched (any more): what is left is the deadline.
            Ok(None) => {
                tokio::time::sleep_until(deadline).await;
                Ok(Wake::Elapsed)
            }
        }
    }
}

/// Asks for one subject again and again. Ends when nobody listens or on an error that stays.
async fn follow(
    client: NomadClient,
    subject: Subject,
    wakes: mpsc::Sender<Result<(), NomadError>>,
) {
    let mut index = subject.index;
    let mut pauses = retry::schedule().build();
    loop {
        let begun = Instant::now();
        match ask(&client, &subject.what, index).await {
            Ok(answered) => {
                pauses = retry::schedule().build();
                // Full means that a wake-up is waiting already.
                if answered != index
                    && let Err(mpsc::error::TrySendError::Closed(_)) = wakes.try_send(Ok(()))
                {
                    return;
                }
                index = next_index(index, answered);
                tokio::time::sleep_until(begun + PACE).await;
            }
            Err(error) if matches!(error.disposition(), Disposition::Backoff { .. }) => {
                let pause = retry::at_least(&error, pauses.next().unwrap_or(WAIT));
                retry::log(&error, pause);
                tokio::time::sleep(pause).await;
            }
            Err(error) => {
                // Nobody listening is as good an end as any.
                let _ = wakes.send(Err(error)).await;
                return;
            }
        }
    }
}

/// One blocking query; returns its index. An absent object has one too.
async fn ask(client: &NomadClient, what: &Watched, index: u64) -> Result<u64, NomadError> {
    macro_rules! index_of {
        ($call:expr) => {
            $call.after(index, WAIT).await?.index
        };
    }
    Ok(match what {
        Watched::Job(job) => index_of!(client.job_any(job)),
        Watched::Allocations(job) => index_of!(client.allocations(job, false).ignored()),
        Watched::Evaluations(job) => index_of!(client.evaluations(job).ignored()),
        Watched::LatestRollout(job) => index_of!(client.latest_rollout(job)),
        Watched::Evaluation(id) => index_of!(client.evaluation(id)),
        Watched::Rollout(id) => index_of!(client.rollout(id)),
    })
}

impl NomadClient {
    /// A job without its specification.
    fn job_any(&self, job: &JobId) -> super::client::ReadCall<Option<IgnoredAny>> {
        let path = format!("job/{}", super::client::segment(job.as_str()));
        self.read("watch", format!("job `{job}`"), path)
            .absent_when("job not found")
    }
}
