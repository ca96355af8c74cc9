//! From a source to an image in a registry: what a deployment does before it has something to register.
//!
//! What is finished is not done again: the commit is asked for first, and where the registry (or at least the engine) has an
//! image of the same inputs, nothing is fetched and nothing is built. The work directory is gone when this is over, however
//! it ends; one that a killed run left behind goes with the next run.

mod build;
mod existing;
mod fetch;
mod push;
mod secrets;

use std::collections::BTreeMap;

use tokio_util::sync::CancellationToken;

use crate::artifact::build::inputs::{BuildInputs, Revision};
use crate::artifact::build::target::Target;
use crate::artifact::build::{BuildError, Builder};
use crate::artifact::output::Output;
use crate::artifact::registry::{Credentials, ImageFacts};
use crate::artifact::source::WorkDir;
use crate::clients::chain;
use crate::config::Environment;
use crate::events::{LogStream, Phase as LogPhase};
use crate::reconcile::Outcome;
use crate::secret::Secret;
use crate::spec::workload::{Build, Source};

use super::bounds::Bounds;
use super::log::DeploymentLog;
use super::mask::Mask;
use super::note::{Note, Notes, Phase};
use super::steps::Steps;
use secrets::VaultValues;

/// An image that a deployment can use.
#[derive(Debug, Clone)]
pub struct Image {
    /// What the job refers to.
    pub reference: String,
    /// Digest in the registry, once it is there.
    pub digest: Option<String>,
    /// The commit, or the digest of the archive.
    pub revision: Option<String>,
    /// Who built it.
    pub builder: Builder,
    /// What it says about itself, when it could be asked.
    pub facts: Option<ImageFacts>,
    /// Where it was before this run.
    pub found: Found,
}

/// Where an image was before this run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// Nowhere: this run built it.
    Nowhere,
    /// In the engine; it is still to be pushed.
    Engine,
    /// In the registry.
    Registry,
}

/// Why there is no image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoImage {
    /// How the run ends.
    pub outcome: Box<Outcome>,
    /// The last lines of the builder, oldest first.
    pub tail: Vec<String>,
}

impl NoImage {
    fn failed(error: &dyn std::error::Error) -> Self {
        Outcome::Failed(chain(error)).into()
    }

    /// The same without what a mask hides.
    fn masked(self, mask: &Mask) -> Self {
        let outcome = match *self.outcome {
            Outcome::Failed(text) => Outcome::Failed(mask.text(&text)),
            other => other,
        };
        Self {
            outcome: Box::new(outcome),
            tail: self.tail.iter().map(|line| mask.text(line)).collect(),
        }
    }
}

impl From<Outcome> for NoImage {
    fn from(outcome: Outcome) -> Self {
        Self {
            outcome: Box::new(outcome),
            tail: Vec::new(),
        }
    }
}

impl From<BuildError> for NoImage {
    fn from(error: BuildError) -> Self {
        let mut failed = Self::failed(&error);
        if let BuildError::Failed { tail, .. } = error {
            failed.tail = tail;
        }
        failed
    }
}

/// What making an image needs.
pub struct ImageWork<'a> {
    /// Where the source is; a folder by its absolute path without links.
    pub source: &'a Source,
    /// How it is built.
    pub build: &'a Build,
    /// What the image is called, and where it is pushed.
    pub target: &'a Target,
    /// What the references in `source` and `build` stand for, by the variable that they name.
    pub secrets: &'a BTreeMap<&'static str, Secret>,
    /// Environment variables.
    pub environment: &'a Environment,
    /// Build even if there is an image of the same inputs.
    pub rebuild: bool,
    /// What ends it before its time.
    pub bounds: Bounds<'a>,
    /// Where builders write.
    pub log: &'a DeploymentLog,
    /// Who looks on.
    pub notes: &'a Notes,
}

