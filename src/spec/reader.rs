//! Reads a kind out of a document's tree with serde, and finds all that does not fit in one go.
//!
//! Serde stops at the first error. So the reader notes the place of that error, reads the document again as if the
//! broken node were not there, and so on until the rest can be read or the top itself is broken. Unknown members are
//! noted on the way without stopping at all. Documents without errors are read once.
//!
//! A member with the value `null` counts as absent, as in Kubernetes: `env:` with all its lines commented out is no env.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt;

use serde::de::value::StrDeserializer;
use serde::de::{
    self, DeserializeOwned, DeserializeSeed, Deserializer, Expected, IntoDeserializer, MapAccess,
    SeqAccess, Unexpected, Visitor,
};

use super::path;
use super::tree::{Member, Node, Place, Value};

/// More findings than anybody reads; each costs another reading of the document.
const MOST_FINDINGS: usize = 50;

/// Something in a document that does not fit the kind.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Finding {
    pub(super) path: String,
    pub(super) place: Place,
    pub(super) fault: Fault,
}

/// What does not fit. Values are not kept, only what sort of thing they are.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Fault {
    UnknownField {
        field: String,
        known: &'static [&'static str],
    },
    MissingField(&'static str),
    UnknownValue {
        /// The known one that was probably meant.
        meant: Option<&'static str>,
        known: &'static [&'static str],
    },
    WrongType {
        found: Found,
        expected: String,
    },
    /// A text that some type refused, in that type's words.
    WrongValue(String),
    /// A word without quotes that is text here and a boolean for other readers of YAML.
    Switch,
    /// Digits that begin with a 0, which readers of YAML do not agree on.
    Padded,
}

/// Sort of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    Nothing,
    Bool,
    Number,
    Text,
    List,
    Map,
}

/// Reads one kind.
///
/// # Errors
/// Everything that does not fit, in the order of the document.
pub(super) fn read<T: DeserializeOwned>(root: &Node<'_>) -> Result<T, Vec<Finding>> {
    let mut broken = BTreeSet::new();
    let mut findings: Vec<Finding> = Vec::new();
    loop {
        let state = State {
            broken: &broken,
            noted: RefCell::default(),
        };
        let result = T::deserialize(Reader {
            node: root,
            place: root.place,
            at: Trail::TOP,
            state: &state,
        });
        for finding in state.noted.into_inner() {
            if !findings.contains(&finding) {
                findings.push(finding);
            }
        }
        match result {
            Ok(value) if findings.is_empty() => return Ok(value),
            Ok(_) => break,
            Err(Broken { at, fault }) => {
                let (path, place) = at.unwrap_or_default();
                let follows_from_another = matches!(&fault, Fault::MissingField(field)
                    if broken.contains(&path::member(&path, field)));
                if !follows_from_another {
                    findings.push(Finding {
                        path: path.clone(),
                        place,
                        fault,
                    });
                }
                let is_top = path.is_empty();
                if is_top || findings.len() >= MOST_FINDINGS || !broken.insert(path) {
                    break;
                }
            }
        }
    }
    findings.sort_by_key(|finding| (finding.place.file, finding.place.line, finding.place.column));
    Err(findings)
}

struct State<'s> {
    /// Paths of nodes that are read as if they were not there.
    broken: &'s BTreeSet<String>,
    /// What is wrong, but does not keep the rest from being read.
    noted: RefCell<Vec<Finding>>,
}

impl State<'_> {
    fn note(&self, at: &Trail<'_>, place: Place, fault: Fault) {
        let mut noted = self.noted.borrow_mut();
        if noted.len() < MOST_FINDINGS {
            noted.push(Finding {
                path: at.path(),
                place,
                fault,
            });
        }
    }
}

/// The way from the top to a node, kept on the stack: paths are written out only when something is wrong.
#[derive(Clone, Copy)]
struct Trail<'t> {
    up: Option<&'t Trail<'t>>,
    step: Step<'t>,
}

#[derive(Clone, Copy)]
enum Step<'t> {
    Top,
    Member(&'t str),
    Element(usize),
}

impl<'t> Trail<'t> {
    const TOP: Self = Self {
        up: None,
        step: Step::Top,
    };

    fn to(&'t self, step: Step<'t>) -> Self {
        Self {
            up: Some(self),
            step,
        }
    }

    fn path(&self) -> String {
        let above = self.up.map(Trail::path).unwrap_or_default();
        match self.step {
            Step::Top => above,
            Step::Member(key) => path::member(&above, key),
            Step::Element(index) => path::element(&above, index),
        }
    }
}

