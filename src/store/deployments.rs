//! Deployments: made, shown, listed.

use std::collections::BTreeMap;

use sqlx::Row as _;
use sqlx::any::AnyRow;

use super::jobs::{provider, status};
use super::{Store, StoreError, Tx};
use crate::bridge::api::{
    Deployment, Rollout, RolloutState, Run, RunError, RunState, Time, Transition,
};
use crate::bridge::event::number_text;
use crate::bridge::machine::JobState;
use crate::bridge::status::{DeploymentStatus, Provider};

/// A deployment that is made.
#[derive(Debug, Clone)]
pub struct NewDeployment {
    /// Its id.
    pub id: String,
    /// Id of its CI job.
    pub job_id: String,
    /// For people.
    pub name: String,
    /// Who runs the job.
    pub provider: Provider,
    /// Its path there.
    pub provider_job: String,
    /// Parameters, a JSON object of texts. They may be secrets.
    pub parameters: crate::secret::Secret,
    /// The workload, JSON.
    pub workload: Option<String>,
    /// What the client calls this request.
    pub idempotency_key: Option<String>,
    /// Fingerprint of the request.
    pub request_digest: String,
}

/// A part of a list.
#[derive(Debug, Clone, Default)]
pub struct Page {
    /// Only of this status.
    pub status: Option<DeploymentStatus>,
    /// Behind this deployment: its time and id.
    pub after: Option<(i64, String)>,
    /// At most so many.
    pub limit: i64,
}

const COLUMNS: &str = "d.id AS d_id, d.name AS d_name, d.status AS d_status, d.parameters AS d_parameters,
  d.created_at AS d_created_at, d.updated_at AS d_updated_at,
  j.id AS j_id, j.provider AS provider, j.provider_job AS j_job, j.status AS j_status, j.build_number AS j_build,
  r.id AS r_id, r.state AS r_state, r.build_number AS r_build, r.error_code AS r_code, r.error AS r_error,
  r.created_at AS r_created_at,
  o.id AS o_id, o.state AS o_state, o.build_number AS o_build, o.outcome AS o_outcome, o.message AS o_message,
  o.updated_at AS o_updated_at";

const TABLES: &str = "deployments d
  JOIN deployment_cicd_mappings m ON m.deployment_id = d.id
  JOIN cicd_jobs j ON j.id = m.cicd_job_id
  LEFT JOIN deployment_runs r ON r.id = d.last_run_id
  LEFT JOIN deployment_rollouts o ON o.id = d.last_rollout_id";

impl Tx {
    /// Adds a deployment, its job and their mapping.
    ///
    /// # Errors
    /// The database is away; or the key was used at the same time ([`StoreError::is_duplicate`]).
    pub async fn add_deployment(&mut self, new: &NewDeployment) -> Result<(), StoreError> {
        let now = self.now();
        let state = JobState::new();
        sqlx::query(
            "INSERT INTO deployments
               (id, name, status, parameters, workload, idempotency_key, request_digest, created_at, updated_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8)",
        )
        .bind(&new.id)
        .bind(&new.name)
        .bind(state.deployment_status().as_str())
        .bind(new.parameters.expose())
        .bind(new.workload.as_deref())
        .bind(new.idempotency_key.as_deref())
        .bind(&new.request_digest)
        .bind(now)
        .execute(self.connection())
        .await?;
        sqlx::query(
            "INSERT INTO cicd_jobs (id, provider, provider_job, status, floor_build, created_at, updated_at)
             VALUES ($1, $2, $3, $4, 0, $5, $5)",
        )
        .bind(&new.job_id)
        .bind(new.provider.as_str())
        .bind(&new.provider_job)
        .bind(state.status.as_str())
        .bind(now)
        .execute(self.connection())
        .await?;
        sqlx::query(
            "INSERT INTO deployment_cicd_mappings (deployment_id, cicd_job_id, created_at) VALUES ($1, $2, $3)",
        )
        .bind(&new.id)
        .bind(&new.job_id)
        .bind(now)
        .execute(self.connection())
        .await?;
        Ok(())
    }
}

impl Store {
    /// A deployment.
    ///
    /// # Errors
    /// The database is away.
    pub async fn deployment(&self, id: &str) -> Result<Option<Deployment>, StoreError> {
        let text = format!("SELECT {COLUMNS} FROM {TABLES} WHERE d.id = $1");
        let row = sqlx::query(&text)
            .bind(id)
            .fetch_optional(&self.pool)
            .await?;
        row.as_ref().map(deployment).transpose()
    }

    /// The deployment that was made under a key, and the fingerprint of that request.
    ///
    /// # Errors
    /// The database is away.
    pub async fn deployment_by_key(
        &self,
        key: &str,
    ) -> Result<Option<(String, String)>, StoreError> {
        let row =
            sqlx::query("SELECT id, request_digest FROM deployments WHERE idempotency_key = $1")
                .bind(key)
                .fetch_optional(&self.pool)
                .await?;
        let Some(row) = row else {
            return Ok(None);
        };
        Ok(Some((row.try_get("id")?, row.try_get("request_digest")?)))
    }

