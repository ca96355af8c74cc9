//! What happens to each resource of the set, and in which order. Inert: nothing happens until somebody acts on it.
//!
//! A plan is made of facts that were read before it. It never learns how they were read, and a fact that is missing
//! ([`Seen::Unknown`]) stops the resource, and everything that waits for it, instead of being guessed.

use std::fmt;

use serde_json::Value;

use super::prune::Pruning;
use super::wanted::Wanted;
use crate::clients::nomad::types::{GroupUpdates, JobRecord};
use crate::ids::{JobKey, ModifyIndex};
use crate::inventory::{Entry, Failed, Ownership, State};
use crate::reconcile::Seen;
use crate::reconcile::diff::{Drift, Effect, diff};
use crate::spec::Kind;
use crate::spec::relations::HookPhase;

/// What happens to a set.
#[derive(Debug, Clone, Default)]
pub struct SetPlan {
    /// One a resource, in the order in which they may begin.
    pub items: Vec<Item>,
    /// What is owned and no longer wanted.
    pub pruning: Pruning,
}

/// What happens to one resource.
#[derive(Debug, Clone)]
pub struct Item {
    /// Its job.
    pub key: JobKey,
    /// Its kind.
    pub kind: Kind,
    /// When it runs, for hooks.
    pub hook: Option<HookPhase>,
    /// Counts from 0: everything that it waits for has a lower one.
    pub wave: usize,
    /// Positions in the plan of what must be ready before it is touched.
    pub after: Vec<usize>,
    /// What is done.
    pub change: Change,
    /// The scheduler's view, where it was asked for.
    pub scheduler: Option<Scheduler>,
}

/// What is done to a job.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// Nothing: it is as wanted.
    None,
    /// Nothing: it ran to its end, which was all that was wanted.
    Completed,
    /// Nothing, unless something that it serves fails.
    Standby,
    /// It is registered for the first time.
    Create,
    /// It is changed.
    Update {
        /// Compare-and-set basis.
        from: ModifyIndex,
        /// Every difference.
        drift: Drift,
        /// It is nobody's so far, and becomes ours.
        adopts: bool,
    },
    /// Nothing is written, but it is nobody's so far, and becomes ours.
    Adopt,
    /// Nothing: the very same has failed before, and nothing has moved since.
    Failed(Failed),
    /// Nothing: it may not be touched.
    Refused(String),
    /// Nothing: a question got no answer.
    Unknown(String),
}

impl Change {
    /// Whether the cluster is written to.
    #[must_use]
    pub const fn writes(&self) -> bool {
        matches!(self, Self::Create | Self::Update { .. })
    }

    /// Whether something differs from what is wanted, or will be taken over.
    #[must_use]
    pub const fn differs(&self) -> bool {
        !matches!(self, Self::None | Self::Completed | Self::Standby)
    }

    /// Whether the resource, and all that waits for it, is stopped.
    #[must_use]
    pub const fn is_stopped(&self) -> bool {
        matches!(self, Self::Failed(_) | Self::Refused(_) | Self::Unknown(_))
    }

    /// What a write does to running allocations.
    #[must_use]
    pub fn effect(&self) -> Option<Effect> {
        match self {
            Self::Create => Some(Effect::Create),
            Self::Update { drift, .. } => drift.effect(),
            _ => None,
        }
    }

    /// Whether running work is ended without another in its place.
    #[must_use]
    pub fn destroys(&self) -> bool {
        self.effect() == Some(Effect::Destroy)
    }

    /// The word for people and reports.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::None => "unchanged",
            Self::Completed => "completed",
            Self::Standby => "standby",
            Self::Create => "create",
            Self::Update { .. } => "update",
            Self::Adopt => "adopt",
            Self::Failed(_) => "failed-before",
            Self::Refused(_) => "refused",
            Self::Unknown(_) => "unknown",
        }
    }
}

/// What Nomad's scheduler would do, all groups together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scheduler {
    /// Allocations, by what becomes of them.
    pub updates: GroupUpdates,
    /// Why some could not be placed.
    pub unplaced: Option<String>,
    /// Remarks of Nomad.
    pub warnings: String,
}

impl fmt::Display for Scheduler {
    /// `2 placed, 1 stopped, 1 canary`; `nothing` when all are left alone.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let updates = &self.updates;
        let counts = [
            (updates.place, "placed"),
            (updates.canary, "canary"),
            (updates.in_place_update, "updated in place"),
            (updates.destructive_update, "replaced"),
            (updates.migrate, "migrated"),
            (updates.stop, "stopped"),
            (updates.preemptions, "preempted"),
        ];
        let texts: Vec<String> = counts
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, what)| format!("{count} {what}"))
            .collect();
        if texts.is_empty() {
            return f.write_str("nothing placed or stopped");
        }
        f.write_str(&texts.join(", "))
    }
}

