//! Stopped, ended, purged: in this order, with everything that belongs to a job.

use cs::clients::nomad::calls::jobs::Dispatch;
use cs::controller::Note;
use cs::reconcile::Outcome;
use serde_json::{Value, json};

use super::lab::{Ended, Lab};
use super::proxy::{Fate, Proxy, Request};
use super::specs::{failing, parameterized, periodic, service, with_config, with_task};

async fn assert_destroyed(lab: &Lab) -> Ended {
    let ended = lab.reach(&lab.gone()).await;
    assert_eq!(ended.outcome, Outcome::Destroyed, "{:#?}", ended.notes);
    assert_eq!(lab.family().await, Vec::<String>::new());
    assert_eq!(lab.find().await, None);
    ended
}

fn stops(ended: &Ended) -> usize {
    ended.count(|note| matches!(note, Note::Stopped { .. }))
}

fn waited_for_ends(ended: &Ended) -> usize {
    ended.count(|note| matches!(note, Note::Waiting { progress, .. } if progress.waiting_for.contains("allocation(s) end")))
}

pub(super) async fn a_running_service_is_stopped_and_purged(lab: Lab) {
    lab.converge(&lab.goal(service(&lab))).await;
    let ended = assert_destroyed(&lab).await;
    assert_eq!(stops(&ended), 1);
    assert_eq!(ended.count(|note| matches!(note, Note::Purged { .. })), 1);
    assert_eq!(
        stops(&assert_destroyed(&lab).await),
        0,
        "a repeat does nothing"
    );
}

/// Takes a while to end after it is told to.
fn stubborn(job: Value) -> Value {
    let job = with_config(job, json!({"run_for": "900s", "kill_after": "1s"}));
    with_task(job, "KillTimeout", json!(10_000_000_000_u64))
}

pub(super) async fn a_slow_task_ends_before_its_job_is_purged(lab: Lab) {
    lab.converge(&lab.goal(stubborn(service(&lab)))).await;
    let ended = assert_destroyed(&lab).await;
    assert!(waited_for_ends(&ended) > 0, "{:#?}", ended.notes);
}

pub(super) async fn an_absent_job_is_destroyed(lab: Lab) {
    let ended = assert_destroyed(&lab).await;
    assert_eq!(ended.notes, []);
}

pub(super) async fn a_job_that_somebody_stopped_is_purged(lab: Lab) {
    lab.converge(&lab.goal(service(&lab))).await;
    let stopped = lab.nomad.deregister(&lab.id, false).await;
    stopped.expect("Nomad answers");
    let ended = assert_destroyed(&lab).await;
    assert_eq!(stops(&ended), 0);
}

/// Waits until so many children of the job run.
async fn until_children_run(lab: &Lab, wanted: usize) {
    lab.until("children run", async |lab| {
        let mut running = 0;
        for child in lab.family().await.iter().filter(|id| id.contains('/')) {
            let child = child.parse().expect("Nomad made this id");
            let read = lab.nomad.allocations(&child, true).await;
            let allocations = read.expect("Nomad answers").value;
            running += usize::from(allocations.iter().any(|it| it.client_status == "running"));
        }
        running == wanted
    })
    .await;
}

pub(super) async fn a_periodic_parent_goes_with_its_running_child(lab: Lab) {
    lab.converge(&lab.goal(stubborn(periodic(&lab)))).await;
    let forced = lab.nomad.periodic_force(&lab.id).await;
    forced.expect("Nomad answers");
    until_children_run(&lab, 1).await;

    let ended = assert_destroyed(&lab).await;
    assert_eq!(stops(&ended), 2, "{:#?}", ended.notes);
    assert!(waited_for_ends(&ended) > 0, "{:#?}", ended.notes);
}

pub(super) async fn a_parameterized_parent_goes_with_its_children(lab: Lab) {
    lab.converge(&lab.goal(parameterized(&lab))).await;
    for _ in 0..3 {
        let dispatched = lab.nomad.dispatch(&lab.id, &Dispatch::default()).await;
        dispatched.expect("Nomad answers");
    }
    until_children_run(&lab, 3).await;
    let ended = assert_destroyed(&lab).await;
    assert_eq!(stops(&ended), 4, "{:#?}", ended.notes);
}

pub(super) async fn a_lost_reply_to_a_stop_makes_no_second_stop(lab: Lab) {
    lab.converge(&lab.goal(stubborn(service(&lab)))).await;
    let proxy = Proxy::first(&lab, 2, Request::is_write, Fate::LosesItsReply).await;
    let ended = lab.run().through(&proxy.address).reach(&lab.gone()).await;
    assert_eq!(ended.outcome, Outcome::Destroyed, "{:#?}", ended.notes);
    assert_eq!(proxy.writes(), 2, "one stop, one purge");
    assert_eq!(lab.find().await, None);
}

pub(super) async fn the_logs_of_what_failed_are_shown_before_the_purge(lab: Lab) {
    let config = json!({
        "run_for": "300ms", "exit_code": 3, "stdout_string": "the last words\n",
    });
    let ended = lab
        .reach(&lab.goal(with_config(failing(&lab), config)))
        .await;
    assert!(matches!(ended.outcome, Outcome::Unhealthy(_)), "{ended:#?}");
    let ended = assert_destroyed(&lab).await;
    let place = |is_it: fn(&Note) -> bool| ended.notes.iter().position(is_it);
    let tail = place(
        |note| matches!(note, Note::LogTail { lines, .. } if lines.contains(&"the last words".to_owned())),
    );
    let purge = place(|note| matches!(note, Note::Purged { .. }));
    assert!(tail.is_some() && tail < purge, "{:#?}", ended.notes);
}
