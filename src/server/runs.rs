//! Runs behind their requests: Jenkins is asked, the queue is followed, and what a dead process left is picked up.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::flow::persist;
use super::flow::run::{Progress, progress};
use super::state::{LEASE, Shared, now};
use crate::bridge::api::{DEPLOYMENT_ID, JOB_ID, RUN_ID, RunState};
use crate::bridge::status::Provider;
use crate::clients::chain;
use crate::clients::jenkins::{Found, Jenkins, JenkinsError, Queued};
use crate::observe;
use crate::secret::Secret;
use crate::store::RunWork;

/// Pauses between two looks at the queue: the first and the longest.
const LOOKS: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(5));

/// How long the queue is followed. After that the webhook tells the number of the build.
const PATIENCE: Duration = Duration::from_secs(60 * 60);

/// How often work that nobody does is looked for.
const PATROL: Duration = Duration::from_secs(2);

/// How often what is old is removed.
const TIDY: Duration = Duration::from_secs(10 * 60);

/// Pauses before a run is looked for whose start got no answer.
const SEARCHES: [Duration; 3] = [
    Duration::from_millis(500),
    Duration::from_secs(2),
    Duration::from_secs(4),
];

/// Why Jenkins did not take a run.
#[derive(Debug)]
pub(super) enum NotTaken {
    /// Jenkins.
    Jenkins(JenkinsError),
    /// There is none.
    NotConfigured,
    /// The server died while it asked, and Jenkins cannot tell.
    Unknown,
}

impl NotTaken {
    pub(super) fn code(&self) -> &'static str {
        match self {
            Self::Jenkins(error) => error.code(),
            Self::NotConfigured => "jenkins-not-configured",
            Self::Unknown => "run-unknown",
        }
    }

    /// Whether Jenkins may have it all the same.
    fn is_unclear(&self) -> bool {
        match self {
            Self::Jenkins(error) => error.is_unclear(),
            Self::NotConfigured => false,
            Self::Unknown => true,
        }
    }

    pub(super) fn message(&self) -> String {
        match self {
            Self::Jenkins(error) => chain(error),
            Self::NotConfigured => "this server knows no Jenkins".to_owned(),
            Self::Unknown => {
                "the server stopped while it asked Jenkins, and Jenkins does not tell runs of this job apart".to_owned()
            }
        }
    }

    pub(super) fn help(&self) -> &'static str {
        match self {
            Self::Jenkins(error) => error.help(),
            Self::NotConfigured => {
                "start the server with CS_JENKINS_URL, CS_JENKINS_USER and CS_JENKINS_TOKEN"
            }
            Self::Unknown => {
                "look in Jenkins whether the build is there; give the job a text parameter CS_RUN_ID"
            }
        }
    }
}

/// Asks Jenkins for a run that was written down just before, and goes on with it. The result is what the request is told.
pub(super) async fn begin(
    shared: Arc<Shared>,
    run: String,
    stop: CancellationToken,
) -> Result<(), NotTaken> {
    let Some(working) = shared.take_up(&run) else {
        return Ok(());
    };
    let read = || shared.store.run_work(&run);
    let Some(Some(work)) = persist("a run that begins", &stop, read).await else {
        return Ok(());
    };
    if let Some(item) = start(&shared, &work, &stop).await? {
        let tasks = shared.tasks.clone();
        tasks.spawn(observe::handed_on(async move {
            follow(&shared, &work, item, &stop).await;
            drop(working);
        }));
    }
    Ok(())
}

/// Asks Jenkins and writes down what came of it. The item of the queue, when there is one to follow.
async fn start(
    shared: &Shared,
    work: &RunWork,
    stop: &CancellationToken,
) -> Result<Option<i64>, NotTaken> {
    let progress = match trigger(shared, work).await {
        Ok(progress) => progress,
        Err(not_taken) => {
            shared.metrics.run("failed");
            tracing::warn!(
                deployment.id = work.deployment,
                "Deployment {} was not run: {}",
                work.deployment,
                not_taken.message()
            );
            let ended = Progress::NotTaken {
                code: not_taken.code(),
                message: not_taken.message(),
                is_unclear: not_taken.is_unclear(),
            };
            write_down(shared, work, &ended, stop).await;
            return Err(not_taken);
        }
    };
    shared.metrics.run("started");
    let is_ours = write_down(shared, work, &progress, stop).await;
    Ok(match progress {
        Progress::Queued(item) if is_ours => Some(item),
        _ => None,
    })
}

