//! The reports of `cs build`, `cs deploy` and `cs up` (`schemas/reports/build.json`, `schemas/reports/deploy.json`).

use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;

use super::apply::AppliedItem;
use super::plan::PlannedItem;
use crate::artifact::build::target::Target;
use crate::cli::project::images::Made;
use crate::controller::image::Found;
use crate::controller::local::Reach;
use crate::spec::Workload;
use crate::spec::schema;
use crate::spec::workload::ApiVersion;

/// The report of `cs build`.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::cli) struct BuildReport {
    /// `cloudstation.io/v1`.
    api_version: ApiVersion,
    /// `BuildReport`.
    kind: BuildReportKind,
    /// `built`, `planned` with --dry-run, `failed`.
    outcome: &'static str,
    /// The project as a whole.
    summary: ProjectSummary,
    /// One entry an app, until the first that failed.
    results: Vec<ImageReport>,
}

#[derive(Debug, Serialize, JsonSchema)]
enum BuildReportKind {
    BuildReport,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ProjectSummary {
    /// Exit code of the process.
    exit_code: u8,
    /// Nothing was done: --dry-run.
    dry_run: bool,
    /// Whole milliseconds.
    duration_ms: u64,
    /// Apps whose image failed.
    failed: Vec<String>,
}

/// The image of one app.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::cli) struct ImageReport {
    /// Name of the app.
    app: String,
    /// `built`, `found` (it was there), `ready` (nothing is built), `planned`, or how it failed: `failed`, `invalid`,
    /// `deadline`, `cancelled`.
    outcome: &'static str,
    /// The same in one line.
    message: String,
    /// What a job refers to.
    image: Option<String>,
    /// Where it was, or would be, pushed.
    pushed: Option<String>,
    /// Digest in the registry.
    digest: Option<String>,
    /// Who built it.
    builder: Option<&'static str>,
    /// Who would be asked to build it, in order.
    builders: Vec<&'static str>,
    /// Commit of a Git source, digest of an archive.
    revision: Option<String>,
    /// Whole milliseconds.
    duration_ms: u64,
    /// Last lines of the builder at fault.
    log_tail: Vec<String>,
}

impl ImageReport {
    /// The report of an image that was made or found.
    pub(in crate::cli) fn of(made: &Made) -> Self {
        let image = made.image.as_ref();
        let outcome = match image.map(|image| image.found) {
            _ if !made.outcome.is_success() => made.outcome.word(),
            None => "ready",
            Some(Found::Nowhere) => "built",
            Some(Found::Engine | Found::Registry) => "found",
        };
        let message = match (outcome, &made.reference) {
            ("built", _) => "built".to_owned(),
            ("found", _) => "was there already".to_owned(),
            ("ready", Some(_)) => "a ready image, nothing is built".to_owned(),
            _ => made.outcome.message(),
        };
        Self {
            app: made.app.clone(),
            outcome,
            message,
            image: made.reference.clone(),
            pushed: made.pushed.clone(),
            digest: image.and_then(|image| image.digest.clone()),
            builder: image.map(|image| image.builder.as_str()),
            builders: Vec::new(),
            revision: image.and_then(|image| image.revision.clone()),
            duration_ms: millis(made.took),
            log_tail: made.tail.clone(),
        }
    }

    /// The report of an image that would be built.
    pub(in crate::cli) fn planned(
        app: &str,
        workload: &Workload,
        target: Option<&Target>,
        reach: Reach,
        builders: impl IntoIterator<Item = &'static str>,
    ) -> Self {
        let pushed = target
            .and_then(|target| target.pushed.as_ref())
            .filter(|_| reach == Reach::Registry);
        let message = match (target, pushed) {
            (None, _) => "a ready image, nothing is built",
            (Some(_), Some(_)) => "would be built and pushed",
            (Some(_), None) => "would be built, and stays in the engine",
        };
        Self {
            app: app.to_owned(),
            outcome: if target.is_some() { "planned" } else { "ready" },
            message: message.to_owned(),
            image: match target {
                Some(target) => Some(target.local.clone()),
                None => workload.spec.source.image.clone(),
            },
            pushed: pushed.map(ToString::to_string),
            digest: None,
            builder: None,
            builders: builders.into_iter().collect(),
            revision: None,
            duration_ms: 0,
            log_tail: Vec::new(),
        }
    }

