//! A green build becomes a healthy rollout: rows that are due go through the same loop as `cs apply`.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::flow::persist;
use super::runs::pause;
use super::settings::Cluster;
use super::state::{Shared, now};
use crate::bridge::api::RolloutState;
use crate::bridge::event::BridgeEvent;
use crate::bridge::machine::BuildNumber;
use crate::bridge::rollout::document;
use crate::clients::chain;
use crate::controller::converge::Until;
use crate::controller::set::apply::{ApplyOptions, Ending, SetRun, notes};
use crate::controller::set::observe::{PlanOptions, Planned, plan_set};
use crate::controller::set::prepare::{SetOptions, SpecSet, prepare};
use crate::controller::set::remember::Remember;
use crate::inventory;
use crate::manifests::Manifest;
use crate::observe::{self, Kind, Run};
use crate::reconcile::Outcome;
use crate::spec::relations::OnFailure;
use crate::store::{NewTransition, RolloutWork, StoreError};

/// Rollouts at once. Each one mostly waits for Nomad.
const AT_ONCE: usize = 8;

/// How often due ones are looked for, beside being told.
const PATROL: Duration = Duration::from_secs(2);

/// Between two questions to a cluster that does not answer.
const PAUSE: Duration = Duration::from_secs(1);

/// A rollout under way.
struct Running {
    deployment: String,
    build: BuildNumber,
    /// Cancelled when a newer build takes its place.
    cancel: CancellationToken,
}

/// Works on what is due until `stop` is cancelled. What is under way then stays due.
///
/// Not spawned, nor are the rollouts: the loop borrows across threads what only one thread has.
pub(super) async fn run(shared: &Arc<Shared>, stop: &CancellationToken) {
    let mut running: HashMap<String, Running> = HashMap::new();
    let mut work = FuturesUnordered::new();
    loop {
        supersede(shared, &running).await;
        for (id, rollout) in take(shared, stop, &mut running).await {
            let cancel = rollout.cancel.clone();
            work.push(async move {
                carry_out(shared, &rollout.work, &cancel, stop).await;
                id
            });
        }
        // Cancel-safe: only waits; what is under way is polled on.
        tokio::select! {
            Some(id) = work.next() => { running.remove(&id); }
            () = tokio::time::sleep(PATROL) => {}
            () = shared.rollout_due.notified() => {}
            () = stop.cancelled() => break,
        }
    }
    // They were told to stop by the same token.
    while work.next().await.is_some() {}
}

/// Ends rollouts of builds that are no longer the newest.
async fn supersede(shared: &Shared, running: &HashMap<String, Running>) {
    for rollout in running.values() {
        let newest = shared.store.newest_rollout(&rollout.deployment).await;
        if newest.is_ok_and(|newest| newest.is_some_and(|newest| newest > rollout.build)) {
            rollout.cancel.cancel();
        }
    }
}

/// A rollout that was taken.
struct Taken {
    work: RolloutWork,
    cancel: CancellationToken,
}

async fn take(
    shared: &Shared,
    stop: &CancellationToken,
    running: &mut HashMap<String, Running>,
) -> Vec<(String, Taken)> {
    let open = match shared.store.open_rollouts(now()).await {
        Ok(open) => open,
        Err(error) => {
            tracing::debug!("rollouts that are due: {}", chain(&error));
            return Vec::new();
        }
    };
    let mut taken = Vec::new();
    for (id, deployment) in open {
        let is_busy = running.values().any(|other| other.deployment == deployment);
        if is_busy || running.len() >= AT_ONCE {
            continue;
        }
        let until = shared.lease_until();
        let claimed = shared.store.claim_rollout(&id, &shared.owner, now(), until);
        let Ok(Some(work)) = claimed.await else {
            continue;
        };
        let cancel = stop.child_token();
        let rollout = Running {
            deployment,
            build: work.build,
            cancel: cancel.clone(),
        };
        running.insert(id.clone(), rollout);
        taken.push((id, Taken { work, cancel }));
    }
    taken
}

async fn carry_out(
    shared: &Shared,
    work: &RolloutWork,
    cancel: &CancellationToken,
    stop: &CancellationToken,
) {
    tracing::info!(
        deployment.id = work.deployment,
        "Rolling out build {} of deployment {}",
        work.build,
        work.deployment
    );
    let (parent, other) = shared.traces.of_rollout(&work.deployment);
    let run = Run::begin("rollout", Kind::Internal, parent);
    other.into_iter().for_each(|other| run.link(other));
    run.set("cs.deployment.id", work.deployment.as_str());
    run.set("cs.build.number", work.build.to_string());
    let outcome = run.around(converge(&shared.cluster, work, cancel)).await;
    observe::set_outcome(run.span(), &outcome);
    run.end();
    if stop.is_cancelled() && !outcome.is_success() {
        // Neither done nor failed: the next server goes on.
        return;
    }
    let (state, outcome) = if cancel.is_cancelled() && matches!(outcome, Outcome::Cancelled { .. })
    {
        let text = "a newer build succeeded meanwhile".to_owned();
        (RolloutState::Superseded, Outcome::Superseded(text))
    } else if outcome.is_success() {
        (RolloutState::Converged, outcome)
    } else {
        (RolloutState::Failed, outcome)
    };
    shared.metrics.rollout(outcome.word());
    tracing::info!(
        deployment.id = work.deployment,
        "Rollout of build {} of deployment {}: {}",
        work.build,
        work.deployment,
        outcome.message()
    );
    let flow = || ended(shared, work, state, &outcome);
    let label = format!("the rollout of deployment {}", work.deployment);
    persist(&label, stop, flow).await;
    shared.rollout_due.notify_one();
}

