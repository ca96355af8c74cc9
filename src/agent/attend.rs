//! One delivery from its claim to its acknowledgement.
//!
//! A run is only ever stopped for one of three reasons, and each has its own end: a later task took its job over (it
//! ends as superseded, which is announced), another agent took the task over (silence), or this agent has to go (it gives
//! the task back, silently). Nothing is acknowledged before its events are.

use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::{AckKind, Message};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use super::claim::{Decided, JobRecord, Work};
use super::enter::{Claimed, Entry, enter, lost_jobs, superseded_by};
use super::fleet::{DeadLetter, Fleet, Place};
use super::health::Health;
use super::held::{Written, patiently};
use super::names::JobKey;
use super::parcel::Parcel;
use super::running::{Roll, Running, Shown};
use super::verdict::{Silence, Verdict, judge, pause};
use crate::clients::nomad::connection::ConnectionConfig;
use crate::config::Environment;
use crate::controller::log::Echo;
use crate::controller::note::{Note, Notes};
use crate::controller::run::{self, RunResult, Surroundings};
use crate::controller::warrant::{Ask, Overseer, Warrant};
use crate::dispatch::ConvertOptions;
use crate::events::{
    Announcer, AnnouncerConfig, LogLimits, NatsConfig, SharedLedger, SubjectPrefix,
};
use crate::reconcile::Outcome;

/// How long a task that has to wait for another one stays away.
///
/// 1 s: the other one was told to make way, or runs for a second or a quarter of an hour; nobody waits in a slot meanwhile.
const LATER: Duration = Duration::from_secs(1);

/// How long an acknowledgement is tried. Without it the task comes again, is known to be over, and is acknowledged then.
const ACKNOWLEDGING: Duration = Duration::from_secs(15);

/// Least time between two signs of life.
const SHORTEST: Duration = Duration::from_millis(250);

/// What an agent is told.
#[derive(Clone)]
pub struct AgentConfig {
    /// The connection for events, the same as for the queue.
    pub nats: NatsConfig,
    /// In front of the events' subjects.
    pub prefix: SubjectPrefix,
    /// Environment variables of every run.
    pub environment: Environment,
    /// Where Nomad is, unless params say otherwise.
    pub connection: ConnectionConfig,
    /// How params are converted.
    pub convert: ConvertOptions,
    /// How long one run may take.
    pub deadline: Duration,
    /// How long Nomad may find no node.
    pub placement_grace: Duration,
    /// How many tasks are worked on at a time, at least 1.
    pub concurrency: usize,
    /// How often a task may be begun.
    pub tries: u32,
    /// How long running tasks get once no new ones are taken.
    pub drain: Duration,
    /// Shown each note of each run.
    pub show: fn(&Note),
}

/// What all tasks of one agent share.
pub struct Agent {
    /// Of this process; another process on the same machine is another agent.
    pub id: String,
    /// What it is told.
    pub config: AgentConfig,
    /// The queue.
    pub fleet: Fleet,
    /// How it is doing.
    pub health: Arc<Health>,
    /// What it works on.
    pub roll: Roll,
    /// No time is left: everything is given back.
    pub abandon: CancellationToken,
}

/// How a claim ended.
enum Ended {
    /// Announced. With the outcome's word.
    Over(Decided),
    /// Not announced; to be tried again after so long.
    Again(&'static str, Duration),
    /// Not announced; to be tried again at once, by another agent.
    GivenBack,
    /// Another agent has it.
    Lost,
}

impl Agent {
    /// Works on one delivery until it is acknowledged, put back, or somebody else's.
    pub async fn attend(&self, place: &Place, message: Message) {
        let names = self.fleet.names();
        let (options, environment) = (&self.config.convert, &self.config.environment);
        let Some(parcel) = Parcel::open(message, place.epoch, names, options, environment) else {
            tracing::warn!("A message that is no task was delivered and is left alone");
            return;
        };
        if parcel.number > 1 {
            self.health.redeliveries.inc([]);
        }
        let span = tracing::info_span!(
            "task",
            task = %shown(&parcel.task),
            deployment = parcel.deployment.as_deref().unwrap_or("-"),
            sequence = parcel.order.sequence
        );
        let work = self.work_on(place, &parcel);
        let alive = self.keep_alive(place, &parcel);
        let both = async {
            tokio::select! {
                // Cancel-safe: the second one never ends, and only tells that the first one lives.
                () = work => {}
                () = alive => {}
            }
        };
        both.instrument(span).await;
    }

