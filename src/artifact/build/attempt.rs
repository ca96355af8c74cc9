//! One builder after the other, until one gives an image.

use tokio_util::sync::CancellationToken;

use super::detect::{self, Detected};
use super::{BuildError, Builder, Recipe, csdocker, nixpacks, railpack};
use crate::artifact::output::Output;
use crate::clients::chain;
use crate::clients::docker::Engine;
use crate::config::Environment;
use crate::observe::{self, Kind};

/// What builders work with.
#[derive(Clone, Copy)]
pub struct Tools<'a> {
    /// Builds what is planned.
    pub engine: &'a Engine,
    /// Where programs are found, and what they may see.
    pub environment: &'a Environment,
}

/// Builds a recipe with the builder that was named, else with the one that its directory asks for. The next of the chain is
/// tried after an error that is the builder's own. Returns who built it.
///
/// # Errors
/// When all fail: what the first one said that ran at all. It was the one meant, so its words are the cause; what the others
/// said stands in the output.
pub async fn build(
    recipe: &Recipe,
    named: Option<Builder>,
    tools: &Tools<'_>,
    output: &Output,
    stop: &CancellationToken,
) -> Result<Builder, BuildError> {
    let detected = detect::survey(
        &recipe.tree,
        &recipe.directory,
        named,
        recipe.dockerfile.as_deref(),
    )?;
    let builders = detect::chain(named, detected.dockerfile.is_some());
    output.line(&overview(&detected, &builders)).await;
    let mut failures = Vec::new();
    for builder in builders {
        output.line(&format!("Building with {builder}")).await;
        let span = observe::span("builder", Kind::Internal);
        span.set("cs.builder", builder.as_str());
        let work = with(builder, recipe, &detected, tools, output, stop);
        let built = observe::within(span.clone(), async {
            let built = work.await;
            if built.is_err() {
                span.fail("failed");
            }
            built
        });
        match built.await {
            Ok(()) => return Ok(builder),
            Err(error) if error.falls_back() && !stop.is_cancelled() => {
                output.complain(&chain(&error)).await;
                observe::retry("build");
                failures.push(error);
            }
            Err(error) => return Err(error),
        }
    }
    Err(cause(failures))
}

fn overview(detected: &Detected, builders: &[Builder]) -> String {
    let found = detected.dockerfile.as_deref().into_iter();
    let found: Vec<&str> = found.chain(detected.signals.iter().copied()).collect();
    let found = match found.as_slice() {
        [] => "nothing that tells a language".to_owned(),
        found => found.join(", "),
    };
    let names: Vec<&str> = builders.iter().map(|builder| builder.as_str()).collect();
    format!("Found {found}; builders: {}", names.join(", then "))
}

async fn with(
    builder: Builder,
    recipe: &Recipe,
    detected: &Detected,
    tools: &Tools<'_>,
    output: &Output,
    stop: &CancellationToken,
) -> Result<(), BuildError> {
    match builder {
        Builder::CsDocker => csdocker::build(recipe, detected, tools, output, stop).await,
        Builder::Nixpacks => {
            let planned = nixpacks::plan(recipe, tools.environment, output, stop).await?;
            csdocker::build_planned(recipe, planned, tools, output, stop).await
        }
        Builder::Railpack => {
            railpack::build(recipe, tools.environment, output, stop).await?;
            csdocker::label(recipe, Builder::Railpack, tools, output, stop).await
        }
        Builder::Noop => Ok(()),
    }
}

/// What a failed chain is reported as.
fn cause(failures: Vec<BuildError>) -> BuildError {
    let missing: Vec<&'static str> = failures
        .iter()
        .filter_map(|error| match error {
            BuildError::NotInstalled { program, .. } => Some(*program),
            _ => None,
        })
        .collect();
    let ran = failures
        .into_iter()
        .find(|error| !matches!(error, BuildError::NotInstalled { .. }));
    ran.unwrap_or(BuildError::NoBuilder { missing })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(builder: Builder) -> BuildError {
        BuildError::Failed {
            builder,
            step: None,
            reason: "it does not build".to_owned(),
            tail: Vec::new(),
        }
    }

    fn absent(builder: Builder, program: &'static str) -> BuildError {
        BuildError::NotInstalled { builder, program }
    }

    #[test]
    fn the_cause_is_the_first_builder_that_ran() {
        let error = cause(vec![
            absent(Builder::Railpack, "railpack"),
            failed(Builder::CsDocker),
            failed(Builder::Nixpacks),
        ]);
        assert_eq!(error.to_string(), "csdocker failed: it does not build");
    }

    #[test]
    fn when_no_program_is_there_all_are_named() {
        let error = cause(vec![
            absent(Builder::Railpack, "railpack"),
            absent(Builder::Nixpacks, "nixpacks"),
        ]);
        let text = error.to_string();
        assert!(
            text.contains("railpack") && text.contains("nixpacks"),
            "{text}"
        );
        assert!(text.contains("Dockerfile"), "{text}");
    }
}
