//! Building and pushing the images of a project's apps, one after the other, shown as it goes.

use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc::Receiver;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::load::{App, Loaded};
use crate::artifact::build::target::{Target, TargetError};
use crate::artifact::registry;
use crate::cli::signals::Signals;
use crate::cli::{Context, exit};
use crate::cli::{output, progress};
use crate::clients::backend::DeploymentType;
use crate::clients::chain;
use crate::controller::bounds::Bounds;
use crate::controller::image::{Image, NoImage};
use crate::controller::local::{Local, Reach, target_of};
use crate::controller::log::{DeploymentLog, Echo};
use crate::controller::note::Notes;
use crate::controller::steps::Steps;
use crate::dispatch::convert::{apply_image_facts, apply_pushed};
use crate::plain::Flow;
use crate::reconcile::Outcome;
use crate::spec::Resource;

/// What is done about each app's image.
#[derive(Debug, Clone, Copy)]
pub(in crate::cli) struct Wanted<'a> {
    /// Build it; otherwise it must be there.
    pub(in crate::cli) builds: bool,
    /// How far it goes.
    pub(in crate::cli) reach: Reach,
    /// Build even if there is one of the same inputs.
    pub(in crate::cli) rebuild: bool,
    /// A ready image that is deployed instead.
    pub(in crate::cli) ready: Option<&'a str>,
    /// When time is up.
    pub(in crate::cli) deadline: Instant,
}

/// What became of an app's image.
#[derive(Debug)]
pub(in crate::cli) struct Made {
    pub(in crate::cli) app: String,
    /// What the job refers to.
    pub(in crate::cli) reference: Option<String>,
    /// The image, when this machine knows it.
    pub(in crate::cli) image: Option<Image>,
    /// Where it was pushed.
    pub(in crate::cli) pushed: Option<String>,
    pub(in crate::cli) outcome: Outcome,
    /// Last lines of the builder at fault.
    pub(in crate::cli) tail: Vec<String>,
    pub(in crate::cli) took: Duration,
}

/// The target of an app's image; `None` for a ready one. What is wrong has been printed.
///
/// # Errors
/// Exit code 3.
pub(in crate::cli) fn target(app: &App, loaded: &Loaded) -> Result<Option<Target>, u8> {
    target_of(app.workload(), &loaded.environment).map_err(|error: TargetError| {
        let path = "spec.build";
        let finding = app
            .document
            .diagnostic("image-name", path, chain(&error), None);
        exit::finding(&finding);
        3
    })
}

/// Makes the images of all apps, and puts them into their workloads. Ends with the first that fails.
///
/// # Errors
/// A name is none, or a second signal ended it at once; that has been printed, the exit code.
pub(in crate::cli) async fn make(
    context: &Context,
    loaded: &mut Loaded,
    wanted: Wanted<'_>,
    cancel: &CancellationToken,
) -> Result<Vec<Made>, u8> {
    let mut targets = Vec::new();
    for app in &loaded.apps {
        targets.push(target(app, loaded)?);
    }
    let mut all = Vec::new();
    for (number, target) in targets.iter().enumerate() {
        let began = Instant::now();
        let (notes, received) = Notes::channel();
        let (echo, said) = Echo::channel();
        let log = DeploymentLog::local(echo);
        if loaded.apps.len() > 1 {
            exit::say(&format!("== {}", loaded.apps[number].name));
        }
        let work = async {
            // Gone with the work, which ends the show.
            let (notes, log) = (notes, log);
            let work = Work {
                loaded,
                app: &loaded.apps[number],
                wanted,
                log: &log,
                notes: &notes,
                cancel,
            };
            work.image(target.as_ref()).await
        };
        let shown = progress::show(received, context.interactive, |_| {});
        let (result, (), ()) = tokio::join!(work, shown, repeat(said));
        let mut made = Made {
            app: loaded.apps[number].name.clone(),
            reference: None,
            image: None,
            pushed: None,
            outcome: Outcome::Converged,
            tail: Vec::new(),
            took: began.elapsed(),
        };
        match result {
            Ok(found) => {
                // A pack brings its own images.
                made.reference =
                    Some(found.reference.clone()).filter(|reference| !reference.is_empty());
                made.pushed = target
                    .as_ref()
                    .filter(|_| wanted.reach == Reach::Registry && found.image.is_some())
                    .and_then(|target| target.pushed.as_ref())
                    .map(ToString::to_string);
                made.image.clone_from(&found.image);
                put(&mut loaded.apps[number], found);
                all.push(made);
            }
            Err(failed) => {
                made.outcome = *failed.outcome;
                made.tail = failed.tail;
                all.push(made);
                break;
            }
        }
    }
    Ok(all)
}

/// An image that a job can name.
struct Found {
    reference: String,
    image: Option<Image>,
    ports: Vec<u16>,
}