    /// Tells NATS again and again that the task is worked on.
    async fn keep_alive(&self, place: &Place, parcel: &Parcel) {
        loop {
            tokio::time::sleep(sign_of_life(place)).await;
            let message = self.delivery_of(parcel);
            if let Err(error) = message.ack_with(AckKind::Progress).await {
                tracing::debug!("NATS was not told that the task is worked on: {error}");
            }
        }
    }

    /// The latest delivery of what is worked on.
    fn delivery_of(&self, parcel: &Parcel) -> Arc<Message> {
        match self.roll.find(&parcel.key, parcel.order) {
            Some(running) => running.message(),
            None => Arc::clone(&parcel.message),
        }
    }

    async fn work_on(&self, place: &Place, parcel: &Parcel) {
        let known = self.roll.find(&parcel.key, parcel.order);
        // Locked until the record of the run is what the ledger says: in between it would look as if it were lost.
        let mut held = match &known {
            Some(running) => Some(running.held.lock().await),
            None => None,
        };
        // It may have ended while the lock was waited for.
        if self.roll.find(&parcel.key, parcel.order).is_none() {
            held = None;
        }
        let delivery = parcel.delivery(&self.id, held.is_some());
        let tries = self.config.tries;
        let entered = patiently(&self.abandon, "the ledger", || {
            enter(&self.fleet, parcel, &delivery, place.epoch, tries)
        });
        let entry = match entered.await {
            Some(entry) => entry,
            None => Entry::Later("draining"),
        };
        let entry = match (entry, &known, &mut held) {
            (Entry::Claimed(claimed), Some(running), Some(held)) if claimed.work == Work::GoOn => {
                tracing::info!("NATS delivered again what is worked on here: it goes on");
                **held = claimed.held;
                running.redelivered(Arc::clone(&parcel.message));
                return;
            }
            (entry, ..) => entry,
        };
        drop(held);
        match entry {
            Entry::Over => {
                tracing::info!("{} ended before; the repeat is dropped", parcel.title());
                self.acknowledge(&parcel.message, AckKind::Ack).await;
                self.health.tasks.inc(["duplicate"]);
            }
            Entry::Later(why) => {
                self.health.put_back.inc([why]);
                put_back(&parcel.message, LATER).await;
            }
            Entry::Leave => tracing::debug!("A later delivery of this task is with another agent"),
            Entry::Claimed(claimed) => self.carry_out(place, parcel, *claimed).await,
        }
    }

    async fn carry_out(&self, place: &Place, parcel: &Parcel, claimed: Claimed) {
        let (news, heard) = unbounded_channel();
        let shown = Shown {
            task: shown(&parcel.task),
            deployment_id: parcel.deployment.clone(),
            sequence: parcel.order.sequence,
            tries: claimed.held.record.tries,
            since: jiff::Timestamp::now().to_string(),
        };
        let running = Arc::new(Running::new(
            shown,
            parcel.order,
            parcel.jobs.clone(),
            claimed.held,
            Arc::clone(&parcel.message),
            news,
        ));
        let entered = self.roll.enter(parcel.key.clone(), Arc::clone(&running));
        self.health.in_progress.add([], 1.0);
        let began = Instant::now();
        let ended = match claimed.work {
            Work::Run | Work::GoOn => {
                self.try_once(place, parcel, &running, claimed.lost_jobs, heard)
                    .await
            }
            Work::Announce(decided) => self.announce(parcel, &running, decided).await,
            Work::GiveUp => self.give_up(parcel, &running).await,
        };
        self.health
            .duration
            .observe([], began.elapsed().as_secs_f64());
        self.health.in_progress.add([], -1.0);
        self.settle(parcel, &running, ended).await;
        drop(entered);
    }

    /// Runs the task once, or finds out that there is nothing to run.
    async fn try_once(
        &self,
        place: &Place,
        parcel: &Parcel,
        running: &Running,
        lost: Vec<(crate::ids::JobId, String)>,
        heard: UnboundedReceiver<(JobKey, JobRecord)>,
    ) -> Ended {
        if let Some(outcome) = &parcel.refused {
            let is_dead = judge(outcome, false) == Verdict::Dead;
            return self
                .decide_and_announce(parcel, running, decided(outcome, is_dead))
                .await;
        }
        let (warrant, overseer) = Warrant::shared(parcel.order.occasion());
        for (job, by) in &lost {
            overseer.supersede(job, &superseded_by(by));
        }
        let (acknowledged, acked) = unbounded_channel();
        let (notes, said) = Notes::channel();
        let cancel = CancellationToken::new();
        let announced = running.held.lock().await.record.announced.clone();
        let surroundings = Surroundings {
            environment: self.config.environment.clone(),
            connection: self.config.connection.clone(),
            convert: self.config.convert.clone(),
            announcer: self.announcer(announced, acknowledged),
            notes,
            deadline: Instant::now() + self.config.deadline,
            cancel: cancel.clone(),
            placement_grace: self.config.placement_grace,
            state_dir: self.config.environment.state_dir(),
            rebuild: false,
            echo: Echo::none(),
            warrant,
        };
        let watch = Watch {
            agent: self,
            parcel,
            running,
            overseer,
            cancel,
            silence: Silence::default(),
            is_lost: false,
            is_abandoned: false,
        };
        tracing::info!("{} begins, try {}", parcel.title(), running.shown.tries);
        let payload = &parcel.message.payload;
        let work = run::run(Some(&parcel.task), Some(payload), surroundings);
        let interval = sign_of_life(place);
        watch.over(work, interval, said, acked, heard).await
    }

