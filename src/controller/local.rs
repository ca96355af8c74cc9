//! An image on a person's own machine: built of a folder, pushed where the project says, and named so that Nomad sees when
//! it has changed.
//!
//! An image that is pushed is named with its digest. One that stays in the engine gets a tag made of its id: Nomad asks a
//! registry for `latest` each time, which has none of it, and an unchanged name would not be rolled out.

use std::collections::BTreeMap;
use std::path::Path;

use super::bounds::Bounds;
use super::image::{Found, Image, ImageWork, NoImage};
use super::log::DeploymentLog;
use super::note::{Note, Notes};
use super::steps::Steps;
use crate::artifact::build::target::{self, PushDefaults, Target, TargetError};
use crate::artifact::build::{Builder, inputs};
use crate::artifact::credentials::credentials;
use crate::artifact::registry::{
    Credentials, ImageFacts, ImageReference, InvalidImage, Registry, RegistryError,
};
use crate::clients::chain;
use crate::clients::docker::Engine;
use crate::config::Environment;
use crate::reconcile::Outcome;
use crate::secret::Secret;
use crate::spec::Workload;
use crate::spec::workload::{Build, Source};

/// Digits of an image's id in its tag.
const ID_DIGITS: usize = 12;

/// What an image on this machine needs.
pub struct Local<'a> {
    /// What is built.
    pub workload: &'a Workload,
    /// The folder that `source.path` is relative to, absolute and without links.
    pub folder: &'a Path,
    /// Values of the references to credentials.
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

/// How far an image goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// It stays in the engine.
    Engine,
    /// It is pushed, where there is a registry.
    Registry,
}

/// How the image of a workload is built; `None` for a ready one.
///
/// # Errors
/// The parts make no name.
pub fn target_of(
    workload: &Workload,
    environment: &Environment,
) -> Result<Option<Target>, TargetError> {
    if workload.spec.source.image.is_some() {
        return Ok(None);
    }
    let mut build = workload.spec.build.clone().unwrap_or_default();
    let defaults = PushDefaults::of(environment);
    let job = &workload.metadata.name;
    let found = match target::of_build(&build, job, &defaults) {
        // Without a registry it stays here: one machine needs none.
        Err(TargetError::NoRegistry { .. }) => {
            build.push.get_or_insert_default().disabled = true;
            target::of_build(&build, job, &defaults)
        }
        found => found,
    };
    found.map(Some)
}

