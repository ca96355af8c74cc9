//! `/_cs/…`: what a simulator can be told that a Nomad cannot.
//!
//! `GET|PUT /_cs/faults`, `PUT /_cs/skip?by=10s`, `GET|DELETE /_cs/requests`.

use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;

use super::faults::Faults;
use super::http::{empty, plain};
use super::routes::Request;
use super::server::Shared;
use super::world::time::parse_go;

pub(super) fn answer(shared: &Shared, request: &Request, rest: &str) -> Response {
    match (request.method.as_str(), rest) {
        ("GET", "faults") => json(&shared.faults().faults),
        ("PUT" | "POST", "faults") => match serde_json::from_slice::<Faults>(&request.body) {
            Ok(faults) => {
                shared.set_faults(faults);
                empty()
            }
            Err(error) => plain(
                StatusCode::BAD_REQUEST,
                &format!("these faults cannot be read: {error}"),
            ),
        },
        ("PUT" | "POST", "skip") => match parse_go(request.query.get("by")) {
            Some(span) => {
                shared.clock.skip(span);
                drop(shared.world());
                shared.changed.send_modify(|_| {});
                empty()
            }
            None => plain(
                StatusCode::BAD_REQUEST,
                "`by` must be a duration such as 10s",
            ),
        },
        ("GET", "requests") => {
            let log = shared
                .log
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner);
            json(&log.entries)
        }
        ("DELETE", "requests") => {
            shared
                .log
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner)
                .clear();
            empty()
        }
        _ => plain(
            StatusCode::NOT_FOUND,
            "there are /_cs/faults, /_cs/skip and /_cs/requests",
        ),
    }
}

fn json(value: &impl Serialize) -> Response {
    match serde_json::to_string(value) {
        Ok(text) => {
            let mut response = plain(StatusCode::OK, &text);
            response.headers_mut().insert(
                axum::http::header::CONTENT_TYPE,
                axum::http::HeaderValue::from_static("application/json"),
            );
            response
        }
        Err(error) => plain(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
    }
}