/// What is allowed beyond the ordinary.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Allowed {
    /// Take over jobs that nobody owns, or somebody else.
    pub adopt: bool,
    /// Try again what has failed before.
    pub retry_failed: bool,
}

/// What was read about a job that needs a look of its own.
#[derive(Debug, Clone)]
pub struct Look {
    /// The compiled job.
    pub job: Value,
    /// The job in the cluster.
    pub seen: Seen<JobRecord>,
    /// Whose it is.
    pub ownership: Ownership,
}

/// Decides about one resource that needs a look.
#[must_use]
pub fn change(wanted: &Wanted, look: &Look, entry: Option<&Entry>, allowed: Allowed) -> Change {
    let record = match &look.seen {
        Seen::Unknown(gap) => return Change::Unknown(gap.reason.clone()),
        Seen::Absent => return absent(wanted, entry),
        Seen::Present(record) => record,
    };
    let index = record.head.job_modify_index;
    let drift = diff(
        &look.job,
        &record.spec,
        &wanted.options_against(&record.head),
    );
    let adopts = match guard(wanted, look, record, &drift, allowed) {
        Ok(adopts) => adopts,
        Err(refusal) => return refusal,
    };
    if drift.is_empty() {
        return if adopts { Change::Adopt } else { Change::None };
    }
    match entry.and_then(|entry| entry.failed.as_ref()) {
        Some(failed)
            if failed.digest == wanted.digest && failed.index == index && !allowed.retry_failed =>
        {
            Change::Failed(failed.clone())
        }
        _ => Change::Update {
            from: index,
            drift,
            adopts,
        },
    }
}

fn absent(wanted: &Wanted, entry: Option<&Entry>) -> Change {
    // Nomad collects what has run to its end; that it ran is all that was wanted.
    let is_done =
        entry.is_some_and(|entry| entry.state == State::Completed && entry.digest == wanted.digest);
    if is_done {
        Change::Completed
    } else {
        Change::Create
    }
}

/// Whether taking the job over is part of it.
///
/// # Errors
/// The job is not ours, and nobody said that it may be taken over.
fn guard(
    wanted: &Wanted,
    look: &Look,
    record: &JobRecord,
    drift: &Drift,
    allowed: Allowed,
) -> Result<bool, Change> {
    // A child of a periodic or parameterized job is Nomad's own.
    if record
        .spec
        .get("ParentID")
        .and_then(Value::as_str)
        .is_some_and(|parent| !parent.is_empty())
    {
        let text = format!("{} is one run of another job", wanted.key);
        return Err(Change::Refused(text));
    }
    let whose = match &look.ownership {
        Ownership::Ours => return Ok(false),
        _ if allowed.adopt => return Ok(true),
        Ownership::Nobodys => "runs already and belongs to nobody".to_owned(),
        Ownership::Foreign(owner) => format!("belongs to {owner}"),
        Ownership::Recreated => "was purged and made anew by somebody else".to_owned(),
    };
    let differs = match drift.changes.len() {
        0 => "nothing would change".to_owned(),
        1 => "1 field would change".to_owned(),
        count => format!("{count} fields would change"),
    };
    Err(Change::Refused(format!(
        "it {whose}; take it over with --adopt ({differs})"
    )))
}

impl SetPlan {
    /// Whether the cluster, or what we own of it, differs from what is wanted.
    #[must_use]
    pub fn differs(&self) -> bool {
        self.items.iter().any(|item| item.change.differs()) || !self.pruning.jobs.is_empty()
    }

    /// Whether running work would be ended without another in its place.
    #[must_use]
    pub fn destroys(&self) -> bool {
        self.items.iter().any(|item| item.change.destroys()) || !self.pruning.jobs.is_empty()
    }

    /// Items that wait, directly or not, for one that is stopped: position of the first such one.
    #[must_use]
    pub fn blocked_by(&self) -> Vec<Option<usize>> {
        let mut blocked: Vec<Option<usize>> = vec![None; self.items.len()];
        for at in 0..self.items.len() {
            blocked[at] = self.items[at].after.iter().find_map(|&before| {
                if self.items[before].change.is_stopped() {
                    Some(before)
                } else {
                    blocked[before]
                }
            });
        }
        blocked
    }

    /// How many items a predicate holds for.
    #[must_use]
    pub fn count(&self, is: impl Fn(&Change) -> bool) -> usize {
        self.items.iter().filter(|item| is(&item.change)).count()
    }
}
