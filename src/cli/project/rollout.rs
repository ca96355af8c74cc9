//! From images to healthy jobs: the apps of a project as one set, through the loop of `cs apply`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::load::{App, Loaded};
use crate::artifact::source::WorkDir;
use crate::cli::apply::{self, Parts};
use crate::cli::cluster::ClusterArgs;
use crate::cli::confirm::{self, Harm};
use crate::cli::show_plan::{self, Detail};
use crate::cli::{Context, exit, output, set};
use crate::clients::chain;
use crate::clients::nomad::NomadClient;
use crate::clients::nomad::connection::ConnectionConfig;
use crate::config::cluster::DEFAULT_OWNER;
use crate::controller::converge::Until;
use crate::controller::log::{DeploymentLog, Echo};
use crate::controller::pack::{PackError, PackWork};
use crate::controller::set::apply::{ApplyOptions, PARALLEL, SetResult};
use crate::controller::set::observe::{PlanOptions, Planned};
use crate::controller::set::prepare::{SetOptions, SpecSet, prepare};
use crate::controller::set::remember::Remember;
use crate::controller::set::secrets;
use crate::ids::OwnerId;
use crate::manifests::{self, Manifest, Request};
use crate::project::{Deploy, Pack};
use crate::secret::Secret;
use crate::set::plan::Allowed;
use crate::spec::relations::OnFailure;
use crate::spec::workload::Cluster;
use crate::spec::{Resource, Span};

/// Flags of commands that deploy a project.
#[derive(Debug, Clone, Default, clap::Args)]
pub(in crate::cli) struct DeployArgs {
    #[command(flatten)]
    pub(in crate::cli) cluster: ClusterArgs,
    /// On whose behalf. Default: `CS_OWNER`, else the owner of the context, else the project's name, else `cs`.
    #[arg(long, value_name = "OWNER")]
    pub(in crate::cli) owner: Option<OwnerId>,
    /// Take over jobs that run already and belong to nobody, or to somebody else.
    #[arg(long)]
    pub(in crate::cli) adopt: bool,
    /// Do not ask before something that runs is stopped. Without a terminal nobody is asked.
    #[arg(short, long)]
    pub(in crate::cli) yes: bool,
    /// Do not wait for health.
    #[arg(long)]
    pub(in crate::cli) no_wait: bool,
    /// Longest time for all of it. Default: `CS_DEADLINE`, else 15m.
    #[arg(long, value_name = "DURATION")]
    pub(in crate::cli) timeout: Option<Span>,
}

/// A project that can be rolled out.
pub(in crate::cli) struct Ready {
    nomad: NomadClient,
    set: SpecSet,
    pub(in crate::cli) planned: Planned,
    remember: Remember,
}

/// How a rollout is carried out.
#[derive(Debug, Clone, Copy)]
pub(in crate::cli) struct How {
    pub(in crate::cli) deadline: Instant,
    pub(in crate::cli) placement_grace: Duration,
    /// Plan and results are told in words.
    pub(in crate::cli) is_text: bool,
}

impl DeployArgs {
    /// Plans the rollout of a project whose images are there. What is wrong has been printed.
    ///
    /// # Errors
    /// The exit code.
    pub(in crate::cli) async fn ready(
        &self,
        context: &Context,
        loaded: &Loaded,
        cancel: &CancellationToken,
    ) -> Result<Ready, u8> {
        let owner = self.owner(context, loaded)?;
        let config = self.connection(context, loaded)?;
        let nomad =
            NomadClient::new(config.clone()).map_err(|error| exit::usage(chain(&error), ""))?;
        let manifests = manifests(loaded, &config, cancel).await?;
        let options = SetOptions {
            owner: owner.clone(),
            namespace: nomad.namespace().clone(),
            on_failure: OnFailure::Keep,
            environment: loaded.references.clone(),
            revision: None,
        };
        let set = prepare(manifests, options).map_err(|findings| {
            findings.iter().for_each(exit::finding);
            3
        })?;
        let state_dir = loaded.environment.state_dir();
        let remember = set::open(&nomad, &owner, &state_dir).await?;
        let options = PlanOptions {
            allowed: Allowed {
                adopt: self.adopt,
                // Whoever deploys by hand wants this very thing tried.
                retry_failed: true,
            },
            ..PlanOptions::default()
        };
        let planned = set::plan(&nomad, &set, &remember, options).await?;
        Ok(Ready {
            nomad,
            set,
            planned,
            remember,
        })
    }

