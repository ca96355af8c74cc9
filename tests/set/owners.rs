//! Whose jobs are touched.

use serde_json::json;

use super::lab::{Specs, result};

/// A job that somebody registered by other means, equal to what the spec says.
fn runs_already(specs: &Specs) {
    specs.service("app", "app:1", "");
    let rendered = specs.on_folder("render").run().document();
    let mut job = rendered["Job"].clone();
    job["Meta"] = json!(null);
    specs.lab.register(&job);
}

#[test]
fn a_job_that_runs_already_is_taken_over_only_with_a_word_and_without_a_restart() {
    let specs = Specs::new();
    runs_already(&specs);
    let refused = specs.apply().run();
    refused.assert_code(9);
    assert!(
        refused.stdout.contains("take it over with --adopt"),
        "{refused}"
    );
    assert!(refused.stdout.contains("nothing would change"), "{refused}");
    assert_eq!(specs.version("app"), 0);

    let plan = specs.on_folder("plan").arg("--adopt").run();
    plan.assert_code(1);
    assert!(plan.stdout.contains("> adopt default/app"), "{plan}");
    specs.apply().arg("--adopt").run().assert_code(0);
    assert_eq!(specs.version("app"), 0);
    specs.assert_settled();

    // From now on it is ours, without a mark of ours on it.
    specs.service("app", "app:2", "");
    specs.applied();
    assert_eq!(specs.version("app"), 1);
    let job = specs.lab.job("app").expect("it is there");
    assert!(job["Meta"]["cs.owner"].is_null(), "{job:#}");
    specs.remove("app.yaml").service("other", "o:1", "");
    specs
        .apply()
        .args(["--prune", "--prune-limit", "1"])
        .run()
        .assert_code(0);
    assert!(specs.lab.job("app").is_none());
}

#[test]
fn a_job_that_differs_is_taken_over_with_a_plan_of_the_differences() {
    let specs = Specs::new();
    runs_already(&specs);
    specs.service("app", "app:2", "");
    let plan = specs.on_folder("plan").arg("--adopt").run();
    plan.assert_code(1);
    assert!(plan.stdout.contains("takes it over"), "{plan}");
    assert!(plan.stdout.contains("Config.image"), "{plan}");
    assert!(!plan.stdout.contains("cs.owner"), "{plan}");
    specs.apply().arg("--adopt").run().assert_code(0);
    assert_eq!(specs.image("app").as_deref(), Some("example/app:2"));
    specs.assert_settled();
}

#[test]
fn a_job_of_another_owner_is_left_alone() {
    let specs = Specs::new();
    specs.service("app", "app:1", "").service("mine", "m:1", "");
    specs
        .apply()
        .args(["--owner", "team-b"])
        .run()
        .assert_code(0);
    specs.service("app", "app:2", "");
    let ended = specs
        .apply()
        .args(["--owner", "team-a", "-o", "json"])
        .run();
    ended.assert_code(9);
    let report = ended.document();
    assert_eq!(result(&report, "app")["outcome"], "refused");
    assert!(
        result(&report, "app")["message"]
            .to_string()
            .contains("belongs to team-b")
    );
    assert_eq!(specs.image("app").as_deref(), Some("example/app:1"));
    specs
        .cs(["delete", "app", "--owner", "team-a"])
        .run()
        .assert_code(9);
    assert!(specs.runs("app"));
}
