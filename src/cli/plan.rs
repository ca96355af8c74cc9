//! `cs plan`: what apply would do, with order, hooks and the scheduler's view; sealed into a file if wanted.

use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use super::set::{Ready, SetArgs};
use super::show_plan::{self, Detail};
use super::{Context, block_on, exit, output, report};
use crate::private;
use crate::set::SetPlan;
use crate::set::plan::Change;
use crate::spec::relations::OnFailure;

/// Shows what apply would do, and seals it into a file if wanted.
///
/// Exit code: 0 nothing would change, 1 something would, 2 or more an error.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  cs plan -f specs/
  cs plan -f specs/ --prune --out plan.json && cs apply --plan plan.json
  cs plan -f https://git.example.com/team/specs.git//prod?ref=main -o json")]
pub(super) struct Arguments {
    #[command(flatten)]
    set: SetArgs,
    /// Keep the plan in this file, for `cs apply --plan`. It holds fingerprints, no jobs and no secrets.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Do not ask Nomad's scheduler what it would place and stop.
    #[arg(long)]
    no_scheduler: bool,
    /// How the plan is written.
    #[arg(short, long, value_enum, default_value = "text")]
    output: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Format {
    /// For people.
    Text,
    /// `PlanReport`
    Json,
}

pub(super) fn run(context: &Context, arguments: Arguments) -> u8 {
    block_on(async {
        let ready = arguments
            .set
            .ready(context, OnFailure::default(), !arguments.no_scheduler)
            .await;
        let ready = match ready {
            Ok(ready) => ready,
            Err(code) => return not_shown(code),
        };
        let code = show(context, &ready, arguments.output, Detail::Plan);
        match &arguments.out {
            Some(path) => match keep(&ready, path) {
                Ok(()) => code,
                Err(error) => exit::usage(
                    format!("cannot write {}: {error}", path.display()),
                    "name a file in a folder that you may write to",
                ),
            },
            None => code,
        }
    })
}

/// Prints a plan; the exit code says whether it changes anything.
pub(super) fn show(context: &Context, ready: &Ready, format: Format, detail: Detail) -> u8 {
    let plan = &ready.planned.plan;
    match format {
        Format::Text => output::raw(&show_plan::text(plan, context.paint, detail)),
        Format::Json => output::json(&report::plan::PlanReport::new(plan).line()),
    }
    exit_code(plan)
}

/// The code of a plan that cannot be made: 1 would mean that something differs.
pub(super) fn not_shown(code: u8) -> u8 {
    code.max(2)
}

/// 0 the same, 1 differs, 2 or more when a part of it cannot be done.
pub(super) fn exit_code(plan: &SetPlan) -> u8 {
    let stopped = plan.items.iter().map(|item| match &item.change {
        Change::Refused(_) | Change::Failed(_) => 9,
        Change::Unknown(_) => 2,
        _ => 0,
    });
    let refused = if plan.pruning.refused.is_some() { 9 } else { 0 };
    let worst = stopped.max().unwrap_or(0).max(refused);
    if worst > 0 {
        worst
    } else {
        u8::from(plan.differs())
    }
}

/// Nobody else may read it: fingerprints of specs with short secrets could be tried out.
fn keep(ready: &Ready, path: &Path) -> std::io::Result<()> {
    use std::io::Write as _;
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)?;
    // The mode above is for new files only.
    private::close(&file)?;
    file.write_all(ready.sealed().to_text().as_bytes())
}
