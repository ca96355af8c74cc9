//! The builder `nixpacks`: the program of that name plans, the engine builds.
//!
//! `nixpacks build --out` detects what the source is and writes a Dockerfile; it does not call the engine then, so that the
//! one client of the engine that we have does, with its credentials, labels and progress. Written for nixpacks 1.41.
//!
//! Variables go through the program's environment and `--env NAME`, never through its arguments. Secrets do not reach the
//! program at all, except those whose names configure it (`NIXPACKS_…`): their values are instructions for the Dockerfile,
//! by what nixpacks is, so they do appear in it. All secrets reach the commands of the build, mounted for them alone.

mod context;
mod dockerfile;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::{Component, Path, PathBuf};

use serde::Deserialize;
use tokio_util::sync::CancellationToken;

use super::command::{Finished, Program, Stdout, run};
use super::programs::{Surroundings, find, make_private};
use super::report::failed;
use super::variables::{Variables, cache_key, command, commands};
use super::{BuildError, Builder, Recipe};
use crate::artifact::output::Output;
use crate::config::Environment;
use crate::secret::Secret;

/// The file that the engine is to build, relative to the context.
const DOCKERFILE: &str = ".nixpacks/Dockerfile";

/// The `docker build` line that nixpacks leaves, all values in it.
const COMMAND_LINE: &str = ".nixpacks/build.sh";

/// Longest Dockerfile: 1 MiB. Those of nixpacks have some 2 KiB.
const DOCKERFILE_BYTES: u64 = 1 << 20;

/// Longest plan, the values of all variables in it: 8 MiB, more than an environment can hold.
const PLAN_BYTES: usize = 8 << 20;

/// Bytes in which the line about a subdirectory is looked for; it is the first of all.
const HEAD_BYTES: usize = 16 << 10;

/// Longest secret that BuildKit hands out. Source: moby/buildkit, `session/secrets`, `MaxSecretSize`.
const SECRET_BYTES: usize = 500 << 10;

/// What the engine is to build. Needs BuildKit: the Dockerfile has `RUN --mount`.
#[derive(Debug)]
pub struct Generated {
    /// The directory that is the build's context, below [`Recipe::scratch`].
    pub context: PathBuf,
    /// The Dockerfile, relative to `context`.
    pub dockerfile: String,
    /// Build arguments: what nixpacks would have given as `--build-arg`, without secrets.
    pub args: BTreeMap<String, String>,
    /// Secrets by the id under which the engine asks for them.
    pub secrets: BTreeMap<String, Secret>,
}

/// Plans a build: detects what the source is, writes the Dockerfile and the context.
///
/// The context stays until [`Recipe::scratch`] is removed; the source is not changed.
///
/// # Errors
/// [`BuildError::NotInstalled`] without the program, [`BuildError::Failed`] when it cannot plan this source or plans in a
/// shape that is not understood, [`BuildError::Io`] when it or the context cannot be handled, [`BuildError::Stopped`].
///
/// # Cancel safety
/// Dropping the future kills the program.
pub async fn plan(
    recipe: &Recipe,
    environment: &Environment,
    output: &Output,
    stop: &CancellationToken,
) -> Result<Generated, BuildError> {
    let planner = Planner::new(recipe, environment, output, stop).await?;
    if command(&recipe.build_command).is_some_and(|command| command.contains(['\n', '\r'])) {
        let reason = "the build command has more than one line, which nixpacks cannot write down; put it into a script";
        return Err(planner.failed(reason, Vec::new()));
    }
    planner.variables.tell(output).await;
    let context = planner.place.join("context");
    make_private(&context).await?;
    let written = planner.write(&context).await;
    // Whatever became of it: it may hold values.
    remove(&context.join(COMMAND_LINE)).await?;
    let written = written?;
    let args = planner.args().await?;
    let source = source(&recipe.directory, &written)?;
    let secrets = planner.rewrite(&context.join(DOCKERFILE), &written).await?;
    planner.join(source, context.clone()).await?;
    Ok(Generated {
        context,
        dockerfile: DOCKERFILE.to_owned(),
        args,
        secrets,
    })
}

