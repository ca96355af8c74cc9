//! A task on its way into the queue: its id, and what NATS answers.

use async_nats::jetstream::Context;
use async_nats::jetstream::context::{PublishError, PublishErrorKind};
use async_nats::jetstream::message::PublishMessage;
use sha2::{Digest, Sha256};

use super::names::Names;
use crate::dispatch::Task;
use crate::dispatch::decode::decode;
use crate::observe::{self, Kind};

/// Why a task is not in the queue.
#[derive(Debug, thiserror::Error)]
pub enum SubmitError {
    /// Nobody set up the queue.
    #[error(
        "no stream takes `{subject}`: set up the queue with `cs runner setup`, or correct NATS_STREAM_PREFIX"
    )]
    NoQueue {
        /// Where it was to go.
        subject: String,
    },
    /// NATS said no, or nothing.
    #[error("the task is not in the queue: `{subject}` was not acknowledged")]
    Refused {
        /// Where it was to go.
        subject: String,
        /// What NATS says.
        #[source]
        source: PublishError,
    },
}

/// A task that is in the queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Submitted {
    /// What NATS got as `Nats-Msg-Id`.
    pub id: String,
    /// Where it went.
    pub subject: String,
    /// The stream that has it.
    pub stream: String,
    /// Its place in the stream; of the first one when it is a repeat.
    pub sequence: u64,
    /// It is in the queue already, or was in the last minutes: this repeat was dropped.
    pub is_repeat: bool,
}

/// The id of a submission: the same for the same task and params, however the params are encoded.
///
/// 128 bits of SHA-256, so it tells nothing of the params.
#[must_use]
pub fn id(task: Task, params: &[u8]) -> String {
    let mut hash = Sha256::new();
    hash.update(task.as_str());
    hash.update([0]);
    match decode(params) {
        Ok(json) => hash.update(json.as_bytes()),
        Err(_) => hash.update(params),
    }
    let digest = hash.finalize();
    let hex: String = digest
        .iter()
        .take(16)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("{task}-{hex}")
}

/// Puts a task into the queue and waits until it is safe there.
///
/// # Errors
/// It is not in the queue, or nobody knows; repeating the call is safe for as long as NATS remembers its id.
///
/// # Cancel safety
/// As after an error.
pub async fn submit(
    context: &Context,
    names: &Names,
    task: Task,
    params: &[u8],
) -> Result<Submitted, SubmitError> {
    let subject = names.task(task.as_str());
    let id = id(task, params);
    let span = observe::span(format!("send {task}"), Kind::Producer);
    span.set("messaging.operation.name", "send");
    span.set("messaging.operation.type", "send");
    span.set("messaging.system", "nats");
    span.set("messaging.destination.name", subject.as_str());
    span.set("messaging.message.id", id.as_str());
    let trace = span.context().or_else(observe::here);
    let message = PublishMessage::build()
        .payload(params.to_vec().into())
        .headers(observe::message_headers(trace.as_deref()))
        .message_id(&id);
    let explained = |source: PublishError| match source.kind() {
        PublishErrorKind::StreamNotFound => SubmitError::NoQueue {
            subject: subject.clone(),
        },
        _ => SubmitError::Refused {
            subject: subject.clone(),
            source,
        },
    };
    let receipt = context.send_publish(subject.clone(), message).await;
    let receipt = receipt.map_err(explained)?.await.map_err(explained)?;
    Ok(Submitted {
        id,
        subject: subject.clone(),
        stream: receipt.stream,
        sequence: receipt.sequence,
        is_repeat: receipt.duplicate,
    })
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    #[test]
    fn the_same_submission_has_the_same_id_however_it_is_encoded() {
        let json = r#"{"jobId":"shop"}"#;
        let plain = id(Task::DeployImage, json.as_bytes());
        assert_eq!(
            plain,
            id(Task::DeployImage, STANDARD.encode(json).as_bytes())
        );
        assert_ne!(plain, id(Task::DeployRepository, json.as_bytes()));
        assert_ne!(plain, id(Task::DeployImage, br#"{"jobId":"shop2"}"#));
        assert!(plain.starts_with("deploy-image-"), "{plain}");
        assert_eq!(plain.len(), "deploy-image-".len() + 32);
    }
}