async fn write_down(
    shared: &Shared,
    work: &RunWork,
    what: &Progress,
    stop: &CancellationToken,
) -> bool {
    let flow = || progress(shared, &work.id, &work.job, &work.deployment, what);
    let label = format!("what became of a run of deployment {}", work.deployment);
    persist(&label, stop, flow).await.unwrap_or(false)
}

async fn trigger(shared: &Shared, work: &RunWork) -> Result<Progress, NotTaken> {
    let jenkins = provider(shared, work.provider)?;
    let mut parameters: BTreeMap<String, Secret> = work.parameters.clone();
    for (name, value) in [
        (JOB_ID, &work.job),
        (DEPLOYMENT_ID, &work.deployment),
        (RUN_ID, &work.id),
    ] {
        parameters.insert(name.to_owned(), Secret::new(value.as_str()));
    }
    match jenkins.trigger(&work.provider_job, &parameters).await {
        Ok(item) => Ok(Progress::Queued(item)),
        Err(error) if error.is_unclear() => match search(jenkins, work).await {
            Some(found) => Ok(found),
            None => Err(NotTaken::Jenkins(error)),
        },
        Err(error) => Err(NotTaken::Jenkins(error)),
    }
}

fn provider(shared: &Shared, provider: Provider) -> Result<&Jenkins, NotTaken> {
    match provider {
        Provider::Jenkins => shared.jenkins.as_ref().ok_or(NotTaken::NotConfigured),
    }
}

/// Looks for a run that may have arrived without an answer.
async fn search(jenkins: &Jenkins, work: &RunWork) -> Option<Progress> {
    for pause in SEARCHES {
        tokio::time::sleep(pause).await;
        match jenkins.find(&work.provider_job, &work.id).await {
            Ok(Found::Queued(item)) => return Some(Progress::Queued(item)),
            Ok(Found::Built(build)) => return Some(Progress::Started(Some(build))),
            Ok(Found::Unknowable) => return None,
            Ok(Found::Nowhere) | Err(_) => {}
        }
    }
    None
}

/// Follows an item of the queue to the number of its build.
async fn follow(shared: &Shared, work: &RunWork, item: i64, stop: &CancellationToken) {
    let Ok(jenkins) = provider(shared, work.provider) else {
        return;
    };
    let end = Instant::now() + PATIENCE;
    let mut pause = LOOKS.0;
    let mut warned = false;
    let ended = loop {
        match whereabouts(jenkins, work, item).await {
            Ok(Some(ended)) => break ended,
            Ok(None) => {}
            Err(error) if !warned => {
                warned = true;
                tracing::warn!(
                    "the queue of Jenkins cannot be followed, and is tried again: {}",
                    chain(&error)
                );
            }
            Err(error) => tracing::debug!("the queue of Jenkins: {}", chain(&error)),
        }
        if Instant::now() + pause > end {
            tracing::warn!(
                "run {} still waits in Jenkins' queue; its webhook will tell of its build",
                work.id
            );
            break Progress::Started(None);
        }
        // Cancel-safe: only waits; the next server goes on.
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = stop.cancelled() => return,
        }
        pause = (pause * 2).min(LOOKS.1);
    };
    write_down(shared, work, &ended, stop).await;
}

/// Where a run is; `None` while it waits.
async fn whereabouts(
    jenkins: &Jenkins,
    work: &RunWork,
    item: i64,
) -> Result<Option<Progress>, JenkinsError> {
    Ok(match jenkins.queue_item(item).await? {
        Queued::Waiting => None,
        Queued::Started(build) => Some(Progress::Started(Some(build))),
        Queued::Cancelled => Some(Progress::Cancelled),
        Queued::Forgotten => {
            let build = jenkins.build_of_item(&work.provider_job, item).await?;
            Some(Progress::Started(build))
        }
    })
}

