//! What is recorded of a run while it goes on: its trace, and what its summary and its metrics are made of.
//!
//! One [`Run`] a command, a task of the queue, or a request of the server. Work that it is [around](Run::around) finds it
//! through the task that it runs in, so nothing has to be handed through the loop; what is spawned is handed on with
//! [`handed_on`]. Outside of a run every function here does nothing.
//!
//! [`context`] which trace something belongs to, as it travels · [`span`] what takes time · [`tally`] what is counted ·
//! [`page`] the tally as Prometheus reads it · [`settings`] the variables of OpenTelemetry · [`exporter`] spans on their way
//! to a collector · [`http`] calls.
//!
//! Traces are off unless a collector is configured: no span is made then, no thread, no task. What came in as `traceparent`
//! is handed on all the same.

pub mod context;
mod exporter;
mod http;
pub mod page;
mod settings;
mod span;
pub mod tally;
mod wire;

use std::borrow::Cow;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use crate::config::Environment;
use crate::controller::note::Note;
use crate::ids::{JobId, ModifyIndex};
use crate::reconcile::Outcome;
pub use context::TraceContext;
use exporter::Exporter;
pub(crate) use exporter::Exporting;
pub(crate) use http::{HttpCall, Peer};
pub(crate) use span::{Kind, Span, Value};
use tally::{Step, Tally};

/// Names of the headers. Source: W3C Trace Context.
const PARENT: &str = "traceparent";
const STATE: &str = "tracestate";

/// Where this process sends its spans, once [`start`] was called and if they are sent.
static EXPORTER: OnceLock<Option<Arc<Exporter>>> = OnceLock::new();

tokio::task_local! {
    static PLACE: Place;
}

/// Reads the settings of the process. To be called once, after logging has begun.
pub(crate) fn start(environment: &Environment) {
    EXPORTER.get_or_init(|| match settings::Settings::of(environment) {
        Ok(settings) => settings.map(|settings| Arc::new(Exporter::new(settings))),
        Err(unusable) => {
            tracing::warn!("traces are off: {unusable}");
            None
        }
    });
}

/// The exporter of the process, if traces are on.
pub(crate) fn exporter() -> Option<Arc<Exporter>> {
    EXPORTER.get().cloned().flatten()
}

/// Spans of this process that no collector took.
pub(crate) fn lost_spans() -> usize {
    exporter().map_or(0, |exporter| exporter.lost())
}

/// Where in which run the code is.
#[derive(Clone)]
struct Place {
    record: Arc<Record>,
    /// The innermost span, unless that is the step or the run itself.
    span: Option<Span>,
}

/// What is kept of one run.
struct Record {
    exporter: Option<Arc<Exporter>>,
    /// What is handed on where nothing is recorded.
    handed_on: Option<Arc<TraceContext>>,
    root: Span,
    began: (jiff::Timestamp, Instant),
    open: Mutex<Option<OpenStep>>,
    tally: Mutex<Tally>,
}

struct OpenStep {
    name: &'static str,
    began: Instant,
    span: Span,
}

impl Place {
    fn current() -> Option<Self> {
        PLACE.try_with(Clone::clone).ok()
    }

    /// The innermost span that is open.
    fn span(&self) -> Span {
        let step = || {
            lock(&self.record.open)
                .as_ref()
                .map(|open| open.span.clone())
        };
        let innermost = self.span.clone().or_else(step);
        innermost.unwrap_or_else(|| self.record.root.clone())
    }

    fn context(&self) -> Option<Arc<TraceContext>> {
        let handed_on = || self.record.handed_on.clone();
        self.span().context().or_else(handed_on)
    }

    /// A span below the innermost one.
    fn child(&self, name: Cow<'static, str>, kind: Kind) -> Span {
        let (Some(exporter), Some(parent)) = (&self.record.exporter, self.span().context()) else {
            return Span::default();
        };
        let context = parent.child(true);
        Span::begin(exporter, name, kind, context, Some((&parent, false)))
    }
}

/// One run that is recorded.
#[derive(Clone)]
pub(crate) struct Run(Arc<Record>);