    /// Deployments, newest first, and their times of creation.
    ///
    /// # Errors
    /// The database is away.
    pub async fn deployments(&self, page: &Page) -> Result<Vec<(i64, Deployment)>, StoreError> {
        let (before, id) = page.after.clone().unwrap_or((i64::MAX, String::new()));
        let text = format!(
            "SELECT {COLUMNS} FROM {TABLES}
             WHERE (d.created_at < $1 OR (d.created_at = $1 AND d.id < $2)) AND ($3 = '' OR d.status = $3)
             ORDER BY d.created_at DESC, d.id DESC LIMIT $4"
        );
        let rows = sqlx::query(&text)
            .bind(before)
            .bind(id)
            .bind(page.status.map_or("", DeploymentStatus::as_str))
            .bind(page.limit)
            .fetch_all(&self.pool)
            .await?;
        rows.iter()
            .map(|row| Ok((row.try_get("d_created_at")?, deployment(row)?)))
            .collect()
    }

    /// What happened to a deployment before a number, newest first, with the numbers.
    ///
    /// # Errors
    /// The database is away.
    pub async fn history(
        &self,
        deployment: &str,
        before: i64,
        limit: i64,
    ) -> Result<Vec<(i64, Transition)>, StoreError> {
        let rows = sqlx::query(
            "SELECT id, kind, from_status, to_status, ci_status, build_number, applied, detail, at
             FROM deployment_transitions WHERE deployment_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3",
        )
        .bind(deployment)
        .bind(before)
        .bind(limit)
        .fetch_all(&self.pool)
        .await?;
        rows.iter()
            .map(|row| Ok((row.try_get("id")?, transition(row)?)))
            .collect()
    }
}

fn transition(row: &AnyRow) -> Result<Transition, StoreError> {
    let from: Option<String> = row.try_get("from_status")?;
    let from = from.map(|word| word.parse()).transpose();
    Ok(Transition {
        at: Time::of_millis(row.try_get("at")?),
        kind: row.try_get("kind")?,
        from: from.map_err(|_| StoreError::Damaged {
            table: "deployment_transitions",
        })?,
        to: status(row, "to_status")?,
        ci_status: row.try_get("ci_status")?,
        build_number: number_text(row.try_get("build_number")?),
        applied: row.try_get::<i64, _>("applied")? != 0,
        detail: row.try_get("detail")?,
    })
}

fn deployment(row: &AnyRow) -> Result<Deployment, StoreError> {
    let parameters: String = row.try_get("d_parameters")?;
    let parameters: BTreeMap<String, serde::de::IgnoredAny> = serde_json::from_str(&parameters)
        .map_err(|_| StoreError::Damaged {
            table: "deployments",
        })?;
    Ok(Deployment {
        deployment_id: row.try_get("d_id")?,
        cicd_job_id: row.try_get("j_id")?,
        name: row.try_get("d_name")?,
        provider: provider(row)?,
        job: row.try_get("j_job")?,
        parameter_names: parameters.into_keys().collect(),
        status: status(row, "d_status")?,
        ci_status: row.try_get("j_status")?,
        build_number: number_text(row.try_get("j_build")?),
        last_run: run(row)?,
        last_rollout: rollout(row)?,
        created_at: Time::of_millis(row.try_get("d_created_at")?),
        updated_at: Time::of_millis(row.try_get("d_updated_at")?),
    })
}

/// The run of a row, when the join found one.
pub(super) fn run(row: &AnyRow) -> Result<Option<Run>, StoreError> {
    let Some(run_id) = row.try_get("r_id")? else {
        return Ok(None);
    };
    let word: String = row.try_get("r_state")?;
    let code: Option<String> = row.try_get("r_code")?;
    let message: Option<String> = row.try_get("r_error")?;
    Ok(Some(Run {
        run_id,
        state: RunState::named(&word).ok_or(StoreError::Damaged {
            table: "deployment_runs",
        })?,
        build_number: number_text(row.try_get("r_build")?),
        error: code
            .zip(message)
            .map(|(code, message)| RunError { code, message }),
        started_at: Time::of_millis(row.try_get("r_created_at")?),
    }))
}

fn rollout(row: &AnyRow) -> Result<Option<Rollout>, StoreError> {
    let id: Option<String> = row.try_get("o_id")?;
    if id.is_none() {
        return Ok(None);
    }
    let word: String = row.try_get("o_state")?;
    Ok(Some(Rollout {
        build_number: row.try_get::<i64, _>("o_build")?.to_string(),
        state: RolloutState::named(&word).ok_or(StoreError::Damaged {
            table: "deployment_rollouts",
        })?,
        outcome: row.try_get("o_outcome")?,
        message: row.try_get("o_message")?,
        updated_at: Time::of_millis(row.try_get("o_updated_at")?),
    }))
}
