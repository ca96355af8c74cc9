//! A YAML document as a tree, with or without the place of every node.
//!
//! The library resolves scalars (`8080` is a number, `"8080"` is text), aliases and merge keys, refuses duplicate keys
//! and keeps to the bounds below. Places cost time, so files are read without them first; a second reading with places
//! follows only when there is something to report.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Spanned;

/// Where a node starts: line and column from 1, 0 when unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Place {
    pub(super) line: u64,
    pub(super) column: u64,
}

/// A node and its place.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Node {
    pub(super) value: Value,
    pub(super) place: Place,
}

/// A member of a mapping.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Member {
    pub(super) key: String,
    pub(super) key_place: Place,
    pub(super) node: Node,
}

/// What a node holds.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Null,
    Bool(bool),
    Int(i128),
    Float(f64),
    Text(String),
    List(Vec<Node>),
    Map(Vec<Member>),
}

impl Node {
    /// A member of a mapping, by its key.
    pub(super) fn get(&self, key: &str) -> Option<&Member> {
        match &self.value {
            Value::Map(members) => members.iter().find(|member| member.key == key),
            _ => None,
        }
    }
}

/// Reads every document of a text. Empty documents are left out.
///
/// # Errors
/// The text is no YAML, repeats a key, or goes beyond the bounds.
pub(super) fn documents(text: &str, with_places: bool) -> Result<Vec<Node>, serde_saphyr::Error> {
    fn read<const PLACES: bool>(text: &str) -> Result<Vec<Node>, serde_saphyr::Error> {
        let found: Vec<Read<PLACES>> = serde_saphyr::from_multiple_with_options(text, options())?;
        Ok(found.into_iter().map(|read| read.0).collect())
    }
    if with_places {
        read::<true>(text)
    } else {
        read::<false>(text)
    }
}

/// Bounds against files that would eat memory or stack. A file of 4 MiB has at most some 100,000 sensible nodes; specs
/// use aliases sparingly, if at all; the deepest path of a kind has seven steps.
fn options() -> serde_saphyr::Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: 32,
            max_nodes: 200_000,
            max_events: 500_000,
            max_documents: 10_000,
            max_aliases: 1_000,
            max_anchors: 1_000,
            max_recorded_anchor_events: 50_000,
            max_total_scalar_bytes: 16 * 1024 * 1024,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: 50_000,
            max_replay_stack_depth: 8,
        },
        duplicate_keys: serde_saphyr::options::DuplicateKeyPolicy::Error,
        strict_booleans: true,
        with_snippet: false,
    }
}

struct Read<const PLACES: bool>(Node);

impl<'de, const PLACES: bool> Deserialize<'de> for Read<PLACES> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (value, place) = located::<PLACES, Plain<PLACES>, D>(deserializer)?;
        Ok(Self(Node {
            value: value.0,
            place,
        }))
    }
}

struct Key<const PLACES: bool>(String, Place);

impl<'de, const PLACES: bool> Deserialize<'de> for Key<PLACES> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (text, place) = located::<PLACES, String, D>(deserializer)?;
        Ok(Self(text, place))
    }
}

/// Reads a value, and where it is referred to when places are wanted.
fn located<'de, const PLACES: bool, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<(T, Place), D::Error> {
    if !PLACES {
        return Ok((T::deserialize(deserializer)?, Place::default()));
    }
    let spanned = Spanned::<T>::deserialize(deserializer)?;
    let place = Place {
        line: spanned.referenced.line(),
        column: spanned.referenced.column(),
    };
    Ok((spanned.value, place))
}

struct Plain<const PLACES: bool>(Value);

impl<'de, const PLACES: bool> Deserialize<'de> for Plain<PLACES> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Grow::<PLACES>).map(Self)
    }
}

struct Grow<const PLACES: bool>;

impl<'de, const PLACES: bool> Visitor<'de> for Grow<PLACES> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a YAML value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Int(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Int(value.into()))
    }

    fn visit_i128<E>(self, value: i128) -> Result<Value, E> {
        Ok(Value::Int(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Float(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::Text(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::Text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let mut nodes = Vec::new();
        while let Some(Read(node)) = list.next_element::<Read<PLACES>>()? {
            nodes.push(node);
        }
        Ok(Value::List(nodes))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut members = Vec::new();
        while let Some((Key(key, key_place), Read(node))) =
            map.next_entry::<Key<PLACES>, Read<PLACES>>()?
        {
            members.push(Member {
                key,
                key_place,
                node,
            });
        }
        Ok(Value::Map(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_those_of_keys_and_scalars_counted_from_one() {
        let text = "a: 1\nb:\n  - x\n  - {c: \"2\"}\n---\nd: yes\n";
        let found = documents(text, true).unwrap();
        let b = found[0].get("b").unwrap();
        assert_eq!((b.key_place.line, b.key_place.column), (2, 1));
        let Value::List(items) = &b.node.value else {
            panic!("{b:?}")
        };
        assert_eq!((items[0].place.line, items[0].place.column), (3, 5));
        let c = items[1].get("c").unwrap();
        assert_eq!(c.node.value, Value::Text("2".to_owned()));
        assert_eq!((c.key_place.line, c.key_place.column), (4, 6));
        let d = found[1].get("d").unwrap();
        assert_eq!(d.node.value, Value::Text("yes".to_owned()));
        assert_eq!((d.key_place.line, d.key_place.column), (6, 1));
    }

    #[test]
    fn both_readings_give_the_same_values() {
        let text = "a: &x {b: [1, -2, 1.5, true, null, ~, '3', 0x10, 1e3, 007]}\nc: *x\nd: {<<: *x, e: |\n  t\n}\n";
        fn bare(mut node: Node) -> Node {
            node.place = Place::default();
            match &mut node.value {
                Value::List(items) => {
                    for item in items {
                        *item = bare(item.clone());
                    }
                }
                Value::Map(members) => {
                    for member in members {
                        member.key_place = Place::default();
                        member.node = bare(member.node.clone());
                    }
                }
                _ => {}
            }
            node
        }
        let text = text.replace(
            "d: {<<: *x, e: |\n  t\n}\n",
            "d:\n  <<: *x\n  e: |\n    t\n",
        );
        let with: Vec<Node> = documents(&text, true)
            .unwrap()
            .into_iter()
            .map(bare)
            .collect();
        assert_eq!(with, documents(&text, false).unwrap());
    }

    #[test]
    fn an_alias_bomb_is_refused() {
        let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
        for i in 1..12 {
            let refs = vec![format!("*a{}", i - 1); 10].join(", ");
            bomb.push_str(&format!("a{i}: &a{i} [{refs}]\n"));
        }
        assert!(documents(&bomb, false).is_err());
    }

    #[test]
    fn deep_nesting_is_refused() {
        let deep = format!("a: {}{}", "[".repeat(5_000), "]".repeat(5_000));
        assert!(documents(&deep, false).is_err());
    }
}
