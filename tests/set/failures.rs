//! What follows when something does not become healthy.

use super::lab::{Specs, breaks, result};

#[test]
fn a_failed_spec_is_not_tried_again_until_something_moves() {
    let specs = Specs::with_scripts(vec![breaks("app:2")]);
    specs.service("app", "app:1", "");
    specs.applied();
    specs.service("app", "app:2", "");
    let failed = specs.apply().run();
    failed.assert_code(6);
    assert!(
        failed.stdout.contains("it cannot work like this"),
        "{failed}"
    );
    assert!(failed.stdout.contains("cs why app"), "{failed}");
    assert_eq!(specs.image("app").as_deref(), Some("example/app:1"));

    let versions = specs.version("app");
    let again = specs.apply().run();
    again.assert_code(9);
    assert!(
        again.stdout.contains("has failed before (rolled-back)"),
        "{again}"
    );
    assert_eq!(specs.version("app"), versions);
    specs.on_folder("plan").run().assert_code(9);

    specs.apply().arg("--retry-failed").run().assert_code(6);
    assert!(specs.version("app") > versions);

    specs.service("app", "app:3", "");
    specs.applied();
    specs.assert_settled();
}

#[test]
fn a_failed_spec_is_tried_again_after_the_job_has_changed() {
    let specs = Specs::with_scripts(vec![breaks("app:2")]);
    specs.service("app", "app:1", "");
    specs.applied();
    specs.service("app", "app:2", "");
    specs.apply().run().assert_code(6);
    let mut job = specs.lab.job("app").expect("it is there");
    job["Priority"] = 60.into();
    specs.lab.register(&job);
    specs.apply().run().assert_code(6);
}

#[test]
fn revert_goes_back_where_nomad_does_not() {
    let specs = Specs::with_scripts(vec![breaks("app:2")]);
    let without = |image: &str| {
        super::lab::service("app", image, "onFailure: revert").replace(
            "rollout: {canary: 0,",
            "rollout: {canary: 0, autoRevert: false,",
        )
    };
    specs.write("app.yaml", &without("app:1"));
    specs.applied();
    specs.write("app.yaml", &without("app:2"));
    let ended = specs.apply().args(["-o", "json"]).run();
    ended.assert_code(5);
    assert_eq!(
        result(&ended.document(), "app")["aftermath"],
        "went back to version 0"
    );
    assert_eq!(specs.image("app").as_deref(), Some("example/app:1"));
    specs.apply().run().assert_code(9);
}

#[test]
fn what_is_new_and_fails_is_stopped_when_it_says_revert() {
    let specs = Specs::with_scripts(vec![breaks("app:1")]);
    specs.service("app", "app:1", "onFailure: revert");
    let ended = specs.apply().args(["-o", "json"]).run();
    ended.assert_code(5);
    assert_eq!(
        result(&ended.document(), "app")["aftermath"],
        "stopped, as nothing ran before"
    );
    assert!(!specs.runs("app"));
}

#[test]
fn a_set_goes_back_as_a_whole() {
    let specs = Specs::with_scripts(vec![breaks("app:2")]);
    specs
        .service("db", "db:1", "")
        .service("app", "app:1", "")
        .service("same", "s:1", "");
    specs.applied();
    specs
        .service("db", "db:2", "")
        .service("app", "app:2", "dependsOn: [{name: db}]")
        .service("fresh", "f:1", "");
    let ended = specs
        .apply()
        .args(["--on-failure", "revert-set", "-o", "json"])
        .run();
    ended.assert_code(6);
    assert_eq!(specs.image("db").as_deref(), Some("example/db:1"));
    assert_eq!(specs.image("app").as_deref(), Some("example/app:1"));
    assert!(!specs.runs("fresh"));
    assert_eq!(specs.version("same"), 0);
    // The set as it is has failed: it is not applied by halves.
    let versions = specs.version("db");
    specs.apply().run().assert_code(9);
    assert_eq!(specs.version("db"), versions);
}

#[test]
fn what_stands_before_a_failure_is_kept_by_default() {
    let specs = Specs::with_scripts(vec![breaks("app:2")]);
    specs
        .service("db", "db:1", "")
        .service("app", "app:1", "dependsOn: [{name: db}]");
    specs.applied();
    specs
        .service("db", "db:2", "")
        .service("app", "app:2", "dependsOn: [{name: db}]");
    specs.apply().run().assert_code(6);
    assert_eq!(specs.image("db").as_deref(), Some("example/db:2"));
}
