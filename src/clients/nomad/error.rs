//! What can go wrong with a call to Nomad, and what the loop does about it.
//!
//! Nomad answers most failures with status 500 and plain text, so the text decides (`classify`). Texts are kept short,
//! on one line and without our own credentials.

use std::fmt;
use std::time::Duration;

use crate::ids::{ModifyIndex, Namespace};

/// What the loop does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disposition {
    /// The same call may succeed later: try again, at the earliest after `after` when the server named a time.
    Backoff {
        /// The server's `Retry-After`.
        after: Option<Duration>,
    },
    /// What the call was based on may no longer hold, or it may have been carried out: read again, then decide.
    ObserveAgain,
    /// The same call fails the same way until somebody changes something.
    Stall,
}

/// Which call failed, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallSite {
    /// Verb, e.g. `register`.
    pub operation: &'static str,
    /// Object, e.g. ``job `shop` in namespace `default` ``.
    pub subject: String,
    /// Address without credentials.
    pub address: String,
}

impl fmt::Display for CallSite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} at {}", self.operation, self.subject, self.address)
    }
}

/// What the server said: status and the beginning of the body, on one line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct ApiError {
    /// HTTP status.
    pub status: u16,
    /// At most [`ApiError::LONGEST`] characters; empty when the body was.
    pub message: String,
}

impl ApiError {
    /// Longest message, in characters. Bodies may quote a whole job; its beginning names the mistake.
    pub const LONGEST: usize = 600;

    /// Keeps the beginning of a body, on one line, without the given secrets.
    #[must_use]
    pub fn new(status: u16, body: &str, secrets: &[&str]) -> Self {
        let mut text = body.to_owned();
        for secret in secrets.iter().filter(|secret| secret.len() >= 4) {
            text = text.replace(secret, crate::secret::REDACTED);
        }
        let clean: String = text
            .chars()
            .map(|c| if crate::plain::steers(c) { ' ' } else { c })
            .collect();
        let mut message = clean.split_whitespace().collect::<Vec<_>>().join(" ");
        if let Some((cut, _)) = message.char_indices().nth(Self::LONGEST) {
            message.truncate(cut);
            message.push('…');
        }
        Self { status, message }
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.message.as_str() {
            "" => write!(f, "HTTP {} with an empty body", self.status),
            text => write!(f, "HTTP {}: {text}", self.status),
        }
    }
}

/// Where an answer stopped making sense. The parser's own message is dropped, because it quotes values.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the JSON has a {category} error at line {line} column {column}")]
pub struct DecodeError {
    category: &'static str,
    line: usize,
    column: usize,
}

impl From<&serde_json::Error> for DecodeError {
    fn from(error: &serde_json::Error) -> Self {
        use serde_json::error::Category;
        let category = match error.classify() {
            Category::Io => "reading",
            Category::Syntax => "syntax",
            Category::Data => "type",
            Category::Eof => "truncation",
        };
        Self {
            category,
            line: error.line(),
            column: error.column(),
        }
    }
}

