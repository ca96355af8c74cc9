//! Watches one job until something has come about, without touching it: `cs wait`, and what follows a rollback or a
//! promotion.
//!
//! Level-triggered like [`Converge`](super::Converge): every turn is a look, blocking queries only say when to look again.

use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::converge::{explained, with_checks};
use super::note::{Note, Notes};
use crate::clients::chain;
use crate::clients::nomad::calls::jobs::JobQuery;
use crate::clients::nomad::client::{NomadClient, next_index};
use crate::clients::nomad::error::{Disposition, NomadError};
use crate::clients::nomad::watch::{Subject, Watched, Watcher};
use crate::ids::JobId;
use crate::reconcile::health::Progress;
use crate::reconcile::observed::{Activity, Attempt, Observed, Seen};
use crate::reconcile::{Cause, Outcome};
use crate::views::wait::{Reach, Until, reach};

/// Least time between two looks at the same job.
const MIN_TURN: Duration = Duration::from_millis(50);
/// Longest wait for a change before looking anyway.
const RESYNC: Duration = Duration::from_secs(30);
/// The same for one of many.
const RESYNC_OF_MANY: Duration = Duration::from_secs(5);
/// First and longest pause after a look that got no answer.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(10));
/// Between two looks that both find a job unhealthy; see [`super::converge`].
const DOUBT: Duration = Duration::from_millis(500);

/// What a wait needs to know.
pub struct Attend<'a> {
    /// The cluster, in the job's namespace.
    pub nomad: &'a NomadClient,
    /// Who looks on.
    pub notes: &'a Notes,
    /// When time is up.
    pub deadline: Instant,
    /// Told to stop.
    pub cancel: &'a CancellationToken,
    /// How long Nomad may find no node.
    pub placement_grace: Duration,
    /// One of many: it is woken by any job, and looks every few seconds anyway, instead of holding four connections.
    pub is_one_of_many: bool,
}

/// What the turns have in common.
struct Turns {
    /// Version that is waited for: the given one, else the one of the first look.
    watched: Option<u64>,
    last: Option<Progress>,
    /// Why there is no answer, as long as there is none.
    gap: Option<String>,
    blocked_since: Option<Instant>,
    doubted: bool,
    backoff: Duration,
    watcher: Option<Watcher>,
    /// Index of the list of all jobs, for one of many.
    list_index: u64,
}

/// One look.
struct Look {
    observed: Observed,
    subjects: Vec<Subject>,
}

