//! `cs import`: the spec of a job that runs already has an empty plan.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::stage::{Stage, documents, job};
use crate::convergence::canonical::jobs::any_job;

/// Jobs of all types with all kinds of blocks: recorded ones and ones of a generator.
fn varied(prefix: &str) -> Vec<Value> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/canonical");
    let entries = fs::read_dir(folder).expect("the fixtures are part of the repository");
    let mut files: Vec<_> = entries
        .map(|entry| entry.expect("readable").path())
        .collect();
    files.sort();
    let mut jobs: Vec<Value> = files
        .iter()
        .map(|file| {
            let pair: Value =
                serde_json::from_slice(&fs::read(file).expect("a file")).expect("JSON");
            pair["submitted"].clone()
        })
        .collect();
    jobs.extend((0..50).map(|seed| any_job(seed, "any")));
    for (at, job) in jobs.iter_mut().enumerate() {
        let id = format!("{prefix}{at}");
        let members = job.as_object_mut().expect("an object");
        // Spelled as somebody liked.
        members.retain(|name, _| {
            !["id", "constraints"]
                .iter()
                .any(|word| name.eq_ignore_ascii_case(word))
        });
        members.insert("ID".to_owned(), id.into());
        // Nothing runs.
        let nowhere = json!({"LTarget": "${attr.kernel.name}", "Operand": "=", "RTarget": "plan9"});
        members.insert("Constraints".to_owned(), json!([nowhere]));
    }
    jobs
}

/// Takes a member out, wherever it stands.
fn remove(value: &mut Value, member: &str) {
    match value {
        Value::Object(members) => {
            members.retain(|name, _| !name.eq_ignore_ascii_case(member));
            members.values_mut().for_each(|inner| remove(inner, member));
        }
        Value::Array(items) => items.iter_mut().for_each(|inner| remove(inner, member)),
        _ => {}
    }
}

fn every_import_has_an_empty_plan(stage: &Stage, prefix: &str) {
    let mut refusals = Vec::new();
    let mut registered = Vec::new();
    for mut job in varied(prefix) {
        let mut answer = stage.register(&job);
        if matches!(&answer, Err(refusal) if refusal.contains("Vault")) {
            // This cluster has none.
            remove(&mut job, "Vault");
            answer = stage.register(&job);
        }
        match answer {
            Ok(()) => registered.push(job["ID"].as_str().unwrap_or_default().to_owned()),
            Err(refusal) => refusals.push(refusal),
        }
    }
    assert!(registered.len() > 60, "{refusals:#?}");
    for secrets in ["--include-secrets", "--leave-secrets"] {
        let arguments = format!("--prefix {prefix} --kind NomadJob {secrets}");
        let ended = stage.import(&arguments).run();
        // A few hold templates that no place can name.
        if secrets == "--include-secrets" {
            ended.assert_code(0);
        }
        let documents = documents(&ended.stdout);
        if ended.code == Some(0) {
            assert_eq!(documents.len(), registered.len(), "{ended}");
        }
        for document in &documents {
            let drift = stage.plan(document);
            assert!(drift.is_empty(), "{}:\n{drift}", document.metadata.name);
        }
    }
    for id in &registered {
        stage.purge(id);
    }
}

#[test]
fn every_import_from_the_simulator_has_an_empty_plan() {
    every_import_has_an_empty_plan(&Stage::simulator(), "varied-");
}

#[test]
fn every_import_from_a_real_nomad_has_an_empty_plan() {
    let Some(stage) = Stage::real() else { return };
    every_import_has_an_empty_plan(&stage, "import-varied-");
}

const HCL: &str = r#"variable "count" {
  type    = number
  default = 1
}

# Comments stay.
job "ID" {
  type = "batch"

  constraint {
    attribute = "${attr.kernel.name}"
    value     = "plan9"
  }

  group "g" {
    count = COUNT

    task "t" {
      driver = "raw_exec"

      config {
        command = "/bin/true"
      }
    }
  }
}
"#;

/// Registers what the text evaluates to, with the text beside it, as Nomad's own command line does.
fn run_hcl(stage: &Stage, text: &str, id: &str, flags: Value) {
    let variables: String = flags
        .as_object()
        .expect("an object")
        .iter()
        .map(|(name, value)| format!("{name} = {value}\n"))
        .collect();
    let job = stage.parsed(text, &variables);
    assert_eq!(job["ID"], id);
    let body = json!({"Job": job, "Submission": {
        "Source": text, "Format": "hcl2", "Variables": "", "VariableFlags": flags}});
    stage.register_with(&body).expect("it is taken");
}

