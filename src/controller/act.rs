//! Plan → calls. The only place that changes the cluster; it makes no choice of its own.

use crate::clients::nomad::calls::jobs::Submission;
use crate::clients::nomad::client::NomadClient;
use crate::clients::nomad::error::NomadError;
use crate::ids::{JobId, ModifyIndex};
use crate::reconcile::plan::Action;

use super::note::{Note, Notes};

/// What an action did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Done {
    /// The specification stands at this index.
    Registered(ModifyIndex),
    /// Something was stopped or purged.
    Removed,
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
    match action {
        Action::Register { job, expected, .. } => {
            let reply = nomad.register(job, *expected, submission).await?;
            notes.send(Note::Registered {
                job: id.clone(),
                index: reply.job_modify_index,
                warnings: reply.warnings,
            });
            Ok(Done::Registered(reply.job_modify_index))
        }
        Action::Stop { job } => {
            nomad.deregister(job, false).await?;
            notes.send(Note::Stopped { job: job.clone() });
            Ok(Done::Removed)
        }
        Action::Purge { job } => {
            nomad.deregister(job, true).await?;
            notes.send(Note::Purged { job: job.clone() });
            Ok(Done::Removed)
        }
    }
}
