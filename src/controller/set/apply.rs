//! Plan → results. Every resource goes through the same loop as a dispatched job; here is only who waits for whom, and
//! what follows a failure.
//!
//! Resources that do not depend on each other go on at the same time. One that fails stops what waits for it and nothing
//! else. A run that is cut off, by a signal or by a Nomad that went away, says what was done and what was not, and the same
//! command finishes it: what stands already is found to stand.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::observe::{Pending, Planned, to_send};
use super::prepare::{Requirement, SpecSet};
use super::remember::Remember;
use crate::clients::nomad::NomadClient;
use crate::clients::nomad::calls::jobs::Submission;
use crate::clients::nomad::error::Disposition;
use crate::clients::nomad::types::JobHead;
use crate::controller::act::{Done, act};
use crate::controller::converge::{Converge, Ended, Until, explained, log_tail};
use crate::controller::hub::Hub;
use crate::controller::note::{Note, Notes};
use crate::ids::{JobKey, ModifyIndex};
use crate::observe as record;
use crate::reconcile::Outcome;
use crate::reconcile::diff::Drift;
use crate::reconcile::plan::{Action, Goal, Guard, META_OWNER, Memory, RunGoal};
use crate::set::plan::{Change, Item};
use crate::spec::Kind;
use crate::spec::relations::{HookPhase, Readiness};

/// Time that going back, and hooks for failures, get at least, also when time is up.
pub(super) const AFTERMATH: Duration = Duration::from_secs(60);

/// How a plan is applied.
#[derive(Debug, Clone, Copy)]
pub struct ApplyOptions {
    /// Wait for health. Without it only what others depend on is waited for.
    pub waits: bool,
    /// What is waited for.
    pub until: Until,
    /// A job that moved since the plan was made ends the resource instead of being looked at again.
    pub is_sealed: bool,
    /// When time is up.
    pub deadline: Instant,
    /// How long Nomad may find no node.
    pub placement_grace: Duration,
    /// How many resources are worked on at the same time: as many may roll out at once.
    pub at_once: NonZeroUsize,
}

/// [`ApplyOptions::at_once`] where nobody says otherwise. The client makes fewer calls at a time; this bounds what rolls out
/// in the cluster, and what is held in memory.
pub const PARALLEL: NonZeroUsize = NonZeroUsize::new(100).expect("it is not zero");

/// A note about one job of the set.
#[derive(Debug, Clone)]
pub struct SetNote {
    /// Which job.
    pub key: JobKey,
    /// What there is to say.
    pub note: Note,
}

/// How the work on one resource ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// There was nothing to do.
    Unchanged,
    /// It was written at this index, and not waited for.
    Registered(ModifyIndex),
    /// So.
    Ended(Outcome),
    /// Something that it waits for is not ready.
    Blocked(JobKey),
    /// The run was over before its turn.
    NotBegun,
}

impl Ending {
    /// Whether everything that was wanted of it is so.
    #[must_use]
    pub const fn is_success(&self) -> bool {
        match self {
            Self::Unchanged | Self::Registered(_) => true,
            Self::Ended(outcome) => outcome.is_success(),
            Self::Blocked(_) | Self::NotBegun => false,
        }
    }
}

/// What became of one resource.
#[derive(Debug, Clone)]
pub struct ItemResult {
    /// Its job.
    pub key: JobKey,
    /// Its kind.
    pub kind: Kind,
    /// When it runs, for hooks.
    pub hook: Option<HookPhase>,
    /// What was planned, in a word.
    pub change: &'static str,
    /// How it ended.
    pub ending: Ending,
    /// A write was sent, whatever became of it.
    pub wrote: bool,
    /// What was done about a failure.
    pub aftermath: Option<String>,
    /// Last log lines of the task at fault.
    pub log_tail: Vec<String>,
}

