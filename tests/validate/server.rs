//! `--server`: what the cluster itself says.

use cs::simulator::{Effect, Matcher};

use super::{put, workload};
use crate::cli::lab::{Lab, rule};
use crate::support::env::{Ended, TestEnv};
use crate::support::nomad::RealNomad;

fn validate(lab: &Lab, arguments: &str) -> Ended {
    lab.env
        .cs(["validate", "--server"])
        .args(arguments.split(' '))
        .run()
}

fn native(name: &str, hcl: &str) -> String {
    let lines: String = hcl.lines().map(|line| format!("    {line}\n")).collect();
    format!(
        "apiVersion: cloudstation.io/v1\nkind: NomadJob\nmetadata: {{name: {name}}}\nspec:\n  hcl: |\n{lines}"
    )
}

const JOB: &str = r#"job "cache" {
  group "cache" {
    task "cache" {
      driver = "docker"
      config {
        image = "redis:7"
      }
    }
  }
}"#;

#[test]
fn jobs_that_nomad_takes_are_valid_and_nothing_is_written() {
    let lab = Lab::new();
    put(
        &lab.env,
        "specs/shop.yaml",
        workload("shop") + "  env: {A: {fromEnv: NOT_SET}}\n",
    );
    put(&lab.env, "specs/cache.yaml", native("cache", JOB));
    let ended = validate(&lab, "specs");
    ended
        .assert_code(0)
        .assert_says("checked 2 files, 2 resources: nothing wrong");
    assert_eq!(lab.registrations(), 0);
}

#[test]
fn what_nomad_refuses_is_a_finding() {
    let lab = Lab::new();
    put(
        &lab.env,
        "a.yaml",
        native(
            "cache",
            &JOB.replace("group \"cache\" {", "group \"cache\" {\n    count = -1"),
        ),
    );
    let ended = validate(&lab, "a.yaml");
    ended.assert_code(3);
    assert!(
        ended
            .stdout
            .starts_with("a.yaml:3:18: error[nomad-refused]: Nomad says: "),
        "{ended}"
    );
    put(
        &lab.env,
        "a.yaml",
        native("cache", &JOB.replace("\"docker\"", "var.moon")),
    );
    let ended = validate(&lab, "a.yaml");
    ended.assert_code(3);
    // At the place in the specification that Nomad names.
    assert!(ended.stdout.contains("error[nomad-parse]: "), "{ended}");
}

#[test]
fn what_nomad_warns_of_is_a_warning() {
    let lab = Lab::new();
    let body = r#"{"DriverConfigValidated":true,"ValidationErrors":null,"Error":"","Warnings":"1 warning:\n\n* odd"}"#;
    let answer = rule(
        Matcher::new("PUT", "/v1/validate/job"),
        Effect::Error {
            status: 200,
            body: body.to_owned(),
        },
    );
    lab.nomad.set_faults(answer);
    put(&lab.env, "a.yaml", workload("a"));
    let ended = validate(&lab, "a.yaml");
    ended.assert_code(0);
    assert!(
        ended
            .stdout
            .contains("warning[nomad-warning]: Nomad says: 1 warning: * odd"),
        "{ended}"
    );
}

#[test]
fn policies_see_jobs_that_only_nomad_can_parse() {
    let lab = Lab::new();
    put(&lab.env, "a.yaml", native("cache", JOB));
    put(
        &lab.env,
        "p.yaml",
        "apiVersion: cloudstation.io/v1\nkind: Policies\npolicies:\n  - {name: p, expression: \"job.TaskGroups.size() == 2\", \
         message: two groups}\n",
    );
    let offline = lab
        .env
        .cs(["validate", "a.yaml", "--policy", "p.yaml"])
        .run();
    offline.assert_code(0);
    assert!(
        offline.stdout.contains("warning[policy-skipped]"),
        "{offline}"
    );
    let ended = validate(&lab, "a.yaml --policy p.yaml");
    ended.assert_code(3);
    assert!(
        ended
            .stdout
            .contains("a.yaml:3:18: error[policy]: two groups"),
        "{ended}"
    );
    assert!(!ended.stdout.contains("policy-skipped"), "{ended}");
}

#[test]
fn a_cluster_that_cannot_be_asked_ends_with_2_after_what_was_found_without_it() {
    let mut lab = Lab::new();
    lab.env.set("NOMAD_ADDR", "http://127.0.0.1:1");
    put(&lab.env, "a.yaml", workload("a").replace(":1.27", ""));
    let ended = validate(&lab, "a.yaml");
    ended
        .assert_code(2)
        .assert_says("cannot reach Nomad")
        .assert_says("cs doctor");
    assert!(ended.stdout.contains("image-tag"), "{ended}");
}

#[test]
fn many_jobs_are_asked_about_a_few_at_a_time() {
    let lab = Lab::new();
    for number in 0..100 {
        put(
            &lab.env,
            &format!("specs/{number}.yaml"),
            workload(&format!("w{number}")),
        );
    }
    validate(&lab, "specs")
        .assert_code(0)
        .assert_says("100 resources: nothing wrong");
}

/// What the simulator is for, asked of the real one.
#[test]
fn a_real_nomad_takes_good_jobs_and_names_what_is_wrong_with_bad_ones() {
    let Some(nomad) = RealNomad::shared() else {
        return;
    };
    let mut env = TestEnv::new();
    env.set("NOMAD_ADDR", nomad.address());
    put(&env, "good/shop.yaml", workload("shop"));
    put(&env, "good/cache.yaml", native("cache", JOB));
    env.cs(["validate", "--server", "good"])
        .run()
        .assert_code(0);
    for (hcl, part) in [
        (
            JOB.replace("driver = \"docker\"", "drvr = \"docker\""),
            "Unsupported argument",
        ),
        (
            JOB.replace("group \"cache\" {", "group \"cache\" {\n    count = -1"),
            "count",
        ),
        (JOB.replace("\"redis:7\"", "var.image"), "image"),
    ] {
        put(&env, "bad.yaml", native("cache", &hcl));
        let ended = env.cs(["validate", "--server", "bad.yaml"]).run();
        ended.assert_code(3);
        assert!(
            ended.stdout.contains("error[nomad-refused]: Nomad says: "),
            "{ended}"
        );
        assert!(ended.stdout.contains(part), "{part}\n{ended}");
    }
}
