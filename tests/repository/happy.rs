//! What a run is for: fetched, built, pushed, rolled out, told.

use serde_json::{Value, json};

use super::stage::{DEPLOYMENT, Stage, TOKEN, log_lines};
use crate::cli::lab::{JOB, SUCCEEDED, assert_valid_report};
use crate::support::registry::PASSWORD;

const STEPS: [&str; 10] = [
    "clone in_progress",
    "clone completed",
    "build in_progress",
    "build completed",
    "push in_progress",
    "push completed",
    "deploy in_progress",
    "deploy completed",
    "healthCheck in_progress",
    "healthCheck completed",
];

#[test]
fn a_repository_becomes_a_running_service_and_everybody_is_told() {
    let Some(mut stage) = Stage::open() else {
        return;
    };
    let commit = stage.repository(&[
        (
            "Dockerfile",
            &stage.dockerfile(
                "COPY hello.txt /app/\nRUN echo built-here && cat /app/hello.txt\nEXPOSE 9000 8080\nUSER 1000\nCMD [\"serve\"]\n",
            ),
        ),
        ("hello.txt", "hello from the repository\n"),
    ]);
    let nats = stage.lab.nats();
    let backend = stage.lab.backend();
    let ended = stage.deploy(&stage.params()).run();
    ended
        .assert_code(0)
        .assert_hides(TOKEN)
        .assert_hides(PASSWORD);
    stage.assert_nothing_left(&ended);

    assert_eq!(stage.deployed(), Some(stage.reference()), "{ended}");
    assert!(stage.tags().contains(&"1.0".to_owned()));
    let config = stage
        .lab
        .runtime
        .block_on(stage.registry.config(&stage.image, "1.0"));
    let labels = &config["config"]["Labels"];
    assert_eq!(labels["cloudstation.io/revision"], json!(commit));
    assert_eq!(labels["cloudstation.io/builder"], "csdocker");

    assert_eq!(backend.steps(), STEPS);
    let of_git = backend.requests_to("/api/local/deployment-step/update");
    assert!(
        of_git
            .iter()
            .all(|request| request.body["deployment_type"] == "git")
    );
    let updates = backend.requests_to("/api/local/service-update/");
    let ports: Vec<&Value> = updates[0].body["network"]
        .as_array()
        .unwrap()
        .iter()
        .map(|network| &network["port"])
        .collect();
    assert_eq!(
        ports,
        [8080, 9000],
        "ascending, each with the domain that the backend gave"
    );
    assert_eq!(updates[0].body["docker_user"], "1000");
    assert_eq!(updates[0].body["cmd"], "serve");

    let subjects: Vec<String> = stage
        .lab
        .stored(&nats)
        .into_iter()
        .map(|message| message.subject)
        .collect();
    assert_eq!(
        subjects.last().map(String::as_str),
        Some("cs.build.log.end.dep-1")
    );
    let events: Vec<&String> = subjects
        .iter()
        .filter(|subject| **subject != format!("cs.build.log.{DEPLOYMENT}"))
        .collect();
    assert_eq!(events, SUCCEEDED);
}

#[test]
fn the_log_has_phases_in_order_and_every_line_on_standard_output_too() {
    let Some(mut stage) = Stage::open() else {
        return;
    };
    let count = 300;
    stage.repository(&[(
        "Dockerfile",
        &stage.dockerfile(&format!(
            "RUN i=0; while [ $i -lt {count} ]; do i=$((i+1)); echo line-$i-; done\n"
        )),
    )]);
    let nats = stage.lab.nats();
    let ended = stage.deploy(&stage.params()).run();
    ended.assert_code(0);
    let lines = log_lines(&stage.lab, &nats);
    let mut phases: Vec<&str> = lines.iter().map(|(phase, _)| phase.as_str()).collect();
    phases.dedup();
    assert_eq!(phases, ["init", "clone", "build", "registry", "deploy"]);
    let place = |i: usize| {
        lines
            .iter()
            .position(|(_, line)| line.contains(&format!("line-{i}-")))
    };
    let places: Vec<usize> = (1..=count)
        .map(|i| place(i).expect("every line arrives"))
        .collect();
    assert!(places.is_sorted(), "{places:?}");
    for (_, line) in &lines {
        assert!(ended.stdout.contains(line.trim_end()), "{line}\n{ended}");
    }
}

#[test]
fn sequences_of_a_stream_have_no_gap() {
    let Some(mut stage) = Stage::open() else {
        return;
    };
    stage.plain_repository();
    let nats = stage.lab.nats();
    stage.deploy(&stage.params()).run().assert_code(0);
    for stream in ["stdout", "stderr"] {
        let sequences: Vec<u64> = stage
            .lab
            .stored(&nats)
            .iter()
            .filter_map(|message| serde_json::from_str::<Value>(&message.payload).ok())
            .filter(|payload| payload["logOutput"] == stream)
            .map(|payload| payload["sequence"].as_u64().unwrap())
            .collect();
        let expected: Vec<u64> = (1..=sequences.len() as u64).collect();
        assert_eq!(sequences, expected, "{stream}");
    }
}

