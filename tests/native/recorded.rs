//! Jobs as a real Nomad stored them: what is left of each is small, and registering it changes nothing.

use std::fs;
use std::path::Path;

use cs::clients::nomad::canonical::canonicalize;
use cs::importing::slim::slim;
use cs::importing::{drift, secret};
use serde_json::Value;

fn recorded() -> Vec<(String, Value)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/canonical");
    let entries = fs::read_dir(folder).expect("the fixtures are part of the repository");
    let mut jobs: Vec<(String, Value)> = entries
        .map(|entry| {
            let path = entry.expect("a readable folder").path();
            let pair: Value =
                serde_json::from_slice(&fs::read(&path).expect("a file")).expect("JSON");
            (path.display().to_string(), pair["stored"].clone())
        })
        .collect();
    jobs.sort_by(|a, b| a.0.cmp(&b.0));
    assert!(jobs.len() > 20, "fixtures are missing");
    jobs
}

fn members(value: &Value) -> usize {
    match value {
        Value::Object(object) => object.len() + object.values().map(members).sum::<usize>(),
        Value::Array(items) => items.iter().map(members).sum(),
        _ => 0,
    }
}

#[test]
fn what_is_left_of_a_job_is_the_same_job() {
    for (file, stored) in recorded() {
        let mut left = slim(&stored);
        assert_eq!(drift(&left, &stored, &[]).changes, [], "{file}");
        left["Namespace"] = stored["Namespace"].clone();
        canonicalize(&mut left, "global");
        assert_eq!(
            left, stored,
            "{file}: not even in places that a plan overlooks"
        );
    }
}

#[test]
fn what_is_left_cannot_be_made_smaller_by_a_member() {
    for (file, stored) in recorded().into_iter().take(8) {
        let left = slim(&stored);
        assert!(members(&left) * 2 < members(&stored), "{file}: {left:#}");
        assert_eq!(slim(&left), left, "{file}");
    }
}

#[test]
fn secrets_can_be_left_out_of_every_recorded_job() {
    for (file, stored) in recorded() {
        let mut left = slim(&stored);
        let found = secret::find(&left);
        match secret::leave(&mut left) {
            Ok(places) => {
                assert_eq!(places.len(), found.len());
                assert_eq!(drift(&left, &stored, &places).changes, [], "{file}");
            }
            Err(unnamed) => assert!(!unnamed.is_empty(), "{file}"),
        }
    }
}
