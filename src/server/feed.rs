//! Events for whoever looks on: read from the database once, handed to any number of readers.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use super::state::Shared;
use crate::clients::chain;
use crate::store::StoredEvent;

/// Events in memory. Readers that are further behind read the database.
const MOST: usize = 1024;

/// How often the database is looked at without being told: another server may write there too.
const LOOK: Duration = Duration::from_secs(1);

/// Events of one read.
const PAGE: i64 = 200;

/// The last events.
#[derive(Debug)]
pub(super) struct Feed {
    ring: Mutex<Ring>,
    /// Number of the last event in the ring.
    last: watch::Sender<i64>,
    wake: Notify,
}

#[derive(Debug, Default)]
struct Ring {
    events: VecDeque<Arc<StoredEvent>>,
    /// Events after this number are all in the ring.
    since: i64,
}

impl Default for Feed {
    fn default() -> Self {
        Self {
            ring: Mutex::default(),
            last: watch::Sender::new(-1),
            wake: Notify::new(),
        }
    }
}

impl Feed {
    /// Something was committed.
    pub(super) fn wake(&self) {
        self.wake.notify_one();
    }

    /// Tells when there is more; its value is the number of the last event, -1 before the first look.
    pub(super) fn watch(&self) -> watch::Receiver<i64> {
        self.last.subscribe()
    }

    /// Events after a number; `None` when they are only in the database.
    pub(super) fn after(&self, seq: i64) -> Option<Vec<Arc<StoredEvent>>> {
        let ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        if seq < ring.since {
            return None;
        }
        let from = ring.events.partition_point(|event| event.seq <= seq);
        let more = ring.events.iter().skip(from);
        Some(more.take(PAGE.unsigned_abs() as usize).cloned().collect())
    }

    fn start(&self, last: i64) {
        let mut ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        ring.since = last;
        drop(ring);
        self.last.send_replace(last);
    }

    fn push(&self, events: Vec<StoredEvent>) {
        let mut ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        for event in events {
            if ring.events.len() >= MOST
                && let Some(gone) = ring.events.pop_front()
            {
                ring.since = gone.seq;
            }
            ring.events.push_back(Arc::new(event));
        }
        let last = ring.events.back().map(|event| event.seq);
        drop(ring);
        if let Some(last) = last {
            self.last.send_replace(last);
        }
    }
}

/// Reads events as they come until `stop` is cancelled.
pub(super) async fn tail(shared: Arc<Shared>, stop: CancellationToken) {
    let feed = &shared.feed;
    let mut last = None;
    loop {
        match read(&shared, last).await {
            Ok((now, more)) => {
                last = Some(now);
                if more {
                    continue;
                }
            }
            Err(error) => tracing::debug!("events cannot be read: {}", chain(&error)),
        }
        // Cancel-safe: only waits.
        tokio::select! {
            () = feed.wake.notified() => {}
            () = tokio::time::sleep(LOOK) => {}
            () = stop.cancelled() => return,
        }
    }
}

/// Reads once. Number of the last event, and whether there may be more.
async fn read(shared: &Shared, last: Option<i64>) -> Result<(i64, bool), crate::store::StoreError> {
    let Some(last) = last else {
        let (_, last) = shared.store.event_range().await?;
        shared.feed.start(last);
        return Ok((last, false));
    };
    let events = shared.store.events_after(last, PAGE).await?;
    let Some(newest) = events.last().map(|event| event.seq) else {
        return Ok((last, false));
    };
    let is_full = events.len() == PAGE.unsigned_abs() as usize;
    shared.feed.push(events);
    Ok((newest, is_full))
}