#[test]
fn the_submission_says_what_was_built_from_what() {
    let Some(stage) = Stage::open() else { return };
    let commit = stage.plain_repository();
    let ended = stage.deploy(&stage.params()).args(["-o", "json"]).run();
    ended.assert_code(0);
    let submission = stage
        .lab
        .get(&format!("/v1/job/{JOB}/submission?version=0"))
        .unwrap();
    let source: Value = serde_json::from_str(submission["Source"].as_str().unwrap()).unwrap();
    let manifest = stage.digest();
    assert_eq!(source["imageDigest"], json!(manifest));
    assert_eq!(source["sourceRevision"], json!(commit));
    assert_eq!(source["builder"], "csdocker");
    let report = crate::cli::lab::last_line(&ended);
    assert_valid_report(&report);
    let image = &report["results"][0]["image"];
    assert_eq!(image["reference"], json!(stage.reference()));
    assert_eq!(image["digest"], json!(manifest));
    assert_eq!(image["revision"], json!(commit));
    assert_eq!(image["foundIn"], Value::Null);
}

#[test]
fn tags_and_commits_are_deployed_as_well_as_branches() {
    let Some(stage) = Stage::open() else { return };
    let commit = stage.plain_repository();
    stage.git.repository("acme/shop").tag("v1.0");
    for revision in ["v1.0", &commit] {
        let params = stage.params_with(json!({"branch": revision}));
        let ended = stage
            .deploy(&params)
            .arg("--rebuild")
            .args(["-o", "json"])
            .run();
        ended.assert_code(0);
        let report = crate::cli::lab::last_line(&ended);
        assert_eq!(
            report["results"][0]["image"]["revision"],
            json!(commit),
            "{revision}"
        );
    }
}

#[test]
fn an_uploaded_archive_is_deployed_like_a_repository() {
    let Some(stage) = Stage::open() else { return };
    let archive = stage.archive(&[
        (
            "./Dockerfile",
            &stage.dockerfile("COPY hello.txt /\nEXPOSE 7000\n"),
        ),
        ("./hello.txt", "hello\n"),
    ]);
    let params = stage.upload_params(&archive);
    let ended = stage.deploy(&params).args(["-o", "json"]).run();
    ended.assert_code(0).assert_hides("canary-signature");
    stage.assert_nothing_left(&ended);
    assert_eq!(stage.deployed(), Some(stage.reference()));
    let report = crate::cli::lab::last_line(&ended);
    assert_eq!(
        report["results"][0]["image"]["revision"],
        json!(archive.sha256())
    );
    let port = &stage.lab.job(JOB).unwrap()["TaskGroups"][0]["Networks"][0]["DynamicPorts"][0];
    assert_eq!(port["To"], 7000);
}

#[test]
fn an_archive_of_another_digest_is_refused() {
    let Some(stage) = Stage::open() else { return };
    let archive = stage.archive(&[("Dockerfile", &stage.dockerfile(""))]);
    let mut params = stage.upload_params(&archive);
    params["sourceSha256"] = json!("0".repeat(64));
    let ended = stage.deploy(&params).run();
    stage.assert_fails(&ended, 1, archive.sha256());
}

#[test]
fn domains_are_asked_for_after_the_build_and_before_the_push() {
    let Some(mut stage) = Stage::open() else {
        return;
    };
    stage.repository(&[("Dockerfile", &stage.dockerfile("EXPOSE 8080\n"))]);
    let backend = stage.lab.backend();
    backend.script(
        "/api/local/ask-domain",
        9,
        crate::support::backend::Reply::Body(200, json!({"domain": "sub"}).to_string()),
    );
    stage.deploy(&stage.params()).run().assert_code(0);
    let order: Vec<String> = backend
        .requests()
        .iter()
        .map(
            |request| match request.path.rsplit('/').find(|part| !part.is_empty()) {
                Some("update") => format!(
                    "{} {}",
                    request.body["step"].as_str().unwrap(),
                    request.body["status"].as_str().unwrap()
                ),
                other => other.unwrap_or_default().to_owned(),
            },
        )
        .collect();
    let place = |what: &str| {
        order
            .iter()
            .position(|one| one == what)
            .unwrap_or_else(|| panic!("{what}: {order:?}"))
    };
    assert!(place("build completed") < place("ask-domain"), "{order:?}");
    assert!(place("ask-domain") < place("service-update"), "{order:?}");
    assert!(
        place("service-update") < place("push in_progress"),
        "{order:?}"
    );
    let updates = backend.requests_to("/api/local/service-update/");
    let network = &updates[0].body["network"][0];
    assert_eq!(network["domain"], "sub.cluster.example");
    assert_eq!(
        (&network["type"], &network["public"]),
        (&json!("http"), &json!(true))
    );
    let tags = &stage.lab.job(JOB).unwrap()["TaskGroups"][0]["Services"][0]["Tags"];
    assert!(
        tags.as_array()
            .unwrap()
            .contains(&json!("urlprefix-sub.cluster.example")),
        "{tags}"
    );
}