    /// Announces to NATS without an outbox: what this try cannot deliver, the next one does.
    fn announcer(
        &self,
        announced: std::collections::BTreeSet<String>,
        acknowledged: tokio::sync::mpsc::UnboundedSender<String>,
    ) -> Announcer {
        let whole = LogLimits::default();
        let share = self.config.concurrency.max(1);
        let config = AnnouncerConfig {
            nats: Some(self.config.nats.clone()),
            prefix: self.config.prefix.clone(),
            state_dir: None,
            stdout: Box::new(std::io::sink()),
            clock: Arc::new(jiff::Timestamp::now),
            log_limits: LogLimits {
                bytes: (2 * whole.bytes / share).min(whole.bytes),
                ..whole
            },
        };
        let ledger = SharedLedger {
            announced: announced.into_iter().collect(),
            acknowledged,
        };
        Announcer::start_shared(config, ledger)
    }

    /// The task was begun as often as it may be, and nobody lived to see its end.
    async fn give_up(&self, parcel: &Parcel, running: &Running) -> Ended {
        let reason = format!(
            "given up after {} tries: none of the agents that began it lived to end it",
            running.shown.tries
        );
        let decided = Decided {
            outcome: Outcome::Failed(String::new()).word().to_owned(),
            is_success: false,
            reason,
            is_dead: true,
        };
        self.decide_and_announce(parcel, running, decided).await
    }

    async fn decide_and_announce(
        &self,
        parcel: &Parcel,
        running: &Running,
        decided: Decided,
    ) -> Ended {
        let mut held = running.held.lock().await;
        let written = held
            .write(&self.fleet, &self.abandon, |record| {
                record.decided = Some(decided.clone());
            })
            .await;
        drop(held);
        match written {
            Written::Yes => self.announce(parcel, running, decided).await,
            Written::Lost => Ended::Lost,
            Written::Unknown => Ended::GivenBack,
        }
    }

    /// Announces what was decided, and nothing else.
    async fn announce(&self, parcel: &Parcel, running: &Running, decided: Decided) -> Ended {
        let announced = running.held.lock().await.record.announced.clone();
        let (acknowledged, mut acked) = unbounded_channel();
        let announcer = self.announcer(announced, acknowledged);
        let end = match decided.is_success {
            true => Ok(()),
            false => Err(decided.reason.as_str()),
        };
        let (options, payload) = (&self.config.convert, &parcel.message.payload);
        let delivery = run::announce_decided(&parcel.task, payload, options, end, &announcer).await;
        let mut ids = Vec::new();
        while let Ok(id) = acked.try_recv() {
            ids.push(id);
        }
        if delivery.pending.is_empty() {
            return Ended::Over(decided);
        }
        self.unannounced(running, ids, delivery.reason.as_deref())
            .await
    }

    /// Notes what was acknowledged, so that the next try announces the rest.
    async fn unannounced(
        &self,
        running: &Running,
        ids: Vec<String>,
        reason: Option<&str>,
    ) -> Ended {
        tracing::warn!(
            "not all events were acknowledged{}; they are announced again later",
            reason.map_or_else(String::new, |reason| format!(" ({reason})"))
        );
        let mut held = running.held.lock().await;
        let written = held
            .write(&self.fleet, &self.abandon, |record| {
                record.announced.extend(ids.iter().cloned());
            })
            .await;
        match written {
            Written::Lost => Ended::Lost,
            Written::Yes | Written::Unknown => {
                Ended::Again("unannounced", pause(running.shown.tries.max(2)))
            }
        }
    }

