//! `GET /events`: server-sent events, resumable, for readers that keep up.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use tokio::sync::mpsc::{Sender, channel};
use tokio_util::sync::CancellationToken;

use super::problem::Problem;
use super::router::Stop;
use super::state::Shared;
use crate::clients::chain;
use crate::store::StoredEvent;

/// A line now and then keeps proxies from closing a quiet connection.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// Who takes nothing for so long is let go, and comes back with the number of the last event.
const SLOW: Duration = Duration::from_secs(30);

/// Frames that wait for a reader.
const FRAMES: usize = 16;

/// Events of one read of the database.
const PAGE: i64 = 200;

/// Answers with events: from the one after `Last-Event-ID` (header, or `lastEventId` in the query), else from now on.
pub(super) async fn events(
    State(shared): State<Arc<Shared>>,
    Stop(stop): Stop,
    request: Request,
) -> Response {
    let after = match last_event_id(&request) {
        Ok(after) => after,
        Err(problem) => return problem.into_response(),
    };
    let Ok(place) = Arc::clone(&shared.readers).try_acquire_owned() else {
        return Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "too-many-readers",
            format!(
                "{} readers follow the events already",
                shared.limits.readers
            ),
            "close one, or read the events from NATS",
        )
        .after(Duration::from_secs(10))
        .into_response();
    };
    let (sender, receiver) = channel(FRAMES);
    let tasks = shared.tasks.clone();
    tasks.spawn(async move {
        shared.metrics.reader(1);
        let mut reader = Reader {
            shared: &shared,
            sender,
            stop: &stop,
        };
        // How it ends says nothing more: reader gone, too slow, or the server stops.
        let _ = reader.follow(after).await;
        shared.metrics.reader(-1);
        drop(place);
    });
    let frames = futures::stream::unfold(receiver, |mut receiver| async {
        let frame: Bytes = receiver.recv().await?;
        Some((Ok::<_, Infallible>(frame), receiver))
    });
    let mut response = Response::new(Body::from_stream(frames));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

fn last_event_id(request: &Request) -> Result<Option<i64>, Problem> {
    let header = request.headers().get("last-event-id");
    let header = header.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    let query = request.uri().query().unwrap_or_default();
    let query = || {
        url::form_urlencoded::parse(query.as_bytes())
            .find(|(name, _)| name == "lastEventId")
            .map(|(_, value)| value.into_owned())
    };
    let Some(text) = header.or_else(query).filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    let number = text.parse().ok().filter(|number: &i64| *number >= 0);
    number.map(Some).ok_or_else(|| {
        Problem::new(
            StatusCode::BAD_REQUEST,
            "bad-event-id",
            "Last-Event-ID is no id of an event of this server",
            "send the `id` of the last event that was received, 0 for all that are kept, or nothing for those to come",
        )
    })
}

/// One reader. An error means that it is over.
struct Reader<'r> {
    shared: &'r Shared,
    sender: Sender<Bytes>,
    stop: &'r CancellationToken,
}

struct Over;

impl Reader<'_> {
    async fn follow(&mut self, after: Option<i64>) -> Result<(), Over> {
        let mut last = self.shared.feed.watch();
        // At once, so that the reader knows that it is heard.
        self.send(Bytes::from_static(b": connected\nretry: 2000\n\n"))
            .await?;
        // Before the first look at the database nobody knows what comes next.
        let first = self.ready(&mut last).await?;
        let mut cursor = match after {
            Some(after) => self.gap(after).await?,
            None => first,
        };
        loop {
            let events = self.more(cursor).await?;
            for event in &events {
                self.send(frame(event)).await?;
                cursor = event.seq;
            }
            if !events.is_empty() {
                continue;
            }
            // Cancel-safe: only waits.
            tokio::select! {
                more = passed(&mut last, cursor) => more?,
                () = tokio::time::sleep(HEARTBEAT) => self.send(Bytes::from_static(b": alive\n\n")).await?,
                () = self.sender.closed() => return Err(Over),
                () = self.stop.cancelled() => return Err(Over),
            }
        }
    }

    async fn ready(&self, last: &mut tokio::sync::watch::Receiver<i64>) -> Result<i64, Over> {
        // Cancel-safe: only waits.
        tokio::select! {
            known = passed(last, -1) => known.map(|()| *last.borrow()),
            () = self.sender.closed() => Err(Over),
            () = self.stop.cancelled() => Err(Over),
        }
    }

    /// Where a reader goes on that comes back; one that comes too late is told that events between are gone.
    async fn gap(&mut self, after: i64) -> Result<i64, Over> {
        let (oldest, last) = self.shared.store.event_range().await.map_err(|_| Over)?;
        if after > last {
            // Of a database that is no more, or of a later time than the one that was restored.
            return Ok(last);
        }
        if after + 1 >= oldest || after == 0 {
            return Ok(after);
        }
        let text = format!("event: GAP\ndata: {{\"after\":\"{after}\",\"next\":\"{oldest}\"}}\n\n");
        self.send(Bytes::from(text)).await?;
        Ok(oldest - 1)
    }

    async fn more(&self, cursor: i64) -> Result<Vec<Arc<StoredEvent>>, Over> {
        if let Some(events) = self.shared.feed.after(cursor) {
            return Ok(events);
        }
        match self.shared.store.events_after(cursor, PAGE).await {
            Ok(events) => Ok(events.into_iter().map(Arc::new).collect()),
            Err(error) => {
                // The reader comes back.
                tracing::debug!("a reader of events is let go: {}", chain(&error));
                Err(Over)
            }
        }
    }

    async fn send(&self, frame: Bytes) -> Result<(), Over> {
        match tokio::time::timeout(SLOW, self.sender.send(frame)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(Over),
        }
    }
}

/// Waits until the number of the last event is beyond another.
async fn passed(last: &mut tokio::sync::watch::Receiver<i64>, seq: i64) -> Result<(), Over> {
    let beyond = last.wait_for(|last| *last > seq).await;
    beyond.map(drop).map_err(|_| Over)
}

/// One event. Payloads are JSON in one line.
fn frame(event: &StoredEvent) -> Bytes {
    Bytes::from(format!(
        "id: {}\nevent: {}\ndata: {}\n\n",
        event.seq, event.name, event.payload
    ))
}
