//! A YAML document as a tree with the place of every node.
//!
//! Made straight from the events of the YAML parser, in one pass: texts are borrowed from the file where they can be. Here
//! aliases and merge keys are resolved, repeated keys are refused, and the bounds below are kept; `scalar` says what a
//! word stands for (`8080` is a number, `"8080"` is text).

mod flaw;
mod grow;
mod scalar;

use std::borrow::Cow;

use cs_yaml::Marker;

pub(super) use flaw::Flaw;
pub(super) use grow::documents;

/// The lines of a document as places count them: YAML ends one with a line feed, a carriage return, or both (YAML 1.2, 5.4).
pub(crate) fn lines(text: &str) -> impl Iterator<Item = &str> {
    // What `lines` takes for one line has a carriage return only where no line feed follows.
    text.lines().flat_map(|line| line.split('\r'))
}

/// Where a node starts: line and column from 1, 0 when unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Place {
    pub(super) line: u32,
    pub(super) column: u32,
    /// In which of the files that a tree was put together from; 0 for a tree from one file.
    pub(super) file: u32,
}

impl From<Marker> for Place {
    fn from(marker: Marker) -> Self {
        let bounded = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        Self {
            line: bounded(marker.line()),
            column: bounded(marker.col().saturating_add(1)),
            file: 0,
        }
    }
}

/// A node and its place.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Node<'t> {
    pub(super) value: Value<'t>,
    pub(super) place: Place,
}

/// A member of a mapping.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Member<'t> {
    pub(super) key: Cow<'t, str>,
    pub(super) key_place: Place,
    pub(super) node: Node<'t>,
}

/// What a node holds.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value<'t> {
    Null,
    Bool(bool),
    Int(i64),
    /// A whole number beyond the largest `i64`.
    Large(u64),
    Float(f64),
    Text(Cow<'t, str>),
    /// `on`, `off`, `yes` or `no` without quotes: text for YAML 1.2, and hence here, but a boolean for YAML 1.1.
    Switch(Cow<'t, str>),
    /// Digits that begin with a 0: decimal for YAML 1.2, octal or text for YAML 1.1.
    Padded,
    List(Vec<Node<'t>>),
    Map(Vec<Member<'t>>),
}

impl<'t> Node<'t> {
    /// A member of a mapping, by its key.
    pub(super) fn get(&self, key: &str) -> Option<&Member<'t>> {
        match &self.value {
            Value::Map(members) => members.iter().find(|member| member.key == key),
            _ => None,
        }
    }

    /// The text of a member of a mapping.
    pub(super) fn text_of(&self, key: &str) -> Option<&str> {
        match &self.get(key)?.node.value {
            Value::Text(text) | Value::Switch(text) => Some(text),
            _ => None,
        }
    }

    /// The same tree, of a file with that number, and without a loan from its text.
    pub(super) fn into_owned(self, file: u32) -> Node<'static> {
        let moved = |place: Place| Place { file, ..place };
        let owned = |text: Cow<'t, str>| Cow::Owned(text.into_owned());
        let value = match self.value {
            Value::Null => Value::Null,
            Value::Bool(value) => Value::Bool(value),
            Value::Int(value) => Value::Int(value),
            Value::Large(value) => Value::Large(value),
            Value::Float(value) => Value::Float(value),
            Value::Padded => Value::Padded,
            Value::Text(text) => Value::Text(owned(text)),
            Value::Switch(text) => Value::Switch(owned(text)),
            Value::List(nodes) => {
                let nodes = nodes.into_iter();
                Value::List(nodes.map(|node| node.into_owned(file)).collect())
            }
            Value::Map(members) => {
                let members = members.into_iter().map(|member| Member {
                    key: owned(member.key),
                    key_place: moved(member.key_place),
                    node: member.node.into_owned(file),
                });
                Value::Map(members.collect())
            }
        };
        Node {
            value,
            place: moved(self.place),
        }
    }
}

#[cfg(test)]
mod tests;
