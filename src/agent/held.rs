//! The record of a task in the hands of the agent that claimed it: every change is a compare-and-set on top of the last.

use std::time::Duration;

use backon::BackoffBuilder;
use tokio_util::sync::CancellationToken;

use super::claim::TaskRecord;
use super::fleet::{Fleet, FleetError};
use crate::clients::chain;

/// First and longest wait before a call to NATS is repeated.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(5));

/// A record that this agent claimed.
#[derive(Debug, Clone)]
pub struct Held {
    /// Where it is.
    pub subject: String,
    /// As this agent wrote it last.
    pub record: TaskRecord,
    /// The revision of that.
    pub revision: u64,
}

/// Whether a change was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Written {
    /// It was.
    Yes,
    /// Another agent has the task now.
    Lost,
    /// NATS did not answer until there was no time left.
    Unknown,
}

impl Held {
    /// Writes a change, for as long as it takes NATS to answer or until `stop`.
    pub async fn write(
        &mut self,
        fleet: &Fleet,
        stop: &CancellationToken,
        change: impl Fn(&mut TaskRecord),
    ) -> Written {
        match patiently(stop, "the ledger", || async {
            let mut copy = self.clone();
            copy.attempt(fleet, &change).await.map(|ours| (ours, copy))
        })
        .await
        {
            Some((true, copy)) => {
                *self = copy;
                Written::Yes
            }
            Some((false, _)) => Written::Lost,
            None => Written::Unknown,
        }
    }

    async fn attempt(
        &mut self,
        fleet: &Fleet,
        change: &impl Fn(&mut TaskRecord),
    ) -> Result<bool, FleetError> {
        let mut next = self.record.clone();
        change(&mut next);
        loop {
            if let Some(revision) = fleet.write(&self.subject, &next, self.revision).await? {
                self.record = next;
                self.revision = revision;
                return Ok(true);
            }
            // Written by somebody else; or by us, and the answer got lost.
            let seen = fleet.read::<TaskRecord>(&self.subject).await?;
            match seen.record {
                Some(found) if self.is_same_claim(&found) => self.revision = seen.revision,
                Some(_) | None => return Ok(false),
            }
        }
    }

    /// Whether the ledger still says that the task is ours.
    ///
    /// # Errors
    /// NATS does not answer.
    pub async fn is_ours(&self, fleet: &Fleet) -> Result<bool, FleetError> {
        let seen = fleet.read::<TaskRecord>(&self.subject).await?;
        Ok(seen.record.is_some_and(|found| self.is_same_claim(&found)))
    }

    fn is_same_claim(&self, found: &TaskRecord) -> bool {
        let ours = &self.record;
        found.order == ours.order && found.delivery == ours.delivery && found.agent == ours.agent
    }
}

/// Repeats a call to NATS until it is answered. `None`: `stop` was cancelled first.
///
/// # Cancel safety
/// As safe as the call.
pub async fn patiently<T, F: Future<Output = Result<T, FleetError>>>(
    stop: &CancellationToken,
    what: &str,
    mut call: impl FnMut() -> F,
) -> Option<T> {
    let mut waits = backon::ExponentialBuilder::new()
        .with_min_delay(BACKOFF.0)
        .with_max_delay(BACKOFF.1)
        .with_jitter()
        .without_max_times()
        .build();
    let mut is_said = false;
    loop {
        match call().await {
            Ok(answer) => return Some(answer),
            Err(error) if is_said => tracing::debug!("{what} still does not answer: {error}"),
            Err(error) => {
                tracing::warn!("{what} does not answer, trying on: {}", chain(&error));
                is_said = true;
            }
        }
        let wait = waits.next().unwrap_or(BACKOFF.1);
        tokio::select! {
            // Cancel-safe: a clock and a flag.
            () = tokio::time::sleep(wait) => {}
            () = stop.cancelled() => return None,
        }
    }
}
