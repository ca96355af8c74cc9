//! Spans on their way to a collector: a bounded queue, batches, and an end that comes soon.
//!
//! Nothing here ever fails or holds up a run: what the collector does not take is dropped and counted, which is said once.

use std::collections::VecDeque;
use std::io::Write as _;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use prost::Message as _;
use reqwest::header::{
    CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER,
};
use reqwest::{Client, StatusCode};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::settings::{Sampler, Settings};
use super::span::{Done, nanoseconds};
use super::wire;
use crate::clients::{chain, tls};

/// Spans of one request.
const BATCH: usize = 512;

/// Attempts for one batch.
const ATTEMPTS: u32 = 5;

/// First and longest pause between two attempts, whatever the collector asks for.
const PAUSE: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));

/// Longest wait for a connection.
const CONNECT: Duration = Duration::from_secs(3);

/// Longest answer that is looked at.
const ANSWER_LIMIT: usize = 64 * 1024;

/// Set in `flags` where it is known whether the parent is of another program, and that it is. Source: `trace.proto`.
const KNOWS_REMOTE: u32 = 0x100;
const IS_REMOTE: u32 = 0x200;

/// Takes spans, and sends them beside the work.
pub(crate) struct Exporter {
    settings: Settings,
    queue: Mutex<VecDeque<Done>>,
    arrived: Notify,
    closing: CancellationToken,
    /// Spans that nobody will see.
    lost: AtomicUsize,
    /// Spans of the batch that is being sent.
    under_way: AtomicUsize,
    has_warned: AtomicBool,
}

/// Why a batch was not taken.
struct Missed {
    why: String,
    /// Whether the same batch may be taken later, and when the collector wants it.
    again: Option<Option<Duration>>,
}

impl Exporter {
    pub(super) fn new(settings: Settings) -> Self {
        Self {
            settings,
            queue: Mutex::default(),
            arrived: Notify::new(),
            closing: CancellationToken::new(),
            lost: AtomicUsize::new(0),
            under_way: AtomicUsize::new(0),
            has_warned: AtomicBool::new(false),
        }
    }

    pub(super) fn sampler(&self) -> Sampler {
        self.settings.sampler
    }

    /// Takes a span. Never waits: when too many wait, this one is dropped and counted.
    pub(super) fn take(&self, span: Done) {
        let mut queue = self.queue();
        if queue.len() >= self.settings.queue {
            self.lost.fetch_add(1, Ordering::Relaxed);
            return;
        }
        queue.push_back(span);
        if queue.len() == BATCH.min(self.settings.queue) {
            self.arrived.notify_one();
        }
    }

    /// Spans that no collector took.
    pub(crate) fn lost(&self) -> usize {
        self.lost.load(Ordering::Relaxed)
    }

    /// Sends what comes, until [`Self::finish`] says that nothing more does.
    pub(crate) async fn run(self: Arc<Self>) {
        let client = match self.client() {
            Ok(client) => client,
            Err(why) => {
                self.warn(&why);
                self.closing.cancelled().await;
                return;
            }
        };
        loop {
            // Cancel-safe: nothing but waits.
            tokio::select! {
                () = self.arrived.notified() => {}
                () = tokio::time::sleep(self.settings.delay) => {}
                () = self.closing.cancelled() => {}
            }
            while let Some(batch) = self.next() {
                self.send(&client, batch).await;
            }
            if self.closing.is_cancelled() {
                return;
            }
        }
    }

    /// Lets `task`, which is [`Self::run`], send what is left, for at most `patience`.
    pub(crate) async fn finish(&self, task: tokio::task::JoinHandle<()>, patience: Duration) {
        self.closing.cancel();
        let mut task = task;
        if tokio::time::timeout(patience, &mut task).await.is_err() {
            task.abort();
            self.lose(
                self.under_way.load(Ordering::Relaxed),
                "it does not answer in time",
            );
        }
        let left = self.queue().drain(..).count();
        self.lose(left, "there was no time left to send them");
        let lost = self.lost();
        if lost > 0 {
            tracing::debug!("{lost} span(s) of traces were lost in all");
        }
    }

