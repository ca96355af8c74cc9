//! What the loop writes, and what it leaves alone.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use cs::clients::nomad::types::JobRecord;
use cs::controller::Note;
use cs::reconcile::Outcome;
use serde_json::json;

use super::lab::Lab;
use super::proxy::{Fate, Proxy};
use super::specs::{count, greeting, service, with, with_env, with_group};

/// The next run has nothing to write, and Nomad sees nothing of it.
async fn assert_settled(lab: &Lab, goal: &cs::reconcile::Goal) -> JobRecord {
    let before = lab.job().await;
    let proxy = Proxy::start(lab, |_| std::future::ready(Fate::Passes)).await;
    let again = lab.run().through(&proxy.address).reach(goal).await;
    assert_eq!(again.outcome, Outcome::Converged, "{:#?}", again.notes);
    assert_eq!(proxy.writes(), 0, "{:#?}", again.notes);
    let after = lab.job().await;
    assert_eq!(after.head.job_modify_index, before.head.job_modify_index);
    assert_eq!(after.head.version, before.head.version);
    after
}

pub(super) async fn a_second_run_makes_no_write(lab: Lab) {
    let goal = lab.goal(service(&lab));
    let first = lab.converge(&goal).await;
    assert_eq!(first.registers(), 1);
    assert_eq!(lab.job().await.head.version, 0);
    assert_settled(&lab, &goal).await;
    let again = lab.converge(&goal).await;
    assert_eq!(
        again.count(|note| matches!(note, Note::Unchanged { .. })),
        1
    );
}

pub(super) async fn a_changed_environment_or_meta_is_rolled_out(lab: Lab) {
    lab.converge(&lab.goal(service(&lab))).await;
    let greets = with_env(service(&lab), "hello");
    lab.converge(&lab.goal(greets.clone())).await;
    assert_eq!(greeting(&lab.job().await.spec), Some("hello"));

    let goal = lab.goal(with(greets, "Meta", json!({"team": "shop"})));
    let ended = lab.converge(&goal).await;
    let is_shown = |note: &Note| matches!(note, Note::Planned { is_new: false, changes, .. } if changes.len() == 1);
    assert_eq!(ended.count(is_shown), 1, "{:#?}", ended.notes);
    let job = assert_settled(&lab, &goal).await;
    assert_eq!(job.head.meta["team"], "shop");
    assert_eq!(job.head.version, 2);
    assert!(job.head.stable, "it converged only when Nomad was content");
    let running = |allocations: Vec<cs::clients::nomad::types::Allocation>| {
        let runs = |it: &cs::clients::nomad::types::Allocation| {
            it.desired_status == "run" && it.client_status == "running" && it.job_version == 2
        };
        allocations.iter().filter(|it| runs(it)).count()
    };
    assert_eq!(running(lab.allocations().await), 1);
}

pub(super) async fn a_count_that_somebody_changed_is_put_back(lab: Lab) {
    let goal = lab.goal(with_group(service(&lab), "Count", json!(2)));
    lab.converge(&goal).await;
    let index = lab.job().await.head.job_modify_index;
    let scaled = lab.nomad.scale(&lab.id, "g", 1, "by hand", index).await;
    scaled.expect("nothing rolls out");
    assert_eq!(count(&lab.job().await.spec), Some(1));

    lab.converge(&goal).await;
    assert_eq!(count(&assert_settled(&lab, &goal).await.spec), Some(2));
}

pub(super) async fn a_specification_that_somebody_registered_is_put_back(lab: Lab) {
    let goal = lab.goal(with_env(service(&lab), "ours"));
    lab.converge(&goal).await;
    lab.somebody_registers(&with_env(service(&lab), "theirs"))
        .await;

    lab.converge(&goal).await;
    let job = assert_settled(&lab, &goal).await;
    assert_eq!(greeting(&job.spec), Some("ours"));
    assert_eq!(lab.versions().await, [2, 1, 0]);
}

pub(super) async fn a_job_that_somebody_stopped_is_started_again(lab: Lab) {
    let goal = lab.goal(service(&lab));
    lab.converge(&goal).await;
    let stopped = lab.nomad.deregister(&lab.id, false).await;
    stopped.expect("Nomad answers");

    lab.converge(&goal).await;
    assert!(!assert_settled(&lab, &goal).await.head.stop);
    lab.until_running().await;
}

/// A proxy that has somebody register `theirs` just before the first register of the loop arrives.
async fn overtaken(lab: &Lab, theirs: serde_json::Value) -> Proxy {
    let (somebody, done) = (lab.clone(), Arc::new(AtomicBool::new(false)));
    Proxy::start(lab, move |request| {
        let (somebody, theirs, done) = (somebody.clone(), theirs.clone(), Arc::clone(&done));
        async move {
            if request.is_register() && !done.swap(true, Ordering::SeqCst) {
                somebody.somebody_registers(&theirs).await;
            }
            Fate::Passes
        }
    })
    .await
}

pub(super) async fn a_register_between_look_and_write_is_seen_before_it_is_overwritten(lab: Lab) {
    lab.converge(&lab.goal(service(&lab))).await;
    let theirs = with(
        with_env(service(&lab), "theirs"),
        "Meta",
        json!({"from": "them"}),
    );
    let proxy = overtaken(&lab, theirs).await;

    let goal = lab.goal(with_env(service(&lab), "ours"));
    let ended = lab.run().through(&proxy.address).reach(&goal).await;
    assert_eq!(ended.outcome, Outcome::Converged, "{:#?}", ended.notes);
    assert_eq!(proxy.writes(), 2, "one refused, one accepted");
    assert_eq!(ended.registers(), 1);
    // Their version is in the history, and the second plan shows what became of it.
    assert_eq!(lab.versions().await, [2, 1, 0]);
    let shows_theirs = |note: &Note| matches!(note, Note::Planned { changes, .. } if changes.iter().any(|it| it.contains("them")));
    assert_eq!(ended.count(shows_theirs), 1, "{:#?}", ended.notes);
    assert_eq!(
        greeting(&assert_settled(&lab, &goal).await.spec),
        Some("ours")
    );
}

pub(super) async fn a_job_that_appears_between_look_and_write_is_not_overwritten_unseen(lab: Lab) {
    let proxy = overtaken(&lab, with_env(service(&lab), "theirs")).await;
    let goal = lab.goal(with_env(service(&lab), "ours"));
    let ended = lab.run().through(&proxy.address).reach(&goal).await;
    assert_eq!(ended.outcome, Outcome::Converged, "{:#?}", ended.notes);
    assert_eq!(proxy.writes(), 2, "one refused, one accepted");
    assert_eq!(lab.versions().await, [1, 0]);
    assert_settled(&lab, &goal).await;
}
