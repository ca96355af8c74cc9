//! Everything around one run: it is told what happens outside, and asked before its end is announced.

use std::time::Duration;

use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::attend::Agent;
use super::claim::{Decided, JobRecord};
use super::enter::{lost_jobs, superseded_by};
use super::held::Written;
use super::names::JobKey;
use super::parcel::Parcel;
use super::running::Running;
use super::settle::Ended;
use super::verdict::{Silence, Verdict, judge, pause};
use crate::controller::note::Note;
use crate::controller::run::RunResult;
use crate::controller::warrant::{Ask, Overseer};
use crate::ids::JobId;
use crate::reconcile::Outcome;

/// Everything around one run.
pub(super) struct Watch<'a> {
    pub(super) agent: &'a Agent,
    pub(super) parcel: &'a Parcel,
    pub(super) running: &'a Running,
    pub(super) overseer: Overseer,
    /// Stops the run.
    pub(super) cancel: CancellationToken,
    pub(super) silence: Silence,
    /// Another agent has the task.
    pub(super) is_lost: bool,
    /// This agent has to go.
    pub(super) is_abandoned: bool,
}

impl Watch<'_> {
    /// Runs `work` to its end and answers its questions meanwhile.
    pub(super) async fn over(
        mut self,
        work: impl Future<Output = RunResult>,
        interval: Duration,
        mut said: UnboundedReceiver<Note>,
        mut acked: UnboundedReceiver<String>,
        mut heard: UnboundedReceiver<(JobKey, JobRecord)>,
    ) -> Ended {
        let mut work = std::pin::pin!(work);
        // News from before the run was on the roll.
        self.look_around().await;
        let mut looks = tokio::time::interval_at(Instant::now() + interval, interval);
        looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let result = loop {
            tokio::select! {
                biased;
                // Cancel-safe: the run is only borrowed; channels and clocks lose nothing.
                result = &mut work => break result,
                Some(note) = said.recv() => self.hear(&note),
                Some(ask) = self.overseer.next() => {
                    while let Ok(note) = said.try_recv() {
                        self.hear(&note);
                    }
                    self.answer(ask).await;
                }
                Some(id) = acked.recv() => self.note_announced(vec![id]).await,
                Some((job, record)) = heard.recv() => self.make_way(&job, &record),
                _ = looks.tick() => self.look_around().await,
                () = self.agent.abandon.cancelled(), if !self.is_abandoned => {
                    self.is_abandoned = true;
                    self.cancel.cancel();
                }
            }
        };
        while let Ok(note) = said.try_recv() {
            self.hear(&note);
        }
        let mut ids = Vec::new();
        while let Ok(id) = acked.try_recv() {
            ids.push(id);
        }
        self.end(result, ids).await
    }

    fn hear(&mut self, note: &Note) {
        self.silence.hear(note);
        (self.agent.config.show)(note);
    }

    /// Makes way for later tasks, and finds out whether another agent has this one.
    async fn look_around(&mut self) {
        let fleet = &self.agent.fleet;
        let found = lost_jobs(fleet, self.running.order, &self.running.jobs).await;
        for (job, by) in found.unwrap_or_default() {
            self.supersede(&job, &by);
        }
        let is_ours = self.running.held.lock().await.is_ours(fleet).await;
        if let Ok(false) = is_ours {
            self.is_lost = true;
            self.cancel.cancel();
        }
    }

    fn make_way(&mut self, key: &JobKey, record: &JobRecord) {
        if record.newest <= self.running.order {
            return;
        }
        let jobs = self.running.jobs.iter();
        for (_, job) in jobs.filter(|(known, _)| known == key) {
            self.supersede(job, &record.by);
        }
    }

    fn supersede(&self, job: &JobId, by: &str) {
        self.overseer.supersede(job, &superseded_by(by));
        // A destroy leaves out what is no longer its own and goes on with the rest.
        if !self.parcel.is_destroy && !self.cancel.is_cancelled() {
            tracing::info!("makes way for {by}");
            self.cancel.cancel();
        }
    }

    async fn note_announced(&mut self, ids: Vec<String>) {
        let agent = self.agent;
        let mut held = self.running.held.lock().await;
        let written = held
            .write(&agent.fleet, &agent.abandon, |record| {
                record.announced.extend(ids.iter().cloned());
            })
            .await;
        if written == Written::Lost {
            self.is_lost = true;
            self.cancel.cancel();
        }
    }

    /// Decides whether the run may announce that it ended like this, and makes sure that nobody announces another end.
    async fn answer(&mut self, ask: Ask) {
        let may_end = self.decide(&ask.outcome).await;
        // A run that no longer waits for the answer has ended some other way.
        let _ = ask.answer.send(may_end);
    }

    async fn decide(&mut self, outcome: &Outcome) -> bool {
        let Some(is_dead) = self.final_verdict(outcome) else {
            return false;
        };
        let agent = self.agent;
        let end = decided(outcome, is_dead);
        let mut held = self.running.held.lock().await;
        let written = held
            .write(&agent.fleet, &agent.abandon, |record| {
                record.decided = Some(end.clone());
            })
            .await;
        match written {
            Written::Yes => true,
            Written::Lost => {
                self.is_lost = true;
                false
            }
            Written::Unknown => {
                self.is_abandoned = true;
                false
            }
        }
    }

    /// Whether this end counts, and if so whether it makes a dead letter.
    fn final_verdict(&self, outcome: &Outcome) -> Option<bool> {
        if self.is_lost {
            return None;
        }
        match judge(outcome, self.silence.is_silent()) {
            Verdict::Final => Some(false),
            Verdict::Dead => Some(true),
            // Who has to go gives back what it has, also on the last try.
            Verdict::Again if self.is_abandoned => None,
            Verdict::Again => (self.running.shown.tries >= self.agent.config.tries).then_some(true),
        }
    }

    /// What the run's result means for the task.
    async fn end(mut self, result: RunResult, acknowledged: Vec<String>) -> Ended {
        let known = self.running.held.lock().await.record.decided.clone();
        if self.is_lost {
            return Ended::Lost;
        }
        let end = match known {
            Some(decided) => decided,
            // A destroy has no event of its own end, so it is not asked about.
            None => match self.final_verdict(&result.outcome) {
                Some(is_dead) if self.parcel.is_destroy => decided(&result.outcome, is_dead),
                _ if self.is_abandoned => return Ended::GivenBack,
                _ => return Ended::Again("unfinished", pause(self.running.shown.tries)),
            },
        };
        if !result.delivery.pending.is_empty() {
            let reason = result.delivery.reason.as_deref();
            return self
                .agent
                .unannounced(self.running, acknowledged, reason)
                .await;
        }
        if !acknowledged.is_empty() {
            self.note_announced(acknowledged).await;
        }
        match self.is_lost {
            true => Ended::Lost,
            false => Ended::Over(end),
        }
    }
}

/// An outcome as the ledger keeps it.
pub(super) fn decided(outcome: &Outcome, is_dead: bool) -> Decided {
    Decided {
        outcome: outcome.word().to_owned(),
        is_success: outcome.is_success(),
        reason: match outcome.is_success() {
            true => String::new(),
            false => outcome.message().chars().take(1000).collect(),
        },
        is_dead,
    }
}
