//! Waiting for jobs in the foreground: progress on standard error, a deadline, Ctrl-C.

use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::signals::Signals;
use super::{Context, exit, progress};
use crate::clients::nomad::client::NomadClient;
use crate::controller::attend::Attend;
use crate::controller::note::{Note, Notes, Phase};
use crate::ids::JobId;
use crate::observe;
use crate::reconcile::Outcome;
use crate::spec::Span;
use crate::views::wait::Until;
use crate::views::why::shell_word;

/// Jobs that are watched closely at the same time: each holds four of the twelve connections for that.
const CLOSELY: usize = 3;

/// How long commands wait.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(super) struct WaitArgs {
    /// How long to wait at most.
    #[arg(long, value_name = "DURATION", default_value = "10m")]
    pub(super) timeout: Span,
}

/// Waits for every job until all have come to an end; the outcomes are in the order of the jobs.
///
/// # Errors
/// A setting cannot be used: it has been printed; the exit code.
pub(super) async fn attend(
    context: &Context,
    nomad: &NomadClient,
    jobs: &[(JobId, Option<u64>)],
    until: Until,
    timeout: Duration,
) -> Result<Vec<Outcome>, u8> {
    let placement_grace = context
        .environment
        .placement_grace()
        .map_err(|error| exit::usage(error, ""))?
        .min(timeout / 2);
    let cancel = CancellationToken::new();
    let mut signals = Signals::catch();
    let (notes, received) = Notes::channel();
    let deadline = Instant::now() + timeout;
    let work = async {
        // The tree has one line, so it is for one job.
        let is_single = jobs.len() == 1;
        if is_single {
            notes.send(Note::Began(Phase::HealthCheck));
        }
        let attend = Attend {
            nomad,
            notes: &notes,
            deadline,
            cancel: &cancel,
            placement_grace,
            is_one_of_many: jobs.len() > CLOSELY,
        };
        let attend = &attend;
        let waits = jobs
            .iter()
            .map(|(id, version)| attend.run(id, until, *version));
        let outcomes: Vec<Outcome> = futures::future::join_all(waits).await;
        if let [outcome] = outcomes.as_slice() {
            let ended = match outcome.is_success() {
                true => Ok(()),
                false => Err(outcome.message()),
            };
            notes.send(Note::Ended(Phase::HealthCheck, ended));
        }
        drop(notes);
        for ((job, _), outcome) in jobs.iter().zip(&outcomes) {
            observe::job_ended(job, outcome);
        }
        outcomes
    };
    let shown = progress::show(received, context.interactive && jobs.len() == 1, |_| {});
    let interrupted = async {
        signals.first().await;
        cancel.cancel();
        std::future::pending::<()>().await
    };
    // Cancel-safe: waiting for a signal loses nothing.
    tokio::select! {
        (outcomes, ()) = async { tokio::join!(work, shown) } => Ok(outcomes),
        () = interrupted => unreachable!("it waits for ever once it has told the others"),
    }
}

/// What to type next after a wait that ended badly.
pub(super) fn help(nomad: &NomadClient, id: &JobId, outcome: &Outcome) -> Option<String> {
    let id = shell_word(id.as_str());
    let namespace = namespace_flag(nomad);
    match outcome {
        Outcome::Deadline { .. } => Some(format!(
            "what Nomad has begun goes on; give more time with --timeout, or see cs why {id}{namespace}"
        )),
        Outcome::Unhealthy(_) | Outcome::Unplaceable(_) | Outcome::RolledBack { .. } => {
            Some(format!("cs why {id}{namespace}"))
        }
        Outcome::Failed(_) | Outcome::Superseded(_) => {
            Some(format!("cs history {id}{namespace} --diff"))
        }
        other => other.help(),
    }
}

/// ` -n team`, where commands that are to be copied need it.
pub(super) fn namespace_flag(nomad: &NomadClient) -> String {
    match nomad.namespace().as_str() {
        "default" => String::new(),
        namespace => format!(" -n {namespace}"),
    }
}
