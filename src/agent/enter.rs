//! From a delivery to a claim: the calls around [`claim`](super::claim).

use super::claim::{Claim, Decided, Delivery, Hold, JobRecord, TaskRecord, Work, claim, hold};
use super::fleet::{Fleet, FleetError};
use super::held::Held;
use super::names::JobKey;
use super::parcel::Parcel;
use crate::ids::JobId;
use crate::reconcile::Outcome;

/// What a delivery led to.
#[derive(Debug)]
pub enum Entry {
    /// It is claimed.
    Claimed(Box<Claimed>),
    /// It ended before.
    Over,
    /// Somebody else works on it or on its job: later. With the reason for metrics.
    Later(&'static str),
    /// A later delivery is with somebody: to be left alone.
    Leave,
}

/// A claim that is written.
#[derive(Debug)]
pub struct Claimed {
    /// The record.
    pub held: Held,
    /// What is left to do.
    pub work: Work,
    /// Jobs of a destroy that belong to later tasks, and which.
    pub lost_jobs: Vec<(JobId, String)>,
}

/// What became of the jobs of a task.
enum Jobs {
    /// All are held, except for those that belong to later tasks.
    Held(Vec<(JobId, String)>),
    /// An earlier task has not let go of one.
    Busy,
}

/// Claims a delivery: first the jobs, then the task itself.
///
/// # Errors
/// NATS does not answer. What was written so far does no harm; the call may be repeated.
pub async fn enter(
    fleet: &Fleet,
    parcel: &Parcel,
    delivery: &Delivery,
    epoch: i64,
    tries: u32,
) -> Result<Entry, FleetError> {
    let subject = fleet.names().task_record(&parcel.key);
    loop {
        let seen = fleet.read::<TaskRecord>(&subject).await?;
        let found = seen.record.as_ref();
        let decided = match claim(found, delivery, None, tries) {
            Claim::Ask(other) => {
                let is_gone = fleet.is_gone(other, epoch).await?;
                claim(found, delivery, Some(is_gone), tries)
            }
            decided => decided,
        };
        let (mut record, mut work) = match decided {
            Claim::Take(record, work) => (record, work),
            Claim::Over => return Ok(Entry::Over),
            Claim::Busy(_) | Claim::Ask(_) => return Ok(Entry::Later("same-deployment")),
            Claim::Outdated => return Ok(Entry::Leave),
        };
        let mut lost_jobs = Vec::new();
        if work == Work::Run {
            match hold_jobs(fleet, parcel, epoch).await? {
                Jobs::Busy => return Ok(Entry::Later("same-job")),
                Jobs::Held(lost) => lost_jobs = lost,
            }
            if let Some((_, by)) = lost_jobs.first().filter(|_| !parcel.is_destroy) {
                let decided = superseded(by);
                record.decided = Some(decided.clone());
                work = Work::Announce(decided);
            }
        }
        if let Some(revision) = fleet.write(&subject, &record, seen.revision).await? {
            let held = Held {
                subject,
                record,
                revision,
            };
            return Ok(Entry::Claimed(Box::new(Claimed {
                held,
                work,
                lost_jobs,
            })));
        }
    }
}

/// Why a task makes way.
#[must_use]
pub fn superseded_by(by: &str) -> String {
    format!("superseded by {by}, which is later in the queue")
}

fn superseded(by: &str) -> Decided {
    let outcome = Outcome::Superseded(superseded_by(by));
    Decided {
        outcome: outcome.word().to_owned(),
        is_success: false,
        reason: outcome.message(),
        is_dead: false,
    }
}

/// Holds every job, and tells earlier tasks to make way for all of them before it waits for any.
async fn hold_jobs(fleet: &Fleet, parcel: &Parcel, epoch: i64) -> Result<Jobs, FleetError> {
    let mut lost = Vec::new();
    let mut is_busy = false;
    for (key, job) in &parcel.jobs {
        match hold_job(fleet, parcel, key, epoch).await? {
            Hold::Busy => is_busy = true,
            Hold::Superseded(by) => lost.push((job.clone(), by)),
            Hold::Take(_) | Hold::Held | Hold::Mark(_) | Hold::Ask(_) => {}
        }
    }
    if is_busy {
        return Ok(Jobs::Busy);
    }
    Ok(Jobs::Held(lost))
}

/// Goes on until the job is held, busy or lost.
async fn hold_job(
    fleet: &Fleet,
    parcel: &Parcel,
    key: &JobKey,
    epoch: i64,
) -> Result<Hold, FleetError> {
    let subject = fleet.names().job_record(key);
    let title = parcel.title();
    let mut is_gone = None;
    loop {
        let seen = fleet.read::<JobRecord>(&subject).await?;
        match hold(seen.record.as_ref(), parcel.order, &title, is_gone) {
            Hold::Ask(holder) => is_gone = Some(fleet.is_gone(holder, epoch).await?),
            Hold::Take(record) => {
                if fleet
                    .write(&subject, &record, seen.revision)
                    .await?
                    .is_some()
                {
                    return Ok(Hold::Held);
                }
                is_gone = None;
            }
            Hold::Mark(record) => {
                // Whether it worked shows in the next look.
                fleet.write(&subject, &record, seen.revision).await?;
                is_gone = None;
            }
            end @ (Hold::Held | Hold::Busy | Hold::Superseded(_)) => return Ok(end),
        }
    }
}

/// The jobs of a run that belong to later tasks by now, and which.
///
/// # Errors
/// NATS does not answer.
pub async fn lost_jobs(
    fleet: &Fleet,
    order: super::names::Order,
    jobs: &[(JobKey, JobId)],
) -> Result<Vec<(JobId, String)>, FleetError> {
    let mut lost = Vec::new();
    for (key, job) in jobs {
        let seen = fleet
            .read::<JobRecord>(&fleet.names().job_record(key))
            .await?;
        if let Some(record) = seen.record.filter(|record| record.newest > order) {
            lost.push((job.clone(), record.by));
        }
    }
    Ok(lost)
}
