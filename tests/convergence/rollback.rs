//! Versions that Nomad takes back.

use cs::reconcile::{CauseKind, Goal, Outcome};
use serde_json::{Value, json};

use super::lab::{Ended, Lab};
use super::proxy::{Fate, Proxy, Request};
use super::specs::{failing, service, with_update};

fn reverting(job: Value) -> Value {
    with_update(job, "AutoRevert", json!(true))
}

/// A job whose version 0 runs well.
async fn with_a_good_version(lab: &Lab) {
    let good = lab.goal_of_run(reverting(service(lab)), Some("run-good"));
    lab.converge(&good).await;
}

fn bad(lab: &Lab, run: Option<&str>) -> Goal {
    lab.goal_of_run(reverting(failing(lab)), run)
}

fn assert_rolled_back(ended: &Ended) {
    let Outcome::RolledBack { cause, to_version } = &ended.outcome else {
        panic!("{:?}: {:#?}", ended.outcome, ended.notes);
    };
    assert_eq!(*to_version, Some(0));
    assert_eq!(cause.kind, CauseKind::Exit);
    assert_eq!(cause.text, "exit code 3: boom");
}

/// Nomad goes back in a version of its own; the loop has added one, the bad one.
async fn assert_history(lab: &Lab) {
    lab.until("Nomad went back", async |lab| {
        lab.versions().await.len() == 3
    })
    .await;
    assert_eq!(lab.versions().await, [2, 1, 0]);
    lab.until("it is content with the old version", async |lab| {
        lab.job().await.head.stable
    })
    .await;
}

pub(super) async fn a_bad_version_is_rolled_back_with_cause_and_version(lab: Lab) {
    with_a_good_version(&lab).await;
    let ended = lab.reach(&bad(&lab, None)).await;
    assert_rolled_back(&ended);
    assert_eq!(ended.registers(), 1);
    assert_history(&lab).await;
}

pub(super) async fn a_repeat_of_a_rolled_back_run_registers_nothing(lab: Lab) {
    with_a_good_version(&lab).await;
    let bad = bad(&lab, Some("run-bad"));
    let first = lab.reach(&bad).await;
    assert_rolled_back(&first);
    assert_history(&lab).await;

    let again = lab.reach(&bad).await;
    assert_eq!(again.outcome, first.outcome);
    assert_eq!(again.registers(), 0);
    assert_history(&lab).await;
}

pub(super) async fn a_bad_first_version_has_nothing_to_go_back_to(lab: Lab) {
    let bad = bad(&lab, Some("run-bad"));
    for registers in [1, 0] {
        let ended = lab.reach(&bad).await;
        assert!(
            matches!(&ended.outcome, Outcome::Unhealthy(cause) if cause.kind == CauseKind::Exit),
            "{ended:#?}"
        );
        assert_eq!(ended.registers(), registers);
    }
    assert_eq!(lab.versions().await, [0]);
}

pub(super) async fn a_rollback_is_recognised_when_the_reply_to_the_register_was_lost(lab: Lab) {
    with_a_good_version(&lab).await;
    let proxy = Proxy::first(&lab, 1, Request::is_register, Fate::LosesItsReply).await;
    let run = lab.run().through(&proxy.address);
    let ended = run.reach(&bad(&lab, None)).await;
    assert_rolled_back(&ended);
    assert_eq!(proxy.writes(), 1);
    assert_history(&lab).await;
}

pub(super) async fn of_two_runs_with_the_same_bad_version_neither_registers_it_again(lab: Lab) {
    with_a_good_version(&lab).await;
    let bad = bad(&lab, None);
    let (one, other) = tokio::join!(lab.reach(&bad), lab.reach(&bad));
    assert_rolled_back(&one);
    assert_rolled_back(&other);
    assert_history(&lab).await;
}
