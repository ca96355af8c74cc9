//! `cs delete`: jobs are stopped, and nothing of them runs any more.

use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::cluster::ClusterArgs;
use super::confirm::Harm;
use super::plan::Format;
use super::record::{RecordArgs, Started, recorded};
use super::sources::SourceArgs;
use super::{Context, confirm, live, output, report, set};
use crate::controller::set::apply::notes;
use crate::controller::set::deletion::{Deletion, Target, waves};
use crate::controller::set::remember::Remember;
use crate::ids::{JobId, JobKey, OwnerId};
use crate::observe;
use crate::reconcile::Outcome;
use crate::spec::Span;
use crate::spec::relations::OnFailure;

/// Longest wait until nothing runs any more.
const TIMEOUT: Duration = Duration::from_secs(10 * 60);

/// Stops jobs and waits until nothing of them runs.
///
/// A job that is not there counts as deleted. Nomad keeps a stopped job for some hours, so that `cs rollback` can bring it
/// back; with --purge it is forgotten at once, with its versions and logs.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  cs delete shop
  cs delete -f specs/ --purge --yes
  cs delete old-worker -n team --any-owner")]
pub(super) struct Arguments {
    /// Names of jobs.
    #[arg(
        value_name = "NAME",
        required_unless_present = "file",
        conflicts_with = "file"
    )]
    name: Vec<JobId>,
    #[command(flatten)]
    sources: SourceArgs,
    #[command(flatten)]
    cluster: ClusterArgs,
    /// On whose behalf. Default: `CS_OWNER`, else the owner of the context, else `cs`.
    #[arg(long, value_name = "OWNER")]
    owner: Option<OwnerId>,
    /// Forget the jobs as well, with their versions and logs.
    #[arg(long)]
    purge: bool,
    /// Delete jobs whoever owns them.
    #[arg(long)]
    any_owner: bool,
    /// Do not ask. Without a terminal nobody is asked.
    #[arg(short, long)]
    yes: bool,
    /// Longest wait until nothing runs any more. Default: 10m.
    #[arg(long, value_name = "DURATION")]
    timeout: Option<Span>,
    #[command(flatten)]
    record: RecordArgs,
    /// How the result is written.
    #[arg(short, long, value_enum, default_value = "text")]
    output: Format,
}

pub(super) fn run(context: &Context, arguments: Arguments) -> u8 {
    let started = Started::new("delete", "destroyed", &arguments.record);
    recorded(context, &started, async {
        delete(context, &arguments)
            .await
            .unwrap_or_else(|code| code)
    })
}

async fn delete(context: &Context, arguments: &Arguments) -> Result<u8, u8> {
    let owner = arguments.cluster.owner(context, arguments.owner.as_ref())?;
    let nomad = arguments.cluster.client(context)?;
    let waves = if arguments.name.is_empty() {
        let sources = &arguments.sources;
        let (set, _) = set::read(context, sources, &nomad, &owner, OnFailure::Keep).await?;
        waves(&set)
    } else {
        let namespace = nomad.namespace();
        let key = |job: &JobId| JobKey {
            namespace: namespace.clone(),
            job: job.clone(),
        };
        vec![arguments.name.iter().map(key).collect()]
    };
    let mut remember = set::open(&nomad, &owner, &context.environment.state_dir()).await?;
    let cancel = CancellationToken::new();
    let (sender, received) = notes();
    let timeout = arguments.timeout.map_or(TIMEOUT, |span| span.0);
    let deletion = Deletion {
        nomad: &nomad,
        owner: &owner,
        any_owner: arguments.any_owner,
        purge: arguments.purge,
        deadline: Instant::now() + timeout,
        notes: sender,
        cancel: &cancel,
    };
    let is_named = !arguments.name.is_empty();
    let (present, mut results) = look(&deletion, &waves, &remember, is_named).await;
    if let Some(code) = refused(&results) {
        print(context, arguments.output, &results, code);
        return Ok(code);
    }
    let jobs: Vec<String> = present.iter().flatten().map(ToString::to_string).collect();
    let harm = if jobs.is_empty() {
        Harm::None
    } else {
        Harm::Destroys
    };
    confirm::confirm(&format!("Stop {}?", jobs.join(", ")), harm, arguments.yes).await?;
    let work = async {
        // Gone with the work, which ends the show.
        let deletion = deletion;
        deletion.run(&present, &mut remember).await
    };
    let deleting = async {
        let attended = live::attend(context, received, jobs.len(), &cancel, work).await;
        attended.ok_or(10)
    };
    let outcomes = observe::step("delete", deleting).await?;
    results.extend(outcomes);
    let code = results
        .iter()
        .map(|(_, outcome)| outcome.exit_code())
        .max()
        .unwrap_or(0);
    print(context, arguments.output, &results, code);
    Ok(code.max(set::say_what_is_remembered(&remember)))
}

/// The jobs that are there, and what is to be said of the others.
///
/// A job that files describe and that is gone is as wanted; a name that no job has is probably a slip.
async fn look(
    deletion: &Deletion<'_>,
    waves: &[Vec<JobKey>],
    remember: &Remember,
    is_named: bool,
) -> (Vec<Vec<JobKey>>, Vec<(JobKey, Outcome)>) {
    let mut present = Vec::new();
    let mut results = Vec::new();
    for wave in waves {
        let mut there = Vec::new();
        for key in wave {
            match deletion.look(key, remember).await {
                Target::Present => there.push(key.clone()),
                Target::Absent if is_named => {
                    let text = format!(
                        "there is no job {} in namespace {}; `cs status -A` lists all jobs",
                        key.job, key.namespace
                    );
                    results.push((key.clone(), Outcome::Failed(text)));
                }
                Target::Absent => results.push((key.clone(), Outcome::Destroyed)),
                Target::Refused(text) => results.push((key.clone(), Outcome::Refused(text))),
                Target::Unknown(text) => results.push((key.clone(), Outcome::Failed(text))),
            }
        }
        present.push(there);
    }
    (present, results)
}

/// Nothing is deleted when a part of it may not be.
fn refused(results: &[(JobKey, Outcome)]) -> Option<u8> {
    let worst = results.iter().map(|(_, outcome)| outcome.exit_code()).max();
    worst.filter(|code| *code > 0)
}

fn print(context: &Context, format: Format, results: &[(JobKey, Outcome)], code: u8) {
    match format {
        Format::Text => {
            for (key, outcome) in results {
                let mark = if outcome.is_success() {
                    context.paint.green("✓")
                } else {
                    context.paint.red("✗")
                };
                output::line(&format!("{mark} {key}: {}", outcome.message()));
            }
        }
        Format::Json => output::json(&report::apply::deletion_line(results, code)),
    }
}
