//! The fast path: of a whole fleet, which jobs need a look of their own after one list call.
//!
//! The answer is about the specification and nothing else: [`Verdict::Unchanged`] means that nobody wrote the job since
//! it was last found to be as desired, and that the same is desired still. Whether its allocations still run is another
//! question, with another answer (`GET /v1/jobs/statuses`, the event stream).
//!
//! It may be trusted when all of these hold, and the caller sees to them (nomad-api.md 2.5):
//! - The list is one whole, successful answer of `GET /v1/jobs` over every namespace that is asked about, from a server
//!   that knows a leader, asked for after the last entry was written. A failed or partial list never gets here: what it
//!   does not name would count as missing.
//! - [`Entry::index`] was *read*, with the job, after our last write. The index in a register's reply is not it: after an
//!   unchanged register that is the job's `ModifyIndex` (trap 3).
//! - The inventory is of this very cluster and region. Indexes of another one, or of one that was rebuilt, say nothing.
//! - The entries were written by this build of `cs` with the same diff options. Another build may compile the same
//!   digest to another job; after an upgrade every job is looked at once.
//!
//! The index alone proves nothing about what is desired, the digest alone nothing about what is there: scale and stop
//! copy the submission, and with it the digest, to the version they make. Only both together do. An autoscaler moves the
//! index, so each of its changes costs one look.
//!
//! Pure, and linear in the three lists.

use std::collections::HashMap;
use std::fmt;

use super::outcome::Outcome;
use crate::clients::nomad::types::JobStub;
use crate::desired::Digest;
use crate::ids::{JobId, ModifyIndex, Namespace};

/// What is remembered of one job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Which job.
    pub job: JobId,
    /// Where it was written.
    pub namespace: Namespace,
    /// What was desired then.
    pub digest: Digest,
    /// `JobModifyIndex` of the job, read when it was last found without drift, after our last write.
    pub index: ModifyIndex,
    /// How the last run for it ended.
    pub outcome: Outcome,
}

/// What is remembered of all jobs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Inventory {
    /// One entry a job; of several the last one counts.
    pub entries: Vec<Entry>,
}

/// A job that is desired, by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted<'a> {
    /// Which job.
    pub job: &'a JobId,
    /// Where; the connection's namespace when the spec names none.
    pub namespace: &'a Namespace,
    /// Fingerprint of what is desired now.
    pub digest: &'a Digest,
}

/// Whether a job needs a look of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Verdict {
    /// Nothing was written and nothing else is desired since it converged: no further call.
    Unchanged,
    /// Observe it, compare it, plan.
    Look(Reason),
}

/// Why a job needs a look, the first that applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// Nothing is remembered of it.
    Unknown,
    /// The list does not name it.
    Missing,
    /// Somebody stopped it.
    Stopped,
    /// Something else is desired than was written last.
    Desired,
    /// Its specification was written since.
    Written {
        /// Index that is remembered.
        remembered: ModifyIndex,
        /// Index in the list.
        listed: ModifyIndex,
    },
    /// The last run for it did not converge.
    Unsettled,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => f.write_str("nothing is remembered of it"),
            Self::Missing => f.write_str("it is not there"),
            Self::Stopped => f.write_str("it was stopped"),
            Self::Desired => f.write_str("something else is desired now"),
            Self::Written { remembered, listed } => write!(
                f,
                "it was written by somebody else (index {listed}, {remembered} is remembered)"
            ),
            Self::Unsettled => f.write_str("it had not converged"),
        }
    }
}

/// Names of a job: ids are unique within their namespace only.
type Key<'a> = (&'a str, &'a str);

