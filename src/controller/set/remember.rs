//! What a run writes into the inventory, and when: before its first write, and at its end.
//!
//! What is going to be created is remembered first, so that a run that is cut off never leaves a job behind that nobody
//! owns. How things ended is written once, at the end: a run that is cut off before costs the next one a look at each job,
//! while writing in between would hold up everything else whenever Nomad does not answer.

use super::apply::Ending;
use super::observe::{Pending, Planned};
use super::prepare::SpecSet;
use crate::clients::chain;
use crate::clients::nomad::types::JobHead;
use crate::controller::converge::Until;
use crate::events::Clock;
use crate::ids::{JobKey, ModifyIndex};
use crate::inventory::{Change, Entry, Failed, Inventory, InventoryError, Place, State, Store};
use crate::reconcile::Outcome;
use crate::reconcile::plan::META_OWNER;
use crate::set::plan::Change as Planning;

/// The inventory of a run.
pub struct Remember {
    store: Store,
    inventory: Inventory,
    changes: Vec<Change>,
    failed: Option<String>,
    clock: Clock,
}

impl Remember {
    /// An inventory that was just read. The clock tells when an entry is written.
    #[must_use]
    pub fn new(store: Store, inventory: Inventory, clock: Clock) -> Self {
        Self {
            store,
            inventory,
            changes: Vec::new(),
            failed: None,
            clock,
        }
    }

    /// Where it stands. Whether the token may write shows only after a write.
    #[must_use]
    pub fn place(&self) -> &Place {
        self.store.place()
    }

    /// What is remembered.
    #[must_use]
    pub fn inventory(&self) -> &Inventory {
        &self.inventory
    }

    /// Why the last write failed, if it did.
    #[must_use]
    pub fn failure(&self) -> Option<&str> {
        self.failed.as_deref()
    }

    /// Remembers what is about to be created or taken over.
    ///
    /// # Errors
    /// It could not be written: nothing may be created then.
    pub(super) async fn before(
        &mut self,
        set: &SpecSet,
        planned: &Planned,
    ) -> Result<(), InventoryError> {
        for (item, &at) in planned.plan.items.iter().zip(&planned.positions) {
            let begins = match &item.change {
                Planning::Create | Planning::Adopt => true,
                Planning::Update { .. } => !self.inventory.entries.contains_key(&item.key),
                _ => false,
            };
            if !begins {
                continue;
            }
            let before = planned.pending.get(&at).and_then(Pending::head);
            let mut entry = self.entry(set, at, planned.pending.get(&at));
            entry.created = before.map_or(0, |head| head.create_index);
            self.put(item.key.clone(), entry);
        }
        self.write().await
    }

    /// An entry of a job about which nothing is settled yet.
    fn entry(&self, set: &SpecSet, at: usize, pending: Option<&Pending>) -> Entry {
        let wanted = &set.wanted[at];
        let known = self.inventory.entries.get(&wanted.key);
        let before = pending.and_then(Pending::head);
        Entry {
            kind: wanted.kind,
            digest: (&wanted.digest).into(),
            index: ModifyIndex::default(),
            created: known.map_or(0, |entry| entry.created),
            state: State::Unsettled,
            written: (self.clock)(),
            keep: wanted.keep,
            adopted: before.is_some_and(|head| !head.meta.contains_key(META_OWNER)),
            failed: None,
            hook: known.and_then(|entry| entry.hook.clone()),
            revision: set
                .options
                .revision
                .as_ref()
                .map(|revision| revision.commit.chars().take(12).collect()),
        }
    }

    /// Takes note of how a resource ended.
    pub(super) fn ended(
        &mut self,
        set: &SpecSet,
        at: usize,
        pending: Option<&Pending>,
        ending: &Ending,
        seen: Option<&JobHead>,
        until: Until,
    ) {
        let wanted = &set.wanted[at];
        let mut entry = self.entry(set, at, pending);
        if let Some(head) = seen {
            entry.index = head.job_modify_index;
            entry.created = head.create_index;
        }
        match ending {
            Ending::Ended(Outcome::Converged) if seen.is_some() && until == Until::Healthy => {
                entry.state = if seen.is_some_and(runs_once) {
                    State::Completed
                } else {
                    State::Converged
                };
                entry.hook = set.generation(at).or(entry.hook);
            }
            Ending::Ended(outcome @ (Outcome::Unhealthy(_) | Outcome::RolledBack { .. })) => {
                entry.failed = Some(Failed {
                    digest: (&wanted.digest).into(),
                    outcome: outcome.word().to_owned(),
                    index: entry.index,
                });
            }
            Ending::Ended(_) | Ending::Registered(_) => {}
            Ending::Unchanged | Ending::Blocked(_) | Ending::NotBegun => return,
        }
        self.put(wanted.key.clone(), entry);
    }

    /// Takes note of a job that went back: what was wanted of it is not tried again.
    pub(super) fn reverted(&mut self, key: &JobKey, outcome: &str, seen: &JobHead) {
        let Some(mut entry) = self.inventory.entries.get(key).cloned() else {
            return;
        };
        entry.index = seen.job_modify_index;
        entry.created = seen.create_index;
        entry.state = State::Unsettled;
        entry.failed = Some(Failed {
            digest: entry.digest,
            outcome: outcome.to_owned(),
            index: seen.job_modify_index,
        });
        self.put(key.clone(), entry);
    }

    /// Takes note of a job that is gone.
    pub(super) fn gone(&mut self, key: JobKey) {
        self.inventory.entries.remove(&key);
        self.changes.push(Change::Remove(key));
    }

    fn put(&mut self, key: JobKey, entry: Entry) {
        self.inventory.entries.insert(key.clone(), entry.clone());
        self.changes.push(Change::Put(key, entry));
    }

    /// Writes what has gathered. What could not be written is tried again next time.
    pub(super) async fn write_or_warn(&mut self) {
        self.failed = match self.write().await {
            Ok(()) => None,
            Err(error) => Some(chain(&error)),
        };
    }

    async fn write(&mut self) -> Result<(), InventoryError> {
        if self.changes.is_empty() {
            return Ok(());
        }
        self.store.record(self.changes.clone()).await?;
        self.changes.clear();
        Ok(())
    }
}

/// Whether the job is meant to end, and starts when it is registered.
fn runs_once(head: &JobHead) -> bool {
    matches!(head.job_type.as_str(), "batch" | "sysbatch")
        && head.periodic.is_none()
        && head.parameterized_job.is_none()
}
