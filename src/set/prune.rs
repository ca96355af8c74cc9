//! What is owned and no longer wanted. Never on a guess.
//!
//! Only jobs of this owner's inventory are candidates, and only when every source was read to its end and the list of
//! jobs is whole. A job that carries the label `cs.prune: disabled`, that somebody else has taken over or made anew, stays.
//! More than a share of the inventory at once needs a word from a person: it is the sign of a wrong folder.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use super::wanted::{PRUNE_DISABLED, PRUNE_LABEL};
use crate::clients::nomad::types::JobHead;
use crate::ids::{JobKey, OwnerId};
use crate::inventory::{Entry, Inventory, Ownership, ownership};

/// What becomes of the jobs that are no longer wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pruning {
    /// Stopped and purged.
    pub jobs: Vec<JobKey>,
    /// Left alone although nobody wants them, and why.
    pub kept: Vec<(JobKey, Kept)>,
    /// Gone already: only the inventory still names them.
    pub forgotten: Vec<JobKey>,
    /// Why nothing at all is pruned.
    pub refused: Option<String>,
}

/// Why a job stays that nobody wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kept {
    /// Its label says so.
    Label,
    /// Somebody else owns it now.
    Foreign(OwnerId),
    /// It is not the one that we made.
    Recreated,
    /// Pruning was not asked for.
    NotAsked,
}

impl fmt::Display for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Label => write!(f, "its label says {PRUNE_LABEL}: {PRUNE_DISABLED}"),
            Self::Foreign(owner) => write!(f, "it belongs to {owner} now"),
            Self::Recreated => f.write_str("it was purged and made anew by somebody else"),
            Self::NotAsked => f.write_str("add --prune to remove it"),
        }
    }
}

/// How many jobs may be pruned at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PruneLimit {
    /// So many.
    Count(usize),
    /// So many of a hundred in the inventory, at least one.
    Percent(u8),
}

impl Default for PruneLimit {
    /// 20 %, at least one job.
    fn default() -> Self {
        Self::Percent(20)
    }
}

impl PruneLimit {
    /// The most that may go, of an inventory of so many.
    #[must_use]
    pub fn of(self, owned: usize) -> usize {
        match self {
            Self::Count(count) => count,
            Self::Percent(percent) => (owned * usize::from(percent) / 100).max(1),
        }
    }
}

impl fmt::Display for PruneLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(count) => write!(f, "{count}"),
            Self::Percent(percent) => write!(f, "{percent}%"),
        }
    }
}

impl FromStr for PruneLimit {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let rule = || "expected a number of jobs or a share such as `20%`".to_owned();
        match text.strip_suffix('%') {
            None => text.parse().map(Self::Count).map_err(|_| rule()),
            Some(percent) => percent
                .parse()
                .ok()
                .filter(|percent| *percent <= 100)
                .map(Self::Percent)
                .ok_or_else(rule),
        }
    }
}

/// What pruning must know.
#[derive(Debug)]
pub struct PruneFacts<'a> {
    /// Who prunes.
    pub owner: &'a OwnerId,
    /// What it owns.
    pub inventory: &'a Inventory,
    /// Jobs of the files.
    pub wanted: &'a BTreeSet<JobKey>,
    /// Every source was found, read and parsed to its end.
    pub is_complete: bool,
    /// Each job of the inventory that is not wanted, as it was read; `None` when Nomad said that there is none.
    pub found: &'a BTreeMap<JobKey, Option<JobHead>>,
    /// `--prune`.
    pub is_asked: bool,
    /// `--prune-limit`.
    pub limit: PruneLimit,
}

/// Decides what is pruned.
#[must_use]
pub fn pruning(facts: &PruneFacts<'_>) -> Pruning {
    let mut found = Pruning::default();
    let unwanted = facts
        .inventory
        .entries
        .iter()
        .filter(|(key, _)| !facts.wanted.contains(key));
    for (key, entry) in unwanted {
        match facts.found.get(key) {
            // A question that was not answered is no answer.
            None => {}
            Some(None) => found.forgotten.push(key.clone()),
            Some(Some(job)) => match kept(entry, job, facts) {
                Some(why) => found.kept.push((key.clone(), why)),
                None => found.jobs.push(key.clone()),
            },
        }
    }
    if !facts.is_complete {
        if facts.is_asked {
            found.refused = Some(
                "a source could not be read to its end: what it may describe is protected"
                    .to_owned(),
            );
        }
        found.jobs.clear();
        found.forgotten.clear();
        return found;
    }
    let most = facts.limit.of(facts.inventory.entries.len());
    if found.jobs.len() > most {
        found.refused = Some(format!(
            "{} of {} jobs of owner {} would be pruned, and at most {most} may go at once ({}); when that is right, say \
             --prune-limit {}",
            found.jobs.len(),
            facts.inventory.entries.len(),
            facts.owner,
            facts.limit,
            found.jobs.len(),
        ));
    }
    found
}

