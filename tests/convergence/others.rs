//! Others write the same job at the same time.

use cs::clients::nomad::types::Allocation;
use cs::reconcile::{Goal, Outcome};
use serde_json::json;

use super::lab::{Ended, Lab};
use super::proxy::{Fate, Proxy};
use super::specs::{greeting, service, with_env, with_update};

/// Runs for longer than any test before it counts as healthy.
fn slow(lab: &Lab) -> serde_json::Value {
    let job = with_update(service(lab), "MinHealthyTime", json!(600_000_000_000_u64));
    let job = with_update(job, "HealthyDeadline", json!(700_000_000_000_u64));
    with_update(job, "ProgressDeadline", json!(800_000_000_000_u64))
}

/// Runs the loop; once it only waits for health, somebody does something.
async fn meanwhile<F: Future<Output = ()>>(lab: &Lab, goal: &Goal, somebody: F) -> Ended {
    let run = lab.run();
    let standing = run.standing.clone();
    let (ended, ()) = tokio::join!(run.reach(goal), async {
        standing.notified().await;
        lab.until_running().await;
        somebody.await;
    });
    ended
}

fn assert_superseded(ended: &Ended) {
    assert!(
        matches!(ended.outcome, Outcome::Superseded(_)),
        "{ended:#?}"
    );
}

pub(super) async fn a_register_of_another_specification_supersedes(lab: Lab) {
    let theirs = with_env(slow(&lab), "theirs");
    let goal = lab.goal(with_env(slow(&lab), "ours"));
    let ended = meanwhile(&lab, &goal, lab.somebody_registers(&theirs)).await;
    assert_superseded(&ended);
    assert_eq!(greeting(&lab.job().await.spec), Some("theirs"));
    assert_eq!(lab.versions().await, [1, 0]);
}

async fn somebody_removes(lab: &Lab, purge: bool) {
    let removed = lab.nomad.deregister(&lab.id, purge).await;
    removed.expect("Nomad answers");
}

pub(super) async fn a_purge_supersedes(lab: Lab) {
    let goal = lab.goal(slow(&lab));
    let ended = meanwhile(&lab, &goal, somebody_removes(&lab, true)).await;
    assert_superseded(&ended);
    assert_eq!(lab.find().await, None);
}

pub(super) async fn a_stop_supersedes(lab: Lab) {
    let goal = lab.goal(slow(&lab));
    let ended = meanwhile(&lab, &goal, somebody_removes(&lab, false)).await;
    assert_superseded(&ended);
    assert!(lab.job().await.head.stop);
}

pub(super) async fn a_purge_supersedes_a_watch_that_wrote_nothing(lab: Lab) {
    lab.somebody_registers(&slow(&lab)).await;
    let goal = lab.goal(slow(&lab));
    let ended = meanwhile(&lab, &goal, somebody_removes(&lab, true)).await;
    assert_superseded(&ended);
    assert_eq!(lab.find().await, None);
}

fn running(allocations: &[Allocation]) -> usize {
    let runs = |it: &&Allocation| it.client_status == "running" && it.desired_status == "run";
    allocations.iter().filter(runs).count()
}

pub(super) async fn two_runs_of_one_goal_make_one_version(lab: Lab) {
    let goal = lab.goal(service(&lab));
    let (one, other) = tokio::join!(lab.converge(&goal), lab.converge(&goal));
    assert_eq!(one.registers() + other.registers(), 1);
    assert_eq!(lab.versions().await, [0]);
    assert_eq!(running(&lab.allocations().await), 1);
}

pub(super) async fn two_runs_of_one_change_make_one_version(lab: Lab) {
    lab.converge(&lab.goal(service(&lab))).await;
    let goal = lab.goal(with_env(service(&lab), "hello"));
    // One looks before the other writes, and writes after it.
    let somebody = lab.clone();
    let proxy = Proxy::start(&lab, move |request| {
        let somebody = somebody.clone();
        async move {
            if request.is_register() {
                somebody.until_version(1).await;
            }
            Fate::Passes
        }
    })
    .await;
    let (one, other) = tokio::join!(lab.run().through(&proxy.address).reach(&goal), async {
        proxy.until_written().await;
        lab.converge(&goal).await
    });
    assert_eq!(one.outcome, Outcome::Converged, "{:#?}", one.notes);
    assert_eq!((one.registers(), other.registers()), (0, 1));
    assert_eq!(proxy.writes(), 1);
    assert_eq!(lab.versions().await, [1, 0]);
}