    /// A project owns its jobs by its own name, so that pruning a folder of specs does not take them for its own.
    fn owner(&self, context: &Context, loaded: &Loaded) -> Result<OwnerId, u8> {
        if let Some(owner) = &self.owner {
            return Ok(owner.clone());
        }
        let chosen = self.cluster.owner(context, None)?;
        let project = loaded.name.as_ref();
        match project.filter(|_| chosen.as_str() == DEFAULT_OWNER) {
            Some(name) => name
                .parse()
                .map_err(|error| exit::usage(error, "name an owner with --owner")),
            None => Ok(chosen),
        }
    }

    /// The cluster of the flags, else that of the project, else that of the environment. What proves who asks goes to no
    /// other address than the one that it was given for, unless the project names it: it may be somebody else's project.
    fn connection(&self, context: &Context, loaded: &Loaded) -> Result<ConnectionConfig, u8> {
        let config = self.cluster.config(context)?;
        let mut clusters = loaded
            .apps
            .iter()
            .map(|app| app.workload().spec.cluster.as_ref());
        let first = clusters.next().flatten();
        if clusters.any(|other| other != first) {
            return Err(exit::usage(
                "the apps of this project go to different clusters",
                "deploy one at a time with --app",
            ));
        }
        let Some(cluster) = first.filter(|_| !self.cluster.is_named()) else {
            return Ok(config);
        };
        let token = token(cluster, loaded);
        let mut config = config;
        if let Some(address) = &cluster.address {
            let given = ConnectionConfig::new(address).map_err(|error| {
                exit::usage(format!("nomad_addr of the project: {}", chain(&error)), "")
            })?;
            if given.address != config.address {
                if token.is_none() && config.token.is_some() {
                    exit::warn(&format!(
                        "the token is of {} and does not go to {}",
                        config.address, given.address
                    ));
                    exit::help(
                        "put `nomad_token = env(\"NOMAD_TOKEN\")` beside `nomad_addr` if it is meant for both",
                    );
                }
                config.token = None;
                config.http_auth = None;
            }
            config.address = given.address;
            config.http_auth = given.http_auth.or(config.http_auth);
        }
        config.token = token.or(config.token);
        Ok(config)
    }
}

/// The token that the project names for its cluster.
fn token(cluster: &Cluster, loaded: &Loaded) -> Option<Secret> {
    let reference = cluster.token.as_ref()?;
    let name = reference.from_env.as_deref();
    let of_app = |app: &App| app.secrets.get(name?).cloned();
    let given = loaded.apps.iter().find_map(of_app);
    given.or_else(|| secrets::value(reference, &loaded.environment))
}

/// One manifest a job: workloads as they are, packs as they are rendered.
async fn manifests(
    loaded: &Loaded,
    config: &ConnectionConfig,
    cancel: &CancellationToken,
) -> Result<Vec<Manifest>, u8> {
    let mut manifests = Vec::new();
    for app in &loaded.apps {
        match &app.deploy {
            Deploy::Nothing => {
                exit::note(&format!("{}: deploy is `noop`, nothing to do", app.name))
            }
            Deploy::Job { .. } => {
                let mut document = app.document.clone();
                if let Resource::Workload(workload) = &mut document.resource {
                    // The command has chosen it.
                    workload.spec.cluster = None;
                }
                manifests.push(Manifest {
                    document,
                    native: None,
                });
            }
            Deploy::Pack(pack) => {
                let rendered = rendered(app, pack, loaded, config, cancel).await?;
                manifests.extend(rendered);
            }
        }
    }
    Ok(manifests)
}