/// What became of a set.
#[derive(Debug, Clone, Default)]
pub struct SetResult {
    /// One a resource, in the order of the plan.
    pub items: Vec<ItemResult>,
    /// One a job that was to be pruned.
    pub pruned: Vec<(JobKey, Outcome)>,
    /// Why nothing was pruned although it was asked for.
    pub not_pruned: Option<String>,
}

/// One application of a plan.
pub struct SetRun<'a> {
    /// The cluster.
    pub nomad: &'a NomadClient,
    /// What is wanted.
    pub set: &'a SpecSet,
    /// What is done.
    pub planned: &'a Planned,
    /// How.
    pub options: ApplyOptions,
    /// Who looks on.
    pub notes: UnboundedSender<SetNote>,
    /// Told to stop.
    pub cancel: &'a CancellationToken,
}

/// What one resource came to.
struct Worked {
    place: usize,
    ending: Ending,
    wrote: bool,
    seen: Option<JobHead>,
    log_tail: Vec<String>,
}

impl SetRun<'_> {
    /// Applies the plan.
    ///
    /// # Cancel safety
    /// Dropping it leaves writes whose answers nobody read; running the same command again finds out. Cancel the token
    /// instead, and what was done is remembered.
    pub async fn run(&self, remember: &mut Remember) -> SetResult {
        let mut result = SetResult {
            items: self.items().iter().map(untouched).collect(),
            ..SetResult::default()
        };
        if let Err(error) = remember.before(self.set, self.planned).await {
            let text = format!(
                "nothing was written, because it cannot be remembered: {}",
                crate::clients::chain(&error)
            );
            for (item, result) in self.items().iter().zip(&mut result.items) {
                if item.change.differs() {
                    result.ending = Ending::Ended(Outcome::Failed(text.clone()));
                }
            }
            return result;
        }
        let several = self.namespaces() > 1;
        let hub = (self.planned.pending.len() > 1).then(|| Hub::start(self.nomad, several));
        self.work_on_all(&mut result, remember, hub.as_ref()).await;
        self.check_registered(&mut result).await;
        if !self.cancel.is_cancelled() {
            self.after_failures(&mut result, remember, hub.as_ref())
                .await;
            self.prune(&mut result, remember).await;
        }
        remember.write_or_warn().await;
        result
    }

    pub(super) fn items(&self) -> &[Item] {
        &self.planned.plan.items
    }

    fn namespaces(&self) -> usize {
        let all: std::collections::BTreeSet<_> = self
            .items()
            .iter()
            .map(|item| &item.key.namespace)
            .collect();
        all.len()
    }

    /// Works on everything whose turn comes, until nothing is left.
    async fn work_on_all(
        &self,
        result: &mut SetResult,
        remember: &mut Remember,
        hub: Option<&Hub>,
    ) {
        let mut queue = Queue::new(self.items());
        let mut working = FuturesUnordered::new();
        loop {
            while working.len() < self.options.at_once.get()
                && let Some(place) = queue.next()
            {
                match self.verdict_before(place, &queue) {
                    Some(ending) => {
                        queue.done(place, ending.is_success());
                        result.items[place].ending = ending;
                    }
                    None => working.push(self.work(place, hub)),
                }
            }
            let Some(worked) = working.next().await else {
                return;
            };
            let at = self.planned.positions[worked.place];
            remember.ended(
                self.set,
                at,
                self.planned.pending.get(&at),
                &worked.ending,
                worked.seen.as_ref(),
                self.options.until,
            );
            queue.done(worked.place, worked.ending.is_success());
            let item = &mut result.items[worked.place];
            item.ending = worked.ending;
            item.wrote = worked.wrote;
            item.log_tail = worked.log_tail;
        }
    }

    /// How a resource ends without any work on it.
    fn verdict_before(&self, place: usize, queue: &Queue) -> Option<Ending> {
        let item = &self.items()[place];
        let blocking = item.after.iter().find(|before| queue.has_failed(**before));
        if let Some(&before) = blocking {
            let settled =
                !item.change.differs() && !self.planned.pending.contains_key(&self.at(place));
            return Some(if settled {
                Ending::Unchanged
            } else {
                Ending::Blocked(self.items()[before].key.clone())
            });
        }
        if self.cancel.is_cancelled() && item.change.differs() {
            return Some(Ending::NotBegun);
        }
        match &item.change {
            Change::Completed | Change::Standby => Some(Ending::Unchanged),
            Change::None | Change::Adopt if !self.is_watched(self.at(place)) => {
                Some(Ending::Unchanged)
            }
            Change::Failed(failed) => Some(Ending::Ended(Outcome::Refused(format!(
                "the same spec has failed before ({}), and nothing has changed since; change the spec, or say \
                 --retry-failed",
                failed.outcome
            )))),
            Change::Refused(reason) => Some(Ending::Ended(Outcome::Refused(reason.clone()))),
            Change::Unknown(reason) => Some(Ending::Ended(Outcome::Failed(reason.clone()))),
            Change::None | Change::Create | Change::Update { .. } | Change::Adopt => None,
        }
    }

    /// Whether something that is not written is watched until it is healthy: what is remembered as healthy is not.
    fn is_watched(&self, at: usize) -> bool {
        self.planned.pending.contains_key(&at) && self.is_awaited(at)
    }

    pub(super) fn at(&self, place: usize) -> usize {
        self.planned.positions[place]
    }

    /// Works on one resource to its end; its notes carry its name.
    async fn work(&self, place: usize, hub: Option<&Hub>) -> Worked {
        let key = &self.items()[place].key;
        let span = record::span("resource", record::Kind::Internal);
        span.set("nomad.job.id", key.job.as_str());
        span.set("nomad.namespace", key.namespace.as_str());
        span.set("cs.change", self.items()[place].change.word());
        let work = with_notes(&self.notes, key, async |notes| {
            self.work_with(place, &notes, hub).await
        });
        let recorded = async {
            let worked = work.await;
            if let Ending::Ended(outcome) = &worked.ending {
                record::set_outcome(&span, outcome);
            }
            worked
        };
        record::within(span.clone(), recorded).await
    }

    async fn work_with(&self, place: usize, notes: &Notes, hub: Option<&Hub>) -> Worked {
        let item = &self.items()[place];
        let at = self.at(place);
        let client = self.nomad.in_namespace(&item.key.namespace);
        let ended = match self.await_requirements(at, item, notes, hub).await {
            Err(outcome) => Ended::before(outcome),
            Ok(()) => match self.bring_about(at, item, &client, notes, hub).await {
                Ok(ended) => ended,
                Err(index) => {
                    return Worked {
                        place,
                        ending: Ending::Registered(index),
                        wrote: true,
                        seen: None,
                        log_tail: Vec::new(),
                    };
                }
            },
        };
        let log_tail = self.tail(&client, &ended.outcome, notes).await;
        notes.send(Note::Finished {
            job: item.key.job.clone(),
            outcome: ended.outcome.clone(),
        });
        Worked {
            place,
            ending: Ending::Ended(ended.outcome),
            wrote: ended.wrote,
            seen: ended.seen,
            log_tail,
        }
    }

    /// Last log lines of the task at fault. A node that hangs must not hold up the outcome.
    pub(super) async fn tail(
        &self,
        client: &NomadClient,
        outcome: &Outcome,
        notes: &Notes,
    ) -> Vec<String> {
        const PATIENCE: Duration = Duration::from_secs(5);
        let Some(cause) = outcome.cause() else {
            return Vec::new();
        };
        tokio::time::timeout(PATIENCE, log_tail(client, cause, notes))
            .await
            .unwrap_or_default()
    }

    /// Writes what is to be written and waits for it. `Err` carries the index of a write that is not waited for.
    async fn bring_about(
        &self,
        at: usize,
        item: &Item,
        client: &NomadClient,
        notes: &Notes,
        hub: Option<&Hub>,
    ) -> Result<Ended, ModifyIndex> {
        let pending = &self.planned.pending[&at];
        let goal = self.goal(at, pending);
        let memory = match &item.change {
            Change::Create | Change::Update { .. } => {
                match self.write(at, item, client, pending, notes).await {
                    Written::At(memory, index) if !self.is_awaited(at) => {
                        let _ = memory;
                        return Err(index);
                    }
                    Written::At(memory, _) | Written::Unclear(memory) => memory,
                    Written::Refused(outcome) => {
                        return Ok(Ended::before(outcome));
                    }
                }
            }
            _ => Memory::default(),
        };
        let converge = self.converge(client, notes, hub, Some(&pending.submission));
        let span = record::span("rollout", record::Kind::Internal);
        let work = async {
            let ended = converge.run_on(&goal, memory, &mut || {}).await;
            record::set_outcome(&span, &ended.outcome);
            ended
        };
        Ok(record::within(span.clone(), work).await)
    }

    /// Whether health is waited for: because it was asked for, or because others depend on it.
    pub(super) fn is_awaited(&self, at: usize) -> bool {
        let is_hook = self.set.wanted[at].hook.is_some();
        self.options.waits || is_hook || !self.set.graph.dependents(at).is_empty()
    }

    pub(super) fn converge<'c>(
        &'c self,
        client: &'c NomadClient,
        notes: &'c Notes,
        hub: Option<&'c Hub>,
        submission: Option<&'c Submission>,
    ) -> Converge<'c> {
        Converge {
            nomad: client,
            notes,
            deadline: self.options.deadline,
            cancel: self.cancel,
            placement_grace: self.options.placement_grace,
            submission,
            until: self.options.until,
            hub,
        }
    }

    pub(super) fn goal(&self, at: usize, pending: &Pending) -> Goal {
        let wanted = &self.set.wanted[at];
        let head = pending.head();
        let carries_owner = head.is_none_or(|head| head.meta.contains_key(META_OWNER));
        Goal::Run(RunGoal {
            id: wanted.key.job.clone(),
            job: pending.job(),
            run: None,
            owner: self.set.options.owner.clone(),
            // What the plan takes over carries no owner, or another's.
            guard: if carries_owner && !adopts(pending, &self.set.options.owner) {
                Guard::Owned
            } else {
                Guard::Named
            },
            options: head.map_or_else(
                || wanted.options.clone(),
                |head| wanted.options_against(head),
            ),
        })
    }

    /// The first write of a resource, on the basis of what the plan saw.
    async fn write(
        &self,
        at: usize,
        item: &Item,
        client: &NomadClient,
        pending: &Pending,
        notes: &Notes,
    ) -> Written {
        let (expected, drift) = match &item.change {
            Change::Update { from, drift, .. } => (*from, drift.clone()),
            _ => (ModifyIndex::MUST_BE_NEW, Drift::default()),
        };
        notes.send(Note::Planned {
            job: item.key.job.clone(),
            is_new: pending.head().is_none(),
            changes: drift.changes.iter().map(ToString::to_string).collect(),
        });
        let action = Action::Register {
            job: to_send(self.set, at, pending),
            expected,
            drift,
        };
        let submission = Some(&pending.submission);
        let sent = Memory {
            sent_at: Some(expected),
            writes: 1,
            ..Memory::default()
        };
        match act(client, &item.key.job, &action, submission, notes).await {
            Ok(Done::Registered(index)) => {
                let memory = Memory {
                    stood_at: Some(index),
                    accepted_at: Some(expected),
                    ..sent
                };
                Written::At(memory, index)
            }
            Ok(Done::Removed | Done::Reverted) => Written::Unclear(sent),
            Err(error) => match error.disposition() {
                Disposition::Stall => Written::Refused(Outcome::Failed(explained(&error))),
                Disposition::ObserveAgain | Disposition::Backoff { .. }
                    if self.options.is_sealed =>
                {
                    Written::Refused(Outcome::Conflict(explained(&error)))
                }
                // The loop looks, and knows what to make of it.
                Disposition::ObserveAgain | Disposition::Backoff { .. } => Written::Unclear(sent),
            },
        }
    }

    /// Waits until what the resource depends on is ready. What this run has brought to health is.
    async fn await_requirements(
        &self,
        at: usize,
        item: &Item,
        notes: &Notes,
        hub: Option<&Hub>,
    ) -> Result<(), Outcome> {
        if !item.change.writes() {
            return Ok(());
        }
        for requirement in self.set.requirements(at) {
            self.await_requirement(&requirement, notes, hub).await?;
        }
        Ok(())
    }

    async fn await_requirement(
        &self,
        requirement: &Requirement,
        notes: &Notes,
        hub: Option<&Hub>,
    ) -> Result<(), Outcome> {
        let key = &requirement.key;
        let client = self.nomad.in_namespace(&key.namespace);
        let was_awaited = requirement
            .position
            .is_some_and(|at| self.planned.pending.contains_key(&at));
        if !was_awaited {
            let goal = Goal::Watch(key.job.clone());
            let outcome = self
                .converge(&client, notes, hub, None)
                .run_on(&goal, Memory::default(), &mut || {})
                .await
                .outcome;
            if !outcome.is_success() {
                return Err(not_ready(key, outcome));
            }
        }
        if requirement.until == Some(Readiness::Passing) {
            let checks = super::checks::passing(
                &client,
                &key.job,
                requirement.service.as_deref(),
                self.options.deadline,
                self.cancel,
            );
            checks.await.map_err(|outcome| not_ready(key, outcome))?;
        }
        Ok(())
    }

    /// A write that is not waited for is read once more, all of them together: a rollout that ends at the same moment can
    /// rewind a job (nomad-api.md 5, "Known risk").
    async fn check_registered(&self, result: &mut SetResult) {
        let mut registered: BTreeMap<&JobKey, (usize, ModifyIndex)> = BTreeMap::new();
        for (place, item) in result.items.iter().enumerate() {
            if let Ending::Registered(index) = item.ending {
                registered.insert(&self.items()[place].key, (place, index));
            }
        }
        if registered.is_empty() {
            return;
        }
        let Ok(stubs) =
            super::observe::list(self.nomad, registered.keys().map(|key| &key.namespace)).await
        else {
            return;
        };
        let stubs: BTreeMap<JobKey, ModifyIndex> = stubs
            .iter()
            .filter_map(super::observe::keyed)
            .map(|(key, stub)| (key, stub.job_modify_index))
            .collect();
        for (key, (place, index)) in registered {
            if stubs.get(key).is_none_or(|stands| *stands < index) {
                let text = format!("job {key} was written at index {index}, and does not stand so");
                result.items[place].ending = Ending::Ended(Outcome::Conflict(text));
            }
        }
    }
}

