//! Everything a server is told.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use axum::http::HeaderName;

use super::tls::Tls;
use crate::bridge::limiter::Rate;
use crate::bridge::sender::Network;
use crate::clients::jenkins::Jenkins;
use crate::clients::nomad::NomadClient;
use crate::config::Environment;
use crate::events::{NatsConfig, SubjectPrefix};
use crate::ids::OwnerId;
use crate::secret::Secret;
use crate::store::DatabaseUrl;

/// Everything a server is told.
#[derive(Debug)]
pub struct ServerSettings {
    /// Where it listens; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Its database.
    pub database: DatabaseUrl,
    /// What callers of the API must bring.
    pub api_token: Secret,
    /// What webhooks are signed with.
    pub webhook_secret: Secret,
    /// The header with the signature.
    pub signature_header: HeaderName,
    /// How far the time in a webhook may be from ours.
    pub webhook_tolerance: Duration,
    /// How often a sender may speak; `None`: as often as they like.
    pub webhook_rate: Option<Rate>,
    /// Proxies that say for whom they speak.
    pub trusted_proxies: Vec<Network>,
    /// Jenkins, when it is configured.
    pub jenkins: Option<Jenkins>,
    /// NATS, when it is configured, and what stands in front of its subjects.
    pub nats: Option<(NatsConfig, SubjectPrefix)>,
    /// Where workloads are made to stand.
    pub cluster: Cluster,
    /// Certificate and key; without them it speaks plain HTTP.
    pub tls: Option<Tls>,
    /// Bounds.
    pub limits: Limits,
}

/// Where workloads are made to stand.
#[derive(Debug, Clone)]
pub struct Cluster {
    /// Nomad.
    pub nomad: NomadClient,
    /// On whose behalf.
    pub owner: OwnerId,
    /// Where the inventory stands when Nomad's variables may not be used.
    pub state_dir: PathBuf,
    /// Variables that workloads may refer to.
    pub environment: Environment,
    /// Longest time of one rollout.
    pub deadline: Duration,
    /// How long Nomad may find no node.
    pub placement_grace: Duration,
}

/// Bounds of what clients may ask for.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Connections at once. More wait to be accepted.
    pub connections: usize,
    /// Readers of `/events` at once.
    pub readers: usize,
    /// Longest time of a request.
    pub request: Duration,
    /// How long events are kept for whoever comes back.
    pub keep_events: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 512,
            readers: 64,
            request: Duration::from_secs(30),
            keep_events: Duration::from_secs(7 * 24 * 60 * 60),
        }
    }
}
