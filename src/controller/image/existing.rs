//! Whether the image of the same inputs is there already.

use super::{Found, Image, ImageWork, NoImage};
use crate::artifact::build::Builder;
use crate::artifact::build::inputs::{self, BuildInputs};
use crate::artifact::credentials::credentials;
use crate::artifact::registry::{ImageFacts, ImageReference, Registry, RegistryError};
use crate::clients::chain;
use crate::clients::docker::Engine;
use crate::events::Phase as LogPhase;

impl ImageWork<'_> {
    /// Looks for the image in the registry, then in the engine. Where neither can be asked it counts as absent: building
    /// will tell what is wrong.
    pub(super) async fn existing(&self, inputs: &BuildInputs) -> Result<Option<Image>, NoImage> {
        let Some(digest) = inputs.digest().filter(|_| !self.rebuild) else {
            return Ok(None);
        };
        let found = self
            .bounds
            .ask("looking for an image of the same inputs", async {
                if let Some(image) = self.in_registry(&digest).await {
                    return Some((image, Found::Registry));
                }
                let image = self.in_engine(&digest).await?;
                Some((image, Found::Engine))
            })
            .await?;
        Ok(found.map(|((builder, facts), found)| {
            let digest = facts.digest.clone().filter(|_| found == Found::Registry);
            let image = self.image(
                builder,
                inputs.revision.id().map(str::to_owned),
                Some(facts),
            );
            Image {
                digest,
                found,
                ..image
            }
        }))
    }

    async fn in_registry(&self, digest: &str) -> Option<(Builder, ImageFacts)> {
        let reference = self.target.pushed.as_ref()?;
        match self.ask_registry(reference).await {
            Ok(facts) => of_inputs(facts, digest),
            Err(RegistryError::NotFound { .. }) => None,
            Err(error) => {
                let text = format!(
                    "Cannot see whether {reference} is in the registry already: {}",
                    chain(&error)
                );
                self.say(LogPhase::Build, &text).await;
                None
            }
        }
    }

    pub(super) async fn ask_registry(
        &self,
        reference: &ImageReference,
    ) -> Result<ImageFacts, RegistryError> {
        let given = self.given_credentials();
        let credentials = credentials(reference.host(), given.as_ref(), self.environment);
        Registry::from_environment(self.environment)?
            .image_facts(reference, credentials.as_ref())
            .await
    }

    async fn in_engine(&self, digest: &str) -> Option<(Builder, ImageFacts)> {
        let engine = Engine::from_environment(self.environment).ok()?;
        let image = engine.inspect(&self.target.local).await.ok().flatten()?;
        of_inputs(image.facts, digest)
    }
}

fn of_inputs(facts: ImageFacts, digest: &str) -> Option<(Builder, ImageFacts)> {
    if !inputs::matches(&facts.labels, digest) {
        return None;
    }
    let builder = inputs::builder(&facts.labels)?;
    Some((builder, facts))
}