    async fn settle(&self, parcel: &Parcel, running: &Running, ended: Ended) {
        match ended {
            Ended::Over(decided) => self.conclude(parcel, running, &decided).await,
            Ended::Again(why, after) => {
                tracing::warn!(
                    "{} is tried again in {} s ({why})",
                    parcel.title(),
                    after.as_secs()
                );
                self.health.put_back.inc([why]);
                put_back(&running.message(), after).await;
            }
            Ended::GivenBack => {
                tracing::info!("{} is given back to the queue", parcel.title());
                let mut held = running.held.lock().await;
                // Not a try that failed. Best effort: without it the task has one try less.
                let stop = CancellationToken::new();
                let write = held.write(&self.fleet, &stop, |record| {
                    record.tries = record.tries.saturating_sub(1);
                });
                let _ = tokio::time::timeout(LATER, write).await;
                self.health.put_back.inc(["draining"]);
                put_back(&running.message(), Duration::ZERO).await;
            }
            Ended::Lost => {
                tracing::warn!(
                    "{} was taken over by another agent while NATS could not be reached; this one \
                     is silent about it",
                    parcel.title()
                );
                self.health.put_back.inc(["lost"]);
            }
        }
    }

    /// Everything is announced: kept if it is dead, noted, acknowledged.
    async fn conclude(&self, parcel: &Parcel, running: &Running, decided: &Decided) {
        if decided.is_dead {
            let letter = DeadLetter {
                task: shown(&parcel.task),
                deployment_id: parcel.deployment.clone(),
                sequence: parcel.order.sequence,
                message_id: parcel.message_id.clone(),
                tries: running.shown.tries,
                reason: decided.reason.clone(),
                params_bytes: parcel.message.payload.len(),
                agent: self.id.clone(),
                at: jiff::Timestamp::now().to_string(),
            };
            let buried = patiently(&self.abandon, "the stream of dead letters", || {
                self.fleet.bury(&letter, parcel.order)
            });
            if buried.await.is_none() {
                return put_back(&running.message(), Duration::ZERO).await;
            }
            self.health.dead_letters.inc([]);
        }
        let mut held = running.held.lock().await;
        let written = held
            .write(&self.fleet, &self.abandon, |record| {
                record.decided = Some(decided.clone());
                record.is_over = true;
            })
            .await;
        drop(held);
        if written == Written::Unknown {
            // Whoever gets it announces the same once more, which the stream of the events drops by its id.
            return put_back(&running.message(), Duration::ZERO).await;
        }
        let kind = match decided.is_dead {
            true => AckKind::Term,
            false => AckKind::Ack,
        };
        self.acknowledge(&running.message(), kind).await;
        let word = match decided.is_dead {
            true => "dead",
            false => decided.outcome.as_str(),
        };
        self.health.tasks.inc([word]);
        tracing::info!("{} ended: {word}", parcel.title());
    }

    /// Acknowledges and waits until NATS has heard it.
    async fn acknowledge(&self, message: &Message, kind: AckKind) {
        let heard = async {
            while let Err(error) = message.double_ack_with(kind).await {
                tracing::debug!("NATS did not hear the acknowledgement: {error}");
                tokio::time::sleep(SHORTEST).await;
            }
        };
        tokio::select! {
            // Cancel-safe: an acknowledgement that is not heard makes the task come again, to be known as over.
            done = tokio::time::timeout(ACKNOWLEDGING, heard) => if done.is_err() {
                tracing::warn!("NATS did not hear that the task is over; it comes again and is known then");
            },
            () = self.abandon.cancelled() => {}
        }
    }
}

/// Everything around one run.
struct Watch<'a> {
    agent: &'a Agent,
    parcel: &'a Parcel,
    running: &'a Running,
    overseer: Overseer,
    cancel: CancellationToken,
    silence: Silence,
    is_lost: bool,
    is_abandoned: bool,
}

impl Watch<'_> {
    /// Runs `work` to its end and answers its questions meanwhile.
    async fn over(
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

    fn supersede(&self, job: &crate::ids::JobId, by: &str) {
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

fn decided(outcome: &Outcome, is_dead: bool) -> Decided {
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

/// How often NATS is told that a task is worked on: three times as often as it wants to hear it.
fn sign_of_life(place: &Place) -> Duration {
    (place.ack_wait / 3).max(SHORTEST)
}

/// Gives a delivery back, to be delivered again after a while.
async fn put_back(message: &Message, after: Duration) {
    let after = (!after.is_zero()).then_some(after);
    if let Err(error) = message.ack_with(AckKind::Nak(after)).await {
        tracing::debug!("NATS was not told to deliver the task again; it will by itself: {error}");
    }
}

/// A task's name as it may be shown: whoever submits chooses it.
fn shown(task: &str) -> String {
    task.chars().filter(|c| !c.is_control()).take(64).collect()
}
