//! CI jobs, their mappings, and the status of deployments: what a flow reads to write.

use jiff::Timestamp;
use sqlx::Row as _;
use sqlx::any::AnyRow;

use super::{StoreError, Tx};
use crate::bridge::machine::JobState;
use crate::bridge::status::{DeploymentStatus, Provider};

/// A CI job, locked until the transaction ends.
#[derive(Debug, Clone)]
pub struct Job {
    /// Its id.
    pub id: String,
    /// Who runs it.
    pub provider: Provider,
    /// Its path there.
    pub provider_job: String,
    /// What is known of it.
    pub state: JobState,
}

/// A deployment, locked until the transaction ends.
#[derive(Debug, Clone)]
pub struct LockedDeployment {
    /// Its id.
    pub id: String,
    /// Its status.
    pub status: DeploymentStatus,
    /// Whether it has a workload.
    pub has_workload: bool,
    /// Its latest run.
    pub last_run: Option<String>,
}

impl Tx {
    /// Reads a job and keeps others from it.
    ///
    /// # Errors
    /// The database is away.
    pub async fn lock_job(&mut self, id: &str) -> Result<Option<Job>, StoreError> {
        let now = self.now();
        let row = sqlx::query(
            "UPDATE cicd_jobs SET updated_at = $2 WHERE id = $1
             RETURNING id, provider, provider_job, status, build_number, status_at, floor_build",
        )
        .bind(id)
        .bind(now)
        .fetch_optional(self.connection())
        .await?;
        row.as_ref().map(job).transpose()
    }

    /// Writes what is known of a job.
    ///
    /// # Errors
    /// The database is away.
    pub async fn save_job(&mut self, id: &str, state: &JobState) -> Result<(), StoreError> {
        let now = self.now();
        sqlx::query(
            "UPDATE cicd_jobs SET status = $2, build_number = $3, status_at = $4, floor_build = $5, updated_at = $6
             WHERE id = $1",
        )
        .bind(id)
        .bind(state.status.as_str())
        .bind(state.build)
        .bind(state.at.map(Timestamp::as_millisecond))
        .bind(state.floor)
        .bind(now)
        .execute(self.connection())
        .await?;
        Ok(())
    }

    /// The deployment of a job.
    ///
    /// # Errors
    /// The database is away.
    pub async fn deployment_of(&mut self, job: &str) -> Result<Option<String>, StoreError> {
        let row = sqlx::query(
            "SELECT deployment_id FROM deployment_cicd_mappings WHERE cicd_job_id = $1",
        )
        .bind(job)
        .fetch_optional(self.connection())
        .await?;
        Ok(row.map(|row| row.try_get("deployment_id")).transpose()?)
    }

    /// The job of a deployment.
    ///
    /// # Errors
    /// The database is away.
    pub async fn job_of(&mut self, deployment: &str) -> Result<Option<String>, StoreError> {
        let row = sqlx::query(
            "SELECT cicd_job_id FROM deployment_cicd_mappings WHERE deployment_id = $1",
        )
        .bind(deployment)
        .fetch_optional(self.connection())
        .await?;
        Ok(row.map(|row| row.try_get("cicd_job_id")).transpose()?)
    }

    /// Reads a deployment and keeps others from it.
    ///
    /// # Errors
    /// The database is away.
    pub async fn lock_deployment(
        &mut self,
        id: &str,
    ) -> Result<Option<LockedDeployment>, StoreError> {
        let row = sqlx::query(
            "UPDATE deployments SET updated_at = updated_at WHERE id = $1
             RETURNING id, status, workload, last_run_id",
        )
        .bind(id)
        .fetch_optional(self.connection())
        .await?;
        let Some(row) = row else {
            return Ok(None);
        };
        Ok(Some(LockedDeployment {
            id: row.try_get("id")?,
            status: status(&row, "status")?,
            has_workload: row.try_get::<Option<String>, _>("workload")?.is_some(),
            last_run: row.try_get("last_run_id")?,
        }))
    }

    /// Writes the status of a deployment.
    ///
    /// # Errors
    /// The database is away.
    pub async fn set_status(
        &mut self,
        deployment: &str,
        status: DeploymentStatus,
    ) -> Result<(), StoreError> {
        let now = self.now();
        sqlx::query("UPDATE deployments SET status = $2, updated_at = $3 WHERE id = $1")
            .bind(deployment)
            .bind(status.as_str())
            .bind(now)
            .execute(self.connection())
            .await?;
        Ok(())
    }
}

pub(super) fn status(row: &AnyRow, column: &str) -> Result<DeploymentStatus, StoreError> {
    let word: String = row.try_get(column)?;
    word.parse().map_err(|_| StoreError::Damaged {
        table: "deployments",
    })
}

pub(super) fn provider(row: &AnyRow) -> Result<Provider, StoreError> {
    let word: String = row.try_get("provider")?;
    word.parse()
        .map_err(|_| StoreError::Damaged { table: "cicd_jobs" })
}

fn job(row: &AnyRow) -> Result<Job, StoreError> {
    let damaged = || StoreError::Damaged { table: "cicd_jobs" };
    let raw: String = row.try_get("status")?;
    let at: Option<i64> = row.try_get("status_at")?;
    let at = at.map(Timestamp::from_millisecond).transpose();
    Ok(Job {
        id: row.try_get("id")?,
        provider: provider(row)?,
        provider_job: row.try_get("provider_job")?,
        state: JobState {
            status: raw.parse().map_err(|_| damaged())?,
            build: row.try_get("build_number")?,
            at: at.map_err(|_| damaged())?,
            floor: row.try_get("floor_build")?,
        },
    })
}
