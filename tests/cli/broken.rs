//! Images that do not become healthy: exit code, cause, log tail, events, reports.

use cs::simulator::Script;
use serde_json::{Value, json};

use super::lab::{FAILED, JOB, Lab, assert_valid_report, image, image_with, last_line, next_image};
use crate::support::env::Ended;

/// Deploys an image that behaves like this, with a report. Without restarts, so that each allocation runs it once.
fn deploy_broken(script: Script) -> (Lab, Ended, Value) {
    let mut lab = Lab::with_workload(script);
    let server = lab.nats();
    let once = image_with(json!({"restartMode": "never", "restartAttempts": 0}));
    let ended = lab.deploy(&once).args(["-o", "json"]).run();
    let report = ended.document();
    assert_valid_report(&report);
    let events: Vec<String> = lab.stored_ids(&server);
    assert_eq!(
        events,
        [
            "cs.dep-1.started",
            "cs.dep-1.failed",
            "cs.dep-1.log-end.failed"
        ]
    );
    (lab, ended, report)
}

#[track_caller]
fn assert_unhealthy(ended: &Ended, report: &Value, kind: &str, text: &str) {
    ended.assert_code(5).assert_says(text).assert_says("help: ");
    assert_eq!(report["outcome"], "unhealthy");
    assert_eq!(report["summary"]["exitCode"], 5);
    assert_eq!(report["summary"]["failed"], json!([JOB]));
    let cause = &report["results"][0]["cause"];
    assert_eq!(cause["kind"], kind, "{cause}");
    assert!(cause["text"].as_str().unwrap().contains(text), "{cause}");
}

#[test]
fn a_pull_error_is_named() {
    let (_lab, ended, report) = deploy_broken(Script {
        pull_error: Some("manifest unknown".to_owned()),
        ..Script::default()
    });
    assert_unhealthy(&ended, &report, "pull", "manifest unknown");
}

#[test]
fn an_exit_code_is_named_with_the_last_lines_of_the_log() {
    let (_lab, ended, report) = deploy_broken(Script {
        exit_code: Some(3),
        stdout: vec!["shop begins".to_owned()],
        stderr: vec!["fatal: DATABASE_URL is not set".to_owned()],
        ..Script::default()
    });
    assert_unhealthy(&ended, &report, "exit", "3");
    let tail = &report["results"][0]["logTail"];
    assert_eq!(
        tail,
        &json!(["shop begins", "fatal: DATABASE_URL is not set"])
    );
    assert_eq!(report["results"][0]["cause"]["task"], "dep-1");
}

#[test]
fn too_little_memory_is_named() {
    let (_lab, ended, report) = deploy_broken(Script {
        oom: true,
        ..Script::default()
    });
    assert_unhealthy(&ended, &report, "oom", "memory");
}

#[test]
fn a_failing_check_is_named() {
    let (_lab, ended, report) = deploy_broken(Script {
        failing_check: true,
        ..Script::default()
    });
    assert_unhealthy(&ended, &report, "check", "its checks do not pass");
}

#[test]
fn a_task_that_cannot_be_started_is_named() {
    let (_lab, ended, report) = deploy_broken(Script {
        start_error: Some("exec: \"shop\": executable file not found".to_owned()),
        ..Script::default()
    });
    assert_unhealthy(&ended, &report, "driver", "executable file not found");
}

#[test]
fn no_node_fits_and_the_constraint_is_named() {
    let mut lab = Lab::new();
    let server = lab.nats();
    let params = image_with(json!({"regions": "mars"}));
    let ended = lab.deploy(&params).args(["-o", "json"]).run();
    ended
        .assert_code(7)
        .assert_says("${node.class}")
        .assert_says("mars");
    let report = ended.document();
    assert_valid_report(&report);
    assert_eq!(report["outcome"], "unplaceable");
    assert_eq!(report["results"][0]["cause"]["kind"], "placement");
    assert_eq!(lab.stored_ids(&server)[1], "cs.dep-1.failed");
}

#[test]
fn exhausted_memory_is_named() {
    let lab = Lab::new();
    let ended = lab.deploy(&image_with(json!({"ram": 3_000_000}))).run();
    ended.assert_code(7).assert_says("memory");
    assert_eq!(ended.subjects(), FAILED);
}

