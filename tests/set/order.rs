//! Who waits for whom.

use super::lab::{Specs, breaks, ends, result};

#[test]
fn what_depends_on_something_is_written_after_it_is_healthy() {
    let specs = Specs::new();
    specs
        .service("app", "app:1", "dependsOn: [{name: db}]")
        .service("db", "db:1", "")
        .service("front", "front:1", "dependsOn: [{name: app}]");
    specs.applied();
    assert_eq!(specs.registered(), ["db", "app", "front"]);
    let rollout = specs.lab.get("/v1/job/db/deployment").expect("a rollout");
    assert_eq!(rollout["Status"], "successful");
    specs.assert_settled();
}

#[test]
fn a_cycle_is_refused_with_its_path_before_nomad_is_asked() {
    let specs = Specs::new();
    specs
        .service("a", "a:1", "dependsOn: [{name: b}]")
        .service("b", "b:1", "dependsOn: [{name: c}]")
        .service("c", "c:1", "dependsOn: [{name: a}]");
    specs
        .apply()
        .run()
        .assert_code(3)
        .assert_says("`a` → `b` → `c` → `a`");
    assert!(specs.lab.nomad.writes().is_empty());
}

#[test]
fn what_waits_for_a_failed_one_is_not_touched_and_everything_else_goes_on() {
    let specs = Specs::with_scripts(vec![breaks("db:1")]);
    specs
        .service("db", "db:1", "")
        .service("app", "app:1", "dependsOn: [{name: db}]")
        .service("front", "front:1", "dependsOn: [{name: app}]")
        .service("other", "other:1", "");
    let ended = specs.apply().args(["-o", "json"]).run();
    ended.assert_code(5);
    let report = ended.document();
    assert_eq!(result(&report, "db")["outcome"], "unhealthy");
    assert_eq!(result(&report, "app")["outcome"], "blocked");
    assert_eq!(result(&report, "front")["outcome"], "blocked");
    assert_eq!(result(&report, "other")["outcome"], "converged");
    assert_eq!(
        specs.registered().iter().filter(|id| *id == "app").count(),
        0
    );
}

#[test]
fn a_batch_job_that_others_wait_for_has_run_to_its_end() {
    let specs = Specs::with_scripts(vec![ends("load", 0)]);
    specs.batch("load", "load:1", "").service(
        "app",
        "app:1",
        "dependsOn: [{name: load, until: completed}]",
    );
    specs.applied();
    assert_eq!(specs.registered(), ["load", "app"]);
    specs.assert_settled();
}

#[test]
fn a_dependency_outside_of_the_set_must_be_there_and_healthy() {
    let specs = Specs::new();
    specs.service("app", "app:1", "dependsOn: [{name: elsewhere}]");
    specs.apply().run().assert_code(1);
    assert!(specs.lab.job("app").is_none());

    let other = Specs::new();
    other.service("elsewhere", "e:1", "");
    other.applied();
    other.remove("elsewhere.yaml");
    other.service(
        "app",
        "app:1",
        "dependsOn: [{name: elsewhere, until: passing}]",
    );
    other.applied();
    assert!(other.runs("app"));
}

#[test]
fn a_dependency_that_has_become_unhealthy_since_stops_what_is_to_change() {
    let specs = Specs::new();
    specs
        .service("db", "db:1", "")
        .service("app", "app:1", "dependsOn: [{name: db}]");
    specs.applied();
    // Somebody stops it by hand, and the files do not name it any more.
    specs.remove("db.yaml");
    specs.cs(["delete", "db", "--yes"]).run().assert_code(0);
    specs.service("app", "app:2", "dependsOn: [{name: db}]");
    let ended = specs.apply().args(["--timeout", "5s", "-o", "json"]).run();
    assert_ne!(ended.code, Some(0), "{ended}");
    assert_eq!(specs.image("app").as_deref(), Some("example/app:1"));
}