/// Puts an image into the workload of an app.
fn put(app: &mut App, found: Found) {
    let Resource::Workload(workload) = &mut app.document.resource else {
        return;
    };
    apply_pushed(workload, &found.reference);
    apply_image_facts(workload, &found.ports);
    let source = &mut workload.spec.source;
    source.git = None;
    source.archive = None;
    source.path = None;
    source.image = Some(found.reference);
    workload.spec.build = None;
}

struct Work<'a> {
    loaded: &'a Loaded,
    app: &'a App,
    wanted: Wanted<'a>,
    log: &'a DeploymentLog,
    notes: &'a Notes,
    cancel: &'a CancellationToken,
}

impl Work<'_> {
    async fn image(&self, target: Option<&Target>) -> Result<Found, NoImage> {
        let local = Local {
            workload: self.app.workload(),
            folder: &self.app.folder,
            secrets: &self.app.secrets,
            environment: &self.loaded.environment,
            rebuild: self.wanted.rebuild,
            bounds: Bounds {
                deadline: self.wanted.deadline,
                cancel: self.cancel,
            },
            log: self.log,
            notes: self.notes,
        };
        let ready = self.wanted.ready.map(str::to_owned);
        let named = self.app.workload().spec.source.image.clone();
        let (reference, image) = match (ready.or(named), target) {
            (Some(reference), _) => (reference, None),
            (None, Some(target)) => {
                let image = self.make(&local, target).await?;
                (image.reference.clone(), Some(image))
            }
            // Validation refuses a workload without any source.
            (None, None) => (String::new(), None),
        };
        let mut facts = image.as_ref().and_then(|image| image.facts.clone());
        let asks = self.app.workload().spec.detect_ports;
        if facts.is_none() && asks && self.wanted.reach == Reach::Registry {
            facts = local
                .bounds
                .ask("looking at the image", local.facts(&reference))
                .await?;
        }
        Ok(Found {
            reference,
            ports: registry::ports(facts.as_ref()),
            image,
        })
    }

    async fn make(&self, local: &Local<'_>, target: &Target) -> Result<Image, NoImage> {
        if !self.wanted.builds {
            return local.find(target).await;
        }
        let mut steps = Steps::new(self.notes, None, "", DeploymentType::Git);
        let made = local.make(target, self.wanted.reach, &mut steps).await;
        steps.end(match &made {
            Ok(_) => Ok(()),
            Err(failed) => Err(failed.outcome.message()),
        });
        made
    }
}

/// Writes what builders say on standard error.
pub(super) async fn repeat(mut said: Receiver<Bytes>) {
    let mut flow = Flow::default();
    while let Some(bytes) = said.recv().await {
        progress::aside(|| output::talk(&flow.pass(&bytes)));
    }
    progress::aside(|| output::talk(&flow.rest()));
}

/// Runs work that hears of the first signal, and is dropped at the second.
///
/// # Errors
/// The second signal; exit code 10.
pub(in crate::cli) async fn stoppable<T>(
    cancel: &CancellationToken,
    work: impl Future<Output = T>,
) -> Result<T, u8> {
    let mut signals = Signals::catch();
    let stop = async {
        signals.first().await;
        tracing::warn!("stopping (once more to stop at once)");
        cancel.cancel();
        signals.first().await;
    };
    // Cancel-safe: a second signal means to drop what is under way.
    tokio::select! {
        biased;
        done = work => Ok(done),
        () = stop => {
            exit::complain("stopped at once", None);
            Err(10)
        }
    }
}

/// Runs work that only looks: it is dropped at the first signal.
///
/// # Errors
/// A signal; exit code 10.
pub(in crate::cli) async fn interruptible<T>(work: impl Future<Output = T>) -> Result<T, u8> {
    let mut signals = Signals::catch();
    // Cancel-safe: nothing has been written, and what was started ends with the work.
    tokio::select! {
        biased;
        done = work => Ok(done),
        () = signals.first() => {
            exit::complain("stopped before anything was written to the cluster", None);
            Err(10)
        }
    }
}

/// Puts the names that images would have into the workloads, for a plan before anything is built.
///
/// # Errors
/// A name is none; that has been printed, exit code 3.
pub(in crate::cli) fn expect(loaded: &mut Loaded, ready: Option<&str>) -> Result<(), u8> {
    for number in 0..loaded.apps.len() {
        let target = target(&loaded.apps[number], loaded)?;
        let named = loaded.apps[number].workload().spec.source.image.clone();
        let expected = || target.as_ref().map(|target| target.local.clone());
        let found = Found {
            reference: ready
                .map(str::to_owned)
                .or(named)
                .or_else(expected)
                .unwrap_or_default(),
            image: None,
            ports: registry::ports(None),
        };
        put(&mut loaded.apps[number], found);
    }
    Ok(())
}
