//! One transaction: whatever a flow changes, what it remembers of it, and what it announces.

use sqlx::{Any, AnyConnection, Row as _, Transaction};
use tokio::sync::OwnedSemaphorePermit;

use super::StoreError;
use crate::bridge::event::BridgeEvent;
use crate::bridge::machine::BuildNumber;
use crate::bridge::status::{CiStatus, DeploymentStatus};

/// A transaction. Dropped without [`commit`](Self::commit) it leaves nothing behind.
///
/// Locks are taken in one order, so that transactions wait for each other and never in a circle: job, deployment, run,
/// rollout, and the numbers of transitions and events at the very end, when the transaction commits.
pub struct Tx {
    inner: Transaction<'static, Any>,
    /// Given back with the connection.
    _turn: OwnedSemaphorePermit,
    now: i64,
    for_nats: bool,
    transitions: Vec<NewTransition>,
    events: Vec<BridgeEvent>,
}

/// Something that happened to a deployment.
#[derive(Debug, Clone)]
pub struct NewTransition {
    /// To which.
    pub deployment: String,
    /// `created`, `run`, `webhook`, `build`, `run-failed`, `rollout`.
    pub kind: &'static str,
    /// Status before.
    pub from: Option<DeploymentStatus>,
    /// Status after.
    pub to: DeploymentStatus,
    /// What the CI server called it.
    pub ci_status: Option<CiStatus>,
    /// Of which build.
    pub build: Option<BuildNumber>,
    /// Whether it counted.
    pub applied: bool,
    /// More for people. No secret.
    pub detail: Option<String>,
}

impl Tx {
    pub(super) fn new(
        inner: Transaction<'static, Any>,
        turn: OwnedSemaphorePermit,
        now: i64,
        for_nats: bool,
    ) -> Self {
        Self {
            inner,
            _turn: turn,
            now,
            for_nats,
            transitions: Vec::new(),
            events: Vec::new(),
        }
    }

    pub(super) fn connection(&mut self) -> &mut AnyConnection {
        &mut self.inner
    }

    /// The time of everything in this transaction, in milliseconds since the epoch.
    #[must_use]
    pub const fn now(&self) -> i64 {
        self.now
    }

    /// Remembers something that happened.
    pub fn remember(&mut self, transition: NewTransition) {
        self.transitions.push(transition);
    }

    /// Announces something, if the transaction commits.
    pub fn announce(&mut self, event: BridgeEvent) {
        self.events.push(event);
    }

    /// Makes everything durable.
    ///
    /// # Errors
    /// Nothing was written; or, when the connection was lost at the very end, nobody knows, and the same flow finds out.
    pub async fn commit(mut self) -> Result<(), StoreError> {
        self.write_transitions().await?;
        self.write_events().await?;
        self.inner.commit().await?;
        Ok(())
    }

    /// The last of so many fresh numbers.
    async fn numbers(&mut self, name: &'static str, count: usize) -> Result<i64, StoreError> {
        let row = sqlx::query(
            "UPDATE bridge_sequences SET value = value + $1 WHERE name = $2 RETURNING value",
        )
        .bind(i64::try_from(count).expect("a few"))
        .bind(name)
        .fetch_one(&mut *self.inner)
        .await?;
        Ok(row.try_get("value")?)
    }

    async fn write_transitions(&mut self) -> Result<(), StoreError> {
        let transitions = std::mem::take(&mut self.transitions);
        if transitions.is_empty() {
            return Ok(());
        }
        let last = self.numbers("transitions", transitions.len()).await?;
        let first = last - i64::try_from(transitions.len()).expect("a few") + 1;
        for (id, transition) in (first..).zip(transitions) {
            sqlx::query(
                "INSERT INTO deployment_transitions
                   (id, deployment_id, kind, from_status, to_status, ci_status, build_number, applied, detail, at)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
            )
            .bind(id)
            .bind(transition.deployment)
            .bind(transition.kind)
            .bind(transition.from.map(DeploymentStatus::as_str))
            .bind(transition.to.as_str())
            .bind(transition.ci_status.map(|status| status.as_str().to_owned()))
            .bind(transition.build)
            .bind(i64::from(transition.applied))
            .bind(transition.detail)
            .bind(self.now)
            .execute(&mut *self.inner)
            .await?;
        }
        Ok(())
    }

    async fn write_events(&mut self) -> Result<(), StoreError> {
        let events = std::mem::take(&mut self.events);
        if events.is_empty() {
            return Ok(());
        }
        let last = self.numbers("events", events.len()).await?;
        let first = last - i64::try_from(events.len()).expect("a few") + 1;
        // Without NATS there is nothing to wait for, and nothing to flood it with when it is configured later.
        let published = (!self.for_nats).then_some(0_i64);
        for (seq, event) in (first..).zip(events) {
            sqlx::query(
                "INSERT INTO bridge_events (seq, id, name, deployment_id, payload, created_at, published_at)
                 VALUES ($1, $2, $3, $4, $5, $6, $7)",
            )
            .bind(seq)
            .bind(uuid::Uuid::new_v4().to_string())
            .bind(event.name())
            .bind(event.deployment_id().to_owned())
            .bind(event.payload())
            .bind(self.now)
            .bind(published)
            .execute(&mut *self.inner)
            .await?;
        }
        Ok(())
    }
}