impl Local<'_> {
    /// Builds the image, and pushes it if `reach` says so.
    ///
    /// # Errors
    /// How the run ends; the step at fault is still open.
    pub async fn make(
        &self,
        target: &Target,
        reach: Reach,
        steps: &mut Steps<'_>,
    ) -> Result<Image, NoImage> {
        let source = self.source()?;
        let build = self.workload.spec.build.clone().unwrap_or_default();
        let work = self.work(&source, &build, target);
        let made = work.make(steps).await?;
        if made.builder == Builder::Noop {
            return Ok(made);
        }
        if reach == Reach::Engine {
            return Ok(made);
        }
        if target.pushed.is_none() {
            return self.kept(made, target).await;
        }
        let pushed = work.push(made, steps).await?;
        Ok(with_digest(pushed))
    }

    /// Finds an image that was built before: in the registry where there is one, else in the engine.
    ///
    /// # Errors
    /// It is not there, or cannot be asked for.
    pub async fn find(&self, target: &Target) -> Result<Image, NoImage> {
        let looking = self
            .bounds
            .ask("looking for the image", self.look(target))
            .await?;
        match (looking?, &target.pushed) {
            (Some(image), Some(_)) => Ok(with_digest(image)),
            (Some(image), None) => self.kept(image, target).await,
            (None, Some(pushed)) => Err(Outcome::Failed(format!(
                "{pushed} is not in its registry: `cs build --push` builds and pushes it, `cs up` deploys it too"
            ))
            .into()),
            (None, None) => Err(Outcome::Failed(format!(
                "the engine has no image {}: `cs build` builds it, `cs up` deploys it too",
                target.local
            ))
            .into()),
        }
    }

    async fn look(&self, target: &Target) -> Result<Option<Image>, NoImage> {
        let Some(pushed) = &target.pushed else {
            let engine = self.engine()?;
            let found = engine.inspect(&target.local).await;
            let found = found.map_err(|error| failed(&error))?;
            return Ok(found.map(|image| known(&target.local, image.facts, Found::Engine)));
        };
        let facts = match self.facts_of(pushed).await {
            Ok(facts) => facts,
            Err(RegistryError::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(failed(&error)),
        };
        self.warn_of_newer(target, &facts).await;
        Ok(Some(known(&pushed.to_string(), facts, Found::Registry)))
    }

    /// An image in the engine that was not pushed is easily taken for the one that is deployed.
    async fn warn_of_newer(&self, target: &Target, facts: &ImageFacts) {
        let Some(digest) = &facts.digest else { return };
        let Ok(engine) = Engine::from_environment(self.environment) else {
            return;
        };
        let Ok(Some(local)) = engine.inspect(&target.local).await else {
            return;
        };
        let is_same = local.repo_digests.iter().any(|own| own.ends_with(digest));
        if !is_same {
            self.notes.send(Note::Warning(format!(
                "the engine has another image {} than the registry, whose image is deployed; `cs build --push` pushes it",
                target.local
            )));
        }
    }

    async fn facts_of(&self, image: &ImageReference) -> Result<ImageFacts, RegistryError> {
        let given = self.credentials();
        let credentials = credentials(image.host(), given.as_ref(), self.environment);
        Registry::from_environment(self.environment)?
            .image_facts(image, credentials.as_ref())
            .await
    }

    /// What a ready image says about itself, in the engine or in its registry; nothing when neither tells.
    pub async fn facts(&self, image: &str) -> Option<ImageFacts> {
        if let Ok(engine) = self.engine()
            && let Ok(Some(found)) = engine.inspect(image).await
        {
            return Some(found.facts);
        }
        let reference: ImageReference = image.parse().ok()?;
        match self.facts_of(&reference).await {
            Ok(facts) => Some(facts),
            Err(error) => {
                self.notes.send(Note::Warning(format!(
                    "cannot read the manifest of {image}: {}; going on with port 3000",
                    chain(&error)
                )));
                None
            }
        }
    }

    /// Gives an image that stays in the engine a name that changes with it.
    async fn kept(&self, image: Image, target: &Target) -> Result<Image, NoImage> {
        let engine = self.engine()?;
        let found = engine.inspect(&target.local).await;
        let found = found.map_err(|error| failed(&error))?;
        let Some(found) = found else {
            let text = format!("the engine has no image {} any more", target.local);
            return Err(Outcome::Failed(text).into());
        };
        let digits = found.id.rsplit(':').next().unwrap_or_default();
        let digits: String = digits.chars().take(ID_DIGITS).collect();
        // The name of a target always has its tag.
        let stem = target.local.rsplit_once(':');
        let stem = stem.map_or(target.local.as_str(), |(stem, _)| stem);
        let reference = format!("{stem}:cs-{digits}");
        let named: ImageReference = reference
            .parse()
            .map_err(|error: InvalidImage| failed(&error))?;
        let tagged = engine.tag(&target.local, &named).await;
        tagged.map_err(|error| failed(&error))?;
        Ok(Image {
            reference,
            facts: image.facts.clone().or(Some(found.facts)),
            ..image
        })
    }

    /// The source with the folder where it is.
    fn source(&self) -> Result<Source, NoImage> {
        let mut source = self.workload.spec.source.clone();
        let Some(path) = &source.path else {
            return Ok(source);
        };
        let folder = self.folder.join(path);
        let found = std::fs::canonicalize(&folder);
        let found = found.ok().filter(|folder| folder.is_dir());
        let Some(found) = found.as_deref().and_then(Path::to_str) else {
            let text = format!("there is no folder {} to build", folder.display());
            return Err(Outcome::Invalid(text).into());
        };
        source.path = Some(found.to_owned());
        Ok(source)
    }

    fn work<'w>(
        &'w self,
        source: &'w Source,
        build: &'w Build,
        target: &'w Target,
    ) -> ImageWork<'w> {
        ImageWork {
            source,
            build,
            target,
            secrets: self.secrets,
            environment: self.environment,
            rebuild: self.rebuild,
            bounds: self.bounds,
            log: self.log,
            notes: self.notes,
        }
    }

    fn credentials(&self) -> Option<Credentials> {
        let push = self.workload.spec.build.as_ref()?.push.as_ref()?;
        let value = |reference: Option<&crate::spec::workload::SecretRef>| {
            let reference = reference?;
            let name = reference.from_env.as_deref();
            name.and_then(|name| self.secrets.get(name).cloned())
                .or_else(|| super::set::secrets::value(reference, self.environment))
        };
        Some(Credentials {
            username: value(push.username.as_ref())?.expose().to_owned(),
            password: value(push.password.as_ref())?,
        })
    }

    fn engine(&self) -> Result<Engine, NoImage> {
        Engine::from_environment(self.environment).map_err(|error| failed(&error))
    }
}

fn failed(error: &dyn std::error::Error) -> NoImage {
    Outcome::Failed(chain(error)).into()
}

/// An image that was there before.
fn known(reference: &str, facts: ImageFacts, found: Found) -> Image {
    Image {
        reference: reference.to_owned(),
        digest: facts.digest.clone().filter(|_| found == Found::Registry),
        revision: None,
        builder: inputs::builder(&facts.labels).unwrap_or(Builder::Noop),
        facts: Some(facts),
        found,
    }
}

/// Names an image by what it is: a tag may be moved, and a job whose text stays the same is not rolled out.
fn with_digest(image: Image) -> Image {
    let is_named = image.reference.contains('@');
    match &image.digest {
        Some(digest) if !is_named => Image {
            reference: format!("{}@{digest}", image.reference),
            ..image
        },
        _ => image,
    }
}
