//! One delivery from its claim to its acknowledgement.
//!
//! A run is only ever stopped for one of three reasons, and each has its own end: a later task took its job over (it
//! ends as superseded, which is announced), another agent took the task over (silence), or this agent has to go (it gives
//! the task back, silently). Nothing is acknowledged before its events are.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::{AckKind, Message};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use super::claim::{Decided, JobRecord, Work};
use super::enter::{Claimed, Entry, enter, superseded_by};
use super::fleet::{Fleet, Place};
use super::health::Health;
use super::held::{Written, patiently};
use super::names::JobKey;
use super::parcel::Parcel;
use super::running::{Roll, Running, Shown};
use super::settle::{Ended, put_back};
use super::verdict::{Silence, Verdict, judge};
use super::watch::{Watch, decided};
use crate::clients::nomad::connection::ConnectionConfig;
use crate::config::Environment;
use crate::controller::log::Echo;
use crate::controller::note::{Note, Notes};
use crate::controller::run::{self, Surroundings};
use crate::controller::warrant::Warrant;
use crate::dispatch::ConvertOptions;
use crate::events::{
    Announcer, AnnouncerConfig, LogLimits, NatsConfig, SharedLedger, SubjectPrefix,
};
use crate::ids::JobId;
use crate::observe::{self, Kind, Run};
use crate::reconcile::Outcome;

/// How long a task that has to wait for another one stays away.
///
/// 1 s: the other one was told to make way, or runs for a second or a quarter of an hour; nobody waits in a slot meanwhile.
pub(super) const LATER: Duration = Duration::from_secs(1);

/// Least time between two signs of life.
pub(super) const SHORTEST: Duration = Duration::from_millis(250);

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
        let run = recorded(parcel, &claimed);
        run.around(self.carry_out_recorded(place, parcel, claimed))
            .await;
        run.end();
    }

    async fn carry_out_recorded(&self, place: &Place, parcel: &Parcel, claimed: Claimed) {
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
        lost: Vec<(JobId, String)>,
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
        announced: BTreeSet<String>,
        acknowledged: UnboundedSender<String>,
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
}

/// One try of a task as a run of its own, in the trace of whoever submitted it.
fn recorded(parcel: &Parcel, claimed: &Claimed) -> Run {
    let submitted = observe::of_message(parcel.message.headers.as_ref());
    let of_params = observe::of_params(&parcel.message.payload);
    let parent = submitted.clone().or_else(|| of_params.clone());
    let run = Run::begin(
        format!("process {}", shown(&parcel.task)),
        Kind::Consumer,
        parent,
    );
    let others = [submitted, of_params].into_iter().flatten();
    others.for_each(|other| run.link(other));
    run.set("messaging.operation.name", "process");
    run.set("messaging.operation.type", "process");
    run.set("messaging.system", "nats");
    run.set(
        "messaging.destination.name",
        parcel.message.subject.as_str(),
    );
    if let Some(id) = &parcel.message_id {
        run.set("messaging.message.id", id.as_str());
    }
    run.set("cs.task", shown(&parcel.task));
    run.set("cs.try", u64::from(claimed.held.record.tries));
    run
}

/// How often NATS is told that a task is worked on: three times as often as it wants to hear it.
fn sign_of_life(place: &Place) -> Duration {
    (place.ack_wait / 3).max(SHORTEST)
}

/// A task's name as it may be shown: whoever submits chooses it.
pub(super) fn shown(task: &str) -> String {
    task.chars()
        .filter(|c| !crate::plain::steers(*c))
        .take(64)
        .collect()
}