struct Planner<'a> {
    recipe: &'a Recipe,
    output: &'a Output,
    stop: &'a CancellationToken,
    variables: Variables,
    /// Ours, below the recipe's scratch.
    place: PathBuf,
    path: PathBuf,
    surroundings: Surroundings,
}

/// The members of a plan that matter here.
#[derive(Deserialize)]
struct Plan {
    #[serde(default)]
    variables: Option<BTreeMap<String, String>>,
}

impl<'a> Planner<'a> {
    async fn new(
        recipe: &'a Recipe,
        environment: &Environment,
        output: &'a Output,
        stop: &'a CancellationToken,
    ) -> Result<Self, BuildError> {
        let path = find(environment, Builder::Nixpacks, "nixpacks").await?;
        let place = recipe.scratch.join(Builder::Nixpacks.as_str());
        let mut surroundings = Surroundings::private(environment, &place).await?;
        let variables = Variables::of(recipe);
        for (name, value) in handed(&variables) {
            surroundings.set(name, value);
        }
        Ok(Self {
            recipe,
            output,
            stop,
            variables,
            place,
            path,
            surroundings,
        })
    }

    /// Lets nixpacks write its files into the context.
    async fn write(&self, context: &Path) -> Result<Finished, BuildError> {
        let mut arguments = vec![
            OsString::from("build"),
            self.recipe.directory.clone().into(),
        ];
        arguments.extend(["--out".into(), context.into()]);
        arguments.push(format!("--name={}", self.recipe.image).into());
        arguments.push(format!("--cache-key={}", cache_key(self.recipe)).into());
        let finished = self
            .run(arguments, Stdout::Shown { keep: HEAD_BYTES })
            .await?;
        if finished.status.success() {
            return Ok(finished);
        }
        let unknown = "Nixpacks was unable to generate a build plan for this app.";
        if finished
            .tail
            .iter()
            .chain(lines(&finished).iter())
            .any(|line| line == unknown)
        {
            let reason =
                "it does not recognise the application; add a nixpacks.toml or a Dockerfile";
            return Err(self.failed(reason, finished.tail));
        }
        Err(failed(Builder::Nixpacks, finished))
    }

    /// The build arguments: variables of the recipe, and those that providers and files of the source add.
    async fn args(&self) -> Result<BTreeMap<String, String>, BuildError> {
        let mut arguments = vec![OsString::from("plan"), self.recipe.directory.clone().into()];
        arguments.push("--format=json".into());
        let finished = self
            .run(arguments, Stdout::Hidden { keep: PLAN_BYTES })
            .await?;
        if !finished.status.success() {
            // Values of variables are in it.
            let stdout = Vec::new();
            return Err(failed(Builder::Nixpacks, Finished { stdout, ..finished }));
        }
        // The parser's own error may quote a value: it is dropped.
        let Ok(plan) = serde_json::from_slice::<Plan>(&finished.stdout) else {
            return Err(self.failed(
                "`nixpacks plan` gives no plan that is understood",
                finished.tail,
            ));
        };
        let mut args = plan.variables.unwrap_or_default();
        args.retain(|name, _| !self.recipe.secrets.contains_key(name));
        Ok(args)
    }

    async fn run(
        &self,
        mut arguments: Vec<OsString>,
        stdout: Stdout,
    ) -> Result<Finished, BuildError> {
        arguments.extend(commands(self.recipe));
        for (name, _) in handed(&self.variables) {
            arguments.extend(["--env".into(), name.into()]);
        }
        let program = Program {
            path: self.path.clone(),
            arguments,
            directory: self.recipe.directory.clone(),
            surroundings: self.surroundings.clone(),
        };
        run(&program, stdout, self.output, self.stop).await
    }

