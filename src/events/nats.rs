//! Messages to NATS JetStream, each acknowledged before it counts.
//!
//! One connection at a time, made when it is first needed. When it is lost, it is dropped and the next publish makes
//! another: a publish that hangs on a lost connection would learn of it only after its whole timeout, and what was
//! queued inside the old connection would be sent at a time nobody knows. Waiting between attempts is the caller's.

use std::time::Duration;

use async_nats::ConnectErrorKind;
use async_nats::jetstream::context::{ContextBuilder, PublishError, PublishErrorKind};
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::{self, Context};
use async_nats::{Client, ConnectOptions, ServerAddr};
use nkeys::{KeyPair, KeyPairType};
use tokio::sync::watch;

use super::event::Message;
use super::sink::{EventSink, PublishFailure, SinkError};
use super::subject::Subject;
use crate::clients::chain;
use crate::observe;
use crate::secret::{SafeUrl, Secret};

/// Longest wait for a flush after an acknowledged publish, unless `NATS_FLUSH_TIMEOUT` says otherwise.
///
/// 5 s. A flush that takes longer is a warning only: the message is already in the stream.
pub const DEFAULT_FLUSH_TIMEOUT: Duration = Duration::from_secs(5);

/// Longest wait for a connection and its handshake. 2 s, as the replaced program. Source: contract, 1.8.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// Longest wait for the acknowledgement of a publish. Source: contract, 1.8.
const ACK_TIMEOUT: Duration = Duration::from_secs(5);

/// Longest wait for the connection to drain at the end. Every message was acknowledged by then, so this is courtesy.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(2);

/// How to reach NATS.
#[derive(Debug, Clone)]
pub struct NatsConfig {
    /// Comma list (`NATS_SERVERS`); the scheme may be left out. Secret, because an address may carry a password.
    pub servers: Secret,
    /// NKey user seed (`NATS_CLIENT_PRIVATE_KEY`).
    pub seed: Option<Secret>,
    /// Longest wait for a flush (`NATS_FLUSH_TIMEOUT`).
    pub flush_timeout: Duration,
}

/// What went wrong with NATS. None of the texts repeats the seed or a password.
#[derive(Debug, thiserror::Error)]
pub enum NatsError {
    /// Servers without a key. The platform expects events over NATS, so lines on stdout would only look like a
    /// delivery: events wait in the outbox for a run that has the key.
    #[error(
        "NATS_SERVERS is set but NATS_CLIENT_PRIVATE_KEY is not: set it to the user's NKey seed (`SU…`)"
    )]
    MissingKey,
    /// The seed does not decode. The decoder's error is left out: it may quote the seed.
    #[error(
        "NATS_CLIENT_PRIVATE_KEY is not an NKey seed: 58 characters that begin with `SU` are needed"
    )]
    MalformedKey,
    /// A seed, but of an account, operator or server.
    #[error("NATS_CLIENT_PRIVATE_KEY is not the seed of a user: it must begin with `SU`")]
    NotAUserKey,
    /// Only blanks and commas.
    #[error("NATS_SERVERS names no server: write host:port, several separated by commas")]
    NoServers,
    /// One of the servers is no address.
    #[error(
        "server {position} in NATS_SERVERS is not an address: write host:port, nats://host:port or tls://host:port"
    )]
    MalformedServer {
        /// Counted from 1. The text itself may carry a password.
        position: usize,
    },
    /// The server knows no such user.
    #[error(
        "NATS at {servers} refuses the key in NATS_CLIENT_PRIVATE_KEY (user {user}): add the user there, or correct the key"
    )]
    Unauthorized {
        /// Whom we asked.
        servers: String,
        /// Public key of the seed.
        user: String,
    },
    /// No connection.
    #[error("cannot reach NATS at {servers}")]
    Unreachable {
        /// Whom we asked.
        servers: String,
        /// What the client says.
        #[source]
        source: async_nats::ConnectError,
    },
    /// The connection went away during a publish.
    #[error("the connection to NATS was lost before `{subject}` was acknowledged")]
    Disconnected {
        /// What was being sent.
        subject: Subject,
    },
    /// Nobody stores this subject.
    #[error(
        "no stream accepts `{subject}`: create a JetStream stream for it, or correct NATS_STREAM_PREFIX"
    )]
    NoStream {
        /// What was being sent.
        subject: Subject,
    },
    /// No answer in time.
    #[error("NATS did not acknowledge `{subject}` within {} s{}", ACK_TIMEOUT.as_secs(), hint(.complaint.as_deref()))]
    NotAcknowledged {
        /// What was being sent.
        subject: Subject,
        /// What the server complained about last, e.g. missing permission.
        complaint: Option<String>,
    },
    /// The stream answered with an error.
    #[error("the stream refused `{subject}`")]
    Refused {
        /// What was being sent.
        subject: Subject,
        /// The stream's answer.
        #[source]
        source: PublishError,
    },
    /// More than the server or the stream takes.
    #[error("`{subject}` is larger than NATS accepts")]
    TooLarge {
        /// What was being sent.
        subject: Subject,
    },
}

