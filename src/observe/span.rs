//! One thing that takes time, as a trace shows it.

use std::borrow::Cow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use super::context::TraceContext;
use super::exporter::Exporter;
pub(crate) use super::wire::Value;

/// Longest text of an attribute, in bytes; the rest is cut off.
const TEXT_LIMIT: usize = 1024;

/// Most events of one span; more are counted.
const EVENTS: usize = 64;

/// Which side of what a span is. Numbers as in `trace.proto`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Of this program alone.
    Internal = 1,
    /// A request is answered.
    Server = 2,
    /// A request is made.
    Client = 3,
    /// A message is sent.
    Producer = 4,
    /// A message is worked on.
    Consumer = 5,
}

/// What is said of something.
pub(super) type Attributes = Vec<(&'static str, Value)>;

/// An ended span.
#[derive(Debug)]
pub(super) struct Done {
    pub(super) context: Arc<TraceContext>,
    pub(super) parent: Option<[u8; 8]>,
    /// The parent is of another program.
    pub(super) is_remote: bool,
    pub(super) name: Cow<'static, str>,
    pub(super) kind: Kind,
    pub(super) begin: SystemTime,
    pub(super) end: SystemTime,
    pub(super) body: Body,
}

/// What a span learns while it is open.
#[derive(Debug, Default)]
pub(super) struct Body {
    pub(super) attributes: Attributes,
    pub(super) events: Vec<(SystemTime, &'static str, Attributes)>,
    pub(super) dropped_events: u32,
    pub(super) links: Vec<TraceContext>,
    /// A word for the kind of failure.
    pub(super) error: Option<&'static str>,
}

struct Open {
    exporter: Arc<Exporter>,
    context: Arc<TraceContext>,
    parent: Option<[u8; 8]>,
    is_remote: bool,
    name: Cow<'static, str>,
    kind: Kind,
    begin: (SystemTime, Instant),
    /// Taken by its end.
    body: Mutex<Option<Body>>,
}

/// A span that is open, or nothing where nobody records. Clones are the same span; it ends with [`Span::end`], or with the last
/// of them.
#[derive(Clone, Default)]
pub(crate) struct Span(Option<Arc<Open>>);

impl Span {
    /// Begins now.
    pub(super) fn begin(
        exporter: &Arc<Exporter>,
        name: Cow<'static, str>,
        kind: Kind,
        context: TraceContext,
        parent: Option<(&TraceContext, bool)>,
    ) -> Self {
        Self(Some(Arc::new(Open {
            exporter: Arc::clone(exporter),
            context: Arc::new(context),
            parent: parent.map(|(parent, _)| parent.span_id),
            is_remote: parent.is_some_and(|(_, is_remote)| is_remote),
            name,
            kind,
            begin: (SystemTime::now(), Instant::now()),
            body: Mutex::new(Some(Body::default())),
        })))
    }

    /// What is handed on to whoever is called within it; `None` where nobody records.
    pub(crate) fn context(&self) -> Option<Arc<TraceContext>> {
        self.0.as_ref().map(|open| Arc::clone(&open.context))
    }

    /// Says something about it. Texts are cut to a bound. Never hand in what may be a secret.
    pub(crate) fn set(&self, name: &'static str, value: impl Into<Value>) {
        self.change(|body| {
            let value = value.into();
            match body.attributes.iter_mut().find(|(known, _)| *known == name) {
                Some((_, known)) => *known = value,
                None => body.attributes.push((name, value)),
            }
        });
    }

    /// It failed. The word is of a closed set, e.g. an outcome or a status.
    pub(crate) fn fail(&self, error: &'static str) {
        self.set("error.type", error);
        self.change(|body| body.error = Some(error));
    }

    /// Something happened.
    pub(super) fn event(&self, name: &'static str, attributes: Attributes) {
        self.change(|body| {
            if body.events.len() < EVENTS {
                body.events.push((SystemTime::now(), name, attributes));
            } else {
                body.dropped_events += 1;
            }
        });
    }

    /// It has to do with another one.
    pub(super) fn link(&self, context: TraceContext) {
        self.change(|body| body.links.push(context));
    }

    /// Ends now. A second end counts for nothing.
    pub(crate) fn end(&self) {
        if let Some(open) = &self.0 {
            open.end();
        }
    }

    fn change(&self, change: impl FnOnce(&mut Body)) {
        if let Some(open) = &self.0
            && let Some(body) = open.body().as_mut()
        {
            change(body);
        }
    }
}

impl Open {
    fn body(&self) -> MutexGuard<'_, Option<Body>> {
        self.body.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn end(&self) {
        let Some(body) = self.body().take() else {
            return;
        };
        let (begin, since) = self.begin;
        self.exporter.take(Done {
            context: Arc::clone(&self.context),
            parent: self.parent,
            is_remote: self.is_remote,
            name: self.name.clone(),
            kind: self.kind,
            begin,
            // Of the clock that never goes back.
            end: begin + since.elapsed(),
            body,
        });
    }
}

impl Drop for Open {
    /// Work that is dropped has ended, too.
    fn drop(&mut self) {
        self.end();
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        let mut end = text.len().min(TEXT_LIMIT);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        Self::Text(text[..end].to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::from(text.as_str())
    }
}

impl From<bool> for Value {
    fn from(flag: bool) -> Self {
        Self::Flag(flag)
    }
}

impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Self::Number(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

/// Nanoseconds since 1970.
pub(super) fn nanoseconds(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}
