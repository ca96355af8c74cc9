//! The one comparator: is there drift, what to show of it, and what to send.
//!
//! Both sides are brought into Nomad's own form first ([`canonicalize`]), so defaults, spelling and the place of a policy
//! do not count. Then they are compared member by member. What Nomad adds by itself does not count either: constraints
//! that it implies, identities for Vault and Consul, side-car tasks of Consul Connect, indexes and states.
//!
//! What is owned: the whole specification, `Meta` included, because Nomad replaces a job as a whole and has no owners of
//! single members. Three things are left to others: the count of a group with an enabled `Scaling` block (within its
//! bounds), the places of [`DiffOptions::ignore`], and what the paragraph above names. [`merged`] carries the first two
//! into the job that is sent, so that a write never undoes them.
//!
//! Pure. It never decides whether to write: see `reconcile::plan`.

mod effect;
mod lists;
mod merge;
mod path;
mod show;
mod walk;

use std::fmt;

use serde_json::Value;

use crate::clients::nomad::canonical::canonicalize;

pub use effect::Effect;
pub(crate) use lists::name_of;
pub use merge::merged;
pub use path::{InvalidPlace, Place};
pub(crate) use show::tells_of_secret;
pub use show::{Shown, is_secret, without_secrets};

/// What is compared how.
#[derive(Debug, Clone, Default)]
pub struct DiffOptions {
    /// Namespace of the query. It wins over the job's own, as it does in Nomad.
    pub namespace: Option<String>,
    /// Places that belong to others.
    pub ignore: Vec<Place>,
    /// Places whose values are not shown, besides those that are always hidden.
    pub hide: Vec<Place>,
}

/// The difference between a desired and an observed job, in the order of the desired job.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Drift {
    /// Every difference that counts.
    pub changes: Vec<Change>,
}

/// One difference. Old is what was observed, new is what is desired.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Where, e.g. `TaskGroups[web].Tasks[app].Config.image`: entries of lists are named, not counted.
    pub path: String,
    /// What becomes of it.
    pub kind: ChangeKind,
    /// Value observed.
    pub old: Shown,
    /// Value desired.
    pub new: Shown,
    /// What writing it does to running allocations.
    pub effect: Effect,
}

/// What becomes of a member or an entry of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeKind {
    /// Only the desired job has it.
    Added,
    /// Only the observed job has it.
    Removed,
    /// Both have it, with different values.
    Changed,
}

impl Drift {
    /// No difference that counts.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// The hardest effect of all changes; nothing without changes.
    #[must_use]
    pub fn effect(&self) -> Option<Effect> {
        self.changes.iter().map(|change| change.effect).max()
    }
}

impl fmt::Display for Drift {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.changes
            .iter()
            .try_for_each(|change| writeln!(f, "{change}"))
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, old, new, .. } = self;
        let hidden = |shown: &Shown, word: &str| match shown {
            Shown::Value(text) => text.clone(),
            Shown::Hidden => format!("({word})"),
        };
        match self.kind {
            ChangeKind::Added => write!(f, "+ {path}: {}", hidden(new, "after")),
            ChangeKind::Removed => write!(f, "- {path}: {}", hidden(old, "before")),
            ChangeKind::Changed => {
                write!(
                    f,
                    "~ {path}: {} -> {}",
                    hidden(old, "before"),
                    hidden(new, "after")
                )
            }
        }
    }
}

/// Compares a compiled job with what `GET /v1/job/:id` returned.
///
/// A namespace or region that neither the desired job nor the options name is taken from the observed job: it was read
/// from there.
#[must_use]
pub fn diff(desired: &Value, observed: &Value, options: &DiffOptions) -> Drift {
    let region = region_of(observed);
    let desired = prepared(desired, observed, options, region);
    let mut observed = observed.clone();
    canonicalize(&mut observed, region);
    Drift {
        changes: walk::changes(&desired, &observed, options),
    }
}

/// Region that stands where the desired job names none.
fn region_of(observed: &Value) -> &str {
    match observed.get("Region").and_then(Value::as_str) {
        None | Some("") => "global",
        Some(region) => region,
    }
}

/// The desired job in canonical form, with the counts that belong to an autoscaler.
fn prepared(desired: &Value, observed: &Value, options: &DiffOptions, region: &str) -> Value {
    let mut desired = desired.clone();
    let namespace = options.namespace.as_deref();
    let unnamed = merge::member(&desired, "Namespace")
        .and_then(Value::as_str)
        .is_none_or(str::is_empty);
    let read_from = observed
        .get("Namespace")
        .and_then(Value::as_str)
        .filter(|_| unnamed);
    if let Some(namespace) = namespace.or(read_from) {
        merge::set_member(&mut desired, "Namespace", namespace.into());
    }
    merge::take_counts(&mut desired, observed);
    canonicalize(&mut desired, region);
    desired
}
