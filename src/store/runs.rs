//! Runs: what the CI server was asked for. A run that is under way is leased by the process that works on it.

use std::collections::BTreeMap;

use sqlx::Row as _;

use super::{Store, StoreError, Tx};
use crate::bridge::api::{Run, RunState};
use crate::bridge::machine::BuildNumber;
use crate::bridge::status::Provider;
use crate::secret::Secret;

/// A run that begins.
#[derive(Debug, Clone)]
pub struct NewRun {
    /// Its id.
    pub id: String,
    /// Of which deployment.
    pub deployment: String,
    /// What the client calls this request.
    pub idempotency_key: Option<String>,
    /// The newest build known so far.
    pub floor: BuildNumber,
    /// Who works on it.
    pub lease_owner: String,
    /// Until when, if nothing is heard of them.
    pub lease_until: i64,
}

/// A run, locked until the transaction ends.
#[derive(Debug, Clone)]
pub struct RunRow {
    /// Its id.
    pub id: String,
    /// Of which deployment.
    pub deployment: String,
    /// How far it is.
    pub state: RunState,
    /// The newest build that was known when it was asked for.
    pub floor: BuildNumber,
    /// Who works on it.
    pub lease_owner: Option<String>,
}

/// What working on a run needs.
#[derive(Debug, Clone)]
pub struct RunWork {
    /// The run.
    pub id: String,
    /// Its deployment.
    pub deployment: String,
    /// The CI job.
    pub job: String,
    /// Who runs it.
    pub provider: Provider,
    /// Its path there.
    pub provider_job: String,
    /// Parameters of the build.
    pub parameters: BTreeMap<String, Secret>,
    /// How far it is.
    pub state: RunState,
    /// Its item in the queue.
    pub queue_item: Option<i64>,
}

const RUN: &str =
    "SELECT r.id AS r_id, r.state AS r_state, r.build_number AS r_build, r.error_code AS r_code,
  r.error AS r_error, r.created_at AS r_created_at FROM deployment_runs r";

impl Tx {
    /// Adds a run and makes it the deployment's latest.
    ///
    /// # Errors
    /// The database is away; or one is active ([`StoreError::is_duplicate`]).
    pub async fn add_run(&mut self, new: &NewRun) -> Result<(), StoreError> {
        let now = self.now();
        sqlx::query(
            "INSERT INTO deployment_runs
               (id, deployment_id, idempotency_key, state, floor_build, lease_owner, lease_until, created_at, updated_at)
             VALUES ($1, $2, $3, 'triggering', $4, $5, $6, $7, $7)",
        )
        .bind(&new.id)
        .bind(&new.deployment)
        .bind(new.idempotency_key.as_deref())
        .bind(new.floor)
        .bind(&new.lease_owner)
        .bind(new.lease_until)
        .bind(now)
        .execute(self.connection())
        .await?;
        sqlx::query("UPDATE deployments SET last_run_id = $2 WHERE id = $1")
            .bind(&new.deployment)
            .bind(&new.id)
            .execute(self.connection())
            .await?;
        Ok(())
    }

    /// Reads a run and keeps others from it.
    ///
    /// # Errors
    /// The database is away.
    pub async fn lock_run(&mut self, id: &str) -> Result<Option<RunRow>, StoreError> {
        let row = sqlx::query(
            "UPDATE deployment_runs SET updated_at = updated_at WHERE id = $1
             RETURNING id, deployment_id, state, floor_build, lease_owner",
        )
        .bind(id)
        .fetch_optional(self.connection())
        .await?;
        let Some(row) = row else {
            return Ok(None);
        };
        Ok(Some(RunRow {
            id: row.try_get("id")?,
            deployment: row.try_get("deployment_id")?,
            state: state(&row.try_get::<String, _>("state")?)?,
            floor: row.try_get("floor_build")?,
            lease_owner: row.try_get("lease_owner")?,
        }))
    }

    /// The run of a deployment that was asked for under a key.
    ///
    /// # Errors
    /// The database is away.
    pub async fn run_by_key(
        &mut self,
        deployment: &str,
        key: &str,
    ) -> Result<Option<Run>, StoreError> {
        let text = format!("{RUN} WHERE r.deployment_id = $1 AND r.idempotency_key = $2");
        let row = sqlx::query(&text)
            .bind(deployment)
            .bind(key)
            .fetch_optional(self.connection())
            .await?;
        row.as_ref().map_or(Ok(None), super::deployments::run)
    }

    /// A run as it is shown.
    ///
    /// # Errors
    /// The database is away.
    pub async fn shown_run(&mut self, id: &str) -> Result<Option<Run>, StoreError> {
        let text = format!("{RUN} WHERE r.id = $1");
        let row = sqlx::query(&text)
            .bind(id)
            .fetch_optional(self.connection())
            .await?;
        row.as_ref().map_or(Ok(None), super::deployments::run)
    }

    /// Puts active runs of a deployment aside.
    ///
    /// # Errors
    /// The database is away.
    pub async fn supersede_runs(&mut self, deployment: &str) -> Result<(), StoreError> {
        let now = self.now();
        sqlx::query(
            "UPDATE deployment_runs SET state = 'superseded', updated_at = $2
             WHERE deployment_id = $1 AND state IN ('triggering', 'queued')",
        )
        .bind(deployment)
        .bind(now)
        .execute(self.connection())
        .await?;
        Ok(())
    }

