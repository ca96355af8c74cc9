//! `cs wait`.

use super::attend::{WaitArgs, attend, help};
use super::cluster::ClusterArgs;
use super::record::{RecordArgs, Started, recorded};
use super::report::status::{JobEntry, StatusReport};
use super::{Context, answer, exit, output};
use crate::clients::nomad::client::NomadClient;
use crate::clients::nomad::error::Disposition;
use crate::ids::JobId;
use crate::reconcile::Outcome;
use crate::views::condition::is_batch;
use crate::views::wait::Until;

/// Wait until jobs are healthy, completed, stopped or gone.
///
/// Ends at once, with the cause, when that cannot come about any more: a rollout that failed or was rolled back, a batch
/// job that failed, a job that is stopped while it is to be healthy. Exit codes: 0 it is so, 4 out of time, 5 unhealthy,
/// 6 rolled back, 7 no node fits, 10 interrupted.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  cs wait shop\n  cs wait shop pg-main --timeout 5m\n  cs wait backup/periodic-1700000000 --for completed\n  cs wait shop --for deleted -n team"
)]
pub(super) struct Arguments {
    /// Jobs. All of them have to come there.
    #[arg(value_name = "NAME", required = true)]
    names: Vec<JobId>,
    #[command(flatten)]
    cluster: ClusterArgs,
    /// What to wait for.
    #[arg(
        long = "for",
        value_enum,
        default_value = "healthy",
        value_name = "STATE"
    )]
    until: State,
    #[command(flatten)]
    wait: WaitArgs,
    #[command(flatten)]
    record: RecordArgs,
    /// How the end is told.
    #[arg(short, long, value_enum, default_value = "text")]
    output: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum State {
    Healthy,
    Completed,
    Stopped,
    Deleted,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Text,
    Json,
}

impl State {
    const fn until(self) -> Until {
        match self {
            Self::Healthy => Until::Healthy,
            Self::Completed => Until::Completed,
            Self::Stopped => Until::Stopped,
            Self::Deleted => Until::Deleted,
        }
    }
}

pub(super) fn run(context: &Context, arguments: Arguments) -> u8 {
    let started = Started::new("wait", "converged", &arguments.record);
    recorded(context, &started, async {
        let nomad = match arguments.cluster.client(context) {
            Ok(nomad) => nomad,
            Err(code) => return code,
        };
        match wait(context, &nomad, &arguments).await {
            Ok(code) | Err(code) => code,
        }
    })
}

async fn wait(context: &Context, nomad: &NomadClient, arguments: &Arguments) -> Result<u8, u8> {
    let until = arguments.until.until();
    for id in &arguments.names {
        check(nomad, id, until).await?;
    }
    let jobs: Vec<(JobId, Option<u64>)> = arguments
        .names
        .iter()
        .map(|id| (id.clone(), None))
        .collect();
    let outcomes = attend(context, nomad, &jobs, until, arguments.wait.timeout.0).await?;
    let ended: Vec<(&JobId, &Outcome)> = arguments.names.iter().zip(&outcomes).collect();
    let worst = ended.iter().find(|(_, outcome)| !outcome.is_success());
    match arguments.output {
        Format::Json => report(nomad, &ended, until),
        Format::Text => ended
            .iter()
            .for_each(|(id, outcome)| tell(nomad, id, outcome, until)),
    }
    Ok(worst.map_or(0, |(_, outcome)| outcome.exit_code()))
}

/// What cannot come about whatever happens is a mistake of whoever asks.
async fn check(nomad: &NomadClient, id: &JobId, until: Until) -> Result<(), u8> {
    if matches!(until, Until::Stopped | Until::Deleted) {
        return Ok(());
    }
    let job = match nomad.job(id).await {
        Ok(read) => read.value,
        // A Nomad that does not answer just now is waited for.
        Err(error) if matches!(error.disposition(), Disposition::Backoff { .. }) => return Ok(()),
        Err(error) => return Err(answer::failed(&error)),
    };
    let Some(job) = job else {
        return Err(answer::missing(nomad, id).await);
    };
    let head = &job.head;
    if until == Until::Completed && (head.periodic.is_some() || head.parameterized_job.is_some()) {
        return Err(exit::usage(
            format!("job {id} starts others and never completes itself"),
            &format!("wait for one of its runs; cs why {id} names the last one"),
        ));
    }
    if until == Until::Completed && !is_batch(&head.job_type) {
        return Err(exit::usage(
            format!("job {id} is a {} job, which never completes", head.job_type),
            "wait for it to be healthy or stopped: --for healthy, --for stopped",
        ));
    }
    Ok(())
}

fn tell(nomad: &NomadClient, id: &JobId, outcome: &Outcome, until: Until) {
    if outcome.is_success() {
        output::line(&format!("{id} is {}", until.word()));
    } else {
        exit::complain(
            &format!("job {id}: {}", outcome.message()),
            help(nomad, id, outcome).as_deref(),
        );
    }
}

fn report(nomad: &NomadClient, ended: &[(&JobId, &Outcome)], until: Until) {
    let entry = |id: &JobId, outcome: &Outcome| {
        let entry = JobEntry::of_outcome(id.as_str(), nomad.namespace().as_str(), outcome);
        let reached = format!("{id} is {}", until.word());
        JobEntry {
            message: outcome.is_success().then_some(reached).or(entry.message),
            ..entry
        }
    };
    let entries: Vec<JobEntry> = ended
        .iter()
        .map(|(id, outcome)| entry(id, outcome))
        .collect();
    let report = match ended.iter().find(|(_, outcome)| !outcome.is_success()) {
        Some((id, outcome)) => StatusReport::of_outcome(outcome, help(nomad, id, outcome), entries),
        None => {
            let messages = entries.iter().filter_map(|entry| entry.message.clone());
            let message = messages.collect::<Vec<_>>().join("; ");
            StatusReport::of_entries(entries, message)
        }
    };
    output::json(&report.json());
}