/// What the first write came to.
enum Written {
    /// Accepted at this index.
    At(Memory, ModifyIndex),
    /// Nobody knows, or somebody else was faster: the loop finds out.
    Unclear(Memory),
    /// It will not be accepted.
    Refused(Outcome),
}

fn adopts(pending: &Pending, owner: &crate::ids::OwnerId) -> bool {
    let whose = pending.head().and_then(|head| head.meta.get(META_OWNER));
    whose.is_some_and(|other| other != owner.as_str())
}

fn not_ready(key: &JobKey, outcome: Outcome) -> Outcome {
    match outcome {
        Outcome::Cancelled { .. } => outcome,
        other => Outcome::Failed(format!("{key}, which it depends on: {}", other.message())),
    }
}

fn untouched(item: &Item) -> ItemResult {
    ItemResult {
        key: item.key.clone(),
        kind: item.kind,
        hook: item.hook,
        change: item.change.word(),
        ending: Ending::NotBegun,
        wrote: false,
        aftermath: None,
        log_tail: Vec::new(),
    }
}

/// Whose turn it is.
struct Queue {
    /// Place → how many it still waits for.
    waiting: Vec<usize>,
    /// Place → who waits for it.
    dependents: Vec<Vec<usize>>,
    ended: Vec<Option<bool>>,
    ready: Vec<usize>,
}

