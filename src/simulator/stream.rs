//! Replies that do not end: the event stream, and logs that are followed.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body as HttpBody, Bytes};
use axum::http::{HeaderValue, StatusCode, Version, header};
use axum::response::Response;
use serde_json::json;
use tokio::sync::watch;

use super::faults::Effect;
use super::http::plain;
use super::routes::{Request, frame, log_of};
use super::server::Shared;
use super::world::{Event, EventLine};

/// How often a silent stream says that it lives.
const HEARTBEAT: Duration = Duration::from_secs(30);
/// How often a followed log says so. Source: Nomad, `streamHeartbeatRate`.
const LOG_HEARTBEAT: Duration = Duration::from_secs(1);

/// What a reader of the event stream wants.
struct Wanted {
    /// Topic and key; `*` is every one.
    topics: Vec<(String, String)>,
    namespace: String,
}

impl Wanted {
    fn parse(request: &Request) -> Result<Self, String> {
        let mut topics = Vec::new();
        for topic in request.query.all("topic") {
            let (topic, key) = topic.split_once(':').unwrap_or((topic, "*"));
            if topic.is_empty() || key.is_empty() || key.contains(':') && topic == "*" {
                return Err(format!(
                    "Invalid topic query: Invalid key value pair for topic: {topic}"
                ));
            }
            topics.push((topic.to_owned(), key.to_owned()));
        }
        if topics.is_empty() {
            topics.push(("*".to_owned(), "*".to_owned()));
        }
        Ok(Self {
            topics,
            namespace: request.namespace().to_owned(),
        })
    }

    fn wants(&self, event: &Event) -> bool {
        let namespace = self.namespace == "*"
            || event.namespace.is_empty()
            || event.namespace == self.namespace;
        namespace
            && self.topics.iter().any(|(topic, key)| {
                (topic == "*" || topic == event.topic)
                    && (key == "*" || *key == event.key || event.filter_keys.contains(key))
            })
    }

    fn line(&self, line: &EventLine) -> Option<Bytes> {
        let events: Vec<_> = line
            .events
            .iter()
            .filter(|event| self.wants(event))
            .map(|event| event.json(line.index))
            .collect();
        if events.is_empty() {
            return None;
        }
        Some(Bytes::from(format!(
            "{}\n",
            json!({"Events": events, "Index": line.index})
        )))
    }
}

struct Reader {
    shared: Arc<Shared>,
    changed: watch::Receiver<u64>,
    wanted: Wanted,
    position: u64,
    ready: VecDeque<Bytes>,
    /// Lines left before it ends, when a fault says so.
    left: Option<u64>,
    silent: bool,
}

pub(super) fn events(shared: &Arc<Shared>, request: &Request, effects: &[Effect]) -> Response {
    let index = request.query.get("index");
    let index: u64 = match index {
        "" => 0,
        text => match text.parse() {
            Ok(index) => index,
            Err(_) => {
                let text = format!(
                    "Unable to parse index: strconv.Atoi: parsing {text:?}: invalid syntax"
                );
                return plain(StatusCode::BAD_REQUEST, &text);
            }
        },
    };
    let wanted = match Wanted::parse(request) {
        Ok(wanted) => wanted,
        Err(text) => return plain(StatusCode::BAD_REQUEST, &text),
    };
    let left = effects.iter().find_map(|effect| match effect {
        Effect::TruncateStream { lines } => Some(*lines),
        _ => None,
    });
    let reader = Reader {
        shared: shared.clone(),
        changed: shared.changed.subscribe(),
        wanted,
        position: shared.world().events.start(index),
        ready: VecDeque::from([Bytes::from_static(b"{}\n")]),
        left,
        silent: effects.contains(&Effect::SilentStream),
    };
    unframed(HttpBody::from_stream(futures::stream::unfold(
        reader,
        |mut reader| async move {
            let line = reader.next().await?;
            Some((Ok::<_, Infallible>(line), reader))
        },
    )))
}

