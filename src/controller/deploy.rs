//! A deployment: from a converted workload to a healthy rollout, every step told to the platform in contract 3.6's order,
//! exactly one outcome event, then the end of the log.

use std::time::Duration;

use tokio::sync::mpsc::UnboundedReceiver;

use super::bounds::Bounds;
use super::converge::{Converge, Until, log_tail};
use super::image::{Image, ImageWork, NoImage};
use super::log::DeploymentLog;
use super::note::{Note, Notes, Phase};
use super::run::{JobResult, Surroundings};
use super::steps::Steps;
use super::sync::{self, service_update, settle_ports};
use crate::artifact::build::target::{self, PushDefaults, Target, TargetError};
use crate::artifact::facts;
use crate::artifact::registry::{self, ImageFacts};
use crate::clients::backend::{Backend, BackendReporter, DeploymentType};
use crate::clients::chain;
use crate::clients::egress::Egress;
use crate::clients::nomad::calls::jobs::Submission;
use crate::clients::nomad::client::NomadClient;
use crate::clients::nomad::connection::{Address, ConnectionConfig};
use crate::compile::compile;
use crate::config::Environment;
use crate::desired::Desired;
use crate::desired::validate::{Options, validate};
use crate::dispatch::convert::{apply_builder, apply_pushed};
use crate::dispatch::{DeployPlatform, EventIds, RunContext, Task};
use crate::events::{
    Announcer, DeploymentKind, DeploymentOutcome, Event, LogEnd, LogStream, Phase as LogPhase,
};
use crate::reconcile::Outcome;
use crate::reconcile::diff::{DiffOptions, Place};
use crate::reconcile::plan::{Goal, Guard, RunGoal};
use crate::spec::Workload;
use crate::spec::workload::{Build, Source};

/// Owner of jobs that were dispatched.
const OWNER: &str = "dispatch";

/// Longest wait for the backend at the end: its breaker has cut it short before, if it is dead.
const BACKEND_PATIENCE: Duration = Duration::from_secs(5);

/// What events call the product of a task.
#[must_use]
pub const fn kind(task: Task) -> DeploymentKind {
    match task {
        Task::DeployRepository | Task::RedeployRepository => DeploymentKind::GitRepo,
        Task::DeployImage | Task::DestroyJobPack => DeploymentKind::Image,
    }
}

/// The payload of an outcome event.
#[must_use]
pub fn outcome_payload(ids: &EventIds, kind: DeploymentKind) -> DeploymentOutcome {
    DeploymentOutcome {
        job_id: ids.deployment_job_id,
        kind,
        deployment_id: ids.deployment_id.to_string(),
        service_id: ids.service_id.to_string(),
        team_id: ids.team_id.clone().unwrap_or_default(),
        user_id: ids.user_id.unwrap_or_default(),
        owner_id: ids.owner_id.clone(),
    }
}

/// Announces how a deployment ended, and the end of its log.
pub async fn announce_end(
    announcer: &Announcer,
    ids: &EventIds,
    kind: DeploymentKind,
    is_success: bool,
) {
    let payload = outcome_payload(ids, kind);
    let (event, status) = if is_success {
        (Event::DeploymentSucceeded(payload), LogEnd::Success)
    } else {
        (Event::DeploymentFailed(payload), LogEnd::Failed)
    };
    announcer.announce(event).await;
    let end = Event::BuildLogEnd {
        deployment_id: ids.deployment_id.clone(),
        job_id: ids.deployment_job_id,
        status,
    };
    announcer.announce(end).await;
}

