//! `cs rollback`.

use cs::simulator::{Effect, Faults, Matcher, Rule};
use serde_json::json;

use super::jobs::{service, with};
use super::snapshot::assert_snapshot;
use super::stage::Stage;

/// Version 0 was healthy, version 1 is not.
fn broken() -> Stage {
    let stage = Stage::new();
    stage.rolled_out(&service("shop", "ok:1", 2));
    stage.rolled_out(&service("shop", "crash:2", 2));
    stage
}

fn image(stage: &Stage) -> String {
    let job = stage.lab.job("shop").unwrap();
    let image = &job["TaskGroups"][0]["Tasks"][0]["Config"]["image"];
    image.as_str().unwrap().to_owned()
}

fn reverts(stage: &Stage) -> usize {
    let writes = stage.lab.nomad.writes().into_iter();
    writes
        .filter(|write| write.path.ends_with("/revert"))
        .count()
}

#[test]
fn it_goes_back_to_the_last_healthy_version_and_waits_until_that_is_healthy() {
    let stage = broken();
    let line = "rollback shop";
    let ended = stage.cs(line).run();
    ended
        .assert_code(0)
        .assert_says("the next cs apply brings the newer specification of shop back");
    assert_eq!(
        ended.stdout,
        "\
roll back job shop from version 1 to version 0, which was healthy
  ~ TaskGroups[web].Tasks[app].Config.image: \"crash:2\" -> \"ok:1\"
shop is back at version 0: it is healthy as version 2
"
    );
    assert_eq!(image(&stage), "ok:1");
    let deployment = stage.lab.get("/v1/job/shop/deployment").unwrap();
    assert_eq!(
        (&deployment["JobVersion"], &deployment["Status"]),
        (&json!(2), &json!("successful"))
    );
}

#[test]
fn a_version_that_is_not_healthy_either_is_a_failure() {
    let stage = broken();
    stage.rolled_out(&service("shop", "ok:3", 2));
    let ended = stage.cs("rollback shop --to 1").run();
    ended
        .assert_code(5)
        .assert_says("job shop, rolled back to version 1: not healthy: exit code 3")
        .assert_says("help: cs why shop");
}

#[test]
fn without_waiting_it_ends_when_the_version_is_there() {
    let stage = broken();
    let ended = stage.cs("rollback shop --no-wait -o json").run();
    ended.assert_code(0);
    let report = ended.document();
    assert_eq!(report["outcome"], "progressing");
    let entry = &report["results"][0];
    assert_eq!(
        (&entry["fromVersion"], &entry["toVersion"]),
        (&json!(1), &json!(0))
    );
    assert_eq!(entry["version"], 2);
    assert_eq!(image(&stage), "ok:1");
}

#[test]
fn where_there_is_nothing_to_go_back_to_it_says_why_and_writes_nothing() {
    let stage = Stage::new();
    stage.rolled_out(&service("shop", "ok:1", 1));
    assert_snapshot(
        "rollback-only",
        "cs rollback shop",
        stage.cs("rollback shop"),
    );
    let line = "rollback shop --to 7";
    assert_snapshot("rollback-no-version", &format!("cs {line}"), stage.cs(line));
    let line = "rollback shop --to 0";
    assert_snapshot("rollback-current", &format!("cs {line}"), stage.cs(line));
    stage
        .cs("rollback shp")
        .run()
        .assert_code(1)
        .assert_says("did you mean shop?");
    assert_eq!(reverts(&stage), 0);
}

#[test]
fn what_destroys_goes_on_where_nobody_can_be_asked() {
    let stage = Stage::new();
    stage.rolled_out(&service("shop", "ok:1", 1));
    stage.rolled_out(&service("shop", "ok:1", 2));
    assert_snapshot(
        "rollback-destroys",
        "cs rollback shop",
        stage.cs("rollback shop"),
    );
    assert_eq!(stage.lab.job("shop").unwrap()["TaskGroups"][0]["Count"], 1);
}

#[test]
fn a_stopped_job_is_started_again() {
    let stage = Stage::new();
    stage.rolled_out(&service("shop", "ok:1", 1));
    stage.stopped("shop");
    let ended = stage.cs("rollback shop").run();
    ended.assert_code(0);
    assert_eq!(stage.lab.job("shop").unwrap()["Stop"], false);
    assert_eq!(stage.allocations("shop", "running").len(), 1);
}

#[test]
fn somebody_elses_version_in_between_is_a_conflict() {
    let stage = broken();
    let slow = Effect::Latency {
        wait: "2s".to_owned(),
    };
    stage.set_faults(Faults {
        rules: vec![Rule::new(Matcher::new("PUT", "/v1/job/shop/revert"), slow)],
        ..Faults::default()
    });
    let mut rollback = stage.cs("rollback shop").start();
    rollback.until("the plan", |it| it.stdout().contains("crash:2"));
    stage.register(&service("shop", "ok:3", 2));
    let ended = rollback.wait();
    ended
        .assert_code(8)
        .assert_says("somebody else made a change");
    assert_eq!(image(&stage), "ok:3");
}

#[test]
fn a_lost_answer_is_made_good_by_a_look() {
    let stage = broken();
    let lost = |effect| Faults {
        rules: vec![Rule::new(
            Matcher::new("PUT", "/v1/job/shop/revert").times(1),
            effect,
        )],
        ..Faults::default()
    };
    // Carried out, but the answer never came.
    stage.set_faults(lost(Effect::DropReply));
    stage.cs("rollback shop").run().assert_code(0);
    assert_eq!(stage.lab.job("shop").unwrap()["Version"], 2);
    // Lost before anything was done.
    stage.rolled_out(&service("shop", "crash:4", 2));
    stage.set_faults(lost(Effect::Reset));
    stage.cs("rollback shop").run().assert_code(0);
    assert_eq!(image(&stage), "ok:1");
    assert_eq!(stage.lab.job("shop").unwrap()["Version"], 4);
}

#[test]
fn a_version_with_a_tag_can_be_named_by_it() {
    let stage = broken();
    let url = format!("{}/v1/job/shop/versions/golden/tag", stage.lab.nomad.url);
    let put = reqwest::Client::new()
        .put(url)
        .body(json!({"Version": 0}).to_string());
    stage.lab.runtime.block_on(put.send()).unwrap();
    stage.cs("rollback shop --to golden").run().assert_code(0);
    assert_eq!(image(&stage), "ok:1");
}

#[test]
fn canaries_of_the_way_back_want_to_be_promoted_and_that_is_said() {
    let stage = Stage::new();
    let shop = |image| with(service("shop", image, 2), "/Update/Canary", json!(1));
    stage.rolled_out(&shop("ok:1"));
    stage.rolled_out(&service("shop", "ok:2", 2));
    let mut rollback = stage.cs("rollback shop").start();
    rollback.until("the canary", |it| it.stderr().contains("cs promote shop"));
    stage.cs("promote shop --no-wait").run().assert_code(0);
    rollback.wait().assert_code(0);
}
