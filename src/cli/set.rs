//! What plan, diff and apply have in common: read the files, read the cluster, plan.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::cluster::ClusterArgs;
use super::sources::{SourceArgs, without_findings};
use super::{Context, exit};
use crate::clients::chain;
use crate::clients::nomad::NomadClient;
use crate::controller::set::observe::{CannotPlan, PlanOptions, Planned, plan_set};
use crate::controller::set::prepare::{SetOptions, SpecSet, prepare};
use crate::controller::set::remember::Remember;
use crate::ids::OwnerId;
use crate::inventory::Store;
use crate::manifests::Loaded;
use crate::observe;
use crate::set::Wanted;
use crate::set::plan::Allowed;
use crate::set::prune::PruneLimit;
use crate::set::seal::{About, SealedFlags, SealedPlan};
use crate::spec::Severity;
use crate::spec::relations::OnFailure;
use crate::spec::suggest::closest;
use crate::validation::by_own_policies;

/// How long a cluster that does not answer is asked again.
const PATIENCE: Duration = Duration::from_secs(30);

/// Between two questions to a cluster that does not answer.
const PAUSE: Duration = Duration::from_secs(1);

/// Flags of every command that plans a set.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct SetArgs {
    #[command(flatten)]
    pub(super) sources: SourceArgs,
    #[command(flatten)]
    pub(super) cluster: ClusterArgs,
    /// On whose behalf. Default: `CS_OWNER`, else the owner of the context, else `cs`.
    #[arg(long, value_name = "OWNER")]
    pub(super) owner: Option<OwnerId>,
    /// Remove jobs that this owner has applied before and that are not among the files any more.
    #[arg(long)]
    pub(super) prune: bool,
    /// The most that may be removed at once: a number, or a share of what the owner has. Default: 20%, at least 1.
    #[arg(long, value_name = "N|SHARE", requires = "prune")]
    pub(super) prune_limit: Option<PruneLimit>,
    /// Take over jobs that run already and belong to nobody, or to somebody else.
    #[arg(long)]
    pub(super) adopt: bool,
    /// Try specs again that have failed before, although nothing has changed since.
    #[arg(long)]
    pub(super) retry_failed: bool,
}

/// A set that was planned.
pub(super) struct Ready {
    pub(super) nomad: NomadClient,
    pub(super) set: SpecSet,
    pub(super) remember: Remember,
    pub(super) planned: Planned,
    about: About,
}

impl Ready {
    /// The plan in the form that can be kept.
    pub(super) fn sealed(&self) -> SealedPlan {
        let positions = &self.planned.positions;
        let wanted: Vec<&Wanted> = positions.iter().map(|at| &self.set.wanted[*at]).collect();
        SealedPlan::new(
            self.about.clone(),
            jiff::Timestamp::now().to_string(),
            &self.planned.plan,
            &wanted,
            &self.planned.indexes,
        )
    }
}

impl SetArgs {
    /// Reads, prepares and plans. What is wrong has been printed.
    ///
    /// # Errors
    /// The exit code.
    pub(super) async fn ready(
        &self,
        context: &Context,
        on_failure: OnFailure,
        asks_scheduler: bool,
    ) -> Result<Ready, u8> {
        let owner = self.cluster.owner(context, self.owner.as_ref())?;
        let nomad = self.cluster.client(context)?;
        let reading = read(context, &self.sources, &nomad, &owner, on_failure);
        let (set, is_complete) = observe::step("read", reading).await?;
        let state_dir = context.environment.state_dir();
        let remember = open(&nomad, &owner, &state_dir).await?;
        let options = PlanOptions {
            allowed: Allowed {
                adopt: self.adopt,
                retry_failed: self.retry_failed,
            },
            prune: self.prune,
            prune_limit: self.prune_limit.unwrap_or_default(),
            is_complete,
            asks_scheduler,
        };
        let planning = plan(&nomad, &set, &remember, options);
        let planned = observe::step("plan", planning).await?;
        let about = About {
            owner,
            cluster: self.cluster.described(&nomad),
            sources: self.sources.file.clone(),
            variables: self.sources.variables_fingerprint()?,
            revision: set
                .options
                .revision
                .as_ref()
                .map(|found| found.commit.clone()),
            flags: SealedFlags {
                adopt: self.adopt,
                prune: self.prune,
                retry_failed: self.retry_failed,
            },
        };
        Ok(Ready {
            nomad,
            set,
            remember,
            planned,
            about,
        })
    }
}

