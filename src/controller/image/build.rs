//! The build itself: a recipe, a chain of builders, an image in the engine.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::fetch::Fetched;
use super::secrets::VaultValues;
use super::{Image, ImageWork, NoImage};
use crate::artifact::build::attempt::{self, Tools};
use crate::artifact::build::inputs::BuildInputs;
use crate::artifact::build::{BuildError, Builder, Recipe};
use crate::artifact::credentials::credentials;
use crate::artifact::registry::Credentials;
use crate::artifact::source::WorkDir;
use crate::clients::docker::Engine;
use crate::events::Phase as LogPhase;

impl ImageWork<'_> {
    pub(super) async fn build_image(
        &self,
        fetched: Fetched,
        values: VaultValues,
        inputs: &BuildInputs,
        work_dir: &WorkDir,
    ) -> Result<Image, NoImage> {
        let engine =
            Engine::from_environment(self.environment).map_err(|error| NoImage::failed(&error))?;
        let scratch = work_dir.path().join("build");
        tokio::fs::create_dir(&scratch)
            .await
            .map_err(|error| NoImage::failed(&error))?;
        let named = self.builder()?;
        let mut recipe = self.recipe(fetched, values, inputs, scratch)?;
        recipe.cache_from = self.layers().await?;
        let (recipe, engine) = (&recipe, &engine);
        let mask = self.mask(recipe.secrets.values());
        let built = self
            .phase(
                "building the image",
                LogPhase::Build,
                mask.clone(),
                |output, stop| async move {
                    let tools = Tools {
                        engine,
                        environment: self.environment,
                    };
                    let builder = attempt::build(recipe, named, &tools, &output, &stop).await?;
                    // Without facts the ports are those of the builder (contract 5.7).
                    let image = engine.inspect(&recipe.image).await.ok().flatten();
                    Ok::<_, BuildError>((builder, image.map(|image| image.facts)))
                },
            )
            .await?;
        let (builder, facts) = built.map_err(|error| NoImage::from(error).masked(&mask))?;
        Ok(self.image(builder, inputs.revision.id().map(str::to_owned), facts))
    }

    fn recipe(
        &self,
        fetched: Fetched,
        values: VaultValues,
        inputs: &BuildInputs,
        scratch: PathBuf,
    ) -> Result<Recipe, NoImage> {
        let build = self.build;
        let directory = fetched
            .tree
            .directory(build.root_directory.as_deref())
            .map_err(|error| NoImage::failed(&error))?;
        Ok(Recipe {
            tree: fetched.tree,
            directory,
            dockerfile: build.dockerfile.clone(),
            git_dir: fetched.git_dir,
            image: self.target.local.clone(),
            args: build.args.clone(),
            env: build.env.clone(),
            secrets: values.values,
            build_command: build.command.clone(),
            start_command: build.start_command.clone(),
            // Whoever builds it adds its own name.
            labels: inputs.labels(Builder::CsDocker),
            cache_from: Vec::new(),
            keep_layers: self.cache().is_some(),
            registries: self.registries(),
            modified: fetched.committed_at,
            scratch,
        })
    }

    /// Credentials that a build may use to pull: those of the registry that is pushed to.
    ///
    /// A Dockerfile may name any registry, so no others are handed out.
    fn registries(&self) -> BTreeMap<String, Credentials> {
        let Some(pushed) = &self.target.pushed else {
            return BTreeMap::new();
        };
        let given = self.given_credentials();
        let found = credentials(pushed.host(), given.as_ref(), self.environment);
        found
            .map(|found| (pushed.host().to_owned(), found))
            .into_iter()
            .collect()
    }
}