    fn queue(&self) -> MutexGuard<'_, VecDeque<Done>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next(&self) -> Option<wire::ExportRequest> {
        let mut queue = self.queue();
        let count = queue.len().min(BATCH);
        let spans: Vec<wire::Span> = queue.drain(..count).map(on_the_wire).collect();
        self.under_way.store(count, Ordering::Relaxed);
        drop(queue);
        (count > 0).then(|| self.request(spans))
    }

    fn request(&self, spans: Vec<wire::Span>) -> wire::ExportRequest {
        let attributes = self.settings.resource.iter().map(|(name, value)| {
            let value = wire::Value::Text(value.clone());
            attribute(name, value)
        });
        wire::ExportRequest {
            resource_spans: vec![wire::ResourceSpans {
                resource: Some(wire::Resource {
                    attributes: attributes.collect(),
                }),
                scope_spans: vec![wire::ScopeSpans {
                    scope: Some(wire::Scope {
                        name: "cs".to_owned(),
                        version: env!("CARGO_PKG_VERSION").to_owned(),
                    }),
                    spans,
                    schema_url: "https://opentelemetry.io/schemas/1.37.0".to_owned(),
                }],
            }],
        }
    }

    async fn send(&self, client: &Client, request: wire::ExportRequest) {
        let body = self.encoded(&request);
        drop(request);
        let mut pause = PAUSE.0;
        for number in 1..=ATTEMPTS {
            let missed = match self.attempt(client, body.clone()).await {
                Ok(()) => break,
                Err(missed) => missed,
            };
            let Some(wanted) = missed.again.filter(|_| number < ATTEMPTS) else {
                self.lose(self.under_way.load(Ordering::Relaxed), &missed.why);
                break;
            };
            self.warn(&missed.why);
            let is_last = self.closing.is_cancelled();
            let wait = wanted.unwrap_or(pause).min(PAUSE.1);
            pause = (pause * 2).min(PAUSE.1);
            // Cancel-safe: only waits. At the end of the run there is no time for pauses.
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = self.closing.cancelled(), if !is_last => {}
            }
        }
        self.under_way.store(0, Ordering::Relaxed);
    }

    fn encoded(&self, request: &wire::ExportRequest) -> bytes::Bytes {
        let plain = request.encode_to_vec();
        if !self.settings.gzip {
            return plain.into();
        }
        let level = flate2::Compression::fast();
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), level);
        let packed = gzip.write_all(&plain).and_then(|()| gzip.finish());
        packed.expect("memory takes all bytes").into()
    }

    async fn attempt(&self, client: &Client, body: bytes::Bytes) -> Result<(), Missed> {
        let endpoint = self.settings.endpoint.expose().clone();
        let sent = client.post(endpoint).body(body).send().await;
        let mut answer = sent.map_err(|error| Missed {
            why: chain(&error.without_url()),
            again: Some(None),
        })?;
        let status = answer.status();
        if !status.is_success() {
            let is_passing = matches!(status.as_u16(), 429 | 502 | 503 | 504);
            let after = answer.headers().get(RETRY_AFTER);
            let after = after.and_then(|text| text.to_str().ok()?.trim().parse().ok());
            return Err(Missed {
                why: refusal(status),
                again: is_passing.then_some(after.map(Duration::from_secs)),
            });
        }
        let mut bytes = Vec::new();
        while let Ok(Some(chunk)) = answer.chunk().await {
            bytes.extend_from_slice(&chunk);
            if bytes.len() > ANSWER_LIMIT {
                break;
            }
        }
        self.heed(&bytes);
        Ok(())
    }

    /// A collector may take some of a batch. An answer that is no such message says nothing.
    fn heed(&self, answer: &[u8]) {
        let Ok(answer) = wire::ExportAnswer::decode(answer) else {
            tracing::debug!("the collector's answer is no OTLP");
            return;
        };
        let Some(partial) = answer.partial_success else {
            return;
        };
        let rejected = usize::try_from(partial.rejected_spans).unwrap_or(0);
        // Its words are not repeated: they may quote a header.
        self.lose(rejected, "it rejects some of them; its own log says which");
    }

    fn lose(&self, spans: usize, why: &str) {
        if spans > 0 {
            self.lost.fetch_add(spans, Ordering::Relaxed);
            self.warn(why);
        }
    }

    /// Said once: a run that goes well is not to be drowned by its collector.
    fn warn(&self, why: &str) {
        let address = &self.settings.endpoint;
        if self.has_warned.swap(true, Ordering::Relaxed) {
            tracing::debug!("traces are not taken at {address}: {why}");
        } else {
            tracing::warn!(
                "traces are not taken at {address}, which changes nothing for the run: {why}"
            );
        }
    }

    fn client(&self) -> Result<Client, String> {
        let settings = &self.settings;
        let endpoint = settings.endpoint.expose();
        let trust = match (&settings.certificate, endpoint.scheme()) {
            (_, "http") => tls::no_trust(),
            (None, _) => tls::system_trust(),
            (Some(path), _) => {
                let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect);
                let extra = read.map_err(|error| {
                    let shown = path.display();
                    format!("OTEL_EXPORTER_OTLP_CERTIFICATE: cannot read {shown}: {error}")
                })?;
                tls::system_trust_and(extra)
            }
        };
        let mut builder = Client::builder()
            .tls_backend_preconfigured(trust.map_err(|error| error.to_string())?)
            // A redirect would carry the headers to wherever it points.
            .redirect(reqwest::redirect::Policy::none())
            .default_headers(self.headers()?)
            .connect_timeout(CONNECT)
            .timeout(settings.timeout)
            .pool_max_idle_per_host(1)
            .user_agent(concat!("cs/", env!("CARGO_PKG_VERSION")));
        if endpoint.host_str().is_some_and(tls::is_loopback) {
            builder = builder.no_proxy();
        }
        builder.build().map_err(|error| chain(&error.without_url()))
    }

    fn headers(&self) -> Result<HeaderMap, String> {
        let mut headers = HeaderMap::new();
        for (name, value) in &self.settings.headers {
            let bad = || "OTEL_EXPORTER_OTLP_HEADERS: not all of them are HTTP headers".to_owned();
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| bad())?;
            let mut value = HeaderValue::from_str(value.expose()).map_err(|_| bad())?;
            value.set_sensitive(true);
            headers.insert(name, value);
        }
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("application/x-protobuf"),
        );
        if self.settings.gzip {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        Ok(headers)
    }
}

