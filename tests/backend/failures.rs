//! Retries, their waits, and the breaker.

use std::time::Duration;

use cs::clients::backend::{Backend, CallOutcome, DeploymentType, Step, StepStatus};

use super::{ASK, STEP, client, client_of, update};
use crate::support::backend::{RecordingBackend, Reply};
use crate::support::logs::Logs;
use crate::support::ports::CLOSED_PORT;

async fn deploy_step(client: &Backend) -> CallOutcome {
    client
        .step(
            "gd_1",
            DeploymentType::App,
            Step::Deploy,
            StepStatus::Completed,
        )
        .await
}

/// Whole seconds between the requests on a path.
fn waits(server: &RecordingBackend, path: &str) -> Vec<u64> {
    let requests = server.requests_to(path);
    requests
        .windows(2)
        .map(|pair| (pair[1].at - pair[0].at).as_secs())
        .collect()
}

#[tokio::test(start_paused = true)]
async fn trouble_is_tried_again_after_one_two_and_four_seconds() {
    let server = RecordingBackend::start_here().await;
    server.script(ASK, 1, Reply::Status(500));
    server.script(ASK, 1, Reply::Status(502));
    server.script(ASK, 1, Reply::Status(429));
    assert_eq!(
        client(&server).ask_domain("img_1").await.as_deref(),
        Some("allocated")
    );
    assert_eq!(waits(&server, ASK), [1, 2, 4]);
}

#[tokio::test(start_paused = true)]
async fn the_backends_own_wait_is_kept_up_to_five_seconds() {
    let server = RecordingBackend::start_here().await;
    server.script(ASK, 1, Reply::RetryAfter(429, "3"));
    server.script(ASK, 1, Reply::RetryAfter(503, "900"));
    server.script(ASK, 1, Reply::RetryAfter(500, "0"));
    assert!(client(&server).ask_domain("img_1").await.is_some());
    assert_eq!(waits(&server, ASK), [3, 5, 4], "500 does not name a wait");
}

#[tokio::test(start_paused = true)]
async fn refusals_are_final_and_leave_the_breaker_closed() {
    for status in [400, 401, 403, 422, 501] {
        let logs = Logs::capture();
        let server = RecordingBackend::start_here().await;
        server.script("", 2, Reply::Status(status));
        let client = client(&server);
        assert_eq!(deploy_step(&client).await, CallOutcome::Failed);
        assert_eq!(client.ask_domain("img_1").await, None);
        assert_eq!(server.requests().len(), 2, "{status}");
        assert_eq!(deploy_step(&client).await, CallOutcome::Done);
        assert_eq!(
            logs.warnings(&format!("answered {status} ")),
            2,
            "{}",
            logs.text()
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_dead_backend_costs_one_call_and_is_told_of_once() {
    let logs = Logs::capture();
    let start = tokio::time::Instant::now();
    let address = format!("http://127.0.0.1:{}", CLOSED_PORT);
    let client = client_of(&address, "t");
    assert_eq!(client.ask_domain("img_1").await, None);
    for _ in 0..12 {
        assert_eq!(deploy_step(&client).await, CallOutcome::Skipped);
    }
    assert_eq!(client.service_update(&update()).await, CallOutcome::Skipped);
    assert_eq!(start.elapsed().as_secs(), 7);
    assert_eq!(
        logs.warnings("further calls are skipped"),
        1,
        "{}",
        logs.text()
    );
    drop(client);
    assert_eq!(
        logs.warnings("13 backend calls were skipped"),
        1,
        "{}",
        logs.text()
    );
    assert_eq!(logs.warnings(""), 3, "one for the call: {}", logs.text());
}

#[tokio::test(start_paused = true)]
async fn after_thirty_seconds_one_probe_decides() {
    let logs = Logs::capture();
    let server = RecordingBackend::start_here().await;
    server.script("", 5, Reply::Status(503));
    let client = client(&server);
    assert_eq!(deploy_step(&client).await, CallOutcome::Failed);
    assert_eq!(server.requests().len(), 4);
    tokio::time::sleep(Duration::from_secs(29)).await;
    assert_eq!(deploy_step(&client).await, CallOutcome::Skipped);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(
        deploy_step(&client).await,
        CallOutcome::Failed,
        "the probe has one attempt"
    );
    assert_eq!(deploy_step(&client).await, CallOutcome::Skipped);
    assert_eq!(server.requests().len(), 5);
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert_eq!(deploy_step(&client).await, CallOutcome::Done);
    assert_eq!(deploy_step(&client).await, CallOutcome::Done);
    assert_eq!(
        logs.warnings("2 backend calls were skipped"),
        1,
        "{}",
        logs.text()
    );
}

#[tokio::test(start_paused = true)]
async fn a_hanging_attempt_ends_after_thirty_seconds() {
    let server = RecordingBackend::start_here().await;
    server.script(STEP, 1, Reply::Hang);
    let start = tokio::time::Instant::now();
    assert_eq!(deploy_step(&client(&server)).await, CallOutcome::Done);
    assert_eq!(start.elapsed().as_secs(), 31);
}

#[tokio::test(start_paused = true)]
async fn calls_that_wait_for_a_retry_stop_when_another_finds_the_backend_dead() {
    let server = RecordingBackend::start_here().await;
    server.script("", usize::MAX, Reply::Status(503));
    let client = client(&server);
    let late = async {
        tokio::time::sleep(Duration::from_secs(5)).await;
        deploy_step(&client).await
    };
    let start = tokio::time::Instant::now();
    let (_, outcome) = tokio::join!(client.ask_domain("img_1"), late);
    assert_eq!(outcome, CallOutcome::Failed);
    assert_eq!(start.elapsed().as_secs(), 8, "and not 5 + 7");
}

#[tokio::test]
async fn an_endless_or_unusable_answer_is_no_domain() {
    let server = RecordingBackend::start_here().await;
    let long = format!(r#"{{"domain":"x","more":"{}"}}"#, "y".repeat(100_000));
    for body in [
        long.as_str(),
        "",
        "null",
        r#"{"domain":"a b"}"#,
        r#"{"domain":""}"#,
    ] {
        server.script(ASK, 1, Reply::Body(200, body.to_owned()));
        assert_eq!(client(&server).ask_domain("img_1").await, None);
    }
}