impl Run {
    /// Begins now, below `parent` if there is one.
    pub(crate) fn begin(
        name: impl Into<Cow<'static, str>>,
        kind: Kind,
        parent: Option<TraceContext>,
    ) -> Self {
        Self::begin_with(exporter(), name.into(), kind, parent)
    }

    fn begin_with(
        exporter: Option<Arc<Exporter>>,
        name: Cow<'static, str>,
        kind: Kind,
        parent: Option<TraceContext>,
    ) -> Self {
        let (root, handed_on) = match &exporter {
            None => (Span::default(), parent.map(Arc::new)),
            Some(exporter) => {
                let mut context = match &parent {
                    Some(parent) => parent.child(false),
                    None => TraceContext::fresh(false),
                };
                let given = parent.as_ref().map(|parent| parent.sampled);
                context.sampled = exporter.sampler().takes(&context.trace_id, given);
                if context.sampled {
                    let parent = parent.as_ref().map(|parent| (parent, true));
                    (Span::begin(exporter, name, kind, context, parent), None)
                } else {
                    (Span::default(), Some(Arc::new(context)))
                }
            }
        };
        Self(Arc::new(Record {
            exporter,
            handed_on,
            root,
            began: (jiff::Timestamp::now(), Instant::now()),
            open: Mutex::default(),
            tally: Mutex::default(),
        }))
    }

    /// Does some work in this run.
    pub(crate) fn around<F: Future>(&self, work: F) -> impl Future<Output = F::Output> + use<F> {
        let place = Place {
            record: Arc::clone(&self.0),
            span: None,
        };
        PLACE.scope(place, Box::pin(work))
    }

    /// The span of the run as a whole.
    pub(crate) fn span(&self) -> &Span {
        &self.0.root
    }

    /// Says something about the run as a whole.
    pub(crate) fn set(&self, name: &'static str, value: impl Into<Value>) {
        self.0.root.set(name, value);
    }

    /// It has to do with another trace.
    pub(crate) fn link(&self, context: TraceContext) {
        self.0.root.link(context);
    }

    /// It ended as a failure, in a word of a closed set.
    pub(crate) fn fail(&self, error: &'static str) {
        self.0.root.fail(error);
    }

    /// Ends its span. What has been counted can still be read.
    pub(crate) fn end(&self) {
        end_step(&self.0, None);
        self.0.root.end();
    }

    /// The run that this is part of.
    pub(crate) fn current() -> Option<Self> {
        Place::current().map(|place| Self(place.record))
    }

    /// The trace that it belongs to, as 32 digits.
    pub(crate) fn trace_id(&self) -> Option<String> {
        let context = self.0.root.context().or_else(|| self.0.handed_on.clone())?;
        let mut text = String::new();
        context::push_hex(&mut text, &context.trace_id);
        Some(text)
    }

    /// What was counted so far.
    pub(crate) fn tally(&self) -> Tally {
        self.0.tally().clone()
    }

    /// When it began.
    pub(crate) fn began(&self) -> jiff::Timestamp {
        self.0.began.0
    }

    /// How long it has been going on.
    pub(crate) fn elapsed(&self) -> Duration {
        self.0.began.1.elapsed()
    }
}

impl Record {
    fn tally(&self) -> MutexGuard<'_, Tally> {
        lock(&self.tally)
    }
}

/// Does some work with a span of its own; it ends with the work, also when that is dropped.
///
/// The work is boxed, here and in whatever else goes around one: futures in futures would be more than a stack holds.
pub(crate) fn within<F: Future>(span: Span, work: F) -> impl Future<Output = F::Output> {
    let work = Box::pin(work);
    async move {
        let Some(place) = Place::current() else {
            return work.await;
        };
        let place = Place {
            span: span.context().map(|_| span.clone()).or(place.span),
            ..place
        };
        let done = PLACE.scope(place, work).await;
        span.end();
        done
    }
}

/// The same work for a task of its own, in the run and below the span of whoever spawns it.
pub(crate) fn handed_on<F: Future>(work: F) -> impl Future<Output = F::Output> {
    let place = Place::current();
    let work = Box::pin(work);
    async move {
        match place {
            Some(place) => PLACE.scope(place, work).await,
            None => work.await,
        }
    }
}