/// Reads and prepares a set, and says whether every source was read to its end. What is wrong has been printed.
///
/// # Errors
/// The exit code.
pub(super) async fn read(
    context: &Context,
    sources: &SourceArgs,
    nomad: &NomadClient,
    owner: &OwnerId,
    on_failure: OnFailure,
) -> Result<(SpecSet, bool), u8> {
    let loaded = sources.load(context, &CancellationToken::new()).await?;
    let loaded = without_findings(loaded)?;
    by_policies(context, &loaded, nomad, owner)?;
    let options = SetOptions {
        owner: owner.clone(),
        namespace: nomad.namespace().clone(),
        on_failure,
        environment: context.environment.clone(),
        revision: loaded.revision.clone(),
    };
    let set = prepare(loaded.manifests, options).map_err(|findings| {
        findings.iter().for_each(exit::finding);
        3
    })?;
    slips(sources, &set)?;
    Ok((set, loaded.is_complete))
}

/// Policies that stand among the specs hold wherever these are read.
///
/// # Errors
/// One is broken; the findings have been printed, the exit code.
fn by_policies(
    context: &Context,
    loaded: &Loaded,
    nomad: &NomadClient,
    owner: &OwnerId,
) -> Result<(), u8> {
    let findings = by_own_policies(loaded, nomad.namespace(), owner, &context.environment);
    findings.iter().for_each(exit::finding);
    let is_broken = findings.iter().any(|one| one.severity == Severity::Error);
    if is_broken { Err(3) } else { Ok(()) }
}

/// A value for a variable that no job of the set declares would be lost without a word.
///
/// # Errors
/// There is one; it has been printed, the exit code.
fn slips(sources: &SourceArgs, set: &SpecSet) -> Result<(), u8> {
    if sources.var.is_empty() {
        return Ok(());
    }
    let declared = set.declared_variables();
    for (name, _) in sources.var.iter().filter_map(|flag| flag.split_once('=')) {
        if !declared.contains(name) {
            let meant = closest(name, declared.iter().map(String::as_str));
            let help = meant.map_or_else(
                || "variables belong to Nomad jobs in HCL".to_owned(),
                |meant| format!("did you mean `{meant}`?"),
            );
            let name = name.escape_debug();
            return Err(exit::usage(
                format!("--var {name}: no job among the files declares this variable"),
                &help,
            ));
        }
    }
    Ok(())
}

pub(super) async fn open(
    nomad: &NomadClient,
    owner: &OwnerId,
    state_dir: &Path,
) -> Result<Remember, u8> {
    let (store, inventory) = Store::open(nomad, owner, state_dir)
        .await
        .map_err(|error| {
            exit::complain(&chain(&error), Some(error.help()));
            1
        })?;
    Ok(Remember::new(
        store,
        inventory,
        Arc::new(jiff::Timestamp::now),
    ))
}

/// Says where the inventory stands when that is not in the cluster, and whether something could not be remembered.
///
/// Returns the exit code that asks for.
pub(super) fn say_what_is_remembered(remember: &Remember) -> u8 {
    let place = remember.place();
    if let Some(help) = place.help() {
        exit::warn(&format!("the inventory stands in {place}"));
        exit::help(help);
    }
    let Some(why) = remember.failure() else {
        return 0;
    };
    exit::complain(
        &format!("what was done could not be remembered: {why}"),
        Some("repeat the same command once Nomad answers: nothing is done twice"),
    );
    1
}

/// A cluster between two leaders is asked again for a while.
///
/// # Errors
/// What is wrong has been printed; the exit code.
pub(super) async fn plan(
    nomad: &NomadClient,
    set: &SpecSet,
    remember: &Remember,
    options: PlanOptions,
) -> Result<Planned, u8> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match plan_set(nomad, set, remember.inventory(), options).await {
            Ok(planned) => return Ok(planned),
            Err(error) if error.may_pass() && Instant::now() + PAUSE < deadline => {
                tracing::warn!("{}; trying again", chain(&error));
                tokio::time::sleep(PAUSE).await;
            }
            Err(error) => {
                let help = match &error {
                    CannotPlan::Nomad(error) => error.help(),
                    CannotPlan::Leaderless(_) => "wait until the servers have a leader",
                };
                exit::complain(&chain(&error), Some(help));
                return Err(1);
            }
        }
    }
}