/// Deploys a converted workload and tells everybody.
pub async fn deploy(
    workload: Workload,
    context: RunContext,
    surroundings: Surroundings,
) -> JobResult {
    let kind = kind(context.task);
    surroundings.notes.send(Note::Deploying {
        deployment: context.ids.deployment_id.clone(),
        job_id: context.ids.deployment_job_id,
    });
    let log = DeploymentLog::open(
        &surroundings.announcer,
        &context.ids,
        surroundings.echo.clone(),
    );
    let title = format!(
        "Deploying {} ({})",
        context.job_id, context.ids.deployment_id
    );
    log.line(LogPhase::Init, LogStream::Stdout, &title).await;
    for warning in &context.warnings {
        surroundings.notes.send(Note::Warning(warning.clone()));
    }
    let started = Event::DeploymentStarted {
        deployment_id: context.ids.deployment_id.to_string(),
        job_id: context.ids.deployment_job_id,
    };
    surroundings.announcer.announce(started).await;

    let reporter = reporter(&context, &surroundings);
    let deployment_type = match kind {
        DeploymentKind::GitRepo => DeploymentType::Git,
        DeploymentKind::Image => DeploymentType::App,
    };
    let id = context.ids.deployment_id.as_str();
    let mut steps = Steps::new(&surroundings.notes, reporter.as_ref(), id, deployment_type);
    let deployment = Deployment {
        context: &context,
        surroundings: &surroundings,
        log: &log,
        backend: reporter.as_ref().map(BackendReporter::backend),
    };
    let mut image = None;
    let (outcome, built_tail) = match deployment.run(workload, &mut image, &mut steps).await {
        Ok(outcome) => (outcome, Vec::new()),
        Err(NoImage { outcome, tail }) => (*outcome, tail),
    };
    let outcome = match (&outcome, surroundings.warrant.superseded(&context.job_id)) {
        (Outcome::Cancelled { .. }, Some(superseded)) => superseded,
        _ => outcome,
    };
    let is_end = surroundings.warrant.may_end(&outcome).await;
    let mut log_tail = Vec::new();
    if is_end {
        log_tail = deployment.explain(&outcome, steps.current()).await;
        steps.end(if outcome.is_success() {
            Ok(())
        } else {
            Err(outcome.message())
        });
    } else {
        steps.leave();
    }
    log_tail.extend(built_tail);
    let failed_in = steps.failed().filter(|_| !outcome.is_success());
    if is_end {
        announce_end(
            &surroundings.announcer,
            &context.ids,
            kind,
            outcome.is_success(),
        )
        .await;
    }
    if let Some(reporter) = reporter {
        let undelivered = reporter.finish(BACKEND_PATIENCE).await;
        if undelivered > 0 {
            surroundings.notes.send(Note::Warning(format!(
                "{undelivered} call(s) to the backend were not delivered"
            )));
        }
    }
    surroundings.notes.send(Note::Finished {
        job: context.job_id.clone(),
        outcome: outcome.clone(),
    });
    JobResult {
        job: context.job_id.to_string(),
        failed_in,
        outcome,
        image,
        log_tail,
    }
}

/// What is wrong with a workload before anybody is asked anything.
///
/// # Errors
/// Everything that is wrong, as the outcome of its run.
pub(super) fn check(
    workload: &Workload,
    context: &RunContext,
    environment: &Environment,
) -> Result<(), Box<Outcome>> {
    target_of(workload, context, environment)
        .and_then(|target| desired_of(workload, target.map(|target| target.local)))
        .map(drop)
        .map_err(|refused| refused.outcome)
}

/// What is built is called, and where it is pushed; `None` for a ready image.
fn target_of(
    workload: &Workload,
    context: &RunContext,
    environment: &Environment,
) -> Result<Option<Target>, NoImage> {
    if !context.task.builds() {
        return Ok(None);
    }
    let defaults = PushDefaults::of(environment);
    let target = target::of_build(&build_of(workload), context.job_id.as_str(), &defaults);
    let invalid = |error: TargetError| Outcome::Invalid(chain(&error)).into();
    target.map(Some).map_err(invalid)
}

/// # Errors
/// Everything that is wrong with the workload, in one line.
fn desired_of(workload: &Workload, image: Option<String>) -> Result<Desired, NoImage> {
    let mut options = Options::new(OWNER.parse().expect("a valid owner"));
    options.image = image;
    validate(workload, &options).map_err(|issues| {
        let texts: Vec<String> = issues.iter().map(ToString::to_string).collect();
        Outcome::Invalid(texts.join("; ")).into()
    })
}

