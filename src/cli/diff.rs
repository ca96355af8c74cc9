//! `cs diff`: how the cluster differs from the files.

use super::plan::{self, Format};
use super::set::SetArgs;
use super::show_plan::Detail;
use super::{Context, block_on};
use crate::spec::relations::OnFailure;

/// Shows how the cluster differs from the spec files, field by field. Secrets are never shown.
///
/// Exit code: 0 no difference, 1 differences, 2 or more an error.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  cs diff -f specs/
  cs diff -f shop.yaml -f jobs/batch.nomad.hcl --var image_tag=1.2")]
pub(super) struct Arguments {
    #[command(flatten)]
    set: SetArgs,
    /// How the differences are written.
    #[arg(short, long, value_enum, default_value = "text")]
    output: Format,
}

pub(super) fn run(context: &Context, arguments: Arguments) -> u8 {
    block_on(async {
        let ready = arguments
            .set
            .ready(context, OnFailure::default(), false)
            .await;
        match ready {
            Ok(ready) => plan::show(context, &ready, arguments.output, Detail::Diff),
            Err(code) => plan::not_shown(code),
        }
    })
}