fn hint(complaint: Option<&str>) -> String {
    complaint.map_or_else(String::new, |complaint| {
        format!(" (the server says: {complaint})")
    })
}

/// Sends to JetStream with `Nats-Msg-Id`, waits for the acknowledgement, then flushes.
#[derive(Debug)]
pub struct NatsSink {
    config: NatsConfig,
    link: Option<Link>,
}

#[derive(Debug)]
struct Link {
    client: Client,
    context: Context,
    signals: watch::Receiver<Signals>,
}

/// What the connection told since it was made.
#[derive(Debug, Default)]
struct Signals {
    lost: bool,
    closed: bool,
    complaint: Option<String>,
}

impl NatsSink {
    /// Takes the configuration; nothing is checked or connected before [`EventSink::open`].
    #[must_use]
    pub fn new(config: NatsConfig) -> Self {
        Self { config, link: None }
    }

    async fn linked(&mut self) -> Result<&Link, NatsError> {
        // Taken out and put back, because a borrow that is returned early may not outlive the match.
        let link = match self.link.take().filter(|link| !link.signals.borrow().lost) {
            Some(link) => link,
            None => connect(&self.config).await?,
        };
        Ok(self.link.insert(link))
    }
}

/// What NATS answers before there is anything to announce.
#[derive(Debug)]
pub struct NatsAnswer {
    /// Whom we talked to, without credentials.
    pub servers: String,
    /// The server's version.
    pub version: String,
    /// The stream that stores the subject, `None` when there is none; or why that cannot be told: JetStream is off, or the
    /// user may not ask. The text is the server's.
    pub stream: Result<Option<String>, String>,
}

/// Connects, asks which stream stores a subject, and lets go. Nothing is published.
///
/// # Errors
/// There is no connection; see [`NatsError`].
///
/// # Cancel safety
/// May be dropped at any point.
pub async fn ask(config: &NatsConfig, subject: &Subject) -> Result<NatsAnswer, NatsError> {
    use async_nats::jetstream::context::GetStreamByNameErrorKind as Kind;
    let servers = parse_servers(&config.servers)?.shown;
    let link = connect(config).await?;
    let named = link.context.stream_by_subject(subject.as_str());
    let stream = match tokio::time::timeout(CONNECT_TIMEOUT, named).await {
        Ok(Ok(name)) => Ok(Some(name)),
        Ok(Err(error)) if error.kind() == Kind::NotFound => Ok(None),
        Ok(Err(error)) => Err(chain(&error)),
        Err(_) => {
            let complaint = link.signals.borrow().complaint.clone();
            Err(complaint.unwrap_or_else(|| "JetStream does not answer".to_owned()))
        }
    };
    Ok(NatsAnswer {
        servers,
        version: link.client.server_info().version,
        stream,
    })
}

