//! Params that cannot be used: one message that names the field and what was expected, never the value.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::lab::{JOB, Lab, REFUSED, assert_valid_report, image, image_with, last_line};
use crate::support::env::Ended;

/// No cluster was asked to change anything, and nobody saw a secret or a value.
#[track_caller]
fn assert_refused(lab: &Lab, ended: &Ended, code: i32, says: &[&str]) {
    ended.assert_code(code);
    for text in says {
        ended.assert_says(text);
    }
    ended.assert_hides("canary");
    assert_eq!(ended.stderr.matches("error: ").count(), 1, "{ended}");
    assert_eq!(lab.nomad.writes(), []);
}

#[test]
fn an_unknown_task_is_named_and_announced_when_ids_are_readable() {
    let lab = Lab::new();
    let ended = lab.task("deploy-moon", &image()).run();
    assert_refused(
        &lab,
        &ended,
        2,
        &["unknown task type: deploy-moon", "deploy-image"],
    );
    assert_eq!(ended.subjects(), REFUSED);
    assert!(
        ended.stdout.contains("ERROR [parse_task_type]: "),
        "{ended}"
    );
    let ended = lab.raw("deploy-moon", "{}").run();
    assert_refused(&lab, &ended, 2, &["unknown task type: deploy-moon"]);
    assert_eq!(ended.events(), []);
}

#[test]
fn variables_that_are_unset_or_empty_are_named() {
    let lab = Lab::new();
    let ended = lab.deploy(&image()).without("NOMAD_META_TASK").run();
    assert_refused(&lab, &ended, 2, &["NOMAD_META_TASK"]);
    assert_eq!(ended.subjects(), REFUSED);
    let ended = lab.task("", &image()).run();
    assert_refused(&lab, &ended, 2, &["NOMAD_META_TASK"]);
    for invocation in [
        lab.deploy(&image()).without("NOMAD_META_PARAMS"),
        lab.raw("deploy-image", ""),
        lab.raw("deploy-image", " \n"),
    ] {
        let ended = invocation.run();
        assert_refused(&lab, &ended, 2, &["NOMAD_META_PARAMS"]);
        assert_eq!(ended.events(), []);
    }
}

