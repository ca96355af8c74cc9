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
//! Two things are known without a look although the job is not as desired. A batch job that ran to its end is gone when
//! Nomad has collected it (trap 13): it is not missing, and must not run again. And what failed stays failed: the same
//! specification is not sent to the same job again, neither the one that Nomad rolled back nor one that never got healthy.
//!
//! Pure. Linear in what is wanted and what is listed, logarithmic in what is remembered.

use std::collections::HashMap;
use std::fmt;

use crate::clients::nomad::types::JobStub;
use crate::desired::Digest;
use crate::ids::{JobKey, ModifyIndex};
use crate::inventory::{Entry, Failed, Inventory, State};

/// A job that is desired, by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted<'a> {
    /// Which job; in the connection's namespace when the spec names none.
    pub key: &'a JobKey,
    /// Fingerprint of what is desired now.
    pub digest: &'a Digest,
}

/// Whether a job needs a look of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Verdict<'a> {
    /// Nothing was written and nothing else is desired since it converged, or it ran to its end: no further call.
    Unchanged,
    /// The same was tried, and nobody wrote the job since it failed: it is not tried again.
    Failed(&'a Failed),
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
    /// It was purged, and somebody made another job of its name.
    Recreated {
        /// `CreateIndex` that is remembered.
        remembered: u64,
        /// `CreateIndex` in the list.
        listed: u64,
    },
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
            Self::Recreated { remembered, listed } => write!(
                f,
                "it is another job of the same name (created at index {listed}, {remembered} is remembered)"
            ),
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

/// Says of each wanted job, in order, whether it needs a look. Of several list entries for one job the last one counts.
#[must_use]
pub fn verdicts<'a>(
    wanted: &[Wanted<'_>],
    inventory: &'a Inventory,
    list: &[JobStub],
) -> Vec<Verdict<'a>> {
    let listed: HashMap<(&str, &str), &JobStub> = list
        .iter()
        .map(|stub| ((stub.namespace.as_str(), stub.id.as_str()), stub))
        .collect();
    wanted
        .iter()
        .map(|wanted| {
            let Some(entry) = inventory.entries.get(wanted.key) else {
                return Verdict::Look(Reason::Unknown);
            };
            let name = (wanted.key.namespace.as_str(), wanted.key.job.as_str());
            verdict(wanted.digest, entry, listed.get(&name).copied())
        })
        .collect()
}

