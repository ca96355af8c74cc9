//! Starting, driving and stopping a simulator.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Serialize;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::clock::Clock;
use super::deed;
use super::faults::{FaultState, Faults};
use super::http;
use super::listener::{Cut, Gate};
use super::world::time::Nanos;
use super::world::{Node, Timing, World, WorldOptions};
use crate::secret::Secret;

/// What a simulator starts with.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where it listens; port 0 takes a free one.
    pub bind: SocketAddr,
    /// Nodes.
    pub nodes: Vec<Node>,
    /// Node pools besides `all` and `default`.
    pub pools: Vec<String>,
    /// Namespaces besides `default`.
    pub namespaces: Vec<String>,
    /// Virtual seconds per real second; above 0. 1 is about as fast as a real cluster.
    pub speed: f64,
    /// Seed of ids and jitter.
    pub seed: u64,
    /// A token that every request must bring; none by default.
    pub token: Option<Secret>,
    /// What goes wrong from the start.
    pub faults: Faults,
    /// Connections of one address (`http_max_conns_per_client`).
    pub max_connections: usize,
    /// When virtual time starts, in nanoseconds since the epoch; now by default.
    pub start: Option<Nanos>,
    /// How long the cluster takes for things.
    pub timing: Timing,
    /// How many of the last requests it remembers, some 350 bytes each.
    pub remembered: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            bind: SocketAddr::from(([127, 0, 0, 1], 0)),
            nodes: vec![Node::linux(String::new(), "client-1".to_owned())],
            pools: Vec::new(),
            namespaces: Vec::new(),
            speed: 1.0,
            seed: 1,
            token: None,
            faults: Faults::default(),
            max_connections: 100,
            start: None,
            timing: Timing::default(),
            remembered: 100_000,
        }
    }
}

impl Options {
    /// With more pools, whose jobs every node takes beside those of its own pool. Call it after [`Self::with_nodes`].
    #[must_use]
    pub fn with_shared_pools(mut self, pools: impl IntoIterator<Item = String>) -> Self {
        self.pools.extend(pools);
        for node in &mut self.nodes {
            node.serves.clone_from(&self.pools);
        }
        self
    }

    /// With this many equal Linux nodes.
    #[must_use]
    pub fn with_nodes(mut self, count: usize) -> Self {
        self.nodes = (1..=count)
            .map(|number| Node::linux(String::new(), format!("client-{number}")))
            .collect();
        self
    }
}

/// A request that the simulator received. No token, no body.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Logged {
    /// Method.
    pub method: String,
    /// Path, decoded.
    pub path: String,
    /// Namespace.
    pub namespace: String,
    /// Query.
    pub query: String,
    /// Status of the answer; 0 when there was none.
    pub status: u16,
    /// `JobModifyIndex` of a write that enforces it.
    pub enforce_index: Option<u64>,
    /// `cas` of a write of a variable.
    pub cas: Option<u64>,
}

impl Logged {
    /// Whether it was to change something. Plans, parses, validations and searches are not.
    #[must_use]
    pub fn is_write(&self) -> bool {
        let harmless = self.path.ends_with("/plan")
            || self.path.starts_with("/v1/search")
            || matches!(
                self.path.as_str(),
                "/v1/jobs/parse" | "/v1/jobs/statuses" | "/v1/validate/job"
            );
        self.method != "GET" && !harmless && self.path.starts_with("/v1/")
    }
}

/// The last requests, each with its number. A cluster that runs for weeks must not remember all.
#[derive(Debug)]
pub(super) struct RequestLog {
    pub(super) entries: VecDeque<Logged>,
    most: usize,
    /// Number of the first of them.
    first: usize,
}

impl RequestLog {
    fn new(most: usize) -> Self {
        Self {
            entries: VecDeque::new(),
            most: most.max(1),
            first: 0,
        }
    }

    /// Remembers a request. Returns its number.
    pub(super) fn push(&mut self, logged: Logged) -> usize {
        if self.entries.len() == self.most {
            self.entries.pop_front();
            self.first += 1;
        }
        self.entries.push_back(logged);
        self.first + self.entries.len() - 1
    }

