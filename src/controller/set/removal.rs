//! Pruning: what is owned and no longer wanted is stopped, waited for, and purged.

use futures::StreamExt as _;
use futures::stream;

use super::apply::{Ending, SetResult, SetRun, with_notes};
use super::remember::Remember;
use crate::clients::chain;
use crate::controller::note::{Note, Notes};
use crate::ids::JobKey;
use crate::inventory::{Ownership, ownership};
use crate::reconcile::Outcome;
use crate::reconcile::plan::Goal;
use crate::set::wanted::{PRUNE_DISABLED, PRUNE_LABEL};

/// Removals at the same time.
const AT_ONCE: usize = 8;

impl SetRun<'_> {
    /// Prunes what the plan names, when everything that is wanted is so.
    pub(super) async fn prune(&self, result: &mut SetResult, remember: &mut Remember) {
        let pruning = &self.planned.plan.pruning;
        for key in &pruning.forgotten {
            remember.gone(key.clone());
        }
        if let Some(reason) = &pruning.refused {
            result.not_pruned = Some(reason.clone());
            return;
        }
        if pruning.jobs.is_empty() {
            return;
        }
        let failed = result.items.iter().filter(|item| !item.ending.is_success());
        let failed = failed
            .filter(|item| item.ending != Ending::NotBegun)
            .count();
        if failed > 0 {
            result.not_pruned = Some(format!(
                "{failed} resource(s) are not as wanted; what is no longer wanted stays until they are"
            ));
            return;
        }
        let mut removals = stream::iter(&pruning.jobs)
            .map(|key| {
                let remember = &*remember;
                async move { (key.clone(), self.remove(key, remember).await) }
            })
            .buffer_unordered(AT_ONCE);
        let mut outcomes = Vec::new();
        while let Some(removed) = removals.next().await {
            outcomes.push(removed);
        }
        drop(removals);
        outcomes.sort_by(|a, b| a.0.cmp(&b.0));
        for (key, outcome) in &outcomes {
            if outcome.is_success() {
                remember.gone(key.clone());
            }
        }
        result.pruned = outcomes;
    }

    async fn remove(&self, key: &JobKey, remember: &Remember) -> Outcome {
        with_notes(&self.notes, key, async |notes| {
            let outcome = self.remove_with(key, remember, &notes).await;
            notes.send(Note::Finished {
                job: key.job.clone(),
                outcome: outcome.clone(),
            });
            outcome
        })
        .await
    }

    /// Nomad takes no index here, so the job is read once more, immediately before.
    async fn remove_with(&self, key: &JobKey, remember: &Remember, notes: &Notes) -> Outcome {
        let client = self.nomad.in_namespace(&key.namespace);
        let record = match client.job(&key.job).await {
            Ok(read) if read.known_leader => read.value,
            Ok(_) => return Outcome::Failed("the Nomad server knows no leader".to_owned()),
            Err(error) => return Outcome::Failed(chain(&error)),
        };
        if let Some(record) = record {
            let head = &record.head;
            let entry = remember.inventory().entries.get(key);
            let owner = &self.set.options.owner;
            if ownership(entry, &head.meta, head.create_index, owner) != Ownership::Ours {
                return Outcome::Refused(format!("job {key} is not {owner}'s any more"));
            }
            if head.meta.get(PRUNE_LABEL).map(String::as_str) == Some(PRUNE_DISABLED) {
                return Outcome::Refused(format!("job {key} says {PRUNE_LABEL}: {PRUNE_DISABLED}"));
            }
        }
        self.converge(&client, notes, None, None)
            .run(&Goal::Destroy(key.job.clone()), &mut || {})
            .await
    }
}
