//! SARIF 2.1.0, which code hosts show beside the lines.
//!
//! Source: OASIS, Static Analysis Results Interchange Format 2.1.0; GitHub, "SARIF support for code scanning".

use std::collections::BTreeMap;

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{Validated, repository_path, word};
use crate::spec::Diagnostic;
use crate::validation::rules::{self, Rule};

/// What a path in a URI cannot hold as it is.
const PATH: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}')
    // A first segment with a colon would be a scheme.
    .add(b':');

/// The log as one line of JSON.
pub(in crate::cli) fn log(validated: &Validated) -> String {
    let mut codes: Vec<&'static str> = validated.findings.iter().map(|one| one.code).collect();
    codes.sort_unstable();
    codes.dedup();
    let numbers: BTreeMap<&str, usize> = codes.iter().copied().zip(0..).collect();
    let results: Vec<Value> = validated
        .findings
        .iter()
        .map(|finding| result(finding, numbers[finding.code]))
        .collect();
    json!({
        "$schema": "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "cs",
                "version": env!("CARGO_PKG_VERSION"),
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": codes.into_iter().map(rule).collect::<Vec<Value>>(),
            }},
            "automationDetails": {"id": "cs-validate/"},
            "columnKind": "unicodeCodePoints",
            "invocations": [{
                "executionSuccessful": validated.outcome() != "incomplete",
                "exitCode": validated.exit_code,
            }],
            "results": results,
        }],
    })
    .to_string()
}

fn rule(code: &'static str) -> Value {
    let Rule { title, fix, .. } = rules::rule(code).copied().unwrap_or(Rule {
        code,
        title: "A finding without a description.",
        fix: "See its message.",
    });
    json!({
        "id": code,
        "name": name(code),
        "shortDescription": {"text": title},
        "fullDescription": {"text": format!("{title} {fix}")},
        "help": {"text": fix, "markdown": fix},
        "defaultConfiguration": {"level": "error"},
    })
}

/// `port-twice` as `PortTwice`: the form that the standard recommends.
fn name(code: &str) -> String {
    let capital = |word: &str| {
        let mut letters = word.chars();
        let first = letters.next().map(|c| c.to_ascii_uppercase());
        first.into_iter().chain(letters).collect::<String>()
    };
    code.split('-').map(capital).collect()
}

fn result(finding: &Diagnostic, rule: usize) -> Value {
    let mut text = finding.message.clone();
    if let Some(help) = &finding.help {
        text = format!("{text}; {help}");
    }
    let mut physical = json!({"artifactLocation": {"uri": uri(&finding.file)}});
    if finding.line > 0 {
        physical["region"] = json!({"startLine": finding.line});
        if finding.column > 0 {
            physical["region"]["startColumn"] = json!(finding.column);
        }
    }
    let mut location = json!({"physicalLocation": physical});
    if !finding.path.is_empty() {
        location["logicalLocations"] =
            json!([{"fullyQualifiedName": finding.path, "kind": "member"}]);
    }
    json!({
        "ruleId": finding.code,
        "ruleIndex": rule,
        "level": word(finding.severity),
        "message": {"text": text},
        "locations": [location],
        "partialFingerprints": {"cs/v1": fingerprint(finding)},
    })
}

/// A relative reference, or the URI of an absolute path.
fn uri(file: &str) -> String {
    let encoded = utf8_percent_encode(repository_path(file), PATH).to_string();
    if encoded.starts_with('/') {
        format!("file://{encoded}")
    } else {
        encoded
    }
}

/// What stays the same when lines are added above it.
fn fingerprint(finding: &Diagnostic) -> String {
    let mut hash = Sha256::new();
    for part in [
        finding.code,
        repository_path(&finding.file),
        &finding.path,
        &finding.message,
    ] {
        hash.update(part);
        hash.update([0]);
    }
    let digest = hash.finalize();
    digest[..16]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::samples::{finding, validated};
    use super::*;

    fn parsed(findings: Vec<Diagnostic>) -> Value {
        serde_json::from_str(&log(&validated(findings))).unwrap()
    }

    #[test]
    fn a_finding_has_its_rule_its_place_and_a_fingerprint_without_the_line() {
        let log = parsed(vec![
            finding("./b c/ä.yaml", 3, "x"),
            finding("a.yaml", 7, "x"),
        ]);
        let run = &log["runs"][0];
        assert_eq!(
            run["tool"]["driver"]["rules"].as_array().map(Vec::len),
            Some(1)
        );
        assert_eq!(run["tool"]["driver"]["rules"][0]["name"], "PortTwice");
        let first = &run["results"][0];
        let place = &first["locations"][0]["physicalLocation"];
        assert_eq!(place["artifactLocation"]["uri"], "b%20c/%C3%A4.yaml");
        assert_eq!(place["region"], json!({"startLine": 3, "startColumn": 3}));
        let moved = parsed(vec![finding("./b c/ä.yaml", 9, "x")]);
        assert_eq!(
            moved["runs"][0]["results"][0]["partialFingerprints"],
            first["partialFingerprints"]
        );
        assert_ne!(
            run["results"][1]["partialFingerprints"],
            first["partialFingerprints"]
        );
    }

    #[test]
    fn a_finding_about_a_whole_file_has_no_region() {
        let log = parsed(vec![finding("/x/a:b.yaml", 0, "x")]);
        let place = &log["runs"][0]["results"][0]["locations"][0]["physicalLocation"];
        assert_eq!(
            *place,
            json!({"artifactLocation": {"uri": "file:///x/a%3Ab.yaml"}})
        );
    }
}
