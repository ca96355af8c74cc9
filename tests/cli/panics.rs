//! A bug in `cs` itself: said, announced, and over. The debug build panics when it is asked to.

use serde_json::json;

use super::lab::{JOB, Lab, REFUSED, image};
use crate::support::nats::NatsServer;

#[test]
fn a_panic_is_announced_as_the_failure_of_its_deployment() {
    let mut lab = Lab::new();
    let server = lab.nats();
    let ended = lab.deploy(&image()).var("CS_TEST_PANIC", "1").run();
    ended
        .assert_code(1)
        .assert_says("internal error: panicked at src/cli/reconcile.rs")
        .assert_says("this is a bug in cs");
    assert_eq!(
        lab.stored_ids(&server),
        ["cs.dep-1.failed", "cs.dep-1.log-end.failed"]
    );
    assert_eq!(lab.job(JOB), None);
    // The same command again is a run like any other.
    lab.deploy(&image()).run().assert_code(0);
}

#[test]
fn without_nats_the_announcement_is_on_standard_output() {
    let lab = Lab::new();
    let ended = lab.deploy(&image()).var("CS_TEST_PANIC", "1").run();
    ended.assert_code(1);
    assert_eq!(ended.subjects(), REFUSED);
}

#[test]
fn a_panic_while_nats_is_away_leaves_its_announcement_in_the_outbox() {
    let mut lab = Lab::new();
    let mut server = NatsServer::stopped();
    lab.use_nats(&server);
    let ended = lab.deploy(&image()).var("CS_TEST_PANIC", "1").run();
    ended.assert_code(1).assert_says("cs.deployment.failed");
    lab.runtime.block_on(async {
        server.up().await;
        server.create_stream(super::lab::PREFIX).await;
    });
    let later = super::lab::image_with(json!({"deploymentId": "dep-2"}));
    lab.deploy(&later).run().assert_code(0);
    assert_eq!(lab.stored_ids(&server)[0], "cs.dep-1.failed");
}

#[test]
fn a_panic_with_params_that_say_nothing_ends_all_the_same() {
    let lab = Lab::new();
    let ended = lab.raw("deploy-image", "{").var("CS_TEST_PANIC", "1").run();
    ended.assert_code(1).assert_says("internal error");
    assert!(ended.subjects().is_empty(), "{ended}");
}

#[test]
fn a_panic_is_announced_wherever_the_run_itself_would_have_been() {
    let lab = Lab::new();
    // Without a number of the deployment it counts as 0, in a run as well as here.
    let mut params = image();
    params.as_object_mut().unwrap().remove("deploymentJobId");
    let ended = lab.deploy(&params).var("CS_TEST_PANIC", "1").run();
    assert_eq!(ended.assert_code(1).subjects(), REFUSED);
}

#[test]
fn a_panic_of_a_destroy_announces_no_failed_deployment() {
    let lab = Lab::new();
    let ended = lab
        .task("destroy-job-pack", &image())
        .var("CS_TEST_PANIC", "1")
        .run();
    assert!(ended.assert_code(1).subjects().is_empty(), "{ended}");
}