/// A span below the innermost one.
pub(crate) fn span(name: impl Into<Cow<'static, str>>, kind: Kind) -> Span {
    let place = Place::current();
    place.map_or_else(Span::default, |place| place.child(name.into(), kind))
}

/// A span below one that may be of another time: of the event that a message tells of.
pub(crate) fn span_below(
    parent: Option<&TraceContext>,
    name: impl Into<Cow<'static, str>>,
    kind: Kind,
) -> Span {
    match (parent, exporter()) {
        (Some(parent), Some(exporter)) if parent.sampled => {
            let below = Some((parent, false));
            Span::begin(&exporter, name.into(), kind, parent.child(true), below)
        }
        _ => Span::default(),
    }
}

/// Where in its trace the code is, for whoever is called or told from here.
pub(crate) fn here() -> Option<Arc<TraceContext>> {
    Place::current()?.context()
}

/// The headers of a message that belongs to a trace; none where it belongs to none.
pub(crate) fn message_headers(trace: Option<&TraceContext>) -> async_nats::HeaderMap {
    let mut headers = async_nats::HeaderMap::new();
    if let Some(trace) = trace {
        headers.insert(PARENT, trace.traceparent());
        if let Some(state) = trace.tracestate() {
            headers.insert(STATE, state);
        }
    }
    headers
}

/// The trace of a message's headers.
pub(crate) fn of_message(headers: Option<&async_nats::HeaderMap>) -> Option<TraceContext> {
    let text = |name: &str| Some(headers?.get(name)?.as_str());
    TraceContext::first([("the message", text(PARENT), text(STATE))])
}

/// The trace of a request's headers.
pub(crate) fn of_request(headers: &axum::http::HeaderMap) -> Option<TraceContext> {
    let mut parents = headers.get_all(PARENT).iter();
    let parent = parents.next().filter(|_| parents.next().is_none());
    let parent = parent.and_then(|value| value.to_str().ok());
    // Several of them are one list.
    let states = headers.get_all(STATE).iter();
    let states: Vec<&str> = states.filter_map(|value| value.to_str().ok()).collect();
    let state = states.join(",");
    TraceContext::first([("the request", parent, Some(state.as_str()))])
}

/// The trace that the process is started in: of the dispatch, else of whoever started it.
pub(crate) fn of_environment(environment: &Environment) -> Option<TraceContext> {
    let get = |name| environment.get(name);
    let (dispatch, state) = (get("NOMAD_META_TRACEPARENT"), get("NOMAD_META_TRACESTATE"));
    let (parent, other) = (get("TRACEPARENT"), get("TRACESTATE"));
    TraceContext::first([
        (
            "NOMAD_META_TRACEPARENT",
            dispatch.as_deref(),
            state.as_deref(),
        ),
        ("TRACEPARENT", parent.as_deref(), other.as_deref()),
    ])
}

/// The trace of a task: of its params, where they name one.
pub(crate) fn of_params(params: &[u8]) -> Option<TraceContext> {
    let (parent, state) = crate::dispatch::readable_trace(params)?;
    TraceContext::first([("the params", Some(parent.as_str()), state.as_deref())])
}

/// Says something about the run as a whole.
pub(crate) fn set_of_run(name: &'static str, value: impl Into<Value>) {
    if let Some(place) = Place::current() {
        place.record.root.set(name, value);
    }
}

/// How the run ended.
pub(crate) fn ended(outcome: &Outcome) {
    if let Some(place) = Place::current() {
        set_outcome(&place.record.root, outcome);
    }
}

/// Writes an outcome on a span.
pub(crate) fn set_outcome(span: &Span, outcome: &Outcome) {
    span.set("cs.outcome", outcome.word());
    span.set("process.exit.code", u64::from(outcome.exit_code()));
    if !outcome.is_success() {
        span.fail(outcome.word());
    }
}

