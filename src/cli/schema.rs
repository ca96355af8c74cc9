//! `cs schema`: the JSON Schema of a kind or of a report.

use super::{exit, output, report};
use crate::spec::schema;

/// Prints the JSON Schema of a kind or of a report.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// `workload` or `run-report`.
    #[arg(default_value = "workload")]
    kind: String,
}

pub(super) fn run(arguments: &Arguments) -> u8 {
    match arguments.kind.to_ascii_lowercase().as_str() {
        "workload" => output::raw(&schema::rendered()),
        "run-report" | "runreport" => output::raw(&report::run_schema()),
        _ => return exit::usage("unknown kind", "known: workload, run-report"),
    }
    0
}