/// Why nobody knows whether a write was carried out.
#[derive(Debug, thiserror::Error)]
pub enum LostReply {
    /// The connection broke after the request may have been sent.
    #[error("the connection broke before the whole answer arrived")]
    Broken(#[source] reqwest::Error),
    /// No answer in time.
    #[error("no answer within {0:?}")]
    Late(Duration),
    /// Something between us and the leader failed.
    #[error("the way to Nomad's leader broke")]
    OnTheWay(#[source] ApiError),
    /// It was carried out, but the answer cannot be read.
    #[error("the answer cannot be read")]
    Unreadable(#[source] DecodeError),
    /// It was carried out, but the answer is longer than we read.
    #[error("the answer is longer than {0} bytes")]
    TooLong(usize),
}

/// A failed call.
#[derive(Debug, thiserror::Error)]
pub enum NomadError {
    /// No connection; nothing was sent.
    #[error("cannot reach Nomad to {site}")]
    Connect {
        /// Call.
        site: Box<CallSite>,
        /// Why.
        #[source]
        source: reqwest::Error,
    },
    /// The two sides do not agree on TLS; nothing was carried out.
    #[error("cannot agree on TLS with Nomad to {site}")]
    Tls {
        /// Call.
        site: Box<CallSite>,
        /// Why.
        #[source]
        source: reqwest::Error,
    },
    /// A read took too long, or a call found no free connection.
    #[error("Nomad did not answer within {after:?} to {site}")]
    Timeout {
        /// Call.
        site: Box<CallSite>,
        /// The bound.
        after: Duration,
    },
    /// The connection broke during a read.
    #[error("the connection broke during {site}")]
    Interrupted {
        /// Call.
        site: Box<CallSite>,
        /// Why.
        #[source]
        source: reqwest::Error,
    },
    /// A write that may or may not have been carried out.
    #[error("cannot tell whether Nomad carried out {site}")]
    ReplyLost {
        /// Call.
        site: Box<CallSite>,
        /// Why.
        #[source]
        source: Box<LostReply>,
    },
    /// Too many connections from here.
    #[error("Nomad has no room for another connection to {site}")]
    Throttled {
        /// Call.
        site: Box<CallSite>,
        /// When the server wants to see us again.
        after: Option<Duration>,
        /// Its answer.
        #[source]
        source: ApiError,
    },
    /// A proxy, or an agent without servers, answered in Nomad's place.
    #[error("Nomad is not available to {site}")]
    Unavailable {
        /// Call.
        site: Box<CallSite>,
        /// When the server wants to see us again.
        after: Option<Duration>,
        /// Its answer.
        #[source]
        source: ApiError,
    },
    /// The servers have no leader, or a new one that is not ready.
    #[error("Nomad has no leader that could {site}")]
    NoLeader {
        /// Call.
        site: Box<CallSite>,
        /// Its answer.
        #[source]
        source: ApiError,
    },
    /// Something changed after it was observed.
    #[error("something else changed what {site} was based on (observed at index {expected})")]
    Conflict {
        /// Call.
        site: Box<CallSite>,
        /// Index that the write named.
        expected: ModifyIndex,
        /// Its answer; for variables without text, because the body holds the items.
        #[source]
        source: ApiError,
    },
    /// The object is not in a state that allows the call: the rollout is over, canaries are not healthy, a job stopped.
    #[error("the present state does not allow to {site}")]
    Outdated {
        /// Call.
        site: Box<CallSite>,
        /// Its answer.
        #[source]
        source: ApiError,
    },
    /// The object of a write, or of a read that needs it, is not there.
    #[error("there is nothing to {site}")]
    NotFound {
        /// Call.
        site: Box<CallSite>,
        /// Its answer.
        #[source]
        source: ApiError,
    },
    /// The token is missing, wrong, expired, or may not do this.
    #[error("Nomad does not allow to {site}")]
    Forbidden {
        /// Call.
        site: Box<CallSite>,
        /// Its answer.
        #[source]
        source: ApiError,
    },
    /// An operator has switched off registrations.
    #[error("registrations are switched off in this cluster: cannot {site}")]
    RegistrationDisabled {
        /// Call.
        site: Box<CallSite>,
        /// Its answer.
        #[source]
        source: ApiError,
    },
    /// The namespace does not exist.
    #[error("the namespace does not exist: cannot {site}")]
    NoSuchNamespace {
        /// Call.
        site: Box<CallSite>,
        /// Its answer.
        #[source]
        source: ApiError,
    },
    /// The node pool does not exist.
    #[error("the node pool does not exist: cannot {site}")]
    NoSuchNodePool {
        /// Call.
        site: Box<CallSite>,
        /// Its answer.
        #[source]
        source: ApiError,
    },
    /// The region is not known to the agent.
    #[error("the region is unknown: cannot {site}")]
    NoSuchRegion {
        /// Call.
        site: Box<CallSite>,
        /// Its answer.
        #[source]
        source: ApiError,
    },
    /// The job names another namespace than the call. Nomad would let the call win and put the job there.
    #[error("the job names namespace `{named}`, not that of the call: did not {site}")]
    WrongNamespace {
        /// Call.
        site: Box<CallSite>,
        /// Namespace in the job.
        named: String,
        /// Namespace of the call.
        called: Namespace,
    },
    /// Nomad understood and said no.
    #[error("Nomad refused to {site}")]
    Refused {
        /// Call.
        site: Box<CallSite>,
        /// Its answer.
        #[source]
        source: ApiError,
    },
    /// No answer of a Nomad API: another server, a redirect, a login page.
    #[error("what answers is not Nomad's API: cannot {site}")]
    NotNomad {
        /// Call.
        site: Box<CallSite>,
        /// Its answer.
        #[source]
        source: ApiError,
    },
    /// The answer to a read cannot be read.
    #[error("cannot read Nomad's answer to {site}")]
    Malformed {
        /// Call.
        site: Box<CallSite>,
        /// Where it breaks.
        #[source]
        source: DecodeError,
    },
    /// The answer to a read is longer than we are willing to hold.
    #[error("Nomad's answer is longer than {limit} bytes: cannot {site}")]
    TooLarge {
        /// Call.
        site: Box<CallSite>,
        /// The bound.
        limit: usize,
    },
}

impl NomadError {
    /// What the loop does next. The only place that decides it.
    #[must_use]
    pub fn disposition(&self) -> Disposition {
        match self {
            Self::Connect { .. }
            | Self::Timeout { .. }
            | Self::Interrupted { .. }
            | Self::NoLeader { .. } => Disposition::Backoff { after: None },
            Self::Throttled { after, .. } | Self::Unavailable { after, .. } => {
                Disposition::Backoff { after: *after }
            }
            Self::ReplyLost { .. }
            | Self::Conflict { .. }
            | Self::Outdated { .. }
            | Self::NotFound { .. } => Disposition::ObserveAgain,
            Self::Tls { .. }
            | Self::Forbidden { .. }
            | Self::RegistrationDisabled { .. }
            | Self::NoSuchNamespace { .. }
            | Self::NoSuchNodePool { .. }
            | Self::NoSuchRegion { .. }
            | Self::WrongNamespace { .. }
            | Self::Refused { .. }
            | Self::NotNomad { .. }
            | Self::Malformed { .. }
            | Self::TooLarge { .. } => Disposition::Stall,
        }
    }

    /// Which call failed, and where.
    #[must_use]
    pub fn site(&self) -> &CallSite {
        match self {
            Self::Connect { site, .. }
            | Self::Tls { site, .. }
            | Self::Timeout { site, .. }
            | Self::Interrupted { site, .. }
            | Self::ReplyLost { site, .. }
            | Self::Throttled { site, .. }
            | Self::Unavailable { site, .. }
            | Self::NoLeader { site, .. }
            | Self::Conflict { site, .. }
            | Self::Outdated { site, .. }
            | Self::NotFound { site, .. }
            | Self::Forbidden { site, .. }
            | Self::RegistrationDisabled { site, .. }
            | Self::NoSuchNamespace { site, .. }
            | Self::NoSuchNodePool { site, .. }
            | Self::NoSuchRegion { site, .. }
            | Self::WrongNamespace { site, .. }
            | Self::Refused { site, .. }
            | Self::NotNomad { site, .. }
            | Self::Malformed { site, .. }
            | Self::TooLarge { site, .. } => site,
        }
    }

    /// What a person can do about it.
    #[must_use]
    pub fn help(&self) -> &'static str {
        match self {
            Self::Connect { .. } => {
                "check NOMAD_ADDR and that the agent runs and is reachable from here"
            }
            Self::Tls { .. } => {
                "check NOMAD_CACERT, NOMAD_TLS_SERVER_NAME (often server.<region>.nomad), NOMAD_CLIENT_CERT and \
                 NOMAD_CLIENT_KEY; if the agent speaks plain HTTP, use http:// in NOMAD_ADDR"
            }
            Self::Timeout { .. } | Self::Interrupted { .. } | Self::Unavailable { .. } => {
                "try again; if it stays, look at the agent, its servers and any proxy between"
            }
            Self::ReplyLost { .. } => {
                "look at the job again before repeating: the change may have been made"
            }
            Self::Throttled { .. } => {
                "close other connections from this address or raise the agent's http_max_conns_per_client (default 100)"
            }
            Self::NoLeader { .. } => {
                "wait for an election; `nomad server members` shows whether enough servers are alive"
            }
            Self::Conflict { .. } => "somebody else made a change: look at it, then plan again",
            Self::Outdated { .. } => "look at the present state, then decide again",
            Self::NotFound { .. } => "it was removed or never existed: look again",
            Self::Forbidden { .. } => {
                "check NOMAD_TOKEN: it may be missing, expired, of another cluster, or lack the right; \
                 `nomad acl token self` shows it"
            }
            Self::RegistrationDisabled { .. } => {
                "wait, or let an operator allow it: `nomad operator scheduler set-config -reject-job-registration=false`"
            }
            Self::NoSuchNamespace { .. } => {
                "create it with `nomad namespace apply NAME` or correct the namespace"
            }
            Self::NoSuchNodePool { .. } => {
                "create it with `nomad node pool apply` or correct the node pool"
            }
            Self::NoSuchRegion { .. } => {
                "check NOMAD_REGION; `nomad server members` shows the regions"
            }
            Self::WrongNamespace { .. } => "make the call in the namespace that the job names",
            Self::Refused { .. } => {
                "correct what the message names; the same request will be refused again"
            }
            Self::NotNomad { .. } => {
                "check NOMAD_ADDR: scheme (https or http), host, port and path prefix must lead to Nomad itself, without \
                 a redirect"
            }
            Self::Malformed { .. } => {
                "check that NOMAD_ADDR leads to Nomad 1.7 or newer and that no proxy rewrites answers"
            }
            Self::TooLarge { .. } => "narrow the request with a prefix, a filter or pages",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_one_short_line_without_our_secrets() {
        let body = format!("1 error\n\t* token canary-1\r\n{}", "x".repeat(5000));
        let error = ApiError::new(500, &body, &["canary-1"]);
        assert!(
            error.message.starts_with("1 error * token [redacted] xxx"),
            "{error}"
        );
        assert!(error.message.chars().count() <= ApiError::LONGEST + 1);
        assert!(!error.to_string().contains('\n'));
    }

    #[test]
    fn a_parsers_message_is_not_repeated() {
        let error = serde_json::from_str::<u64>("\"canary\"").unwrap_err();
        let shown = DecodeError::from(&error);
        assert_eq!(
            shown.to_string(),
            "the JSON has a type error at line 1 column 8"
        );
    }

    #[test]
    fn an_error_is_small_enough_to_return_by_value() {
        assert!(
            size_of::<NomadError>() <= 128,
            "{}",
            size_of::<NomadError>()
        );
    }
}
