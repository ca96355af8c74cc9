//! The image's way into the registry.

use super::{Found, Image, ImageWork, NoImage};
use crate::artifact::build::Builder;
use crate::artifact::credentials::credentials;
use crate::artifact::registry::ImageReference;
use crate::clients::docker::{Engine, EngineError};
use crate::controller::note::{Note, Phase};
use crate::controller::steps::Steps;
use crate::events::Phase as LogPhase;
use crate::reconcile::Outcome;

/// Tag under which the layers of the last build are kept for the next one.
const CACHE_TAG: &str = "cs-cache";

impl ImageWork<'_> {
    /// What of the last build is in the registry: images whose layers may be reused.
    pub(super) async fn layers(&self) -> Result<Vec<String>, Outcome> {
        let Some(cache) = self.cache() else {
            return Ok(Vec::new());
        };
        let found = self
            .bounds
            .ask(
                "looking for layers of the last build",
                self.ask_registry(&cache),
            )
            .await?;
        Ok(found
            .is_ok()
            .then(|| cache.to_string())
            .into_iter()
            .collect())
    }

    /// The image that keeps the layers of the last build of the same repository.
    pub(super) fn cache(&self) -> Option<ImageReference> {
        // A repository that several services share has no last build of ours.
        let pushed = self.target.pushed.as_ref()?;
        (!self.target.shared_repository).then(|| pushed.with_tag(CACHE_TAG))
    }

    /// Pushes an image, unless it is in the registry already or is to stay here.
    ///
    /// # Errors
    /// How the run ends; the step is still open.
    pub async fn push(&self, image: Image, steps: &mut Steps<'_>) -> Result<Image, NoImage> {
        let Some(pushed) = self
            .target
            .pushed
            .as_ref()
            .filter(|_| image.builder != Builder::Noop)
        else {
            return Ok(image);
        };
        steps.begin(Phase::Push);
        let digest = match (&image.digest, image.found) {
            (Some(digest), Found::Registry) => digest.clone(),
            _ => self.push_image(pushed).await?,
        };
        let reference = if self.target.shared_repository {
            // Another service may move the tag at any time.
            format!("{pushed}@{digest}")
        } else {
            image.reference
        };
        Ok(Image {
            reference,
            digest: Some(digest),
            ..image
        })
    }

    async fn push_image(&self, pushed: &ImageReference) -> Result<String, NoImage> {
        let engine =
            Engine::from_environment(self.environment).map_err(|error| NoImage::failed(&error))?;
        let given = self.given_credentials();
        let credentials = credentials(pushed.host(), given.as_ref(), self.environment);
        let (engine, credentials) = (&engine, credentials.as_ref());
        let digest = self
            .phase(
                "pushing the image",
                LogPhase::Registry,
                self.mask([]),
                |output, stop| async move {
                    output.line(&format!("Pushing {pushed}")).await;
                    engine.tag(&self.target.local, pushed).await?;
                    let digest = engine.push(pushed, credentials, &output, &stop).await?;
                    output.line(&format!("Pushed {pushed} ({digest})")).await;
                    if let Some(cache) = self.cache() {
                        engine.tag(&self.target.local, &cache).await?;
                        // Only the next build would miss it.
                        if let Err(error) = engine.push(&cache, credentials, &output, &stop).await {
                            let text = crate::clients::chain(&error);
                            output
                                .complain(&format!(
                                    "The layers are not kept for the next build: {text}"
                                ))
                                .await;
                        }
                    }
                    Ok::<_, EngineError>(digest)
                },
            )
            .await?;
        digest.map_err(|error| NoImage::failed(&error))
    }

    /// Whether the run's image is one that nobody else can pull.
    pub fn warn_unpushed(&self, image: &Image) {
        if self.target.pushed.is_none() && image.builder != Builder::Noop {
            let text = format!(
                "{} is not pushed (disablePush): only nodes whose engine has it can run it",
                image.reference
            );
            self.notes.send(Note::Warning(text));
        }
    }
}
