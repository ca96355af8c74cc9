//! What is finished is not done twice.

use serde_json::{Value, json};

use super::stage::{Stage, TOKEN};
use crate::cli::lab::last_line;
use crate::support::env::Ended;
use crate::support::fault_registry::{Fault, FaultRegistry, Rule};

fn found_in(ended: &Ended) -> Value {
    last_line(ended)["results"][0]["image"]["foundIn"].clone()
}

#[test]
fn the_same_commit_with_the_same_inputs_is_neither_fetched_nor_built_nor_pushed_again() {
    let Some(stage) = Stage::open() else { return };
    stage.plain_repository();
    let first = stage.deploy(&stage.params()).args(["-o", "json"]).run();
    first.assert_code(0);
    assert_eq!(found_in(&first), Value::Null);
    let fetched = stage.fetches();

    let later = stage.params_with(json!({"deploymentId": "dep-2"}));
    let second = stage.deploy(&later).args(["-o", "json"]).run();
    second.assert_code(0);
    assert_eq!(found_in(&second), "registry");
    assert_eq!(stage.fetches(), fetched, "a pack was fetched again");
    let images = |ended: &Ended| last_line(ended)["results"][0]["image"]["digest"].clone();
    assert_eq!(images(&first), images(&second));
}

#[test]
fn another_argument_another_commit_and_a_redeployment_are_built() {
    let Some(stage) = Stage::open() else { return };
    stage.plain_repository();
    stage.deploy(&stage.params()).run().assert_code(0);
    let other =
        stage.params_with(json!({"deploymentId": "dep-2", "build": {"buildArgs": {"A": "1"}}}));
    let ended = stage.deploy(&other).args(["-o", "json"]).run();
    assert_eq!(found_in(ended.assert_code(0)), Value::Null);

    let again =
        stage.params_with(json!({"deploymentId": "dep-3", "build": {"buildArgs": {"A": "1"}}}));
    let ended = stage.deploy(&again).args(["-o", "json", "--rebuild"]).run();
    assert_eq!(found_in(ended.assert_code(0)), Value::Null);
    let ended = stage
        .lab
        .task("redeploy-repository", &again)
        .args(["-o", "json"])
        .run();
    assert_eq!(found_in(ended.assert_code(0)), Value::Null);

    stage.repository(&[
        ("Dockerfile", &stage.dockerfile("COPY . /app\n")),
        ("more.txt", "more"),
    ]);
    let ended = stage.deploy(&again).args(["-o", "json"]).run();
    assert_eq!(found_in(ended.assert_code(0)), Value::Null);
}

#[test]
fn a_run_after_a_failed_push_pushes_and_does_not_build() {
    let Some(stage) = Stage::open() else { return };
    stage.plain_repository();
    let proxy = FaultRegistry::start(&stage.registry);
    let name = format!("{}/{}", proxy.host(), stage.image);
    let params = stage.params_with(json!({"imageName": name}));
    proxy.fail(Rule {
        times: usize::MAX,
        ..Rule::on("PUT", "/manifests/1.0", Fault::Status(403))
    });
    let ended = stage.deploy(&params).run();
    stage.assert_fails(&ended, 1, "cannot push");
    let fetched = stage.fetches();
    proxy.heal();
    let ended = stage.deploy(&params).args(["-o", "json"]).run();
    ended.assert_code(0);
    assert_eq!(found_in(&ended), "engine");
    assert_eq!(stage.fetches(), fetched);
    assert_eq!(stage.deployed(), Some(format!("{name}:1.0")));
}

#[test]
fn a_killed_build_leaves_nothing_that_the_next_run_does_not_clear() {
    let Some(stage) = Stage::open() else { return };
    stage.repository(&[(
        "Dockerfile",
        &stage.dockerfile("RUN echo now-it-waits && sleep 600\n"),
    )]);
    let mut run = stage.deploy(&stage.params()).start();
    run.until("the step runs", |run| run.stdout().contains("now-it-waits"));
    run.signal("KILL");
    let ended = run.wait();
    assert_eq!(ended.code, None);
    crate::support::env::eventually("the engine ends the step", || {
        !stage.engine.runs("now-it-waits")
    });

    stage.plain_repository();
    let ended = stage.deploy(&stage.params()).run();
    ended.assert_code(0).assert_hides(TOKEN);
    stage.assert_nothing_left(&ended);
}

#[test]
fn the_layers_of_the_last_build_are_reused_by_an_engine_that_has_none() {
    let Some(stage) = Stage::open_alone() else {
        return;
    };
    let dockerfile =
        stage.dockerfile("RUN head -c 16 /dev/urandom | od -An -tx1 >/layer\nCOPY . /app\n");
    stage.repository(&[("Dockerfile", &dockerfile), ("a.txt", "1")]);
    stage.deploy(&stage.params()).run().assert_code(0);
    let layers = |tag: &str| {
        stage
            .lab
            .runtime
            .block_on(stage.registry.manifest(&stage.image, tag))["layers"]
            .clone()
    };
    let before = layers("1.0");

    stage.engine.remove(&stage.reference());
    stage.engine.remove(&format!("{}:cs-cache", stage.name()));
    stage.engine.prune_cache();
    stage.repository(&[("Dockerfile", &dockerfile), ("a.txt", "2")]);
    let next = stage.params_with(json!({"deploymentId": "dep-2", "imageTag": "2.0"}));
    let ended = stage.deploy(&next).run();
    ended.assert_code(0);
    let after = layers("2.0");
    assert_eq!(
        before[1], after[1],
        "the random layer was made again\n{ended}"
    );
    assert_ne!(before[2], after[2]);
}
