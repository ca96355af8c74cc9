//! The report of a validation, in every form that it is printed in: one file a form.

mod github;
mod junit;
mod sarif;
mod text;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;

use crate::spec::workload::ApiVersion;
use crate::spec::{Diagnostic, Severity, schema};

pub(in crate::cli) use github::annotations;
pub(in crate::cli) use junit::suites;
pub(in crate::cli) use sarif::log;
pub(in crate::cli) use text::excerpts;

/// What was checked, and what was found.
#[derive(Debug)]
pub(in crate::cli) struct Validated {
    /// Sorted by place.
    pub(in crate::cli) findings: Vec<Diagnostic>,
    /// Everything that was to be checked, as it is shown.
    pub(in crate::cli) files: BTreeSet<Arc<str>>,
    /// Documents that could be read.
    pub(in crate::cli) resources: usize,
    /// How many policies they were held against.
    pub(in crate::cli) policies: usize,
    /// Texts of files with findings.
    pub(in crate::cli) texts: BTreeMap<Arc<str>, Arc<str>>,
    /// Exit code of the process.
    pub(in crate::cli) exit_code: u8,
}

impl Validated {
    /// The exit code in a word.
    pub(in crate::cli) fn outcome(&self) -> &'static str {
        match self.exit_code {
            0 => "valid",
            3 => "invalid",
            _ => "incomplete",
        }
    }

    pub(in crate::cli) fn count(&self, severity: Severity) -> usize {
        let findings = self.findings.iter();
        findings.filter(|one| one.severity == severity).count()
    }

    /// `checked 12 files, 14 resources: 3 errors, 1 warning`
    pub(in crate::cli) fn summary(&self) -> String {
        let mut text = format!(
            "checked {}, {}",
            number(self.files.len(), "file"),
            number(self.resources, "resource")
        );
        if self.policies > 0 {
            text = format!("{text} against {}", policies(self.policies));
        }
        let counted = [
            (self.count(Severity::Error), "error"),
            (self.count(Severity::Warning), "warning"),
        ];
        let found: Vec<String> = counted
            .into_iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, word)| number(count, word))
            .collect();
        if found.is_empty() {
            format!("{text}: nothing wrong")
        } else {
            format!("{text}: {}", found.join(", "))
        }
    }
}

fn number(count: usize, word: &str) -> String {
    match count {
        1 => format!("1 {word}"),
        _ => format!("{count} {word}s"),
    }
}

fn policies(count: usize) -> String {
    match count {
        1 => "1 policy".to_owned(),
        _ => format!("{count} policies"),
    }
}

/// The report of `cs validate`.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ValidationReport<'v> {
    /// `cloudstation.io/v1`.
    api_version: ApiVersion,
    /// `ValidationReport`.
    kind: ValidationReportKind,
    /// `valid`, `invalid`, or `incomplete` when something could not be read or asked.
    outcome: &'static str,
    /// The run as a whole.
    summary: ValidationSummary,
    /// One entry a finding, sorted by file, line and column.
    results: Vec<FindingReport<'v>>,
}

#[derive(Debug, Serialize, JsonSchema)]
enum ValidationReportKind {
    ValidationReport,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ValidationSummary {
    /// Files that were to be checked.
    files: usize,
    /// Documents that could be read.
    resources: usize,
    /// Policies that they were held against.
    policies: usize,
    /// Findings that make the set unusable.
    errors: usize,
    /// Findings that somebody should look at.
    warnings: usize,
    /// Exit code of the process.
    exit_code: u8,
}

/// One finding about one file.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::cli) struct FindingReport<'v> {
    /// Stable name of the rule; `docs/errors.md` lists all.
    code: &'static str,
    /// `error` or `warning`.
    severity: &'static str,
    /// As it was given on the command line.
    file: &'v str,
    /// From 1; 0 when the finding concerns the whole file.
    line: u64,
    /// In characters, from 1; 0 when the finding concerns the whole line or file.
    column: u64,
    /// Place inside the document, e.g. `spec.ports[0].check`; empty for the document itself.
    path: &'v str,
    /// What is wrong.
    message: &'v str,
    /// What to do about it.
    help: Option<&'v str>,
}

impl<'v> From<&'v Diagnostic> for FindingReport<'v> {
    fn from(finding: &'v Diagnostic) -> Self {
        Self {
            code: finding.code,
            severity: word(finding.severity),
            file: &finding.file,
            line: finding.line,
            column: finding.column,
            path: &finding.path,
            message: &finding.message,
            help: finding.help.as_deref(),
        }
    }
}

const fn word(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    }
}

/// One line of JSON.
pub(in crate::cli) fn json(validated: &Validated) -> String {
    let report = ValidationReport {
        api_version: ApiVersion::V1,
        kind: ValidationReportKind::ValidationReport,
        outcome: validated.outcome(),
        summary: ValidationSummary {
            files: validated.files.len(),
            resources: validated.resources,
            policies: validated.policies,
            errors: validated.count(Severity::Error),
            warnings: validated.count(Severity::Warning),
            exit_code: validated.exit_code,
        },
        results: validated.findings.iter().map(FindingReport::from).collect(),
    };
    serde_json::to_string(&report).expect("plain data with text keys")
}

/// The JSON Schema of [`ValidationReport`], as it is committed under `schemas/reports/`.
pub(in crate::cli) fn validation_schema() -> String {
    schema::rendered_output::<ValidationReport<'_>>(
        "https://cloudstation.io/schemas/reports/validation.json",
        "Report of cs validate",
    )
}

/// A file as tools that know the repository name it: without `./` in front.
fn repository_path(file: &str) -> &str {
    file.strip_prefix("./").unwrap_or(file)
}

#[cfg(test)]
mod samples {
    use super::*;

    pub(super) fn finding(file: &str, line: u64, message: &str) -> Diagnostic {
        Diagnostic {
            file: file.to_owned(),
            line,
            column: line,
            code: "port-twice",
            severity: Severity::Error,
            path: "spec.ports[1].port".to_owned(),
            message: message.to_owned(),
            help: Some("remove one".to_owned()),
        }
    }

    pub(super) fn validated(findings: Vec<Diagnostic>) -> Validated {
        let mut files: BTreeSet<Arc<str>> = findings
            .iter()
            .map(|one| one.file.as_str().into())
            .collect();
        files.insert("good.yaml".into());
        Validated {
            exit_code: if findings.is_empty() { 0 } else { 3 },
            resources: files.len(),
            policies: 0,
            texts: BTreeMap::new(),
            files,
            findings,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::samples::{finding, validated};
    use super::*;

    #[test]
    fn the_summary_counts_in_words() {
        let mut found = finding("a.yaml", 1, "x");
        assert_eq!(
            validated(Vec::new()).summary(),
            "checked 1 file, 1 resource: nothing wrong"
        );
        let error = found.clone();
        found.severity = Severity::Warning;
        let mut both = validated(vec![error.clone(), error, found]);
        both.policies = 2;
        assert_eq!(
            both.summary(),
            "checked 2 files, 2 resources against 2 policies: 2 errors, 1 warning"
        );
    }

    #[test]
    fn the_committed_schema_is_the_one_of_the_types() {
        let path = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/schemas/reports/validation.json"
        );
        let committed = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            committed == validation_schema(),
            "run `cargo run -- schema validation-report > schemas/reports/validation.json`"
        );
    }
}
