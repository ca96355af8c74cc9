//! `destroy-job-pack`: one job after the other is stopped, waited for, purged, and only then announced.
//!
//! A repeat must not announce twice, yet a job that is gone cannot tell which incarnation it was. So the incarnation is
//! written down before anything is stopped, and the event's id is made of it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tokio::time::Instant;

use super::converge::{Converge, Until};
use super::deploy::client_for;
use super::note::{Note, Phase};
use super::run::{JobResult, Surroundings};
use crate::clients::nomad::client::NomadClient;
use crate::dispatch::params::{DestroyJob, DestroyParams};
use crate::events::Event;
use crate::ids::JobId;
use crate::reconcile::Outcome;
use crate::reconcile::plan::Goal;

/// Least time that each job gets, as long as the deadline allows.
const LEAST: Duration = Duration::from_secs(60);

/// Destroys the jobs of a task, in order, one at a time. A failed one is reported and skipped.
///
/// The outcome is [`Outcome::Destroyed`] even when some failed: the contract (1.7) demands exit code 0. Being told to
/// stop, and running out of time, are outcomes of their own.
pub async fn destroy(
    params: DestroyParams,
    surroundings: &Surroundings,
) -> (Outcome, Vec<JobResult>) {
    let mut results = Vec::new();
    let total = params.jobs.len();
    surroundings.notes.send(Note::Destroying { jobs: total });
    for (position, job) in params.jobs.iter().enumerate() {
        surroundings.notes.send(Note::Began(Phase::Destroy));
        let outcome = match surroundings.warrant.superseded(&job.job_id) {
            // What a newer task has made of the job is not ours to destroy.
            Some(superseded) => superseded,
            None => {
                let until = share(surroundings.deadline, total - position);
                destroy_one(job, &params.reason, until, surroundings).await
            }
        };
        let ended = if outcome.is_success() {
            Ok(())
        } else {
            Err(outcome.message())
        };
        surroundings.notes.send(Note::Ended(Phase::Destroy, ended));
        surroundings.notes.send(Note::Finished {
            job: job.job_id.clone(),
            outcome: outcome.clone(),
        });
        results.push(JobResult {
            job: job.job_id.to_string(),
            outcome,
            failed_in: None,
            image: None,
            log_tail: Vec::new(),
        });
    }
    let worst = results
        .iter()
        .map(|result| &result.outcome)
        .find(|outcome| ends_the_run(outcome, surroundings.deadline));
    (worst.cloned().unwrap_or(Outcome::Destroyed), results)
}

/// Only what concerns the whole run ends it: a signal, and the run's own deadline.
fn ends_the_run(outcome: &Outcome, deadline: Instant) -> bool {
    match outcome {
        Outcome::Cancelled { .. } => true,
        Outcome::Deadline { .. } => Instant::now() >= deadline,
        _ => false,
    }
}

/// A job that hangs must not use up the time of those behind it.
fn share(deadline: Instant, left: usize) -> Instant {
    let now = Instant::now();
    let rest = deadline.saturating_duration_since(now);
    let fair = rest / u32::try_from(left).unwrap_or(u32::MAX).max(1);
    now + fair.max(LEAST).min(rest)
}

async fn destroy_one(
    job: &DestroyJob,
    reason: &str,
    deadline: Instant,
    surroundings: &Surroundings,
) -> Outcome {
    let nomad = match client_for(
        surroundings,
        job.nomad_address.as_deref(),
        job.nomad_token.as_ref(),
    ) {
        Ok(nomad) => nomad,
        Err(text) => return Outcome::Failed(text),
    };
    let records = Records {
        dir: surroundings.state_dir.join("destroyed"),
    };
    let converge = Converge {
        nomad: &nomad,
        notes: &surroundings.notes,
        deadline,
        cancel: &surroundings.cancel,
        placement_grace: surroundings.placement_grace,
        submission: None,
        until: Until::default(),
        hub: None,
    };
    let occasion = records.occasion(&nomad, &job.job_id, surroundings).await;
    let outcome = converge
        .run(&Goal::Destroy(job.job_id.clone()), &mut || {})
        .await;
    if outcome.is_success() {
        let event = Event::JobDestroyed {
            service_id: job.service_id.to_string(),
            reason: reason.to_owned(),
            occasion: format!("{} {occasion} {reason}", job.job_id),
        };
        surroundings.announcer.announce(event).await;
    }
    outcome
}

/// Which incarnation of a job was destroyed, kept beyond its end.
struct Records {
    dir: PathBuf,
}

#[derive(Serialize, Deserialize)]
struct Record {
    create_index: u64,
}

impl Records {
    /// What tells this destroy apart from a later one of a job that was created again, and not from its own repeat.
    async fn occasion(
        &self,
        nomad: &NomadClient,
        id: &JobId,
        surroundings: &Surroundings,
    ) -> String {
        // A task of a queue is told apart by itself: its next try may come to another machine, which has no record.
        if let Some(occasion) = surroundings.warrant.occasion() {
            return occasion.to_owned();
        }
        let path = self.path(nomad, id);
        let seen = tokio::time::timeout(LEAST / 2, nomad.job(id).into_future()).await;
        if let Ok(Ok(read)) = seen
            && let Some(job) = read.value
        {
            let record = Record {
                create_index: job.head.create_index,
            };
            if let Err(error) = write(&path, &record) {
                let text = format!(
                    "cannot note which job {id} is destroyed ({error}); a repeat may announce it again"
                );
                surroundings.notes.send(Note::Warning(text));
            }
            return record.create_index.to_string();
        }
        match read(&path) {
            Some(record) => record.create_index.to_string(),
            // Nobody here ever saw it: each dispatch that finds it absent says so once.
            None => format!(
                "absent {}",
                surroundings
                    .environment
                    .get("NOMAD_JOB_ID")
                    .unwrap_or_default()
            ),
        }
    }

    fn path(&self, nomad: &NomadClient, id: &JobId) -> PathBuf {
        let name = Sha256::digest(format!("{} {} {id}", nomad.address(), nomad.namespace()));
        let name: String = name
            .iter()
            .take(16)
            .map(|byte| format!("{byte:02x}"))
            .collect();
        self.dir.join(format!("{name}.json"))
    }
}

fn read(path: &Path) -> Option<Record> {
    serde_json::from_slice(&std::fs::read(path).ok()?).ok()
}

/// Replaces the file as a whole: a crash leaves the old one or the new one.
fn write(path: &Path, record: &Record) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    let dir = path.parent().unwrap_or(Path::new("."));
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)?;
    let draft = path.with_extension(format!("{}.tmp", std::process::id()));
    std::fs::write(&draft, serde_json::to_vec(record)?)?;
    std::fs::rename(draft, path)
}
