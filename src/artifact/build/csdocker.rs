//! A Dockerfile, built by the engine: that of the source, or one that a program planned.

use std::collections::BTreeMap;

use tokio_util::sync::CancellationToken;

use super::attempt::Tools;
use super::context::{self, ContextPlan};
use super::detect::Detected;
use super::dockerfile::Dockerfile;
use super::inputs::BUILDER_LABEL;
use super::nixpacks::Generated;
use super::{BuildError, Builder, Recipe};
use crate::artifact::credentials::of_docker;
use crate::artifact::output::Output;
use crate::artifact::registry::ImageReference;
use crate::artifact::source::SourceTree;
use crate::clients::docker::{EngineError, ImageBuild};
use crate::secret::Secret;

/// The Dockerfile that Docker itself assumes.
const DEFAULT_DOCKERFILE: &str = "Dockerfile";

/// Builds the source's own Dockerfile.
///
/// # Errors
/// [`BuildError::Failed`] when the Dockerfile is at fault; anything else is not the builder's.
pub(super) async fn build(
    recipe: &Recipe,
    detected: &Detected,
    tools: &Tools<'_>,
    output: &Output,
    stop: &CancellationToken,
) -> Result<(), BuildError> {
    let dockerfile = detected.dockerfile.as_deref().unwrap_or(DEFAULT_DOCKERFILE);
    let plan = prepare(recipe.clone(), dockerfile.to_owned()).await?;
    let secrets = recipe.secrets.keys().map(String::as_str);
    for line in plan.text().secrets_declared_as_args(secrets) {
        output.complain(&line).await;
    }
    // The environment of a build reaches a Dockerfile as arguments; it has no other door. An argument of its own wins.
    let mut args = recipe.env.clone();
    args.extend(recipe.args.clone());
    let inputs = EngineInputs {
        builder: Builder::CsDocker,
        args,
        secrets: recipe.secrets.clone(),
    };
    run(recipe, plan, inputs, tools, output, stop).await
}

/// Builds what a program planned.
///
/// # Errors
/// As [`build`].
pub(super) async fn build_planned(
    recipe: &Recipe,
    planned: Generated,
    tools: &Tools<'_>,
    output: &Output,
    stop: &CancellationToken,
) -> Result<(), BuildError> {
    let generated = Recipe {
        tree: SourceTree::new(planned.context.clone()),
        directory: planned.context,
        git_dir: None,
        ..recipe.clone()
    };
    let plan = prepare(generated, planned.dockerfile).await?;
    let inputs = EngineInputs {
        builder: Builder::Nixpacks,
        args: planned.args,
        secrets: planned.secrets,
    };
    run(recipe, plan, inputs, tools, output, stop).await
}

/// Gives an image that a program built its labels, which that program cannot.
///
/// # Errors
/// The engine does not take it.
pub(super) async fn label(
    recipe: &Recipe,
    builder: Builder,
    tools: &Tools<'_>,
    output: &Output,
    stop: &CancellationToken,
) -> Result<(), BuildError> {
    let directory = recipe.scratch.join("labels");
    let io = |source| BuildError::Io {
        what: format!("write to `{}`", directory.display()),
        source,
    };
    tokio::fs::create_dir_all(&directory).await.map_err(io)?;
    let text = format!("FROM {}\n", recipe.image);
    let file = directory.join(DEFAULT_DOCKERFILE);
    tokio::fs::write(&file, text).await.map_err(io)?;
    let labelled = Recipe {
        tree: SourceTree::new(directory.clone()),
        directory: directory.clone(),
        git_dir: None,
        cache_from: Vec::new(),
        ..recipe.clone()
    };
    let plan = prepare(labelled.clone(), DEFAULT_DOCKERFILE.to_owned()).await?;
    let inputs = EngineInputs {
        builder,
        args: BTreeMap::new(),
        secrets: BTreeMap::new(),
    };
    run(&labelled, plan, inputs, tools, output, stop).await
}

/// What differs between the two.
struct EngineInputs {
    builder: Builder,
    args: BTreeMap<String, String>,
    secrets: BTreeMap<String, Secret>,
}

async fn prepare(recipe: Recipe, dockerfile: String) -> Result<ContextPlan, BuildError> {
    tokio::task::spawn_blocking(move || context::plan(&recipe, &dockerfile))
        .await
        .expect("planning a context does not panic")
}

async fn run(
    recipe: &Recipe,
    plan: ContextPlan,
    inputs: EngineInputs,
    tools: &Tools<'_>,
    output: &Output,
    stop: &CancellationToken,
) -> Result<(), BuildError> {
    let mut labels = recipe.labels.clone();
    labels.insert(BUILDER_LABEL.to_owned(), inputs.builder.to_string());
    let mut registries = recipe.registries.clone();
    for host in base_hosts(plan.text()) {
        // What Docker was logged in to is for that registry and no other.
        if let Some(found) = of_docker(&host, tools.environment) {
            registries.entry(host).or_insert(found);
        }
    }
    let build = ImageBuild {
        tags: vec![recipe.image.clone()],
        dockerfile: plan.dockerfile().to_owned(),
        args: inputs.args,
        labels,
        secrets: inputs.secrets,
        cache_from: recipe.cache_from.clone(),
        registries,
        inline_cache: recipe.keep_layers,
        ..ImageBuild::default()
    };
    let context = context::stream(plan, stop.clone());
    let built = tools.engine.build(&build, context, output, stop).await;
    built
        .map(drop)
        .map_err(|error| failure(error, inputs.builder))
}

/// Registries of the base images.
fn base_hosts(dockerfile: &Dockerfile) -> Vec<String> {
    let images = dockerfile.base_images().into_iter();
    let references = images.filter_map(|image| image.parse::<ImageReference>().ok());
    references
        .map(|reference| reference.host().to_owned())
        .collect()
}

/// The step in which the engine looks at what it was sent: no source is to blame for its failure.
const CONTEXT: &str = "[internal] load remote build context";

/// Whose fault it is that there is no image.
fn failure(error: EngineError, builder: Builder) -> BuildError {
    match error {
        EngineError::Build(failure) if failure.step.as_deref() == Some(CONTEXT) => {
            BuildError::Engine(Box::new(failure))
        }
        EngineError::Build(failure) => BuildError::Failed {
            builder,
            step: failure.step,
            reason: failure.reason,
            tail: failure.tail,
        },
        EngineError::Stopped => BuildError::Stopped,
        other => BuildError::Engine(Box::new(other)),
    }
}