/// The backend of the params, if they name one that can be called.
fn reporter(context: &RunContext, surroundings: &Surroundings) -> Option<BackendReporter> {
    let access = context.backend.as_ref()?;
    let egress = surroundings.environment.egress_of_the_platform();
    match Backend::new(&access.url, access.token.clone(), &egress) {
        Ok(backend) => Some(BackendReporter::start(backend)),
        Err(error) => {
            surroundings.notes.send(Note::Warning(format!(
                "the backend is not called: {}",
                chain(&error)
            )));
            None
        }
    }
}

/// What the phases of one deployment share.
struct Deployment<'a> {
    context: &'a RunContext,
    surroundings: &'a Surroundings,
    log: &'a DeploymentLog,
    backend: Option<&'a Backend>,
}

impl Deployment<'_> {
    /// From the workload to a healthy rollout. `image` is filled as soon as there is a built one.
    async fn run(
        &self,
        mut workload: Workload,
        image: &mut Option<Image>,
        steps: &mut Steps<'_>,
    ) -> Result<Outcome, NoImage> {
        let environment = &self.surroundings.environment;
        let target = target_of(&workload, self.context, environment)?;
        // What is wrong with the params is known before anybody is asked anything.
        desired_of(
            &workload,
            target.as_ref().map(|target| target.local.clone()),
        )?;
        let built = match &target {
            None => None,
            Some(target) => {
                let (source, build) = (workload.spec.source.clone(), build_of(&workload));
                let work = self.image_work(&source, &build, target);
                let made = work.make(steps).await?;
                // What is asked next comes after the build, not within it (contract 3.6).
                steps.end(Ok(()));
                apply_builder(&mut workload, made.builder.as_str());
                *image = Some(made.clone());
                self.settle_with(&mut workload, made.facts.as_ref(), steps)
                    .await?;
                let pushed = work.push(made, steps).await?;
                work.warn_unpushed(&pushed);
                apply_pushed(&mut workload, &pushed.reference);
                *image = Some(pushed.clone());
                Some(pushed.reference)
            }
        };
        if built.is_none() {
            self.settle(&mut workload, steps).await?;
        }
        match self.context.platform {
            DeployPlatform::NomadPack => {}
            DeployPlatform::Noop | DeployPlatform::Docker => return Ok(Outcome::Converged),
        }
        let desired = desired_of(&workload, built)?;
        Ok(self.roll_out(&desired, image.as_ref(), steps).await)
    }

    fn image_work<'w>(
        &'w self,
        source: &'w Source,
        build: &'w Build,
        target: &'w Target,
    ) -> ImageWork<'w> {
        ImageWork {
            source,
            build,
            target,
            secrets: &self.context.secrets,
            environment: &self.surroundings.environment,
            rebuild: self.surroundings.rebuild || self.context.task == Task::RedeployRepository,
            bounds: self.bounds(),
            log: self.log,
            notes: &self.surroundings.notes,
        }
    }

    fn bounds(&self) -> Bounds<'_> {
        Bounds {
            deadline: self.surroundings.deadline,
            cancel: &self.surroundings.cancel,
        }
    }

    /// Settles what a ready image and the backend decide.
    async fn settle(&self, workload: &mut Workload, steps: &mut Steps<'_>) -> Result<(), Outcome> {
        let facts = self
            .bounds()
            .ask("looking at the image", self.image_facts(workload, steps))
            .await?;
        self.settle_with(workload, facts.as_ref(), steps).await
    }

    async fn settle_with(
        &self,
        workload: &mut Workload,
        facts: Option<&ImageFacts>,
        steps: &mut Steps<'_>,
    ) -> Result<(), Outcome> {
        self.bounds()
            .ask(
                "telling the backend",
                self.tell_backend(workload, facts, steps),
            )
            .await
    }

    /// Facts about the image, when anybody needs them: for ports that the params leave open, and for the backend.
    async fn image_facts(&self, workload: &Workload, steps: &mut Steps<'_>) -> Option<ImageFacts> {
        let is_needed = workload.spec.detect_ports || self.backend.is_some();
        let image = workload
            .spec
            .source
            .image
            .as_deref()
            .filter(|_| is_needed)?;
        steps.begin(Phase::ImageDownload);
        match facts::read(image, &self.surroundings.environment).await {
            Ok(facts) => {
                let ports = registry::ports(Some(&facts));
                self.log
                    .line(
                        LogPhase::Detect,
                        LogStream::Stdout,
                        &format!("Image {image}: ports {ports:?}"),
                    )
                    .await;
                steps.end(Ok(()));
                Some(facts)
            }
            Err(error) => {
                let text = format!("cannot read the image's manifest: {}", chain(&error));
                self.surroundings.notes.send(Note::Warning(format!(
                    "{text}; going on with what the params say"
                )));
                self.log
                    .line(LogPhase::Detect, LogStream::Stderr, &text)
                    .await;
                steps.end(Err(text));
                None
            }
        }
    }

    async fn tell_backend(
        &self,
        workload: &mut Workload,
        facts: Option<&ImageFacts>,
        steps: &mut Steps<'_>,
    ) {
        let ports = registry::ports(facts);
        // Domains are asked for after the step before has ended (contract 3.6).
        steps.settle().await;
        let network = settle_ports(workload, self.context, &ports, self.backend).await;
        let (Some(backend), Some(network)) =
            (self.backend, network.filter(|network| !network.is_empty()))
        else {
            return;
        };
        steps.begin(Phase::Sync);
        // A failed call is a warning of the client's own; nothing depends on it.
        let update = service_update(self.context, network, facts);
        let told = tokio::time::timeout(sync::PATIENCE, backend.service_update(&update)).await;
        if told.is_err() {
            let text = "the backend did not take the service's data in time; going on".to_owned();
            self.surroundings.notes.send(Note::Warning(text));
        }
        steps.end(Ok(()));
    }

    async fn roll_out(
        &self,
        desired: &Desired,
        image: Option<&Image>,
        steps: &mut Steps<'_>,
    ) -> Outcome {
        steps.begin(Phase::Deploy);
        let nomad = match nomad_client(self.surroundings, self.context) {
            Ok(nomad) => nomad,
            Err(text) => return Outcome::Usage(text),
        };
        let goal = Goal::Run(RunGoal {
            id: desired.id.clone(),
            job: compile(desired).to_value(),
            run: desired.run_uuid.map(|run| run.to_string()),
            owner: desired.owner.clone(),
            guard: Guard::Named,
            options: DiffOptions {
                hide: hidden(),
                ..DiffOptions::default()
            },
        });
        let submission = submission(desired, image);
        let (notes, received) = Notes::channel();
        let work = async {
            // Gone with the loop, which ends the relay.
            let notes = notes;
            let converge = Converge {
                nomad: &nomad,
                notes: &notes,
                deadline: self.surroundings.deadline,
                cancel: &self.surroundings.cancel,
                placement_grace: self.surroundings.placement_grace,
                submission: Some(&submission),
                until: Until::default(),
                hub: None,
            };
            converge
                .run(&goal, &mut || steps.begin(Phase::HealthCheck))
                .await
        };
        let (outcome, ()) = tokio::join!(work, self.relay(received));
        outcome
    }

    /// Hands the loop's notes on, and writes them into the deployment's log.
    async fn relay(&self, mut notes: UnboundedReceiver<Note>) {
        while let Some(note) = notes.recv().await {
            for line in note.lines() {
                self.log
                    .line(LogPhase::Deploy, LogStream::Stdout, &line)
                    .await;
            }
            self.surroundings.notes.pass_on(note);
        }
    }

    /// Writes the end into the deployment's log, with the last log lines of the task at fault.
    async fn explain(&self, outcome: &Outcome, at: Option<Phase>) -> Vec<String> {
        let stream = if outcome.is_success() {
            LogStream::Stdout
        } else {
            LogStream::Stderr
        };
        let line = format!("Job {}: {}", self.context.job_id, outcome.message());
        self.log.line(log_phase(at), stream, &line).await;
        let Some(cause) = outcome.cause() else {
            return Vec::new();
        };
        let Ok(nomad) = nomad_client(self.surroundings, self.context) else {
            return Vec::new();
        };
        // A node that hangs must not hold up the outcome.
        let lines = tokio::time::timeout(
            LOG_PATIENCE,
            log_tail(&nomad, cause, &self.surroundings.notes),
        )
        .await
        .unwrap_or_default();
        for line in &lines {
            self.log
                .line(LogPhase::Deploy, LogStream::Stderr, line)
                .await;
        }
        lines
    }
}