    /// A request by its number, unless it was forgotten.
    pub(super) fn get_mut(&mut self, number: usize) -> Option<&mut Logged> {
        self.entries.get_mut(number.checked_sub(self.first)?)
    }

    pub(super) fn clear(&mut self) {
        self.first += self.entries.len();
        self.entries.clear();
    }
}

/// What connections, requests and the clock share.
pub(super) struct Shared {
    world: Mutex<World>,
    faults: Mutex<FaultState>,
    pub(super) log: Mutex<RequestLog>,
    pub(super) clock: Clock,
    base_speed: f64,
    pub(super) changed: watch::Sender<u64>,
    pub(super) stop: CancellationToken,
    pub(super) token: Option<Secret>,
    pub(super) max_connections: usize,
}

impl Shared {
    /// A world as the options say, from now on.
    pub(super) fn new(options: Options) -> Arc<Self> {
        let start = options.start.unwrap_or_else(real_now);
        let speed = options.faults.speed.unwrap_or(options.speed).max(1e-6);
        let mut world = World::new(WorldOptions {
            nodes: options.nodes,
            pools: options.pools,
            namespaces: options.namespaces,
            seed: options.seed,
            now: start,
            timing: options.timing,
            ..WorldOptions::default()
        });
        world.scripts.0.clone_from(&options.faults.workloads);
        Arc::new(Self {
            changed: watch::Sender::new(world.index),
            world: Mutex::new(world),
            faults: Mutex::new(FaultState::new(options.faults, start)),
            log: Mutex::new(RequestLog::new(options.remembered)),
            clock: Clock::new(start, speed),
            base_speed: options.speed,
            stop: CancellationToken::new(),
            token: options.token,
            max_connections: options.max_connections,
        })
    }

    /// The world, brought up to the present. Whoever waits for a change is woken when the guard goes.
    pub(super) fn world(&self) -> WorldGuard<'_> {
        let mut world = lock(&self.world);
        let before = world.index;
        let now = self.clock.now();
        let mut faults = lock(&self.faults);
        while let Some(deed) = faults.due(now) {
            deed::perform(&mut world, &deed);
        }
        drop(faults);
        world.advance(now);
        WorldGuard {
            world,
            before,
            changed: &self.changed,
        }
    }

    pub(super) fn faults(&self) -> MutexGuard<'_, FaultState> {
        lock(&self.faults)
    }

    pub(super) fn turns_away(&self) -> bool {
        let now = self.clock.now();
        self.faults().on_accept(now)
    }

    pub(super) fn skip(&self, span: Duration) {
        self.clock
            .skip(Nanos::try_from(span.as_nanos()).unwrap_or(Nanos::MAX));
        drop(self.world());
        self.changed.send_modify(|_| {});
    }

    pub(super) fn requests(&self) -> Vec<Logged> {
        lock(&self.log).entries.iter().cloned().collect()
    }

    pub(super) fn clear_requests(&self) {
        lock(&self.log).clear();
    }

    pub(super) fn set_faults(&self, faults: Faults) {
        self.clock
            .set_speed(faults.speed.unwrap_or(self.base_speed).max(1e-6));
        let now = self.clock.now();
        {
            let mut world = self.world();
            world.scripts.0.clone_from(&faults.workloads);
            world.unblock();
        }
        *self.faults() = FaultState::new(faults, now);
        self.changed.send_modify(|_| {});
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The world under its lock.
pub struct WorldGuard<'a> {
    world: MutexGuard<'a, World>,
    before: u64,
    changed: &'a watch::Sender<u64>,
}

impl std::ops::Deref for WorldGuard<'_> {
    type Target = World;

    fn deref(&self) -> &World {
        &self.world
    }
}

impl std::ops::DerefMut for WorldGuard<'_> {
    fn deref_mut(&mut self) -> &mut World {
        &mut self.world
    }
}

impl Drop for WorldGuard<'_> {
    fn drop(&mut self) {
        if self.world.index != self.before {
            self.changed.send_replace(self.world.index);
        }
    }
}