fn kept(entry: &Entry, job: &JobHead, facts: &PruneFacts<'_>) -> Option<Kept> {
    let label = job.meta.get(PRUNE_LABEL).map(String::as_str);
    if entry.keep || label == Some(PRUNE_DISABLED) {
        return Some(Kept::Label);
    }
    match ownership(Some(entry), &job.meta, job.create_index, facts.owner) {
        Ownership::Ours => (!facts.is_asked).then_some(Kept::NotAsked),
        Ownership::Foreign(owner) => Some(Kept::Foreign(owner)),
        Ownership::Nobodys | Ownership::Recreated => Some(Kept::Recreated),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::desired::Digest;
    use crate::ids::ModifyIndex;
    use crate::inventory::State;
    use crate::reconcile::plan::META_OWNER;
    use crate::spec::Kind;

    fn key(number: usize) -> JobKey {
        JobKey {
            namespace: "default".parse().unwrap(),
            job: format!("job-{number}").parse().unwrap(),
        }
    }

    fn owner() -> OwnerId {
        "us".parse().unwrap()
    }

    fn entry(keep: bool) -> Entry {
        Entry {
            kind: Kind::Workload,
            digest: (&Digest("d".to_owned())).into(),
            index: ModifyIndex(9),
            created: 5,
            state: State::Converged,
            written: jiff::Timestamp::UNIX_EPOCH,
            keep,
            adopted: false,
            failed: None,
            hook: None,
            revision: None,
        }
    }

    /// A job in the cluster, or `None`: (names an owner, its create index, carries the label).
    type Found = Option<(Option<&'static str>, u64, bool)>;

    fn head(found: Found) -> Option<JobHead> {
        let (owner, created, label) = found?;
        let mut head = JobHead {
            create_index: created,
            ..JobHead::default()
        };
        head.meta
            .extend(owner.map(|owner| (META_OWNER.to_owned(), owner.to_owned())));
        if label {
            head.meta
                .insert(PRUNE_LABEL.to_owned(), PRUNE_DISABLED.to_owned());
        }
        Some(head)
    }

    fn found() -> impl Strategy<Value = Found> {
        let owner = prop_oneof![Just(None), Just(Some("us")), Just(Some("them"))];
        prop::option::weighted(
            0.8,
            (
                owner,
                prop_oneof![Just(5u64), Just(6)],
                prop::bool::weighted(0.2),
            ),
        )
    }

    proptest! {
        /// Whatever is pruned was ours, is known to be there, nobody wants it, and nothing protects it.
        #[test]
        fn nothing_is_pruned_on_a_guess(
            jobs in prop::collection::vec((any::<bool>(), prop::bool::weighted(0.1), prop::option::weighted(0.9, found())), 0..15),
            is_complete in prop::bool::weighted(0.8),
            is_asked in prop::bool::weighted(0.8),
            percent in 0u8..=100,
        ) {
            let inventory = Inventory {
                entries: jobs.iter().zip(0..).map(|((_, keep, _), number)| (key(number), entry(*keep))).collect(),
            };
            let wanted: BTreeSet<JobKey> =
                jobs.iter().zip(0..).filter(|((wanted, ..), _)| *wanted).map(|(_, number)| key(number)).collect();
            let answered: BTreeMap<JobKey, Option<JobHead>> = jobs
                .iter()
                .zip(0..)
                .filter_map(|((_, _, answer), number)| Some((key(number), head((*answer)?))))
                .collect();
            let limit = PruneLimit::Percent(percent);
            let pruning = pruning(&PruneFacts {
                owner: &owner(),
                inventory: &inventory,
                wanted: &wanted,
                is_complete,
                found: &answered,
                is_asked,
                limit,
            });
            for gone in &pruning.jobs {
                let number: usize = gone.job.as_str()[4..].parse().unwrap();
                let (is_wanted, keep, answer) = jobs[number];
                let (names, created, label) = answer.flatten().expect("it was seen");
                prop_assert!(!is_wanted && !keep && !label && is_complete && is_asked);
                prop_assert!(names == Some("us") || names.is_none() && created == 5);
            }
            for forgotten in &pruning.forgotten {
                prop_assert_eq!(answered.get(forgotten), Some(&None));
                prop_assert!(is_complete);
            }
            let most = limit.of(inventory.entries.len());
            prop_assert_eq!(pruning.jobs.len() > most || is_asked && !is_complete, pruning.refused.is_some());
        }
    }

    #[test]
    fn a_limit_is_a_number_or_a_share_of_at_least_one() {
        assert_eq!("3".parse(), Ok(PruneLimit::Count(3)));
        assert_eq!("0".parse(), Ok(PruneLimit::Count(0)));
        assert_eq!("50%".parse(), Ok(PruneLimit::Percent(50)));
        for bad in ["", "x", "-1", "101%", "%", "5 %"] {
            assert!(bad.parse::<PruneLimit>().is_err(), "{bad}");
        }
        assert_eq!(PruneLimit::default().of(0), 1);
        assert_eq!(PruneLimit::default().of(4), 1);
        assert_eq!(PruneLimit::default().of(100), 20);
    }
}
