//! Plan → calls. The only place that changes the cluster; it makes no choice of its own.

use crate::clients::nomad::calls::jobs::Submission;
use crate::clients::nomad::client::NomadClient;
use crate::clients::nomad::error::NomadError;
use crate::ids::{JobId, ModifyIndex};
use crate::observe::{self, Kind, Span};
use crate::reconcile::plan::Action;

use super::note::{Note, Notes};

/// What an action did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Done {
    /// The specification stands at this index.
    Registered(ModifyIndex),
    /// Something was stopped or purged.
    Removed,
    /// An earlier version is the newest again.
    Reverted,
}

/// Runs one action.
///
/// # Errors
/// The call failed or its answer was lost; [`NomadError::disposition`] says what follows.
pub async fn act(
    nomad: &NomadClient,
    id: &JobId,
    action: &Action,
    submission: Option<&Submission>,
    notes: &Notes,
) -> Result<Done, NomadError> {
    let span = observe::span(name(action), Kind::Internal);
    span.set("nomad.job.id", id.as_str());
    let done = observe::within(
        span.clone(),
        carry_out(nomad, id, action, submission, notes, &span),
    );
    done.await
}

/// What a trace calls an action.
const fn name(action: &Action) -> &'static str {
    match action {
        Action::Register { .. } => "register",
        Action::Stop { .. } => "stop",
        Action::Revert { .. } => "revert",
        Action::Purge { .. } => "purge",
    }
}

async fn carry_out(
    nomad: &NomadClient,
    id: &JobId,
    action: &Action,
    submission: Option<&Submission>,
    notes: &Notes,
    span: &Span,
) -> Result<Done, NomadError> {
    let failed = |error: NomadError| {
        span.fail("failed");
        error
    };
    match action {
        Action::Register { job, expected, .. } => {
            let reply = nomad.register(job, *expected, submission).await;
            let reply = reply.map_err(failed)?;
            span.set("nomad.job.modify_index", reply.job_modify_index.0);
            notes.send(Note::Registered {
                job: id.clone(),
                index: reply.job_modify_index,
                warnings: reply.warnings,
            });
            Ok(Done::Registered(reply.job_modify_index))
        }
        Action::Stop { job } => {
            nomad.deregister(job, false).await.map_err(failed)?;
            notes.send(Note::Stopped { job: job.clone() });
            Ok(Done::Removed)
        }
        Action::Revert {
            job,
            version,
            current,
        } => {
            let reverted = nomad.revert(job, *version, Some(*current)).await;
            reverted.map_err(failed)?;
            notes.send(Note::Reverted {
                job: job.clone(),
                version: *version,
            });
            Ok(Done::Reverted)
        }
        Action::Purge { job } => {
            nomad.deregister(job, true).await.map_err(failed)?;
            notes.send(Note::Purged { job: job.clone() });
            Ok(Done::Removed)
        }
    }
}

/// Makes an earlier version of a job the newest, provided that `current` is still the version that runs.
///
/// An answer that was lost is made good by a look: the write names the version that it saw, so nobody else's can be taken
/// for it unless it wanted the same.
///
/// Returns the number of the new version.
///
/// # Errors
/// [`NomadError::Conflict`] when somebody else made a version in between.
pub async fn revert(
    nomad: &NomadClient,
    id: &JobId,
    version: u64,
    current: u64,
) -> Result<u64, NomadError> {
    let reverted = nomad.revert(id, version, Some(current)).await;
    if let Err(error) = &reverted
        && !matches!(error, NomadError::ReplyLost { .. })
    {
        return reverted.map(|_| current);
    }
    let now = nomad.job(id).await?.value.map(|job| job.head.version);
    match (reverted, now) {
        // It was not carried out, and nothing else was.
        (Err(_), Some(now)) if now == current => {
            nomad.revert(id, version, Some(current)).await?;
            Ok(current + 1)
        }
        (_, Some(now)) if now <= current + 1 => Ok(now),
        (Err(error), _) => Err(error),
        // Somebody made another version since: what is waited for is ours.
        (Ok(_), _) => Ok(current + 1),
    }
}

/// Promotes the canaries of a rollout in some groups; in all when none is named. Promoting twice does no harm.
///
/// # Errors
/// [`NomadError::Outdated`] when a canary is not healthy any more, or the rollout is over.
pub async fn promote(
    nomad: &NomadClient,
    rollout: &str,
    groups: &[String],
) -> Result<(), NomadError> {
    match nomad.promote_groups(rollout, groups).await {
        Err(NomadError::ReplyLost { .. }) => nomad.promote_groups(rollout, groups).await.map(drop),
        done => done.map(drop),
    }
}
