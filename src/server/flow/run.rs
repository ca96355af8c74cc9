//! A run: asked for, queued, started, or failed.

use crate::bridge::api::{Run, RunAnswer, RunState};
use crate::bridge::event::BridgeEvent;
use crate::bridge::machine::{BuildNumber, JobState};
use crate::bridge::status::DeploymentStatus;
use crate::server::state::{Shared, now};
use crate::store::{Job, LockedDeployment, NewRun, NewTransition, RunRow, StoreError, Tx};

/// What asking for a run came to.
pub(crate) enum Asked {
    /// It begins.
    Begun(RunAnswer),
    /// One is under way, or this key was used before.
    Repeated(RunAnswer),
    /// There is no such deployment.
    Absent,
}

/// Writes down that a run begins, before Jenkins is asked.
pub(crate) async fn ask(
    shared: &Shared,
    id: &str,
    key: Option<&str>,
    force: bool,
) -> Result<Asked, StoreError> {
    let mut tx = shared.store.begin(now()).await?;
    let Some((job, deployment)) = locked(&mut tx, id).await? else {
        return Ok(Asked::Absent);
    };
    let before = match key {
        Some(key) => tx.run_by_key(id, key).await?,
        None => None,
    };
    let before = match before {
        None if !force => under_way(&mut tx, &deployment).await?,
        found => found,
    };
    if let Some(run) = before {
        return Ok(Asked::Repeated(answer(&job, &deployment, run, true)));
    }
    if force {
        tx.supersede_runs(id).await?;
    }
    let new = NewRun {
        id: uuid::Uuid::new_v4().to_string(),
        deployment: id.to_owned(),
        idempotency_key: key.map(str::to_owned),
        floor: job.state.newest(),
        lease_owner: shared.owner.clone(),
        lease_until: shared.lease_until(),
    };
    tx.add_run(&new).await?;
    let run = tx.shown_run(&new.id).await?;
    tx.commit().await?;
    let run = run.expect("it was written just before");
    Ok(Asked::Begun(answer(&job, &deployment, run, false)))
}

/// What is known of a run by now.
pub(crate) async fn look(
    shared: &Shared,
    id: &str,
    run: &str,
) -> Result<Option<RunAnswer>, StoreError> {
    let mut tx = shared.store.begin(now()).await?;
    let Some((job, deployment)) = locked(&mut tx, id).await? else {
        return Ok(None);
    };
    let run = tx.shown_run(run).await?;
    Ok(run.map(|run| answer(&job, &deployment, run, false)))
}

async fn locked(tx: &mut Tx, id: &str) -> Result<Option<(Job, LockedDeployment)>, StoreError> {
    let Some(job) = tx.job_of(id).await? else {
        return Ok(None);
    };
    let Some(job) = tx.lock_job(&job).await? else {
        return Ok(None);
    };
    let deployment = tx.lock_deployment(id).await?;
    Ok(deployment.map(|deployment| (job, deployment)))
}

/// The run that another one would only repeat.
async fn under_way(tx: &mut Tx, deployment: &LockedDeployment) -> Result<Option<Run>, StoreError> {
    let Some(last) = &deployment.last_run else {
        return Ok(None);
    };
    let run = tx.shown_run(last).await?;
    let is_running = deployment.status == DeploymentStatus::Running;
    Ok(run.filter(|run| run.state.is_active() || run.state == RunState::Started && is_running))
}

fn answer(job: &Job, deployment: &LockedDeployment, run: Run, repeated: bool) -> RunAnswer {
    RunAnswer {
        deployment_id: deployment.id.clone(),
        cicd_job_id: job.id.clone(),
        status: deployment.status,
        repeated,
        run,
    }
}

/// What has become of a run.
#[derive(Debug, Clone)]
pub(crate) enum Progress {
    /// Jenkins has it in its queue.
    Queued(i64),
    /// Its build has begun; without a number when Jenkins cannot tell it any more.
    Started(Option<BuildNumber>),
    /// Jenkins did not take it.
    NotTaken {
        /// For programs.
        code: &'static str,
        /// For people.
        message: String,
        /// It may have arrived all the same.
        is_unclear: bool,
    },
    /// It was taken out of the queue.
    Cancelled,
}

