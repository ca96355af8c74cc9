//! The queue and the ledger on NATS: thin calls, no decisions.

use std::time::Duration;

use async_nats::Client;
use async_nats::jetstream::consumer::{PullConsumer, pull};
use async_nats::jetstream::context::{ContextBuilder, PublishErrorKind};
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::stream::{LastRawMessageErrorKind, RawMessageErrorKind, Stream};
use async_nats::jetstream::{Context, ErrorCode};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::names::{CONSUMER, Names, Order};
use crate::clients::chain;

/// Longest wait for an answer of JetStream.
const ANSWER: Duration = Duration::from_secs(5);

/// Why the queue or the ledger did not do what was asked. Texts are NATS' own and free of secrets.
#[derive(Debug, thiserror::Error)]
pub enum FleetError {
    /// A stream or the consumer is not there.
    #[error("{what} is not there ({why}): `cs runner setup` makes it")]
    Missing {
        /// Which.
        what: String,
        /// NATS' words.
        why: String,
    },
    /// A call failed.
    #[error("{doing} failed: {why}")]
    Call {
        /// What was being done.
        doing: &'static str,
        /// NATS' words.
        why: String,
    },
}

fn call(doing: &'static str) -> impl Fn(String) -> FleetError {
    move |why| FleetError::Call { doing, why }
}

/// A record and the revision at which it was read; revision 0: there is none.
#[derive(Debug, Clone)]
pub struct Seen<T> {
    /// What it holds.
    pub record: Option<T>,
    /// Expected by the next write.
    pub revision: u64,
}

/// The queue as an agent uses it. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Fleet {
    client: Client,
    context: Context,
    names: Names,
}

/// Stream and consumer as they are now.
#[derive(Debug, Clone)]
pub struct Place {
    /// When the stream was made; part of every [`Order`].
    pub epoch: i64,
    /// How long NATS waits for an agent.
    pub ack_wait: Duration,
    /// Hands out tasks.
    pub consumer: PullConsumer,
}

/// A task that was given up, as it is kept. Without its params: they hold secrets, and nobody can carry them out any more
/// under this deployment, whose failure is announced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeadLetter {
    /// The task's name as it was sent.
    pub task: String,
    /// The platform's deployment, when it was readable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deployment_id: Option<String>,
    /// Its place in the queue.
    pub sequence: u64,
    /// `Nats-Msg-Id` of the submission.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_id: Option<String>,
    /// How often it was begun.
    pub tries: u32,
    /// Why it was given up, in one line.
    pub reason: String,
    /// Size of the params.
    pub params_bytes: usize,
    /// The agent that gave it up.
    pub agent: String,
    /// When, as a time stamp.
    pub at: String,
}

impl Fleet {
    /// The queue of these names over a connection.
    #[must_use]
    pub fn new(client: Client, names: Names) -> Self {
        let context = ContextBuilder::new().timeout(ANSWER).build(client.clone());
        Self {
            client,
            context,
            names,
        }
    }

    /// What things are called.
    #[must_use]
    pub const fn names(&self) -> &Names {
        &self.names
    }

    /// The connection.
    #[must_use]
    pub const fn client(&self) -> &Client {
        &self.client
    }

    /// JetStream over the connection.
    #[must_use]
    pub const fn context(&self) -> &Context {
        &self.context
    }

    /// Finds the stream, the ledger and the consumer.
    ///
    /// # Errors
    /// One of them is not there, or NATS does not answer.
    pub async fn place(&self) -> Result<Place, FleetError> {
        let missing = |what: String| move |why: String| FleetError::Missing { what, why };
        for name in [self.names.ledger_stream(), self.names.dead_stream()] {
            let found = self.context.get_stream(&name).await;
            found.map_err(|error| missing(format!("stream `{name}`"))(chain(&error)))?;
        }
        let name = self.names.tasks_stream();
        let stream = self.context.get_stream(&name).await;
        let stream = stream.map_err(|error| missing(format!("stream `{name}`"))(chain(&error)))?;
        let consumer = stream.get_consumer::<pull::Config>(CONSUMER).await;
        let consumer = consumer.map_err(|error| {
            missing(format!("consumer `{CONSUMER}` of stream `{name}`"))(error.to_string())
        })?;
        let created = stream.cached_info().created.unix_timestamp_nanos();
        Ok(Place {
            // Fits until 2262.
            epoch: i64::try_from(created).unwrap_or(i64::MAX),
            ack_wait: consumer.cached_info().config.ack_wait,
            consumer,
        })
    }

