//! `cs serve`: the HTTP side of the bridge, and what works behind it.
//!
//! [`listener`] connections · [`router`] which request goes where · [`auth`] who may · [`problem`] how errors look ·
//! [`deployments`], [`webhook`], [`stream`], [`health`] the handlers · [`flow`] what a request or an answer of Jenkins
//! changes, each in one transaction · [`runs`] and [`rollouts`] work that outlives requests and this process · [`feed`]
//! events for whoever looks on, [`relay`] for NATS.
//!
//! Everything that must not get lost is in the database before it is answered: a run, a rollout and an event are rows that
//! whoever runs next picks up. Work is leased, so that a second server on the same database takes over what a dead one
//! left, and not before.

mod auth;
mod body;
mod deployments;
mod feed;
mod flow;
mod health;
mod listener;
mod metrics;
pub mod openapi;
mod problem;
mod relay;
mod rollouts;
mod router;
mod runs;
mod settings;
mod state;
mod stream;
mod tls;
mod traces;
mod webhook;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::clients::chain;
use crate::store::{Store, StoreError};
pub use settings::{Cluster, Limits, ServerSettings};
use state::Shared;
pub use tls::{Tls, TlsError};

/// How long requests and calls to Jenkins that are under way may take at the end.
const GRACE: Duration = Duration::from_secs(10);

/// Why a server cannot start.
#[derive(Debug, thiserror::Error)]
pub enum CannotServe {
    /// The database.
    #[error("cannot use the database {address}")]
    Database {
        /// Without its password.
        address: String,
        /// Why.
        #[source]
        source: StoreError,
    },
    /// The address.
    #[error("cannot listen on {address}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

/// Connections that the system keeps for us until they are accepted; it may know a smaller bound (`somaxconn`).
///
/// 4096: with the library's 128, a burst of some hundred webhooks is answered by the system with resets.
const BACKLOG: u32 = 4096;

fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    // A server that is started again gets its port back at once.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// A server that listens and does not answer yet.
pub struct Server {
    /// Where it listens.
    pub address: SocketAddr,
    listener: TcpListener,
    shared: Arc<Shared>,
    nats: Option<relay::NatsTarget>,
}

impl Server {
    /// Opens the database, brings its tables up to date, and listens.
    ///
    /// # Errors
    /// The database or the address cannot be had.
    pub async fn bind(settings: ServerSettings) -> Result<Self, CannotServe> {
        let now = state::now();
        let for_nats = settings.nats.is_some();
        let store = Store::open(&settings.database, for_nats, now)
            .await
            .map_err(|source| CannotServe::Database {
                address: settings.database.to_string(),
                source,
            })?;
        let listener = listen(settings.listen).map_err(|source| CannotServe::Listen {
            address: settings.listen,
            source,
        })?;
        let address = listener
            .local_addr()
            .map_err(|source| CannotServe::Listen {
                address: settings.listen,
                source,
            })?;
        let (nats, shared) = Shared::new(settings, store);
        Ok(Self {
            address,
            listener,
            shared: Arc::new(shared),
            nats,
        })
    }

    /// Serves until `stop` is cancelled; then finishes what is under way, for at most ten seconds, and hands the rest back.
    ///
    /// # Cancel safety
    /// Dropping it ends everything at once, as a crash would: what was begun is picked up by the next server.
    pub async fn run(self, stop: &CancellationToken) {
        let shared = self.shared;
        let background = TaskTracker::new();
        background.spawn(feed::tail(Arc::clone(&shared), stop.clone()));
        background.spawn(relay::run(Arc::clone(&shared), self.nats, stop.clone()));
        background.spawn(runs::keep(Arc::clone(&shared), stop.clone()));
        background.spawn(runs::pick_up(Arc::clone(&shared), stop.clone()));
        background.spawn(runs::tidy(Arc::clone(&shared), stop.clone()));
        let served = listener::serve(self.listener, Arc::clone(&shared), stop);
        tokio::join!(served, rollouts::run(&shared, stop));
        background.close();
        shared.tasks.close();
        let ended = async {
            shared.tasks.wait().await;
            background.wait().await;
        };
        if tokio::time::timeout(GRACE, ended).await.is_err() {
            tracing::warn!("some work did not end in time; the next server picks it up");
        }
        let released = shared.store.release(&shared.owner);
        match tokio::time::timeout(Duration::from_secs(2), released).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!("leases run out by themselves: {}", chain(&error)),
            Err(_) => tracing::debug!("leases run out by themselves"),
        }
        let _ = tokio::time::timeout(Duration::from_secs(2), shared.store.close()).await;
    }
}
