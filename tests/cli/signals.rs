//! Told to stop, and out of time: quick, announced, and Nomad goes on.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use cs::simulator::{Effect, Matcher};
use serde_json::json;

use super::lab::{FAILED, JOB, Lab, assert_valid_report, image, image_with, last_line, rule};
use crate::support::env::{Running, eventually};
use crate::support::nats::NatsServer;

/// Nomad kills a task 5 s after it asked it to end.
const KILL_TIMEOUT: Duration = Duration::from_secs(5);

const FAILED_IDS: [&str; 3] = [
    "cs.dep-1.started",
    "cs.dep-1.failed",
    "cs.dep-1.log-end.failed",
];

#[track_caller]
fn assert_stops(run: Running, signal: &str) -> crate::support::env::Ended {
    run.signal(signal);
    let asked = Instant::now();
    let ended = run.wait();
    assert!(
        asked.elapsed() < KILL_TIMEOUT,
        "{:?}\n{ended}",
        asked.elapsed()
    );
    ended.assert_code(10).assert_says("cancelled by a signal");
    ended
}

fn rollout(lab: &Lab) -> String {
    let deployments = lab.get(&format!("/v1/job/{JOB}/deployments")).unwrap();
    deployments[0]["Status"]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

#[test]
fn a_signal_in_the_middle_is_announced_and_the_rollout_goes_on() {
    for signal in ["TERM", "INT"] {
        let mut lab = Lab::new();
        let server = lab.nats();
        lab.hold();
        let mut run = lab.deploy(&image()).start();
        run.until("it watches the rollout", |run| {
            run.stdout().contains("=== Phase: Health ===")
        });
        assert_stops(run, signal);
        assert_eq!(lab.stored_ids(&server), FAILED_IDS, "{signal}");
        lab.release();
        eventually("the rollout succeeds", || rollout(&lab) == "successful");
        assert_eq!(lab.registrations(), 1);
        // What was cancelled can be watched further by the same command.
        lab.deploy(&image()).run().assert_code(0);
        assert_eq!(lab.registrations(), 1);
    }
}

#[test]
fn a_signal_right_after_the_first_line_is_announced_too() {
    for _ in 0..5 {
        let lab = Lab::new();
        lab.hold();
        let mut run = lab.deploy(&image()).start();
        run.until("it says something", |run| !run.stdout().is_empty());
        let ended = assert_stops(run, "TERM");
        assert!(
            ended
                .subjects()
                .contains(&"cs.deployment.failed".to_owned()),
            "{ended}"
        );
    }
}

#[test]
fn a_signal_ends_a_wait_for_nomad_that_never_answers() {
    let lab = Lab::with_faults(rule(Matcher::new("", "/v1/*"), Effect::Hang));
    let mut run = lab.deploy(&image()).args(["-o", "ndjson"]).start();
    run.until("Nomad is asked", |_| !lab.nomad.requests().is_empty());
    let ended = assert_stops(run, "TERM");
    assert_eq!(ended.subjects(), FAILED);
    let report = last_line(&ended);
    assert_valid_report(&report);
    assert_eq!(report["outcome"], "cancelled");
}

#[test]
fn a_signal_ends_a_wait_for_nats_and_the_events_stay_in_the_outbox() {
    let mut lab = Lab::new();
    let mut server = NatsServer::stopped();
    lab.use_nats(&server);
    lab.hold();
    let mut run = lab.deploy(&image()).start();
    run.until("it watches the rollout", |run| {
        run.stdout().contains("=== Phase: Health ===")
    });
    assert_stops(run, "TERM").assert_says("cs.deployment.failed");
    lab.runtime.block_on(async {
        server.up().await;
        server.create_stream(super::lab::PREFIX).await;
    });
    lab.release();
    lab.deploy(&super::lab::next_image("1.1"))
        .run()
        .assert_code(0);
    assert_eq!(lab.stored_ids(&server)[..3], FAILED_IDS);
}

#[test]
fn a_signal_ends_a_wait_for_a_registry_that_never_answers() {
    let lab = Lab::new();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut params =
        image_with(json!({"imageName": format!("{}/acme/shop", silent.local_addr().unwrap())}));
    params.as_object_mut().unwrap().remove("networks");
    let mut run = lab.deploy(&params).start();
    run.until("it reads the image", |run| {
        run.stdout().contains("=== Phase: Image ===")
    });
    let ended = assert_stops(run, "TERM");
    assert_eq!(ended.subjects(), FAILED);
    assert_eq!(lab.nomad.writes(), []);
}

#[test]
fn a_signal_during_a_destroy_announces_nothing_that_did_not_happen() {
    let mut lab = Lab::new();
    lab.deploy(&image()).run().assert_code(0);
    let server = lab.nats();
    lab.hold();
    let params = json!({"jobs": [{"jobId": JOB, "serviceId": "svc-1"}, {"jobId": "other", "serviceId": "svc-2"}], "reason": "delete"});
    let mut run = lab.task("destroy-job-pack", &params).start();
    run.until("the job is stopped", |_| {
        lab.nomad
            .writes()
            .iter()
            .any(|write| write.method == "DELETE")
    });
    assert_stops(run, "TERM");
    assert_eq!(lab.stored_ids(&server), [""; 0]);
    lab.release();
    lab.task("destroy-job-pack", &params).run().assert_code(0);
    assert_eq!(lab.stored_ids(&server).len(), 2);
    assert_eq!(lab.job(JOB), None);
}

#[test]
fn the_deadline_ends_a_rollout_that_takes_longer_and_nomad_goes_on() {
    let mut lab = Lab::new();
    let server = lab.nats();
    lab.hold();
    for (flags, variable) in [(&["--deadline", "1500ms"][..], "15m"), (&[], "1500ms")] {
        let ended = lab
            .deploy(&image())
            .var("CS_DEADLINE", variable)
            .args(["-o", "json"])
            .args(flags)
            .run();
        ended
            .assert_code(4)
            .assert_says("out of time")
            .assert_says("--deadline");
        let report = ended.document();
        assert_valid_report(&report);
        assert_eq!(report["outcome"], "deadline");
        assert!(ended.took < Duration::from_secs(10), "{ended}");
    }
    assert_eq!(lab.stored_ids(&server), FAILED_IDS);
    lab.release();
    eventually("the rollout succeeds", || rollout(&lab) == "successful");
}

#[test]
fn a_deadline_of_nothing_is_a_wrong_flag() {
    let lab = Lab::new();
    for deadline in ["0s", "soon", "-1s"] {
        let ended = lab
            .deploy(&image())
            .arg(format!("--deadline={deadline}"))
            .run();
        ended.assert_code(2).assert_says("--deadline");
    }
}
