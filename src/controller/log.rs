//! The log of one deployment: every line goes to the platform, and to whoever else listens.

use bytes::Bytes;
use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::mask::{Mask, Masking};
use crate::artifact::output::{Chunk, Output};
use crate::dispatch::EventIds;
use crate::events::{Announcer, BuildLog, LogIdentity, LogStream, Phase};

/// Chunks that may wait for a second listener.
const ECHOES: usize = 64;

/// A second listener: gets the bytes of both streams as they are written. When it is slow, the log is.
#[derive(Debug, Clone, Default)]
pub struct Echo(Option<Sender<Bytes>>);

impl Echo {
    /// Nobody listens.
    #[must_use]
    pub const fn none() -> Self {
        Self(None)
    }

    /// A pair of sender and receiver. The channel ends when every log with this echo is gone.
    #[must_use]
    pub fn channel() -> (Self, Receiver<Bytes>) {
        let (sender, receiver) = channel(ECHOES);
        (Self(Some(sender)), receiver)
    }

    async fn send(&self, bytes: Bytes) {
        if let Some(listener) = &self.0 {
            // A listener that is gone has heard enough.
            let _ = listener.send(bytes).await;
        }
    }
}

/// The log of one deployment. Clones write the same log.
#[derive(Debug, Clone)]
pub struct DeploymentLog {
    /// The platform's, where there is one.
    log: Option<BuildLog>,
    echo: Echo,
}

impl DeploymentLog {
    /// Opens the log of a deployment.
    #[must_use]
    pub fn open(announcer: &Announcer, ids: &EventIds, echo: Echo) -> Self {
        let log = announcer.build_log(&LogIdentity {
            deployment_id: ids.deployment_id.clone(),
            job_id: ids.deployment_job_id,
            service_id: ids.service_id.to_string(),
            owner_id: ids.owner_id.clone(),
        });
        Self {
            log: Some(log),
            echo,
        }
    }

    /// A log that only `echo` hears: no platform is told.
    #[must_use]
    pub const fn local(echo: Echo) -> Self {
        Self { log: None, echo }
    }

    /// Writes one line; the line feed is added.
    pub async fn line(&self, phase: Phase, stream: LogStream, text: &str) {
        self.write(phase, stream, format!("{text}\n").into()).await;
    }

    /// Runs a step and writes what it says meanwhile, without the secrets of `mask`.
    pub(super) async fn recording<T, F: Future<Output = T>>(
        &self,
        phase: Phase,
        mask: Mask,
        step: impl FnOnce(Output) -> F,
    ) -> T {
        let (output, said) = Output::channel();
        let (result, ()) = tokio::join!(step(output), self.record(phase, mask, said));
        if let Some(log) = &self.log {
            log.flush().await;
        }
        result
    }

    async fn record(&self, phase: Phase, mask: Mask, mut said: Receiver<Chunk>) {
        let mut masking = Masking::new(mask);
        while let Some(chunk) = said.recv().await {
            if let Some(shown) = masking.pass(chunk) {
                self.write(phase, shown.stream, shown.bytes).await;
            }
        }
        for shown in masking.rest() {
            self.write(phase, shown.stream, shown.bytes).await;
        }
    }

    async fn write(&self, phase: Phase, stream: LogStream, bytes: Bytes) {
        if let Some(log) = &self.log {
            log.write(phase, stream, &bytes).await;
        }
        self.echo.send(bytes).await;
    }
}