impl Queue {
    fn new(items: &[Item]) -> Self {
        let mut dependents = vec![Vec::new(); items.len()];
        for (place, item) in items.iter().enumerate() {
            for &before in &item.after {
                dependents[before].push(place);
            }
        }
        let waiting: Vec<usize> = items.iter().map(|item| item.after.len()).collect();
        let mut ready: Vec<usize> = (0..items.len())
            .filter(|place| waiting[*place] == 0)
            .collect();
        // Taken from the end.
        ready.reverse();
        Self {
            waiting,
            dependents,
            ended: vec![None; items.len()],
            ready,
        }
    }

    fn next(&mut self) -> Option<usize> {
        self.ready.pop()
    }

    fn done(&mut self, place: usize, is_success: bool) {
        self.ended[place] = Some(is_success);
        for &later in &self.dependents[place] {
            self.waiting[later] -= 1;
            if self.waiting[later] == 0 {
                self.ready.push(later);
            }
        }
    }

    fn has_failed(&self, place: usize) -> bool {
        self.ended[place] == Some(false)
    }
}

/// A channel for the notes of a set.
#[must_use]
pub fn notes() -> (UnboundedSender<SetNote>, UnboundedReceiver<SetNote>) {
    unbounded_channel()
}

/// Does some work on one job, and hands its notes on with the job's name until the work is done.
pub(super) async fn with_notes<T>(
    notes: &UnboundedSender<SetNote>,
    key: &JobKey,
    work: impl AsyncFnOnce(Notes) -> T,
) -> T {
    let (sender, mut received) = Notes::channel();
    let relay = async {
        while let Some(note) = received.recv().await {
            let key = key.clone();
            // A receiver that is gone has seen enough.
            let _ = notes.send(SetNote { key, note });
        }
    };
    // The sender goes with the work, which ends the relay.
    tokio::join!(work(sender), relay).0
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn item(after: Vec<usize>) -> Item {
        Item {
            key: JobKey {
                namespace: "default".parse().unwrap(),
                job: "x".parse().unwrap(),
            },
            kind: Kind::Workload,
            hook: None,
            wave: 0,
            after,
            change: Change::Create,
            scheduler: None,
        }
    }

    /// Each item waits for some of those before it.
    fn items() -> impl Strategy<Value = Vec<Item>> {
        prop::collection::vec(
            prop::collection::vec(any::<prop::sample::Index>(), 0..4),
            0..20,
        )
        .prop_map(|all| {
            let item = |(place, before): (usize, Vec<prop::sample::Index>)| {
                let mut after: Vec<usize> = if place == 0 {
                    Vec::new()
                } else {
                    before.iter().map(|index| index.index(place)).collect()
                };
                after.sort_unstable();
                after.dedup();
                self::item(after)
            };
            all.into_iter().enumerate().map(item).collect()
        })
    }

    proptest! {
        /// Everybody has a turn, once, and only after all that it waits for has ended; whichever of them ends first.
        #[test]
        fn every_turn_comes_once_and_in_order(items in items(), picks in prop::collection::vec(any::<prop::sample::Index>(), 20)) {
            let mut queue = Queue::new(&items);
            let mut working = Vec::new();
            let mut ended = Vec::new();
            for pick in &picks {
                while let Some(place) = queue.next() {
                    prop_assert!(items[place].after.iter().all(|before| ended.contains(before)));
                    prop_assert!(!working.contains(&place) && !ended.contains(&place));
                    working.push(place);
                }
                if working.is_empty() {
                    break;
                }
                let place = working.swap_remove(pick.index(working.len()));
                queue.done(place, place % 3 != 0);
                ended.push(place);
            }
            prop_assert_eq!(ended.len(), items.len());
            prop_assert!((0..items.len()).all(|place| queue.has_failed(place) == (place % 3 == 0)));
        }
    }
}
