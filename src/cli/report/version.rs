//! The report of `cs version`.

use std::fmt::Write as _;

use schemars::JsonSchema;
use serde::Serialize;

use crate::set::seal;
use crate::spec::schema::{self, KINDS};
use crate::spec::workload::{API_VERSION, ApiVersion};
use crate::{store, version};

/// What this build is, and what it understands.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::cli) struct VersionReport {
    /// `cloudstation.io/v1`.
    api_version: ApiVersion,
    /// `VersionReport`.
    kind: VersionReportKind,
    /// `ok`; `failed` when Nomad was asked and did not tell its version.
    outcome: &'static str,
    /// The build.
    summary: Build,
    /// One entry a kind of spec files.
    results: Vec<KindReport>,
}

#[derive(Debug, Serialize, JsonSchema)]
enum VersionReportKind {
    VersionReport,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Build {
    /// Version of cs, e.g. `0.1.0`.
    version: &'static str,
    /// Commit of the sources, with `-dirty` behind it when they were changed. Null: built without a git checkout.
    commit: Option<&'static str>,
    /// Day of that commit in UTC, e.g. `2026-11-21`.
    commit_date: Option<&'static str>,
    /// Target triple, e.g. `x86_64-unknown-linux-musl`.
    target: &'static str,
    /// `release` or `debug`.
    profile: &'static str,
    /// The compiler.
    rustc: &'static str,
    /// Form of the files of `cs plan --out`; `cs apply --plan` takes those of the same form only.
    plan_file: &'static str,
    /// Version of the tables of `cs serve`. A database of a later version is refused.
    database: usize,
    /// Nomad, when it was asked.
    server: Option<ServerVersion>,
}

/// The agent that was asked.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::cli) struct ServerVersion {
    /// Version of Nomad, e.g. `1.9.3`.
    pub(in crate::cli) version: String,
    /// Where it listens.
    pub(in crate::cli) address: String,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct KindReport {
    /// The kind, e.g. `Workload`.
    kind: &'static str,
    /// The only `apiVersion` of it that is understood.
    api_version: &'static str,
    /// File of its schema below `schemas/`.
    schema: String,
}

impl VersionReport {
    /// This build alone.
    pub(in crate::cli) fn new() -> Self {
        Self::of("ok", None)
    }

    /// Together with the Nomad that was asked.
    pub(in crate::cli) fn with_server(server: ServerVersion) -> Self {
        Self::of("ok", Some(server))
    }

    /// Nomad was asked in vain.
    pub(in crate::cli) fn without_answer() -> Self {
        Self::of("failed", None)
    }

    fn of(outcome: &'static str, server: Option<ServerVersion>) -> Self {
        let kinds = KINDS.iter().map(|kind| KindReport {
            kind: kind.name,
            api_version: API_VERSION,
            schema: kind.file(),
        });
        Self {
            api_version: ApiVersion::V1,
            kind: VersionReportKind::VersionReport,
            outcome,
            summary: Build {
                version: version::VERSION,
                commit: version::commit(),
                commit_date: version::commit_date(),
                target: version::TARGET,
                profile: version::PROFILE,
                rustc: version::RUSTC,
                plan_file: seal::FORMAT,
                database: store::SCHEMA_VERSION,
                server,
            },
            results: kinds.collect(),
        }
    }

    /// One line of JSON.
    pub(in crate::cli) fn line(&self) -> String {
        serde_json::to_string(self).expect("plain data with text keys")
    }

    /// The same as YAML.
    pub(in crate::cli) fn yaml(&self) -> String {
        serde_saphyr::to_string(self).expect("plain data with text keys")
    }

    /// For people.
    pub(in crate::cli) fn text(&self) -> String {
        let build = &self.summary;
        let mut text = format!("cs {}\n", version::LONG);
        let mut row = |name: &str, value: &str| {
            let _ = writeln!(text, "{name:<11}{value}");
        };
        row(
            "commit",
            build
                .commit
                .unwrap_or("unknown: built without a git checkout"),
        );
        row("target", build.target);
        row("profile", build.profile);
        row("compiler", build.rustc);
        for kind in &self.results {
            row("kind", &format!("{} {}", kind.api_version, kind.kind));
        }
        row("plan file", build.plan_file);
        row("database", &build.database.to_string());
        if let Some(server) = &build.server {
            row(
                "Nomad",
                &format!("{} at {}", server.version, server.address),
            );
        }
        text
    }
}

/// The JSON Schema of [`VersionReport`], as it is committed under `schemas/reports/`.
pub(in crate::cli) fn version_schema() -> String {
    schema::rendered_output::<VersionReport>(
        "https://cloudstation.io/schemas/reports/version.json",
        "Report of cs version",
    )
}
