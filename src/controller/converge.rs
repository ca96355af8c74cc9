//! One job, from what is to what is wanted: look, plan, act, look again, until there is nothing to do or no use in trying.
//!
//! Level-triggered: waking up early, late or twice changes nothing, because every turn starts with a look. A crash at any
//! point is repaired by running it again with the same goal.

use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::act::{Done, act};
use super::hub::{self, Hub};
use super::note::{Note, Notes};
use super::observe::{self, Look};
use crate::clients::chain;
use crate::clients::nomad::calls::jobs::Submission;
use crate::clients::nomad::calls::logs::LogKind;
use crate::clients::nomad::client::{NomadClient, Read};
use crate::clients::nomad::error::{Disposition, NomadError};
use crate::clients::nomad::types::JobHead;
use crate::clients::nomad::watch::Watcher;
use crate::ids::JobId;
use crate::observe as record;
use crate::reconcile::cause::{first_cause, one_line};
use crate::reconcile::health::Progress;
use crate::reconcile::plan::{Action, Goal, Memory, Next, Plan, plan};
use crate::reconcile::{Cause, CauseKind, Outcome};

/// Least time between two looks at the same job: a busy cluster wakes blocking queries for other jobs' sake.
const MIN_TURN: Duration = Duration::from_millis(50);
/// Longest wait for a change before looking anyway.
const RESYNC: Duration = Duration::from_secs(30);
/// First and longest pause after a look or a write that failed for a passing reason.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(10));

/// Between two looks that both find a job unhealthy.
///
/// Nomad stores a failed allocation, and in a second transaction the evaluation that may replace it. Microseconds as a
/// rule; on an overloaded server a whole look fitted between.
const DOUBT: Duration = Duration::from_millis(500);

/// Longest wait for Nomad's version, which only a report wants.
const VERSION_PATIENCE: Duration = Duration::from_secs(1);

/// Everything that one convergence needs.
pub struct Converge<'a> {
    /// The cluster.
    pub nomad: &'a NomadClient,
    /// Who looks on.
    pub notes: &'a Notes,
    /// When time is up.
    pub deadline: Instant,
    /// Told to stop.
    pub cancel: &'a CancellationToken,
    /// How long Nomad may find no node.
    pub placement_grace: Duration,
    /// What goes with the job's source in Nomad.
    pub submission: Option<&'a Submission>,
    /// What is waited for.
    pub until: Until,
    /// Wakes many loops at once; without one the loop watches by itself.
    pub hub: Option<&'a Hub>,
}

/// What a loop waits for once the job stands as wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Until {
    /// Its canaries are healthy, or, without canaries, all of it.
    Canary,
    /// All of it is healthy.
    #[default]
    Healthy,
}

/// How a loop ended.
#[derive(Debug, Clone)]
pub struct Ended {
    /// The verdict.
    pub outcome: Outcome,
    /// The job as the last look found it.
    pub seen: Option<JobHead>,
    /// A write was sent, whatever became of it.
    pub wrote: bool,
}

impl Ended {
    /// It ended before anything was written.
    #[must_use]
    pub const fn before(outcome: Outcome) -> Self {
        Self {
            outcome,
            seen: None,
            wrote: false,
        }
    }
}

/// What the turns have in common.
struct Turns {
    memory: Memory,
    blocked_since: Option<Instant>,
    last: Option<Progress>,
    /// Why there is no answer, as long as there is none.
    gap: Option<String>,
    /// The last look found the job unhealthy for good.
    doubted: bool,
    /// A write was sent, whatever became of it.
    tried: bool,
    backoff: Duration,
    /// The job stands as wanted; only health is missing.
    stands: bool,
    /// Runs from the first wait on.
    watcher: Option<Watcher>,
    /// The job as the last look found it.
    seen: Option<JobHead>,
}

/// What a turn ended with.
enum Turn {
    Again,
    Wait(observe::Cursor),
    Pause(Duration),
    End(Outcome),
}

