//! Tables, brought up to date at start.
//!
//! All steps that are missing run in one transaction, on both databases: either the tables are those of this program, or
//! nothing has changed. Two servers that start at once wait for each other: SQLite by its write lock, PostgreSQL by an
//! advisory lock. That, and nothing more, is why sqlx's own migrator is not used: it takes no lock on SQLite and commits
//! step by step.

use sqlx::{Executor as _, Row as _};

use super::url::Kind;
use super::{Store, StoreError};

/// The steps; a position is a version, from 1. What has been released is never changed.
const STEPS: &[&str] = &[include_str!("migrations/0001_bridge.sql")];

/// Version of the tables that this program makes.
pub const VERSION: usize = STEPS.len();

/// Any number that no other program locks.
const LOCK: i64 = 0x6373_5f62_7269_6467;

/// # Errors
/// The database is away, or was written by a newer program.
pub(super) async fn migrate(store: &Store, now: i64) -> Result<(), StoreError> {
    let mut tx = store.begin(now).await?;
    let connection = tx.connection();
    if store.kind() == Kind::Postgres {
        sqlx::query("SELECT pg_advisory_xact_lock($1)")
            .bind(LOCK)
            .execute(&mut *connection)
            .await?;
    }
    connection
        .execute(sqlx::raw_sql(
            "CREATE TABLE IF NOT EXISTS bridge_schema (version BIGINT NOT NULL PRIMARY KEY, applied_at BIGINT NOT NULL)",
        ))
        .await?;
    let row = sqlx::query("SELECT version FROM bridge_schema ORDER BY version DESC LIMIT 1")
        .fetch_optional(&mut *connection)
        .await?;
    let found: i64 = row.map_or(Ok(0), |row| row.try_get("version"))?;
    let known = i64::try_from(STEPS.len()).expect("a few");
    if found > known {
        return Err(StoreError::Newer { found, known });
    }
    for (version, step) in (1..).zip(STEPS).filter(|(version, _)| *version > found) {
        connection.execute(sqlx::raw_sql(step)).await?;
        sqlx::query("INSERT INTO bridge_schema (version, applied_at) VALUES ($1, $2)")
            .bind(version)
            .bind(now)
            .execute(&mut *connection)
            .await?;
        tracing::info!("the database has tables of version {version} now");
    }
    tx.commit().await
}