/// A body without length or chunks, ended by the end of the connection.
fn unframed(body: HttpBody) -> Response {
    let mut response = Response::new(body);
    // Under HTTP/1.1 hyper would chunk it; the listener restores the version.
    *response.version_mut() = Version::HTTP_10;
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

impl Reader {
    async fn next(&mut self) -> Option<Bytes> {
        if self.silent {
            self.shared.stop.cancelled().await;
            return None;
        }
        if let Some(left) = &mut self.left {
            *left = left.checked_sub(1)?;
        }
        loop {
            if let Some(line) = self.ready.pop_front() {
                return Some(line);
            }
            // Marked as seen before looking, so that a change in between is not missed.
            self.changed.mark_unchanged();
            // A reader that fell behind the buffer is cut off without a word.
            let lines = self.shared.world().events.since(self.position)?;
            if let Some(last) = lines.last() {
                self.position = last.position + 1;
            }
            self.ready
                .extend(lines.iter().filter_map(|line| self.wanted.line(line)));
            if !self.ready.is_empty() {
                continue;
            }
            // Cancel-safe: all arms only wake the loop.
            tokio::select! {
                _ = self.changed.changed() => {}
                () = tokio::time::sleep(HEARTBEAT) => return Some(Bytes::from_static(b"{}\n")),
                () = self.shared.stop.cancelled() => return None,
            }
        }
    }
}

struct Follower {
    shared: Arc<Shared>,
    changed: watch::Receiver<u64>,
    request: Request,
    alloc: String,
    offset: usize,
}

pub(super) fn logs(shared: &Arc<Shared>, request: &Request) -> Response {
    let alloc = request
        .path
        .trim_start_matches("/v1/client/fs/logs/")
        .to_owned();
    let length = match log_of(&shared.world(), request, &alloc) {
        Ok(log) => log.len(),
        Err(refusal) => {
            let status =
                StatusCode::from_u16(refusal.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            return plain(status, &refusal.text);
        }
    };
    let offset = usize::try_from(request.query.number("offset").unwrap_or(0)).unwrap_or(usize::MAX);
    let follower = Follower {
        shared: shared.clone(),
        changed: shared.changed.subscribe(),
        request: request.clone(),
        alloc,
        offset: match request.query.get("origin") {
            "end" => length.saturating_sub(offset),
            _ => offset.min(length),
        },
    };
    let body = futures::stream::unfold(follower, |mut follower| async move {
        let part = follower.next().await?;
        Some((Ok::<_, Infallible>(part), follower))
    });
    let mut response = Response::new(HttpBody::from_stream(body));
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    response
}

impl Follower {
    /// The next part. There is an end only when the allocation is forgotten: a log is followed beyond the end of its task.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            self.changed.mark_unchanged();
            let part = self.look()?;
            if !part.is_empty() {
                return Some(Bytes::from(part));
            }
            // Cancel-safe: all arms only wake the loop.
            tokio::select! {
                _ = self.changed.changed() => {}
                () = tokio::time::sleep(LOG_HEARTBEAT) => {
                    if !self.request.query.flag("plain") {
                        return Some(Bytes::from_static(b"{}"));
                    }
                }
                () = self.shared.stop.cancelled() => return None,
            }
        }
    }

    fn look(&mut self) -> Option<Vec<u8>> {
        let world = self.shared.world();
        let log = log_of(&world, &self.request, &self.alloc).ok()?;
        let part = &log.as_bytes()[self.offset.min(log.len())..];
        let sent = if self.request.query.flag("plain") {
            part.to_vec()
        } else {
            frame(&self.request, part, self.offset)
        };
        self.offset = log.len();
        Some(sent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(topic: &'static str, key: &str, filter: &[&str]) -> Event {
        Event {
            topic,
            kind: "PlanResult",
            key: key.into(),
            namespace: "default".into(),
            filter_keys: filter.iter().map(|key| (*key).to_owned()).collect(),
            payload: serde_json::Value::Null,
        }
    }

    fn wanted(query: &str) -> Wanted {
        let request = Request {
            query: super::super::routes::Query::parse(query),
            ..Request::default()
        };
        Wanted::parse(&request).expect("valid topics")
    }

    #[test]
    fn a_topic_with_a_key_means_the_key_and_what_belongs_to_it() {
        let wanted = wanted("topic=Allocation:x&topic=Job");
        assert!(wanted.wants(&event("Allocation", "id", &["x"])));
        assert!(!wanted.wants(&event("Allocation", "id", &["y"])));
        assert!(wanted.wants(&event("Job", "y", &[])));
        assert!(!wanted.wants(&event("Node", "n", &[])));
    }

    #[test]
    fn another_namespace_is_not_told() {
        assert!(!wanted("namespace=team").wants(&event("Job", "x", &[])));
        assert!(wanted("namespace=*").wants(&event("Job", "x", &[])));
    }
}
