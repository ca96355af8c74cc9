//! Every folder under `tests/fixtures/invalid` is a set that gives exactly the findings of its file `expected`, one a line:
//! `file:line:column severity code path: part of the message`. Files `*.policies` are its policies.

use std::path::{Path, PathBuf};

use cs::manifests::Manifest;
use cs::spec::{Diagnostic, Severity, parse};
use cs::validation::policy::Policies;
use cs::validation::{Options, check, sorted};

use super::repository;

/// The files of a folder, sorted.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("the folder is part of the repository");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

/// The folders with a set each.
pub(super) fn sets() -> Vec<PathBuf> {
    let folders = files(&repository("tests/fixtures/invalid")).into_iter();
    let folders: Vec<PathBuf> = folders.filter(|path| path.is_dir()).collect();
    assert!(!folders.is_empty());
    folders
}

fn findings(folder: &Path) -> Vec<Diagnostic> {
    let mut policies = Policies::default();
    let mut manifests = Vec::new();
    let mut found = Vec::new();
    for path in files(folder) {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&path).unwrap();
        if name.ends_with(".yaml") {
            match parse(&name, &text) {
                Ok(documents) => manifests.extend(documents.into_iter().map(|document| Manifest {
                    document,
                    native: None,
                })),
                Err(findings) => found.extend(findings),
            }
        } else if name.ends_with(".policies") {
            found.extend(policies.read(&name, &text).err().unwrap_or_default());
        }
    }
    let options = Options {
        environment: &cs::config::Environment::default(),
        default_namespace: "default".parse().unwrap(),
        owner: "tests".parse().unwrap(),
        policies: &policies,
        judges_native_jobs_later: false,
    };
    found.extend(check(&manifests, &options));
    sorted(found)
}

/// A finding as the `expected` files write it, with the help behind it.
fn line(one: &Diagnostic) -> String {
    let severity = match one.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    format!(
        "{}:{}:{} {severity} {} {}: {} [{}]",
        one.file,
        one.line,
        one.column,
        one.code,
        one.path,
        one.message,
        one.help.as_deref().unwrap_or("-")
    )
}

/// Whether a found line is the expected one: same place, code and path, and the rest contains the expected part.
fn is_expected(expected: &str, found: &str) -> bool {
    expected.split_once(": ").is_some_and(|(place, part)| {
        found
            .split_once(": ")
            .is_some_and(|(found_place, rest)| found_place == place && rest.contains(part))
    })
}

#[test]
fn every_set_gives_its_findings_with_file_line_and_column() {
    let mut wrong = Vec::new();
    for folder in sets() {
        let expected = std::fs::read_to_string(folder.join("expected")).unwrap_or_default();
        let found: Vec<String> = findings(&folder).iter().map(line).collect();
        let same = !found.is_empty()
            && expected.lines().count() == found.len()
            && expected
                .lines()
                .zip(&found)
                .all(|(expected, found)| is_expected(expected, found));
        if !same {
            wrong.push(format!("=== {}\n{}\n", folder.display(), found.join("\n")));
        }
    }
    assert!(
        wrong.is_empty(),
        "these sets give other findings:\n{}",
        wrong.concat()
    );
}

#[test]
fn the_examples_are_a_set_without_errors() {
    let mut manifests = Vec::new();
    for path in files(&repository("specs")) {
        let text = std::fs::read_to_string(&path).unwrap();
        let documents = parse(&path.to_string_lossy(), &text).unwrap();
        manifests.extend(documents.into_iter().map(|document| Manifest {
            document,
            native: None,
        }));
    }
    let options = Options {
        environment: &cs::config::Environment::default(),
        default_namespace: "default".parse().unwrap(),
        owner: "tests".parse().unwrap(),
        policies: &Policies::default(),
        judges_native_jobs_later: false,
    };
    let errors: Vec<String> = check(&manifests, &options)
        .iter()
        .filter(|one| one.severity == Severity::Error)
        .map(line)
        .collect();
    assert!(errors.is_empty(), "{errors:#?}");
}
