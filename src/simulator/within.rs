//! A simulator without a socket: requests of this process reach it as values.
//!
//! For worlds by the thousand. Nothing waits for the network, so under a paused clock a whole rollout takes as long as it
//! takes to compute, and the same seed gives the same course. Everything that runs belongs to whoever calls
//! [`Within::drive`]: dropped runtimes stop it, and [`Within::resume`] goes on in the next one.

use std::io;
use std::sync::Arc;

use axum::body::Body as HttpBody;
use axum::extract::{ConnectInfo, State};
use axum::http::{Response, StatusCode};
use bytes::Bytes;
use futures::future::BoxFuture;
use futures::{StreamExt as _, stream};
use tokio_util::sync::CancellationToken;

use super::faults::Faults;
use super::http::{self, plain};
use super::listener::{Cut, TOO_MANY};
use super::server::{Logged, Options, Shared, WorldGuard};
use crate::clients::nomad::{Carrier, Carry};

/// A simulator of this process. Everything is gone when this is dropped.
#[derive(Clone)]
pub struct Within {
    shared: Arc<Shared>,
}

impl Within {
    /// Makes one. `bind` and `max_connections` do not count. Needs a tokio runtime, whose clock is the world's.
    #[must_use]
    pub fn new(options: Options) -> Self {
        Self {
            shared: Shared::new(options),
        }
    }

    /// The way to it, for a connection.
    #[must_use]
    pub fn carrier(&self) -> Carrier {
        Carrier(Arc::new(self.clone()))
    }

    /// Lets time pass while nobody asks. Does not end by itself.
    ///
    /// # Cancel safety
    /// May be dropped at any point; the next request brings the world up to the present.
    pub async fn drive(&self) {
        super::server::drive(self.shared.clone()).await;
    }

    /// Stops the clock: whatever time passes until [`Self::resume`] is none of the world's.
    pub fn pause(&self) {
        self.shared.clock.pause();
    }

    /// Starts the clock again, by the time of the runtime of the caller.
    pub fn resume(&self) {
        self.shared.clock.resume();
    }

    /// The world at present.
    #[must_use]
    pub fn world(&self) -> WorldGuard<'_> {
        self.shared.world()
    }

    /// Replaces what goes wrong. Times and counts start anew.
    pub fn set_faults(&self, faults: Faults) {
        self.shared.set_faults(faults);
    }

    /// Moves virtual time ahead.
    pub fn skip(&self, span: std::time::Duration) {
        self.shared.skip(span);
    }

    /// What it was asked so far.
    #[must_use]
    pub fn requests(&self) -> Vec<Logged> {
        self.shared.requests()
    }

    /// Forgets what it was asked.
    pub fn clear_requests(&self) {
        self.shared.clear_requests();
    }
}

impl Carry for Within {
    fn carry(
        &self,
        request: reqwest::Request,
    ) -> BoxFuture<'static, reqwest::Result<reqwest::Response>> {
        let shared = self.shared.clone();
        Box::pin(async move {
            if shared.turns_away() {
                let text = String::from_utf8_lossy(TOO_MANY);
                let text = text.rsplit("\r\n").next().unwrap_or_default();
                return Ok(told(plain(StatusCode::TOO_MANY_REQUESTS, text), None));
            }
            let token = CancellationToken::new();
            let cut = ConnectInfo(Cut::new(token.clone()));
            let answer = http::answer(State(shared), cut, received(&request));
            // Cancel-safe: a connection that is cut has no answer.
            let response = tokio::select! {
                biased;
                () = token.cancelled() => None,
                response = answer => Some(response),
            };
            match response.filter(|_| !token.is_cancelled()) {
                Some(response) => Ok(told(response, Some(token))),
                None => Err(reset().await),
            }
        })
    }
}

fn received(request: &reqwest::Request) -> axum::extract::Request {
    let body = request.body().and_then(reqwest::Body::as_bytes);
    let mut made = axum::extract::Request::new(HttpBody::from(body.unwrap_or_default().to_vec()));
    *made.method_mut() = request.method().clone();
    *made.uri_mut() = request
        .url()
        .as_str()
        .parse()
        .expect("every http address is a URI");
    *made.headers_mut() = request.headers().clone();
    made
}

/// The answer, cut off once `token` is cancelled.
fn told(response: Response<HttpBody>, token: Option<CancellationToken>) -> reqwest::Response {
    let (parts, body) = response.into_parts();
    let pieces = body
        .into_data_stream()
        .map(|piece| piece.map_err(io::Error::other));
    let body = match token {
        None => reqwest::Body::wrap_stream(pieces),
        Some(token) => {
            let cut = stream::once(async move { token.cancelled_owned().await })
                .map(|()| Err::<Bytes, _>(io::ErrorKind::ConnectionReset.into()));
            reqwest::Body::wrap_stream(until_cut(pieces, cut))
        }
    };
    Response::from_parts(parts, body).into()
}

/// Ends with the first stream, or with the first item of the second.
fn until_cut(
    pieces: impl futures::Stream<Item = io::Result<Bytes>> + Send + 'static,
    cut: impl futures::Stream<Item = io::Result<Bytes>> + Send + 'static,
) -> impl futures::Stream<Item = io::Result<Bytes>> + Send + 'static {
    let state = (Box::pin(pieces), Some(Box::pin(cut)));
    stream::unfold(state, |(mut pieces, cut)| async move {
        let mut cut = cut?;
        // Cancel-safe: a piece that was not taken is still in the stream.
        tokio::select! {
            biased;
            Some(end) = cut.next() => Some((end, (pieces, None))),
            piece = pieces.next() => Some((piece?, (pieces, Some(cut)))),
        }
    })
}

/// What a client sees of a connection that was reset before the answer.
async fn reset() -> reqwest::Error {
    let error = io::Error::from(io::ErrorKind::ConnectionReset);
    let pieces = stream::once(std::future::ready(Err::<Bytes, _>(error)));
    let response = Response::new(reqwest::Body::wrap_stream(pieces));
    let read = reqwest::Response::from(response).bytes().await;
    read.expect_err("its body is an error")
}
