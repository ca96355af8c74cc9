//! `cs get`.

use serde_json::{Value, json};

use super::jobs::service;
use super::snapshot::assert_snapshot;
use super::stage::Stage;

#[test]
fn jobs_are_listed_without_a_name() {
    let stage = Stage::new();
    assert_snapshot("get-empty", "cs get", stage.cs("get"));
    stage.rolled_out(&service("shop", "ok:1", 1));
    stage.rolled_out(&service("api", "ok:1", 1));
    stage.stopped("api");
    assert_snapshot("get-list", "cs get", stage.cs("get"));
    assert_eq!(stage.cs("get -o name").run().stdout, "api\nshop\n");
    let all = stage.cs("get -o json").run().document();
    let ids: Vec<&str> = all
        .as_array()
        .unwrap()
        .iter()
        .map(|job| job["ID"].as_str().unwrap())
        .collect();
    assert_eq!(ids, ["api", "shop"]);
}

#[test]
fn a_job_is_shown_as_nomad_has_it_without_what_the_server_added_and_without_secrets() {
    let stage = Stage::new();
    stage.rolled_out(&service("shop", "ok:1", 1));
    let ended = assert_snapshot("get-yaml", "cs get shop", stage.cs("get shop"));
    ended.assert_hides("canary");
    let shown = stage.cs("get shop -o json").run().document();
    assert_eq!(
        shown["TaskGroups"][0]["Tasks"][0]["Env"]["PASSWORD"],
        "(hidden)"
    );
    for gone in ["Version", "Status", "ModifyIndex", "SubmitTime", "Stable"] {
        assert!(shown.get(gone).is_none(), "{gone}");
    }
    let raw = stage.cs("get shop -o json --raw").run();
    raw.assert_hides("canary");
    assert_eq!(raw.document()["Version"], 0);
}

#[test]
fn what_is_shown_with_secrets_is_the_same_job_to_nomad() {
    let stage = Stage::new();
    stage.rolled_out(&service("shop", "ok:1", 1));
    let shown = stage.cs("get shop -o json --show-secrets").run().document();
    stage.register(&shown);
    assert_eq!(stage.lab.job("shop").unwrap()["Version"], 0);
}

#[test]
fn several_jobs_are_one_list_or_several_documents() {
    let stage = Stage::new();
    stage.register(&service("shop", "ok:1", 0));
    stage.register(&service("api", "ok:1", 0));
    let both: Value = stage.cs("get shop api -o json").run().document();
    assert_eq!(
        (&both[0]["ID"], &both[1]["ID"]),
        (&json!("shop"), &json!("api"))
    );
    let yaml = stage.cs("get shop api").run();
    assert_eq!(yaml.stdout.matches("---\n").count(), 1, "{yaml}");
    let ended = stage.cs("get shop ap").run();
    ended.assert_code(1).assert_says("did you mean api?");
    assert!(ended.stdout.contains("ID: shop"), "{ended}");
}

#[test]
fn the_source_is_shown_where_it_was_hcl() {
    let stage = Stage::new();
    stage.register(&service("shop", "ok:1", 0));
    assert_snapshot(
        "get-no-hcl",
        "cs get shop -o hcl",
        stage.cs("get shop -o hcl"),
    );
    let source = "job \"api\" {\n  # kept with --show-secrets\n  group \"web\" {\n    task \"app\" {\n      env {\n        A = \"canary\"\n      }\n    }\n  }\n}\n";
    let body = json!({"Job": service("api", "ok:1", 0), "Submission": {"Source": source, "Format": "hcl2"}});
    let put = reqwest::Client::new()
        .put(format!("{}/v1/jobs", stage.lab.nomad.url))
        .body(body.to_string());
    stage.lab.runtime.block_on(put.send()).unwrap();
    let hidden = stage.cs("get api -o hcl").run();
    hidden.assert_code(0).assert_hides("canary");
    assert!(hidden.stdout.contains("A = \"(hidden)\""), "{hidden}");
    let open = stage.cs("get api -o hcl --show-secrets").run();
    assert_eq!(open.stdout, source);
}

#[test]
fn an_awkward_text_survives_as_yaml() {
    let stage = Stage::new();
    let mut job = service("shop", "ok:1", 0);
    let texts = json!({"a": "no", "b": "on", "c": "0777", "d": "1e3", "e": "- x", "f": "# y", "g": "a: b", "h": "a\nb\n",
        "i": " lead", "j": "~", "k": "null", "l": "*", "m": "\t", "n": "'\"", "o": ""});
    job["TaskGroups"][0]["Meta"] = texts.clone();
    stage.register(&job);
    let ended = stage.cs("get shop").run();
    let read: Value = serde_saphyr::from_str(&ended.stdout).unwrap();
    assert_eq!(read["TaskGroups"][0]["Meta"], texts, "{ended}");
}