/// The jobs that a pack renders.
async fn rendered(
    app: &App,
    pack: &Pack,
    loaded: &Loaded,
    config: &ConnectionConfig,
    cancel: &CancellationToken,
) -> Result<Vec<Manifest>, u8> {
    let parent = loaded.environment.temp_dir();
    let work_dir = work_dir(parent).await?;
    let (echo, said) = Echo::channel();
    let log = DeploymentLog::local(echo);
    let work = async {
        let log = log;
        let work = PackWork {
            pack,
            folder: &app.folder,
            scratch: work_dir.path(),
            environment: &loaded.environment,
            connection: config,
            secrets: &loaded.secrets,
            log: &log,
        };
        work.render(cancel).await
    };
    let (rendered, ()) = tokio::join!(work, super::images::repeat(said));
    let read = rendered
        .map_err(|error| refused(&error, app))
        .and_then(|rendered| read(&rendered.files, &loaded.environment));
    if let Err(error) = work_dir.remove().await {
        exit::warn(&format!("the work directory could not be removed: {error}"));
    }
    read
}

fn refused(error: &PackError, app: &App) -> u8 {
    let mut finding = app.document.diagnostic("pack", "spec", chain(error), None);
    // The path in the project file, not the one of a workload.
    finding.path = format!("app.{}.deploy", app.name);
    exit::finding(&finding);
    match error {
        PackError::NotInstalled { .. } | PackError::Source { .. } => 3,
        _ => 1,
    }
}

/// A directory for this run; what killed runs left behind goes first.
async fn work_dir(parent: PathBuf) -> Result<WorkDir, u8> {
    let shown = parent.display().to_string();
    let made = tokio::task::spawn_blocking(move || {
        std::fs::create_dir_all(&parent)?;
        // What cannot be cleared away is no reason to stop.
        let _ = WorkDir::sweep(&parent);
        WorkDir::create(&parent)
    })
    .await
    .expect("making a directory does not panic");
    made.map_err(|error| {
        exit::complain(
            &format!("cannot make a work directory in {shown}: {error}"),
            Some("set TMPDIR to a directory with room"),
        );
        1
    })
}

fn read(files: &[PathBuf], environment: &crate::config::Environment) -> Result<Vec<Manifest>, u8> {
    let named: Vec<String> = files
        .iter()
        .map(|file: &PathBuf| Path::display(file).to_string())
        .collect();
    let request = Request::new(&named, &[], Vec::new(), environment);
    let loaded = request
        .and_then(|request| manifests::load_local(&request, &CancellationToken::new()))
        .map_err(|error| {
            exit::complain(&chain(&error), error.help());
            error.exit_code()
        })?;
    Ok(crate::cli::sources::without_findings(loaded)?.manifests)
}

impl Ready {
    /// Prints the plan where it is told in words and there is something to do.
    pub(in crate::cli) fn show(&self, context: &Context, detail: Detail) {
        output::raw(&show_plan::text(&self.planned.plan, context.paint, detail));
    }

    /// Rolls it out, and waits until it is healthy. Returns the exit code with what became of it.
    ///
    /// # Errors
    /// Somebody said no, or a second signal ended it; that has been printed, the exit code.
    pub(in crate::cli) async fn roll_out(
        mut self,
        context: &Context,
        arguments: &DeployArgs,
        how: How,
    ) -> Result<(SetResult, u8), u8> {
        let plan = &self.planned.plan;
        if how.is_text && plan.differs() {
            self.show(context, Detail::Plan);
        }
        let harm = if plan.destroys() {
            Harm::Destroys
        } else {
            Harm::None
        };
        let question = "Running work will be stopped without another in its place. Go on?";
        confirm::confirm(question, harm, arguments.yes).await?;
        let options = ApplyOptions {
            waits: !arguments.no_wait,
            until: Until::Healthy,
            is_sealed: false,
            deadline: how.deadline,
            placement_grace: how.placement_grace,
            at_once: PARALLEL,
        };
        let parts = Parts {
            nomad: &self.nomad,
            set: &self.set,
            planned: &self.planned,
        };
        let result = apply::carry_out(context, parts, &mut self.remember, options).await?;
        let code = apply::exit_code(&result).max(set::say_what_is_remembered(&self.remember));
        Ok((result, code))
    }
}
