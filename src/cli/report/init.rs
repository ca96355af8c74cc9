//! The report of `cs init` (`schemas/reports/init.json`).

use schemars::JsonSchema;
use serde::Serialize;

use crate::spec::schema;
use crate::spec::workload::ApiVersion;

/// What `cs init` found and wrote.
pub(in crate::cli) struct InitReport<'a> {
    pub(in crate::cli) file: &'a str,
    pub(in crate::cli) app: &'a str,
    pub(in crate::cli) language: Option<&'a str>,
    pub(in crate::cli) signals: &'a [&'static str],
    pub(in crate::cli) builder: &'a str,
    pub(in crate::cli) port: Option<u16>,
    pub(in crate::cli) content: Option<&'a str>,
}

/// The report of `cs init`.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Report<'a> {
    /// `cloudstation.io/v1`.
    api_version: ApiVersion,
    /// `InitReport`.
    kind: InitReportKind,
    /// `written`, `planned` with --dry-run, `exists` when there was a file, which was left as it is.
    outcome: &'a str,
    /// What was seen.
    summary: Summary<'a>,
    /// The file; one entry.
    results: [Written<'a>; 1],
}

#[derive(Debug, Serialize, JsonSchema)]
enum InitReportKind {
    InitReport,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Summary<'a> {
    /// Name of the app; empty when a file was there.
    app: &'a str,
    /// Language, when a file tells of one, e.g. `Go`.
    language: Option<&'a str>,
    /// Files that tell of it.
    signals: &'a [&'static str],
    /// The builder.
    builder: &'a str,
    /// Port that the app listens at, when it is known.
    port: Option<u16>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Written<'a> {
    /// Path of the file.
    file: &'a str,
    /// Its text; absent when a file was there.
    content: Option<&'a str>,
}

impl InitReport<'_> {
    /// The report as one line.
    pub(in crate::cli) fn line(&self, outcome: &str) -> String {
        let report = Report {
            api_version: ApiVersion::V1,
            kind: InitReportKind::InitReport,
            outcome,
            summary: Summary {
                app: self.app,
                language: self.language,
                signals: self.signals,
                builder: self.builder,
                port: self.port,
            },
            results: [Written {
                file: self.file,
                content: self.content,
            }],
        };
        serde_json::to_string(&report).expect("texts and numbers are JSON")
    }
}

/// The schema of the report.
pub(in crate::cli) fn init_schema() -> String {
    schema::rendered_output::<Report<'static>>(
        "https://cloudstation.io/schemas/reports/init.json",
        "Report of cs init",
    )
}
