//! A deployment, its CI job and their mapping.

use std::collections::BTreeMap;

use crate::bridge::api::CreateDeployment;
use crate::bridge::machine::JobState;
use crate::bridge::signature::fingerprint;
use crate::secret::Secret;
use crate::server::problem::Problem;
use crate::server::state::{Shared, now};
use crate::store::{NewDeployment, NewTransition, StoreError};

use axum::http::StatusCode;

/// What became of a request.
pub(crate) struct Created {
    /// Id of the deployment.
    pub(crate) id: String,
    /// It was there already: the same request was sent before.
    pub(crate) repeated: bool,
}

/// Makes a deployment. The request has been checked.
pub(crate) async fn create(
    shared: &Shared,
    request: &CreateDeployment,
    body: &[u8],
    key: Option<&str>,
) -> Result<Created, Problem> {
    let digest = fingerprint(body);
    if let Some(before) = known(shared, key, &digest).await? {
        return Ok(before);
    }
    let parameters: BTreeMap<&str, &str> = request
        .parameters
        .iter()
        .map(|(name, value)| (name.as_str(), value.0.expose()))
        .collect();
    let new = NewDeployment {
        id: uuid::Uuid::new_v4().to_string(),
        job_id: format!("job-{}", uuid::Uuid::new_v4()),
        name: request.name.clone(),
        provider: request.provider,
        provider_job: request.job.clone(),
        parameters: Secret::new(serde_json::to_string(&parameters).expect("texts are JSON")),
        workload: request.workload.as_ref().map(ToString::to_string),
        idempotency_key: key.map(str::to_owned),
        request_digest: digest.clone(),
    };
    match add(shared, &new).await {
        Ok(()) => {
            tracing::info!(
                deployment.id = new.id,
                job.id = new.job_id,
                "Created deployment {} with job {}",
                new.id,
                new.job_id
            );
            Ok(Created {
                id: new.id,
                repeated: false,
            })
        }
        // The same request came twice at once.
        Err(error) if error.is_duplicate() => known(shared, key, &digest)
            .await?
            .ok_or_else(|| Problem::from(&error)),
        Err(error) => Err(told(&error)),
    }
}

/// Says in the log what the client is not told.
pub(crate) fn told(error: &StoreError) -> Problem {
    if error.is_away() {
        tracing::warn!("{}", crate::clients::chain(error));
    } else {
        tracing::error!("{}", crate::clients::chain(error));
    }
    Problem::from(error)
}

async fn add(shared: &Shared, new: &NewDeployment) -> Result<(), StoreError> {
    let mut tx = shared.store.begin(now()).await?;
    tx.add_deployment(new).await?;
    let state = JobState::new();
    tx.remember(NewTransition {
        deployment: new.id.clone(),
        kind: "created",
        from: None,
        to: state.deployment_status(),
        ci_status: None,
        build: None,
        applied: true,
        detail: None,
    });
    tx.commit().await
}

async fn known(
    shared: &Shared,
    key: Option<&str>,
    digest: &str,
) -> Result<Option<Created>, Problem> {
    let Some(key) = key else {
        return Ok(None);
    };
    let found = shared.store.deployment_by_key(key).await;
    match found.map_err(|error| told(&error))? {
        None => Ok(None),
        Some((id, same)) if same == digest => Ok(Some(Created { id, repeated: true })),
        Some(_) => Err(Problem::new(
            StatusCode::CONFLICT,
            "idempotency-key-reused",
            "this Idempotency-Key was used for another request",
            "use a new key for every new request, and the same key only to repeat one",
        )),
    }
}
