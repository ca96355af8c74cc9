//! One reading: log in, read, revoke the token.

use std::future::Future;
use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::answer::{Found, VaultSecrets, found_in, token_in};
use super::error::VaultError;
use super::login::VaultLogin;
use super::path::{SecretPath, api_url};
use super::session::{Answer, Call, Session};
use crate::clients::chain;
use crate::secret::Secret;

/// Longest farewell: the token ends by itself too.
const REVOKE: Duration = Duration::from_secs(2);

/// Longest farewell after the stop: the caller waits to clean up.
const REVOKE_AT_STOP: Duration = Duration::from_millis(500);

const LOGIN: &str = "auth/approle/login";
const REVOKE_SELF: &str = "auth/token/revoke-self";

/// Reads what one path of Vault holds: `<mount>/data/<id>`, perhaps with `?version=<n>`, for KV version 2,
/// `<mount>/<id>` for version 1; leading slashes and `v1/` are taken off.
///
/// Connections that fail, and 412, 429, 472, 473 and 5xx except 501, are tried again after 1, 2 and 4 s, or when Vault
/// asks for it, at most 10 s. The token of the login is revoked at the end, also when the read failed; that takes 2 s at
/// most, and a failure of it is no error. A login whose answer gets lost is repeated, which counts for a secret id of
/// limited use.
///
/// # Errors
/// There are no secrets; the error tells who has to do what. [`VaultError::Stopped`] within 1 s after `stop`.
///
/// # Cancel safety
/// When it is dropped half-way, the token is not revoked and ends with its time to live. Prefer `stop`.
pub async fn read(
    login: &VaultLogin,
    path: &str,
    stop: &CancellationToken,
) -> Result<VaultSecrets, VaultError> {
    let path = SecretPath::parse(path)?;
    if login.role_id.expose().trim().is_empty() {
        return Err(VaultError::NoRoleId);
    }
    let session = until(stop, Session::new(login)).await?;
    let token = until(stop, log_in(&session)).await?;
    let outcome = until(stop, secrets(&session, &token, &path)).await;
    revoke(&session, &token, stop).await;
    outcome
}

async fn until<T>(
    stop: &CancellationToken,
    work: impl Future<Output = Result<T, VaultError>>,
) -> Result<T, VaultError> {
    stop.run_until_cancelled(work)
        .await
        .unwrap_or(Err(VaultError::Stopped))
}

async fn log_in(session: &Session<'_>) -> Result<Secret, VaultError> {
    #[derive(Serialize)]
    struct Body<'a> {
        role_id: &'a str,
        secret_id: &'a str,
    }
    let body = serde_json::to_string(&Body {
        role_id: session.login.role_id.expose(),
        secret_id: session.login.secret_id.expose(),
    })
    .expect("two texts make an object");
    let call = Call {
        operation: "login",
        method: Method::POST,
        url: api_url(session.login.address().expose(), LOGIN),
        body: Some(&Secret::new(body)),
        token: None,
    };
    let answer = session.call(&call).await?;
    match answer.status {
        StatusCode::OK => {
            token_in(&answer.body).ok_or_else(|| session.malformed("answer to the login"))
        }
        _ => Err(login_refused(session, &call, &answer)),
    }
}

fn login_refused(session: &Session<'_>, call: &Call<'_>, answer: &Answer) -> VaultError {
    let address = session.address();
    let said = session.said(call, answer);
    match answer.status {
        StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            VaultError::LoginRefused {
                address,
                forbidden: answer.status == StatusCode::FORBIDDEN,
                said,
            }
        }
        StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => {
            VaultError::NoAppRole { address, said }
        }
        _ => session.unexpected(call, answer),
    }
}

async fn secrets(
    session: &Session<'_>,
    token: &Secret,
    path: &SecretPath,
) -> Result<VaultSecrets, VaultError> {
    let call = Call {
        operation: "read",
        method: Method::GET,
        url: path.url(session.login.address().expose()),
        body: None,
        token: Some(token),
    };
    let answer = session.call(&call).await?;
    let found = found_in(&answer.body, path);
    match (answer.status, found) {
        (StatusCode::OK, Some(Found::Secrets(secrets))) => Ok(secrets),
        (StatusCode::OK | StatusCode::NOT_FOUND, Some(Found::Deleted { version, destroyed })) => {
            Err(VaultError::Deleted {
                address: session.address(),
                path: path.to_string(),
                version,
                destroyed,
            })
        }
        (StatusCode::OK, None) => Err(session.malformed("answer to the read")),
        _ => Err(read_refused(session, &call, &answer, path)),
    }
}

fn read_refused(
    session: &Session<'_>,
    call: &Call<'_>,
    answer: &Answer,
    path: &SecretPath,
) -> VaultError {
    let address = session.address();
    let said = session.said(call, answer);
    let lacks_data = !path.has_data_part();
    let path = path.to_string();
    match answer.status {
        StatusCode::FORBIDDEN => VaultError::Denied {
            address,
            path,
            lacks_data,
            said,
        },
        StatusCode::NOT_FOUND | StatusCode::NO_CONTENT => VaultError::NotFound {
            address,
            path,
            lacks_data,
            said,
        },
        _ => session.unexpected(call, answer),
    }
}

/// Ends the token, if that is soon done.
async fn revoke(session: &Session<'_>, token: &Secret, stop: &CancellationToken) {
    let call = Call {
        operation: "revoke",
        method: Method::POST,
        url: api_url(session.login.address().expose(), REVOKE_SELF),
        body: None,
        token: Some(token),
    };
    let patience = async {
        // Cancel-safe: both only wait.
        tokio::select! {
            () = tokio::time::sleep(REVOKE) => {}
            () = stop.cancelled() => tokio::time::sleep(REVOKE_AT_STOP).await,
        }
    };
    // Cancel-safe: a call that is dropped half-way leaves the token to its time to live.
    let error = tokio::select! {
        outcome = session.call_once(&call) => match outcome {
            Ok(()) => return,
            Err(error) => chain(&error),
        },
        () = patience => "it did not answer in time".to_owned(),
    };
    tracing::debug!(
        address = session.address(),
        error,
        "the token of Vault was not revoked; it ends with its time to live"
    );
}