fn the_source_is_kept_while_it_says_what_runs(stage: &Stage, id: &str) {
    // Simulated parsing evaluates no variables.
    let text = HCL.replace("ID", id).replace("COUNT", "3");
    let text = text.split_once("\n\n").expect("a head").1;
    run_hcl(stage, text, id, json!({}));
    let ended = stage.import(id).run();
    ended.assert_code(0);
    let document = &documents(&ended.stdout)[0];
    assert_eq!(document.spec.hcl.as_deref(), Some(text), "{ended}");
    assert!(
        ended.stdout.contains("\n  hcl: |\n    # Comments stay.\n"),
        "{ended}"
    );
    assert!(stage.plan(document).is_empty());
    let plain = stage.import(&format!("{id} -o hcl")).run();
    plain.assert_code(0);
    assert_eq!(plain.stdout, text);

    // Changed by hand since.
    let mut job = stage.job(id);
    job["Priority"] = 77.into();
    let body = json!({"Job": job, "Submission": {"Source": text, "Format": "hcl2"}});
    stage.register_with(&body).expect("it is taken");
    let ended = stage.import(id).run();
    let document = &documents(&ended.stdout)[0];
    assert_eq!(document.spec.hcl, None);
    assert_eq!(document.spec.job.as_ref().expect("a job")["Priority"], 77);
    assert!(stage.plan(document).is_empty());
    stage
        .import(&format!("{id} -o hcl"))
        .run()
        .assert_code(1)
        .assert_says("says something else than what runs");
    stage.purge(id);
}

#[test]
fn the_simulator_gives_the_source_back() {
    the_source_is_kept_while_it_says_what_runs(&Stage::simulator(), "sourced");
}

#[test]
fn a_real_nomad_gives_the_source_back() {
    let Some(stage) = Stage::real() else { return };
    the_source_is_kept_while_it_says_what_runs(&stage, "import-sourced");
}

#[test]
fn a_real_nomads_variables_come_along() {
    let Some(stage) = Stage::real() else { return };
    let id = "import-variables";
    let text = HCL.replace("ID", id).replace("COUNT", "var.count");
    run_hcl(&stage, &text, id, json!({"count": "4"}));
    let ended = stage.import(id).run();
    ended.assert_code(0);
    let document = &documents(&ended.stdout)[0];
    assert_eq!(document.spec.variables["count"], "4");
    assert!(stage.plan(document).is_empty());
    stage.purge(id);
}

#[test]
fn a_spec_says_only_what_is_not_a_default_and_reads_well() {
    let stage = Stage::simulator();
    stage.register(&job("shop")).expect("it is taken");
    let ended = stage.import("shop").run();
    ended.assert_code(0);
    assert_eq!(
        ended.stdout,
        "\
# yaml-language-server: $schema=../schemas/cloudstation.io_v1.json
apiVersion: cloudstation.io/v1
kind: NomadJob
metadata:
  name: shop
  namespace: default
spec:
  job:
    ID: shop
    Type: service
    Constraints:
    - LTarget: ${attr.kernel.name}
      Operand: \"=\"
      RTarget: plan9
    TaskGroups:
    - Name: web
      Count: 2
      RestartPolicy:
        Attempts: 7
      Tasks:
      - Name: app
        Driver: raw_exec
        Config:
          args:
          - -x
          - \"5\"
          command: /bin/true
        Resources:
          CPU: 50
          MemoryMB: 32
"
    );
    ended.assert_says("belongs to nobody");
    let again = stage.import("shop -o json").run();
    again.assert_code(0);
    let value: Value = serde_json::from_str(&again.stdout).expect("one JSON object");
    assert_eq!(value["spec"]["job"]["TaskGroups"][0]["Count"], 2);
}

#[test]
fn several_jobs_are_several_documents_in_the_order_of_the_names() {
    let stage = Stage::simulator();
    for id in ["b", "a"] {
        stage.register(&job(id)).expect("it is taken");
    }
    let names = |arguments: &str| -> Vec<String> {
        let ended = stage.import(arguments).run();
        ended.assert_code(0);
        let documents = documents(&ended.stdout).into_iter();
        documents.map(|document| document.metadata.name).collect()
    };
    assert_eq!(names("b a"), ["b", "a"]);
    assert_eq!(names("--all"), ["a", "b"]);
    let lines = stage.import("b a -o json").run();
    assert_eq!(lines.stdout.lines().count(), 2, "{lines}");
    stage
        .import("a b -o hcl")
        .run()
        .assert_code(2)
        .assert_says("HCL describes one job a file");
}

#[test]
fn a_stopped_job_stays_stopped() {
    let stage = Stage::simulator();
    stage.register(&job("shop")).expect("it is taken");
    let id = "shop".parse().expect("a valid id");
    let stopped = stage.runtime.block_on(stage.client.deregister(&id, false));
    stopped.expect("it can be stopped");
    let ended = stage.import("shop").run();
    ended.assert_code(0).assert_says("is stopped");
    let document = &documents(&ended.stdout)[0];
    assert_eq!(document.spec.job.as_ref().expect("a job")["Stop"], true);
    assert!(stage.plan(document).is_empty());
}
