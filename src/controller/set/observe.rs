//! Cluster and inventory → plan. Reads only.
//!
//! One list call a namespace tells of most jobs that nothing has moved since they converged; only the others are read,
//! compiled and compared. The answers are whole or an error: what a list does not name counts as absent later on.

use std::collections::{BTreeMap, BTreeSet};

use futures::StreamExt as _;
use futures::stream;
use serde_json::Value;

use super::prepare::{Body, SpecSet};
use crate::clients::chain;
use crate::clients::nomad::NomadClient;
use crate::clients::nomad::calls::jobs::{JobQuery, Submission};
use crate::clients::nomad::error::{Disposition, NomadError};
use crate::clients::nomad::types::{JobHead, JobRecord, JobStub};
use crate::ids::{JobKey, ModifyIndex, Namespace};
use crate::inventory::{Inventory, ownership};
use crate::reconcile::diff::merged;
use crate::reconcile::fast::{self, Verdict};
use crate::reconcile::observed::Gap;
use crate::reconcile::{Cause, Seen};
use crate::set::plan::{Allowed, Change, Item, Look, Scheduler, SetPlan, change};
use crate::set::prune::{PruneFacts, PruneLimit, pruning};
use crate::spec::relations::HookPhase;

/// Reads at the same time. The client has its own bound for connections.
const AT_ONCE: usize = 16;

/// Questions to the scheduler at the same time; each runs it in the leader.
const PLANS_AT_ONCE: usize = 8;

/// Why there is no plan.
#[derive(Debug, thiserror::Error)]
pub enum CannotPlan {
    /// A read failed.
    #[error("the cluster cannot be read")]
    Nomad(#[from] NomadError),
    /// The answer of a server without a leader means nothing.
    #[error("the Nomad server at {0} knows no leader, so its answers mean nothing")]
    Leaderless(String),
}

impl CannotPlan {
    /// Whether the same question may be answered a moment later.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Nomad(error) => !matches!(error.disposition(), Disposition::Stall),
            Self::Leaderless(_) => true,
        }
    }
}

/// How a set is planned.
#[derive(Debug, Clone, Copy, Default)]
pub struct PlanOptions {
    /// What is allowed beyond the ordinary.
    pub allowed: Allowed,
    /// Remove what is owned and no longer wanted.
    pub prune: bool,
    /// How much of it.
    pub prune_limit: PruneLimit,
    /// Every source was read to its end.
    pub is_complete: bool,
    /// Ask the scheduler what it would do.
    pub asks_scheduler: bool,
}

/// A plan with what acting on it needs.
pub struct Planned {
    /// What happens.
    pub plan: SetPlan,
    /// Position in the set of each item of the plan.
    pub positions: Vec<usize>,
    /// The jobs that will be written, by position in the set.
    pub pending: BTreeMap<usize, Pending>,
    /// Index at which each job stood that was listed.
    pub indexes: BTreeMap<JobKey, ModifyIndex>,
}

/// A job that was looked at and will be written.
///
/// Jobs are kept as text: as values they take ten times the memory, and a set may have thousands.
pub struct Pending {
    job: Packed,
    /// What goes with it.
    pub submission: Submission,
    before: Option<(JobHead, Packed)>,
}

/// A job as text. May carry secrets in `Env`.
struct Packed(Box<str>);

impl Packed {
    fn of(job: &Value) -> Self {
        Self(job.to_string().into())
    }

    fn value(&self) -> Value {
        serde_json::from_str(&self.0).expect("it was written by us")
    }
}

impl Pending {
    /// `before` is the job in the cluster.
    #[must_use]
    pub fn new(body: Body, before: Option<&JobRecord>) -> Self {
        Self {
            job: Packed::of(&body.job),
            submission: body.submission,
            before: before.map(|record| (record.head.clone(), Packed::of(&record.spec))),
        }
    }

    /// What it is registered as.
    #[must_use]
    pub fn job(&self) -> Value {
        self.job.value()
    }

