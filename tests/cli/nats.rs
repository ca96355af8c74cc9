//! NATS away, restarted, without a stream or with a wrong key: nothing is lost and nothing is sent twice.

use std::time::Duration;

use cs::simulator::Script;

use super::lab::{JOB, Lab, PREFIX, image, next_image};
use crate::support::env::Ended;
use crate::support::nats::NatsServer;

const IDS: [&str; 3] = [
    "cs.dep-1.started",
    "cs.dep-1.succeeded",
    "cs.dep-1.log-end.success",
];

/// A server that does not run yet and that the binary uses from now on.
fn away(lab: &mut Lab) -> NatsServer {
    let server = NatsServer::stopped();
    lab.use_nats(&server);
    server
}

fn up(lab: &Lab, server: &mut NatsServer) {
    lab.runtime.block_on(async {
        server.up().await;
        server.create_stream(PREFIX).await;
    });
}

/// The run did its work, and says what nobody acknowledged.
#[track_caller]
fn assert_pending(lab: &Lab, ended: &Ended) {
    ended
        .assert_code(1)
        .assert_says("not acknowledged")
        .assert_says("cs.deployment.succeeded")
        .assert_says("cs.build.log.end.dep-1")
        .assert_says("CS_STATE_DIR");
    assert!(ended.stdout.contains("ERROR [publish_event]: "), "{ended}");
    assert_eq!(
        ended.stderr.matches("not acknowledged").count(),
        1,
        "said twice\n{ended}"
    );
    assert_eq!(ended.events(), [], "events look delivered\n{ended}");
    assert!(lab.job(JOB).is_some());
}

/// The same dispatch again sends everything once and writes nothing.
#[track_caller]
fn assert_sent_by_the_next_run(lab: &Lab, server: &NatsServer) {
    lab.deploy(&image()).run().assert_code(0);
    assert_eq!(lab.stored_ids(server), IDS);
    assert_eq!(lab.registrations(), 1);
    lab.deploy(&image()).run().assert_code(0);
    assert_eq!(lab.stored_ids(server), IDS);
}

#[test]
fn a_server_that_comes_late_gets_everything_in_order() {
    let mut lab = Lab::new();
    let mut server = away(&mut lab);
    lab.hold();
    let mut run = lab.deploy(&image()).start();
    run.until("the job is registered", |_| lab.registrations() == 1);
    up(&lab, &mut server);
    lab.release();
    run.wait().assert_code(0);
    assert_eq!(lab.stored_ids(&server), IDS);
}

#[test]
fn a_server_that_is_killed_and_restarted_in_the_middle_loses_nothing() {
    let mut lab = Lab::new();
    let mut server = lab.nats();
    lab.hold();
    let mut run = lab.deploy(&image()).start();
    run.until("the start is in the stream", |_| {
        lab.stored_ids(&server) == IDS[..1]
    });
    server.down();
    lab.release();
    run.until("the rollout is over", |run| {
        run.stderr().contains("converged and healthy")
    });
    lab.runtime.block_on(server.up());
    run.wait().assert_code(0);
    assert_eq!(lab.stored_ids(&server), IDS);
}

#[test]
fn a_server_that_is_away_at_the_end_makes_the_exit_code_1_and_a_later_run_sends_the_rest() {
    let mut lab = Lab::new();
    let mut server = lab.nats();
    lab.hold();
    let mut run = lab.deploy(&image()).start();
    run.until("the start is in the stream", |_| {
        lab.stored_ids(&server) == IDS[..1]
    });
    server.down();
    lab.release();
    let ended = run.wait();
    assert_pending(&lab, &ended);
    assert!(ended.took < Duration::from_secs(30), "{ended}");
    lab.runtime.block_on(server.up());
    // Another deployment sends what is left over, first.
    lab.deploy(&next_image("1.1")).run().assert_code(0);
    let ids = lab.stored_ids(&server);
    assert_eq!(ids[..3], IDS);
    assert_eq!(ids.len(), 6, "{ids:?}");
}

