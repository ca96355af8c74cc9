//! Types that a variable can be declared to have, and what they make of a value.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use hcl::edit::Span as _;
use hcl::edit::expr::{Expression, FuncCall, ObjectKey};
use serde_json::{Map, Value};

use super::convert;
use super::problem::{Problem, Source};

/// A type of the language.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Type {
    Text,
    Number,
    Flag,
    List(Box<Type>),
    /// A list in order and without repeats.
    Set(Box<Type>),
    Map(Box<Type>),
    Tuple(Vec<Type>),
    Object(BTreeMap<String, Type>),
}

const WRONG: &str = "Invalid type specification";

impl Type {
    /// Reads e.g. `list(string)`.
    ///
    /// # Errors
    /// What Nomad says about a type that is none.
    pub(super) fn read(expression: &Expression, source: Source<'_>) -> Result<Self, Problem> {
        let place = || expression.span().unwrap_or_default();
        let wrong = |detail: String| Err(source.problem(place(), WRONG, detail));
        match expression {
            Expression::Variable(name) => match name.as_str() {
                "string" => Ok(Self::Text),
                "number" => Ok(Self::Number),
                "bool" => Ok(Self::Flag),
                "any" => wrong(
                    "The keyword \"any\" cannot be used in this type specification: an exact type is required."
                        .to_owned(),
                ),
                name @ ("list" | "set" | "map") => wrong(format!(
                    "The {name} type constructor requires one argument specifying the element type."
                )),
                name => wrong(format!(
                    "The keyword {name:?} is not a valid type specification."
                )),
            },
            Expression::FuncCall(call) => Self::constructed(call, source, place()),
            _ => wrong(
                "A type specification is either a primitive type keyword (bool, number, string) or a complex type constructor call, like list(string)."
                    .to_owned(),
            ),
        }
    }

    fn constructed(
        call: &FuncCall,
        source: Source<'_>,
        place: std::ops::Range<usize>,
    ) -> Result<Self, Problem> {
        let wrong = |detail: String| Err(source.problem(place.clone(), WRONG, detail));
        let name = call.name.name.as_str();
        let mut arguments = call.args.iter();
        let only = arguments.next().filter(|_| call.args.len() == 1);
        match (name, only) {
            ("list", Some(inner)) => Ok(Self::List(Box::new(Self::read(inner, source)?))),
            ("set", Some(inner)) => Ok(Self::Set(Box::new(Self::read(inner, source)?))),
            ("map", Some(inner)) => Ok(Self::Map(Box::new(Self::read(inner, source)?))),
            ("tuple", Some(Expression::Array(items))) => items
                .iter()
                .map(|item| Self::read(item, source))
                .collect::<Result<_, _>>()
                .map(Self::Tuple),
            ("object", Some(Expression::Object(members))) => {
                let mut types = BTreeMap::new();
                for (key, value) in members.iter() {
                    types.insert(key_text(key), Self::read(value.expr(), source)?);
                }
                Ok(Self::Object(types))
            }
            ("list" | "set" | "map", _) => wrong(format!(
                "The {name} type constructor requires one argument specifying the element type."
            )),
            ("object", _) => wrong(
                "The object type constructor requires one argument specifying the attribute types and values as a map."
                    .to_owned(),
            ),
            ("tuple", _) => wrong(
                "The tuple type constructor requires one argument specifying the element types as a list."
                    .to_owned(),
            ),
            ("string" | "number" | "bool", _) => wrong(format!(
                "Primitive type keyword {name:?} does not expect arguments."
            )),
            _ => wrong(format!("Keyword {name:?} is not a valid type constructor.")),
        }
    }

    /// Makes a value of this type.
    ///
    /// # Errors
    /// A sentence that tells what is required.
    pub(super) fn convert(&self, value: Value) -> Result<Value, String> {
        if value.is_null() {
            return Ok(value);
        }
        match (self, value) {
            (Self::Text, value) => convert::text(&value).map(Value::String),
            (Self::Number, value) => convert::number(&value).map(convert::Numeric::value),
            (Self::Flag, value) => convert::flag(&value).map(Value::Bool),
            (Self::List(inner), Value::Array(items)) => inner.convert_all(items).map(Value::Array),
            (Self::Set(inner), Value::Array(items)) => inner
                .convert_all(items)
                .map(|items| Value::Array(as_set(items))),
            (Self::Map(inner), Value::Object(members)) => members
                .into_iter()
                .map(|(key, value)| Ok((key, inner.convert(value)?)))
                .collect::<Result<Map<_, _>, _>>()
                .map(Value::Object),
            (Self::Tuple(types), Value::Array(items)) if types.len() == items.len() => types
                .iter()
                .zip(items)
                .map(|(inner, item)| inner.convert(item))
                .collect::<Result<_, _>>()
                .map(Value::Array),
            (Self::Object(types), Value::Object(members)) => convert_object(types, members),
            (wanted, Value::Array(_) | Value::Object(_)) => {
                Err(format!("{} required", wanted.name()))
            }
            (wanted, value) => Err(format!(
                "{} required, but have {}",
                wanted.name(),
                convert::kind(&value)
            )),
        }
    }

    fn convert_all(&self, items: Vec<Value>) -> Result<Vec<Value>, String> {
        items.into_iter().map(|item| self.convert(item)).collect()
    }

    /// As messages name it, e.g. `list of string`.
    fn name(&self) -> String {
        match self {
            Self::Text => "string".to_owned(),
            Self::Number => "number".to_owned(),
            Self::Flag => "bool".to_owned(),
            Self::List(inner) => format!("list of {}", inner.name()),
            Self::Set(inner) => format!("set of {}", inner.name()),
            Self::Map(inner) => format!("map of {}", inner.name()),
            Self::Tuple(_) => "tuple".to_owned(),
            Self::Object(_) => "object".to_owned(),
        }
    }
}

/// What is not in the type goes away, what is missing is an error.
fn convert_object(
    types: &BTreeMap<String, Type>,
    mut members: Map<String, Value>,
) -> Result<Value, String> {
    let mut converted = Map::new();
    for (name, inner) in types {
        let Some(value) = members.remove(name) else {
            return Err(format!("attribute {name:?} is required"));
        };
        converted.insert(name.clone(), inner.convert(value)?);
    }
    Ok(Value::Object(converted))
}

/// In order and without repeats.
pub(super) fn as_set(mut items: Vec<Value>) -> Vec<Value> {
    items.sort_by(order);
    items.dedup();
    items
}

fn order(a: &Value, b: &Value) -> Ordering {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => {
            let (a, b) = (convert::numeric(a), convert::numeric(b));
            a.as_f64().total_cmp(&b.as_f64())
        }
        (Value::String(a), Value::String(b)) => a.cmp(b),
        _ => a.to_string().cmp(&b.to_string()),
    }
}

/// A key as it is written.
pub(super) fn key_text(key: &ObjectKey) -> String {
    match key {
        ObjectKey::Ident(ident) => ident.as_str().to_owned(),
        ObjectKey::Expression(Expression::String(text)) => text.value().clone(),
        ObjectKey::Expression(other) => other.to_string(),
    }
}
