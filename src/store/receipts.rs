//! Webhooks that were taken, for as long as their signatures hold.

use super::{Store, StoreError, Tx};

impl Tx {
    /// Remembers a message. False: it was taken before.
    ///
    /// # Errors
    /// The database is away.
    pub async fn receive(&mut self, digest: &str, expires_at: i64) -> Result<bool, StoreError> {
        let now = self.now();
        let result = sqlx::query(
            "INSERT INTO webhook_receipts (digest, received_at, expires_at) VALUES ($1, $2, $3)
             ON CONFLICT (digest) DO NOTHING",
        )
        .bind(digest)
        .bind(now)
        .bind(expires_at)
        .execute(self.connection())
        .await?;
        Ok(result.rows_affected() == 1)
    }
}

impl Store {
    /// Forgets messages whose signatures hold no longer, and events that are older than `events_before` and were delivered.
    ///
    /// # Errors
    /// The database is away.
    pub async fn tidy(&self, now: i64, events_before: i64) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM webhook_receipts WHERE expires_at < $1")
            .bind(now)
            .execute(&self.pool)
            .await?;
        sqlx::query("DELETE FROM bridge_events WHERE created_at < $1 AND published_at IS NOT NULL")
            .bind(events_before)
            .execute(&self.pool)
            .await?;
        Ok(())
    }
}
