//! `cs apply`: the cluster becomes what the files say.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::confirm::Harm;
use super::plan::{self, Format};
use super::record::{RecordArgs, Started, recorded};
use super::set::{Ready, SetArgs};
use super::show_plan::{self, Detail};
use super::{Context, confirm, exit, live, output, report, set};
use crate::clients::nomad::NomadClient;
use crate::controller::converge::Until;
use crate::controller::set::apply::{ApplyOptions, Ending, PARALLEL, SetResult, SetRun, notes};
use crate::controller::set::observe::Planned;
use crate::controller::set::prepare::SpecSet;
use crate::controller::set::remember::Remember;
use crate::observe;
use crate::reconcile::Outcome;
use crate::set::seal::SealedPlan;
use crate::spec::Span;
use crate::spec::relations::OnFailure;

/// Longest wait for the whole set to become healthy.
const TIMEOUT: Duration = Duration::from_secs(10 * 60);

/// Makes the cluster what the spec files say, and waits until it is healthy.
///
/// Repeat the same command whenever it was cut off: what stands already is found to stand. Exit code: 0 all is as wanted,
/// otherwise why not (5 unhealthy, 6 rolled back, 7 cannot be placed, 8 changed by somebody else, 9 refused, 10 cancelled).
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  cs apply -f specs/
  cs apply -f specs/ --prune --yes --timeout 20m
  cs apply --plan plan.json
  cs apply -f shop.yaml --until canary && cs promote shop")]
pub(super) struct Arguments {
    #[command(flatten)]
    set: SetArgs,
    /// Apply a plan that `cs plan --out` kept, and only if nothing has moved since.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["file", "owner", "prune", "adopt", "retry_failed"])]
    plan: Option<PathBuf>,
    /// Do not ask before something is destroyed. Without a terminal nobody is asked.
    #[arg(short, long)]
    yes: bool,
    /// Show the plan and end.
    #[arg(long, conflicts_with = "plan")]
    dry_run: bool,
    /// Do not wait for health, except of what others depend on.
    #[arg(long)]
    no_wait: bool,
    /// What is waited for.
    #[arg(
        long,
        value_enum,
        default_value = "healthy",
        conflicts_with = "no_wait"
    )]
    until: UntilWord,
    /// Longest wait for the whole set. Default: 10m.
    #[arg(long, value_name = "DURATION")]
    timeout: Option<Span>,
    /// How many jobs are worked on, and roll out, at the same time.
    #[arg(long, value_name = "N", default_value_t = PARALLEL)]
    parallel: NonZeroUsize,
    /// What follows when a resource does not become healthy and its spec does not say.
    #[arg(long, value_enum, default_value = "keep")]
    on_failure: OnFailureWord,
    #[command(flatten)]
    record: RecordArgs,
    /// How plan and result are written.
    #[arg(short, long, value_enum, default_value = "text")]
    output: Format,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum UntilWord {
    /// Canaries are healthy, or, without canaries, everything.
    Canary,
    /// Everything is healthy.
    Healthy,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum OnFailureWord {
    /// Leave it as Nomad leaves it.
    Keep,
    /// Go back to the version that stood before.
    Revert,
    /// The same for everything that this run has changed.
    RevertSet,
}

pub(super) fn run(context: &Context, arguments: Arguments) -> u8 {
    let record = arguments.record.clone();
    let started = Started::new("apply", "converged", &record);
    recorded(context, &started, async {
        apply(context, arguments).await.unwrap_or_else(|code| code)
    })
}

async fn apply(context: &Context, mut arguments: Arguments) -> Result<u8, u8> {
    let began = Instant::now();
    let placement_grace = context
        .environment
        .placement_grace()
        .map_err(|bad| exit::usage(bad, ""))?;
    let timeout = arguments.timeout.map_or(TIMEOUT, |span| span.0);
    let sealed = match &arguments.plan {
        Some(path) => Some(read_plan(path)?),
        None => None,
    };
    if let Some(sealed) = &sealed {
        arguments.set.sources.file.clone_from(&sealed.sources);
        arguments.set.prune = sealed.flags.prune;
        arguments.set.adopt = sealed.flags.adopt;
        arguments.set.retry_failed = sealed.flags.retry_failed;
        arguments.set.owner = Some(sealed.owner.clone());
        if sealed.flags.prune {
            let pruned = sealed.jobs.values().filter(|job| job.action == "prune");
            // Whoever kept the plan saw how many go.
            arguments.set.prune_limit = Some(crate::set::prune::PruneLimit::Count(pruned.count()));
        }
    }
    let on_failure = match arguments.on_failure {
        OnFailureWord::Keep => OnFailure::Keep,
        OnFailureWord::Revert => OnFailure::Revert,
        OnFailureWord::RevertSet => OnFailure::RevertSet,
    };
    let asks = arguments.dry_run || confirm::can_ask() && !arguments.yes;
    let ready = arguments.set.ready(context, on_failure, asks).await;
    let mut ready = ready.map_err(|code| match arguments.dry_run {
        true => plan::not_shown(code),
        false => code,
    })?;
    if let Some(sealed) = &sealed {
        still_holds(sealed, &ready.sealed())?;
    }
    if arguments.dry_run {
        return Ok(plan::show(context, &ready, arguments.output, Detail::Plan));
    }
    let is_text = arguments.output == Format::Text;
    if is_text && ready.planned.plan.differs() {
        output::raw(&show_plan::text(
            &ready.planned.plan,
            context.paint,
            Detail::Plan,
        ));
    }
    let harm = if ready.planned.plan.destroys() {
        Harm::Destroys
    } else {
        Harm::None
    };
    let question = "Running work will be stopped without another in its place. Go on?";
    confirm::confirm(question, harm, arguments.yes).await?;
    let options = ApplyOptions {
        waits: !arguments.no_wait,
        until: match arguments.until {
            UntilWord::Canary => Until::Canary,
            UntilWord::Healthy => Until::Healthy,
        },
        is_sealed: sealed.is_some(),
        deadline: began + timeout,
        placement_grace: placement_grace.min(timeout / 2),
        at_once: arguments.parallel,
    };
    let parts = Parts {
        nomad: &ready.nomad,
        set: &ready.set,
        planned: &ready.planned,
    };
    let result = carry_out(context, parts, &mut ready.remember, options).await?;
    Ok(conclude(
        context,
        &ready,
        &result,
        arguments.output,
        began.elapsed(),
    ))
}

fn read_plan(path: &std::path::Path) -> Result<SealedPlan, u8> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| exit::usage(format!("cannot read {}: {error}", path.display()), ""))?;
    SealedPlan::read(&text)
        .map_err(|bad| exit::usage(format!("{} cannot be applied: {bad}", path.display()), ""))
}