impl Converge<'_> {
    /// Runs until the goal is reached, cannot be reached, time is up or somebody cancels.
    ///
    /// `on_standing` is called once, when the job is registered as wanted and its health is what is left to wait for.
    ///
    /// # Cancel safety
    /// Dropping it may leave a write whose answer nobody read; running it again finds out.
    pub async fn run(&self, goal: &Goal, on_standing: &mut (dyn FnMut() + Send)) -> Outcome {
        self.run_on(goal, Memory::default(), on_standing)
            .await
            .outcome
    }

    /// The same for a caller that wrote the job already, and remembers it.
    ///
    /// # Cancel safety
    /// As [`Self::run`].
    pub async fn run_on(
        &self,
        goal: &Goal,
        memory: Memory,
        on_standing: &mut (dyn FnMut() + Send),
    ) -> Ended {
        let mut turns = Turns {
            tried: memory.writes > 0,
            memory: Memory {
                placement_grace: self.placement_grace,
                ..memory
            },
            blocked_since: None,
            last: None,
            gap: None,
            doubted: false,
            backoff: BACKOFF.0,
            stands: false,
            watcher: None,
            seen: None,
        };
        let work = self.turns(goal, &mut turns, on_standing);
        let (outcome, ()) = tokio::join!(work, self.ask_version());
        Ended {
            outcome,
            seen: turns.seen,
            wrote: turns.tried,
        }
    }

    /// Asks Nomad what it is, where somebody wants to read it and nobody has asked before.
    async fn ask_version(&self) {
        if !record::wants_nomad_version() {
            return;
        }
        let asked = self.nomad.agent_self().into_future();
        // A cluster that does not tell is no trouble.
        if let Ok(Ok(read)) = tokio::time::timeout(VERSION_PATIENCE, asked).await
            && let Some(version) = read.value.version()
        {
            record::nomad_version(version);
        }
    }

    async fn turns(
        &self,
        goal: &Goal,
        turns: &mut Turns,
        on_standing: &mut (dyn FnMut() + Send),
    ) -> Outcome {
        let id = goal.id();
        let mut subscription = self
            .hub
            .map(|hub| hub.subscribe(self.nomad.namespace(), id));
        loop {
            let began = Instant::now();
            // Cancel-safe: each branch only drops reads, waits, or a write that the next run looks at again.
            let turn = tokio::select! {
                biased;
                () = self.cancel.cancelled() => return Outcome::Cancelled { doing: None },
                () = tokio::time::sleep_until(self.deadline) => return self.out_of_time(turns),
                turn = self.turn(goal, turns) => turn,
            };
            if turns.stands {
                turns.stands = false;
                on_standing();
                // The step that begins with it may be over without another look.
                if let Some(seen) = &turns.seen {
                    record::seen(id, seen.version, seen.job_modify_index);
                }
            }
            if let Turn::End(outcome) = turn {
                return with_checks(self.nomad, outcome).await;
            }
            let wait = async {
                match turn {
                    Turn::Again | Turn::End(_) => {}
                    Turn::Wait(cursor) => {
                        let patience = turns.patience(self.placement_grace);
                        if let Some(subscription) = &mut subscription {
                            subscription.changed(patience).await;
                            tokio::time::sleep_until(began + hub::MIN_TURN).await;
                            return;
                        }
                        let watcher = turns
                            .watcher
                            .get_or_insert_with(|| cursor.watch(self.nomad, id));
                        // A failed wait is a change too: the next look tells what it means.
                        if let Err(error) = watcher.changed(patience).await {
                            tracing::debug!(job = %id, "waiting for a change failed: {}", chain(&error));
                            turns.watcher = None;
                        }
                        tokio::time::sleep_until(began + MIN_TURN).await;
                    }
                    Turn::Pause(pause) => tokio::time::sleep(pause).await,
                }
            };
            // Cancel-safe: waiting changes nothing.
            tokio::select! {
                biased;
                () = self.cancel.cancelled() => return Outcome::Cancelled { doing: None },
                () = tokio::time::sleep_until(self.deadline) => return self.out_of_time(turns),
                () = wait => {}
            }
        }
    }

    async fn turn(&self, goal: &Goal, turns: &mut Turns) -> Turn {
        turns.memory.blocked_for = turns.blocked_since.map(|since| since.elapsed());
        let look = match observe::look(self.nomad, goal, &turns.memory).await {
            Ok(look) => look,
            Err(error) => return Turn::End(Outcome::Failed(explained(&error))),
        };
        if let Some(job) = look.observed.job.present() {
            turns.seen = Some(job.head.clone());
            record::seen(goal.id(), job.head.version, job.head.job_modify_index);
        }
        let plan = plan(goal, &look.observed, &turns.memory);
        self.explain(goal, &look, &plan, turns);
        for action in &plan.actions {
            if let Some(turn) = self.carry_out(goal, action, &look, turns).await {
                return turn;
            }
        }
        turns.memory.remember(&look.observed, &plan);
        match plan.next {
            Next::LookAgain => Turn::Again,
            Next::Watch(progress) if progress.awaits_promotion && self.until == Until::Canary => {
                Turn::End(Outcome::Converged)
            }
            Next::Watch(progress) => {
                turns.watching(progress, self.notes, goal.id());
                Turn::Wait(look.cursor)
            }
            Next::Backoff(reason) => self.pause(turns, reason, None),
            // The reads of one look are no snapshot: a failed allocation may have been seen just before Nomad's decision
            // to replace it. What a later look finds the same is so.
            Next::Finished(Outcome::Unhealthy(_)) if !turns.doubted => {
                turns.doubted = true;
                Turn::Pause(DOUBT)
            }
            Next::Finished(outcome) => {
                turns.stands = matches!(goal, Goal::Run(_) | Goal::Watch(_))
                    && turns.last.is_none()
                    && is_verdict(&outcome);
                Turn::End(outcome)
            }
        }
    }

    /// Says what is about to happen.
    fn explain(&self, goal: &Goal, look: &Look, plan: &Plan, turns: &Turns) {
        let Goal::Run(run) = goal else { return };
        match plan.actions.first() {
            Some(Action::Register { drift, .. }) => self.notes.send(Note::Planned {
                job: run.id.clone(),
                is_new: look.observed.job.present().is_none(),
                changes: drift.changes.iter().map(ToString::to_string).collect(),
            }),
            None if turns.last.is_none() && !turns.tried && is_unchanged(plan) => {
                self.notes.send(Note::Unchanged {
                    job: run.id.clone(),
                });
            }
            _ => {}
        }
    }

    /// Runs one action; `Some` when the plan cannot go on.
    async fn carry_out(
        &self,
        goal: &Goal,
        action: &Action,
        look: &Look,
        turns: &mut Turns,
    ) -> Option<Turn> {
        if let Action::Purge { .. } = action {
            self.keep_logs(look).await;
        }
        turns.memory.writes += 1;
        if let Action::Register { expected, .. } = action {
            turns.memory.sent_at.get_or_insert(*expected);
        }
        turns.tried = true;
        match act(self.nomad, goal.id(), action, self.submission, self.notes).await {
            Ok(Done::Registered(index)) => {
                turns.memory.stood_at = Some(index);
                if let Action::Register { expected, .. } = action {
                    turns.memory.accepted_at = Some(*expected);
                }
                turns.backoff = BACKOFF.0;
                None
            }
            Ok(Done::Removed | Done::Reverted) => None,
            Err(error) => Some(self.after_error(&error, turns)),
        }
    }

    fn after_error(&self, error: &NomadError, turns: &mut Turns) -> Turn {
        match error.disposition() {
            Disposition::ObserveAgain if matches!(error, NomadError::Conflict { .. }) => {
                self.notes.send(Note::Retrying {
                    reason: explained(error),
                    pause: Duration::ZERO,
                });
                Turn::Again
            }
            Disposition::ObserveAgain => {
                // A way that is broken says nothing about other writers: it does not count as a try, and gets time to mend.
                if matches!(error, NomadError::ReplyLost { .. }) {
                    turns.memory.writes -= 1;
                }
                self.pause(turns, explained(error), None)
            }
            Disposition::Backoff { after } => {
                // Refused before it was applied: it does not count as a try.
                turns.memory.writes -= 1;
                self.pause(turns, explained(error), after)
            }
            Disposition::Stall => Turn::End(Outcome::Failed(explained(error))),
        }
    }

    fn pause(&self, turns: &mut Turns, reason: String, after: Option<Duration>) -> Turn {
        // So that many processes do not come back at the same moment.
        let jittered = turns.backoff.mul_f64(0.75 + 0.5 * fastrand::f64());
        let pause = after.unwrap_or(jittered).min(BACKOFF.1);
        turns.backoff = (turns.backoff * 2).min(BACKOFF.1);
        turns.gap = Some(reason.clone());
        self.notes.send(Note::Retrying { reason, pause });
        Turn::Pause(pause)
    }

    fn out_of_time(&self, turns: &Turns) -> Outcome {
        let (waiting_for, cause) = match (&turns.gap, &turns.last) {
            (None, Some(progress)) => (progress.waiting_for.clone(), progress.trouble.clone()),
            (None, None) => (format!("Nomad at {} answers", self.nomad.address()), None),
            (Some(gap), None) => (format!("Nomad answers ({gap})"), None),
            (Some(gap), Some(progress)) => (
                format!("Nomad answers again ({gap})"),
                progress.trouble.clone(),
            ),
        };
        Outcome::Deadline {
            waiting_for: format!("waiting until {waiting_for}"),
            cause,
        }
    }

    /// Logs are gone with the allocations (nomad-api.md, trap 12): what failed is shown before it is purged.
    async fn keep_logs(&self, look: &Look) {
        let failed = look
            .observed
            .activity
            .allocations
            .iter()
            .filter(|allocation| allocation.client_status == "failed");
        if let Some(cause) = first_cause(failed) {
            log_tail(self.nomad, &cause, self.notes).await;
        }
    }
}

