//! Collectors that are away, slow, full or talk nonsense: the run does not care.

use std::time::Duration;

use super::collector;
use crate::cli::lab::{Lab, image};
use crate::support::collector::{Collector, Reply};
use crate::support::env::Ended;

/// How long a run may take longer for a collector's sake, with room for a slow machine.
const ROOM: Duration = Duration::from_secs(4);

fn warnings(ended: &Ended) -> usize {
    ended.stderr.matches("traces are not taken").count()
}

/// A run with a collector that answers so, and one without any.
fn with(reply: Reply) -> (Ended, Ended, Collector) {
    let mut lab = Lab::new();
    let plain = lab.deploy(&image()).run();
    plain.assert_code(0);
    let collector = collector(&mut lab);
    collector.always(reply);
    let ended = lab.deploy(&image()).run();
    ended.assert_code(0);
    (ended, plain, collector)
}

#[test]
fn one_that_is_away_is_told_of_once_and_costs_no_time() {
    let mut lab = Lab::new();
    let plain = lab.deploy(&image()).run();
    lab.env
        .set("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1");
    let ended = lab.deploy(&image()).run();
    ended.assert_code(0);
    assert_eq!(warnings(&ended), 1, "{ended}");
    assert!(ended.took < plain.took + ROOM, "{ended}");
}

#[test]
fn one_that_never_answers_is_waited_for_a_second() {
    let (ended, plain, _collector) = with(Reply::Hang);
    assert_eq!(warnings(&ended), 1, "{ended}");
    assert!(ended.took < plain.took + ROOM, "{ended}");
    assert!(ended.took >= Duration::from_millis(900), "{ended}");
}

#[test]
fn one_that_asks_for_a_pause_is_asked_again_only_while_there_is_time() {
    let (ended, plain, collector) = with(Reply::RetryAfter(429, "3600"));
    assert_eq!(warnings(&ended), 1, "{ended}");
    assert!(ended.took < plain.took + ROOM, "{ended}");
    assert!(!collector.requests().is_empty());
}

#[test]
fn one_that_was_busy_gets_the_same_again() {
    let mut lab = Lab::new();
    let collector = collector(&mut lab);
    collector.next(Reply::RetryAfter(503, "0"));
    lab.deploy(&image()).run().assert_code(0);
    assert_eq!(collector.named("cs reconcile").len(), 1);
}

#[test]
fn one_that_refuses_or_redirects_is_not_asked_again() {
    for reply in [
        Reply::Status(401),
        Reply::Status(500),
        Reply::Redirect("http://127.0.0.1:1/v1/traces".to_owned()),
    ] {
        let (ended, _, collector) = with(reply);
        assert_eq!(warnings(&ended), 1, "{ended}");
        assert_eq!(collector.requests().len(), 1);
    }
}

#[test]
fn nonsense_for_an_answer_changes_nothing() {
    let (ended, ..) = with(Reply::Bytes(vec![0xff; 100_000]));
    assert_eq!(warnings(&ended), 0, "{ended}");
}

#[test]
fn spans_that_are_rejected_are_counted_and_what_it_says_is_not_repeated() {
    // partial_success { rejected_spans: 2, error_message: "canary" }
    let answer = b"\x0a\x0a\x08\x02\x12\x06canary".to_vec();
    let (ended, ..) = with(Reply::Bytes(answer));
    assert_eq!(warnings(&ended), 1, "{ended}");
    ended.assert_says("rejects some").assert_hides("canary");
}

#[test]
fn a_protocol_that_is_not_spoken_turns_traces_off_and_says_so() {
    let mut lab = Lab::new();
    let collector = collector(&mut lab);
    lab.env.set("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc");
    let ended = lab.deploy(&image()).run();
    ended
        .assert_code(0)
        .assert_says("traces are off: OTEL_EXPORTER_OTLP_PROTOCOL");
    assert!(collector.requests().is_empty());
}

#[test]
fn what_is_packed_and_named_arrives_so() {
    let mut lab = Lab::new();
    let collector = collector(&mut lab);
    lab.env
        .set("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip")
        .set("OTEL_SERVICE_NAME", "deployer")
        .set(
            "OTEL_RESOURCE_ATTRIBUTES",
            "service.name=other,team=store%20front",
        );
    lab.deploy(&image()).run().assert_code(0);
    assert_eq!(collector.requests()[0]["content-encoding"], "gzip");
    let resource = collector.resource();
    assert_eq!(
        (resource["service.name"].as_str(), resource["team"].as_str()),
        ("deployer", "store front")
    );
    assert_eq!(resource["telemetry.sdk.language"], "rust");
    assert_eq!(collector.named("cs reconcile").len(), 1);
}

#[test]
fn a_run_that_is_told_to_stop_sends_what_it_has() {
    let mut lab = Lab::new();
    let collector = collector(&mut lab);
    lab.hold();
    let mut run = lab.deploy(&image()).start();
    run.until("the job is registered", |_| lab.registrations() == 1);
    run.signal("TERM");
    run.wait().assert_code(10);
    let root = collector.only("cs reconcile");
    assert_eq!((root.status, root.text("cs.outcome")), (2, "cancelled"));
    assert_eq!(
        collector.only("register").parent,
        collector.only("deploy").id
    );
}
