//! Build: a context, streamed, becomes an image.

mod classic;
mod context;
mod flood;
mod grpc;
mod progress;
mod proto;
mod reason;
mod request;
mod session;

use std::collections::BTreeMap;
use std::io;

use bytes::Bytes;
use futures::Stream;
use reqwest::RequestBuilder;
use tokio_util::sync::CancellationToken;

use self::classic::Classic;
use self::flood::Flood;
use self::progress::Progress;
use self::session::Session;
use super::ahead::{Ahead, ahead_of};
use super::engine::{BuilderKind, Engine};
use super::error::{BuildFailure, EngineError};
use super::lines::Lines;
use super::messages::{Message, Messages};
use super::transport::is_full;
use crate::artifact::output::Output;
use crate::artifact::registry::Credentials;
use crate::secret::Secret;

const OPERATION: &str = "build an image";

/// What to build. The files are the context's.
#[derive(Debug, Clone, Default)]
pub struct ImageBuild {
    /// Names of the image, `repository:tag`.
    pub tags: Vec<String>,
    /// Path of the Dockerfile inside the context, e.g. `Dockerfile`.
    pub dockerfile: String,
    /// Build arguments. They stand in the image's history: nothing secret.
    pub args: BTreeMap<String, String>,
    /// Labels of the image.
    pub labels: BTreeMap<String, String>,
    /// Secrets by id, for `RUN --mount=type=secret,id=…`. Only BuildKit hands them out.
    pub secrets: BTreeMap<String, Secret>,
    /// Images whose layers may be reused, in a registry too when they were built with `inline_cache`.
    pub cache_from: Vec<String>,
    /// Credentials for base images and caches, by host of the registry; `docker.io` for Docker's own.
    pub registries: BTreeMap<String, Credentials>,
    /// The stage to build, the last one when absent.
    pub target: Option<String>,
    /// Reuse no layer.
    pub no_cache: bool,
    /// Put into the image what makes its layers reusable. Only BuildKit does.
    pub inline_cache: bool,
}

/// An image that was built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Built {
    /// Its id in the engine, `sha256:…`.
    pub image_id: String,
    /// What built it.
    pub builder: BuilderKind,
    /// What the builder warned of, at most 50 lines.
    pub warnings: Vec<String>,
}

impl Engine {
    /// Builds an image of a tar stream. What the build says goes to `output`, as `docker build --progress=plain` shows it;
    /// a slow listener slows the build.
    ///
    /// An engine without BuildKit builds with the classic builder and says so on `output`, because secrets and mounts are
    /// missing there.
    ///
    /// # Errors
    /// [`EngineError::Build`] when the source does not build; everything else blames the engine, the context or the stop.
    /// A chunk of the context that is an error ends the build with that error.
    ///
    /// # Cancel safety
    /// Dropping the future closes the connections, on which the engine cancels the build and removes what it began.
    pub async fn build(
        &self,
        build: &ImageBuild,
        context: impl Stream<Item = io::Result<Bytes>> + Send + 'static,
        output: &Output,
        stop: &CancellationToken,
    ) -> Result<Built, EngineError> {
        tokio::select! {
            biased;
            // Cancel-safe: nothing is awaited but the token.
            () = stop.cancelled() => Err(EngineError::Stopped),
            // Dropped when stopped: see "Cancel safety".
            built = self.build_whole(build, context, output) => built,
        }
    }

    async fn build_whole(
        &self,
        build: &ImageBuild,
        context: impl Stream<Item = io::Result<Bytes>> + Send + 'static,
        output: &Output,
    ) -> Result<Built, EngineError> {
        let (body, pump) = context::pipe(context);
        match self.info().await?.builder {
            BuilderKind::BuildKit => {
                let session = Session::open(self, build).await?;
                let request = request::buildkit(self, build, session.id()).await?;
                let told = self.follow(request.body(body), build, Progress::default(), output);
                beside(told, pump, session.serve()).await
            }
            BuilderKind::Classic => {
                self.warn_of_classic(build, output).await;
                let request = request::classic(self, build).await?;
                let told = self.follow(request.body(body), build, Classic::default(), output);
                beside(told, pump, std::future::pending()).await
            }
        }
    }

