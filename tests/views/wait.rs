//! `cs wait`.

use std::time::Duration;

use serde_json::json;

use super::jobs::{batch, nowhere, service, with};
use super::snapshot::assert_snapshot;
use super::stage::Stage;

#[test]
fn it_ends_when_the_job_is_healthy() {
    let stage = Stage::new();
    stage.register(&service("shop", "ok:1", 2));
    let ended = stage.cs("wait shop").run();
    ended.assert_code(0);
    assert_eq!(ended.stdout, "shop is healthy\n");
    assert_snapshot(
        "wait-json",
        "cs wait shop -o json",
        stage.cs("wait shop -o json"),
    );
}

#[test]
fn what_cannot_come_about_ends_it_with_the_cause_and_its_own_exit_code() {
    let stage = Stage::new();
    stage.rolled_out(&service("crash", "crash:1", 1));
    assert_snapshot("wait-unhealthy", "cs wait crash", stage.cs("wait crash"));
    stage.rolled_out(&service("check", "check:1", 1));
    stage.cs("wait check").run().assert_code(5);
    stage.ended(&batch("bad", "crash:1"));
    let line = "wait bad --for completed";
    assert_snapshot("wait-failed-batch", &format!("cs {line}"), stage.cs(line));
    stage.blocked(&nowhere("plan9"));
    let ended = stage.cs("wait plan9").run();
    ended
        .assert_code(7)
        .assert_says("cannot be placed: group web: no node for 2 allocations")
        .assert_says("help: cs why plan9");
    stage.rolled_out(&service("gone", "ok:1", 1));
    stage.stopped("gone");
    assert_snapshot("wait-stopped", "cs wait gone", stage.cs("wait gone"));
}

#[test]
fn a_version_that_is_rolled_back_meanwhile_is_a_failure_although_the_job_is_healthy_again() {
    let stage = Stage::new();
    let shop = |image| with(service("shop", image, 1), "/Update/AutoRevert", json!(true));
    stage.rolled_out(&shop("ok:1"));
    stage.hold();
    stage.register(&shop("crash:2"));
    let mut wait = stage.cs("wait shop").start();
    wait.until("the first look", |wait| {
        wait.stderr().contains("waiting until")
    });
    stage.set_faults(cs::simulator::Faults::default());
    let ended = wait.wait();
    ended
        .assert_code(6)
        .assert_says("rolled back to version 0: exit code 3");
}

#[test]
fn out_of_time_it_says_what_it_waited_for() {
    let stage = Stage::new();
    stage.hold();
    stage.register(&service("shop", "ok:1", 1));
    let ended = stage.cs("wait shop --timeout 1s").run();
    ended
        .assert_code(4)
        .assert_says("out of time while waiting until")
        .assert_says("give more time with --timeout, or see cs why shop");
    assert!(ended.took < Duration::from_secs(20), "{ended}");
}

#[test]
fn it_waits_for_completion_stop_and_deletion() {
    let stage = Stage::new();
    stage.register(&batch("import", "done:1"));
    let ended = stage.cs("wait import --for completed").run();
    ended.assert_code(0);
    assert_eq!(ended.stdout, "import is completed\n");

    stage.rolled_out(&service("shop", "ok:1", 1));
    let mut wait = stage.cs("wait shop --for stopped").start();
    wait.until("the first look", |wait| {
        wait.stderr().contains("waiting until it is stopped")
    });
    stage.delete("/v1/job/shop");
    wait.wait().assert_code(0);

    let mut wait = stage.cs("wait shop --for deleted").start();
    wait.until("the first look", |wait| {
        wait.stderr().contains("waiting until Nomad forgets it")
    });
    stage.delete("/v1/job/shop?purge=true");
    wait.wait().assert_code(0);
    stage.cs("wait shop --for deleted").run().assert_code(0);
}

#[test]
fn what_makes_no_sense_is_said_before_any_wait() {
    let stage = Stage::new();
    stage.rolled_out(&service("shop", "ok:1", 1));
    let line = "wait shop --for completed";
    assert_snapshot(
        "wait-service-completed",
        &format!("cs {line}"),
        stage.cs(line),
    );
    let periodic = json!({"Enabled": true, "Spec": "0 3 1 1 *", "SpecType": "cron"});
    stage.register(&with(batch("backup", "done:1"), "/Periodic", periodic));
    let line = "wait backup --for completed";
    assert_snapshot(
        "wait-parent-completed",
        &format!("cs {line}"),
        stage.cs(line),
    );
    stage.cs("wait").run().assert_code(2);
    let ended = stage.cs("wait shop shp").run();
    ended.assert_code(1).assert_says("did you mean shop?");
}

#[test]
fn several_jobs_are_waited_for_together_and_the_first_that_failed_gives_the_code() {
    let stage = Stage::new();
    for number in 0..6 {
        stage.register(&service(&format!("job-{number}"), "ok:1", 1));
    }
    stage.register(&service("crash", "crash:1", 1));
    let ended = stage
        .cs("wait job-0 job-1 job-2 crash job-3 job-4 job-5")
        .run();
    ended.assert_code(5).assert_says("job crash: not healthy");
    assert_eq!(ended.stdout.matches(" is healthy\n").count(), 6, "{ended}");
}

#[test]
fn it_looks_again_when_something_changes_and_not_by_the_clock() {
    let stage = Stage::new();
    stage.hold();
    stage.register(&service("shop", "ok:1", 1));
    let mut wait = stage.cs("wait shop").start();
    wait.until("the first look", |wait| {
        wait.stderr().contains("waiting until")
    });
    let looks = || {
        let requests = stage.lab.nomad.requests();
        let of_job = |request: &&cs::simulator::Logged| {
            request.path == "/v1/job/shop/evaluations" && !request.query.contains("index=")
        };
        requests.iter().filter(of_job).count()
    };
    let before = looks();
    assert!(before <= 2, "{before}");
    stage.set_faults(cs::simulator::Faults::default());
    wait.wait().assert_code(0);
}

#[test]
fn an_interruption_ends_it_at_once() {
    let stage = Stage::new();
    stage.hold();
    stage.register(&service("shop", "ok:1", 1));
    let mut wait = stage.cs("wait shop").start();
    wait.until("the first look", |wait| {
        wait.stderr().contains("waiting until")
    });
    wait.signal("INT");
    wait.wait()
        .assert_code(10)
        .assert_says("cancelled by a signal");
}

#[test]
fn a_nomad_that_goes_away_is_waited_for() {
    use cs::simulator::{Effect, Faults, Matcher, Rule};
    let stage = Stage::new();
    stage.rolled_out(&service("shop", "ok:1", 1));
    let away = Rule::new(
        Matcher::new("GET", "/v1/job/shop*").times(3),
        Effect::NotReady,
    );
    stage.set_faults(Faults {
        rules: vec![away],
        ..Faults::default()
    });
    let ended = stage.cs("wait shop").run();
    ended.assert_code(0).assert_says("trying again in");
}