/// The error that serde passes up; the innermost node puts its place on it.
#[derive(Debug)]
struct Broken {
    at: Option<(String, Place)>,
    fault: Fault,
}

impl Broken {
    fn at(mut self, trail: &Trail<'_>, place: Place) -> Self {
        self.at.get_or_insert_with(|| (trail.path(), place));
        self
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.fault)
    }
}

impl std::error::Error for Broken {}

impl From<Fault> for Broken {
    fn from(fault: Fault) -> Self {
        Self { at: None, fault }
    }
}

impl de::Error for Broken {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Fault::WrongValue(message.to_string()).into()
    }

    fn invalid_type(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Fault::WrongType {
            found: Found::of(unexpected),
            expected: expected.to_string(),
        }
        .into()
    }

    fn invalid_value(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::invalid_type(unexpected, expected)
    }

    fn unknown_variant(variant: &str, known: &'static [&'static str]) -> Self {
        Fault::UnknownValue {
            meant: super::suggest::closest(variant, known.iter().copied()),
            known,
        }
        .into()
    }

    fn unknown_field(field: &str, known: &'static [&'static str]) -> Self {
        Fault::UnknownField {
            field: field.to_owned(),
            known,
        }
        .into()
    }

    fn missing_field(field: &'static str) -> Self {
        Fault::MissingField(field).into()
    }
}

impl Found {
    fn of(unexpected: Unexpected<'_>) -> Self {
        match unexpected {
            Unexpected::Bool(_) => Self::Bool,
            Unexpected::Unsigned(_) | Unexpected::Signed(_) | Unexpected::Float(_) => Self::Number,
            Unexpected::Seq => Self::List,
            Unexpected::Map | Unexpected::StructVariant | Unexpected::NewtypeStruct => Self::Map,
            Unexpected::Unit | Unexpected::Option => Self::Nothing,
            _ => Self::Text,
        }
    }
}

#[derive(Clone, Copy)]
struct Reader<'n, 't> {
    node: &'n Node<'n>,
    /// Of the node; for lists and mappings that are members, of their key.
    place: Place,
    at: Trail<'t>,
    state: &'t State<'t>,
}

impl<'n> Reader<'n, '_> {
    fn visit<V: Visitor<'n>>(
        self,
        visitor: V,
        known: Option<&'static [&'static str]>,
    ) -> Result<V::Value, Broken> {
        let result = match &self.node.value {
            Value::Null => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(*value),
            Value::Int(value) => match u64::try_from(*value) {
                Ok(value) => visitor.visit_u64(value),
                Err(_) => visitor.visit_i64(*value),
            },
            Value::Large(value) => visitor.visit_u64(*value),
            Value::Float(value) => visitor.visit_f64(*value),
            Value::Text(text) => visitor.visit_borrowed_str(text),
            Value::Switch(text) => {
                let taken = visitor.visit_borrowed_str(text);
                if taken.is_ok() {
                    self.state.note(&self.at, self.place, Fault::Switch);
                }
                taken
            }
            Value::Padded => Err(Fault::Padded.into()),
            Value::List(nodes) => visitor.visit_seq(Elements {
                reader: self,
                nodes,
                index: 0,
            }),
            Value::Map(members) => visitor.visit_map(Members {
                reader: self,
                members,
                known,
                current: None,
            }),
        };
        result.map_err(|broken| broken.at(&self.at, self.place))
    }

    fn is_broken(&self, trail: &Trail<'_>) -> bool {
        !self.state.broken.is_empty() && self.state.broken.contains(&trail.path())
    }
}

impl<'n> Deserializer<'n> for Reader<'n, '_> {
    type Error = Broken;

