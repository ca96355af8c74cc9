//! `cs history`.

use serde_json::json;

use super::jobs::{service, with};
use super::snapshot::assert_snapshot;
use super::stage::Stage;

fn stage() -> Stage {
    let stage = Stage::new();
    stage.rolled_out(&service("shop", "ok:1", 1));
    stage.rolled_out(&service("shop", "crash:2", 1));
    stage.rolled_out(&with(service("shop", "ok:3", 2), "/Priority", json!(60)));
    stage.stopped("shop");
    stage
}

#[test]
fn each_version_tells_what_it_changed_and_what_became_of_it() {
    let stage = stage();
    assert_snapshot("history", "cs history shop", stage.cs("history shop"));
    let line = "history shop --diff";
    assert_snapshot("history-diff", &format!("cs {line}"), stage.cs(line));
}

#[test]
fn the_report_has_every_version() {
    let stage = stage();
    let report = stage.cs("history shop -o json").run().document();
    let versions = report["results"][0]["versions"].as_array().unwrap();
    let numbers: Vec<_> = versions
        .iter()
        .map(|it| it["version"].as_u64().unwrap())
        .collect();
    assert_eq!(numbers, [3, 2, 1, 0]);
    assert_eq!(versions[0]["stop"], true);
    assert_eq!(versions[2]["rollout"], "failed");
    assert_eq!(
        versions[2]["changes"],
        json!(["~ TaskGroups[web].Tasks[app].Config.image: \"ok:1\" -> \"crash:2\""])
    );
    assert_eq!(versions[3]["changes"], json!(null));
}

#[test]
fn digest_and_revision_come_from_the_submission() {
    let stage = Stage::new();
    let submission = json!({"Source": "{}", "Format": "json",
        "VariableFlags": {"cs_digest": "0123456789abcdef", "cs_revision": "main@1f2e3d"}});
    let body = json!({"Job": service("shop", "ok:1", 0), "Submission": submission});
    let put = reqwest::Client::new()
        .put(format!("{}/v1/jobs", stage.lab.nomad.url))
        .body(body.to_string());
    stage.lab.runtime.block_on(put.send()).unwrap();
    let report = stage.cs("history shop -o json").run().document();
    let version = &report["results"][0]["versions"][0];
    assert_eq!(version["digest"], "0123456789abcdef");
    assert_eq!(version["revision"], "main@1f2e3d");
    let table = stage.cs("history shop").run();
    assert!(table.stdout.contains("main@1f2e3d   01234567"), "{table}");
}

#[test]
fn a_secret_that_changed_is_not_shown() {
    let stage = Stage::new();
    stage.register(&service("shop", "ok:1", 0));
    let env = "/TaskGroups/0/Tasks/0/Env/PASSWORD";
    stage.register(&with(service("shop", "ok:1", 0), env, json!("canary-2")));
    let ended = stage.cs("history shop --diff").run();
    ended.assert_code(0).assert_hides("canary");
    assert!(
        ended.stdout.contains("Env.PASSWORD: (before) -> (after)"),
        "{ended}"
    );
}
