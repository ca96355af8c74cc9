//! A reply before it goes over the wire.

use serde_json::Value;

use super::Request;
use crate::simulator::world::{Refusal, Table, World};

/// What is sent.
#[derive(Debug, Clone)]
pub enum Body {
    /// JSON.
    Json(Value),
    /// Text.
    Text(String),
    /// Bytes as they are.
    Raw(Vec<u8>),
    /// Nothing.
    Empty,
}

/// A reply.
#[derive(Debug, Clone)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// Body.
    pub body: Body,
    /// `X-Nomad-Index`; also what a blocking query waits for to rise.
    pub index: Option<u64>,
    /// A read: may block, and says how fresh it is.
    pub read: bool,
    /// `X-Nomad-NextToken`.
    pub next_token: Option<String>,
    /// Sends JSON as `text/plain`, as Nomad does on a variable's conflict.
    pub plain: bool,
}

impl Reply {
    /// A read's reply.
    pub(super) fn read(index: u64, body: Value) -> Self {
        Self {
            status: 200,
            body: Body::Json(body),
            index: Some(index.max(1)),
            read: true,
            next_token: None,
            plain: false,
        }
    }

    /// A write's reply.
    pub(super) fn wrote(index: u64, body: Value) -> Self {
        Self {
            read: false,
            ..Self::read(index, body)
        }
    }

    /// JSON without an index.
    pub(super) fn json(body: Value) -> Self {
        Self {
            index: None,
            read: false,
            ..Self::read(0, body)
        }
    }

    /// 200 without a body.
    pub(super) fn empty(index: Option<u64>) -> Self {
        Self {
            body: Body::Empty,
            index,
            ..Self::json(Value::Null)
        }
    }

    /// A refusal. That of a read carries the index too, so that a blocking query can wait for what is missing.
    pub(super) fn refused(world: &World, request: &Request, refusal: &Refusal) -> Self {
        let read = request.reads() && refusal.status == 404 && !refusal.text.is_empty();
        Self {
            status: refusal.status,
            body: if refusal.text.is_empty() {
                Body::Empty
            } else {
                Body::Text(refusal.text.clone())
            },
            index: read.then(|| world.table(Table::Jobs)),
            read,
            next_token: None,
            plain: false,
        }
    }

    /// With a token for the next page.
    pub(super) fn page(mut self, token: Option<String>) -> Self {
        self.next_token = token;
        self
    }
}
