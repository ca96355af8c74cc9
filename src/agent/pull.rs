//! Takes tasks as there are free slots, until told to stop; then waits for what runs, or gives it back.

use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::{AckKind, Message};
use futures::StreamExt;
use serde::{Deserialize, Serialize};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::attend::Agent;
use super::claim::JobRecord;
use super::fleet::{FleetError, Place};
use super::running::Shown;
use crate::clients::chain;

/// How long one request for tasks stands. Slots that get free meanwhile are asked for with the next one.
const REQUEST: Duration = Duration::from_secs(2);

/// First and longest wait after the queue could not be used.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(10));

/// Longest wait for runs that were told to stop: 2 s to clear up, 3 s for events, and some air.
const CLEARING_UP: Duration = Duration::from_secs(10);

/// What an agent answers when it is asked what it is doing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RollCall {
    /// Its id.
    pub agent: String,
    /// How many tasks it works on at a time.
    pub slots: usize,
    /// It takes no new tasks.
    pub is_draining: bool,
    /// What it works on.
    pub tasks: Vec<Shown>,
}

/// How an agent ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drained {
    /// Tasks that did not end in time and were given back.
    pub given_back: usize,
}

/// Works until `stop`, then lets what runs end for as long as [`AgentConfig::drain`](super::attend::AgentConfig::drain)
/// says. `connected` tells whether there is a connection.
///
/// # Cancel safety
/// Dropping it is as a crash: every task is delivered to somebody else once NATS has lost patience.
pub async fn work(
    agent: Arc<Agent>,
    connected: watch::Receiver<bool>,
    stop: &CancellationToken,
) -> Drained {
    let listening = CancellationToken::new();
    let listener = tokio::spawn(listen(Arc::clone(&agent), stop.clone(), listening.clone()));
    let mut tasks = JoinSet::new();
    take(&agent, connected, stop, &mut tasks).await;
    agent.health.set_draining();
    let drained = drain(&agent, tasks).await;
    listening.cancel();
    // It ends by itself now; what it was doing changes nothing.
    let _ = listener.await;
    // What was put back is only on its way: nobody waits for an answer.
    if let Err(error) = agent.fleet.client().flush().await {
        tracing::debug!("NATS was not flushed at the end: {error}");
    }
    drained
}