    /// One line for people; nothing about one that failed.
    pub(in crate::cli) fn text(&self) -> Option<String> {
        let image = self.image.as_deref()?;
        let mut about = self.message.clone();
        if let Some(builder) = self.builder.filter(|_| self.outcome == "built") {
            about.push_str(&format!(" by {builder}"));
        }
        if let Some(pushed) = self.pushed.as_deref().filter(|_| self.builder.is_some()) {
            about.push_str(&format!(", pushed as {pushed}"));
        }
        if !self.builders.is_empty() {
            about.push_str(&format!("; builders: {}", self.builders.join(", then ")));
        }
        Some(format!("{}: {image} ({about})", self.app))
    }

    fn has_failed(&self) -> bool {
        !matches!(self.outcome, "built" | "found" | "ready" | "planned")
    }
}

fn millis(took: Duration) -> u64 {
    u64::try_from(took.as_millis()).unwrap_or(u64::MAX)
}

fn summary(images: &[ImageReport], is_dry: bool, code: u8, took: Duration) -> ProjectSummary {
    let failed = images.iter().filter(|image| image.has_failed());
    ProjectSummary {
        exit_code: code,
        dry_run: is_dry,
        duration_ms: millis(took),
        failed: failed.map(|image| image.app.clone()).collect(),
    }
}

impl BuildReport {
    pub(in crate::cli) fn new(
        images: &[ImageReport],
        is_dry: bool,
        code: u8,
        took: Duration,
    ) -> Self {
        Self {
            api_version: ApiVersion::V1,
            kind: BuildReportKind::BuildReport,
            outcome: match (code, is_dry) {
                (0, true) => "planned",
                (0, false) => "built",
                _ => "failed",
            },
            summary: summary(images, is_dry, code, took),
            results: images.to_vec(),
        }
    }

    /// The report as one line.
    pub(in crate::cli) fn line(&self) -> String {
        serde_json::to_string(self).expect("texts and numbers are JSON")
    }
}

/// The report of `cs deploy` and `cs up`.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::cli) struct DeployReport {
    /// `cloudstation.io/v1`.
    api_version: ApiVersion,
    /// `DeployReport`.
    kind: DeployReportKind,
    /// `converged` when all is as wanted, `planned` with --dry-run, `failed` otherwise.
    outcome: &'static str,
    /// The project as a whole.
    summary: ProjectSummary,
    /// One entry an app, until the first that failed.
    images: Vec<ImageReport>,
    /// One entry a job that would be written or left, with --dry-run.
    plan: Vec<PlannedItem>,
    /// One entry a job; none when an image failed, or with --dry-run.
    results: Vec<AppliedItem>,
}

#[derive(Debug, Serialize, JsonSchema)]
enum DeployReportKind {
    DeployReport,
}

impl DeployReport {
    pub(in crate::cli) fn new(
        images: Vec<ImageReport>,
        plan: Vec<PlannedItem>,
        results: Vec<AppliedItem>,
        is_dry: bool,
        code: u8,
        took: Duration,
    ) -> Self {
        Self {
            api_version: ApiVersion::V1,
            kind: DeployReportKind::DeployReport,
            outcome: match (code, is_dry) {
                (0, true) => "planned",
                (0, false) => "converged",
                _ => "failed",
            },
            summary: summary(&images, is_dry, code, took),
            images,
            plan,
            results,
        }
    }

    /// The report as one line.
    pub(in crate::cli) fn line(&self) -> String {
        serde_json::to_string(self).expect("texts and numbers are JSON")
    }
}

/// The schema of the report of `cs build`.
pub(in crate::cli) fn build_schema() -> String {
    schema::rendered_output::<BuildReport>(
        "https://cloudstation.io/schemas/reports/build.json",
        "Report of cs build",
    )
}

/// The schema of the report of `cs deploy` and `cs up`.
pub(in crate::cli) fn deploy_schema() -> String {
    schema::rendered_output::<DeployReport>(
        "https://cloudstation.io/schemas/reports/deploy.json",
        "Report of cs deploy and cs up",
    )
}