/// Connects, and stays connected: a connection that is lost is made again, with growing waits, for as long as the client
/// lives. `told` hears of every change.
///
/// # Errors
/// There is no connection now; see [`NatsError`].
///
/// # Cancel safety
/// May be dropped at any point.
pub async fn client(
    config: &NatsConfig,
    told: impl Fn(async_nats::Event) + Send + Sync + 'static,
) -> Result<Client, NatsError> {
    let told = move |event| {
        told(event);
        std::future::ready(())
    };
    let lasting = |options: ConnectOptions, _servers| {
        options
            .max_reconnects(None)
            .reconnect_delay_callback(reconnect_delay)
            .event_callback(told)
    };
    open(config, lasting).await
}

/// Waits before an attempt to connect again: 100 ms, doubled each time, 5 s at most, with jitter.
fn reconnect_delay(attempts: usize) -> Duration {
    let doubled = 100u64 << attempts.saturating_sub(1).min(6);
    let jitter = u64::from(uuid::Uuid::new_v4().as_bytes()[0]);
    Duration::from_millis((doubled + jitter).min(5000))
}

async fn connect(config: &NatsConfig) -> Result<Link, NatsError> {
    let (sender, signals) = watch::channel(Signals::default());
    // One pass over the list. A lost connection is replaced by us, so the client need not try longer.
    let passing = |options: ConnectOptions, servers| {
        options
            .max_reconnects(servers)
            .event_callback(move |event| {
                note(&sender, event);
                std::future::ready(())
            })
    };
    let client = open(config, passing).await?;
    let context = ContextBuilder::new()
        .timeout(ACK_TIMEOUT)
        .build(client.clone());
    Ok(Link {
        client,
        context,
        signals,
    })
}

/// Connects with what `change` makes of the options; it is told how many servers there are.
async fn open(
    config: &NatsConfig,
    change: impl FnOnce(ConnectOptions, usize) -> ConnectOptions,
) -> Result<Client, NatsError> {
    let Servers { addresses, shown } = parse_servers(&config.servers)?;
    let (seed, user) = checked_seed(config.seed.as_ref())?;
    let options = ConnectOptions::with_nkey(seed)
        .name("cs")
        .connection_timeout(CONNECT_TIMEOUT);
    let connecting = change(options, addresses.len()).connect(addresses);
    let client = connecting.await.map_err(|source| match source.kind() {
        ConnectErrorKind::AuthorizationViolation => NatsError::Unauthorized {
            servers: shown.clone(),
            user,
        },
        _ => NatsError::Unreachable {
            servers: shown.clone(),
            source,
        },
    })?;
    tracing::debug!(nats.servers = %shown, "Connected to NATS");
    Ok(client)
}

fn note(sender: &watch::Sender<Signals>, event: async_nats::Event) {
    sender.send_modify(|signals| match event {
        async_nats::Event::Disconnected => signals.lost = true,
        async_nats::Event::Closed => {
            signals.lost = true;
            signals.closed = true;
        }
        async_nats::Event::ServerError(error) => signals.complaint = Some(error.to_string()),
        _ => {}
    });
}

struct Servers {
    addresses: Vec<ServerAddr>,
    /// Without credentials, for messages.
    shown: String,
}

fn parse_servers(list: &Secret) -> Result<Servers, NatsError> {
    let mut addresses = Vec::new();
    let mut shown = Vec::new();
    let entries = list.expose().split(',').map(str::trim);
    for (index, entry) in entries.filter(|entry| !entry.is_empty()).enumerate() {
        let malformed = NatsError::MalformedServer {
            position: index + 1,
        };
        let absolute = if entry.contains("://") {
            entry.to_owned()
        } else {
            format!("nats://{entry}")
        };
        let Ok(url) = SafeUrl::parse(&absolute) else {
            return Err(malformed);
        };
        shown.push(url.to_string());
        let mut url = url.expose().clone();
        // The key alone authenticates, and the client would log a password that stands in an address.
        let stripped = url.set_username("").and_then(|()| url.set_password(None));
        let address = stripped
            .ok()
            .and_then(|()| ServerAddr::from_url(url).ok())
            .filter(|address| matches!(address.scheme(), "nats" | "tls"))
            .filter(|address| !address.host().is_empty());
        addresses.push(address.ok_or(malformed)?);
    }
    if addresses.is_empty() {
        return Err(NatsError::NoServers);
    }
    Ok(Servers {
        addresses,
        shown: shown.join(", "),
    })
}

