//! The builder `railpack`: the program of that name plans and builds.
//!
//! railpack talks to a BuildKit daemon (`BUILDKIT_HOST`; the one inside the Docker engine is not reached that way) and pipes
//! the image into `docker load`, so it needs that daemon and the program `docker`. To railpack every variable is a BuildKit
//! secret: it reaches the commands of the build, no layer and no history. It knows no build arguments, so they are variables
//! too. It cannot label an image; whoever wants labels adds them afterwards. Written for railpack 0.36.

use std::ffi::OsString;

use tokio_util::sync::CancellationToken;

use super::command::{Program, Stdout, run};
use super::programs::{Surroundings, find};
use super::report::failed;
use super::variables::{Variables, cache_key, commands};
use super::{BuildError, Builder, Recipe};
use crate::artifact::output::Output;
use crate::config::Environment;

/// Bytes of its output in which its reason is looked for; it plans before it builds.
const HEAD_BYTES: usize = 16 << 10;

/// Builds [`Recipe::image`] and leaves it in the engine, without [`Recipe::labels`].
///
/// # Errors
/// [`BuildError::NotInstalled`] without `railpack` or `docker`, [`BuildError::Failed`] without `BUILDKIT_HOST` or when the
/// build fails, [`BuildError::Io`] when the program cannot be run, [`BuildError::Stopped`].
///
/// # Cancel safety
/// Dropping the future kills the program; the daemon ends what it does for it.
pub async fn build(
    recipe: &Recipe,
    environment: &Environment,
    output: &Output,
    stop: &CancellationToken,
) -> Result<(), BuildError> {
    let path = find(environment, Builder::Railpack, "railpack").await?;
    // Without it railpack would hang once the image is done: it writes into a pipe that nobody reads.
    find(environment, Builder::Railpack, "docker").await?;
    if environment.get("BUILDKIT_HOST").is_none() {
        return Err(no_daemon());
    }
    let place = recipe.scratch.join(Builder::Railpack.as_str());
    let mut surroundings = Surroundings::private(environment, &place).await?;
    let variables = Variables::of(recipe);
    variables.tell(output).await;
    for (name, value) in &variables.plain {
        surroundings.set(name, value);
    }
    for (name, secret) in &variables.secret {
        surroundings.set(name, secret.expose());
    }
    surroundings.set("DOCKER_BUILDKIT", "1");
    let program = Program {
        path,
        arguments: arguments(recipe, &variables),
        directory: recipe.directory.clone(),
        surroundings,
    };
    let finished = run(&program, Stdout::Shown { keep: HEAD_BYTES }, output, stop).await?;
    if finished.status.success() {
        Ok(())
    } else {
        Err(failed(Builder::Railpack, finished))
    }
}

/// Options in one argument each, so that a command which begins with a dash is no option; of variables the names alone.
fn arguments(recipe: &Recipe, variables: &Variables) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = vec![
        "build".into(),
        format!("--name={}", recipe.image).into(),
        "--progress=plain".into(),
        format!("--cache-key={}", cache_key(recipe)).into(),
    ];
    arguments.extend(commands(recipe));
    for name in variables.plain.keys().chain(variables.secret.keys()) {
        arguments.extend(["--env".into(), name.into()]);
    }
    arguments.push(recipe.directory.clone().into());
    arguments
}

fn no_daemon() -> BuildError {
    BuildError::Failed {
        builder: Builder::Railpack,
        step: None,
        reason: "railpack needs a BuildKit daemon: set BUILDKIT_HOST to its address, e.g. `tcp://127.0.0.1:1234` or \
                 `docker-container://buildkit`, or choose another builder"
            .to_owned(),
        tail: Vec::new(),
    }
}
