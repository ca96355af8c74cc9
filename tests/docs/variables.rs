//! Every `CS_…` that a page names is one of the code, and every one of the code is in docs/configuration.md.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::markdown::{Page, all};
use super::repository;

/// Names of the code that are no variables that somebody sets.
const NO_SETTINGS: [(&str, &str); 7] = [
    ("CS_JOB_ID", "parameter of a Jenkins job"),
    ("CS_DEPLOYMENT_ID", "parameter of a Jenkins job"),
    ("CS_RUN_ID", "parameter of a Jenkins job"),
    ("CS_SERVER_URL", "printed by cs serve"),
    ("CS_RUNNER_HEALTH", "printed by cs runner agent"),
    ("CS_COMMIT", "read while it is built"),
    ("CS_COMMIT_DATE", "read while it is built"),
];

/// In front of names that users choose themselves, and of what the build tells the program.
const FREE: [&str; 2] = ["CS_WORKLOAD_", "CS_BUILD_"];

fn is_free(name: &str) -> bool {
    FREE.iter().any(|begin| name.starts_with(begin))
}

/// `CS_…` names in a text, and where each stands first.
fn names(text: &str) -> BTreeMap<String, usize> {
    let mut names = BTreeMap::new();
    for (index, line) in text.lines().enumerate() {
        for (at, _) in line.match_indices("CS_") {
            let before = line[..at].chars().next_back();
            if before.is_some_and(|c| c.is_ascii_alphanumeric() || c == '_') {
                continue;
            }
            let is_part = |c: &char| c.is_ascii_uppercase() || c.is_ascii_digit() || *c == '_';
            let name: String = line[at..].chars().take_while(is_part).collect();
            names.entry(name).or_insert(index + 1);
        }
    }
    names
}

/// `CS_…` names in quotes, in the files below a folder.
fn quoted_below(folder: &str, with_tests: bool) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for path in sources(&repository(folder)) {
        let text = std::fs::read_to_string(&path).expect("part of the repository");
        let product = if with_tests { &text } else { product(&text) };
        for part in product.split("\"CS_").skip(1) {
            let is_part = |c: &char| c.is_ascii_uppercase() || c.is_ascii_digit() || *c == '_';
            let name: String = part.chars().take_while(is_part).collect();
            found.insert(format!("CS_{name}"));
        }
    }
    found
}

/// `CS_…` names in a file, or in all files below a folder.
fn names_below(path: &Path) -> BTreeSet<String> {
    if path.is_dir() {
        let entries = std::fs::read_dir(path).expect("part of the repository");
        let paths = entries.map(|entry| entry.expect("readable").path());
        return paths.flat_map(|path| names_below(&path)).collect();
    }
    let bytes = std::fs::read(path).expect("part of the repository");
    names(&String::from_utf8_lossy(&bytes))
        .into_keys()
        .collect()
}

/// A file without its unit tests, which stand at its end.
pub(super) fn product(text: &str) -> &str {
    let end = text.find("#[cfg(test)]\nmod tests {");
    &text[..end.unwrap_or(text.len())]
}

/// The Rust files below a folder; files of unit tests only are left out.
pub(super) fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("part of the repository") {
        let path = entry.expect("readable").path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|end| end == "rs") && !path.ends_with("tests.rs") {
            found.push(path);
        }
    }
    found
}

#[test]
fn every_variable_that_a_page_names_is_one_of_the_code() {
    let mut known = quoted_below("src", false);
    known.extend(quoted_below("tests", true));
    known.extend(NO_SETTINGS.map(|(name, _)| name.to_owned()));
    // Read by scripts, compose files and the like.
    for place in ["tests/run", "benches/run", "deploy"] {
        known.extend(names_below(&repository(place)));
    }
    let mut failures = Vec::new();
    for page in all() {
        for (name, line) in names(&page.text) {
            let is_family =
                known.iter().any(|known| known.starts_with(&name)) && name.ends_with('_');
            if !known.contains(&name) && !is_family && !is_free(&name) {
                failures.push(format!("{}: the code knows no {name}", page.place(line)));
            }
        }
    }
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}

#[test]
fn every_variable_of_the_code_is_in_the_page_of_the_configuration() {
    let page = Page::read("docs/configuration.md");
    let documented = names(&page.text);
    let missing: Vec<String> = quoted_below("src", false)
        .into_iter()
        .filter(|name| !NO_SETTINGS.iter().any(|(known, _)| known == name))
        .filter(|name| !is_free(name) && !documented.contains_key(name))
        .collect();
    assert!(
        missing.is_empty(),
        "docs/configuration.md says nothing of {missing:?}"
    );
}