/// Takes note of how a rollout ended.
async fn ended(
    shared: &Shared,
    work: &RolloutWork,
    state: RolloutState,
    outcome: &Outcome,
) -> Result<(), StoreError> {
    let message = outcome.message();
    let mut tx = shared.store.begin(now()).await?;
    let Some(deployment) = tx.lock_deployment(&work.deployment).await? else {
        return Ok(());
    };
    let is_ours = tx.rollout_ended(&work.id, &shared.owner, state, outcome.word(), &message);
    if !is_ours.await? {
        return Ok(());
    }
    tx.remember(NewTransition {
        deployment: work.deployment.clone(),
        kind: "rollout",
        from: Some(deployment.status),
        to: deployment.status,
        ci_status: None,
        build: Some(work.build),
        applied: false,
        detail: Some(format!("{}: {message}", outcome.word())),
    });
    tx.announce(BridgeEvent::RolloutUpdate {
        deployment_id: work.deployment.clone(),
        job_id: work.job.clone(),
        build_number: work.build.to_string(),
        state,
        outcome: Some(outcome.word().to_owned()),
        message: Some(message),
    });
    tx.commit().await?;
    shared.feed.wake();
    Ok(())
}

/// A workload, ready to be planned.
///
/// # Errors
/// What is wrong with it.
pub(super) fn set(
    cluster: &Cluster,
    workload: &serde_json::Value,
    build: BuildNumber,
) -> Result<SpecSet, String> {
    let document = document(workload, build).map_err(|bad| bad.to_string())?;
    let manifest = Manifest {
        document,
        native: None,
    };
    let options = SetOptions {
        owner: cluster.owner.clone(),
        namespace: cluster.nomad.namespace().clone(),
        on_failure: OnFailure::Keep,
        environment: cluster.environment.clone(),
        revision: None,
    };
    prepare(vec![manifest], options).map_err(|findings| {
        let lines: Vec<String> = findings
            .iter()
            .map(|finding| finding.message.clone())
            .collect();
        lines.join("; ")
    })
}

/// Runs a workload through the loop: the same plan, compare-and-set and health as `cs apply`.
async fn converge(cluster: &Cluster, work: &RolloutWork, cancel: &CancellationToken) -> Outcome {
    let deadline = Instant::now() + cluster.deadline;
    let set = match prepared(cluster, work) {
        Ok(set) => set,
        Err(bad) => return Outcome::Invalid(bad),
    };
    let (mut remember, planned) = match planned(cluster, &set, deadline, cancel).await {
        Ok(planned) => planned,
        Err(outcome) => return outcome,
    };
    let run = SetRun {
        nomad: &cluster.nomad,
        set: &set,
        planned: &planned,
        options: ApplyOptions {
            waits: true,
            until: Until::Healthy,
            is_sealed: false,
            deadline,
            placement_grace: cluster.placement_grace,
            // There is one.
            at_once: NonZeroUsize::MIN,
        },
        // Nobody looks on; the outcome says it all.
        notes: notes().0,
        cancel,
    };
    let result = run.run(&mut remember).await;
    let ending = result.items.into_iter().next().map(|item| item.ending);
    match ending {
        Some(Ending::Unchanged | Ending::Registered(_)) => Outcome::Converged,
        Some(Ending::Ended(outcome)) => outcome,
        Some(Ending::Blocked(on)) => Outcome::Failed(format!("it waits for {on}")),
        Some(Ending::NotBegun) | None => Outcome::Cancelled {
            doing: Some("planning".to_owned()),
        },
    }
}

fn prepared(cluster: &Cluster, work: &RolloutWork) -> Result<SpecSet, String> {
    let workload: serde_json::Value = serde_json::from_str(&work.workload)
        .map_err(|_| "the stored workload is no JSON".to_owned())?;
    set(cluster, &workload, work.build)
}

/// Inventory and plan; a cluster that does not answer is asked until the deadline.
async fn planned(
    cluster: &Cluster,
    set: &SpecSet,
    deadline: Instant,
    cancel: &CancellationToken,
) -> Result<(Remember, Planned), Outcome> {
    loop {
        let why = match plan_once(cluster, set).await {
            Ok(planned) => return Ok(planned),
            Err(Unplanned::Ended(outcome)) => return Err(outcome),
            Err(Unplanned::Away(why)) => why,
        };
        if Instant::now() + PAUSE > deadline {
            return Err(Outcome::Deadline {
                waiting_for: format!("reading the cluster: {why}"),
                cause: None,
            });
        }
        tracing::debug!("the cluster is read again: {why}");
        if !pause(PAUSE, cancel).await {
            return Err(Outcome::Cancelled {
                doing: Some("planning".to_owned()),
            });
        }
    }
}

enum Unplanned {
    Away(String),
    Ended(Outcome),
}

async fn plan_once(cluster: &Cluster, set: &SpecSet) -> Result<(Remember, Planned), Unplanned> {
    let opened = inventory::Store::open(&cluster.nomad, &cluster.owner, &cluster.state_dir);
    let (store, inventory) = opened
        .await
        .map_err(|error| Unplanned::Away(chain(&error)))?;
    let remember = Remember::new(store, inventory, Arc::new(jiff::Timestamp::now));
    let options = PlanOptions {
        is_complete: true,
        ..PlanOptions::default()
    };
    let planned = plan_set(&cluster.nomad, set, remember.inventory(), options).await;
    match planned {
        Ok(planned) => Ok((remember, planned)),
        Err(error) if error.may_pass() => Err(Unplanned::Away(chain(&error))),
        Err(error) => Err(Unplanned::Ended(Outcome::Failed(chain(&error)))),
    }
}