impl Attend<'_> {
    /// Waits. With `version` for that version only: one that takes its place ends the wait. Without, whatever version is
    /// the current one; but one that Nomad goes back from is a failure, not a newer version.
    ///
    /// # Cancel safety
    /// Only reads; dropping it changes nothing.
    pub async fn run(&self, id: &JobId, until: Until, version: Option<u64>) -> Outcome {
        let mut turns = Turns {
            watched: version,
            last: None,
            gap: None,
            blocked_since: None,
            doubted: false,
            backoff: BACKOFF.0,
            watcher: None,
            list_index: 0,
        };
        let work = self.turns(id, until, version, &mut turns);
        // Cancel-safe: each branch only drops reads and waits.
        let ended = tokio::select! {
            biased;
            () = self.cancel.cancelled() => return Outcome::Cancelled { doing: None },
            () = tokio::time::sleep_until(self.deadline) => None,
            outcome = work => Some(outcome),
        };
        match ended {
            Some(outcome) => with_checks(self.nomad, outcome).await,
            None => turns.out_of_time(),
        }
    }

    async fn turns(
        &self,
        id: &JobId,
        until: Until,
        version: Option<u64>,
        turns: &mut Turns,
    ) -> Outcome {
        loop {
            let began = Instant::now();
            let look = match self.look(id, turns.watched).await {
                Ok(look) => look,
                Err(error) if matches!(error.disposition(), Disposition::Stall) => {
                    return Outcome::Failed(explained(&error));
                }
                Err(error) => {
                    self.pause(turns, &explained(&error)).await;
                    continue;
                }
            };
            turns.gap = None;
            turns.backoff = BACKOFF.0;
            if let Seen::Present(job) = &look.observed.job {
                turns.watched = version.or(Some(job.head.version));
            }
            let reached = reach(until, version, &look.observed);
            turns.note_placement(&reached);
            match reached {
                Reach::Reached => return Outcome::Converged,
                // The reads of one look are no snapshot: Nomad may have replaced by now what failed.
                Reach::Never(Outcome::Unhealthy(_)) if !turns.doubted => {
                    turns.doubted = true;
                    tokio::time::sleep(DOUBT).await;
                    continue;
                }
                Reach::Never(outcome) => return outcome,
                Reach::Waiting(progress) => {
                    turns.doubted = false;
                    if let Some(cause) = turns.unplaceable(&progress, self.placement_grace) {
                        return Outcome::Unplaceable(cause);
                    }
                    self.tell(id, turns, progress);
                }
            }
            self.wait(id, turns, look.subjects).await;
            tokio::time::sleep_until(began + MIN_TURN).await;
        }
    }

    /// Reads the job and what goes on around it; and what became of the version that was watched, when it is not the
    /// current one any more.
    async fn look(&self, id: &JobId, watched: Option<u64>) -> Result<Look, NomadError> {
        let nomad = self.nomad;
        let evaluations = nomad.evaluations(id).await?;
        let (job, allocations, rollout) = tokio::try_join!(
            nomad.job(id).into_future(),
            nomad.allocations(id, true).into_future(),
            nomad.latest_rollout(id).into_future(),
        )?;
        let subject = |what: fn(JobId) -> Watched, index| Subject {
            what: what(id.clone()),
            index,
        };
        let subjects = vec![
            subject(Watched::Job, job.index),
            subject(Watched::Allocations, allocations.index),
            subject(Watched::LatestRollout, rollout.index),
            subject(Watched::Evaluations, evaluations.index),
        ];
        let current = job.value.as_ref().map(|job| job.head.version);
        let attempt = match (watched, current) {
            (Some(watched), Some(current)) if watched < current => {
                self.attempt(
                    id,
                    watched,
                    job.value.as_ref().map(|job| job.head.create_index),
                )
                .await?
            }
            _ => None,
        };
        Ok(Look {
            observed: Observed {
                job: job.value.map_or(Seen::Absent, Seen::Present),
                activity: Activity {
                    evaluations: evaluations.value,
                    rollout: rollout.value,
                    allocations: allocations.value,
                },
                attempt,
                children: Vec::new(),
            },
            subjects,
        })
    }

    async fn attempt(
        &self,
        id: &JobId,
        version: u64,
        incarnation: Option<u64>,
    ) -> Result<Option<Attempt>, NomadError> {
        let rollouts = self.nomad.rollouts(id, false).await?.value;
        let rollout = rollouts.into_iter().find(|rollout| {
            rollout.job_version == version && Some(rollout.job_create_index) == incarnation
        });
        Ok(Some(Attempt { version, rollout }))
    }

    fn tell(&self, id: &JobId, turns: &mut Turns, progress: Progress) {
        if turns.last.as_ref() != Some(&progress) {
            self.notes.send(Note::Waiting {
                job: id.clone(),
                progress: progress.clone(),
            });
            turns.last = Some(progress);
        }
    }

    async fn wait(&self, id: &JobId, turns: &mut Turns, subjects: Vec<Subject>) {
        if self.is_one_of_many {
            return self.wait_for_any(turns).await;
        }
        let resync = Instant::now() + RESYNC;
        let patience = turns
            .blocked_since
            .map_or(resync, |since| resync.min(since + self.placement_grace));
        let nomad = self.nomad;
        let watcher = turns
            .watcher
            .get_or_insert_with(|| Watcher::start(nomad, subjects));
        // A failed wait is a change too: the next look tells what it means.
        if let Err(error) = watcher.changed(patience).await {
            tracing::debug!(job = %id, "waiting for a change failed: {}", chain(&error));
            turns.watcher = None;
        }
    }

    /// Waits until any job has changed, or for some seconds.
    async fn wait_for_any(&self, turns: &mut Turns) {
        let query = JobQuery {
            per_page: Some(1),
            ..JobQuery::default()
        };
        let list = self.nomad.jobs(&query);
        let index = turns.list_index;
        match list.after(index, RESYNC_OF_MANY).await {
            Ok(read) => turns.list_index = next_index(index, read.index),
            Err(error) => self.pause(turns, &explained(&error)).await,
        }
    }

    async fn pause(&self, turns: &mut Turns, reason: &str) {
        let pause = turns.backoff;
        turns.backoff = (turns.backoff * 2).min(BACKOFF.1);
        turns.gap = Some(reason.to_owned());
        self.notes.send(Note::Retrying {
            reason: reason.to_owned(),
            pause,
        });
        tokio::time::sleep(pause).await;
    }
}

impl Turns {
    fn note_placement(&mut self, reached: &Reach) {
        let is_blocked = reached.placement().is_some();
        self.blocked_since = is_blocked.then(|| self.blocked_since.unwrap_or_else(Instant::now));
    }

    /// The cause, once no node has been found for too long.
    fn unplaceable(&self, progress: &Progress, grace: Duration) -> Option<Cause> {
        let since = self.blocked_since?;
        (since.elapsed() >= grace)
            .then(|| progress.trouble.clone())
            .flatten()
    }

    fn out_of_time(&self) -> Outcome {
        let progress = self.last.clone().unwrap_or_default();
        let waiting_for = match &self.gap {
            Some(gap) => format!("Nomad answers ({gap})"),
            None if progress.waiting_for.is_empty() => "Nomad answers".to_owned(),
            None if progress.desired > 0 => format!(
                "{} ({} of {})",
                progress.waiting_for, progress.healthy, progress.desired
            ),
            None => progress.waiting_for,
        };
        Outcome::Deadline {
            waiting_for: format!("waiting until {waiting_for}"),
            cause: progress.trouble,
        }
    }
}