fn verdict<'a>(digest: &Digest, entry: &'a Entry, stub: Option<&JobStub>) -> Verdict<'a> {
    let same = entry.digest == *digest;
    let Some(stub) = stub else {
        // Nomad collects what has run to its end.
        return match entry.state == State::Completed && same {
            true => Verdict::Unchanged,
            false => Verdict::Look(Reason::Missing),
        };
    };
    let (remembered, listed) = (entry.created, stub.create_index);
    if remembered != 0 && remembered != listed {
        return Verdict::Look(Reason::Recreated { remembered, listed });
    }
    if let Some(failed) = &entry.failed
        && failed.digest == *digest
        && failed.index == stub.job_modify_index
    {
        return Verdict::Failed(failed);
    }
    if stub.stop {
        return Verdict::Look(Reason::Stopped);
    }
    if !same {
        return Verdict::Look(Reason::Desired);
    }
    let (remembered, listed) = (entry.index, stub.job_modify_index);
    if remembered != listed {
        return Verdict::Look(Reason::Written { remembered, listed });
    }
    match entry.state {
        State::Converged | State::Completed => Verdict::Unchanged,
        State::Unsettled => Verdict::Look(Reason::Unsettled),
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use proptest::prelude::*;

    use super::*;
    use crate::spec::Kind;

    fn key(namespace: &str, id: &str) -> JobKey {
        JobKey {
            namespace: namespace.parse().unwrap(),
            job: id.parse().unwrap(),
        }
    }

    fn digest(text: &str) -> Digest {
        Digest(text.to_owned())
    }

    /// Of a job that was created at index 3.
    fn entry(index: u64) -> Entry {
        Entry {
            kind: Kind::Workload,
            digest: digest("d1").into(),
            index: ModifyIndex(index),
            created: 3,
            state: State::Converged,
            written: Timestamp::UNIX_EPOCH,
            keep: false,
            adopted: false,
            failed: None,
            hook: None,
            revision: None,
        }
    }

    fn stub(id: &str, index: u64) -> JobStub {
        JobStub {
            id: id.to_owned(),
            namespace: "default".to_owned(),
            create_index: 3,
            job_modify_index: ModifyIndex(index),
            status: "running".to_owned(),
            ..JobStub::default()
        }
    }

    fn inventory(entries: impl IntoIterator<Item = (JobKey, Entry)>) -> Inventory {
        Inventory {
            entries: entries.into_iter().collect(),
        }
    }

    /// The verdict about job `shop` in `default`, of which `d1` is desired.
    fn check(entry: Option<Entry>, list: &[JobStub], expected: Verdict<'_>) {
        let (key, digest) = (key("default", "shop"), digest("d1"));
        let inventory = inventory(entry.map(|entry| (key.clone(), entry)));
        let wanted = Wanted {
            key: &key,
            digest: &digest,
        };
        assert_eq!(verdicts(&[wanted], &inventory, list), [expected]);
    }

    fn with(change: impl FnOnce(&mut Entry)) -> Option<Entry> {
        let mut entry = entry(7);
        change(&mut entry);
        Some(entry)
    }

    fn failed(of: &str, index: u64) -> Failed {
        Failed {
            digest: digest(of).into(),
            outcome: "rolled-back".to_owned(),
            index: ModifyIndex(index),
        }
    }

    #[test]
    fn a_job_that_nobody_wrote_and_of_which_the_same_is_desired_needs_no_call() {
        let list = [stub("other", 3), stub("shop", 7), stub("zeta", 9)];
        check(Some(entry(7)), &list, Verdict::Unchanged);
        let unknown_incarnation = with(|entry| entry.created = 0);
        check(unknown_incarnation, &list, Verdict::Unchanged);
    }

    #[test]
    fn each_thing_that_may_have_changed_asks_for_a_look_and_says_why() {
        let stopped = JobStub {
            stop: true,
            ..stub("shop", 7)
        };
        let look = Verdict::Look;
        let same = [stub("shop", 7)];
        check(None, &same, look(Reason::Unknown));
        check(Some(entry(7)), &[], look(Reason::Missing));
        check(Some(entry(7)), &[stopped], look(Reason::Stopped));
        let other = with(|entry| entry.digest = digest("d2").into());
        check(other, &same, look(Reason::Desired));
        let unhealthy = with(|entry| entry.state = State::Unsettled);
        check(unhealthy, &same, look(Reason::Unsettled));
    }

    #[test]
    fn an_older_index_is_as_suspect_as_a_newer_one() {
        // A job row can be rewound to an older version (nomad-api.md, trap 10), and a backup can be restored.
        for listed in [6, 8] {
            let reason = Reason::Written {
                remembered: ModifyIndex(7),
                listed: ModifyIndex(listed),
            };
            check(
                Some(entry(7)),
                &[stub("shop", listed)],
                Verdict::Look(reason),
            );
        }
    }

    #[test]
    fn a_job_that_was_purged_and_made_anew_is_another_one() {
        let anew = JobStub {
            create_index: 5,
            ..stub("shop", 7)
        };
        let reason = Reason::Recreated {
            remembered: 3,
            listed: 5,
        };
        check(Some(entry(7)), &[anew], Verdict::Look(reason));
    }

    #[test]
    fn a_batch_job_that_ran_to_its_end_is_not_missed_while_the_same_is_desired() {
        let completed = || with(|entry| entry.state = State::Completed);
        check(completed(), &[], Verdict::Unchanged);
        check(completed(), &[stub("shop", 7)], Verdict::Unchanged);
        let other = with(|entry| {
            entry.state = State::Completed;
            entry.digest = digest("d2").into();
        });
        check(other, &[], Verdict::Look(Reason::Missing));
    }

    #[test]
    fn what_failed_is_not_tried_again_until_something_else_is_desired_or_somebody_writes_the_job() {
        let (d1, d2) = (failed("d1", 9), failed("d2", 9));
        // Nomad went back to the version before, which made another index; the digest is the one before, too.
        let rolled_back = |failed: &Failed| {
            let failed = failed.clone();
            with(|entry| {
                entry.digest = digest("d0").into();
                entry.failed = Some(failed);
            })
        };
        let stopped = JobStub {
            stop: true,
            ..stub("shop", 9)
        };
        check(rolled_back(&d1), &[stub("shop", 9)], Verdict::Failed(&d1));
        check(rolled_back(&d1), &[stopped], Verdict::Failed(&d1));
        let look = Verdict::Look;
        check(rolled_back(&d1), &[stub("shop", 10)], look(Reason::Desired));
        check(rolled_back(&d2), &[stub("shop", 9)], look(Reason::Desired));
        check(rolled_back(&d1), &[], look(Reason::Missing));
    }

    #[test]
    fn a_job_of_the_same_id_in_another_namespace_is_another_job() {
        let elsewhere = JobStub {
            namespace: "team".to_owned(),
            ..stub("shop", 7)
        };
        check(Some(entry(7)), &[elsewhere], Verdict::Look(Reason::Missing));
        let (here, there, digest) = (key("default", "shop"), key("team", "shop"), digest("d1"));
        let wanted = Wanted {
            key: &here,
            digest: &digest,
        };
        let inventory = inventory([(there, entry(7))]);
        let found = verdicts(&[wanted], &inventory, &[stub("shop", 7)]);
        assert_eq!(found, [Verdict::Look(Reason::Unknown)]);
    }

    /// Few names, digests and indexes, so that they often meet.
    fn inventories() -> impl Strategy<Value = Inventory> {
        let state = prop_oneof![
            4 => Just(State::Converged),
            2 => Just(State::Completed),
            1 => Just(State::Unsettled),
        ];
        let failure = prop::option::weighted(0.3, ("[de]", 1u64..4));
        let one = ("[ab]", "[mn]", "[de]", (1u64..4, 0u64..3), state, failure);
        prop::collection::vec(one, 0..8).prop_map(|all| {
            inventory(
                all.into_iter()
                    .map(|(id, space, of, (index, created), state, failure)| {
                        let entry = Entry {
                            digest: digest(&of).into(),
                            created,
                            state,
                            failed: failure.map(|(of, index)| failed(&of, index)),
                            ..entry(index)
                        };
                        (key(&space, &id), entry)
                    }),
            )
        })
    }

    fn lists() -> impl Strategy<Value = Vec<JobStub>> {
        let one = ("[ab]", "[mn]", 1u64..4, 1u64..3, prop::bool::weighted(0.2));
        prop::collection::vec(one, 0..8).prop_map(|all| {
            all.into_iter()
                .map(|(id, space, index, created, stop)| JobStub {
                    namespace: space,
                    create_index: created,
                    stop,
                    ..stub(&id, index)
                })
                .collect()
        })
    }

    proptest! {
        /// Against the definition, written out with nested loops.
        #[test]
        fn the_verdict_is_the_one_of_the_definition(
            inventory in inventories(),
            list in lists(),
            names in prop::collection::vec(("[abc]", "[mn]", "[de]"), 0..8),
        ) {
            let owned: Vec<(JobKey, Digest)> = names
                .iter()
                .map(|(id, space, of)| (key(space, id), digest(of)))
                .collect();
            let wanted: Vec<Wanted<'_>> = owned.iter().map(|(key, digest)| Wanted { key, digest }).collect();
            let found = verdicts(&wanted, &inventory, &list);
            prop_assert_eq!(found.len(), wanted.len());
            for (wanted, verdict) in wanted.iter().zip(found) {
                let entry = inventory.entries.iter().find(|(key, _)| *key == wanted.key).map(|(_, entry)| entry);
                let stub = list.iter().rfind(|stub| {
                    stub.id == wanted.key.job.as_str() && stub.namespace == wanted.key.namespace.as_str()
                });
                let same_job = entry.zip(stub).is_some_and(|(entry, stub)| {
                    entry.created == 0 || entry.created == stub.create_index
                });
                let failed = entry.zip(stub).is_some_and(|(entry, stub)| {
                    entry.failed.as_ref().is_some_and(|failed| {
                        same_job && failed.digest == *wanted.digest && failed.index == stub.job_modify_index
                    })
                });
                let settled = entry.zip(stub).is_some_and(|(entry, stub)| {
                    same_job
                        && entry.digest == *wanted.digest
                        && entry.state != State::Unsettled
                        && entry.index == stub.job_modify_index
                        && !stub.stop
                });
                let collected = stub.is_none() && entry.is_some_and(|entry| {
                    entry.state == State::Completed && entry.digest == *wanted.digest
                });
                prop_assert_eq!(matches!(verdict, Verdict::Failed(_)), failed);
                prop_assert_eq!(verdict == Verdict::Unchanged, (settled && !failed) || collected);
            }
        }

        /// What the list says of other jobs, and in which order, does not matter.
        #[test]
        fn the_order_of_the_list_does_not_matter(mut numbers in Just((0..50u64).collect::<Vec<_>>()).prop_shuffle()) {
            let inventory = inventory((0..50).map(|n| (key("default", &format!("job-{n}")), entry(n + 1))));
            let digest = digest("d1");
            let wanted: Vec<Wanted<'_>> = inventory.entries.keys().map(|key| Wanted { key, digest: &digest }).collect();
            numbers.retain(|number| number % 7 != 0);
            let list: Vec<JobStub> = numbers.iter().map(|n| stub(&format!("job-{n}"), n + 1)).collect();
            let found = verdicts(&wanted, &inventory, &list);
            for (wanted, verdict) in wanted.iter().zip(found) {
                let number: u64 = wanted.key.job.as_str()["job-".len()..].parse().unwrap();
                let want = if number.is_multiple_of(7) { Verdict::Look(Reason::Missing) } else { Verdict::Unchanged };
                prop_assert_eq!(verdict, want);
            }
        }
    }
}