/// Names the failing checks of an outcome that they caused, as far as Nomad itself knows them.
pub(super) async fn with_checks(nomad: &NomadClient, mut outcome: Outcome) -> Outcome {
    let (Outcome::Unhealthy(cause) | Outcome::RolledBack { cause, .. }) = &mut outcome else {
        return outcome;
    };
    let is_open = matches!(cause.kind, CauseKind::Check | CauseKind::Stuck);
    let Some(at) = cause.at.as_ref().filter(|_| is_open) else {
        return outcome;
    };
    let asked = nomad_in_time(nomad.allocation_checks(&at.allocation).into_future()).await;
    for check in asked
        .unwrap_or_default()
        .values()
        .filter(|check| check.status != "success")
    {
        cause.kind = CauseKind::Check;
        cause.text.push_str(&format!(
            "; the check of {} fails: {}",
            check.service,
            one_line(&check.output)
        ));
    }
    outcome
}

/// The answer to something that is only nice to know: a node that is away must not hold up the outcome.
async fn nomad_in_time<T>(call: impl Future<Output = Result<Read<T>, NomadError>>) -> Option<T> {
    const PATIENCE: Duration = Duration::from_secs(5);
    tokio::time::timeout(PATIENCE, call)
        .await
        .ok()?
        .ok()
        .map(|read| read.value)
}

