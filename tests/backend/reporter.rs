//! Steps that are sent beside the work.

use std::time::Duration;

use cs::clients::backend::{BackendReporter, DeploymentType, Step, StepStatus};

use super::{STEP, client};
use crate::support::backend::{RecordingBackend, Reply};
use crate::support::logs::Logs;

const PATIENCE: Duration = Duration::from_secs(60);

fn report(reporter: &BackendReporter, step: Step, status: StepStatus) {
    reporter.step("gd_1", DeploymentType::App, step, status);
}

#[tokio::test(start_paused = true)]
async fn steps_arrive_in_order_although_one_is_tried_again() {
    let server = RecordingBackend::start_here().await;
    server.script(STEP, 2, Reply::Status(503));
    let reporter = BackendReporter::start(client(&server));
    report(&reporter, Step::Deploy, StepStatus::InProgress);
    report(&reporter, Step::Deploy, StepStatus::Completed);
    report(&reporter, Step::HealthCheck, StepStatus::InProgress);
    report(&reporter, Step::HealthCheck, StepStatus::Completed);
    assert_eq!(reporter.finish(PATIENCE).await, 0);
    assert_eq!(
        server.steps()[2..],
        [
            "deploy in_progress",
            "deploy completed",
            "healthCheck in_progress",
            "healthCheck completed",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn giving_a_step_never_waits_for_the_backend() {
    let server = RecordingBackend::start_here().await;
    server.script("", usize::MAX, Reply::Hang);
    let reporter = BackendReporter::start(client(&server));
    let start = tokio::time::Instant::now();
    for _ in 0..20 {
        report(&reporter, Step::Deploy, StepStatus::InProgress);
    }
    assert_eq!(start.elapsed(), Duration::ZERO);
    assert_eq!(reporter.finish(Duration::from_secs(2)).await, 20);
    assert_eq!(
        start.elapsed().as_secs(),
        2,
        "patience is the most that the end costs"
    );
}

#[tokio::test(start_paused = true)]
async fn what_a_dead_backend_misses_is_counted_and_told() {
    let logs = Logs::capture();
    let server = RecordingBackend::start_here().await;
    server.script(STEP, 1, Reply::Status(200));
    server.script("", usize::MAX, Reply::Status(503));
    let reporter = BackendReporter::start(client(&server));
    for _ in 0..10 {
        report(&reporter, Step::Deploy, StepStatus::InProgress);
    }
    assert_eq!(reporter.finish(PATIENCE).await, 9);
    assert_eq!(
        server.requests().len(),
        5,
        "one delivered, one with three retries"
    );
    assert_eq!(
        logs.warnings("9 of 10 steps were not delivered"),
        1,
        "{}",
        logs.text()
    );
    assert_eq!(
        logs.warnings("8 backend calls were skipped"),
        1,
        "{}",
        logs.text()
    );
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_is_told_of_and_counted() {
    let logs = Logs::capture();
    let server = RecordingBackend::start_here().await;
    server.script("", usize::MAX, Reply::Hang);
    let reporter = BackendReporter::start(client(&server));
    for _ in 0..300 {
        report(&reporter, Step::Deploy, StepStatus::InProgress);
    }
    assert_eq!(
        logs.warnings("step is not reported"),
        300 - 256,
        "{}",
        logs.text()
    );
    assert_eq!(reporter.finish(Duration::ZERO).await, 300);
}
