//! What handlers and background work share.

use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::http::HeaderName;
use jiff::SignedDuration;
use tokio::sync::{Notify, Semaphore};
use tokio_util::task::TaskTracker;

use super::feed::Feed;
use super::metrics::Metrics;
use super::relay::{NatsHealth, NatsTarget};
use super::settings::{Cluster, Limits, ServerSettings};
use super::tls::Tls;
use super::traces::Traces;
use crate::bridge::limiter::Limiter;
use crate::bridge::sender::Network;
use crate::clients::jenkins::Jenkins;
use crate::secret::Secret;
use crate::store::Store;

/// How long a process that died keeps its work. Renewed three times as often.
pub(super) const LEASE: Duration = Duration::from_secs(15);

/// What handlers and background work share.
pub(super) struct Shared {
    pub(super) store: Store,
    /// Names this process in leases.
    pub(super) owner: String,
    pub(super) api_token: Secret,
    pub(super) webhook_secret: Secret,
    pub(super) signature_header: HeaderName,
    pub(super) webhook_tolerance: SignedDuration,
    limiter: Option<Mutex<Limiter<IpAddr>>>,
    pub(super) trusted_proxies: Vec<Network>,
    pub(super) jenkins: Option<Jenkins>,
    pub(super) cluster: Cluster,
    pub(super) tls: Option<Tls>,
    pub(super) limits: Limits,
    pub(super) feed: Feed,
    pub(super) readers: Arc<Semaphore>,
    /// A rollout is due.
    pub(super) rollout_due: Notify,
    /// Which traces deployments belong to.
    pub(super) traces: Traces,
    /// Runs that this process works on: a lease that ran out while the database was away is no reason to do it twice.
    working: Mutex<HashSet<String>>,
    /// Work that requests began.
    pub(super) tasks: TaskTracker,
    pub(super) metrics: Metrics,
    pub(super) nats_health: Option<NatsHealth>,
}

impl Shared {
    pub(super) fn new(settings: ServerSettings, store: Store) -> (Option<NatsTarget>, Self) {
        let limits = settings.limits;
        let nats_health = settings.nats.as_ref().map(|_| NatsHealth::default());
        let shared = Self {
            store,
            owner: uuid::Uuid::new_v4().to_string(),
            api_token: settings.api_token,
            webhook_secret: settings.webhook_secret,
            signature_header: settings.signature_header,
            webhook_tolerance: SignedDuration::try_from(settings.webhook_tolerance)
                .unwrap_or(SignedDuration::MAX),
            limiter: settings
                .webhook_rate
                .map(|rate| Mutex::new(Limiter::new(rate))),
            trusted_proxies: settings.trusted_proxies,
            jenkins: settings.jenkins,
            cluster: settings.cluster,
            tls: settings.tls,
            limits,
            feed: Feed::default(),
            readers: Arc::new(Semaphore::new(limits.readers)),
            rollout_due: Notify::new(),
            traces: Traces::default(),
            working: Mutex::default(),
            tasks: TaskTracker::new(),
            metrics: Metrics::default(),
            nats_health,
        };
        (settings.nats.map(NatsTarget::from), shared)
    }

    /// Whether a sender may speak now; otherwise how long they have to wait.
    pub(super) fn admit(&self, sender: IpAddr) -> Result<(), Duration> {
        let Some(limiter) = &self.limiter else {
            return Ok(());
        };
        let mut limiter = limiter.lock().unwrap_or_else(PoisonError::into_inner);
        limiter.take(&sender, Instant::now())
    }

    /// Takes a run to work on; `None` when this process works on it already.
    pub(super) fn take_up(self: &Arc<Self>, run: &str) -> Option<Working> {
        let mut working = self.working.lock().unwrap_or_else(PoisonError::into_inner);
        working.insert(run.to_owned()).then(|| Working {
            shared: Arc::clone(self),
            run: run.to_owned(),
        })
    }

    /// Until when a lease that is taken now holds.
    pub(super) fn lease_until(&self) -> i64 {
        now() + i64::try_from(LEASE.as_millis()).expect("some seconds")
    }
}

/// A run that this process works on, until this is dropped.
pub(super) struct Working {
    shared: Arc<Shared>,
    run: String,
}

impl Drop for Working {
    fn drop(&mut self) {
        let working = &self.shared.working;
        let mut working = working.lock().unwrap_or_else(PoisonError::into_inner);
        working.remove(&self.run);
    }
}

/// Milliseconds since the epoch.
pub(super) fn now() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}