/// An error with its causes and with what a person can do about it.
pub(super) fn explained(error: &NomadError) -> String {
    format!("{}; {}", chain(error), error.help())
}

/// The job is as wanted, and nothing had to be written for it.
const fn is_unchanged(plan: &Plan) -> bool {
    matches!(
        plan.next,
        Next::Watch(_) | Next::Finished(Outcome::Converged)
    )
}

/// An outcome that only a job which stands as wanted can have.
fn is_verdict(outcome: &Outcome) -> bool {
    matches!(
        outcome,
        Outcome::Converged
            | Outcome::Unhealthy(_)
            | Outcome::Unplaceable(_)
            | Outcome::RolledBack { .. }
    )
}

impl Turns {
    fn watching(&mut self, progress: Progress, notes: &Notes, id: &JobId) {
        self.gap = None;
        self.doubted = false;
        self.backoff = BACKOFF.0;
        let is_blocked = progress
            .trouble
            .as_ref()
            .is_some_and(|cause| cause.kind == CauseKind::Placement);
        self.blocked_since = is_blocked.then(|| self.blocked_since.unwrap_or_else(Instant::now));
        if self.last.is_none() {
            self.stands = true;
        }
        if self.last.as_ref() != Some(&progress) {
            notes.send(Note::Waiting {
                job: id.clone(),
                progress: progress.clone(),
            });
            self.last = Some(progress);
        }
    }

    /// Until when a change is waited for before looking anyway: a hint may be lost, and patience with a missing node ends.
    fn patience(&self, grace: Duration) -> Instant {
        let resync = Instant::now() + RESYNC;
        self.blocked_since
            .map_or(resync, |since| resync.min(since + grace))
    }
}

/// How many bytes and lines of a failing task's log are shown.
const TAIL: (usize, usize) = (16 * 1024, 20);

/// Sends the last log lines of the task that a cause names. Best effort: a node may be away, a log may be gone.
pub async fn log_tail(nomad: &NomadClient, cause: &Cause, notes: &Notes) -> Vec<String> {
    let Some(at) = &cause.at else {
        return Vec::new();
    };
    let mut lines = Vec::new();
    for kind in [LogKind::Stdout, LogKind::Stderr] {
        match nomad.log_tail(&at.allocation, &at.task, kind, TAIL.0).await {
            Ok(text) => lines.extend(text.unwrap_or_default().lines().map(one_line)),
            Err(error) => tracing::debug!(
                allocation = at.allocation,
                task = at.task,
                "no log lines: {}",
                chain(&error)
            ),
        }
    }
    let lines = lines.split_off(lines.len().saturating_sub(TAIL.1));
    if !lines.is_empty() {
        notes.send(Note::LogTail {
            task: at.task.clone(),
            lines: lines.clone(),
        });
    }
    lines
}
