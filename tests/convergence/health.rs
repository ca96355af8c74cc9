//! What the loop calls healthy, and how it names what is not.

use std::time::Duration;

use cs::controller::converge::log_tail;
use cs::controller::{Note, Notes};
use cs::ids::ModifyIndex;
use cs::reconcile::{Cause, CauseKind, Outcome};
use serde_json::json;

use super::lab::{Ended, Lab};
use super::specs::{
    MS, bare, batch, failing, parameterized, periodic, service, with, with_config, with_group,
};

fn unhealthy(ended: &Ended) -> &Cause {
    match &ended.outcome {
        Outcome::Unhealthy(cause) => cause,
        other => panic!("{other:?}: {:#?}", ended.notes),
    }
}

pub(super) async fn a_process_that_exits_is_unhealthy_with_its_code_and_last_lines(lab: Lab) {
    let config = json!({
        "run_for": "300ms", "exit_code": 3, "exit_err_msg": "boom",
        "stdout_string": "first line\nlast line\n",
    });
    let goal = lab.goal(with_config(service(&lab), config));
    let ended = lab.reach(&goal).await;
    let cause = unhealthy(&ended);
    assert_eq!(cause.kind, CauseKind::Exit);
    assert_eq!(cause.text, "exit code 3: boom");
    let at = cause.at.as_ref().expect("a task is to blame");
    assert_eq!(at.task, "t");
    assert!(!at.node.is_empty());

    let (notes, _listener) = Notes::channel();
    let lines = log_tail(&lab.nomad, cause, &notes).await;
    assert_eq!(lines.last().map(String::as_str), Some("last line"));

    let again = lab.reach(&goal).await;
    assert_eq!(unhealthy(&again), cause, "Nomad does not try it again");
    assert_eq!(again.registers(), 0);
}

pub(super) async fn a_task_that_cannot_start_is_the_drivers_fault(lab: Lab) {
    let config = json!({"start_error": "no such binary", "start_error_recoverable": false});
    let ended = lab
        .reach(&lab.goal(with_config(service(&lab), config)))
        .await;
    let cause = unhealthy(&ended);
    assert_eq!(cause.kind, CauseKind::Driver);
    assert!(cause.text.contains("no such binary"), "{cause}");
}

fn nowhere() -> serde_json::Value {
    json!([{"LTarget": "${attr.kernel.name}", "RTarget": "plan9", "Operand": "="}])
}

pub(super) async fn a_job_that_fits_nowhere_is_unplaceable_after_the_grace(lab: Lab) {
    for job in [service(&lab), batch(&lab), bare(&lab, "system")] {
        let goal = lab.goal(with(job, "Constraints", nowhere()));
        let grace = Duration::from_millis(700);
        let ended = lab.run().with_grace(grace).reach(&goal).await;
        let Outcome::Unplaceable(cause) = &ended.outcome else {
            panic!("{:?}: {:#?}", ended.outcome, ended.notes);
        };
        assert_eq!(cause.kind, CauseKind::Placement);
        assert!(
            cause.text.contains("${attr.kernel.name} = plan9"),
            "{cause}"
        );
        assert!(ended.took >= grace, "{:?}", ended.took);
        assert!(!lab.job().await.head.stop, "the job stays registered");
        let purged = lab.nomad.deregister(&lab.id, true).await;
        purged.expect("Nomad answers");
    }
}

pub(super) async fn a_job_gets_room_within_the_grace(lab: Lab) {
    let nowhere = with(service(&lab), "Constraints", nowhere());
    let run = lab.run();
    let standing = run.standing.clone();
    let goal = lab.goal(nowhere);
    let (ended, ()) = tokio::join!(run.reach(&goal), async {
        standing.notified().await;
        lab.until("Nomad has looked for a node", async |lab| {
            let read = lab.nomad.evaluations(&lab.id).await.expect("Nomad answers");
            read.value.iter().any(|it| it.status == "blocked")
        })
        .await;
        // Somebody lifts the constraint: another specification, so this run ends, and the next finds it placed.
        lab.somebody_registers(&service(&lab)).await;
    });
    assert!(
        matches!(ended.outcome, Outcome::Superseded(_)),
        "{:?}",
        ended.outcome
    );
    lab.converge(&lab.goal(service(&lab))).await;
}

