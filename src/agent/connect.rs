//! The connection of an agent: made for as long as it takes, kept for as long as the agent lives.

use std::sync::Arc;
use std::time::Duration;

use async_nats::{Client, Event};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::health::Health;
use crate::clients::chain;
use crate::events::{Disposition, NatsConfig, NatsError, SinkError, client};

/// First and longest wait between two attempts to connect for the first time.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(5));

/// Connects, trying on while NATS is away. Returns the connection and whether it stands; `None` after `stop`.
///
/// # Errors
/// Servers or key make no sense: trying again cannot help.
///
/// # Cancel safety
/// May be dropped at any point.
pub async fn connect(
    config: &NatsConfig,
    health: &Arc<Health>,
    stop: &CancellationToken,
) -> Result<Option<(Client, watch::Receiver<bool>)>, NatsError> {
    let (sender, connected) = watch::channel(false);
    let mut pause = BACKOFF.0;
    let mut said = None;
    loop {
        let (health, sender) = (Arc::clone(health), sender.clone());
        let told = move |event| note(&health, &sender, &event);
        let error = tokio::select! {
            // Cancel-safe: a connection that is being made is dropped.
            () = stop.cancelled() => return Ok(None),
            made = client(config, told) => match made {
                Ok(client) => return Ok(Some((client, connected))),
                Err(error) => error,
            },
        };
        let text = chain(&error);
        let error = SinkError::from(error);
        if let (Disposition::Stall, SinkError::Nats(error)) = (error.disposition(), error) {
            return Err(error);
        }
        if said.as_ref() != Some(&text) {
            tracing::warn!("No tasks are taken: {text}; trying on");
            said = Some(text);
        }
        tokio::select! {
            // Cancel-safe: a clock and a flag.
            () = stop.cancelled() => return Ok(None),
            () = tokio::time::sleep(pause) => {}
        }
        pause = (pause * 2).min(BACKOFF.1);
    }
}

fn note(health: &Health, connected: &watch::Sender<bool>, event: &Event) {
    match event {
        Event::Connected => {
            tracing::info!("Connected to NATS");
            health.set_connected(true);
            connected.send_replace(true);
        }
        Event::Disconnected | Event::Closed => {
            tracing::warn!("The connection to NATS is lost; trying on, running tasks go on");
            health.set_connected(false);
            connected.send_replace(false);
        }
        Event::ServerError(error) => tracing::debug!("NATS says: {error}"),
        _ => {}
    }
}
