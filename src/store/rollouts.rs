//! Rollouts that are due: one for every successful build of a deployment with a workload.

use sqlx::Row as _;

use super::{Store, StoreError, Tx};
use crate::bridge::api::RolloutState;
use crate::bridge::machine::BuildNumber;

/// A rollout that is worked on.
#[derive(Debug, Clone)]
pub struct RolloutWork {
    /// Its id.
    pub id: String,
    /// Its deployment.
    pub deployment: String,
    /// The CI job.
    pub job: String,
    /// After which build.
    pub build: BuildNumber,
    /// The workload, JSON.
    pub workload: String,
}

impl Tx {
    /// Makes a rollout due, and puts those aside that wait for older builds. False: there is one for this build.
    ///
    /// # Errors
    /// The database is away.
    pub async fn rollout_due(
        &mut self,
        deployment: &str,
        build: BuildNumber,
    ) -> Result<bool, StoreError> {
        let now = self.now();
        let id = uuid::Uuid::new_v4().to_string();
        let added = sqlx::query(
            "INSERT INTO deployment_rollouts (id, deployment_id, build_number, state, lease_until, created_at, updated_at)
             VALUES ($1, $2, $3, 'due', 0, $4, $4) ON CONFLICT (deployment_id, build_number) DO NOTHING",
        )
        .bind(&id)
        .bind(deployment)
        .bind(build)
        .bind(now)
        .execute(self.connection())
        .await?;
        if added.rows_affected() == 0 {
            return Ok(false);
        }
        sqlx::query(
            "UPDATE deployment_rollouts SET state = 'superseded', outcome = 'superseded',
               message = 'a newer build succeeded before its turn came', updated_at = $3
             WHERE deployment_id = $1 AND id <> $2 AND state = 'due'",
        )
        .bind(deployment)
        .bind(&id)
        .bind(now)
        .execute(self.connection())
        .await?;
        sqlx::query("UPDATE deployments SET last_rollout_id = $2 WHERE id = $1")
            .bind(deployment)
            .bind(&id)
            .execute(self.connection())
            .await?;
        Ok(true)
    }

    /// Takes note of how a rollout ended. False: another process has taken it over.
    ///
    /// # Errors
    /// The database is away.
    pub async fn rollout_ended(
        &mut self,
        id: &str,
        owner: &str,
        state: RolloutState,
        outcome: &str,
        message: &str,
    ) -> Result<bool, StoreError> {
        let now = self.now();
        let result = sqlx::query(
            "UPDATE deployment_rollouts SET state = $3, outcome = $4, message = $5, updated_at = $6
             WHERE id = $1 AND lease_owner = $2 AND state = 'running'",
        )
        .bind(id)
        .bind(owner)
        .bind(state.as_str())
        .bind(outcome)
        .bind(message)
        .bind(now)
        .execute(self.connection())
        .await?;
        Ok(result.rows_affected() == 1)
    }
}

impl Store {
    /// Rollouts that nobody works on, oldest first: id and deployment. Those of a deployment that one is running for are
    /// among them.
    ///
    /// # Errors
    /// The database is away.
    pub async fn open_rollouts(&self, now: i64) -> Result<Vec<(String, String)>, StoreError> {
        let rows = sqlx::query(
            "SELECT id, deployment_id FROM deployment_rollouts
             WHERE state IN ('due', 'running') AND lease_until < $1 ORDER BY created_at, id LIMIT 100",
        )
        .bind(now)
        .fetch_all(&self.pool)
        .await?;
        rows.iter()
            .map(|row| Ok((row.try_get("id")?, row.try_get("deployment_id")?)))
            .collect()
    }

    /// Takes a rollout, unless somebody works on it, or on another of the same deployment.
    ///
    /// # Errors
    /// The database is away.
    pub async fn claim_rollout(
        &self,
        id: &str,
        owner: &str,
        now: i64,
        until: i64,
    ) -> Result<Option<RolloutWork>, StoreError> {
        let result = sqlx::query(
            "UPDATE deployment_rollouts SET state = 'running', lease_owner = $2, lease_until = $4, updated_at = $3
             WHERE id = $1 AND state IN ('due', 'running') AND lease_until < $3
               AND NOT EXISTS (SELECT 1 FROM deployment_rollouts other
                               WHERE other.deployment_id = deployment_rollouts.deployment_id
                                 AND other.id <> deployment_rollouts.id
                                 AND other.state = 'running' AND other.lease_until >= $3)",
        )
        .bind(id)
        .bind(owner)
        .bind(now)
        .bind(until)
        .execute(&self.pool)
        .await?;
        if result.rows_affected() == 0 {
            return Ok(None);
        }
        let row = sqlx::query(
            "SELECT o.id, o.deployment_id, o.build_number, d.workload, m.cicd_job_id
             FROM deployment_rollouts o
             JOIN deployments d ON d.id = o.deployment_id
             JOIN deployment_cicd_mappings m ON m.deployment_id = d.id
             WHERE o.id = $1",
        )
        .bind(id)
        .fetch_one(&self.pool)
        .await?;
        let workload: Option<String> = row.try_get("workload")?;
        Ok(Some(RolloutWork {
            id: row.try_get("id")?,
            deployment: row.try_get("deployment_id")?,
            job: row.try_get("cicd_job_id")?,
            build: row.try_get("build_number")?,
            workload: workload.ok_or(StoreError::Damaged {
                table: "deployments",
            })?,
        }))
    }

    /// The newest build that has a rollout.
    ///
    /// # Errors
    /// The database is away.
    pub async fn newest_rollout(
        &self,
        deployment: &str,
    ) -> Result<Option<BuildNumber>, StoreError> {
        let row = sqlx::query(
            "SELECT build_number FROM deployment_rollouts WHERE deployment_id = $1
             ORDER BY created_at DESC, build_number DESC LIMIT 1",
        )
        .bind(deployment)
        .fetch_optional(&self.pool)
        .await?;
        Ok(row.map(|row| row.try_get("build_number")).transpose()?)
    }
}