    /// Identity, version and state of the job in the cluster.
    #[must_use]
    pub fn head(&self) -> Option<&JobHead> {
        self.before.as_ref().map(|(head, _)| head)
    }

    /// The job in the cluster.
    #[must_use]
    pub fn before(&self) -> Option<JobRecord> {
        let (head, spec) = self.before.as_ref()?;
        Some(JobRecord {
            head: head.clone(),
            spec: spec.value(),
        })
    }
}

/// Plans a set.
///
/// # Errors
/// A question without which nothing can be planned got no answer.
pub async fn plan_set(
    nomad: &NomadClient,
    set: &SpecSet,
    inventory: &Inventory,
    options: PlanOptions,
) -> Result<Planned, CannotPlan> {
    let wanted = set.wanted.iter().map(|wanted| &wanted.key);
    let owned = inventory.entries.keys();
    let listed = list(nomad, wanted.chain(owned).map(|key| &key.namespace)).await?;
    let stubs: BTreeMap<JobKey, &JobStub> = listed.iter().filter_map(keyed).collect();
    let order = order(set);
    let looks = look(
        nomad,
        set,
        inventory,
        &stubs,
        &listed,
        &order,
        options.allowed,
    )
    .await?;
    let mut pending = BTreeMap::new();
    let mut items = Vec::with_capacity(order.len());
    let places: BTreeMap<usize, usize> = order.iter().copied().map(|(at, _)| at).zip(0..).collect();
    for ((at, wave), looked) in order.iter().copied().zip(looks) {
        let wanted = &set.wanted[at];
        let change = match looked {
            Looked::Settled(change) => change,
            Looked::Fresh(change, it) => {
                pending.insert(at, *it);
                change
            }
        };
        let mut after: Vec<usize> = set
            .graph
            .dependencies(at)
            .iter()
            .filter_map(|before| places.get(before).copied())
            .collect();
        after.sort_unstable();
        items.push(Item {
            key: wanted.key.clone(),
            kind: wanted.kind,
            hook: wanted.hook.as_ref().map(|hook| hook.phase),
            wave,
            after,
            change,
            scheduler: None,
        });
    }
    let mut plan = SetPlan {
        items,
        pruning: prune(nomad, set, inventory, &stubs, options).await?,
    };
    let positions: Vec<usize> = order.into_iter().map(|(at, _)| at).collect();
    if options.asks_scheduler {
        ask_scheduler(nomad, set, &mut plan, &positions, &pending).await;
    }
    let indexes = stubs
        .into_iter()
        .map(|(key, stub)| (key, stub.job_modify_index))
        .collect();
    Ok(Planned {
        plan,
        positions,
        pending,
        indexes,
    })
}

/// Positions in the set with their waves; hooks for failures last.
fn order(set: &SpecSet) -> Vec<(usize, usize)> {
    let waves = set.graph.order();
    let ordered = waves
        .iter()
        .zip(0..)
        .flat_map(|(wave, number)| wave.iter().map(move |at| (*at, number)));
    let standby = (0..set.wanted.len()).filter(|at| is_standby(set, *at));
    ordered.chain(standby.map(|at| (at, waves.len()))).collect()
}

fn is_standby(set: &SpecSet, at: usize) -> bool {
    let hook = set.wanted[at].hook.as_ref();
    hook.is_some_and(|hook| hook.phase == HookPhase::OnFailure)
}

/// The jobs of every namespace that matters. A list over all namespaces leaves out, without a word, those that the token
/// may not see; a list of one of them is refused.
pub(super) async fn list(
    nomad: &NomadClient,
    namespaces: impl Iterator<Item = &Namespace>,
) -> Result<Vec<JobStub>, CannotPlan> {
    let namespaces: BTreeSet<&Namespace> = namespaces.collect();
    let mut lists = stream::iter(namespaces)
        .map(|namespace| async move {
            let client = nomad.in_namespace(namespace);
            let read = client.jobs(&JobQuery::default()).await?;
            if !read.known_leader {
                return Err(CannotPlan::Leaderless(client.address().to_string()));
            }
            Ok::<_, CannotPlan>(read.value)
        })
        .buffered(AT_ONCE);
    let mut all = Vec::new();
    while let Some(list) = lists.next().await {
        all.append(&mut list?);
    }
    Ok(all)
}