    async fn warn_of_classic(&self, build: &ImageBuild, output: &Output) {
        let secrets = match build.secrets.len() {
            0 => String::new(),
            count => format!(" and the {count} secrets of the build are not handed to it"),
        };
        output
            .complain(&format!(
                "warning: the Docker engine at {} builds without BuildKit: `RUN --mount`, here-documents and caches in \
                 registries do not work{secrets}",
                self.address()
            ))
            .await;
    }

    /// Sends the build and follows what it tells.
    async fn follow<T: Telling>(
        &self,
        request: RequestBuilder,
        build: &ImageBuild,
        telling: T,
        output: &Output,
    ) -> Result<Built, EngineError> {
        let (ahead, hand_on) = ahead_of(output);
        let hear = async move { self.hear(request, build, telling, &ahead).await };
        tokio::join!(hear, hand_on).0
    }

    async fn hear<T: Telling>(
        &self,
        request: RequestBuilder,
        build: &ImageBuild,
        mut telling: T,
        ahead: &Ahead,
    ) -> Result<Built, EngineError> {
        let response = self.transport().send(OPERATION, request).await?;
        let response = self.transport().accepted(OPERATION, response).await;
        let response = response.map_err(|error| match error {
            // Of the classic builder, which reads the Dockerfile before it answers.
            EngineError::Refused { message, .. } if reason::is_of_source(&message) => {
                telling.failure(&message).into()
            }
            other => other,
        })?;
        let mut messages = Messages::new(self.transport(), OPERATION, response);
        let mut image_id = None;
        let mut flood = Flood::default();
        while let Some(message) = messages.next().await? {
            if let Some(text) = message.failure() {
                ahead.take(telling.finish()).await;
                return Err(failed(&mut telling, text));
            }
            let id = message.aux_text("ID").map(str::to_owned);
            image_id = id.or(image_id);
            let lines = telling.hear(&message);
            let lines = lines.ok_or_else(|| self.transport().malformed("report of a build"))?;
            ahead.take(lines).await;
            if flood.rises(&message, ahead).await
                && let Some(id) = &image_id
            {
                // The engine will not come to naming the image.
                self.name(id, &build.tags).await?;
                break;
            }
        }
        ahead.take(telling.finish()).await;
        Ok(Built {
            image_id: image_id.ok_or_else(|| {
                self.transport()
                    .malformed("report of a build: it says no image")
            })?,
            builder: T::KIND,
            warnings: telling.warnings(),
        })
    }

    async fn name(&self, image_id: &str, tags: &[String]) -> Result<(), EngineError> {
        for tag in tags {
            let target = tag.parse().map_err(|error| EngineError::Refused {
                operation: OPERATION,
                status: 400,
                message: format!("`{tag}` is {error}"),
            })?;
            self.tag(image_id, &target).await?;
        }
        Ok(())
    }
}

/// A builder's way to tell how it goes.
trait Telling {
    const KIND: BuilderKind;

    /// What a message says, as lines. `None`: it is not understood.
    fn hear(&mut self, message: &Message) -> Option<Lines>;

    /// What was not finished.
    fn finish(&mut self) -> Lines;

    /// The failure that ends with this text.
    fn failure(&mut self, text: &str) -> BuildFailure;

    fn warnings(&mut self) -> Vec<String>;
}

fn failed(telling: &mut impl Telling, text: &str) -> EngineError {
    // BuildKit fetches the context once into its cache, and once more if that was pruned before the first step took it.
    if text.contains("build-context-") && text.contains("context not found") {
        return EngineError::ContextLost;
    }
    let failure = telling.failure(text);
    if is_full(text) {
        return EngineError::NoSpace {
            operation: OPERATION,
            message: failure.reason,
        };
    }
    failure.into()
}

/// Waits for a build while its context is handed on and its session is served. None outlives the other two.
async fn beside<T>(
    told: impl Future<Output = Result<T, EngineError>>,
    pump: impl Future<Output = io::Result<()>>,
    session: impl Future<Output = ()>,
) -> Result<T, EngineError> {
    let pump = async { pump.await.map_err(EngineError::Context) };
    // A session that ends early is the engine's to complain about.
    let session = async {
        session.await;
        Ok(())
    };
    tokio::select! {
        // Both are polled in place and dropped only together with the build.
        result = told => result,
        Err(error) = futures::future::try_join(pump, session) => Err(error),
    }
}