    /// Reads a record, always from the stream's leader. What is none of ours counts as absent.
    ///
    /// # Errors
    /// NATS does not answer, or the ledger is not there.
    pub async fn read<T: DeserializeOwned>(&self, subject: &str) -> Result<Seen<T>, FleetError> {
        let stream = self.stream(&self.names.ledger_stream()).await?;
        match stream.get_last_raw_message_by_subject(subject).await {
            Ok(message) => {
                let record = serde_json::from_slice(&message.payload);
                if let Err(error) = &record {
                    tracing::warn!(
                        "`{subject}` in the ledger is no record and is replaced: {error}"
                    );
                }
                Ok(Seen {
                    record: record.ok(),
                    revision: message.sequence,
                })
            }
            Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => Ok(Seen {
                record: None,
                revision: 0,
            }),
            Err(error) => Err(call("reading the ledger")(chain(&error))),
        }
    }

    /// Writes a record if it is still at `revision`. Returns the new revision; `None` when it is not.
    ///
    /// # Errors
    /// It is unknown whether the record was written.
    pub async fn write<T: Serialize + Sync>(
        &self,
        subject: &str,
        record: &T,
        revision: u64,
    ) -> Result<Option<u64>, FleetError> {
        let payload = serde_json::to_vec(record).expect("records are plain data with text keys");
        let message = PublishMessage::build()
            .payload(payload.into())
            .expected_last_subject_sequence(revision);
        let failed = call("writing the ledger");
        let receipt = self
            .context
            .send_publish(subject.to_owned(), message)
            .await
            .map_err(|error| failed(chain(&error)))?;
        match receipt.await {
            Ok(receipt) => Ok(Some(receipt.sequence)),
            Err(error) if error.kind() == PublishErrorKind::WrongLastSequence => Ok(None),
            Err(error) => Err(failed(chain(&error))),
        }
    }

    /// Whether a message is no longer in the stream: done with, or removed. Messages of an earlier stream are.
    ///
    /// # Errors
    /// NATS does not answer.
    pub async fn is_gone(&self, order: Order, epoch: i64) -> Result<bool, FleetError> {
        if order.epoch != epoch {
            return Ok(true);
        }
        let stream = self.stream(&self.names.tasks_stream()).await?;
        match stream.get_raw_message(order.sequence).await {
            Ok(_) => Ok(false),
            Err(error) if error.kind() == RawMessageErrorKind::NoMessageFound => Ok(true),
            Err(error) => Err(call("looking for a task in the queue")(chain(&error))),
        }
    }

    /// Keeps a task that was given up. A repeat for the same message is dropped.
    ///
    /// # Errors
    /// It is unknown whether it is kept.
    pub async fn bury(&self, letter: &DeadLetter, order: Order) -> Result<(), FleetError> {
        let payload = serde_json::to_vec(letter).expect("plain data with text keys");
        let message = PublishMessage::build()
            .payload(payload.into())
            .message_id(format!("dead-{}", order.occasion()));
        let failed = call("keeping a dead letter");
        let subject = self.names.dead(&letter.task);
        let receipt = self.context.send_publish(subject, message).await;
        let receipt = receipt.map_err(|error| failed(chain(&error)))?;
        receipt.await.map_err(|error| failed(chain(&error)))?;
        Ok(())
    }

    /// The latest dead letters, newest first, and how many there are.
    ///
    /// # Errors
    /// NATS does not answer or the stream is not there.
    pub async fn dead(&self, most: usize) -> Result<(u64, Vec<DeadLetter>), FleetError> {
        let failed = call("reading the dead letters");
        let name = self.names.dead_stream();
        let stream = self.context.get_stream(&name).await;
        let stream = stream.map_err(|error| FleetError::Missing {
            what: format!("stream `{name}`"),
            why: chain(&error),
        })?;
        let state = &stream.cached_info().state;
        let mut letters = Vec::new();
        let mut sequence = state.last_sequence;
        while letters.len() < most && sequence >= state.first_sequence && sequence > 0 {
            match stream.get_raw_message(sequence).await {
                // A letter of another version is counted and not shown.
                Ok(message) => letters.extend(serde_json::from_slice(&message.payload).ok()),
                Err(error) if error.kind() == RawMessageErrorKind::NoMessageFound => {}
                Err(error) => return Err(failed(chain(&error))),
            }
            sequence -= 1;
        }
        Ok((state.messages, letters))
    }

    async fn stream(&self, name: &str) -> Result<Stream<()>, FleetError> {
        let found = self.context.get_stream_no_info(name).await;
        found.map_err(|error| call("naming a stream")(chain(&error)))
    }
}

/// JetStream's code for a stream whose subjects belong to another one.
pub(super) const SUBJECTS_OVERLAP: ErrorCode = ErrorCode::STREAM_SUBJECT_OVERLAP;
