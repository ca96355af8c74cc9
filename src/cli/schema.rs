//! `cs schema`: the JSON Schema of a kind.

use super::{exit, output};
use crate::spec::schema;

/// Prints the JSON Schema of a kind.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The kind.
    #[arg(default_value = "workload")]
    kind: String,
}

pub(super) fn run(arguments: &Arguments) -> u8 {
    if !arguments.kind.eq_ignore_ascii_case("workload") {
        return exit::usage(
            format!("unknown kind `{}`", arguments.kind),
            "known kinds: workload",
        );
    }
    output::raw(&schema::rendered());
    0
}