/// # Errors
/// Something moved: exit code 8.
fn still_holds(sealed: &SealedPlan, now: &SealedPlan) -> Result<(), u8> {
    let moved = sealed.moved(now);
    if moved.is_empty() {
        return Ok(());
    }
    exit::complain(
        &format!(
            "the plan of {} does not hold any more; nothing was written",
            sealed.created
        ),
        None,
    );
    for line in &moved {
        exit::detail(line);
    }
    exit::help("look at the difference with `cs plan -f …`, and keep the plan again with --out");
    Err(8)
}

/// What is applied, and to what.
#[derive(Clone, Copy)]
pub(super) struct Parts<'a> {
    pub(super) nomad: &'a NomadClient,
    pub(super) set: &'a SpecSet,
    pub(super) planned: &'a Planned,
}

/// Applies the plan and shows how that goes.
///
/// # Errors
/// A second signal ended it at once, which has been said: exit code 10.
pub(super) async fn carry_out(
    context: &Context,
    parts: Parts<'_>,
    remember: &mut Remember,
    options: ApplyOptions,
) -> Result<SetResult, u8> {
    let cancel = CancellationToken::new();
    let (sender, received) = notes();
    let plan = &parts.planned.plan;
    let jobs = plan.count(crate::set::Change::differs) + plan.pruning.jobs.len();
    let run = SetRun {
        nomad: parts.nomad,
        set: parts.set,
        planned: parts.planned,
        options,
        notes: sender,
        cancel: &cancel,
    };
    let work = async move {
        // Gone with the work, which ends the show.
        let run = run;
        run.run(remember).await
    };
    let applying = async {
        let attended = live::attend(context, received, jobs, &cancel, work).await;
        attended.ok_or(10)
    };
    observe::step("apply", applying).await
}

fn conclude(
    context: &Context,
    ready: &Ready,
    result: &SetResult,
    format: Format,
    took: Duration,
) -> u8 {
    let code = exit_code(result);
    match format {
        Format::Text => report::apply::print("Apply", result, context.paint, took),
        Format::Json => {
            let report = report::apply::ApplyReport::new(result, code, took);
            output::json(&report.line());
        }
    }
    code.max(set::say_what_is_remembered(&ready.remember))
}

/// The code of the failures when all have the same, else 1; 0 without any.
pub(super) fn exit_code(result: &SetResult) -> u8 {
    let items = result.items.iter().filter_map(|item| match &item.ending {
        Ending::Ended(outcome) => Some(outcome.exit_code()),
        Ending::NotBegun => Some(Outcome::Cancelled { doing: None }.exit_code()),
        Ending::Unchanged | Ending::Registered(_) | Ending::Blocked(_) => None,
    });
    let pruned = result.pruned.iter().map(|(_, outcome)| outcome.exit_code());
    let mut codes: Vec<u8> = items.chain(pruned).filter(|code| *code > 0).collect();
    if result.not_pruned.is_some() && codes.is_empty() {
        codes.push(9);
    }
    codes.sort_unstable();
    codes.dedup();
    match codes.as_slice() {
        [] => 0,
        [one] => *one,
        several if several.contains(&10) => 10,
        _ => 1,
    }
}
