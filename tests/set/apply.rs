//! What apply does and waits for.

use std::time::{Duration, Instant};

use cs::simulator::{Effect, Matcher};

use super::lab::{Specs, ends, result};
use crate::cli::lab::rule;

#[test]
fn a_second_apply_writes_nothing() {
    let specs = Specs::new();
    specs
        .service("a", "a:1", "")
        .service("b", "b:1", "ports: [{port: 8080}]");
    specs.applied();
    specs.lab.nomad.clear_requests();
    specs.applied();
    assert!(specs.lab.nomad.writes().is_empty());
}

#[test]
fn what_nobody_waits_for_is_registered_and_judged_by_the_next_run() {
    let specs = Specs::new();
    specs.service("app", "app:1", "");
    specs.lab.hold();
    let ended = specs.apply().args(["--no-wait", "-o", "json"]).run();
    ended.assert_code(0);
    assert_eq!(result(&ended.document(), "app")["outcome"], "registered");
    specs.lab.release();
    specs.applied();
    specs.assert_settled();
}

#[test]
fn canaries_are_waited_for_and_promoted_by_hand() {
    let specs = Specs::new();
    let rollout = "replicas: 2";
    let with_canary = |image: &str| {
        super::lab::service("app", image, rollout).replace(
            "rollout: {canary: 0,",
            "rollout: {canary: 1, autoPromote: false,",
        )
    };
    specs.write("app.yaml", &with_canary("app:1"));
    specs.applied();
    specs.write("app.yaml", &with_canary("app:2"));
    specs
        .apply()
        .args(["--until", "canary"])
        .run()
        .assert_code(0);
    let rollout = specs.lab.get("/v1/job/app/deployment").expect("a rollout");
    assert_eq!(rollout["Status"], "running");
    let late = specs.on_folder("apply").args(["--timeout", "2s"]).run();
    late.assert_code(4);
    assert!(late.stdout.contains("cs promote app"), "{late}");
}

#[test]
fn a_finished_batch_job_does_not_run_again_when_nomad_has_collected_it() {
    let specs = Specs::with_scripts(vec![ends("once", 0)]);
    specs.batch("once", "o:1", "");
    specs.applied();
    specs.lab.purge("once");
    specs.assert_settled();
    specs.applied();
    assert!(specs.lab.job("once").is_none());
    specs.batch("once", "o:2", "");
    specs.applied();
    assert!(specs.lab.job("once").is_some());
}

#[test]
fn a_stopped_job_is_brought_back() {
    let specs = Specs::new();
    specs.service("app", "app:1", "");
    specs.applied();
    specs.cs(["delete", "app"]).run().assert_code(0);
    assert!(!specs.runs("app"));
    let plan = specs.on_folder("plan").run();
    plan.assert_code(1);
    specs.applied();
    assert!(specs.runs("app"));
}

#[test]
fn a_hand_made_change_between_look_and_write_is_looked_at_again() {
    let specs = Specs::new();
    specs.service("app", "app:1", "");
    specs.applied();
    specs.service("app", "app:2", "");
    let on = Matcher {
        count: Some(1),
        ..Matcher::new("PUT", "/v1/jobs")
    };
    specs.lab.nomad.set_faults(rule(on, Effect::Conflict));
    specs.applied();
    assert_eq!(specs.image("app").as_deref(), Some("example/app:2"));
    specs.assert_settled();
}

#[test]
fn independent_resources_are_worked_on_at_the_same_time() {
    let specs = Specs::new();
    for number in 0..8 {
        specs.service(&format!("app-{number}"), "a:1", "");
    }
    specs.lab.hold();
    let mut run = specs.apply().start();
    run.until("all are registered", |_| specs.lab.registrations() == 8);
    specs.lab.release();
    run.wait().assert_code(0);
}

#[test]
fn delete_stops_what_waits_for_others_first() {
    let specs = Specs::new();
    specs
        .service("db", "db:1", "")
        .service("app", "app:1", "dependsOn: [{name: db}]");
    specs.applied();
    let ended = specs.on_folder("delete").arg("--purge").run();
    ended.assert_code(0);
    let writes = specs.lab.nomad.writes();
    let stops: Vec<&str> = writes
        .iter()
        .filter(|write| write.method == "DELETE" && write.path.starts_with("/v1/job/"))
        .map(|write| write.path.as_str())
        .collect();
    assert_eq!(
        stops,
        ["/v1/job/app", "/v1/job/app", "/v1/job/db", "/v1/job/db"]
    );
    assert!(specs.lab.job("app").is_none() && specs.lab.job("db").is_none());
    // Once more: they are gone, which is what was wanted.
    specs
        .on_folder("delete")
        .arg("--purge")
        .run()
        .assert_code(0);
}

#[test]
fn deadlines_end_with_what_was_waited_for() {
    let specs = Specs::new();
    specs.service("app", "app:1", "");
    specs.lab.hold();
    let began = Instant::now();
    let ended = specs.on_folder("apply").args(["--timeout", "2s"]).run();
    ended.assert_code(4);
    assert!(began.elapsed() < Duration::from_secs(20), "{ended}");
    assert!(
        ended.stdout.contains("out of time while waiting until"),
        "{ended}"
    );
    specs.lab.release();
    specs.applied();
}

#[test]
fn a_name_that_no_job_has_is_not_deleted_and_says_so() {
    let specs = Specs::new();
    specs.service("app", "app:1", "");
    specs.applied();
    let ended = specs.cs(["delete", "ap", "app"]).run();
    ended.assert_code(1);
    assert!(
        ended
            .stdout
            .contains("there is no job ap in namespace default"),
        "{ended}"
    );
    assert!(
        specs.runs("app"),
        "nothing is deleted when a part of it may not be"
    );
}

#[test]
fn no_more_jobs_roll_out_at_the_same_time_than_is_said() {
    let specs = Specs::new();
    for number in 0..6 {
        specs.service(&format!("app-{number}"), "app:1", "");
    }
    specs.lab.hold();
    let mut run = specs.apply().args(["--parallel", "2"]).start();
    run.until("two are waited for", |run| {
        run.stderr().matches("waiting until").count() >= 2
    });
    assert_eq!(specs.lab.registrations(), 2);
    specs.lab.release();
    run.wait().assert_code(0);
    specs.assert_settled();
    specs.cs(["apply", "--parallel", "0"]).run().assert_code(2);
}