async fn take(
    agent: &Arc<Agent>,
    mut connected: watch::Receiver<bool>,
    stop: &CancellationToken,
    tasks: &mut JoinSet<()>,
) {
    let slots = Arc::new(Semaphore::new(agent.config.concurrency));
    agent.health.slots.set([], count(agent.config.concurrency));
    let mut trouble = Trouble::default();
    while !stop.is_cancelled() {
        let turn = async {
            // An error means that the connection is gone for good, with the process.
            let _ = connected.wait_for(|connected| *connected).await;
            agent.fleet.place().await
        };
        let place = tokio::select! {
            // Cancel-safe: only looks.
            () = stop.cancelled() => return,
            place = turn => place,
        };
        let error = match place {
            Ok(place) => {
                if trouble.refused == 0 {
                    trouble.over(agent);
                }
                let mut taking = Taking {
                    agent,
                    place: Arc::new(place),
                    stop,
                    tasks,
                };
                let Err(error) = taking.requests(&mut connected, &slots, &mut trouble).await else {
                    continue;
                };
                trouble.refused += 1;
                if trouble.refused == 1 {
                    // The next look tells what is wrong, if it still is.
                    tracing::debug!("asks for tasks anew: {}", chain(&error));
                    agent.health.set_trouble(Some(chain(&error)));
                    continue;
                }
                error
            }
            Err(error) => error,
        };
        let pause = trouble.pause(agent, &error);
        tokio::select! {
            // Cancel-safe: a clock and a flag.
            () = stop.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// Waits for a free slot and takes all that are free.
async fn free_slots(slots: &Arc<Semaphore>) -> Vec<OwnedSemaphorePermit> {
    let first = Arc::clone(slots).acquire_owned().await;
    let mut permits: Vec<_> = first.into_iter().collect();
    while let Ok(permit) = Arc::clone(slots).try_acquire_owned() {
        permits.push(permit);
    }
    permits
}

/// What requests for tasks have in common.
struct Taking<'a> {
    agent: &'a Arc<Agent>,
    place: Arc<Place>,
    stop: &'a CancellationToken,
    tasks: &'a mut JoinSet<()>,
}

impl Taking<'_> {
    /// Asks for tasks again and again, until the connection was lost, something is wrong, or `stop`.
    async fn requests(
        &mut self,
        connected: &mut watch::Receiver<bool>,
        slots: &Arc<Semaphore>,
        trouble: &mut Trouble,
    ) -> Result<(), FleetError> {
        connected.mark_unchanged();
        loop {
            while self.tasks.try_join_next().is_some() {}
            let permits = tokio::select! {
                // Cancel-safe: a permit that is not taken stays.
                biased;
                () = self.stop.cancelled() => return Ok(()),
                permits = free_slots(slots) => permits,
            };
            // Made anew on the other side: the streams may be others.
            if connected.has_changed().unwrap_or(true) || !*connected.borrow() {
                return Ok(());
            }
            self.request(permits).await?;
            trouble.over(self.agent);
        }
    }

    /// Asks for as many tasks as there are permits, and begins what it gets.
    async fn request(&mut self, mut permits: Vec<OwnedSemaphorePermit>) -> Result<(), FleetError> {
        let failed = |why: String| FleetError::Call {
            doing: "asking for tasks",
            why,
        };
        let request = self
            .place
            .consumer
            .batch()
            .max_messages(permits.len())
            .expires(REQUEST)
            .messages();
        let mut messages = request.await.map_err(|error| failed(chain(&error)))?;
        // To its end also after `stop`: what is on its way would else be missed until NATS loses patience.
        while let Some(message) = messages.next().await {
            let message = message.map_err(|error| failed(error.to_string()))?;
            match permits.pop() {
                Some(permit) if !self.stop.is_cancelled() => self.begin(message, permit),
                _ => {
                    if let Err(error) = message.ack_with(AckKind::Nak(None)).await {
                        tracing::debug!("a task was not given back: {error}");
                    }
                }
            }
        }
        Ok(())
    }

    fn begin(&mut self, message: Message, permit: OwnedSemaphorePermit) {
        let (agent, place) = (Arc::clone(self.agent), Arc::clone(&self.place));
        self.tasks.spawn(async move {
            agent.attend(&place, message).await;
            drop(permit);
        });
    }
}

async fn drain(agent: &Arc<Agent>, mut tasks: JoinSet<()>) -> Drained {
    while tasks.try_join_next().is_some() {}
    if !tasks.is_empty() {
        tracing::info!(
            "{} task(s) run; they get {} s",
            tasks.len(),
            agent.config.drain.as_secs()
        );
    }
    let all = async { while tasks.join_next().await.is_some() {} };
    if tokio::time::timeout(agent.config.drain, all).await.is_ok() {
        return Drained { given_back: 0 };
    }
    let given_back = tasks.len();
    tracing::warn!("{given_back} task(s) did not end in time and are given back to the queue");
    agent.abandon.cancel();
    let all = async { while tasks.join_next().await.is_some() {} };
    if tokio::time::timeout(CLEARING_UP, all).await.is_err() {
        tracing::warn!(
            "{} task(s) do not stop; they are delivered to others once NATS has lost patience",
            tasks.len()
        );
    }
    Drained { given_back }
}

/// Says what is wrong once, until it changes, with growing pauses.
#[derive(Default)]
struct Trouble {
    said: Option<String>,
    times: u32,
    /// Requests in a row that ended with an error.
    refused: u32,
}

impl Trouble {
    fn pause(&mut self, agent: &Agent, error: &FleetError) -> Duration {
        let text = chain(error);
        if self.said.as_deref() != Some(&text) {
            tracing::warn!("No tasks are taken: {text}");
            self.said = Some(text.clone());
        }
        agent.health.set_trouble(Some(text));
        let pause = BACKOFF.0.saturating_mul(1 << self.times.min(10));
        self.times += 1;
        pause.min(BACKOFF.1)
    }

    fn over(&mut self, agent: &Agent) {
        if self.said.take().is_some() {
            tracing::info!("Tasks are taken again");
        }
        self.times = 0;
        self.refused = 0;
        agent.health.set_trouble(None);
    }
}

/// Hears what other agents write about jobs, and answers when it is asked what it is doing. Hints only: whoever needs to
/// be sure looks into the ledger.
async fn listen(agent: Arc<Agent>, stop: CancellationToken, ended: CancellationToken) {
    let client = agent.fleet.client().clone();
    let names = agent.fleet.names().clone();
    let jobs = client.subscribe(names.job_records()).await;
    let calls = client.subscribe(names.roll_call()).await;
    let (Ok(mut jobs), Ok(mut calls)) = (jobs, calls) else {
        tracing::warn!("NATS takes no subscription; later tasks are noticed a little later");
        return;
    };
    loop {
        tokio::select! {
            // Cancel-safe: a hint that is lost is found out by the next look.
            () = ended.cancelled() => return,
            Some(message) = jobs.next() => {
                let record = serde_json::from_slice::<JobRecord>(&message.payload);
                if let (Some(job), Ok(record)) = (names.job_of(&message.subject), record) {
                    agent.roll.tell(&job, &record);
                }
            }
            Some(call) = calls.next() => {
                let Some(reply) = call.reply else { continue };
                let answer = RollCall {
                    agent: agent.id.clone(),
                    slots: agent.config.concurrency,
                    is_draining: stop.is_cancelled(),
                    tasks: agent.roll.shown(),
                };
                let answer = serde_json::to_vec(&answer).expect("plain data with text keys");
                if let Err(error) = client.publish(reply, answer.into()).await {
                    tracing::debug!("the roll call was not answered: {error}");
                }
            }
        }
    }
}

fn count(number: usize) -> f64 {
    f64::from(u32::try_from(number).unwrap_or(u32::MAX))
}
