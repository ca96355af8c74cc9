//! Stopping jobs that somebody names: what waits for others goes before them.

use std::collections::BTreeSet;
use std::time::Duration;

use futures::StreamExt as _;
use futures::stream;
use tokio::sync::mpsc::UnboundedSender;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::apply::{SetNote, with_notes};
use super::remember::Remember;
use crate::clients::chain;
use crate::clients::nomad::NomadClient;
use crate::controller::converge::{Converge, Until};
use crate::controller::note::Note;
use crate::ids::{JobKey, OwnerId};
use crate::inventory::{Ownership, ownership};
use crate::reconcile::Outcome;
use crate::reconcile::plan::Goal;

/// Jobs that are stopped at the same time.
const AT_ONCE: usize = 8;

/// One deletion.
pub struct Deletion<'a> {
    /// The cluster.
    pub nomad: &'a NomadClient,
    /// On whose behalf.
    pub owner: &'a OwnerId,
    /// Whose jobs may be deleted: everybody's, or the owner's alone.
    pub any_owner: bool,
    /// Forget the job as well.
    pub purge: bool,
    /// When time is up.
    pub deadline: Instant,
    /// Who looks on.
    pub notes: UnboundedSender<SetNote>,
    /// Told to stop.
    pub cancel: &'a CancellationToken,
}

/// A job that was found, and whether it may be deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// It runs, or is stopped and known.
    Present,
    /// There is no such job.
    Absent,
    /// It may not be touched.
    Refused(String),
    /// The question got no answer.
    Unknown(String),
}

impl Deletion<'_> {
    /// Looks at a job before anybody is asked about it.
    pub async fn look(&self, key: &JobKey, remember: &Remember) -> Target {
        let client = self.nomad.in_namespace(&key.namespace);
        let record = match client.job(&key.job).await {
            Ok(read) if read.known_leader => read.value,
            Ok(_) => return Target::Unknown("the Nomad server knows no leader".to_owned()),
            Err(error) => return Target::Unknown(format!("{}; {}", chain(&error), error.help())),
        };
        let Some(record) = record else {
            return Target::Absent;
        };
        let head = &record.head;
        let entry = remember.inventory().entries.get(key);
        let whose = match ownership(entry, &head.meta, head.create_index, self.owner) {
            _ if self.any_owner => return Target::Present,
            Ownership::Ours => return Target::Present,
            Ownership::Foreign(owner) => format!("belongs to {owner}"),
            Ownership::Nobodys => "belongs to nobody".to_owned(),
            Ownership::Recreated => "was made anew by somebody else".to_owned(),
        };
        Target::Refused(format!(
            "it {whose}, not to {}; delete it all the same with --any-owner",
            self.owner
        ))
    }

    /// Deletes jobs wave by wave; within a wave at the same time. A wave with a failure is the last one.
    pub async fn run(
        &self,
        waves: &[Vec<JobKey>],
        remember: &mut Remember,
    ) -> Vec<(JobKey, Outcome)> {
        let mut outcomes = Vec::new();
        for wave in waves {
            let mut ended: Vec<(JobKey, Outcome)> = stream::iter(wave)
                .map(|key| async move { (key.clone(), self.delete(key).await) })
                .buffer_unordered(AT_ONCE)
                .collect()
                .await;
            ended.sort_by(|a, b| a.0.cmp(&b.0));
            let is_over = ended.iter().any(|(_, outcome)| !outcome.is_success());
            for (key, _) in ended.iter().filter(|(_, outcome)| outcome.is_success()) {
                remember.gone(key.clone());
            }
            outcomes.append(&mut ended);
            if is_over {
                break;
            }
        }
        remember.write_or_warn().await;
        outcomes
    }

    async fn delete(&self, key: &JobKey) -> Outcome {
        let client = self.nomad.in_namespace(&key.namespace);
        with_notes(&self.notes, key, async |notes| {
            let converge = Converge {
                nomad: &client,
                notes: &notes,
                deadline: self.deadline,
                cancel: self.cancel,
                placement_grace: Duration::ZERO,
                submission: None,
                until: Until::default(),
                hub: None,
            };
            let job = key.job.clone();
            let goal = if self.purge {
                Goal::Destroy(job)
            } else {
                Goal::Stop(job)
            };
            let outcome = converge.run(&goal, &mut || {}).await;
            notes.send(Note::Finished {
                job: key.job.clone(),
                outcome: outcome.clone(),
            });
            outcome
        })
        .await
    }
}

/// The waves in which jobs of a set go: what waits for others before them.
#[must_use]
pub fn waves(set: &super::prepare::SpecSet) -> Vec<Vec<JobKey>> {
    let ordered: BTreeSet<usize> = set.graph.order().iter().flatten().copied().collect();
    let rest = (0..set.wanted.len()).filter(|at| !ordered.contains(at));
    let key = |at: usize| set.wanted[at].key.clone();
    let mut waves = vec![rest.map(key).collect::<Vec<_>>()];
    let backwards = set.graph.order().iter().rev();
    waves.extend(backwards.map(|wave| wave.iter().copied().map(key).collect()));
    waves.retain(|wave| !wave.is_empty());
    waves
}
