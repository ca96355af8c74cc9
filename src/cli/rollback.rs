//! `cs rollback`.

use super::attend::{WaitArgs, attend, help, namespace_flag};
use super::cluster::ClusterArgs;
use super::confirm::{Harm, confirm};
use super::history::change_line;
use super::record::{RecordArgs, Started, recorded};
use super::report::status::{JobEntry, StatusReport};
use super::{Context, answer, exit, output};
use crate::clients::nomad::client::NomadClient;
use crate::controller::act;
use crate::ids::JobId;
use crate::reconcile::Outcome;
use crate::reconcile::diff::Effect;
use crate::reconcile::plan::META_MANAGED_BY;
use crate::views::rollback::{NoRollback, Rollback, Target, rollback};
use crate::views::wait::Until;
use crate::views::why::shell_word;

/// Go back to an earlier version of a job, and wait until it is healthy.
///
/// Without --to: the newest version that Nomad saw healthy and that is not the same as the current one. Nomad makes its
/// specification a new version. Refused when somebody else changed the job meanwhile. The next cs apply brings the newer
/// specification back: correct the spec files as well.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  cs rollback shop\n  cs rollback shop --to 3\n  cs rollback shop --to golden --yes --no-wait"
)]
pub(super) struct Arguments {
    /// Name of the job.
    #[arg(value_name = "NAME")]
    name: JobId,
    #[command(flatten)]
    cluster: ClusterArgs,
    /// Number or tag of the version; cs history shows them.
    #[arg(long, value_name = "VERSION")]
    to: Option<Target>,
    /// Do not ask.
    #[arg(short, long)]
    yes: bool,
    /// Do not wait until it is healthy.
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
    let started = Started::new("rollback", "converged", &arguments.record);
    recorded(context, &started, async {
        let nomad = match arguments.cluster.client(context) {
            Ok(nomad) => nomad,
            Err(code) => return code,
        };
        match go_back(context, &nomad, &arguments).await {
            Ok(code) | Err(code) => code,
        }
    })
}

async fn go_back(context: &Context, nomad: &NomadClient, arguments: &Arguments) -> Result<u8, u8> {
    let id = &arguments.name;
    let read = nomad.job_versions(id).await;
    let Some(versions) = read.map_err(|error| answer::failed(&error))?.value else {
        return Err(answer::missing(nomad, id).await);
    };
    let versions = versions.versions;
    let plan = match rollback(&versions, arguments.to.as_ref()) {
        Ok(plan) => plan,
        Err(none) => return Ok(nothing(nomad, arguments, &none)),
    };
    if arguments.output == Format::Text {
        show(context, id, &plan);
    }
    let question = format!("Roll job {id} back to version {}?", plan.to);
    confirm(&question, harm(&plan), arguments.yes).await?;
    let version = act::revert(nomad, id, plan.to, plan.from).await;
    let version = version.map_err(|error| answer::failed(&error))?;
    if versions[0].head.meta.contains_key(META_MANAGED_BY) {
        exit::warn(&format!(
            "the next cs apply brings the newer specification of {id} back: correct its file as well"
        ));
    }
    if arguments.no_wait {
        begun(nomad, arguments, &plan, version);
        return Ok(0);
    }
    let jobs = [(id.clone(), Some(version))];
    let timeout = arguments.wait.timeout.0;
    let outcomes = attend(context, nomad, &jobs, Until::Healthy, timeout).await?;
    let outcome = outcomes.first().expect("one outcome a job");
    conclude(nomad, arguments, &plan, version, outcome);
    Ok(outcome.exit_code())
}

/// The version is there, and its rollout goes on without anybody waiting for it.
fn begun(nomad: &NomadClient, arguments: &Arguments, plan: &Rollback, version: u64) {
    let id = &arguments.name;
    let message = format!(
        "{id} is back at version {}: it is rolled out as version {version}",
        plan.to
    );
    match arguments.output {
        Format::Text => output::line(&message),
        Format::Json => {
            let entry = JobEntry {
                job: id.to_string(),
                namespace: nomad.namespace().to_string(),
                ..JobEntry::default()
            };
            let entry = changed(entry, plan, version);
            output::json(&StatusReport::of_begun(entry, message).json());
        }
    }
}

fn changed(entry: JobEntry, plan: &Rollback, version: u64) -> JobEntry {
    JobEntry {
        version: Some(version),
        from_version: Some(plan.from),
        to_version: Some(plan.to),
        changes: plan.drift.changes.iter().map(ToString::to_string).collect(),
        ..entry
    }
}

/// There is no version to go back to, or it runs already.
fn nothing(nomad: &NomadClient, arguments: &Arguments, none: &NoRollback) -> u8 {
    let id = &arguments.name;
    if none.is_no_trouble() {
        match arguments.output {
            Format::Text => output::line(&format!("{id}: {none}, nothing to do")),
            Format::Json => {
                let entry = JobEntry::of_outcome(
                    id.as_str(),
                    nomad.namespace().as_str(),
                    &Outcome::Converged,
                );
                let message = format!("{none}, nothing to do");
                output::json(&StatusReport::of_entries(vec![entry], message).json());
            }
        }
        return 0;
    }
    let command = format!(
        "cs history {}{} shows the versions; name one with --to",
        shell_word(id.as_str()),
        namespace_flag(nomad)
    );
    exit::complain(
        &format!("cannot roll job {id} back: {none}"),
        Some(&command),
    );
    1
}

fn harm(plan: &Rollback) -> Harm {
    match plan.drift.effect() {
        _ if plan.starts => Harm::None,
        None | Some(Effect::InPlace | Effect::Create) => Harm::None,
        Some(Effect::Destructive) => Harm::Replaces,
        Some(Effect::Destroy) => Harm::Destroys,
    }
}

fn show(context: &Context, id: &JobId, plan: &Rollback) {
    let stable = match plan.is_stable {
        true => "which was healthy",
        false => "which Nomad never saw healthy",
    };
    output::line(&format!(
        "roll back job {id} from version {} to version {}, {stable}",
        plan.from, plan.to
    ));
    if plan.drift.is_empty() {
        output::line("  the same specification, started again");
    }
    for change in &plan.drift.changes {
        output::line(&format!("  {}", change_line(context, &change.to_string())));
    }
}

fn conclude(
    nomad: &NomadClient,
    arguments: &Arguments,
    plan: &Rollback,
    version: u64,
    outcome: &Outcome,
) {
    let id = &arguments.name;
    let help = help(nomad, id, outcome);
    match arguments.output {
        Format::Json => {
            let entry = JobEntry::of_outcome(id.as_str(), nomad.namespace().as_str(), outcome);
            let entry = changed(entry, plan, version);
            output::json(&StatusReport::of_outcome(outcome, help, vec![entry]).json());
        }
        Format::Text if outcome.is_success() => {
            output::line(&format!(
                "{id} is back at version {}: it is healthy as version {version}",
                plan.to
            ));
        }
        Format::Text => {
            let text = format!(
                "job {id}, rolled back to version {}: {}",
                plan.to,
                outcome.message()
            );
            exit::complain(&text, help.as_deref());
        }
    }
}
