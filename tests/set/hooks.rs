//! Batch jobs before, after, and after a failure.

use super::lab::{Specs, breaks, ends, result};

#[test]
fn hooks_run_around_what_they_serve_once_a_generation() {
    let specs = Specs::with_scripts(vec![ends("before", 0), ends("after", 0)]);
    specs
        .batch("before", "m:1", "hook: {phase: pre}")
        .service("app", "app:1", "")
        .batch("after", "t:1", "hook: {phase: post}");
    specs.applied();
    assert_eq!(specs.registered(), ["before", "app", "after"]);
    specs.assert_settled();

    // The same again: nothing runs.
    specs.applied();
    assert_eq!(specs.registered().len(), 3);

    // A new generation: all of it runs again, in order.
    specs.service("app", "app:2", "");
    specs.applied();
    assert_eq!(specs.registered()[3..], ["before", "app", "after"]);
    specs.assert_settled();
}

#[test]
fn a_finished_hook_that_nomad_has_collected_does_not_run_again() {
    let specs = Specs::with_scripts(vec![ends("before", 0)]);
    specs
        .batch("before", "m:1", "hook: {phase: pre}")
        .service("app", "app:1", "");
    specs.applied();
    specs.lab.purge("before");
    specs.assert_settled();
    specs.applied();
    assert!(specs.lab.job("before").is_none());
}

#[test]
fn a_hook_that_fails_keeps_what_it_serves_from_being_written() {
    let specs = Specs::with_scripts(vec![ends("before", 7)]);
    specs
        .batch("before", "m:1", "hook: {phase: pre, for: [app]}")
        .service("app", "app:1", "")
        .service("other", "other:1", "");
    let ended = specs.apply().args(["-o", "json"]).run();
    ended.assert_code(5);
    let report = ended.document();
    assert_eq!(result(&report, "app")["outcome"], "blocked");
    assert_eq!(report["summary"]["written"], 2);
    assert_eq!(result(&report, "other")["outcome"], "converged");
    assert_eq!(result(&report, "before")["cause"]["kind"], "exit");
    assert!(specs.lab.job("app").is_none());
}

#[test]
fn a_hook_for_failures_runs_after_one_and_only_then() {
    let specs = Specs::with_scripts(vec![breaks("app:2"), ends("alarm", 0)]);
    specs
        .service("app", "app:1", "")
        .batch("alarm", "a:1", "hook: {phase: onFailure}");
    specs.applied();
    assert!(specs.lab.job("alarm").is_none());

    specs.service("app", "app:2", "");
    let ended = specs.apply().args(["-o", "json"]).run();
    ended.assert_code(6);
    assert_eq!(result(&ended.document(), "alarm")["outcome"], "converged");
    assert_eq!(
        specs
            .registered()
            .iter()
            .filter(|id| *id == "alarm")
            .count(),
        1
    );
}

#[test]
fn a_native_hook_that_never_ends_is_refused_before_it_is_written() {
    let specs = Specs::new();
    let hook = "apiVersion: cloudstation.io/v1\nkind: NomadJob\nmetadata: {name: endless}\nspec:\n  hook: {phase: pre}\n  \
                hcl: |\n    job \"endless\" {\n      group \"g\" {\n        task \"t\" {\n          driver = \"docker\"\n          \
                config {\n            image = \"x\"\n          }\n        }\n      }\n    }\n";
    specs
        .write("endless.yaml", hook)
        .service("app", "app:1", "");
    let ended = specs.apply().run();
    ended.assert_code(1);
    assert!(ended.stdout.contains("a hook must end"), "{ended}");
    assert!(specs.lab.job("endless").is_none() && specs.lab.job("app").is_none());
}