/// A running simulator. It stops when this is dropped.
pub struct Simulator {
    /// Where it listens.
    pub addr: SocketAddr,
    /// The same as a URL, for `NOMAD_ADDR`.
    pub url: String,
    shared: Arc<Shared>,
}

impl Simulator {
    /// Starts one. Needs a tokio runtime with IO and time.
    ///
    /// # Errors
    /// The address cannot be bound.
    pub async fn start(options: Options) -> io::Result<Self> {
        let listener = TcpListener::bind(options.bind).await?;
        let addr = listener.local_addr()?;
        let shared = Shared::new(options);
        tokio::spawn(drive(shared.clone()));
        tokio::spawn(serve(listener, shared.clone()));
        Ok(Self {
            addr,
            url: format!("http://{addr}"),
            shared,
        })
    }

    /// The world at present, for assertions and for changes from outside.
    #[must_use]
    pub fn world(&self) -> WorldGuard<'_> {
        self.shared.world()
    }

    /// Replaces what goes wrong. Times and counts start anew.
    pub fn set_faults(&self, faults: Faults) {
        self.shared.set_faults(faults);
    }

    /// Moves virtual time ahead.
    pub fn skip(&self, span: Duration) {
        self.shared.skip(span);
    }

    /// What it was asked so far.
    #[must_use]
    pub fn requests(&self) -> Vec<Logged> {
        self.shared.requests()
    }

    /// What it was asked to change so far.
    #[must_use]
    pub fn writes(&self) -> Vec<Logged> {
        self.requests()
            .into_iter()
            .filter(Logged::is_write)
            .collect()
    }

    /// Forgets what it was asked.
    pub fn clear_requests(&self) {
        self.shared.clear_requests();
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        self.shared.stop.cancel();
    }
}

fn real_now() -> Nanos {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Nanos::try_from(since.as_nanos()).unwrap_or(Nanos::MAX)
}

async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    let stop = shared.stop.clone();
    let gate = Gate::new(listener, shared.clone());
    let service = http::router(shared).into_make_service_with_connect_info::<Cut>();
    let server = axum::serve(gate, service).with_graceful_shutdown(stop.cancelled_owned());
    if let Err(error) = server.await {
        tracing::warn!(%error, "the simulator stopped serving");
    }
}

/// Longest sleep between two looks at the clock: a change of speed must not go unnoticed for longer.
const LONGEST_SLEEP: Duration = Duration::from_millis(200);

/// Lets time pass: runs what is due even when nobody asks.
pub(super) async fn drive(shared: Arc<Shared>) {
    let mut changed = shared.changed.subscribe();
    while !shared.stop.is_cancelled() {
        let next = {
            let world = shared.world();
            let action = shared.faults().next_due();
            [world.next_due(), action].into_iter().flatten().min()
        };
        let sleep = next
            .map_or(LONGEST_SLEEP, |at| shared.clock.until(at))
            .min(LONGEST_SLEEP);
        // Each arm only wakes the loop, so dropping the others loses nothing.
        tokio::select! {
            () = tokio::time::sleep(sleep.max(Duration::from_micros(200))) => {}
            _ = changed.changed() => {}
            () = shared.stop.cancelled() => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn logged(path: usize) -> Logged {
        Logged {
            method: "GET".to_owned(),
            path: path.to_string(),
            namespace: String::new(),
            query: String::new(),
            status: 0,
            enforce_index: None,
            cas: None,
        }
    }

    #[test]
    fn only_the_last_requests_are_remembered() {
        let mut log = RequestLog::new(100);
        for number in 0..105 {
            assert_eq!(log.push(logged(number)), number);
        }
        assert_eq!(log.entries.len(), 100);
        assert!(log.get_mut(4).is_none());
        assert_eq!(log.get_mut(5).unwrap().path, "5");
        log.clear();
        assert!(log.get_mut(7).is_none());
        let number = log.push(logged(7));
        assert_eq!(log.get_mut(number).unwrap().path, "7");
    }
}
