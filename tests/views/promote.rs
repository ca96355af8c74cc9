//! `cs promote`.

use serde_json::json;

use super::jobs::{SECOND, service, with};
use super::snapshot::assert_snapshot;
use super::stage::Stage;

/// A rollout that waits for a person for as long as a test may take: virtual time is fast.
fn canary(image: &str, canaries: u64) -> serde_json::Value {
    let patient = with(
        service("shop", image, 2),
        "/Update/ProgressDeadline",
        json!(3600 * SECOND),
    );
    let patient = with(patient, "/Update/HealthyDeadline", json!(1800 * SECOND));
    with(patient, "/Update/Canary", json!(canaries))
}

#[test]
fn healthy_canaries_take_over_and_the_end_is_waited_for() {
    let stage = Stage::new();
    stage.rolled_out(&canary("ok:1", 1));
    stage.rolled_out(&canary("ok:2", 1));
    let ended = stage.cs("promote shop").run();
    ended.assert_code(0);
    assert!(
        ended
            .stdout
            .ends_with("version 1 of shop is promoted and healthy\n"),
        "{ended}"
    );
    let deployment = stage.lab.get("/v1/job/shop/deployment").unwrap();
    assert_eq!(deployment["Status"], "successful");
    // Once more changes nothing.
    assert_snapshot("promote-again", "cs promote shop", stage.cs("promote shop"));
    let writes = stage.lab.nomad.writes().into_iter();
    let promotions = writes.filter(|write| write.path.contains("/deployment/promote/"));
    assert_eq!(promotions.count(), 1);
}

#[test]
fn what_stands_in_the_way_is_said() {
    let stage = Stage::new();
    stage.rolled_out(&canary("ok:1", 1));
    assert_snapshot("promote-over", "cs promote shop", stage.cs("promote shop"));
    stage.register(&canary("slow:2", 2));
    stage.until("/v1/job/shop/deployment", |found| {
        found["JobVersion"] == 1 && found["TaskGroups"]["web"]["PlacedAllocs"] == 2
    });
    assert_snapshot("promote-early", "cs promote shop", stage.cs("promote shop"));
    let line = "promote shop --group wbe";
    assert_snapshot("promote-no-group", &format!("cs {line}"), stage.cs(line));
    let periodic = json!({"Enabled": true, "Spec": "0 3 1 1 *", "SpecType": "cron"});
    stage.register(&with(
        super::jobs::batch("backup", "done:1"),
        "/Periodic",
        periodic,
    ));
    assert_snapshot(
        "promote-none",
        "cs promote backup",
        stage.cs("promote backup"),
    );
}

#[test]
fn one_group_may_be_promoted_before_the_other() {
    let stage = Stage::new();
    let job = |image: &str| {
        let mut job = canary(image, 1);
        let mut other = job["TaskGroups"][0].clone();
        other["Name"] = json!("api");
        job["TaskGroups"].as_array_mut().unwrap().push(other);
        job
    };
    stage.rolled_out(&job("ok:1"));
    stage.rolled_out(&job("ok:2"));
    stage.until("/v1/job/shop/deployment", |found| {
        let healthy = |group: &str| found["TaskGroups"][group]["HealthyAllocs"] == 1;
        found["JobVersion"] == 1 && healthy("web") && healthy("api")
    });
    let ended = stage.cs("promote shop --group web").run();
    ended.assert_code(0);
    assert!(
        ended.stdout.contains("group api still waits for it"),
        "{ended}"
    );
    let report = stage.cs("promote shop -o json").run();
    report.assert_code(0);
    assert_eq!(report.document()["outcome"], "converged");
}