pub(super) async fn a_batch_job_that_completes_converges(lab: Lab) {
    let goal = lab.goal(with_group(batch(&lab), "Count", json!(2)));
    lab.converge(&goal).await;
    assert_eq!(lab.allocations().await.len(), 2);
    let again = lab.converge(&goal).await;
    assert_eq!(again.registers(), 0);
    assert_eq!(lab.allocations().await.len(), 2, "it does not run again");
}

pub(super) async fn a_batch_job_that_fails_is_unhealthy_with_its_code(lab: Lab) {
    let config = json!({"run_for": "20ms", "exit_code": 7});
    let goal = lab.goal(with_config(batch(&lab), config));
    let ended = lab.reach(&goal).await;
    assert_eq!(unhealthy(&ended).kind, CauseKind::Exit);
    assert!(unhealthy(&ended).text.starts_with("exit code 7"));
}

pub(super) async fn a_batch_job_may_need_several_tries(lab: Lab) {
    let job = with_config(batch(&lab), json!({"run_for": "20ms", "exit_code": 7}));
    let restarts =
        json!({"Attempts": 1, "Interval": 60_000 * MS, "Delay": 100 * MS, "Mode": "fail"});
    // The least delay that Nomad allows is 5 s.
    let reschedules = json!({
        "Attempts": 1, "Interval": 3_600_000 * MS, "Delay": 5_000 * MS, "DelayFunction": "constant", "Unlimited": false,
    });
    let job = with_group(
        with_group(job, "RestartPolicy", restarts),
        "ReschedulePolicy",
        reschedules,
    );
    let ended = lab.reach(&lab.goal(job)).await;
    assert_eq!(unhealthy(&ended).kind, CauseKind::Exit);
    let allocations = lab.allocations().await;
    let evaluations = lab.nomad.evaluations(&lab.id).await;
    assert_eq!(
        allocations.len(),
        2,
        "the verdict waits for the second try: {:#?} {allocations:#?} {evaluations:#?}",
        ended.notes
    );
    let restarts: u64 = allocations
        .iter()
        .map(|it| it.task_states["t"].restarts)
        .sum();
    assert_eq!(restarts, 2);
}

pub(super) async fn a_system_job_converges_where_it_runs(lab: Lab) {
    let goal = lab.goal(bare(&lab, "system"));
    lab.converge(&goal).await;
    let allocations = lab.allocations().await;
    assert!(!allocations.is_empty());
    assert!(allocations.iter().all(|it| it.client_status == "running"));
    assert_eq!(lab.converge(&goal).await.registers(), 0);
}

pub(super) async fn a_sysbatch_job_converges_when_it_completed_everywhere(lab: Lab) {
    let job = with_config(bare(&lab, "sysbatch"), json!({"run_for": "200ms"}));
    let goal = lab.goal(job);
    lab.converge(&goal).await;
    let allocations = lab.allocations().await;
    assert!(!allocations.is_empty());
    assert!(allocations.iter().all(|it| it.client_status == "complete"));
    assert_eq!(lab.converge(&goal).await.registers(), 0);
}

pub(super) async fn a_periodic_parent_converges_at_once(lab: Lab) {
    at_once(&lab, periodic(&lab)).await;
}

pub(super) async fn a_parameterized_parent_converges_at_once(lab: Lab) {
    at_once(&lab, parameterized(&lab)).await;
}

async fn at_once(lab: &Lab, job: serde_json::Value) {
    let goal = lab.goal(job);
    let ended = lab.converge(&goal).await;
    let waits = |note: &Note| matches!(note, Note::Waiting { .. });
    assert_eq!(ended.count(waits), 0, "{:#?}", ended.notes);
    let index = lab.job().await.head.job_modify_index;
    assert!(index > ModifyIndex::MUST_BE_NEW);
    lab.converge(&goal).await;
    assert_eq!(lab.job().await.head.job_modify_index, index);
}

pub(super) async fn a_service_of_none_converges(lab: Lab) {
    let goal = lab.goal(with_group(failing(&lab), "Count", json!(0)));
    lab.converge(&goal).await;
    assert_eq!(lab.converge(&goal).await.registers(), 0);
    assert!(lab.allocations().await.is_empty());
}
