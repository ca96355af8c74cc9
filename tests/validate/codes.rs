//! Every code that the program gives is explained, and every one that is explained is given by a fixture or a test.

use std::collections::BTreeSet;
use std::path::Path;

use cs::validation::rules;

use super::repository;
use super::sets::sets;

/// Codes that no file by itself gives, and the test that shows each.
const ELSEWHERE: [(&str, &str); 61] = [
    ("unreadable", "run::what_cannot_be_read_ends_with_2"),
    ("not-utf8", "run::what_cannot_be_read_ends_with_2"),
    ("too-large", "spec::invalid"),
    ("too-complex", "spec::invalid"),
    ("second-document", "spec::single"),
    ("secret-missing", "spec::invalid"),
    ("source-not-built", "spec::invalid"),
    ("deprecated-field", "validation::deprecated"),
    ("nomad-refused", "server::what_nomad_refuses_is_a_finding"),
    ("nomad-warning", "server::what_nomad_warns_of_is_a_warning"),
    ("not-found", "manifests"),
    ("no-match", "manifests"),
    ("bad-glob", "manifests"),
    ("bad-pattern", "manifests"),
    ("not-a-file", "manifests"),
    ("too-many-files", "manifests"),
    ("too-deep", "manifests"),
    ("link-loop", "manifests"),
    ("link-outside", "manifests"),
    ("link-broken", "manifests"),
    ("tab-indentation", "manifests"),
    ("yaml-tag", "manifests"),
    ("no-documents", "manifests"),
    ("ambiguous-value", "manifests"),
    ("file-not-found", "manifests"),
    ("file-outside", "manifests"),
    ("job-not-literal", "manifests"),
    ("no-job", "manifests"),
    ("several-jobs", "manifests"),
    ("no-base", "manifests"),
    ("base-not-found", "manifests"),
    ("base-outside", "manifests"),
    ("overlay-alone", "manifests"),
    ("overlay-cycle", "manifests"),
    ("overlay-too-deep", "manifests"),
    ("several-overlays", "manifests"),
    ("patch-without-target", "manifests"),
    ("patch-ambiguous", "manifests"),
    ("patch-directive", "manifests"),
    ("json-syntax", "desired::native"),
    ("native-source", "desired::native"),
    ("hcl-block", "desired::native"),
    ("hcl-file-function", "desired::native"),
    ("hcl-unstable-function", "desired::native"),
    ("job-block", "desired::native"),
    ("nomad-parse", "desired::native"),
    ("too-many", "desired::native"),
    ("empty-file", "manifests"),
    ("job-namespace", "desired::native"),
    ("json-job", "desired::native"),
    ("json-child", "desired::native"),
    ("json-duration", "desired::native"),
    ("json-unknown", "desired::native"),
    ("json-variables", "desired::native"),
    ("variable-file", "desired::native"),
    ("variable-missing", "desired::native"),
    ("variable-syntax", "desired::native"),
    ("variable-twice", "desired::native"),
    ("variable-type", "desired::native"),
    ("variable-unknown", "desired::native"),
    ("variable-value", "desired::native"),
];

/// Codes in `expected` files of sets and `.expected` files of single documents.
fn shown() -> BTreeSet<String> {
    let mut codes = BTreeSet::new();
    for folder in sets() {
        let text = std::fs::read_to_string(folder.join("expected")).unwrap();
        codes.extend(
            text.lines()
                .filter_map(|line| line.split(' ').nth(2).map(str::to_owned)),
        );
    }
    for entry in std::fs::read_dir(repository("tests/fixtures/invalid")).unwrap() {
        let path = entry.unwrap().path();
        if path
            .extension()
            .is_some_and(|extension| extension == "expected")
        {
            let text = std::fs::read_to_string(path).unwrap();
            codes.extend(
                text.lines()
                    .filter_map(|line| line.split(' ').nth(1).map(str::to_owned)),
            );
        }
    }
    codes
}

#[test]
fn every_rule_is_shown_by_a_fixture_or_another_test() {
    let mut shown = shown();
    shown.extend(ELSEWHERE.map(|(code, _)| code.to_owned()));
    let rules: BTreeSet<String> = rules::groups()
        .flat_map(|(_, rules)| rules)
        .map(|rule| rule.code.to_owned())
        .collect();
    let missing: Vec<&String> = rules.difference(&shown).collect();
    assert!(missing.is_empty(), "nothing shows {missing:?}");
    let unknown: Vec<&String> = shown.difference(&rules).collect();
    assert!(unknown.is_empty(), "no rule explains {unknown:?}");
}

/// Words with a hyphen in these modules that are no codes.
const NO_CODES: [&str; 7] = [
    "gpu-minions",
    "time-zone-rule",
    "cs-validate",
    "kebab-case",
    "revert-set",
    "a-b",
    "db-5432",
];

/// The code of a file up to its tests.
fn product(path: &Path) -> String {
    let text = std::fs::read_to_string(path).unwrap();
    // Not at `mod tests;`, which stands at the top of a file.
    let end = text.find("#[cfg(test)]\nmod tests {").unwrap_or(text.len());
    let lines = text[..end].lines();
    lines
        .filter(|line| !line.trim_start().starts_with("//"))
        .collect::<Vec<_>>()
        .join("\n")
}

fn sources(folder: &Path, found: &mut Vec<std::path::PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            sources(&path, found);
        } else if name.ends_with(".rs") && name != "tests.rs" && name != "rules.rs" {
            found.push(path);
        }
    }
}

/// Texts in quotes that look like a code: lower-case words with hyphens between them.
fn words_with_hyphens(code: &str) -> BTreeSet<String> {
    let is_code = |text: &&str| {
        text.contains('-')
            && text.starts_with(|c: char| c.is_ascii_lowercase())
            && text.split('-').all(|word| {
                !word.is_empty()
                    && word
                        .bytes()
                        .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
            })
    };
    code.split('"')
        .skip(1)
        .step_by(2)
        .filter(is_code)
        .map(str::to_owned)
        .collect()
}

#[test]
fn every_code_in_the_source_is_a_rule() {
    let mut paths = Vec::new();
    for folder in [
        "src/spec",
        "src/desired",
        "src/validation",
        "src/manifests",
        "src/cli/validate",
    ] {
        sources(&repository(folder), &mut paths);
    }
    let mut unknown = Vec::new();
    for path in paths {
        for word in words_with_hyphens(&product(&path)) {
            if rules::rule(&word).is_none() && !NO_CODES.contains(&word.as_str()) {
                unknown.push(format!("{word} in {}", path.display()));
            }
        }
    }
    assert!(
        unknown.is_empty(),
        "explain these in src/validation/rules.rs, or list them as no codes: {unknown:#?}"
    );
}
