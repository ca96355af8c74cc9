//! The Nomad client against raw sockets that misbehave on purpose, and against a real Nomad where there is one.

mod classification;
mod fake;
mod leaks;
mod real;
mod stream;
mod tls;
mod transport;

use std::time::Duration;

use cs::clients::nomad::connection::Timeouts;
use cs::clients::nomad::{ConnectionConfig, NomadClient};
use cs::ids::JobId;

/// Bounds short enough for tests, long enough for a busy machine.
pub(super) fn quick() -> Timeouts {
    Timeouts {
        connect: Duration::from_secs(2),
        read: Duration::from_millis(600),
        write: Duration::from_millis(600),
        blocking_slack: Duration::from_millis(600),
        stream_greeting: Duration::from_millis(600),
        stream_silence: Duration::from_millis(600),
    }
}

/// A client whose only change from a plain one is its patience.
pub(super) fn client(address: &str, timeouts: Timeouts) -> NomadClient {
    let mut config = ConnectionConfig::new(address).unwrap();
    config.timeouts = timeouts;
    NomadClient::new(config).unwrap()
}

pub(super) fn job(id: &str) -> JobId {
    id.parse().unwrap()
}

/// An error with all its sources.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        text = format!("{text}: {source}");
        next = source.source();
    }
    text
}