    /// The run waits in the queue.
    ///
    /// # Errors
    /// The database is away.
    pub async fn run_queued(&mut self, id: &str, item: i64) -> Result<(), StoreError> {
        let now = self.now();
        sqlx::query(
            "UPDATE deployment_runs SET state = 'queued', queue_item = $2, updated_at = $3 WHERE id = $1",
        )
        .bind(id)
        .bind(item)
        .bind(now)
        .execute(self.connection())
        .await?;
        Ok(())
    }

    /// The run has its build; `None` when it began and nobody can tell the number.
    ///
    /// # Errors
    /// The database is away.
    pub async fn run_started(
        &mut self,
        id: &str,
        build: Option<BuildNumber>,
    ) -> Result<(), StoreError> {
        let now = self.now();
        sqlx::query(
            "UPDATE deployment_runs SET state = 'started', build_number = $2, updated_at = $3 WHERE id = $1",
        )
        .bind(id)
        .bind(build)
        .bind(now)
        .execute(self.connection())
        .await?;
        Ok(())
    }

    /// The run leads to no build.
    ///
    /// # Errors
    /// The database is away.
    pub async fn run_failed(
        &mut self,
        id: &str,
        code: &str,
        message: &str,
    ) -> Result<(), StoreError> {
        let now = self.now();
        sqlx::query(
            "UPDATE deployment_runs SET state = 'failed', error_code = $2, error = $3, updated_at = $4 WHERE id = $1",
        )
        .bind(id)
        .bind(code)
        .bind(message)
        .bind(now)
        .execute(self.connection())
        .await?;
        Ok(())
    }
}

impl Tx {
    /// Lets the key of a run be used again: nothing was done under it.
    ///
    /// # Errors
    /// The database is away.
    pub async fn free_key(&mut self, id: &str) -> Result<(), StoreError> {
        sqlx::query("UPDATE deployment_runs SET idempotency_key = NULL WHERE id = $1")
            .bind(id)
            .execute(self.connection())
            .await?;
        Ok(())
    }
}

impl Store {
    /// Active runs that nobody works on, oldest first.
    ///
    /// # Errors
    /// The database is away.
    pub async fn orphaned_runs(&self, now: i64) -> Result<Vec<String>, StoreError> {
        let rows = sqlx::query(
            "SELECT id FROM deployment_runs WHERE state IN ('triggering', 'queued') AND lease_until < $1
             ORDER BY created_at, id LIMIT 100",
        )
        .bind(now)
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(|row| Ok(row.try_get("id")?)).collect()
    }

    /// Takes over a run that nobody works on. False: somebody was faster.
    ///
    /// # Errors
    /// The database is away.
    pub async fn claim_run(
        &self,
        id: &str,
        owner: &str,
        now: i64,
        until: i64,
    ) -> Result<bool, StoreError> {
        let result = sqlx::query(
            "UPDATE deployment_runs SET lease_owner = $2, lease_until = $4
             WHERE id = $1 AND lease_until < $3 AND state IN ('triggering', 'queued')",
        )
        .bind(id)
        .bind(owner)
        .bind(now)
        .bind(until)
        .execute(&self.pool)
        .await?;
        Ok(result.rows_affected() == 1)
    }

    /// Keeps runs and rollouts that this process works on.
    ///
    /// # Errors
    /// The database is away.
    pub async fn renew(&self, owner: &str, until: i64) -> Result<(), StoreError> {
        for text in [
            "UPDATE deployment_runs SET lease_until = $2 WHERE lease_owner = $1 AND state IN ('triggering', 'queued')",
            "UPDATE deployment_rollouts SET lease_until = $2 WHERE lease_owner = $1 AND state = 'running'",
        ] {
            sqlx::query(text)
                .bind(owner)
                .bind(until)
                .execute(&self.pool)
                .await?;
        }
        Ok(())
    }

    /// Lets go of everything that this process works on, so that another may take it at once.
    ///
    /// # Errors
    /// The database is away.
    pub async fn release(&self, owner: &str) -> Result<(), StoreError> {
        self.renew(owner, 0).await
    }

    /// What working on a run needs.
    ///
    /// # Errors
    /// The database is away.
    pub async fn run_work(&self, id: &str) -> Result<Option<RunWork>, StoreError> {
        let row = sqlx::query(
            "SELECT r.id AS r_id, r.deployment_id, r.state, r.queue_item, d.parameters, j.id AS j_id, j.provider,
               j.provider_job
             FROM deployment_runs r
             JOIN deployments d ON d.id = r.deployment_id
             JOIN deployment_cicd_mappings m ON m.deployment_id = d.id
             JOIN cicd_jobs j ON j.id = m.cicd_job_id
             WHERE r.id = $1",
        )
        .bind(id)
        .fetch_optional(&self.pool)
        .await?;
        let Some(row) = row else {
            return Ok(None);
        };
        let parameters: String = row.try_get("parameters")?;
        Ok(Some(RunWork {
            id: row.try_get("r_id")?,
            deployment: row.try_get("deployment_id")?,
            job: row.try_get("j_id")?,
            provider: super::jobs::provider(&row)?,
            provider_job: row.try_get("provider_job")?,
            parameters: serde_json::from_str(&parameters).map_err(|_| StoreError::Damaged {
                table: "deployments",
            })?,
            state: state(&row.try_get::<String, _>("state")?)?,
            queue_item: row.try_get("queue_item")?,
        }))
    }
}

fn state(word: &str) -> Result<RunState, StoreError> {
    RunState::named(word).ok_or(StoreError::Damaged {
        table: "deployment_runs",
    })
}
