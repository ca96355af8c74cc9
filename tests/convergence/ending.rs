//! Out of time, or told to stop.

use std::time::Duration;

use cs::reconcile::{CauseKind, Outcome};
use serde_json::json;
use tokio::net::TcpListener;

use super::lab::Lab;
use super::specs::{MS, service, with_config, with_group, with_update};
use crate::support::ports::CLOSED_PORT;

/// Runs, and counts as healthy only after the end of every test.
fn slow(lab: &Lab) -> serde_json::Value {
    let job = with_update(service(lab), "MinHealthyTime", json!(600_000 * MS));
    let job = with_update(job, "HealthyDeadline", json!(700_000 * MS));
    with_update(job, "ProgressDeadline", json!(800_000 * MS))
}

pub(super) async fn a_deadline_names_what_was_waited_for(lab: Lab) {
    let run = lab.run().within(Duration::from_secs(3));
    let ended = run.reach(&lab.goal(slow(&lab))).await;
    let Outcome::Deadline { waiting_for, cause } = &ended.outcome else {
        panic!("{ended:#?}");
    };
    assert_eq!(waiting_for, "waiting until allocations become healthy");
    assert_eq!(*cause, None);
    assert!(ended.took < Duration::from_secs(10), "{:?}", ended.took);
    assert!(!lab.job().await.head.stop);
}

pub(super) async fn a_deadline_names_the_trouble_so_far(lab: Lab) {
    // Fails and is started again, for longer than the loop has time.
    let job = with_config(slow(&lab), json!({"run_for": "20ms", "exit_code": 3}));
    let restarts =
        json!({"Attempts": 99, "Interval": 600_000 * MS, "Delay": 300 * MS, "Mode": "delay"});
    let goal = lab.goal(with_group(job, "RestartPolicy", restarts));
    let ended = lab.run().within(Duration::from_secs(4)).reach(&goal).await;
    let Outcome::Deadline {
        cause: Some(cause), ..
    } = &ended.outcome
    else {
        panic!("{ended:#?}");
    };
    assert_eq!(cause.kind, CauseKind::Exit);
    assert!(ended.outcome.message().contains("so far: exit code 3"));
}

pub(super) async fn a_cancelled_run_leaves_the_job_alone(lab: Lab) {
    let run = lab.run();
    let (standing, cancel) = (run.standing.clone(), run.cancel.clone());
    let goal = lab.goal(service(&lab));
    let (ended, ()) = tokio::join!(run.reach(&goal), async {
        standing.notified().await;
        cancel.cancel();
    });
    assert_eq!(ended.outcome, Outcome::Cancelled { doing: None });
    lab.until("the rollout succeeds all the same", async |lab| {
        lab.job().await.head.stable
    })
    .await;
    assert_eq!(lab.converge(&goal).await.registers(), 0);
}

pub(super) async fn a_run_that_is_cancelled_before_it_begins_writes_nothing(lab: Lab) {
    let run = lab.run();
    run.cancel.cancel();
    let ended = run.reach(&lab.goal(service(&lab))).await;
    assert_eq!(ended.outcome, Outcome::Cancelled { doing: None });
    assert_eq!(lab.find().await, None);
}

pub(super) async fn a_nomad_that_is_away_until_the_deadline_is_named(lab: Lab) {
    let away = format!("http://127.0.0.1:{}", CLOSED_PORT);
    for goal in [lab.goal(service(&lab)), lab.gone()] {
        let run = lab.run().through(&away).within(Duration::from_secs(2));
        let ended = run.reach(&goal).await;
        assert!(
            matches!(ended.outcome, Outcome::Deadline { .. }),
            "{ended:#?}"
        );
        assert!(
            ended.outcome.message().contains(&away),
            "{}",
            ended.outcome.message()
        );
        assert!((2..20).contains(&ended.retries()), "{:#?}", ended.notes);
    }
}

pub(super) async fn a_nomad_that_never_answers_is_named(lab: Lab) {
    let silent = TcpListener::bind("127.0.0.1:0")
        .await
        .expect("the loopback has free ports");
    let address = format!("http://{}", silent.local_addr().expect("it is bound"));
    let run = lab.run().through(&address).within(Duration::from_secs(1));
    let ended = run.reach(&lab.goal(service(&lab))).await;
    assert!(
        matches!(ended.outcome, Outcome::Deadline { .. }),
        "{ended:#?}"
    );
    let message = ended.outcome.message();
    assert!(message.contains(&address), "{message}");
    assert!(ended.took < Duration::from_secs(5), "{:?}", ended.took);
}
