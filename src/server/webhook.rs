//! `POST /{locale}/{tenant}/deployment/webhooks/jenkins`: who may speak, how often, how long, and what it came to.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};

use super::body;
use super::flow::create::told;
use super::flow::webhook::{Taken, take};
use super::listener::Peer;
use super::problem::Problem;
use super::state::Shared;
use crate::bridge::api::WebhookOutcome;
use crate::bridge::sender::sender;
use crate::bridge::signature::{BadSignature, fingerprint, verify};
use crate::bridge::webhook::{BadWebhook, Webhook, is_segment, read};
use crate::bridge::wording;

/// Largest body. The four texts of the contract have some 150 bytes.
const LIMIT: usize = 64 * 1024;

/// Takes a webhook.
pub(super) async fn jenkins(
    State(shared): State<Arc<Shared>>,
    Path((locale, tenant)): Path<(String, String)>,
    request: Request,
) -> Response {
    let answered = answer(&shared, &locale, &tenant, request).await;
    match answered {
        Ok(response) => response,
        Err(problem) => {
            // The line is the contract's, to the letter. Who speaks too often must not fill the log as well.
            if problem.status == StatusCode::TOO_MANY_REQUESTS {
                tracing::debug!("{}", wording::failed(&problem.detail));
            } else {
                tracing::error!("{}", wording::failed(&problem.detail));
            }
            shared.metrics.webhook(problem.code);
            problem.into_response()
        }
    }
}

async fn answer(
    shared: &Shared,
    locale: &str,
    tenant: &str,
    request: Request,
) -> Result<Response, Problem> {
    if !is_segment(locale) || !is_segment(tenant) {
        return Err(Problem::not_found("path"));
    }
    let (parts, content) = request.into_parts();
    let peer = parts.extensions.get::<Peer>().copied();
    let peer = peer.expect("every connection has another end");
    limited(shared, peer, &parts.headers)?;
    let bytes = body::read(&parts.headers, content, LIMIT).await?;
    let webhook = signed(shared, &parts.headers, &bytes)?;
    tracing::info!("{}", wording::received(&webhook.job));
    let taken = take(shared, &webhook, &fingerprint(&bytes)).await;
    match taken.map_err(|error| told(&error))? {
        Taken::Replayed => Err(Problem::new(
            StatusCode::CONFLICT,
            "replayed",
            "this very message was taken before; nothing was done again",
            "nothing, when it is a repeat after a lost answer; a new message needs a new `timestamp` and signature",
        )),
        Taken::Answer(answer) => {
            let (status, outcome) = match answer.outcome {
                WebhookOutcome::Updated => (StatusCode::OK, "updated"),
                WebhookOutcome::Unchanged => (StatusCode::OK, "unchanged"),
                WebhookOutcome::Ignored => (StatusCode::OK, "ignored"),
                WebhookOutcome::Unmapped => (StatusCode::ACCEPTED, "unmapped"),
            };
            shared.metrics.webhook(outcome);
            Ok(body::json(status, &answer))
        }
    }
}

fn limited(shared: &Shared, peer: Peer, headers: &HeaderMap) -> Result<(), Problem> {
    let forwarded: Vec<&str> = headers
        .get_all("x-forwarded-for")
        .iter()
        .filter_map(|value| value.to_str().ok())
        .collect();
    let sender = sender(peer.0, &forwarded, &shared.trusted_proxies);
    shared.admit(sender).map_err(|wait| {
        Problem::new(
            StatusCode::TOO_MANY_REQUESTS,
            "too-many",
            "this sender speaks too often",
            "send it again after `Retry-After` seconds",
        )
        .after(wait.max(Duration::from_secs(1)))
    })
}

/// Checks signature, form and time, in this order: a stranger learns nothing about bodies.
fn signed(shared: &Shared, headers: &HeaderMap, bytes: &[u8]) -> Result<Webhook, Problem> {
    let unsigned = |detail: String| {
        Problem::new(
            StatusCode::UNAUTHORIZED,
            "bad-signature",
            detail,
            "sign the raw body: HMAC-SHA256 with the secret that the server has in CS_WEBHOOK_SECRET, as `sha256=HEX`",
        )
    };
    let name = &shared.signature_header;
    let header = headers
        .get(name)
        .ok_or_else(|| unsigned(format!("the header {name} is missing")))?;
    verify(&shared.webhook_secret, bytes, header.as_bytes()).map_err(|bad: BadSignature| {
        unsigned(format!("the signature in {name} does not hold: {bad}"))
    })?;
    read(bytes, jiff::Timestamp::now(), shared.webhook_tolerance).map_err(|bad| match bad {
        BadWebhook::Shape(_) => Problem::new(
            StatusCode::BAD_REQUEST,
            "bad-body",
            bad.to_string(),
            "send `jobId`, `status`, `buildNumber` and `timestamp` as texts",
        ),
        BadWebhook::Member { .. } => Problem::unprocessable("bad-member", bad.to_string()),
        BadWebhook::OutsideWindow { .. } => Problem::new(
            StatusCode::UNAUTHORIZED,
            "old-signature",
            bad.to_string(),
            "send the message when it happens, and set the clocks of both machines",
        ),
    })
}
