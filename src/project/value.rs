//! What an expression comes to.

use std::fmt;

use serde_json::Number;

use super::text::At;

/// A value, where it stands, and where it comes from.
#[derive(Clone, PartialEq)]
pub(super) struct Value {
    pub(super) kind: Kind,
    pub(super) at: At,
    /// A sensitive variable is in it.
    pub(super) is_secret: bool,
    /// It was not written by hand: text of the environment or of a flag is never expanded once more.
    pub(super) is_foreign: bool,
    /// A text of the environment is in it, which may be a secret that nobody called one.
    pub(super) of_environment: Option<Origin>,
}

/// Which text of the environment a value is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Origin {
    /// It is that variable.
    Variable(String),
    /// There is more to it.
    Mixed,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind {
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
    List(Vec<Value>),
    Map(Vec<Member>),
}

/// A member of a map.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Member {
    pub(super) key: String,
    /// Where the key stands.
    pub(super) at: At,
    pub(super) value: Value,
}

impl fmt::Debug for Value {
    /// Without the value, which may be a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {:?}", self.name(), self.at)
    }
}

impl Value {
    /// A value that was written there.
    pub(super) const fn written(kind: Kind, at: At) -> Self {
        Self {
            kind,
            at,
            is_secret: false,
            is_foreign: false,
            of_environment: None,
        }
    }

    /// What it is, for messages.
    pub(super) const fn name(&self) -> &'static str {
        match self.kind {
            Kind::Null => "null",
            Kind::Bool(_) => "a bool",
            Kind::Number(_) => "a number",
            Kind::Text(_) => "a text",
            Kind::List(_) => "a list",
            Kind::Map(_) => "a map",
        }
    }

    /// Texts as they are, numbers and bools as they are written; `None` for everything else.
    pub(super) fn text(&self) -> Option<String> {
        match &self.kind {
            Kind::Text(text) => Some(text.clone()),
            Kind::Number(number) => Some(number.to_string()),
            Kind::Bool(flag) => Some(flag.to_string()),
            Kind::Null | Kind::List(_) | Kind::Map(_) => None,
        }
    }

    pub(super) const fn is_null(&self) -> bool {
        matches!(self.kind, Kind::Null)
    }

    /// Whether a secret is anywhere in it.
    pub(super) fn holds_secret(&self) -> bool {
        self.is_secret
            || match &self.kind {
                Kind::List(items) => items.iter().any(Self::holds_secret),
                Kind::Map(members) => members.iter().any(|member| member.value.holds_secret()),
                _ => false,
            }
    }

    /// The member of a map.
    pub(super) fn member(&self, key: &str) -> Option<&Member> {
        match &self.kind {
            Kind::Map(members) => members.iter().find(|member| member.key == key),
            _ => None,
        }
    }

    /// The same as JSON. Members that are null are left out, as the replaced program did.
    pub(super) fn json(&self) -> serde_json::Value {
        use serde_json::Value as Json;
        match &self.kind {
            Kind::Null => Json::Null,
            Kind::Bool(flag) => Json::Bool(*flag),
            Kind::Number(number) => Json::Number(number.clone()),
            Kind::Text(text) => Json::String(text.clone()),
            Kind::List(items) => items.iter().map(Self::json).collect(),
            Kind::Map(members) => {
                let given = members.iter().filter(|member| !member.value.is_null());
                Json::Object(
                    given
                        .map(|member| (member.key.clone(), member.value.json()))
                        .collect(),
                )
            }
        }
    }
}