/// Says of each wanted job, in order, whether it needs a look.
#[must_use]
pub fn verdicts(wanted: &[Wanted<'_>], inventory: &Inventory, list: &[JobStub]) -> Vec<Verdict> {
    let remembered: HashMap<Key<'_>, &Entry> = inventory
        .entries
        .iter()
        .map(|entry| ((entry.namespace.as_str(), entry.job.as_str()), entry))
        .collect();
    let listed: HashMap<Key<'_>, &JobStub> = list
        .iter()
        .map(|stub| ((stub.namespace.as_str(), stub.id.as_str()), stub))
        .collect();
    wanted
        .iter()
        .map(|wanted| {
            let key = (wanted.namespace.as_str(), wanted.job.as_str());
            let reason = reason(
                wanted.digest,
                remembered.get(&key).copied(),
                listed.get(&key).copied(),
            );
            reason.map_or(Verdict::Unchanged, Verdict::Look)
        })
        .collect()
}

fn reason(digest: &Digest, entry: Option<&Entry>, stub: Option<&JobStub>) -> Option<Reason> {
    let Some(entry) = entry else {
        return Some(Reason::Unknown);
    };
    let Some(stub) = stub else {
        return Some(Reason::Missing);
    };
    if stub.stop {
        return Some(Reason::Stopped);
    }
    if entry.digest != *digest {
        return Some(Reason::Desired);
    }
    if entry.index != stub.job_modify_index {
        return Some(Reason::Written {
            remembered: entry.index,
            listed: stub.job_modify_index,
        });
    }
    (entry.outcome != Outcome::Converged).then_some(Reason::Unsettled)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn job(id: &str) -> JobId {
        id.parse().unwrap()
    }

    fn namespace(name: &str) -> Namespace {
        name.parse().unwrap()
    }

    fn entry(id: &str, index: u64) -> Entry {
        Entry {
            job: job(id),
            namespace: namespace("default"),
            digest: Digest("d1".to_owned()),
            index: ModifyIndex(index),
            outcome: Outcome::Converged,
        }
    }

    fn stub(id: &str, index: u64) -> JobStub {
        JobStub {
            id: id.to_owned(),
            namespace: "default".to_owned(),
            job_modify_index: ModifyIndex(index),
            status: "running".to_owned(),
            ..JobStub::default()
        }
    }

    /// The verdict about job `shop` in `default`, of which `d1` is desired.
    fn verdict(entries: Vec<Entry>, list: &[JobStub]) -> Verdict {
        let (job, namespace, digest) = (job("shop"), namespace("default"), Digest("d1".to_owned()));
        let wanted = Wanted {
            job: &job,
            namespace: &namespace,
            digest: &digest,
        };
        let found = verdicts(&[wanted], &Inventory { entries }, list);
        assert_eq!(found.len(), 1);
        found[0]
    }

    #[test]
    fn a_job_that_nobody_wrote_and_of_which_the_same_is_desired_needs_no_call() {
        let others = [stub("other", 3), stub("shop", 7), stub("zeta", 9)];
        assert_eq!(verdict(vec![entry("shop", 7)], &others), Verdict::Unchanged);
    }

    #[test]
    fn each_thing_that_may_have_changed_asks_for_a_look_and_says_why() {
        let with = |change: fn(&mut Entry)| {
            let mut entry = entry("shop", 7);
            change(&mut entry);
            vec![entry]
        };
        let stopped = JobStub {
            stop: true,
            ..stub("shop", 7)
        };
        let look = Verdict::Look;
        let same = [stub("shop", 7)];
        assert_eq!(verdict(vec![], &same), look(Reason::Unknown));
        assert_eq!(verdict(with(|_| ()), &[]), look(Reason::Missing));
        assert_eq!(verdict(with(|_| ()), &[stopped]), look(Reason::Stopped));
        let other = with(|entry| entry.digest = Digest("d2".to_owned()));
        assert_eq!(verdict(other, &same), look(Reason::Desired));
        let unhealthy = with(|entry| entry.outcome = Outcome::Cancelled { doing: None });
        assert_eq!(verdict(unhealthy, &same), look(Reason::Unsettled));
        let gone = with(|entry| entry.outcome = Outcome::Destroyed);
        assert_eq!(verdict(gone, &same), look(Reason::Unsettled));
    }

    #[test]
    fn an_older_index_is_as_suspect_as_a_newer_one() {
        // A job row can be rewound to an older version (nomad-api.md, trap 10), and a backup can be restored.
        for listed in [6, 8] {
            let reason = Reason::Written {
                remembered: ModifyIndex(7),
                listed: ModifyIndex(listed),
            };
            assert_eq!(
                verdict(vec![entry("shop", 7)], &[stub("shop", listed)]),
                Verdict::Look(reason)
            );
        }
    }

    #[test]
    fn a_job_of_the_same_id_in_another_namespace_is_another_job() {
        let elsewhere = JobStub {
            namespace: "team".to_owned(),
            ..stub("shop", 7)
        };
        let missing = Verdict::Look(Reason::Missing);
        assert_eq!(verdict(vec![entry("shop", 7)], &[elsewhere]), missing);
        let remembered = Entry {
            namespace: namespace("team"),
            ..entry("shop", 7)
        };
        let unknown = Verdict::Look(Reason::Unknown);
        assert_eq!(verdict(vec![remembered], &[stub("shop", 7)]), unknown);
    }

    #[test]
    fn of_several_entries_for_one_job_the_last_counts() {
        let (old, new) = (entry("shop", 5), entry("shop", 7));
        let list = [stub("shop", 7)];
        assert_eq!(
            verdict(vec![old.clone(), new.clone()], &list),
            Verdict::Unchanged
        );
        assert_ne!(verdict(vec![new, old], &list), Verdict::Unchanged);
    }

    /// Few names, digests and indexes, so that they often meet.
    fn entries() -> impl Strategy<Value = Vec<Entry>> {
        let outcome = prop_oneof![
            4 => Just(Outcome::Converged),
            1 => Just(Outcome::Failed("x".to_owned())),
        ];
        let one = ("[ab]", "[mn]", "[de]", 1u64..4, outcome);
        prop::collection::vec(one, 0..8).prop_map(|all| {
            all.into_iter()
                .map(|(id, space, digest, index, outcome)| Entry {
                    job: job(&id),
                    namespace: namespace(&space),
                    digest: Digest(digest),
                    index: ModifyIndex(index),
                    outcome,
                })
                .collect()
        })
    }

    fn lists() -> impl Strategy<Value = Vec<JobStub>> {
        let one = ("[ab]", "[mn]", 1u64..4, prop::bool::weighted(0.2));
        prop::collection::vec(one, 0..8).prop_map(|all| {
            all.into_iter()
                .map(|(id, space, index, stop)| JobStub {
                    namespace: space,
                    stop,
                    ..stub(&id, index)
                })
                .collect()
        })
    }

    proptest! {
        /// Against the definition, written out with nested loops.
        #[test]
        fn unchanged_means_remembered_listed_running_and_equal(
            entries in entries(),
            list in lists(),
            names in prop::collection::vec(("[abc]", "[mn]", "[de]"), 0..8),
        ) {
            let owned: Vec<(JobId, Namespace, Digest)> = names
                .iter()
                .map(|(id, space, digest)| (job(id), namespace(space), Digest(digest.clone())))
                .collect();
            let wanted: Vec<Wanted<'_>> = owned
                .iter()
                .map(|(job, namespace, digest)| Wanted { job, namespace, digest })
                .collect();
            let found = verdicts(&wanted, &Inventory { entries: entries.clone() }, &list);
            prop_assert_eq!(found.len(), wanted.len());
            for (wanted, verdict) in wanted.iter().zip(found) {
                let entry = entries.iter().rfind(|entry| {
                    entry.job == *wanted.job && entry.namespace == *wanted.namespace
                });
                let stub = list.iter().rfind(|stub| {
                    stub.id == wanted.job.as_str() && stub.namespace == wanted.namespace.as_str()
                });
                let settled = entry.zip(stub).is_some_and(|(entry, stub)| {
                    entry.digest == *wanted.digest
                        && entry.outcome.is_success()
                        && entry.index == stub.job_modify_index
                        && !stub.stop
                });
                prop_assert_eq!(verdict == Verdict::Unchanged, settled);
            }
        }

        /// What the list says of other jobs, and in which order, does not matter.
        #[test]
        fn the_order_of_the_list_does_not_matter(mut numbers in Just((0..50u64).collect::<Vec<_>>()).prop_shuffle()) {
            let entries: Vec<Entry> = (0..50).map(|n| entry(&format!("job-{n}"), n + 1)).collect();
            let wanted: Vec<Wanted<'_>> = entries
                .iter()
                .map(|entry| Wanted { job: &entry.job, namespace: &entry.namespace, digest: &entry.digest })
                .collect();
            numbers.retain(|number| number % 7 != 0);
            let list: Vec<JobStub> = numbers.iter().map(|n| stub(&format!("job-{n}"), n + 1)).collect();
            let found = verdicts(&wanted, &Inventory { entries: entries.clone() }, &list);
            for (number, verdict) in found.into_iter().enumerate() {
                let want = if number % 7 == 0 { Verdict::Look(Reason::Missing) } else { Verdict::Unchanged };
                prop_assert_eq!(verdict, want);
            }
        }
    }
}
