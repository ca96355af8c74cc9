//! Events: numbered in the order of their commits, kept for whoever comes back, and until NATS has them.

use sqlx::Row as _;
use sqlx::any::AnyRow;

use super::{Store, StoreError};

/// An event as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredEvent {
    /// Its number: id of a server-sent event.
    pub seq: i64,
    /// Its message id on NATS.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its payload, JSON.
    pub payload: String,
}

impl Store {
    /// Events after a number, in order.
    ///
    /// # Errors
    /// The database is away.
    pub async fn events_after(&self, seq: i64, limit: i64) -> Result<Vec<StoredEvent>, StoreError> {
        let rows = sqlx::query(
            "SELECT seq, id, name, payload FROM bridge_events WHERE seq > $1 ORDER BY seq LIMIT $2",
        )
        .bind(seq)
        .bind(limit)
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(event).collect()
    }

    /// Number of the last event, and of the oldest that is still kept; the oldest is the next one when none is.
    ///
    /// # Errors
    /// The database is away.
    pub async fn event_range(&self) -> Result<(i64, i64), StoreError> {
        let last: i64 = sqlx::query("SELECT value FROM bridge_sequences WHERE name = 'events'")
            .fetch_one(&self.pool)
            .await?
            .try_get("value")?;
        let oldest = sqlx::query("SELECT seq FROM bridge_events ORDER BY seq LIMIT 1")
            .fetch_optional(&self.pool)
            .await?;
        let oldest: i64 = oldest.map_or(Ok(last + 1), |row| row.try_get("seq"))?;
        Ok((oldest, last))
    }

    /// Events that NATS has not acknowledged, in order.
    ///
    /// # Errors
    /// The database is away.
    pub async fn unpublished(&self, limit: i64) -> Result<Vec<StoredEvent>, StoreError> {
        let rows = sqlx::query(
            "SELECT seq, id, name, payload FROM bridge_events WHERE published_at IS NULL ORDER BY seq LIMIT $1",
        )
        .bind(limit)
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(event).collect()
    }

    /// How many those are.
    ///
    /// # Errors
    /// The database is away.
    pub async fn count_unpublished(&self) -> Result<i64, StoreError> {
        let row =
            sqlx::query("SELECT COUNT(*) AS many FROM bridge_events WHERE published_at IS NULL")
                .fetch_one(&self.pool)
                .await?;
        Ok(row.try_get("many")?)
    }

    /// Takes note that NATS has all unpublished events up to a number.
    ///
    /// # Errors
    /// The database is away.
    pub async fn published(&self, up_to: i64, now: i64) -> Result<(), StoreError> {
        sqlx::query(
            "UPDATE bridge_events SET published_at = $2 WHERE seq <= $1 AND published_at IS NULL",
        )
        .bind(up_to)
        .bind(now)
        .execute(&self.pool)
        .await?;
        Ok(())
    }
}

fn event(row: &AnyRow) -> Result<StoredEvent, StoreError> {
    Ok(StoredEvent {
        seq: row.try_get("seq")?,
        id: row.try_get("id")?,
        name: row.try_get("name")?,
        payload: row.try_get("payload")?,
    })
}
