//! Clients → [`Observed`]: one look at one job.

use futures::future::join_all;

use super::converge::explained;
use crate::clients::nomad::calls::jobs::JobQuery;
use crate::clients::nomad::client::NomadClient;
use crate::clients::nomad::error::{Disposition, NomadError};
use crate::clients::nomad::types::{JobRecord, JobStub, Rollout};
use crate::clients::nomad::watch::{Subject, Watched, Watcher};
use crate::ids::{JobId, ModifyIndex};
use crate::reconcile::diff::diff;
use crate::reconcile::observed::{Activity, Attempt, Gap, Observed, Seen};
use crate::reconcile::plan::{Goal, META_RUN, Memory, RunGoal};

/// What a look found, and the indexes from which the next change can be awaited.
#[derive(Debug)]
pub struct Look {
    /// What is there.
    pub observed: Observed,
    /// Index of each blocking query.
    pub cursor: Cursor,
}

/// Indexes of the answers of one look; 0 where there was none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cursor {
    job: u64,
    allocations: u64,
    rollout: u64,
    evaluations: u64,
}

/// Looks at a job once.
///
/// An answer that may be wrong becomes [`Seen::Unknown`]; so does one from a server that knows no leader.
///
/// # Errors
/// Only what a later look cannot mend either, such as a token without rights.
pub async fn look(nomad: &NomadClient, goal: &Goal, memory: &Memory) -> Result<Look, NomadError> {
    let id = goal.id();
    match try_look(nomad, id, goal, memory).await {
        Ok(look) => Ok(look),
        Err(error) if matches!(error.disposition(), Disposition::Stall) => Err(error),
        Err(error) => {
            let gap = Gap {
                reason: explained(&error),
            };
            Ok(Look {
                observed: Observed::unknown(gap),
                cursor: Cursor::default(),
            })
        }
    }
}

async fn try_look(
    nomad: &NomadClient,
    id: &JobId,
    goal: &Goal,
    memory: &Memory,
) -> Result<Look, NomadError> {
    // First: an evaluation that is over has left its mark on the allocations that are read after it.
    let evaluations = nomad.evaluations(id).await?;
    let (job, allocations, rollout) = tokio::try_join!(
        nomad.job(id).into_future(),
        nomad.allocations(id, true).into_future(),
        nomad.latest_rollout(id).into_future(),
    )?;
    let is_led = job.known_leader
        && allocations.known_leader
        && rollout.known_leader
        && evaluations.known_leader;
    if !is_led {
        let reason = format!("the Nomad server at {} knows no leader", nomad.address());
        return Ok(Look {
            observed: Observed::unknown(Gap { reason }),
            cursor: Cursor::default(),
        });
    }
    let cursor = Cursor {
        job: job.index,
        allocations: allocations.index,
        rollout: rollout.index,
        evaluations: evaluations.index,
    };
    let mut activity = Activity {
        evaluations: evaluations.value,
        rollout: rollout.value,
        allocations: allocations.value,
    };
    let (attempt, children) = match goal {
        Goal::Run(run) => (
            earlier_attempt(nomad, id, job.value.as_ref(), run, memory).await?,
            Vec::new(),
        ),
        Goal::Destroy(_) | Goal::Stop(_) => (
            None,
            children(nomad, id, job.value.as_ref(), &mut activity).await?,
        ),
        Goal::Watch(_) => (None, Vec::new()),
    };
    let job = job.value.map_or(Seen::Absent, Seen::Present);
    Ok(Look {
        observed: Observed {
            job,
            activity,
            attempt,
            children,
        },
        cursor,
    })
}

/// Finds an older version that came from the same intent, once the job has moved on from it.
async fn earlier_attempt(
    nomad: &NomadClient,
    id: &JobId,
    job: Option<&JobRecord>,
    run: &RunGoal,
    memory: &Memory,
) -> Result<Option<Attempt>, NomadError> {
    let Some(job) = job else { return Ok(None) };
    // Version 0 has no older one.
    if job.head.version == 0 || is_ours(job, run, memory) {
        return Ok(None);
    }
    let versions = nomad
        .job_versions(id)
        .await?
        .value
        .unwrap_or_default()
        .versions;
    let Some(ours) = versions
        .iter()
        .filter(|version| version.head.version < job.head.version)
        .find(|version| is_ours(version, run, memory))
    else {
        return Ok(None);
    };
    let rollouts = nomad.rollouts(id, false).await?.value;
    Ok(Some(Attempt {
        version: ours.head.version,
        rollout: rollout_of(rollouts, ours),
    }))
}

/// Whether a version came from this intent: it stood so before, it carries the run's mark, or it is as wanted and newer than
/// what the first write was based on, whose answer may have been lost.
fn is_ours(version: &JobRecord, run: &RunGoal, memory: &Memory) -> bool {
    let head = &version.head;
    let mark = head.meta.get(META_RUN);
    memory.stood_at == Some(head.job_modify_index)
        || run.run.is_some() && mark == run.run.as_ref()
        || memory
            .sent_at
            .is_some_and(|sent| head.job_modify_index > sent)
            && diff(&run.job, &version.spec, &run.options).is_empty()
}

/// The rollout of a version; the list comes in the order of random ids.
fn rollout_of(rollouts: Vec<Rollout>, version: &JobRecord) -> Option<Rollout> {
    rollouts
        .into_iter()
        .filter(|rollout| {
            rollout.job_version == version.head.version
                && rollout.job_create_index == version.head.create_index
                && (version.head.job_modify_index == ModifyIndex(0)
                    || rollout.job_spec_modify_index == version.head.job_modify_index)
        })
        .max_by_key(|rollout| rollout.create_index)
}

/// Children of a periodic or parameterized job, with their allocations added to the activity.
async fn children(
    nomad: &NomadClient,
    id: &JobId,
    job: Option<&JobRecord>,
    activity: &mut Activity,
) -> Result<Vec<JobStub>, NomadError> {
    let is_parent =
        job.is_none_or(|job| job.head.periodic.is_some() || job.head.parameterized_job.is_some());
    if !is_parent {
        return Ok(Vec::new());
    }
    let query = JobQuery {
        prefix: Some(format!("{id}/")),
        ..JobQuery::default()
    };
    let listed = nomad.jobs(&query).await?.value;
    let children: Vec<JobStub> = listed
        .into_iter()
        .filter(|stub| stub.parent_id == id.as_str())
        .collect();
    let ids = children
        .iter()
        .filter_map(|child| child.id.parse::<JobId>().ok());
    for allocations in
        join_all(ids.map(|child| async move { nomad.allocations(&child, true).await })).await
    {
        activity.allocations.extend(allocations?.value);
    }
    Ok(children)
}

impl Cursor {
    /// Watches the job from here on.
    #[must_use]
    pub fn watch(self, nomad: &NomadClient, id: &JobId) -> Watcher {
        let subject = |what: fn(JobId) -> Watched, index| Subject {
            what: what(id.clone()),
            index,
        };
        let subjects = vec![
            subject(Watched::Job, self.job),
            subject(Watched::Allocations, self.allocations),
            subject(Watched::LatestRollout, self.rollout),
            subject(Watched::Evaluations, self.evaluations),
        ];
        Watcher::start(nomad, subjects)
    }
}
