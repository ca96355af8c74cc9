//! The report of `cs doctor`.

use schemars::JsonSchema;
use serde::Serialize;

use crate::cli::paint::Paint;
use crate::doctor::{Check, Status};
use crate::spec::schema;
use crate::spec::workload::ApiVersion;

/// What `cs doctor` found.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::cli) struct DoctorReport {
    /// `cloudstation.io/v1`.
    api_version: ApiVersion,
    /// `DoctorReport`.
    kind: DoctorReportKind,
    /// `healthy`, `warnings` or `failed`.
    outcome: &'static str,
    /// How many checks ended how.
    summary: DoctorSummary,
    /// One entry a check, in the order in which a person would look.
    results: Vec<CheckReport>,
}

#[derive(Debug, Serialize, JsonSchema)]
enum DoctorReportKind {
    DoctorReport,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct DoctorSummary {
    /// Exit code of the process.
    exit_code: u8,
    /// Fine.
    ok: usize,
    /// Somebody should look.
    warn: usize,
    /// Does not work.
    fail: usize,
    /// Not asked, or not needed.
    skipped: usize,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct CheckReport {
    /// `configuration`, `connection`, `rights`, `cluster` or `surroundings`.
    area: &'static str,
    /// Stable name, e.g. `leader`.
    name: &'static str,
    /// `ok`, `warn`, `fail` or `skipped`.
    status: &'static str,
    /// What was found, in one line.
    message: String,
    /// What to do; for every warning and failure.
    remedy: Option<String>,
}

impl DoctorReport {
    pub(in crate::cli) fn new(checks: &[Check]) -> Self {
        let count = |status| checks.iter().filter(|check| check.status == status).count();
        let (warn, fail) = (count(Status::Warn), count(Status::Fail));
        Self {
            api_version: ApiVersion::V1,
            kind: DoctorReportKind::DoctorReport,
            outcome: match (fail, warn) {
                (1.., _) => "failed",
                (0, 1..) => "warnings",
                (0, 0) => "healthy",
            },
            summary: DoctorSummary {
                exit_code: u8::from(fail > 0),
                ok: count(Status::Ok),
                warn,
                fail,
                skipped: count(Status::Skipped),
            },
            results: checks.iter().map(check_report).collect(),
        }
    }

    pub(in crate::cli) const fn exit_code(&self) -> u8 {
        self.summary.exit_code
    }

    /// One line of JSON.
    pub(in crate::cli) fn line(&self) -> String {
        serde_json::to_string(self).expect("plain data with text keys")
    }

    /// For people: a line a check, the remedy below it.
    pub(in crate::cli) fn text(&self, paint: Paint) -> String {
        let width = self.results.iter().map(|check| check.name.len()).max();
        let width = width.unwrap_or(0);
        let mut text = String::new();
        let mut area = "";
        for check in &self.results {
            if check.area != area {
                let gap = if area.is_empty() { "" } else { "\n" };
                text.push_str(&format!("{gap}{}\n", paint.bold(check.area)));
                area = check.area;
            }
            let status = format!("{:<7}", check.status);
            let (status, message) = match check.status {
                "ok" => (paint.green(&status), check.message.clone()),
                "warn" => (paint.yellow(&status), check.message.clone()),
                "fail" => (paint.red(&status), check.message.clone()),
                _ => (paint.dim(&status), paint.dim(&check.message)),
            };
            text.push_str(&format!("  {status}  {:<width$}  {message}\n", check.name));
            if let Some(remedy) = &check.remedy {
                let indent = " ".repeat(width + 13);
                text.push_str(&format!("{indent}{} {remedy}\n", paint.cyan("→")));
            }
        }
        let summary = &self.summary;
        text.push_str(&format!(
            "\n{} ok, {} to look at, {} failed, {} skipped\n",
            summary.ok, summary.warn, summary.fail, summary.skipped
        ));
        text
    }
}

fn check_report(check: &Check) -> CheckReport {
    CheckReport {
        area: check.area.word(),
        name: check.name,
        status: check.status.word(),
        message: check.message.clone(),
        remedy: check.remedy.clone(),
    }
}

/// The JSON Schema of [`DoctorReport`], as it is committed under `schemas/reports/`.
pub(in crate::cli) fn doctor_schema() -> String {
    schema::rendered_output::<DoctorReport>(
        "https://cloudstation.io/schemas/reports/doctor.json",
        "Report of cs doctor",
    )
}