/// A name that no resource can have is a job that is not ours.
pub(super) fn keyed(stub: &JobStub) -> Option<(JobKey, &JobStub)> {
    let key = JobKey {
        namespace: stub.namespace.parse().ok()?,
        job: stub.id.parse().ok()?,
    };
    Some((key, stub))
}

/// What is known of one resource.
enum Looked {
    /// The list and the inventory were enough.
    Settled(Change),
    /// It was compiled and compared.
    Fresh(Change, Box<Pending>),
}

async fn look(
    nomad: &NomadClient,
    set: &SpecSet,
    inventory: &Inventory,
    stubs: &BTreeMap<JobKey, &JobStub>,
    listed: &[JobStub],
    order: &[(usize, usize)],
    allowed: Allowed,
) -> Result<Vec<Looked>, CannotPlan> {
    let asked: Vec<fast::Wanted<'_>> = order
        .iter()
        .map(|(at, _)| &set.wanted[*at])
        .map(|wanted| fast::Wanted {
            key: &wanted.key,
            digest: &wanted.digest,
        })
        .collect();
    let verdicts = fast::verdicts(&asked, inventory, listed);
    stream::iter(order.iter().zip(verdicts))
        .map(|((at, _), verdict)| async move {
            match settled(set, *at, inventory, verdict) {
                Some(change) => Ok(Looked::Settled(change)),
                None => {
                    let is_listed = stubs.contains_key(&set.wanted[*at].key);
                    fresh(nomad, set, *at, inventory, is_listed, allowed).await
                }
            }
        })
        .buffered(AT_ONCE)
        .collect::<Vec<Result<Looked, CannotPlan>>>()
        .await
        .into_iter()
        .collect()
}

/// What list and inventory alone say.
fn settled(
    set: &SpecSet,
    at: usize,
    inventory: &Inventory,
    verdict: Verdict<'_>,
) -> Option<Change> {
    let wanted = &set.wanted[at];
    if is_standby(set, at) {
        return Some(Change::Standby);
    }
    if let Some(generation) = set.generation(at) {
        let entry = inventory.entries.get(&wanted.key);
        let ran = entry.and_then(|entry| entry.hook.as_ref()) == Some(&generation);
        return ran.then_some(Change::Completed);
    }
    match verdict {
        Verdict::Unchanged => Some(Change::None),
        // What failed and stands all the same may be healthy by now. Only the look tells it from what was rolled back.
        Verdict::Failed(_) | Verdict::Look(_) => None,
    }
}

async fn fresh(
    nomad: &NomadClient,
    set: &SpecSet,
    at: usize,
    inventory: &Inventory,
    is_listed: bool,
    allowed: Allowed,
) -> Result<Looked, CannotPlan> {
    let wanted = &set.wanted[at];
    let client = nomad.in_namespace(&wanted.key.namespace);
    let mut body = match set.body(at, &client).await {
        Ok(body) => body,
        Err(text) => return Ok(Looked::Settled(Change::Unknown(text))),
    };
    let seen = match is_listed {
        false => Seen::Absent,
        true => match client.job(&wanted.key.job).await {
            Ok(read) if !read.known_leader => Seen::Unknown(Gap {
                reason: "the Nomad server knows no leader".to_owned(),
            }),
            Ok(read) => read.value.map_or(Seen::Absent, Seen::Present),
            Err(error) if matches!(error.disposition(), Disposition::Stall) => {
                return Err(error.into());
            }
            Err(error) => Seen::Unknown(Gap {
                reason: chain(&error),
            }),
        },
    };
    let entry = inventory.entries.get(&wanted.key);
    let ownership = match &seen {
        Seen::Present(record) => ownership(
            entry,
            &record.head.meta,
            record.head.create_index,
            &set.options.owner,
        ),
        Seen::Absent | Seen::Unknown(_) => crate::inventory::Ownership::Ours,
    };
    let look = Look {
        job: body.job,
        seen,
        ownership,
    };
    let change = change(wanted, &look, entry, allowed);
    body.job = look.job;
    let before = match &look.seen {
        Seen::Present(record) => Some(record),
        Seen::Absent | Seen::Unknown(_) => None,
    };
    Ok(Looked::Fresh(change, Box::new(Pending::new(body, before))))
}

