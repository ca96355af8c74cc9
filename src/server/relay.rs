//! Events for NATS: from the table, in order, each acknowledged before it counts as published.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio_util::sync::CancellationToken;

use super::runs::pause;
use super::state::{Shared, now};
use crate::clients::chain;
use crate::events::{
    Disposition, EventSink as _, Message, NatsConfig, NatsSink, Subject, SubjectPrefix,
};
use crate::store::StoredEvent;

/// Messages of one round.
const BATCH: i64 = 100;

/// How often the table is looked at without being told.
const LOOK: Duration = Duration::from_secs(5);

/// Pauses after a failure: the first and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(15));

/// Where events go.
pub(super) struct NatsTarget {
    sink: NatsSink,
    prefix: SubjectPrefix,
}

impl From<(NatsConfig, SubjectPrefix)> for NatsTarget {
    fn from((config, prefix): (NatsConfig, SubjectPrefix)) -> Self {
        Self {
            sink: NatsSink::new(config),
            prefix,
        }
    }
}

/// Whether the last attempt went well.
#[derive(Debug, Default)]
pub(super) struct NatsHealth(AtomicBool);

impl NatsHealth {
    pub(super) fn is_well(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    fn set(&self, is_well: bool) {
        self.0.store(is_well, Ordering::Relaxed);
    }
}

/// Sends until `stop` is cancelled. What is left then stays in the table.
pub(super) async fn run(shared: Arc<Shared>, target: Option<NatsTarget>, stop: CancellationToken) {
    let (Some(mut target), Some(health)) = (target, &shared.nats_health) else {
        return;
    };
    let mut last = shared.feed.watch();
    let mut wait = PAUSES.0;
    loop {
        // Cancel-safe: what was sent and not marked is sent again under the same id.
        let round = tokio::select! {
            round = round(&shared, &mut target) => round,
            () = stop.cancelled() => break,
        };
        match round {
            Ok(more) => {
                if !health.is_well() {
                    tracing::info!("events go to NATS");
                }
                health.set(true);
                wait = PAUSES.0;
                if more {
                    continue;
                }
            }
            Err(why) => {
                if health.is_well() || wait == PAUSES.0 {
                    tracing::warn!("events wait in the database: {why}");
                }
                health.set(false);
                if !pause(wait, &stop).await {
                    break;
                }
                wait = (wait * 2).min(PAUSES.1);
                continue;
            }
        }
        // Cancel-safe: only waits.
        tokio::select! {
            changed = last.changed() => { if changed.is_err() { break; } }
            () = tokio::time::sleep(LOOK) => {}
            () = stop.cancelled() => break,
        }
    }
    target.sink.close().await;
}

/// Sends what waits. Whether there may be more.
async fn round(shared: &Shared, target: &mut NatsTarget) -> Result<bool, String> {
    let events = shared.store.unpublished(BATCH).await;
    let events = events.map_err(|error| chain(&error))?;
    if events.is_empty() {
        // So that it is known whether NATS is there before there is anything to send.
        let opened = target.sink.open().await;
        opened.map_err(|error| chain(&error))?;
        return Ok(false);
    }
    let messages: Vec<Message> = events
        .iter()
        .map(|event| message(event, &target.prefix))
        .collect();
    let (sent, failure) = match target.sink.publish(&messages).await {
        Ok(()) => (events.len(), None),
        Err(failure) => (failure.acknowledged, Some(failure.error)),
    };
    let gone = failure
        .as_ref()
        .is_some_and(|error| error.disposition() == Disposition::GiveUp);
    if let (true, Some(event)) = (gone, events.get(sent)) {
        tracing::error!(
            event.id,
            "NATS will never take event {}: it is left out",
            event.id
        );
    }
    let settled = sent + usize::from(gone);
    if let Some(last) = settled.checked_sub(1).and_then(|at| events.get(at)) {
        let marked = shared.store.published(last.seq, now()).await;
        marked.map_err(|error| chain(&error))?;
        shared.metrics.published(sent);
    }
    match failure {
        Some(error) if !gone => Err(chain(&error)),
        _ => Ok(true),
    }
}

fn message(event: &StoredEvent, prefix: &SubjectPrefix) -> Message {
    Message {
        id: event.id.clone(),
        subject: Subject::cicd(prefix, &event.name),
        payload: Bytes::from(event.payload.clone()),
        trace: None,
    }
}
