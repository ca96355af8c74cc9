//! `cs convert`, `cs render`, `cs schema`: the middle of the loop, without a cluster.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::lab::image_with;
use crate::support::env::{Invocation, TestEnv};

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn entries(folder: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(repository(folder)).expect("it is part of the repository");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(!paths.is_empty(), "nothing in {folder}");
    paths
}

/// Task and params of every golden case, by name.
fn golden() -> Vec<(String, String, String)> {
    let read = |path: PathBuf| std::fs::read_to_string(path).unwrap();
    entries("tests/fixtures/golden")
        .into_iter()
        .filter(|path| path.is_dir())
        .map(|path| {
            let case: Value = serde_json::from_str(&read(path.join("case.json"))).unwrap();
            let params =
                read(path.join("params.json")).replace("@NOMAD_ADDR@", "http://127.0.0.1:4646");
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            (name, case["task"].as_str().unwrap().to_owned(), params)
        })
        .collect()
}

fn from_params(env: &TestEnv, command: &str, task: &str, params: &str) -> Invocation {
    env.cs([command, "--task", task, "--params", "-"])
        .stdin(params)
}

#[test]
fn a_converted_spec_renders_to_the_job_of_its_params() {
    let env = TestEnv::new();
    for (name, task, params) in golden() {
        let direct = from_params(&env, "render", &task, &params).run();
        direct.assert_code(0);
        for format in ["yaml", "json"] {
            let spec = from_params(&env, "convert", &task, &params)
                .args(["-o", format])
                .run();
            spec.assert_code(0);
            let through = env.cs(["render", "-f", "-"]).stdin(&spec.stdout).run();
            through.assert_code(0);
            assert_eq!(through.stdout, direct.stdout, "{name} through {format}");
        }
        assert_eq!(direct.stdout.lines().count(), 1, "{name}");
        assert!(direct.document()["Job"]["ID"].is_string(), "{name}");
    }
}

#[test]
fn hcl_is_hcl_and_names_the_job() {
    let env = TestEnv::new();
    for (name, task, params) in golden() {
        let rendered = from_params(&env, "render", &task, &params)
            .args(["-o", "hcl"])
            .run();
        rendered.assert_code(0);
        let body: hcl::Body =
            hcl::from_str(&rendered.stdout).unwrap_or_else(|error| panic!("{name}: {error}"));
        let job = body.blocks().next().unwrap();
        let params: Value = serde_json::from_str(&params).unwrap();
        assert_eq!(job.identifier(), "job", "{name}");
        assert_eq!(
            job.labels()[0].as_str(),
            params["jobId"].as_str().unwrap(),
            "{name}"
        );
    }
}

#[test]
fn every_example_renders_one_line_a_document() {
    let env = TestEnv::new();
    let specs = entries("specs");
    for spec in &specs {
        let documents = std::fs::read_to_string(spec)
            .unwrap()
            .matches("kind: Workload")
            .count();
        let ended = env.cs(["render", "-f"]).arg(spec).run();
        ended.assert_code(0);
        let jobs: Vec<Value> = ended
            .stdout
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(jobs.len(), documents, "{}", spec.display());
        assert!(jobs.iter().all(|job| job["Job"]["TaskGroups"].is_array()));
    }
    let all = env.cs(["render", "-f"]).args(&specs).run();
    all.assert_code(0);
    assert!(all.stdout.lines().count() >= specs.len());
}

#[test]
fn findings_name_file_line_and_column() {
    let env = TestEnv::new();
    for path in entries("tests/fixtures/invalid") {
        if path.extension().is_none_or(|extension| extension != "yaml") {
            continue;
        }
        let ended = env.cs(["render", "-f"]).arg(&path).run();
        ended.assert_code(3);
        assert_eq!(ended.stdout, "", "{ended}");
        let expected = std::fs::read_to_string(path.with_extension("expected")).unwrap();
        // Rendering is offline: secrets are not looked up.
        let found = expected
            .lines()
            .filter(|line| !line.contains(" secret-missing "));
        for line in found {
            let place = line.split_once(' ').unwrap().0;
            ended.assert_says(&format!("{}:{place}: error[", path.display()));
        }
    }
}