#[test]
fn a_server_that_never_comes_leaves_everything_for_the_next_run() {
    let mut lab = Lab::new();
    let mut server = away(&mut lab);
    let ended = lab.deploy(&image()).run();
    assert_pending(&lab, &ended);
    ended.assert_says(&server.address());
    up(&lab, &mut server);
    assert_sent_by_the_next_run(&lab, &server);
}

#[test]
fn no_stream_for_the_subject_is_named_and_mended_by_the_next_run() {
    let mut lab = Lab::new();
    let server = lab.runtime.block_on(NatsServer::start());
    lab.use_nats(&server);
    let ended = lab.deploy(&image()).run();
    assert_pending(&lab, &ended);
    ended.assert_says("stream");
    lab.runtime.block_on(server.create_stream(PREFIX));
    assert_sent_by_the_next_run(&lab, &server);
}

#[test]
fn a_bad_seed_is_named_without_showing_it() {
    let mut lab = Lab::new();
    let server = lab.nats();
    let ended = lab
        .deploy(&image())
        .var("NATS_CLIENT_PRIVATE_KEY", "canary-seed")
        .run();
    assert_pending(&lab, &ended);
    ended
        .assert_says("NATS_CLIENT_PRIVATE_KEY")
        .assert_hides("canary-seed");
    assert_sent_by_the_next_run(&lab, &server);
}

#[test]
fn a_seed_that_the_server_does_not_know_is_refused_and_named() {
    let mut lab = Lab::new();
    let server = lab.nats();
    let stranger = nkeys::KeyPair::new_user().seed().unwrap();
    let ended = lab
        .deploy(&image())
        .var("NATS_CLIENT_PRIVATE_KEY", &stranger)
        .run();
    assert_pending(&lab, &ended);
    ended
        .assert_says("refuses the key in NATS_CLIENT_PRIVATE_KEY")
        .assert_hides(&stranger);
    assert_sent_by_the_next_run(&lab, &server);
}

#[test]
fn a_missing_key_is_named() {
    let mut lab = Lab::new();
    let server = lab.nats();
    let ended = lab
        .deploy(&image())
        .without("NATS_CLIENT_PRIVATE_KEY")
        .run();
    assert_pending(&lab, &ended);
    ended.assert_says("NATS_CLIENT_PRIVATE_KEY");
    assert_sent_by_the_next_run(&lab, &server);
}

#[test]
fn without_servers_events_are_lines_and_a_warning_says_so() {
    let mut lab = Lab::new();
    let server = lab.nats();
    let ended = lab.deploy(&image()).without("NATS_SERVERS").run();
    ended.assert_code(0).assert_says("NATS_SERVERS is not set");
    let ids: Vec<String> = ended
        .events()
        .into_iter()
        .map(|event| event.id)
        .filter(|id| !id.contains(".log."))
        .collect();
    assert_eq!(ids, IDS);
    assert_eq!(lab.stored(&server), []);
}

#[test]
fn what_went_worse_keeps_its_exit_code() {
    let mut lab = Lab::with_workload(Script {
        exit_code: Some(1),
        ..Script::default()
    });
    let _server = away(&mut lab);
    let ended = lab.deploy(&image()).args(["-o", "json"]).run();
    ended.assert_code(5).assert_says("cs.deployment.failed");
    let report = ended.document();
    super::lab::assert_valid_report(&report);
    let pending = report["summary"]["events"]["pending"].as_array().unwrap();
    assert_eq!(pending.len(), 3, "{report}");
    assert!(
        pending.iter().all(|event| event["kept"] == true),
        "{report}"
    );
}

#[test]
fn a_state_directory_that_cannot_be_written_is_said_and_events_are_sent_all_the_same() {
    let mut lab = Lab::new();
    let server = lab.nats();
    let file = lab.env.file("not-a-directory", "");
    let ended = lab
        .deploy(&image())
        .var("CS_STATE_DIR", file.join("state"))
        .run();
    ended.assert_code(0);
    assert!(ended.stderr.contains("state"), "{ended}");
    assert_eq!(lab.stored_ids(&server), IDS);
}
