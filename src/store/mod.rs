//! The database of the bridge: SQLite in a file, or PostgreSQL by URL.
//!
//! One code path for both, over sqlx's `Any`: texts and 64-bit numbers are all that is stored, every statement is written
//! so that both take it, values are only ever bound, and what differs (how a transaction begins, how a connection is set
//! up, how the migration is locked) stands in this file and in [`schema`]. A pool for each would have doubled every query.
//!
//! SQLite has one connection, and with it one thread: writers queue up in the process instead of failing on each other.
//! Nothing is decided here; the flows of `server` put these steps together, each flow in one transaction.

mod deployments;
mod error;
mod events;
mod jobs;
mod receipts;
mod rollouts;
mod runs;
mod schema;
mod tx;
mod url;

use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use sqlx::any::{Any, AnyConnectOptions, AnyPoolOptions};
use sqlx::{AnyPool, ConnectOptions as _, Executor as _};
use tokio::sync::Semaphore;

use crate::private;

pub use deployments::{NewDeployment, Page};
pub use error::StoreError;
pub use events::StoredEvent;
pub use jobs::{Job, LockedDeployment};
pub use rollouts::RolloutWork;
pub use runs::{NewRun, RunRow, RunWork};
pub use schema::VERSION as SCHEMA_VERSION;
pub use tx::{NewTransition, Tx};
pub use url::{DatabaseUrl, InvalidDatabaseUrl, Kind};

/// Connections to PostgreSQL at most. More only wait for each other's locks.
const MOST_CONNECTIONS: u32 = 8;

/// Longest wait for a connection, after which the database counts as away.
const ACQUIRE: Duration = Duration::from_secs(5);

/// Longest wait for a transaction's turn. Many webhooks at once wait here, in order, and not for a connection: that wait tells
/// whether the database is there, and is short.
const TURN: Duration = Duration::from_secs(20);

/// What every connection to SQLite begins with. `FULL`: what was answered with success survives a loss of power.
const SETUP_SQLITE: &str = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA busy_timeout = 4000; \
                            PRAGMA foreign_keys = ON;";

/// What every connection to PostgreSQL begins with: nobody waits for ever, and nobody is waited for.
const SETUP_POSTGRES: &str = "SET lock_timeout = '4s'; SET statement_timeout = '8s'; \
                              SET idle_in_transaction_session_timeout = '10s';";

/// The database. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    pool: AnyPool,
    kind: Kind,
    /// One for each transaction at a time.
    turns: Arc<Semaphore>,
    /// Events wait for NATS.
    for_nats: bool,
}

impl Store {
    /// Connects and brings the tables up to date. `for_nats`: events wait until they are marked as published.
    ///
    /// # Errors
    /// The database cannot be reached or used, or was written by a newer `cs`.
    pub async fn open(url: &DatabaseUrl, for_nats: bool, now: i64) -> Result<Self, StoreError> {
        // A second time in one process finds them installed.
        let _ =
            sqlx::any::install_drivers(&[sqlx::sqlite::any::DRIVER, sqlx::postgres::any::DRIVER]);
        let kind = url.kind();
        let (setup, connections) = match kind {
            Kind::Sqlite => (SETUP_SQLITE, 1),
            Kind::Postgres => (SETUP_POSTGRES, MOST_CONNECTIONS),
        };
        if let Some(path) = url.file() {
            create_file(path)?;
        }
        let options = AnyConnectOptions::from_url(url.expose())
            .map_err(StoreError::from)?
            .disable_statement_logging();
        let pool = AnyPoolOptions::new()
            .max_connections(connections)
            .acquire_timeout(ACQUIRE)
            .idle_timeout(match kind {
                Kind::Sqlite => None,
                Kind::Postgres => Some(Duration::from_secs(300)),
            })
            .max_lifetime(match kind {
                Kind::Sqlite => None,
                Kind::Postgres => Some(Duration::from_secs(1800)),
            })
            .after_connect(move |connection, _| {
                Box::pin(async move {
                    connection.execute(sqlx::raw_sql(setup)).await?;
                    Ok(())
                })
            })
            .connect_lazy_with(options);
        let store = Self {
            pool,
            kind,
            turns: Arc::new(Semaphore::new(connections as usize)),
            for_nats,
        };
        schema::migrate(&store, now).await?;
        Ok(store)
    }

    /// Which database it is.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// Whether the database answers.
    ///
    /// # Errors
    /// It does not.
    pub async fn ping(&self) -> Result<(), StoreError> {
        sqlx::query("SELECT 1").execute(&self.pool).await?;
        Ok(())
    }

    /// Begins a transaction. Dropped without [`Tx::commit`] it leaves nothing behind.
    ///
    /// # Errors
    /// The database is away.
    pub async fn begin(&self, now: i64) -> Result<Tx, StoreError> {
        // A transaction of SQLite that reads first and writes later fails when somebody wrote in between; one that says
        // at once that it will write waits for its turn.
        let begin = match self.kind {
            Kind::Sqlite => "BEGIN IMMEDIATE",
            Kind::Postgres => "BEGIN",
        };
        let turn = tokio::time::timeout(TURN, Arc::clone(&self.turns).acquire_owned()).await;
        let turn = turn.map_err(|_| StoreError::Away(sqlx::Error::PoolTimedOut))?;
        let turn = turn.expect("the semaphore is never closed");
        let inner: sqlx::Transaction<'static, Any> = self.pool.begin_with(begin).await?;
        Ok(Tx::new(inner, turn, now, self.for_nats))
    }

    /// Lets go of every connection.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}

/// Makes the file before SQLite does, so that nobody else may read the parameters in it. Its journal has the same mode.
fn create_file(path: &Path) -> Result<(), StoreError> {
    let cannot = |source| StoreError::File {
        path: path.to_owned(),
        source,
    };
    if let Some(parent) = path.parent().filter(|path| !path.as_os_str().is_empty()) {
        private::create(parent).map_err(cannot)?;
    }
    let file = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(path)
        .map_err(cannot)?;
    private::close(&file).map_err(cannot)
}
