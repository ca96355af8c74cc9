//! `cs import` where it must not write, or cannot.

use serde_json::json;

use super::stage::{Stage, documents, job};

/// A job that holds things that may be secrets.
fn with_secrets() -> serde_json::Value {
    let mut job = job("shop");
    let task = &mut job["TaskGroups"][0]["Tasks"][0];
    task["Env"] = json!({"DB_URL": "canary-env", "PORT": "${NOMAD_PORT_http}"});
    task["Templates"] = json!([{"DestPath": "local/app.conf", "EmbeddedTmpl": "canary-template"}]);
    job
}

#[test]
fn values_that_may_be_secrets_are_not_written_unasked() {
    let stage = Stage::simulator();
    stage.register(&with_secrets()).expect("it is taken");
    for output in ["yaml", "json", "hcl"] {
        let ended = stage.import(&format!("shop -o {output}")).run();
        ended
            .assert_code(9)
            .assert_says("TaskGroups[web].Tasks[app].Env.DB_URL")
            .assert_says("TaskGroups[web].Tasks[app].Templates[local/app.conf].EmbeddedTmpl")
            .assert_says("--leave-secrets")
            .assert_hides("canary");
        assert_eq!(ended.stdout, "");
    }
}

#[test]
fn values_that_are_left_in_the_cluster_are_places_in_the_spec() {
    let stage = Stage::simulator();
    stage.register(&with_secrets()).expect("it is taken");
    let ended = stage.import("shop --leave-secrets").run();
    ended
        .assert_code(0)
        .assert_hides("canary")
        .assert_says("2 value(s) of `shop` stay in the cluster only");
    let document = &documents(&ended.stdout)[0];
    assert_eq!(
        document.spec.ignore_fields,
        [
            "/TaskGroups/web/Tasks/app/Env/DB_URL",
            "/TaskGroups/web/Tasks/app/Templates/local~1app.conf/EmbeddedTmpl",
        ]
    );
    assert!(stage.plan(document).is_empty());
    let env = &document.spec.job.as_ref().expect("a job")["TaskGroups"][0]["Tasks"][0]["Env"];
    assert_eq!(*env, json!({"PORT": "${NOMAD_PORT_http}"}));
}

#[test]
fn values_are_written_when_somebody_says_so() {
    let stage = Stage::simulator();
    stage.register(&with_secrets()).expect("it is taken");
    let ended = stage.import("shop --include-secrets").run();
    ended.assert_code(0);
    assert!(ended.stdout.contains("canary-env") && ended.stdout.contains("canary-template"));
    assert!(!ended.stderr.contains("canary"), "{ended}");
    assert!(stage.plan(&documents(&ended.stdout)[0]).is_empty());
}

#[test]
fn a_missing_job_is_named_with_what_was_probably_meant() {
    let stage = Stage::simulator();
    stage.register(&job("shop")).expect("it is taken");
    let ended = stage.import("shop shpo").run();
    ended
        .assert_code(1)
        .assert_says("error: there is no job `shpo` in namespace `default`")
        .assert_says("help: did you mean `shop`?");
    assert_eq!(
        ended.stdout, "",
        "half of what was asked for is not written"
    );
    let elsewhere = stage.import("shop -n prod").run();
    elsewhere
        .assert_code(1)
        .assert_says("there is no job `shop` in namespace `prod`");
    stage
        .import("--prefix x")
        .run()
        .assert_code(1)
        .assert_says("there is no such job in namespace `default`");
}

#[test]
fn a_run_of_another_job_is_not_imported() {
    let stage = Stage::simulator();
    let mut parent = job("report");
    parent["Type"] = "batch".into();
    parent["ParameterizedJob"] = json!({});
    stage.register(&parent).expect("it is taken");
    let id = "report".parse().expect("a valid id");
    let started = stage
        .runtime
        .block_on(stage.client.dispatch(&id, &Default::default()))
        .expect("it starts");
    stage
        .import(&started.dispatched_job_id)
        .run()
        .assert_code(2)
        .assert_says("is a run of `report`")
        .assert_says("import the job that starts it");
    let all = stage.import("--all").run();
    all.assert_code(0);
    assert_eq!(documents(&all.stdout).len(), 1, "{all}");
}

#[test]
fn a_wrong_command_line_says_what_is_right() {
    let stage = Stage::simulator();
    for (arguments, says) in [
        ("", "required"),
        ("shop --all", "cannot be used with"),
        (
            "shop --include-secrets --leave-secrets",
            "cannot be used with",
        ),
        ("a\u{7f}b", "job id must not contain control characters"),
        (
            "shop -o hcl --kind Workload",
            "HCL is the source of a NomadJob",
        ),
    ] {
        stage
            .import(arguments)
            .run()
            .assert_code(2)
            .assert_says(says);
    }
    let help = stage.import("--help").run();
    help.assert_code(0);
    assert!(
        help.stdout.contains("Examples:\n  cs import shop"),
        "{help}"
    );
}

#[test]
fn a_cluster_that_does_not_answer_is_said_in_one_error() {
    let stage = Stage::simulator();
    stage
        .import("shop")
        .var("NOMAD_ADDR", "http://127.0.0.1:1")
        .run()
        .assert_code(1)
        .assert_says("cannot reach Nomad");
}
