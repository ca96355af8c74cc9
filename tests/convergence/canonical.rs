//! `canonicalize` gives what Nomad stores: against pairs recorded from Nomad 2.0.6-dev, and against a Nomad on PATH.
//!
//! A pair is a file of tests/fixtures/canonical: `submitted` as a client wrote it, `stored` as `GET /v1/job/:id` gave it
//! back, without the members that the server counts. To record anew, after adding a file with `submitted` alone:
//! `cargo test --test suite record_the_pairs_anew -- --ignored`.

mod drift;
pub(crate) mod jobs;
mod nomad;

use std::fs;
use std::path::{Path, PathBuf};

use cs::clients::nomad::canonical::{SCALING_SERVER_MEMBERS, SERVER_MEMBERS, canonicalize};
use proptest::prelude::*;
use serde_json::{Value, json};

use nomad::Nomad;

fn fixtures() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/canonical");
    let entries = fs::read_dir(folder).expect("the fixtures are part of the repository");
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() > 20, "fixtures are missing");
    files
}

fn read(file: &Path) -> Value {
    serde_json::from_slice(&fs::read(file).unwrap()).unwrap()
}

fn canonical(job: &Value) -> Value {
    let mut job = job.clone();
    canonicalize(&mut job, "global");
    job
}

/// Takes out what the server counts and names, and what is empty in `stored` only because a default was taken out of it.
fn without_server_members(mut stored: Value) -> Value {
    let job = stored.as_object_mut().unwrap();
    for member in SERVER_MEMBERS {
        assert!(job.remove(member).is_some(), "Nomad always gives {member}");
    }
    for group in job["TaskGroups"].as_array_mut().unwrap() {
        if let Some(scaling) = group["Scaling"].as_object_mut() {
            for member in SCALING_SERVER_MEMBERS {
                let empty = if member == "ID" { json!("") } else { json!(0) };
                scaling.insert(member.to_owned(), empty);
            }
        }
    }
    stored
}

/// The first place where they differ.
fn difference(path: &str, left: &Value, right: &Value) -> Option<String> {
    match (left, right) {
        (Value::Object(a), Value::Object(b)) => {
            let members = a.keys().chain(b.keys().filter(|key| !a.contains_key(*key)));
            members
                .filter_map(|key| match (a.get(key), b.get(key)) {
                    (Some(x), Some(y)) => difference(&format!("{path}/{key}"), x, y),
                    (x, y) => Some(format!("{path}/{key}: {x:?} {y:?}")),
                })
                .next()
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            let mut pairs = a.iter().zip(b).enumerate();
            pairs.find_map(|(i, (x, y))| difference(&format!("{path}/{i}"), x, y))
        }
        _ => (left != right).then(|| format!("{path}: {left} {right}")),
    }
}

#[test]
fn every_recorded_job_becomes_what_nomad_stored() {
    for file in fixtures() {
        let pair = read(&file);
        let name = file.display();
        let ours = canonical(&pair["submitted"]);
        assert_eq!(difference("", &ours, &pair["stored"]), None, "{name}");
    }
}

#[test]
fn what_nomad_stored_stays_as_it_is() {
    for file in fixtures() {
        let pair = read(&file);
        let again = canonical(&pair["stored"]);
        assert_eq!(
            difference("", &again, &pair["stored"]),
            None,
            "{}",
            file.display()
        );
    }
}

#[test]
fn members_are_matched_without_regard_to_case() {
    for file in fixtures() {
        let submitted = &read(&file)["submitted"];
        let lower = lower_case_members(submitted);
        assert_eq!(
            difference("", &canonical(&lower), &canonical(submitted)),
            None
        );
    }
}

/// Lower-cases members, but not the keys that users choose.
fn lower_case_members(value: &Value) -> Value {
    const USERS: [&str; 13] = [
        "Meta",
        "Env",
        "Config",
        "Policy",
        "CanaryMeta",
        "TaggedAddresses",
        "Header",
        "GetterOptions",
        "GetterHeaders",
        "Args",
        "Target",
        "Connect",
        "Volumes",
    ];
    match value {
        Value::Object(members) => members
            .iter()
            .map(|(name, value)| {
                let value = match name.as_str() {
                    name if USERS.iter().any(|user| user.eq_ignore_ascii_case(name)) => {
                        value.clone()
                    }
                    _ => lower_case_members(value),
                };
                (name.to_lowercase(), value)
            })
            .collect(),
        Value::Array(list) => list.iter().map(lower_case_members).collect(),
        other => other.clone(),
    }
}

#[test]
fn the_region_of_the_agent_stands_for_none_and_for_global() {
    for (written, kept) in [
        (Value::Null, "west"),
        (json!("global"), "west"),
        (json!("east"), "east"),
    ] {
        let mut job = json!({ "ID": "a", "Region": written });
        canonicalize(&mut job, "west");
        assert_eq!(job["Region"], kept);
    }
}

#[test]
fn what_is_no_job_is_left_alone() {
    for odd in [
        json!(null),
        json!("x"),
        json!([1]),
        json!({"TaskGroups": "x", "ID": 7, "Update": 1}),
    ] {
        let mut job = odd.clone();
        canonicalize(&mut job, "global");
        canonicalize(&mut job, "global");
    }
}

proptest! {
    /// From any job: applying it twice is applying it once.
    #[test]
    fn canonicalizing_twice_changes_nothing_more(seed: u64) {
        let once = canonical(&jobs::any_job(seed, "j"));
        prop_assert_eq!(difference("", &canonical(&once), &once), None);
    }
}

/// Registers jobs with a real Nomad and compares; ends by registering what was stored, which must change nothing.
#[test]
fn a_real_nomad_stores_the_same() {
    let Some(nomad) = Nomad::start() else {
        println!("skipped: no `nomad` on PATH");
        return;
    };
    let recorded = fixtures()
        .into_iter()
        .map(|file| read(&file)["submitted"].clone());
    let generated = (0..150).map(|seed| jobs::any_job(seed, &format!("generated-{seed}")));
    let (mut accepted, mut refused, mut wrong) = (0, Vec::new(), Vec::new());
    for job in recorded.chain(generated) {
        match nomad.register(&job) {
            Ok(stored) => {
                let stored = without_server_members(stored);
                let found = difference("", &canonical(&job), &stored);
                wrong.extend(found.map(|found| format!("{} {found}", job["ID"])));
                drift::assert_no_drift(&job, &stored);
                accepted += 1;
            }
            Err(reason) => refused.push(reason),
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
    assert!(
        refused.len() * 10 < accepted,
        "{accepted} accepted, {} refused, e.g. {:#?}",
        refused.len(),
        &refused[..5.min(refused.len())]
    );
}

#[test]
#[ignore = "writes the fixtures"]
fn record_the_pairs_anew() {
    let nomad = Nomad::start().expect("a `nomad` on PATH");
    for file in fixtures() {
        let submitted = read(&file)["submitted"].clone();
        let stored = nomad
            .register(&submitted)
            .unwrap_or_else(|e| panic!("{}: {e}", file.display()));
        let pair = json!({ "submitted": submitted, "stored": without_server_members(stored) });
        fs::write(&file, format!("{pair:#}\n")).unwrap();
    }
}
