//! From an answer that is no success to a typed error.
//!
//! A table of rules, first match wins. Nomad's texts are matched with `contains`: a follower or a client agent puts
//! `rpc error: ` in front of them. Multierrors come first, because they quote the job and could quote anything.
//! Source of the texts: nomad-api.md 1.1, 1.3, 1.5; Nomad, `nomad/structs/errors.go`; raft, `api.go`.

use std::time::Duration;

use reqwest::StatusCode;

use super::error::{ApiError, CallSite, LostReply, NomadError};
use crate::ids::ModifyIndex;

/// Whether repeating a call can do harm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    /// Changes nothing, whatever the HTTP method.
    Read,
    /// May change something. Carries the index that the write names, where it names one.
    Write(Option<ModifyIndex>),
}

/// An answer that is no success.
pub(super) struct Failure<'a> {
    pub(super) status: StatusCode,
    pub(super) html: bool,
    pub(super) retry_after: Option<Duration>,
    pub(super) body: &'a str,
    pub(super) secrets: &'a [&'a str],
}

#[derive(Clone, Copy)]
enum Kind {
    NoLeader,
    LeaderLost,
    Unsent,
    OnTheWay,
    Conflict,
    Outdated,
    Forbidden,
    RegistrationDisabled,
    Region,
}

/// Texts of Nomad itself.
const RULES: &[(&str, Kind)] = &[
    ("No cluster leader", Kind::NoLeader),
    ("Not ready to serve consistent reads", Kind::NoLeader),
    ("node is not the leader", Kind::NoLeader),
    ("leadership transfer in progress", Kind::NoLeader),
    // The entry was in the log already: the next leader may commit it.
    ("leadership lost while committing log", Kind::LeaderLost),
    ("Enforcing job modify index", Kind::Conflict),
    ("; enforcing version ", Kind::Conflict),
    ("Permission denied", Kind::Forbidden),
    ("Server error authenticating request", Kind::Forbidden),
    ("failed to parse signed token", Kind::Forbidden),
    ("ACL token not found", Kind::Forbidden),
    ("ACL token expired", Kind::Forbidden),
    (
        "are disabled by the scheduler configuration",
        Kind::RegistrationDisabled,
    ),
    ("No path to region", Kind::Region),
    (" terminal deployment", Kind::Outdated),
    (
        "job scaling blocked due to active deployment",
        Kind::Outdated,
    ),
    ("failed to get conn: ", Kind::Unsent),
    ("rpc error: no servers", Kind::Unsent),
    ("rpc error: EOF", Kind::OnTheWay),
    ("connection reset by peer", Kind::OnTheWay),
    ("broken pipe", Kind::OnTheWay),
    ("i/o timeout", Kind::OnTheWay),
    ("i/o deadline reached", Kind::OnTheWay),
    ("session shutdown", Kind::OnTheWay),
    ("stream closed", Kind::OnTheWay),
    ("context deadline exceeded", Kind::OnTheWay),
];

/// Decides what an answer that is no success means for the call.
pub(super) fn classify(site: CallSite, effect: Effect, failure: &Failure<'_>) -> NomadError {
    let site = Box::new(site);
    let body = failure.body.trim();
    let source = ApiError::new(failure.status.as_u16(), body, failure.secrets);
    let after = failure.retry_after;
    match failure.status.as_u16() {
        429 => {
            return NomadError::Throttled {
                site,
                after,
                source,
            };
        }
        503 => {
            return NomadError::Unavailable {
                site,
                after,
                source,
            };
        }
        408 | 502 | 504..=599 => return on_the_way(site, effect, after, source),
        500 if failure.html => return on_the_way(site, effect, after, source),
        501 => return NomadError::Refused { site, source },
        _ => {}
    }
    if is_multierror(body) {
        return multierror(site, body, source);
    }
    let known = RULES.iter().find(|(text, _)| body.contains(text));
    if let Some((_, kind)) = known {
        return of_kind(*kind, site, effect, after, source);
    }
    by_status(site, failure, body, source)
}

fn is_multierror(body: &str) -> bool {
    body.contains(" error occurred:") || body.contains(" errors occurred:")
}

fn multierror(site: Box<CallSite>, body: &str, source: ApiError) -> NomadError {
    if body.contains("is in nonexistent namespace \"") {
        NomadError::NoSuchNamespace { site, source }
    } else if body.contains("is in nonexistent node pool \"") {
        NomadError::NoSuchNodePool { site, source }
    } else if body.contains(" healthy allocations") {
        NomadError::Outdated { site, source }
    } else {
        NomadError::Refused { site, source }
    }
}

fn of_kind(
    kind: Kind,
    site: Box<CallSite>,
    effect: Effect,
    after: Option<Duration>,
    source: ApiError,
) -> NomadError {
    match kind {
        Kind::NoLeader => NomadError::NoLeader { site, source },
        Kind::LeaderLost if effect == Effect::Read => NomadError::NoLeader { site, source },
        Kind::LeaderLost | Kind::OnTheWay => on_the_way(site, effect, after, source),
        Kind::Unsent => NomadError::Unavailable {
            site,
            after,
            source,
        },
        Kind::Conflict => NomadError::Conflict {
            site,
            expected: expected(effect),
            source,
        },
        Kind::Outdated => NomadError::Outdated { site, source },
        Kind::Forbidden => NomadError::Forbidden { site, source },
        Kind::RegistrationDisabled => NomadError::RegistrationDisabled { site, source },
        Kind::Region => NomadError::NoSuchRegion { site, source },
    }
}

fn expected(effect: Effect) -> ModifyIndex {
    match effect {
        Effect::Write(Some(index)) => index,
        Effect::Write(None) | Effect::Read => ModifyIndex::MUST_BE_NEW,
    }
}

/// Somebody between us and the leader gave up: a read may be repeated, a write may have been carried out.
fn on_the_way(
    site: Box<CallSite>,
    effect: Effect,
    after: Option<Duration>,
    source: ApiError,
) -> NomadError {
    match effect {
        Effect::Read => NomadError::Unavailable {
            site,
            after,
            source,
        },
        Effect::Write(_) => NomadError::ReplyLost {
            site,
            source: Box::new(LostReply::OnTheWay(source)),
        },
    }
}

fn by_status(
    site: Box<CallSite>,
    failure: &Failure<'_>,
    body: &str,
    source: ApiError,
) -> NomadError {
    let missing = body.ends_with("not found")
        || body.starts_with("Unknown allocation")
        || body.ends_with("No logs available");
    match failure.status.as_u16() {
        401 | 403 => NomadError::Forbidden { site, source },
        _ if failure.html => NomadError::NotNomad { site, source },
        404 | 500 if missing => NomadError::NotFound { site, source },
        409 => NomadError::Outdated { site, source },
        400 if body.contains("Client sent an HTTP request to an HTTPS server") => {
            NomadError::NotNomad { site, source }
        }
        100..=399 | 404 | 405 => NomadError::NotNomad { site, source },
        _ => NomadError::Refused { site, source },
    }
}
