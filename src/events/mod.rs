//! What is announced: events, their subjects, where they go and where they wait until they are acknowledged.
//!
//! Flow: [`Announcer::announce`] makes an event durable in the [`outbox`], one background task takes events and log
//! lines from one queue, in order, and hands them to an [`EventSink`]: [`NatsSink`] or, without servers,
//! [`StdoutSink`]. An event leaves the outbox when it is acknowledged; what is not stays for the next run.
//!
//! Nothing here knows what a deployment does, reads the environment, or prints: where lines go is handed in.

mod announcer;
mod build_log;
mod courier;
mod event;
mod nats;
mod outbox;
mod queue;
mod sink;
mod stdout;
mod subject;

use std::sync::Arc;

pub use announcer::{Announcer, AnnouncerConfig, Delivery, PendingEvent, SharedLedger};
pub use build_log::{BuildLog, LogIdentity, LogStream, MAX_LINE_BYTES, Phase};
pub use event::{DeploymentKind, DeploymentOutcome, Event, LogEnd, Message};
pub(crate) use event::{short_hash, token};
pub use nats::{DEFAULT_FLUSH_TIMEOUT, NatsAnswer, NatsConfig, NatsError, NatsSink, ask, client};
pub use queue::LogLimits;
pub use sink::{Disposition, EventSink, PublishFailure, SinkError};
pub use stdout::StdoutSink;
pub use subject::{InvalidPrefix, Subject, SubjectPrefix};

/// Tells the time of log lines. Handed in, so that tests own it.
pub type Clock = Arc<dyn Fn() -> jiff::Timestamp + Send + Sync>;

/// Takes over what waits below a state directory, in order, and acknowledges it. Returns the ids. Blocks.
///
/// # Errors
/// The directory cannot be used.
pub(crate) fn empty_outbox(state_dir: &std::path::Path) -> Result<Vec<String>, String> {
    taken_over(state_dir).map_err(|error| crate::clients::chain(&error))
}

fn taken_over(state_dir: &std::path::Path) -> Result<Vec<String>, outbox::OutboxError> {
    let outbox = outbox::Outbox::open(state_dir)?;
    let mut ids = Vec::new();
    for (lane, last) in outbox.leftovers() {
        while let outbox::Head::Entry(entry) = outbox.head(&lane, last)? {
            outbox.settle(&lane, &entry)?;
            ids.push(entry.message.id.clone());
        }
    }
    Ok(ids)
}
