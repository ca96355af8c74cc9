//! A webhook: CI job first, both tables, one transaction.

use crate::bridge::api::{WebhookAnswer, WebhookOutcome};
use crate::bridge::event::BridgeEvent;
use crate::bridge::machine::{JobState, Verdict};
use crate::bridge::status::DeploymentStatus;
use crate::bridge::webhook::Webhook;
use crate::bridge::wording;
use crate::server::state::{Shared, now};
use crate::store::{LockedDeployment, NewTransition, StoreError, Tx};

/// What a webhook came to.
pub(crate) enum Taken {
    /// This.
    Answer(WebhookAnswer),
    /// The very same message was taken before.
    Replayed,
}

/// Takes a webhook whose signature and time hold.
pub(crate) async fn take(
    shared: &Shared,
    webhook: &Webhook,
    digest: &str,
) -> Result<Taken, StoreError> {
    let mut tx = shared.store.begin(now()).await?;
    let Some(job) = tx.lock_job(&webhook.job).await? else {
        // Nothing to change, and nothing to remember: the same message may mean something once the job is there.
        return Ok(unmapped(&webhook.job));
    };
    // A minute longer than the signature holds: clocks are read more than once.
    let window = i64::try_from(shared.webhook_tolerance.as_millis()).unwrap_or(i64::MAX / 4);
    let expires = webhook.message.at.as_millisecond() + window + 60_000;
    if !tx.receive(digest, expires).await? {
        return Ok(Taken::Replayed);
    }
    let verdict = job.state.told(&webhook.message);
    if let Verdict::Applied(state) = &verdict {
        tx.save_job(&job.id, state).await?;
    }
    let mapped = tx.deployment_of(&job.id).await?;
    let deployment = match &mapped {
        Some(id) => tx.lock_deployment(id).await?,
        None => None,
    };
    let Some(deployment) = deployment else {
        tx.commit().await?;
        return Ok(unmapped(&job.id));
    };
    let answer = judge(&mut tx, &job.id, &deployment, webhook, &verdict).await?;
    if matches!(verdict, Verdict::Applied(_)) {
        // Before anybody can see that a rollout is due.
        shared.traces.built(&deployment.id);
    }
    tx.commit().await?;
    if let Verdict::Applied(state) = &verdict {
        let line = wording::updating(&deployment.id, state.deployment_status());
        tracing::info!("{line}");
        shared.feed.wake();
        shared.rollout_due.notify_one();
    }
    Ok(Taken::Answer(answer))
}

fn unmapped(job: &str) -> Taken {
    tracing::warn!("{}", wording::unmapped(job));
    Taken::Answer(WebhookAnswer {
        outcome: WebhookOutcome::Unmapped,
        deployment_id: None,
        status: None,
        detail: Some("no deployment is mapped to this job".to_owned()),
    })
}

async fn judge(
    tx: &mut Tx,
    job: &str,
    deployment: &LockedDeployment,
    webhook: &Webhook,
    verdict: &Verdict,
) -> Result<WebhookAnswer, StoreError> {
    let (outcome, status, detail) = match verdict {
        Verdict::Applied(state) => {
            apply(tx, job, deployment, state).await?;
            (WebhookOutcome::Updated, state.deployment_status(), None)
        }
        Verdict::Known => (WebhookOutcome::Unchanged, deployment.status, None),
        Verdict::Late(late) => (
            WebhookOutcome::Ignored,
            deployment.status,
            Some(late.reason()),
        ),
    };
    if *verdict != Verdict::Known {
        tx.remember(NewTransition {
            deployment: deployment.id.clone(),
            kind: "webhook",
            from: Some(deployment.status),
            to: status,
            ci_status: Some(webhook.message.status.clone()),
            build: Some(webhook.message.build),
            applied: outcome == WebhookOutcome::Updated,
            detail: detail.map(str::to_owned),
        });
    }
    Ok(WebhookAnswer {
        outcome,
        deployment_id: Some(deployment.id.clone()),
        status: Some(status),
        detail: detail.map(str::to_owned),
    })
}

async fn apply(
    tx: &mut Tx,
    job: &str,
    deployment: &LockedDeployment,
    state: &JobState,
) -> Result<(), StoreError> {
    let status = state.deployment_status();
    tx.set_status(&deployment.id, status).await?;
    let build = state.build.expect("a message names its build");
    tx.announce(BridgeEvent::StatusUpdate {
        deployment_id: deployment.id.clone(),
        status,
        job_id: job.to_owned(),
        build_number: build.to_string(),
    });
    if status == DeploymentStatus::Completed && deployment.has_workload {
        tx.rollout_due(&deployment.id, build).await?;
    }
    Ok(())
}