#[test]
fn a_rollout_that_nomad_takes_back_ends_with_6_and_the_old_version_runs() {
    let lab = Lab::with_workload(Script {
        image: "*:2.0".to_owned(),
        exit_code: Some(9),
        stderr: vec!["this version is broken".to_owned()],
        ..Script::default()
    });
    let name = image()["imageName"].clone();
    let first = image_with(json!({"imageName": name}));
    lab.deploy(&first).run().assert_code(0);
    let mut second = next_image("2.0");
    second["imageName"] = name;
    let ended = lab.deploy(&second).args(["-o", "ndjson"]).run();
    ended.assert_code(6).assert_says("rolled back");
    let report = last_line(&ended);
    assert_valid_report(&report);
    assert_eq!(report["outcome"], "rolled-back");
    assert_eq!(report["results"][0]["cause"]["kind"], "exit");
    assert_eq!(
        report["results"][0]["logTail"],
        json!(["this version is broken"])
    );
    let failed = ended
        .events()
        .into_iter()
        .filter(|event| event.subject == "cs.deployment.failed");
    assert_eq!(failed.count(), 1);
    let image = &lab.job(JOB).unwrap()["TaskGroups"][0]["Tasks"][0]["Config"]["image"];
    assert!(image.as_str().unwrap().ends_with(":1.0"), "{image}");
    // The same again: it is told again, and nothing is registered.
    let before = lab.registrations();
    lab.deploy(&second).run().assert_code(6);
    assert_eq!(lab.registrations(), before);
}

#[test]
fn ndjson_is_json_in_every_line_and_the_report_comes_last() {
    let lab = Lab::with_workload(Script {
        exit_code: Some(1),
        ..Script::default()
    });
    let ended = lab.deploy(&image()).args(["-o", "ndjson"]).run();
    ended.assert_code(5);
    let lines: Vec<Value> = ended
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect();
    let (report, before) = lines.split_last().unwrap();
    assert_valid_report(report);
    assert!(before.iter().all(|line| line["kind"] != "RunReport"));
    let notes: Vec<&str> = before
        .iter()
        .filter_map(|line| line["note"].as_str())
        .collect();
    for note in [
        "deploying",
        "began",
        "planned",
        "registered",
        "waiting",
        "ended",
    ] {
        assert!(notes.contains(&note), "{note} is missing in {notes:?}");
    }
}

#[test]
fn the_summary_file_holds_the_report_whatever_is_printed() {
    let lab = Lab::new();
    let ended = lab
        .deploy(&image())
        .args(["--summary", "report.json"])
        .run();
    ended.assert_code(0);
    let text = std::fs::read_to_string(lab.env.root().join("report.json")).unwrap();
    let report: Value = serde_json::from_str(&text).unwrap();
    assert_valid_report(&report);
    assert_eq!(report["outcome"], "converged");
    assert_eq!(report["summary"]["task"], "deploy-image");
    assert_eq!(report["summary"]["deploymentId"], "dep-1");
    assert!(report["summary"]["events"]["sent"].as_u64().unwrap() >= 3);
}

#[test]
fn a_summary_that_cannot_be_written_is_known_before_anything_is_done() {
    let lab = Lab::new();
    let ended = lab
        .deploy(&image())
        .args(["--summary", "no/such/dir/report.json"])
        .run();
    ended
        .assert_code(2)
        .assert_says("cannot write no/such/dir/report.json");
    assert_eq!(lab.registrations(), 0);
}

#[test]
fn text_output_says_error_once_with_its_phase() {
    let lab = Lab::with_workload(Script {
        exit_code: Some(3),
        ..Script::default()
    });
    let ended = lab.deploy(&image()).run();
    ended.assert_code(5);
    let errors: Vec<&str> = ended
        .stdout
        .lines()
        .filter(|line| line.starts_with("ERROR ["))
        .collect();
    assert_eq!(errors.len(), 1, "{ended}");
    assert!(
        errors[0].starts_with("ERROR [deploy]: shop: not healthy: "),
        "{errors:?}"
    );
    assert!(!ended.stdout.contains("completed successfully"), "{ended}");
    assert!(
        ended
            .stdout
            .contains("=== Dispatch Execution Completed ==="),
        "{ended}"
    );
}