async fn prune(
    nomad: &NomadClient,
    set: &SpecSet,
    inventory: &Inventory,
    stubs: &BTreeMap<JobKey, &JobStub>,
    options: PlanOptions,
) -> Result<crate::set::prune::Pruning, CannotPlan> {
    let wanted: BTreeSet<JobKey> = set.wanted.iter().map(|wanted| wanted.key.clone()).collect();
    let unwanted = inventory.entries.keys().filter(|key| !wanted.contains(key));
    let mut reads = stream::iter(unwanted)
        .map(|key| async move {
            if !stubs.contains_key(key) {
                return Ok((key.clone(), None));
            }
            let client = nomad.in_namespace(&key.namespace);
            let read = client.job(&key.job).await?;
            if !read.known_leader {
                return Err(CannotPlan::Leaderless(client.address().to_string()));
            }
            Ok((key.clone(), read.value.map(|record| record.head)))
        })
        .buffered(AT_ONCE);
    let mut found: BTreeMap<JobKey, Option<JobHead>> = BTreeMap::new();
    while let Some(read) = reads.next().await {
        let (key, head) = read?;
        found.insert(key, head);
    }
    Ok(pruning(&PruneFacts {
        owner: &set.options.owner,
        inventory,
        wanted: &wanted,
        is_complete: options.is_complete,
        found: &found,
        is_asked: options.prune,
        limit: options.prune_limit,
    }))
}

/// Adds the scheduler's view to everything that is written. Only shown, so a question without an answer is left out.
async fn ask_scheduler(
    nomad: &NomadClient,
    set: &SpecSet,
    plan: &mut SetPlan,
    positions: &[usize],
    pending: &BTreeMap<usize, Pending>,
) {
    let asked: Vec<(usize, usize)> = positions
        .iter()
        .copied()
        .enumerate()
        .filter(|(place, _)| plan.items[*place].change.writes())
        .collect();
    let mut answers = stream::iter(asked)
        .map(|(place, at)| async move {
            let wanted = &set.wanted[at];
            let pending = &pending[&at];
            let client = nomad.in_namespace(&wanted.key.namespace);
            let job = to_send(set, at, pending);
            (place, client.plan(&job).await)
        })
        .buffer_unordered(PLANS_AT_ONCE);
    while let Some((place, answer)) = answers.next().await {
        match answer {
            Ok(reply) => {
                let updates = reply.annotations.unwrap_or_default().desired_tg_updates;
                plan.items[place].scheduler = Some(Scheduler {
                    updates: updates.values().sum(),
                    unplaced: Cause::placement(&reply.failed_tg_allocs)
                        .map(|cause| cause.to_string()),
                    warnings: reply.warnings,
                });
            }
            Err(error) => tracing::warn!(
                "{}: the scheduler was not asked: {}",
                plan.items[place].key,
                chain(&error)
            ),
        }
    }
}

/// The job as it is sent: with what belongs to others taken over from the cluster.
pub(super) fn to_send(set: &SpecSet, at: usize, pending: &Pending) -> Value {
    let job = pending.job();
    match &pending.before {
        None => job,
        Some((head, spec)) => {
            let options = set.wanted[at].options_against(head);
            merged(&job, &spec.value(), &options)
        }
    }
}