fn refusal(status: StatusCode) -> String {
    match status.as_u16() {
        401 | 403 => format!("it answers {status}: see OTEL_EXPORTER_OTLP_HEADERS"),
        404 => format!("it answers {status}: see OTEL_EXPORTER_OTLP_ENDPOINT"),
        _ => format!("it answers {status}"),
    }
}

fn attribute(name: &str, value: wire::Value) -> wire::KeyValue {
    wire::KeyValue {
        key: name.to_owned(),
        value: Some(wire::AnyValue { value: Some(value) }),
    }
}

fn attributes(given: Vec<(&'static str, wire::Value)>) -> Vec<wire::KeyValue> {
    let all = given.into_iter();
    all.map(|(name, value)| attribute(name, value)).collect()
}

fn on_the_wire(span: Done) -> wire::Span {
    let Done { context, body, .. } = span;
    let remote = if span.is_remote { IS_REMOTE } else { 0 };
    let link = |link: super::context::TraceContext| wire::Link {
        trace_id: link.trace_id.to_vec(),
        span_id: link.span_id.to_vec(),
        trace_state: link.state.unwrap_or_default(),
        flags: u32::from(link.sampled) | KNOWS_REMOTE | IS_REMOTE,
    };
    wire::Span {
        trace_id: context.trace_id.to_vec(),
        span_id: context.span_id.to_vec(),
        trace_state: context.state.clone().unwrap_or_default(),
        parent_span_id: span.parent.map(|id| id.to_vec()).unwrap_or_default(),
        name: span.name.into_owned(),
        kind: span.kind as i32,
        start_time_unix_nano: nanoseconds(span.begin),
        end_time_unix_nano: nanoseconds(span.end),
        attributes: attributes(body.attributes),
        events: body
            .events
            .into_iter()
            .map(|(time, name, given)| wire::Event {
                time_unix_nano: nanoseconds(time),
                name: name.to_owned(),
                attributes: attributes(given),
            })
            .collect(),
        dropped_events_count: body.dropped_events,
        links: body.links.into_iter().map(link).collect(),
        status: body.error.map(|error| wire::Status {
            message: error.to_owned(),
            code: wire::ERROR,
        }),
        flags: u32::from(context.sampled) | KNOWS_REMOTE | remote,
    }
}

/// How long the collector gets at the end of a process.
pub(crate) const PATIENCE: Duration = Duration::from_secs(1);

/// Keeps an exporter going for as long as this lives.
pub(crate) struct Exporting {
    exporter: Arc<Exporter>,
    task: tokio::task::JoinHandle<()>,
}

impl Exporting {
    /// Begins to send, on the runtime that this is called on.
    pub(crate) fn start(exporter: Arc<Exporter>) -> Self {
        let task = tokio::spawn(Arc::clone(&exporter).run());
        Self { exporter, task }
    }

    /// Sends what is left, within [`PATIENCE`].
    pub(crate) async fn finish(self) {
        self.exporter.finish(self.task, PATIENCE).await;
    }
}
