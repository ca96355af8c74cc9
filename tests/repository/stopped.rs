//! Out of time and told to stop, in each phase.

use std::time::{Duration, Instant};

use serde_json::json;

use super::stage::Stage;
use crate::support::env::{Ended, Running, eventually};
use crate::support::fault_registry::{Fault, FaultRegistry, Rule};
use crate::support::git_server::{Stage as GitStage, Trouble};

/// Nomad kills a task 5 s after it asked it to end.
const KILL_TIMEOUT: Duration = Duration::from_secs(5);

#[track_caller]
fn stop(run: Running) -> Ended {
    run.signal("TERM");
    let asked = Instant::now();
    let ended = run.wait();
    assert!(
        asked.elapsed() < KILL_TIMEOUT,
        "{:?}\n{ended}",
        asked.elapsed()
    );
    ended
}

/// A build whose step waits, and a run in the middle of it.
fn waiting_build(stage: &Stage) -> Running {
    stage.repository(&[(
        "Dockerfile",
        &stage.dockerfile("RUN echo now-it-waits && sleep 600\n"),
    )]);
    let mut run = stage.deploy(&stage.params()).start();
    run.until("the step runs", |run| {
        run.stdout().contains("now-it-waits\\n")
    });
    run
}

#[test]
fn a_signal_in_the_clone_ends_it() {
    let Some(stage) = Stage::open() else { return };
    stage.plain_repository();
    stage.git.trouble(GitStage::Pack, Trouble::Stall(64));
    let mut run = stage.deploy(&stage.params()).start();
    run.until("the pack is on its way", |_| stage.fetches() > 0);
    let ended = stop(run);
    stage.assert_fails(&ended, 10, "while cloning");
    assert!(ended.stdout.contains("ERROR [clone]: "), "{ended}");
}

#[test]
fn a_signal_in_the_build_ends_it_in_the_engine_too() {
    let Some(stage) = Stage::open() else { return };
    let run = waiting_build(&stage);
    let ended = stop(run);
    stage.assert_fails(&ended, 10, "while building");
    eventually("the engine ends the step", || {
        !stage.engine.runs("now-it-waits")
    });
}

#[test]
fn a_signal_in_the_push_ends_it() {
    let Some(stage) = Stage::open() else { return };
    stage.plain_repository();
    let proxy = FaultRegistry::start(&stage.registry);
    proxy.fail(Rule {
        times: usize::MAX,
        ..Rule::on("PUT", "/manifests/1.0", Fault::Hang)
    });
    let name = format!("{}/{}", proxy.host(), stage.image);
    let run = stage
        .deploy(&stage.params_with(json!({"imageName": name})))
        .start();
    stage.lab.runtime.block_on(proxy.until_struck(1));
    let ended = stop(run);
    stage.assert_fails(&ended, 10, "while pushing");
}

#[test]
fn a_deadline_in_the_build_ends_it_in_the_engine_too() {
    let Some(mut stage) = Stage::open() else {
        return;
    };
    stage.lab.env.set("CS_DEADLINE", "20s");
    let run = waiting_build(&stage);
    let ended = run.wait();
    stage.assert_fails(&ended, 4, "out of time while building");
    eventually("the engine ends the step", || {
        !stage.engine.runs("now-it-waits")
    });
}

#[test]
fn a_deadline_in_the_push_ends_it() {
    let Some(mut stage) = Stage::open() else {
        return;
    };
    stage.plain_repository();
    stage.lab.env.set("CS_DEADLINE", "20s");
    let proxy = FaultRegistry::start(&stage.registry);
    proxy.fail(Rule {
        times: usize::MAX,
        ..Rule::on("PUT", "/manifests/1.0", Fault::Hang)
    });
    let name = format!("{}/{}", proxy.host(), stage.image);
    let ended = stage
        .deploy(&stage.params_with(json!({"imageName": name})))
        .run();
    stage.assert_fails(&ended, 4, "out of time while pushing");
}

#[test]
fn a_signal_in_the_rollout_leaves_it_to_nomad() {
    let Some(stage) = Stage::open() else { return };
    stage.plain_repository();
    stage.lab.hold();
    let mut run = stage.deploy(&stage.params()).start();
    run.until("it watches the rollout", |run| {
        run.stdout().contains("=== Phase: Health ===")
    });
    let ended = stop(run);
    ended.assert_code(10);
    stage.assert_nothing_left(&ended);
    assert_eq!(stage.deployed(), Some(stage.reference()));
}
