//! Every file under `tests/fixtures/invalid` gives exactly the findings of its `.expected` file, one a line:
//! `line:column code path: part of the message`.

use cs::desired::validate;
use cs::spec::{Diagnostic, parse};

use super::{files, options};

fn findings(name: &str, text: &str) -> Vec<Diagnostic> {
    let documents = match parse(name, text) {
        Ok(documents) => documents,
        Err(findings) => return findings,
    };
    let mut found = Vec::new();
    for document in &documents {
        let Some(workload) = document.workload() else {
            continue;
        };
        let issues = validate(workload, &options()).err().unwrap_or_default();
        found.extend(
            issues
                .into_iter()
                .map(|issue| issue.into_diagnostic(document)),
        );
    }
    found.sort();
    found
}

/// A finding as the `.expected` files write it, with the help behind it.
fn line(one: &Diagnostic) -> String {
    let help = one.help.as_deref().unwrap_or("-");
    format!(
        "{}:{} {} {}: {} [{help}]",
        one.line, one.column, one.code, one.path, one.message
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
fn every_invalid_file_gives_its_findings_with_line_and_column() {
    let mut wrong = Vec::new();
    for path in files("tests/fixtures/invalid", ".yaml") {
        let text = std::fs::read_to_string(&path).unwrap();
        let expected = std::fs::read_to_string(path.with_extension("expected")).unwrap_or_default();
        let found: Vec<String> = findings("f.yaml", &text).iter().map(line).collect();
        let same = !found.is_empty()
            && expected.lines().count() == found.len()
            && expected
                .lines()
                .zip(&found)
                .all(|(expected, found)| is_expected(expected, found));
        if !same {
            wrong.push(format!("=== {}\n{}\n", path.display(), found.join("\n")));
        }
    }
    assert!(
        wrong.is_empty(),
        "these files give other findings:\n{}",
        wrong.concat()
    );
}

#[test]
fn findings_never_repeat_values_of_the_file() {
    let text = "apiVersion: cloudstation.io/v1\nkind: Workload\nmetadata: {name: hunter2 canary}\nspec:\n  \
        type: canary\n  source: {image: 'canary x'}\n  replicas: canary\n  env: {A: {fromVault: canary}}\n  \
        files: [{path: ../canary, contentBase64: canary%}]\n  rollout: {canary: canary, minHealthyTime: canary}\n";
    for text in [
        text.to_owned(),
        text.replace("type: canary", "")
            .replace("replicas: canary", "")
            .replace("rollout: {canary: canary, minHealthyTime: canary}", ""),
    ] {
        let found = findings("f.yaml", &text);
        assert!(!found.is_empty());
        for one in found {
            let shown = format!("{} {:?}", one.message, one.help);
            assert!(
                !shown.contains("canary") || shown.contains("`canary`"),
                "{shown}"
            );
            assert!(!shown.contains("hunter2"), "{shown}");
        }
    }
}

#[test]
fn a_file_beyond_the_bounds_is_refused_before_it_is_read() {
    let large = "#".repeat(4 * 1024 * 1024 + 1);
    assert_eq!(findings("large.yaml", &large)[0].code, "too-large");
    let deep = format!("a: {}{}", "[".repeat(3_000), "]".repeat(3_000));
    assert_eq!(findings("deep.yaml", &deep).len(), 1);
    let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for i in 1..12 {
        let aliases = vec![format!("*a{}", i - 1); 10].join(", ");
        bomb.push_str(&format!("a{i}: &a{i} [{aliases}]\n"));
    }
    assert_eq!(findings("bomb.yaml", &bomb)[0].code, "too-complex");
}

#[test]
fn a_flood_of_findings_is_cut_short() {
    let fields: String = (0..40_000).map(|i| format!("  x{i}: 1\n")).collect();
    let text = format!(
        "apiVersion: cloudstation.io/v1\nkind: Workload\nmetadata: {{name: a}}\nspec:\n  source: {{image: x}}\n{fields}"
    );
    assert_eq!(findings("f.yaml", &text).len(), 50);
    let ports = "    - {port: x}\n".repeat(2_000);
    let text = text.replace(&fields, &format!("  ports:\n{ports}"));
    assert_eq!(findings("f.yaml", &text).len(), 50);
}

#[test]
fn a_file_without_documents_is_empty_and_not_wrong() {
    for text in ["", "# nothing\n", "---\n---\n"] {
        assert_eq!(parse("f.yaml", text).unwrap().len(), 0, "{text:?}");
    }
}