/// Returns the seed as the client wants it, and the public key that belongs to it.
fn checked_seed(seed: Option<&Secret>) -> Result<(String, String), NatsError> {
    let seed = seed.map_or("", |seed| seed.expose().trim());
    if seed.is_empty() {
        return Err(NatsError::MissingKey);
    }
    let pair = KeyPair::from_seed(seed).map_err(|_| NatsError::MalformedKey)?;
    if pair.key_pair_type() != KeyPairType::User {
        return Err(NatsError::NotAUserKey);
    }
    Ok((seed.to_owned(), pair.public_key()))
}

impl Link {
    /// Sends all messages without waiting in between, then waits for the acknowledgements in the same order.
    async fn send(&self, messages: &[Message], acknowledged: &mut usize) -> Result<(), NatsError> {
        let mut receipts = Vec::with_capacity(messages.len());
        let mut sent = Ok(());
        for message in messages {
            let publish = PublishMessage::build()
                .payload(message.payload.clone())
                .headers(observe::message_headers(message.trace.as_deref()))
                .message_id(&message.id);
            let subject = message.subject.as_str().to_owned();
            match self.context.send_publish(subject, publish).await {
                Ok(receipt) => receipts.push(receipt),
                Err(error) => {
                    sent = Err(self.explain(message, error));
                    break;
                }
            }
        }
        for (message, receipt) in messages.iter().zip(receipts) {
            receipt
                .await
                .map_err(|error| self.explain(message, error))?;
            *acknowledged += 1;
        }
        sent
    }

    /// Returns once the connection is lost.
    async fn lost(&self) {
        let mut signals = self.signals.clone();
        // An error means that the connection's own task is gone, and the connection with it.
        let _ = signals.wait_for(|signals| signals.lost).await;
    }

    fn explain(&self, message: &Message, error: PublishError) -> NatsError {
        let subject = message.subject.clone();
        match error.kind() {
            PublishErrorKind::StreamNotFound => NatsError::NoStream { subject },
            PublishErrorKind::MaxPayloadExceeded => NatsError::TooLarge { subject },
            PublishErrorKind::TimedOut => NatsError::NotAcknowledged {
                subject,
                complaint: self.signals.borrow().complaint.clone(),
            },
            PublishErrorKind::Other => match stream_error(&error) {
                Some(answer) if answer.error_code() == MESSAGE_TOO_LARGE => {
                    NatsError::TooLarge { subject }
                }
                Some(_) => NatsError::Refused {
                    subject,
                    source: error,
                },
                None => NatsError::Disconnected { subject },
            },
            PublishErrorKind::WrongLastMessageId
            | PublishErrorKind::WrongLastSequence
            | PublishErrorKind::MaxAckPending => NatsError::Refused {
                subject,
                source: error,
            },
            PublishErrorKind::BrokenPipe => NatsError::Disconnected { subject },
        }
    }

    async fn flush(&self, messages: &[Message], limit: Duration) {
        let subject = messages.last().map_or("", |last| last.subject.as_str());
        let why = match tokio::time::timeout(limit, self.client.flush()).await {
            Ok(Ok(())) => {
                tracing::debug!(nats.subject = subject, "Published and flushed event");
                return;
            }
            Ok(Err(error)) => chain(&error),
            Err(_) => format!("no answer within {limit:?}"),
        };
        tracing::warn!(
            nats.subject = subject,
            "Could not flush NATS after `{subject}` was acknowledged: {why}"
        );
    }
}

/// The stream's `max_msg_size` is smaller than the message. Source: nats-server, `errors.json`.
const MESSAGE_TOO_LARGE: jetstream::ErrorCode =
    jetstream::ErrorCode::STREAM_MESSAGE_EXCEEDS_MAXIMUM;

fn stream_error(error: &PublishError) -> Option<&jetstream::Error> {
    std::error::Error::source(error)?.downcast_ref()
}

impl EventSink for NatsSink {
    async fn open(&mut self) -> Result<(), SinkError> {
        self.linked().await.map(|_| ()).map_err(SinkError::from)
    }