/// Writes down what has become of a run. False: the run is no longer ours, or is over.
pub(crate) async fn progress(
    shared: &Shared,
    run: &str,
    job: &str,
    deployment: &str,
    progress: &Progress,
) -> Result<bool, StoreError> {
    let mut tx = shared.store.begin(now()).await?;
    let job = tx.lock_job(job).await?;
    let deployment = tx.lock_deployment(deployment).await?;
    let row = tx.lock_run(run).await?;
    let (Some(job), Some(deployment), Some(row)) = (job, deployment, row) else {
        return Ok(false);
    };
    let is_ours = row.lease_owner.as_deref() == Some(shared.owner.as_str());
    if !is_ours || !row.state.is_active() {
        return Ok(false);
    }
    match progress {
        Progress::Queued(item) => {
            tx.run_queued(run, *item).await?;
            began(&mut tx, &job, &deployment, &row).await?;
        }
        Progress::Started(build) => {
            let state = match row.state {
                RunState::Triggering => began(&mut tx, &job, &deployment, &row).await?,
                _ => job.state.clone(),
            };
            tx.run_started(run, *build).await?;
            if let Some(build) = build {
                let state = state.build_known(*build);
                change(&mut tx, &job, &deployment, "build", &state).await?;
            }
        }
        Progress::NotTaken {
            code,
            message,
            is_unclear,
        } => {
            tx.run_failed(run, code, message).await?;
            if !is_unclear {
                tx.free_key(run).await?;
            }
            failed(
                &mut tx,
                &job,
                &deployment,
                run,
                deployment.status,
                code,
                message,
            );
        }
        Progress::Cancelled => {
            let (code, message) = (
                "jenkins-cancelled",
                "the job was taken out of Jenkins' queue before a build began",
            );
            tx.run_failed(run, code, message).await?;
            let state = job.state.run_aborted();
            tx.save_job(&job.id, &state).await?;
            let status = state.deployment_status();
            tx.set_status(&deployment.id, status).await?;
            failed(&mut tx, &job, &deployment, run, status, code, message);
        }
    }
    tx.commit().await?;
    shared.feed.wake();
    Ok(true)
}

/// The run is in the queue: the deployment runs, unless its build has spoken already.
async fn began(
    tx: &mut Tx,
    job: &Job,
    deployment: &LockedDeployment,
    row: &RunRow,
) -> Result<JobState, StoreError> {
    let state = job.state.run_started(row.floor);
    change(tx, job, deployment, "run", &state).await?;
    tx.announce(BridgeEvent::RunStart {
        deployment_id: deployment.id.clone(),
        status: state.deployment_status(),
        job_id: job.id.clone(),
        run_id: row.id.clone(),
    });
    Ok(state)
}

async fn change(
    tx: &mut Tx,
    job: &Job,
    deployment: &LockedDeployment,
    kind: &'static str,
    state: &JobState,
) -> Result<(), StoreError> {
    tx.save_job(&job.id, state).await?;
    let status = state.deployment_status();
    tx.set_status(&deployment.id, status).await?;
    tx.remember(NewTransition {
        deployment: deployment.id.clone(),
        kind,
        from: Some(deployment.status),
        to: status,
        ci_status: Some(state.status.clone()),
        build: state.build,
        applied: true,
        detail: None,
    });
    tracing::info!(
        deployment.id,
        job.id,
        "Deployment {}: {} -> {} ({kind})",
        deployment.id,
        deployment.status.as_str(),
        status.as_str()
    );
    Ok(())
}

fn failed(
    tx: &mut Tx,
    job: &Job,
    deployment: &LockedDeployment,
    run: &str,
    status: DeploymentStatus,
    code: &str,
    message: &str,
) {
    tx.remember(NewTransition {
        deployment: deployment.id.clone(),
        kind: "run-failed",
        from: Some(deployment.status),
        to: status,
        ci_status: None,
        build: None,
        applied: status != deployment.status,
        detail: Some(format!("{code}: {message}")),
    });
    tx.announce(BridgeEvent::RunFailure {
        deployment_id: deployment.id.clone(),
        status,
        job_id: job.id.clone(),
        run_id: run.to_owned(),
        code: code.to_owned(),
        message: message.to_owned(),
    });
}