/// Keeps what this process works on.
pub(super) async fn keep(shared: Arc<Shared>, stop: CancellationToken) {
    while pause(LEASE / 3, &stop).await {
        if let Err(error) = shared
            .store
            .renew(&shared.owner, shared.lease_until())
            .await
        {
            tracing::warn!("leases were not renewed: {}", chain(&error));
        }
    }
}

/// Goes on with runs that a dead process left.
pub(super) async fn pick_up(shared: Arc<Shared>, stop: CancellationToken) {
    loop {
        match shared.store.orphaned_runs(now()).await {
            Ok(runs) => {
                for run in runs {
                    adopt(&shared, &run, &stop).await;
                }
            }
            Err(error) => tracing::debug!("runs that nobody works on: {}", chain(&error)),
        }
        if !pause(PATROL, &stop).await {
            return;
        }
    }
}

async fn adopt(shared: &Arc<Shared>, run: &str, stop: &CancellationToken) {
    let Some(working) = shared.take_up(run) else {
        return;
    };
    let until = shared.lease_until();
    let claimed = shared.store.claim_run(run, &shared.owner, now(), until);
    if !claimed.await.unwrap_or(false) {
        return;
    }
    let Ok(Some(work)) = shared.store.run_work(run).await else {
        return;
    };
    tracing::info!(
        "going on with run {} of deployment {}",
        work.id,
        work.deployment
    );
    let (shared, stop) = (Arc::clone(shared), stop.clone());
    let tasks = shared.tasks.clone();
    tasks.spawn(async move {
        match (work.state, work.queue_item) {
            (RunState::Queued, Some(item)) => follow(&shared, &work, item, &stop).await,
            _ => resume(&shared, &work, &stop).await,
        }
        drop(working);
    });
}

/// A process died between writing a run down and writing down what Jenkins said: Jenkins is asked whether it has it.
async fn resume(shared: &Shared, work: &RunWork, stop: &CancellationToken) {
    let Some(found) = found(shared, work, stop).await else {
        return;
    };
    let item = match found {
        Found::Queued(item) => {
            let queued = Progress::Queued(item);
            write_down(shared, work, &queued, stop)
                .await
                .then_some(item)
        }
        Found::Built(build) => {
            write_down(shared, work, &Progress::Started(Some(build)), stop).await;
            None
        }
        // What goes wrong now is written down, and nobody waits for it.
        Found::Nowhere => start(shared, work, stop).await.unwrap_or(None),
        Found::Unknowable => {
            let unknown = Progress::NotTaken {
                code: NotTaken::Unknown.code(),
                message: NotTaken::Unknown.message(),
                is_unclear: true,
            };
            write_down(shared, work, &unknown, stop).await;
            None
        }
    };
    if let Some(item) = item {
        follow(shared, work, item, stop).await;
    }
}

/// Where a run is whose start may have got lost. Asks until Jenkins answers; `None`: told to stop.
async fn found(shared: &Shared, work: &RunWork, stop: &CancellationToken) -> Option<Found> {
    let Ok(jenkins) = provider(shared, work.provider) else {
        // Starting it says what is missing.
        return Some(Found::Nowhere);
    };
    loop {
        match jenkins.find(&work.provider_job, &work.id).await {
            Ok(found) => return Some(found),
            Err(error) if error.may_pass() => {
                tracing::debug!(
                    "Jenkins cannot be asked for run {}: {}",
                    work.id,
                    chain(&error)
                );
                if !pause(LOOKS.1, stop).await {
                    return None;
                }
            }
            Err(_) => return Some(Found::Unknowable),
        }
    }
}

/// Removes what is old.
pub(super) async fn tidy(shared: Arc<Shared>, stop: CancellationToken) {
    loop {
        let kept = i64::try_from(shared.limits.keep_events.as_millis()).unwrap_or(i64::MAX / 4);
        if let Err(error) = shared.store.tidy(now(), now() - kept).await {
            tracing::debug!("old rows were not removed: {}", chain(&error));
        }
        if !pause(TIDY, &stop).await {
            return;
        }
    }
}

/// Waits. False: told to stop.
pub(super) async fn pause(time: Duration, stop: &CancellationToken) -> bool {
    // Cancel-safe: only waits.
    tokio::select! {
        () = tokio::time::sleep(time) => true,
        () = stop.cancelled() => false,
    }
}