#[test]
fn text_that_does_not_parse_is_refused_with_the_contracts_words_and_without_the_text() {
    let lab = Lab::new();
    let broken = STANDARD.encode(r#"{"jobId": "canary"#);
    for (text, says) in [
        ("canary-%%%", "failed to decode base64 parameters"),
        ("Y2FuYXJ5", "failed to parse"),
        (r#"{"jobId": "canary"#, "not a valid JSON object"),
        (r#"{"jobId": "canary"} canary"#, "not a valid JSON object"),
        (r#"["canary"]"#, "failed to decode base64 parameters"),
        (&broken, "not a valid JSON object"),
    ] {
        let ended = lab.raw("deploy-image", text).run();
        assert_refused(
            &lab,
            &ended,
            2,
            &["failed to parse deploy-image parameters", says],
        );
    }
}

#[test]
fn badly_typed_fields_are_all_named_with_what_was_expected() {
    let lab = Lab::new();
    let params = image_with(json!({
        "cpu": "canary", "jobId": ["canary"], "userId": true,
        "networks": [{"portNumber": 8080, "public": "canary"}],
    }));
    let ended = lab.deploy(&params).run();
    assert_refused(
        &lab,
        &ended,
        2,
        &[
            "failed to parse deploy-image parameters",
            "cpu",
            "jobId",
            "userId",
            "networks[0].public",
        ],
    );
    assert_eq!(ended.subjects(), REFUSED);
    let failed = &ended
        .events()
        .into_iter()
        .find(|event| event.subject == REFUSED[0])
        .unwrap();
    assert_eq!(failed.payload["jobId"], 456);
}

#[test]
fn missing_fields_are_all_listed_at_once() {
    let lab = Lab::new();
    for (task, says) in [
        (
            "deploy-image",
            &[
                "jobId is required",
                "imageName is required",
                "deploymentId is required",
                "serviceId is required",
            ][..],
        ),
        (
            "deploy-repository",
            &[
                "jobId is required",
                "repository is required",
                "branch is required",
                "deploymentId is required",
            ],
        ),
        (
            "destroy-job-pack",
            &["at least one job is required", "reason is required"],
        ),
    ] {
        let ended = lab.raw(task, "{}").run();
        assert_refused(&lab, &ended, 3, says);
        assert_eq!(ended.events(), []);
    }
    let mut params = image();
    params.as_object_mut().unwrap().remove("imageName");
    let ended = lab.deploy(&params).run();
    assert_refused(&lab, &ended, 3, &["imageName is required"]);
    assert_eq!(ended.subjects(), REFUSED);
}

#[test]
fn values_that_make_no_sense_are_refused_by_name_before_anything_happens() {
    let lab = Lab::new();
    for (changes, says) in [
        (
            json!({"networks": [{"portNumber": 70000}]}),
            "networks[0].portNumber",
        ),
        (
            json!({"networks": [{"portNumber": 80}, {"portNumber": 80}]}),
            "port",
        ),
        (
            json!({"configFiles": [{"path": "../canary", "content": ""}]}),
            "configFiles[0].path",
        ),
        (
            json!({"configFiles": [{"path": "a", "content": "canary%"}]}),
            "configFiles[0].content",
        ),
        (json!({"deploy": "canary"}), "deploy"),
        (
            json!({"update": {"minHealthyTime": "canary"}}),
            "update.minHealthyTime",
        ),
    ] {
        let ended = lab.deploy(&image_with(changes)).run();
        assert_refused(&lab, &ended, 3, &[says]);
        assert_eq!(
            ended.subjects().last().map(String::as_str),
            Some(REFUSED[1]),
            "{ended}"
        );
        assert!(ended.subjects().contains(&REFUSED[0].to_owned()), "{ended}");
    }
}

#[test]
fn a_deployment_id_that_would_break_subjects_is_refused() {
    let lab = Lab::new();
    for id in ["a.b", "a*", "a>", "a b"] {
        let ended = lab.deploy(&image_with(json!({"deploymentId": id}))).run();
        assert_refused(&lab, &ended, 3, &["deploymentId"]);
        assert_eq!(ended.events(), []);
    }
}

#[test]
fn params_longer_than_nomads_payload_work() {
    let lab = Lab::new();
    let text = "line of a file\n".repeat(2_000);
    let content = STANDARD.encode(&text);
    let params =
        image_with(json!({"configFiles": [{"path": "etc/app.conf", "content": &content}]}));
    assert!(params.to_string().len() > 16 * 1024);
    lab.deploy(&params).run().assert_code(0);
    let file = lab.env.file("params.json", params.to_string());
    let by_file = lab
        .env
        .cs(["reconcile", "--task", "deploy-image", "--params"]);
    by_file.arg(file).run().assert_code(0);
    let job = lab.job(JOB).unwrap();
    let written = job["TaskGroups"][0]["Tasks"][0]["Templates"].to_string();
    assert!(written.contains(&content), "{written}");
}

#[test]
fn ten_megabytes_are_refused_quickly_by_file_and_by_standard_input() {
    let lab = Lab::new();
    let text = image_with(json!({"ignored": "x".repeat(10 << 20)})).to_string();
    let file = lab.env.file("params.json", &text);
    let base = ["reconcile", "--task", "deploy-image", "--params"];
    for invocation in [
        lab.env.cs(base).arg(file),
        lab.env.cs(base).arg("-").stdin(&text),
    ] {
        let ended = invocation.run();
        assert_refused(&lab, &ended, 2, &["longer than 4194304 bytes"]);
    }
    // Between the limit of files and the limit of params.
    let text = image_with(json!({"ignored": "x".repeat(2 << 20)})).to_string();
    let ended = lab.env.cs(base).arg("-").stdin(text).run();
    assert_refused(
        &lab,
        &ended,
        2,
        &[
            "failed to parse deploy-image parameters",
            "the limit is 1048576",
        ],
    );
}

#[test]
fn deep_nesting_is_refused_without_a_crash() {
    let lab = Lab::new();
    let base = ["reconcile", "--task", "deploy-image", "--params", "-"];
    for (open, close) in [("[", "]"), (r#"{"a":"#, "}")] {
        let deep = format!("{}1{}", open.repeat(100_000), close.repeat(100_000));
        let text = image()
            .to_string()
            .replacen('{', &format!("{{\"deep\":{deep},"), 1);
        let ended = lab.env.cs(base).stdin(text).run();
        assert_refused(
            &lab,
            &ended,
            2,
            &["failed to parse deploy-image parameters"],
        );
    }
}

#[test]
fn params_that_are_not_utf8_are_refused_in_every_way() {
    use std::os::unix::ffi::OsStrExt;
    let lab = Lab::new();
    let text = b"{\"jobId\":\"canary\xff\"}";
    let ended = lab
        .raw("deploy-image", std::ffi::OsStr::from_bytes(text))
        .run();
    assert_refused(
        &lab,
        &ended,
        2,
        &["failed to parse deploy-image parameters", "UTF-8"],
    );
    let ended = lab.raw("deploy-image", STANDARD.encode(text)).run();
    assert_refused(
        &lab,
        &ended,
        2,
        &["failed to parse deploy-image parameters", "UTF-8"],
    );
    let base = ["reconcile", "--task", "deploy-image", "--params", "-"];
    let ended = lab.env.cs(base).stdin(text).run();
    assert_refused(
        &lab,
        &ended,
        2,
        &["failed to parse deploy-image parameters", "UTF-8"],
    );
}

#[test]
fn a_params_file_that_is_not_there_is_named() {
    let lab = Lab::new();
    let base = [
        "reconcile",
        "--task",
        "deploy-image",
        "--params",
        "nowhere.json",
    ];
    let ended = lab.env.cs(base).run();
    assert_refused(&lab, &ended, 2, &["cannot read nowhere.json"]);
}

#[test]
fn what_is_refused_has_a_report_too() {
    let lab = Lab::new();
    for (format, task, params, outcome) in [
        ("json", "deploy-image", "%%%", "usage"),
        ("ndjson", "deploy-moon", "{}", "usage"),
        ("json", "deploy-image", "{}", "invalid"),
    ] {
        let ended = lab.raw(task, params).args(["-o", format]).run();
        let report = last_line(&ended);
        assert_valid_report(&report);
        assert_eq!(report["outcome"], outcome);
        assert_eq!(report["summary"]["exitCode"], ended.code.unwrap());
    }
}

#[test]
fn settings_of_the_environment_that_make_no_sense_are_named_without_their_value() {
    let lab = Lab::new();
    for name in [
        "CS_DEADLINE",
        "CS_VAULT",
        "CS_SERVICE_PROVIDER",
        "CS_PLACEMENT_GRACE",
        "NOMAD_ADDR",
    ] {
        let ended = lab.deploy(&image()).var(name, "canary value").run();
        assert_refused(&lab, &ended, 2, &[name]);
        let failed = ended
            .subjects()
            .iter()
            .any(|subject| subject.ends_with("deployment.failed"));
        assert!(failed, "{name}: nobody hears of it: {ended:?}");
    }
    let ended = lab
        .deploy(&image())
        .var("NATS_STREAM_PREFIX", "canary value")
        .run();
    assert_refused(&lab, &ended, 2, &["NATS_STREAM_PREFIX"]);
    let ended = lab
        .deploy(&image_with(json!({"nomadAddress": "canary value"})))
        .run();
    assert_refused(&lab, &ended, 2, &["nomadAddress"]);
}