    /// Makes the Dockerfile fit for secrets. Returns what the engine is to have at hand for it.
    async fn rewrite(
        &self,
        path: &Path,
        written: &Finished,
    ) -> Result<BTreeMap<String, Secret>, BuildError> {
        let mut text = self.read(path, written).await?;
        if let Some(command) = command(&self.recipe.start_command) {
            text = dockerfile::with_start(&text, command);
        }
        let mut mounted = BTreeMap::new();
        let secrets = &self.variables.secret;
        if !secrets.is_empty() {
            let exports = dockerfile::Exports::of(secrets);
            if exports.script.expose().len() > SECRET_BYTES {
                return Err(self.failed("the secrets are longer than 500 KiB together", Vec::new()));
            }
            text = dockerfile::with_secrets(&text, secrets, &exports)
                .map_err(|unexpected| self.failed(&unexpected.to_string(), written.tail.clone()))?;
            mounted.insert(exports.id, exports.script);
        }
        tokio::fs::write(path, text)
            .await
            .map_err(|source| BuildError::Io {
                what: format!("write `{}`", path.display()),
                source,
            })?;
        Ok(mounted)
    }

    async fn read(&self, path: &Path, written: &Finished) -> Result<String, BuildError> {
        let length = tokio::fs::metadata(path).await.map(|found| found.len());
        if length.is_ok_and(|length| length <= DOCKERFILE_BYTES)
            && let Ok(text) = tokio::fs::read_to_string(path).await
        {
            return Ok(text);
        }
        let reason = format!(
            "it ended well, yet wrote no usable `{DOCKERFILE}`: this version of nixpacks may be unknown (known: 1.41)"
        );
        Err(self.failed(&reason, written.tail.clone()))
    }

    /// Brings the source into the context.
    async fn join(&self, source: PathBuf, context: PathBuf) -> Result<(), BuildError> {
        let stop = self.stop.child_token();
        // Dropping the future stops the thread too.
        let _stopped = stop.clone().drop_guard();
        let what = format!("bring the source into `{}`", context.display());
        let joined = tokio::task::spawn_blocking(move || context::join(&source, &context, &stop));
        match joined.await.expect("the thread does not panic") {
            Ok(()) => Ok(()),
            Err(_) if self.stop.is_cancelled() => Err(BuildError::Stopped),
            Err(source) => Err(BuildError::Io { what, source }),
        }
    }

    fn failed(&self, reason: &str, tail: Vec<String>) -> BuildError {
        BuildError::Failed {
            builder: Builder::Nixpacks,
            step: None,
            reason: reason.to_owned(),
            tail,
        }
    }
}

/// What nixpacks itself gets to see: all that is no secret, and the secrets that are settings of its own.
fn handed(variables: &Variables) -> impl Iterator<Item = (&str, &str)> {
    let plain = variables
        .plain
        .iter()
        .map(|(name, value)| (&**name, &**value));
    let secret = variables.secret.iter();
    let settings = secret.filter(|(name, _)| is_setting(name));
    plain.chain(settings.map(|(name, secret)| (&**name, secret.expose())))
}

/// Whether nixpacks reads the value of a variable while it plans. Source: nixpacks 1.41, `get_config_variable`; the one
/// variable without the prefix is in `providers/go.rs`.
fn is_setting(name: &str) -> bool {
    name.starts_with("NIXPACKS_") || name == "CGO_ENABLED"
}

fn lines(finished: &Finished) -> Vec<String> {
    let text = String::from_utf8_lossy(&finished.stdout);
    text.lines().map(str::to_owned).collect()
}

/// What is built: the directory, or the one below it that nixpacks has chosen because nothing is at the top.
fn source(directory: &Path, written: &Finished) -> Result<PathBuf, BuildError> {
    let chosen = lines(written).into_iter().find_map(|line| {
        let below = line
            .strip_prefix("Using subdirectory \"")?
            .strip_suffix('"')?;
        Some(PathBuf::from(below))
    });
    let Some(below) = chosen else {
        return Ok(directory.to_owned());
    };
    let inside = below
        .components()
        .all(|part| matches!(part, Component::Normal(_)));
    if inside {
        return Ok(directory.join(below));
    }
    Err(BuildError::Failed {
        builder: Builder::Nixpacks,
        step: None,
        reason: "it chose a directory outside the source".to_owned(),
        tail: Vec::new(),
    })
}

async fn remove(path: &Path) -> Result<(), BuildError> {
    match tokio::fs::remove_file(path).await {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(BuildError::Io {
            what: format!("remove `{}`", path.display()),
            source: error,
        }),
        _ => Ok(()),
    }
}
