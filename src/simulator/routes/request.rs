//! A request as the API sees it.

use serde_json::Value;

use crate::simulator::world::time::parse_go;
use crate::simulator::world::{JobKey, Refusal};

/// Query parameters, in order.
#[derive(Debug, Clone, Default)]
pub struct Query(pub Vec<(String, String)>);

impl Query {
    /// Reads a query string.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        Self(
            url::form_urlencoded::parse(text.as_bytes())
                .into_owned()
                .collect(),
        )
    }

    /// The first value of a parameter; `""` without one.
    #[must_use]
    pub fn get(&self, name: &str) -> &str {
        self.0
            .iter()
            .find(|(key, _)| key == name)
            .map_or("", |(_, value)| value.as_str())
    }

    /// All values of a parameter.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0
            .iter()
            .filter(move |(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// Whether a parameter is there.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(key, _)| key == name)
    }

    /// Whether a parameter is set and true; without a value counts as true.
    #[must_use]
    pub fn flag(&self, name: &str) -> bool {
        self.has(name)
            && matches!(
                self.get(name),
                "" | "true" | "1" | "t" | "T" | "TRUE" | "True"
            )
    }

    /// A number; `None` when it is absent or not one.
    #[must_use]
    pub fn number(&self, name: &str) -> Option<u64> {
        self.get(name).parse().ok()
    }

    /// Checks the parameters that every endpoint takes.
    pub(super) fn check(&self) -> Result<(), Refusal> {
        let number = |name: &str| self.get(name).is_empty() || self.number(name).is_some();
        if !number("index") {
            return Err(Refusal::bad_request("Invalid index"));
        }
        if !self.get("wait").is_empty() && parse_go(self.get("wait")).is_none() {
            return Err(Refusal::bad_request("Invalid wait time"));
        }
        if !matches!(self.get("stale"), "" | "true" | "false" | "1" | "0") {
            return Err(Refusal::bad_request(
                "Expect `true` or `false` for `stale` query string parameter",
            ));
        }
        if !number("per_page") {
            return Err(Refusal::bad_request(
                "Expect a number for `per_page` query string parameter",
            ));
        }
        Ok(())
    }
}

/// A request.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// `GET`, `PUT`, …
    pub method: String,
    /// Path, percent-decoded.
    pub path: String,
    /// Query.
    pub query: Query,
    /// Body.
    pub body: Vec<u8>,
}

impl Request {
    /// Whether it writes, as Nomad sees it: PUT and POST are the same.
    #[must_use]
    pub fn writes(&self) -> bool {
        matches!(self.method.as_str(), "PUT" | "POST")
    }

    /// Whether it reads.
    #[must_use]
    pub fn reads(&self) -> bool {
        self.method == "GET"
    }

    /// The namespace of a read or of a job addressed by its path.
    #[must_use]
    pub fn namespace(&self) -> &str {
        match self.query.get("namespace") {
            "" => "default",
            namespace => namespace,
        }
    }

    /// Names a job in the request's namespace.
    #[must_use]
    pub fn key(&self, id: &str) -> JobKey {
        JobKey::new(self.namespace(), id)
    }

    /// The body as JSON.
    pub(super) fn json(&self) -> Result<Value, Refusal> {
        if self.body.iter().all(u8::is_ascii_whitespace) {
            return Err(Refusal::bad_request("Request body is empty"));
        }
        serde_json::from_slice(&self.body)
            .map_err(|error| Refusal::bad_request(go_error(&self.body, &error)))
    }

    /// The body as JSON; `null` without one.
    pub(super) fn optional_json(&self) -> Result<Value, Refusal> {
        if self.body.is_empty() {
            Ok(Value::Null)
        } else {
            self.json()
        }
    }

    /// Refuses other methods.
    pub(super) fn only(&self, allowed: &[&str]) -> Result<(), Refusal> {
        if allowed.contains(&self.method.as_str()) {
            Ok(())
        } else {
            Err(Refusal {
                status: 405,
                text: "Invalid method".to_owned(),
            })
        }
    }
}

/// As Go's decoder would put it.
fn go_error(body: &[u8], error: &serde_json::Error) -> String {
    if error.is_eof() {
        return "unexpected EOF".to_owned();
    }
    let first = body
        .iter()
        .find(|byte| !byte.is_ascii_whitespace())
        .copied()
        .unwrap_or(b' ');
    format!(
        "invalid character {:?} looking for beginning of value",
        char::from(first)
    )
}
