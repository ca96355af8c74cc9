//! Where messages go: the seam between the queue and NATS or stdout.

use std::future::Future;

use super::event::Message;
use super::nats::NatsError;

/// Takes messages and says when they are safe.
pub trait EventSink: Send + 'static {
    /// What traces call it.
    const SYSTEM: &'static str = "nats";

    /// Makes the sink ready, if it is not. Called ahead of the first message, so that the first one need not wait.
    ///
    /// # Errors
    /// Why it is not ready; [`SinkError::disposition`] says whether trying again can help.
    fn open(&mut self) -> impl Future<Output = Result<(), SinkError>> + Send;

    /// Sends messages in order and returns once all of them are acknowledged.
    ///
    /// # Errors
    /// How many of the first messages were acknowledged, and what became of the next. Later ones may have arrived
    /// nevertheless; sending them again under the same ids is harmless.
    ///
    /// # Cancel safety
    /// May be dropped at any point, with the same effect as an error that acknowledges nothing.
    fn publish(
        &mut self,
        messages: &[Message],
    ) -> impl Future<Output = Result<(), PublishFailure>> + Send;

    /// Hands over what is still buffered and lets go of the other side.
    fn close(&mut self) -> impl Future<Output = ()> + Send;
}

/// How far a publish came.
#[derive(Debug)]
pub struct PublishFailure {
    /// So many of the first messages were acknowledged.
    pub acknowledged: usize,
    /// What happened to the next one.
    pub error: SinkError,
}

/// Why a message is not with its receiver.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    /// NATS.
    #[error("the event did not reach NATS")]
    Nats(#[from] NatsError),
    /// The stream for event lines.
    #[error("cannot write event lines to standard output")]
    Stdout {
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
}

/// What to do after a message was not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disposition {
    /// Wait and send it again; no other message would fare better.
    Backoff,
    /// Wait and send it again; a message with another subject may be accepted meanwhile.
    BackoffSubject,
    /// This very message will never be accepted.
    GiveUp,
    /// Nothing will ever be accepted in this run: the configuration is wrong.
    Stall,
}

impl SinkError {
    /// What to do next. The only place that decides it.
    #[must_use]
    pub fn disposition(&self) -> Disposition {
        match self {
            Self::Nats(error) => match error {
                NatsError::MissingKey
                | NatsError::MalformedKey
                | NatsError::NotAUserKey
                | NatsError::NoServers
                | NatsError::MalformedServer { .. } => Disposition::Stall,
                NatsError::Unauthorized { .. }
                | NatsError::Unreachable { .. }
                | NatsError::Disconnected { .. } => Disposition::Backoff,
                NatsError::NoStream { .. }
                | NatsError::NotAcknowledged { .. }
                | NatsError::Refused { .. } => Disposition::BackoffSubject,
                NatsError::TooLarge { .. } => Disposition::GiveUp,
            },
            Self::Stdout { .. } => Disposition::Stall,
        }
    }
}