/// A step of the run begins; one that is open ends well.
pub(crate) fn begin_step(name: &'static str) {
    let Some(place) = Place::current() else {
        return;
    };
    end_step(&place.record, None);
    let outer = Place {
        span: None,
        ..place
    };
    let span = outer.child(Cow::Borrowed(name), Kind::Internal);
    *lock(&outer.record.open) = Some(OpenStep {
        name,
        began: Instant::now(),
        span,
    });
}

/// The open step ends, well or not.
pub(crate) fn step_ended(is_success: bool) {
    if let Some(place) = Place::current() {
        end_step(&place.record, Some(is_success));
    }
}

fn end_step(record: &Record, is_success: Option<bool>) {
    let Some(open) = lock(&record.open).take() else {
        return;
    };
    let is_success = is_success.unwrap_or(true);
    if !is_success {
        open.span.fail("failed");
    }
    open.span.end();
    record.tally().step(Step {
        name: open.name,
        took: open.began.elapsed(),
        is_success,
    });
}

/// Does some work as a step of the run.
pub(crate) fn step<T, E>(
    name: &'static str,
    work: impl Future<Output = Result<T, E>>,
) -> impl Future<Output = Result<T, E>> {
    let work = Box::pin(work);
    async move {
        begin_step(name);
        let done = work.await;
        step_ended(done.is_ok());
        done
    }
}

/// Something is tried again. `kind` says by whose trouble; it is of a closed set.
pub(crate) fn retry(kind: &'static str) {
    if let Some(place) = Place::current() {
        place.record.tally().retry(kind);
        let attributes = vec![("cs.retry.kind", Value::from(kind))];
        place.span().event("retry", attributes);
    }
}

/// So many bytes went or came.
pub(crate) fn bytes(what: &'static str, count: usize) {
    if let Some(place) = Place::current() {
        place.record.tally().bytes(what, count);
    }
}

/// So many messages were acknowledged.
pub(crate) fn published(what: &'static str, count: usize) {
    if let Some(place) = Place::current() {
        place.record.tally().published(what, count);
    }
}

/// What was read of a job.
pub(crate) fn seen(job: &JobId, version: u64, index: ModifyIndex) {
    if let Some(place) = Place::current() {
        let span = place.span();
        span.set("nomad.job.version", version);
        let mut tally = place.record.tally();
        if let Some(job) = tally.job(job) {
            job.version = Some(version);
            job.index.get_or_insert(index.0);
        }
    }
}

/// What people are told of why the run ends.
pub(crate) fn complained(message: &str, help: Option<&str>) {
    if let Some(place) = Place::current() {
        let help = help.map(str::to_owned);
        place.record.tally().complaint = Some((message.to_owned(), help));
    }
}

/// The version of the Nomad that was written to.
pub(crate) fn nomad_version(version: &str) {
    if let Some(place) = Place::current() {
        place.record.tally().nomad_version = Some(version.to_owned());
    }
}

/// Whether that is to be found out. True once.
pub(crate) fn wants_nomad_version() -> bool {
    Place::current().is_some_and(|place| std::mem::take(&mut place.record.tally().wants_versions))
}

/// Takes note of what whoever looks on is told.
pub(crate) fn noted(note: &Note) {
    match note {
        Note::Began(phase) => begin_step(phase.name()),
        Note::Ended(_, ended) => step_ended(ended.is_ok()),
        Note::Retrying { .. } => retry("nomad"),
        Note::Registered { job, index, .. } => with_job(job, |job| job.index = Some(index.0)),
        Note::Unchanged { job } => with_job(job, |_| {}),
        Note::Finished { job, outcome } => job_ended(job, outcome),
        _ => {}
    }
}

/// How a job ended.
pub(crate) fn job_ended(job: &JobId, outcome: &Outcome) {
    with_job(job, |job| {
        job.outcome = Some(outcome.word());
        job.message = Some(outcome.message());
    });
}

fn with_job(job: &JobId, change: impl FnOnce(&mut tally::Job)) {
    if let Some(place) = Place::current()
        && let Some(job) = place.record.tally().job(job)
    {
        change(job);
    }
}

impl Run {
    /// The version of Nomad is worth a question: somebody wants to read it.
    pub(crate) fn want_versions(&self) {
        self.0.tally().wants_versions = true;
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
