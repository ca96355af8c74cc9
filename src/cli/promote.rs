//! `cs promote`.

use super::attend::{WaitArgs, attend, help, namespace_flag};
use super::cluster::ClusterArgs;
use super::confirm::{Harm, confirm};
use super::record::{RecordArgs, Started, recorded};
use super::report::status::{JobEntry, StatusReport};
use super::{Context, answer, exit, output};
use crate::clients::nomad::client::NomadClient;
use crate::controller::act;
use crate::ids::JobId;
use crate::reconcile::Outcome;
use crate::views::promotion::{NoPromotion, Promotion, promotion};
use crate::views::text::list;
use crate::views::wait::Until;
use crate::views::why::shell_word;

/// Promote the canaries of a rollout, and wait for its end.
///
/// Nomad then replaces the allocations of the version before. Refused while a canary is not healthy. Promoting what is
/// promoted already does nothing but wait.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  cs promote shop\n  cs promote shop --group web --yes\n  cs promote shop --no-wait"
)]
pub(super) struct Arguments {
    /// Name of the job.
    #[arg(value_name = "NAME")]
    name: JobId,
    #[command(flatten)]
    cluster: ClusterArgs,
    /// Only the canaries of this group. May be repeated.
    #[arg(long, value_name = "GROUP")]
    group: Vec<String>,
    /// Do not ask.
    #[arg(short, long)]
    yes: bool,
    /// Do not wait for the end of the rollout.
    #[arg(long)]
    no_wait: bool,
    #[command(flatten)]
    wait: WaitArgs,
    #[command(flatten)]
    record: RecordArgs,
    /// How the end is told.
    #[arg(short, long, value_enum, default_value = "text")]
    output: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Text,
    Json,
}

pub(super) fn run(context: &Context, arguments: Arguments) -> u8 {
    let started = Started::new("promote", "converged", &arguments.record);
    recorded(context, &started, async {
        let nomad = match arguments.cluster.client(context) {
            Ok(nomad) => nomad,
            Err(code) => return code,
        };
        match promote(context, &nomad, &arguments).await {
            Ok(code) | Err(code) => code,
        }
    })
}

async fn promote(context: &Context, nomad: &NomadClient, arguments: &Arguments) -> Result<u8, u8> {
    let id = &arguments.name;
    let (job, rollout) = tokio::try_join!(
        nomad.job(id).into_future(),
        nomad.latest_rollout(id).into_future(),
    )
    .map_err(|error| answer::failed(&error))?;
    let Some(job) = job.value else {
        return Err(answer::missing(nomad, id).await);
    };
    let (version, left) = match promotion(&job, rollout.value.as_ref(), &arguments.group) {
        Ok(promotion) => {
            carry_out(nomad, arguments, &promotion).await?;
            (promotion.version, promotion.left)
        }
        Err(done @ NoPromotion::Promoted { version, .. }) => {
            say(arguments, &format!("{id}: {done}"));
            (version, Vec::new())
        }
        Err(none) => return Err(refused(nomad, arguments, &none)),
    };
    if arguments.no_wait || !left.is_empty() {
        begun(nomad, arguments, version, &left);
        return Ok(0);
    }
    let jobs = [(id.clone(), Some(version))];
    let timeout = arguments.wait.timeout.0;
    let outcomes = attend(context, nomad, &jobs, Until::Healthy, timeout).await?;
    let outcome = outcomes.first().expect("one outcome a job");
    conclude(nomad, arguments, version, outcome);
    Ok(outcome.exit_code())
}

/// The canaries are promoted, and the rollout goes on without anybody waiting for it.
fn begun(nomad: &NomadClient, arguments: &Arguments, version: u64, left: &[String]) {
    let id = &arguments.name;
    let mut message = format!("version {version} of {id} is promoted");
    if !left.is_empty() {
        message.push_str(&format!(", group {} still waits for it", list(left)));
    }
    match arguments.output {
        Format::Text => output::line(&message),
        Format::Json => {
            let entry = entry(nomad, arguments, version);
            output::json(&StatusReport::of_begun(entry, message).json());
        }
    }
}

fn entry(nomad: &NomadClient, arguments: &Arguments, version: u64) -> JobEntry {
    JobEntry {
        job: arguments.name.to_string(),
        namespace: nomad.namespace().to_string(),
        version: Some(version),
        ..JobEntry::default()
    }
}

async fn carry_out(
    nomad: &NomadClient,
    arguments: &Arguments,
    promotion: &Promotion,
) -> Result<(), u8> {
    let id = &arguments.name;
    say(arguments, &format!("promote {id}, {promotion}"));
    let question = format!("Promote version {} of job {id}?", promotion.version);
    // What ran before is replaced, which is what a promotion is for.
    confirm(&question, Harm::Replaces, arguments.yes).await?;
    act::promote(nomad, &promotion.rollout, &arguments.group)
        .await
        .map_err(|error| answer::failed(&error))
}

fn say(arguments: &Arguments, text: &str) {
    if arguments.output == Format::Text {
        output::line(text);
    }
}

/// Prints why nothing is promoted, and returns the exit code.
fn refused(nomad: &NomadClient, arguments: &Arguments, none: &NoPromotion) -> u8 {
    let id = shell_word(arguments.name.as_str());
    let namespace = namespace_flag(nomad);
    let (code, help) = match none {
        NoPromotion::NotHealthy { .. } => (
            5,
            format!("cs why {id}{namespace} tells what they wait for"),
        ),
        NoPromotion::NoSuchGroup { .. } => (2, "leave out --group to promote all".to_owned()),
        NoPromotion::NoCanaries { .. } | NoPromotion::NoRollout => (
            1,
            "only a rollout with canaries is promoted: rollout.canary in the spec".to_owned(),
        ),
        NoPromotion::Over { .. } | NoPromotion::Promoted { .. } => (
            1,
            format!("cs history {id}{namespace} shows what became of it"),
        ),
    };
    exit::complain(
        &format!("cannot promote job {}: {none}", arguments.name),
        Some(&help),
    );
    code
}

fn conclude(nomad: &NomadClient, arguments: &Arguments, version: u64, outcome: &Outcome) {
    let id = &arguments.name;
    let help = help(nomad, id, outcome);
    match arguments.output {
        Format::Json => {
            let entry = JobEntry {
                version: Some(version),
                ..JobEntry::of_outcome(id.as_str(), nomad.namespace().as_str(), outcome)
            };
            output::json(&StatusReport::of_outcome(outcome, help, vec![entry]).json());
        }
        Format::Text if outcome.is_success() => {
            output::line(&format!(
                "version {version} of {id} is promoted and healthy"
            ));
        }
        Format::Text => {
            let text = format!(
                "version {version} of job {id} is promoted, but {}",
                outcome.message()
            );
            exit::complain(&text, help.as_deref());
        }
    }
}