/// Where in the log the end of a run belongs.
const fn log_phase(step: Option<Phase>) -> LogPhase {
    match step {
        Some(Phase::Clone) => LogPhase::Clone,
        Some(Phase::Build) => LogPhase::Build,
        Some(Phase::Push) => LogPhase::Registry,
        Some(Phase::ImageDownload) => LogPhase::Detect,
        None | Some(Phase::Sync | Phase::Deploy | Phase::HealthCheck | Phase::Destroy) => {
            LogPhase::Deploy
        }
    }
}

/// Longest wait for log lines of a task that failed.
const LOG_PATIENCE: Duration = Duration::from_secs(5);

/// The Nomad of the params, else that of the environment.
///
/// # Errors
/// One line that says which setting cannot be used.
fn nomad_client(surroundings: &Surroundings, context: &RunContext) -> Result<NomadClient, String> {
    client_for(
        surroundings,
        context.nomad_address.as_deref(),
        context.nomad_token.as_ref(),
    )
}

/// The Nomad of an address and a token, where there are any, else that of the environment.
///
/// # Errors
/// One line that says which setting cannot be used.
pub(super) fn client_for(
    surroundings: &Surroundings,
    address: Option<&str>,
    token: Option<&crate::secret::Secret>,
) -> Result<NomadClient, String> {
    let mut config = surroundings.connection.clone();
    if let Some(address) = address {
        let given = ConnectionConfig::new(address)
            .map_err(|error| format!("nomadAddress of the params: {}", chain(&error)))?;
        if given.address != config.address {
            let egress = surroundings.environment.egress_of_the_platform();
            judge(&given.address, &egress)
                .map_err(|why| format!("nomadAddress of the params: {why}"))?;
        }
        config.address = given.address;
        config.http_auth = given.http_auth.or(config.http_auth);
    }
    if let Some(token) = token {
        config.token = Some(token.clone());
    }
    NomadClient::new(config).map_err(|error| chain(&error))
}