    async fn publish(&mut self, messages: &[Message]) -> Result<(), PublishFailure> {
        let Some(first) = messages.first() else {
            return Ok(());
        };
        let flush_timeout = self.config.flush_timeout;
        let link = self.linked().await.map_err(|error| PublishFailure {
            acknowledged: 0,
            error: error.into(),
        })?;
        let mut acknowledged = 0;
        let outcome = tokio::select! {
            biased;
            // Cancel-safe: what was sent and not counted is sent again under the same id.
            outcome = link.send(messages, &mut acknowledged) => outcome,
            // Cancel-safe: only watches.
            () = link.lost() => Err(NatsError::Disconnected { subject: first.subject.clone() }),
        };
        match outcome {
            Ok(()) => {
                link.flush(messages, flush_timeout).await;
                Ok(())
            }
            Err(error) => {
                if matches!(
                    error,
                    NatsError::Disconnected { .. } | NatsError::NotAcknowledged { .. }
                ) {
                    // A connection that stays silent may be half dead: the next attempt takes a new one.
                    self.link = None;
                }
                Err(PublishFailure {
                    acknowledged,
                    error: error.into(),
                })
            }
        }
    }

    async fn close(&mut self) {
        let Some(mut link) = self.link.take() else {
            return;
        };
        let drained = async {
            link.client.drain().await.map_err(|error| chain(&error))?;
            let closed = link.signals.wait_for(|signals| signals.closed).await;
            closed.map(|_| ()).map_err(|error| chain(&error))
        };
        match tokio::time::timeout(DRAIN_TIMEOUT, drained).await {
            Ok(Ok(())) => tracing::debug!("Drained the connection to NATS"),
            Ok(Err(why)) => tracing::debug!("NATS was not drained: {why}"),
            Err(_) => tracing::debug!("NATS was not drained within {DRAIN_TIMEOUT:?}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_a_comma_list_with_an_optional_scheme() {
        let list = Secret::new(" a:1, nats://b:2 ,,tls://c , 127.0.0.1:4222");
        let servers = parse_servers(&list).unwrap();
        assert_eq!(servers.addresses.len(), 4);
        assert_eq!(servers.addresses[0].host(), "a");
        assert_eq!(servers.addresses[0].port(), 1);
        assert!(servers.addresses[2].tls_required());
    }

    #[test]
    fn a_bad_server_is_named_by_position_and_never_quoted() {
        for bad in [
            "ok:1,http://user:canary@h",
            "ok:1,nats://canary h",
            "ok:1,://canary",
        ] {
            let error = parse_servers(&Secret::new(bad)).err().unwrap();
            assert!(error.to_string().contains("server 2"), "{error}");
            assert!(!format!("{error} {error:?}").contains("canary"), "{error}");
        }
        assert!(matches!(
            parse_servers(&Secret::new(" , ")),
            Err(NatsError::NoServers)
        ));
        let servers = parse_servers(&Secret::new("nats://me:canary@h:1")).unwrap();
        assert!(!servers.shown.contains("canary"), "{}", servers.shown);
        assert!(!format!("{:?}", servers.addresses).contains("canary"));
    }

    #[test]
    fn only_the_seed_of_a_user_is_accepted_and_no_error_shows_it() {
        let user = KeyPair::new_user();
        let seed = user.seed().unwrap();
        let (_, public) = checked_seed(Some(&Secret::new(format!(" {seed}\n")))).unwrap();
        assert_eq!(public, user.public_key());

        let account = KeyPair::new_account().seed().unwrap();
        let mut torn = seed.clone();
        torn.truncate(40);
        for bad in [account.as_str(), torn.as_str(), "SUcanary"] {
            let error = checked_seed(Some(&Secret::new(bad))).unwrap_err();
            assert!(!format!("{error} {error:?}").contains(bad), "{error}");
        }
        assert!(matches!(checked_seed(None), Err(NatsError::MissingKey)));
        assert!(matches!(
            checked_seed(Some(&Secret::new(" "))),
            Err(NatsError::MissingKey)
        ));
    }
}