    fn deserialize_any<V: Visitor<'n>>(self, visitor: V) -> Result<V::Value, Broken> {
        self.visit(visitor, None)
    }

    fn deserialize_option<V: Visitor<'n>>(self, visitor: V) -> Result<V::Value, Broken> {
        match self.node.value {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_struct<V: Visitor<'n>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Broken> {
        // Derived structs also accept a list of their fields in order; nobody means that in YAML.
        if matches!(self.node.value, Value::List(_)) {
            let broken: Broken = de::Error::invalid_type(Unexpected::Seq, &"a mapping");
            return Err(broken.at(&self.at, self.place));
        }
        self.visit(visitor, Some(fields))
    }

    fn deserialize_enum<V: Visitor<'n>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Broken> {
        let result = match &self.node.value {
            Value::Text(text) | Value::Switch(text) => {
                let text: StrDeserializer<'_, Broken> = (&**text).into_deserializer();
                visitor.visit_enum(text)
            }
            other => Err(de::Error::invalid_type(unexpected(other), &"text")),
        };
        result.map_err(|broken| broken.at(&self.at, self.place))
    }

    fn deserialize_ignored_any<V: Visitor<'n>>(self, visitor: V) -> Result<V::Value, Broken> {
        visitor.visit_unit()
    }

    serde::forward_to_deserialize_any! {
        <V: Visitor<'n>>
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct
        newtype_struct seq tuple tuple_struct map identifier
    }
}

fn unexpected<'v>(value: &'v Value<'_>) -> Unexpected<'v> {
    match value {
        Value::Null => Unexpected::Unit,
        Value::Bool(value) => Unexpected::Bool(*value),
        Value::Int(_) | Value::Large(_) | Value::Padded => Unexpected::Signed(0),
        Value::Float(value) => Unexpected::Float(*value),
        Value::Text(text) | Value::Switch(text) => Unexpected::Str(text),
        Value::List(_) => Unexpected::Seq,
        Value::Map(_) => Unexpected::Map,
    }
}

struct Elements<'n, 't> {
    reader: Reader<'n, 't>,
    nodes: &'n [Node<'n>],
    index: usize,
}

impl<'n> SeqAccess<'n> for Elements<'n, '_> {
    type Error = Broken;

    fn next_element_seed<T: DeserializeSeed<'n>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Broken> {
        while let Some(node) = self.nodes.get(self.index) {
            let at = self.reader.at.to(Step::Element(self.index));
            self.index += 1;
            if self.reader.is_broken(&at) {
                continue;
            }
            let element = Reader {
                node,
                place: node.place,
                at,
                state: self.reader.state,
            };
            return seed
                .deserialize(element)
                .map(Some)
                .map_err(|broken| broken.at(&at, node.place));
        }
        Ok(None)
    }
}

struct Members<'n, 't> {
    reader: Reader<'n, 't>,
    members: &'n [Member<'n>],
    /// Fields of the struct that is read; `None` for a free mapping.
    known: Option<&'static [&'static str]>,
    current: Option<&'n Member<'n>>,
}

impl Members<'_, '_> {
    /// Whether a member of a struct is passed over: `null`, or unknown, which is noted.
    fn passed_over(&self, member: &Member<'_>, at: &Trail<'_>) -> bool {
        let Some(known) = self.known else {
            return false;
        };
        if !known.contains(&&*member.key) {
            let fault = Fault::UnknownField {
                field: member.key.clone().into_owned(),
                known,
            };
            self.reader.state.note(at, member.key_place, fault);
            return true;
        }
        member.node.value == Value::Null
    }
}

impl<'n> MapAccess<'n> for Members<'n, '_> {
    type Error = Broken;

    fn next_key_seed<K: DeserializeSeed<'n>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Broken> {
        while let Some((member, rest)) = self.members.split_first() {
            self.members = rest;
            let at = self.reader.at.to(Step::Member(&member.key));
            if self.reader.is_broken(&at) || self.passed_over(member, &at) {
                continue;
            }
            self.current = Some(member);
            let key: StrDeserializer<'_, Broken> = (&*member.key).into_deserializer();
            return seed
                .deserialize(key)
                .map(Some)
                .map_err(|broken| broken.at(&at, member.key_place));
        }
        Ok(None)
    }

    fn next_value_seed<V: DeserializeSeed<'n>>(&mut self, seed: V) -> Result<V::Value, Broken> {
        let member = self
            .current
            .take()
            .expect("serde asks for a value only after its key");
        let at = self.reader.at.to(Step::Member(&member.key));
        let place = place_of(member);
        let value = seed.deserialize(Reader {
            node: &member.node,
            place,
            at,
            state: self.reader.state,
        });
        // A type that reads a text and then refuses it does not know where it stands.
        value.map_err(|broken| broken.at(&at, place))
    }
}

/// Where a member is shown: at its value when that is a scalar, else at its key, which an editor would underline.
pub(super) fn place_of(member: &Member<'_>) -> Place {
    match member.node.value {
        Value::List(_) | Value::Map(_) | Value::Null => member.key_place,
        _ => member.node.place,
    }
}