/// Whether params may name this Nomad: an agent on any machine that the rules allow, never a socket.
///
/// # Errors
/// Why not.
fn judge(address: &Address, egress: &Egress) -> Result<(), String> {
    match address {
        Address::Tcp(url) => egress
            .judge(url.expose())
            .map_err(|refused| refused.to_string()),
        Address::Unix(_) => Err("a socket of this machine is not called".to_owned()),
    }
}

/// How the workload is built; conversion gave every repository task one.
fn build_of(workload: &Workload) -> Build {
    workload.spec.build.clone().unwrap_or_default()
}

/// Places whose values are not shown: a start command may export secrets.
fn hidden() -> Vec<Place> {
    ["args", "command", "entrypoint"]
        .iter()
        .map(|member| {
            format!("/TaskGroups/*/Tasks/*/Config/{member}")
                .parse()
                .expect("a valid place")
        })
        .collect()
}

/// What goes with the job's source: what changes from run to run, and no secret.
fn submission(desired: &Desired, image: Option<&Image>) -> Submission {
    let deployment = desired.deployment.as_ref().map(ToString::to_string);
    let digest = desired.digest().to_string();
    let mut source = serde_json::json!({
        "managedBy": "cs", "owner": desired.owner, "deploymentId": deployment, "image": desired.image,
        "digest": digest,
    });
    if let Some(image) = image {
        source["imageDigest"] = image.digest.clone().into();
        source["sourceRevision"] = image.revision.clone().into();
        source["builder"] = image.builder.as_str().into();
    }
    Submission {
        source: source.to_string(),
        format: "json".to_owned(),
        variable_flags: [("cs_digest".to_owned(), digest)].into(),
        ..Default::default()
    }
}
