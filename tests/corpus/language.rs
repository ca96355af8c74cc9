//! The simulator reads the job specification language as Nomad does.

use std::collections::BTreeMap;
use std::path::Path;

use cs::clients::nomad::canonical::canonicalize;
use serde_json::{Value, json};

use super::lab::id_of;
use super::{CorpusJob, Lab, corpus, on_both};

on_both!(
    every_job_of_the_corpus_is_read_and_has_an_id_of_its_own,
    expressions_have_the_recorded_values,
    mistakes_are_told_in_the_recorded_words,
);

async fn every_job_of_the_corpus_is_read_and_has_an_id_of_its_own(lab: &Lab) {
    let mut seen = BTreeMap::new();
    for file in corpus() {
        for job in file.jobs() {
            let id = id_of(&lab.job(&job).await);
            assert!(!id.is_empty(), "{}", file.name);
            if let Some(other) = seen.insert(id.clone(), file.name.clone()) {
                panic!("{id} is in {other} and in {}", file.name);
            }
        }
    }
}

/// A file of tests/fixtures/hcl, recorded from Nomad 2.0.6-dev.
fn recorded(name: &str) -> Value {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/hcl");
    let text = std::fs::read_to_string(folder.join(name)).expect("the records can be read");
    serde_json::from_str(&text).expect("the records are JSON")
}

/// A driver's configuration takes every value as it is.
async fn expressions_have_the_recorded_values(lab: &Lab) {
    let mut wrong = Vec::new();
    for (expression, expected) in recorded("expressions.json").as_object().unwrap() {
        let text = format!(
            "job \"a\" {{\n  group \"g\" {{\n    task \"t\" {{\n      config {{\n        v = ({expression})\n      }}\n    }}\n  }}\n}}\n"
        );
        let found = match lab.parse(&text, "").await {
            Ok(job) => json!({"value": job["TaskGroups"][0]["Tasks"][0]["Config"]["v"]}),
            Err(error) => json!({"error": error}),
        };
        if found != *expected {
            wrong.push(format!("{expression}\n  {found}\n  {expected}"));
        }
    }
    assert!(
        wrong.is_empty(),
        "found, then recorded:\n{}",
        wrong.join("\n")
    );
}

async fn mistakes_are_told_in_the_recorded_words(lab: &Lab) {
    let mut wrong = Vec::new();
    for mistake in recorded("mistakes.json").as_array().unwrap() {
        let text = |member: &str| mistake[member].as_str().unwrap();
        let found = match lab.parse(text("hcl"), text("variables")).await {
            Ok(_) => "nothing is wrong".to_owned(),
            Err(error) => error,
        };
        if in_order(&found) != in_order(text("error")) {
            let name = text("name");
            wrong.push(format!("{name}\n{found}\n  recorded:\n{}", text("error")));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

/// Nomad reports the arguments of a block in any order.
fn in_order(error: &str) -> Vec<String> {
    let error = error.trim_start_matches("Failed to parse job: ");
    // A mistake of syntax makes others, depending on how a parser goes on.
    let end = error
        .rfind(", and ")
        .filter(|end| error[*end..].ends_with("other diagnostic(s)"));
    let lines = error[..end.unwrap_or(error.len())].lines();
    let mut lines: Vec<String> = lines.map(str::to_owned).collect();
    lines.sort();
    lines
}

/// The first place where they differ. An empty list is as good as none.
pub(super) fn difference(path: &str, left: &Value, right: &Value) -> Option<String> {
    match (left, right) {
        (Value::Object(a), Value::Object(b)) => {
            let mut members = a.keys().chain(b.keys().filter(|key| !a.contains_key(*key)));
            members.find_map(|key| {
                let side = |side: &serde_json::Map<String, Value>| side.get(key).cloned();
                let (x, y) = (side(a).unwrap_or_default(), side(b).unwrap_or_default());
                difference(&format!("{path}/{key}"), &x, &y)
            })
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            let mut pairs = a.iter().zip(b).enumerate();
            pairs.find_map(|(at, (x, y))| difference(&format!("{path}/{at}"), x, y))
        }
        (Value::Array(list), Value::Null) | (Value::Null, Value::Array(list))
            if list.is_empty() =>
        {
            None
        }
        _ => (left != right).then(|| format!("{path}: {left} {right}")),
    }
}

#[tokio::test]
async fn both_read_the_same_job_from_every_file() {
    let Some(real) = Lab::real() else {
        return;
    };
    let simulator = Lab::simulator().await;
    let mut wrong = Vec::new();
    for file in corpus() {
        for job in file.jobs() {
            let CorpusJob::Hcl { text, variables } = &job else {
                continue;
            };
            let [ours, theirs] = [&simulator, &real].map(|lab| lab.parse(text, variables));
            let (ours, theirs) = (ours.await, theirs.await);
            let (mut ours, mut theirs) = match (ours, theirs) {
                (Ok(ours), Ok(theirs)) => (ours, theirs),
                (ours, theirs) => {
                    let refused = [ours, theirs].map(|side| side.err());
                    wrong.push(format!("{}: {refused:?}", file.name));
                    continue;
                }
            };
            canonicalize(&mut ours, "global");
            canonicalize(&mut theirs, "global");
            if let Some(found) = difference("", &ours, &theirs) {
                wrong.push(format!("{} {found}", file.name));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "simulator, then Nomad:\n{}",
        wrong.join("\n")
    );
}
