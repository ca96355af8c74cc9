//! Makes the queue, or brings it to what is wanted; says what it changed, and refuses what NATS never changes.

use async_nats::jetstream::consumer::pull;
use async_nats::jetstream::context::{
    ConsumerInfoErrorKind, CreateStreamErrorKind, GetStreamErrorKind,
};
use async_nats::jetstream::stream;

use super::fleet::{Fleet, SUBJECTS_OVERLAP};
use super::names::CONSUMER;
use super::settings::{
    Difference, Wishes, consumer, consumer_differences, stream_differences, stream_with, streams,
};
use crate::clients::chain;

/// Why the queue is not as wanted. What was changed before stays.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// A setting that NATS never changes differs.
    #[error(
        "{what} exists with other settings that NATS never changes ({}): finish or move what is in it, delete it, and \
         repeat the setup",
        listed(.differences)
    )]
    Fixed {
        /// Which stream or consumer.
        what: String,
        /// The settings.
        differences: Vec<Difference>,
    },
    /// Another stream takes the subjects.
    #[error(
        "stream `{name}` cannot be made: another stream takes subjects of {subjects} already; choose another \
         NATS_STREAM_PREFIX, or change that stream"
    )]
    Overlap {
        /// Which.
        name: String,
        /// Its subjects.
        subjects: String,
    },
    /// NATS said no, or nothing.
    #[error("{what} cannot be {doing}: {why}")]
    Refused {
        /// Which stream or consumer.
        what: String,
        /// `made`, `changed` or `looked at`.
        doing: &'static str,
        /// NATS' words.
        why: String,
    },
}

fn listed(differences: &[Difference]) -> String {
    let texts: Vec<String> = differences.iter().map(ToString::to_string).collect();
    texts.join(", ")
}

/// What became of one stream or consumer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done {
    /// e.g. ``stream `cs_runner_tasks` ``.
    pub what: String,
    /// What happened to it.
    pub change: Change,
}

/// What happened to a stream or consumer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// It was not there.
    Made,
    /// Some settings differed.
    Changed(Vec<Difference>),
    /// Nothing differed.
    Unchanged,
}

/// Brings the streams and the consumer to what is wanted, in an order in which no task is taken before agents can work on
/// it.
///
/// # Errors
/// See [`SetupError`]. Repeating it is always safe.
pub async fn setup(fleet: &Fleet, wishes: &Wishes) -> Result<Vec<Done>, SetupError> {
    let mut done = Vec::new();
    for wanted in streams(fleet.names(), wishes) {
        done.push(one_stream(fleet, &wanted).await?);
    }
    done.push(the_consumer(fleet, &consumer(wishes)).await?);
    Ok(done)
}

async fn one_stream(fleet: &Fleet, wanted: &stream::Config) -> Result<Done, SetupError> {
    let what = format!("stream `{}`", wanted.name);
    let refused = |doing, why| SetupError::Refused {
        what: what.clone(),
        doing,
        why,
    };
    let found = match fleet.context().get_stream(&wanted.name).await {
        Ok(stream) => stream.cached_info().config.clone(),
        Err(error) if is_absent(&error.kind()) => {
            make(fleet, wanted).await?;
            return Ok(Done {
                what,
                change: Change::Made,
            });
        }
        Err(error) => return Err(refused("looked at", chain(&error))),
    };
    let differences = stream_differences(&found, wanted);
    let change = match settled(&what, differences)? {
        Change::Changed(differences) => {
            let updated = fleet.context().update_stream(stream_with(&found, wanted));
            updated
                .await
                .map_err(|error| refused("changed", chain(&error)))?;
            Change::Changed(differences)
        }
        other => other,
    };
    Ok(Done { what, change })
}

fn is_absent(kind: &GetStreamErrorKind) -> bool {
    matches!(kind, GetStreamErrorKind::JetStream(error)
        if error.error_code() == async_nats::jetstream::ErrorCode::STREAM_NOT_FOUND)
}

async fn make(fleet: &Fleet, wanted: &stream::Config) -> Result<(), SetupError> {
    let made = fleet.context().create_stream(wanted.clone()).await;
    made.map(drop).map_err(|error| match error.kind() {
        CreateStreamErrorKind::JetStream(told) if told.error_code() == SUBJECTS_OVERLAP => {
            SetupError::Overlap {
                name: wanted.name.clone(),
                subjects: wanted.subjects.join(", "),
            }
        }
        _ => SetupError::Refused {
            what: format!("stream `{}`", wanted.name),
            doing: "made",
            why: chain(&error),
        },
    })
}

async fn the_consumer(fleet: &Fleet, wanted: &pull::Config) -> Result<Done, SetupError> {
    let name = fleet.names().tasks_stream();
    let what = format!("consumer `{CONSUMER}` of stream `{name}`");
    let refused = |doing, why| SetupError::Refused {
        what: what.clone(),
        doing,
        why,
    };
    let stream = fleet.context().get_stream(&name).await;
    let stream = stream.map_err(|error| refused("looked at", chain(&error)))?;
    let change = match stream.consumer_info(CONSUMER).await {
        Ok(info) => settled(&what, consumer_differences(&info.config, wanted))?,
        Err(error) if error.kind() == ConsumerInfoErrorKind::NotFound => Change::Made,
        Err(error) => return Err(refused("looked at", chain(&error))),
    };
    let doing = match change {
        Change::Unchanged => return Ok(Done { what, change }),
        Change::Made => "made",
        Change::Changed(_) => "changed",
    };
    let made = stream.create_consumer(wanted.clone()).await;
    made.map_err(|error| refused(doing, chain(&error)))?;
    Ok(Done { what, change })
}

/// What is to be done about differences.
fn settled(what: &str, differences: Vec<Difference>) -> Result<Change, SetupError> {
    if differences.is_empty() {
        return Ok(Change::Unchanged);
    }
    if differences.iter().any(|difference| difference.is_fixed) {
        return Err(SetupError::Fixed {
            what: what.to_owned(),
            differences: differences
                .into_iter()
                .filter(|difference| difference.is_fixed)
                .collect(),
        });
    }
    Ok(Change::Changed(differences))
}