#[test]
fn one_bad_file_among_good_ones_prints_no_job_and_names_only_itself() {
    let env = TestEnv::new();
    let good = repository("specs/web.yaml");
    let bad = env.file(
        "bad.yaml",
        "apiVersion: cloudstation.io/v1\nkind: Workload\nmetadata: {name: a}\nspec: {sorce: {}}\n",
    );
    let ended = env.cs(["render", "-f"]).arg(&good).arg(&bad).run();
    ended
        .assert_code(3)
        .assert_says("bad.yaml:4:")
        .assert_says("source");
    assert_eq!(ended.stdout, "");
    assert!(!ended.stderr.contains("web.yaml"), "{ended}");
}

#[test]
fn files_that_cannot_be_read_are_named() {
    let env = TestEnv::new();
    let ended = env.cs(["render", "-f", "nowhere.yaml"]).run();
    ended
        .assert_code(2)
        .assert_says("nowhere.yaml: error[not-found]");
    let file = env.file("latin1.yaml", b"name: caf\xe9\n");
    let ended = env.cs(["render", "-f"]).arg(file).run();
    ended
        .assert_code(2)
        .assert_says("latin1.yaml:1: error[not-utf8]: is not UTF-8");
    let ended = env.cs(["convert", "--params", "nowhere.json"]).run();
    ended.assert_code(2).assert_says("cannot read nowhere.json");
    let ended = env.cs(["render", "-f", "."]).run();
    assert_eq!(ended.code, Some(2), "{ended}");
}

#[test]
fn an_empty_file_is_no_silent_success() {
    let env = TestEnv::new();
    let ended = env.cs(["render", "-f", "-"]).stdin("").run();
    ended.assert_code(3).assert_says("- holds no document");
}

#[test]
fn a_spec_from_params_holds_no_secret() {
    let env = TestEnv::new();
    let params = image_with(json!({
        "nomadToken": "s3cr3t-nomad", "accessToken": "s3cr3t-access", "backendUrl": "https://backend.example",
        "vaultAddress": "https://vault.example", "roleId": "s3cr3t-role", "secretId": "s3cr3t-secret", "secretsPath": "a/data/b",
    }));
    for command in ["convert", "render"] {
        let ended = from_params(&env, command, "deploy-image", &params.to_string()).run();
        ended.assert_code(0).assert_hides("s3cr3t");
    }
    let params = image_with(json!({
        "repository": "acme/shop", "branch": "main", "gitPass": "s3cr3t-git",
        "build": {"registryUsername": "s3cr3t-user", "registryPassword": "s3cr3t-password"},
    }));
    let ended = from_params(&env, "convert", "deploy-repository", &params.to_string()).run();
    ended.assert_code(0).assert_hides("s3cr3t");
}

#[test]
fn a_converted_spec_is_valid_against_the_schema_that_is_printed() {
    let env = TestEnv::new();
    let schema = env.cs(["schema"]).run().document();
    let validator = jsonschema::draft7::new(&schema).unwrap();
    for (name, task, params) in golden() {
        let spec = from_params(&env, "convert", &task, &params)
            .args(["-o", "json"])
            .run()
            .document();
        let errors: Vec<String> = validator
            .iter_errors(&spec)
            .map(|error| error.to_string())
            .collect();
        assert!(errors.is_empty(), "{name}: {errors:?}");
    }
}

#[test]
fn what_cannot_be_converted_is_refused_as_reconcile_refuses_it() {
    let env = TestEnv::new();
    let destroy =
        json!({"jobs": [{"jobId": "a", "serviceId": "b"}], "reason": "delete"}).to_string();
    for command in ["convert", "render"] {
        from_params(&env, command, "destroy-job-pack", &destroy)
            .run()
            .assert_code(2)
            .assert_says("describes no workload");
        from_params(&env, command, "deploy-moon", "{}")
            .run()
            .assert_code(2)
            .assert_says("unknown task type");
        from_params(&env, command, "deploy-image", "%%%")
            .run()
            .assert_code(2)
            .assert_says("failed to parse");
        from_params(&env, command, "deploy-image", "{}")
            .run()
            .assert_code(3)
            .assert_says("jobId is required");
    }
}

#[test]
fn the_task_defaults_to_the_variable_and_then_to_an_image() {
    let env = TestEnv::new();
    let params = image_with(json!({"repository": "acme/shop", "branch": "main"})).to_string();
    let convert = || env.cs(["convert", "--params", "-"]).stdin(&params);
    assert!(!convert().run().stdout.contains("git:"));
    let ended = convert().var("NOMAD_META_TASK", "deploy-repository").run();
    assert!(ended.stdout.contains("git:"), "{ended}");
}