impl ImageWork<'_> {
    /// Fetches and builds, unless that is done already.
    ///
    /// # Errors
    /// How the run ends; the step at fault is still open.
    pub async fn make(&self, steps: &mut Steps<'_>) -> Result<Image, NoImage> {
        if self.builder()? == Some(Builder::Noop) {
            steps.begin(Phase::Build);
            self.say(LogPhase::Build, "Builder noop: nothing is built")
                .await;
            return Ok(self.image(Builder::Noop, None, None));
        }
        if self.source.path.is_none() {
            steps.begin(Phase::Clone);
        }
        let located = self.locate().await?;
        let values = match self.vault_values().await {
            Ok(values) => values,
            Err(failed) => {
                // The source is there; it is the build that lacks something.
                steps.begin(Phase::Build);
                return Err(failed);
            }
        };
        if let Some(revision) = located.revision() {
            let inputs = self.inputs(revision, &values)?;
            if let Some(image) = self.existing(&inputs).await? {
                return Ok(self.pass_over(image, steps).await);
            }
        }
        let work_dir = self.work_dir().await?;
        let made = self.make_in(&work_dir, located, values, steps).await;
        if let Err(error) = work_dir.remove().await {
            let text = format!("the work directory could not be removed: {error}");
            self.notes.send(Note::Warning(text));
        }
        made
    }

    async fn make_in(
        &self,
        work_dir: &WorkDir,
        located: fetch::Located,
        values: VaultValues,
        steps: &mut Steps<'_>,
    ) -> Result<Image, NoImage> {
        let was_known = located.revision().is_some();
        let fetched = self.fetch(located, work_dir.path()).await?;
        let inputs = self.inputs(fetched.revision.clone(), &values)?;
        // What an archive holds is known only now.
        if !was_known && let Some(image) = self.existing(&inputs).await? {
            return Ok(self.pass_over(image, steps).await);
        }
        steps.begin(Phase::Build);
        self.build_image(fetched, values, &inputs, work_dir).await
    }

    /// Shows the steps that need not be taken as done, and says why.
    async fn pass_over(&self, image: Image, steps: &mut Steps<'_>) -> Image {
        steps.begin(Phase::Build);
        let place = match image.found {
            Found::Registry => "registry",
            Found::Engine | Found::Nowhere => "engine",
        };
        let text = format!(
            "Image {} was built of the same source and inputs and is in the {place}: nothing is built (--rebuild does)",
            image.reference
        );
        self.say(LogPhase::Build, &text).await;
        image
    }

    /// A directory for this run; what killed runs left behind goes first.
    async fn work_dir(&self) -> Result<WorkDir, NoImage> {
        let parent = self.environment.temp_dir();
        let shown = parent.display().to_string();
        let made = tokio::task::spawn_blocking(move || {
            std::fs::create_dir_all(&parent)?;
            // What cannot be cleared away is no reason not to build.
            let _ = WorkDir::sweep(&parent);
            WorkDir::create(&parent)
        })
        .await
        .expect("making a directory does not panic");
        made.map_err(|error| {
            let text = format!(
                "cannot make a work directory in {shown}: {error}; set TMPDIR to a directory with room"
            );
            Outcome::Failed(text).into()
        })
    }

    /// What the user asks for, if that is anything.
    fn builder(&self) -> Result<Option<Builder>, NoImage> {
        let named = self.build.builder.as_deref().map(str::parse).transpose();
        named.map_err(|error: crate::artifact::build::UnknownBuilder| {
            Outcome::Invalid(error.to_string()).into()
        })
    }

    fn inputs(&self, revision: Revision, values: &VaultValues) -> Result<BuildInputs, NoImage> {
        let build = self.build;
        Ok(BuildInputs {
            revision,
            root_directory: build.root_directory.clone(),
            builder: self.builder()?,
            dockerfile: build.dockerfile.clone(),
            build_command: build.command.clone(),
            start_command: build.start_command.clone(),
            args: build.args.clone(),
            env: build.env.clone(),
            secrets: values.values.keys().cloned().collect(),
            secrets_version: values.version.clone(),
        })
    }

    fn image(
        &self,
        builder: Builder,
        revision: Option<String>,
        facts: Option<ImageFacts>,
    ) -> Image {
        let reference = match &self.target.pushed {
            Some(pushed) => pushed.to_string(),
            None => self.target.local.clone(),
        };
        Image {
            reference,
            digest: None,
            revision,
            builder,
            facts,
            found: Found::Nowhere,
        }
    }

    /// The credentials of the params, which are those of the registry that is pushed to.
    fn given_credentials(&self) -> Option<Credentials> {
        let push = self.build.push.as_ref()?;
        Some(Credentials {
            username: self.resolve(push.username.as_ref())?.expose().to_owned(),
            password: self.resolve(push.password.as_ref())?,
        })
    }

    async fn say(&self, phase: LogPhase, text: &str) {
        self.log.line(phase, LogStream::Stdout, text).await;
    }

    /// What must not be seen of the params, of the registry's credentials, and of what a build is given besides.
    fn mask<'s>(&self, besides: impl IntoIterator<Item = &'s Secret>) -> Mask {
        let mut hidden: Vec<Secret> = besides.into_iter().cloned().collect();
        hidden.extend(self.secrets.values().cloned());
        hidden.extend(self.environment.secret("REGISTRY_PASSWORD"));
        Mask::of(&hidden)
    }

    /// Carries out a phase within the bounds of the run and writes what it says, without what `mask` hides.
    async fn phase<T, F: Future<Output = T>>(
        &self,
        doing: &str,
        log: LogPhase,
        mask: Mask,
        work: impl FnOnce(Output, CancellationToken) -> F,
    ) -> Result<T, Outcome> {
        let recorded =
            |stop: CancellationToken| self.log.recording(log, mask, |output| work(output, stop));
        self.bounds.run(doing, recorded).await
    }
}
