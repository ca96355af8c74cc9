//! Types of HCL variables, as far as they can be checked without evaluating anything.

use std::collections::BTreeMap;

use hcl::edit::expr::{Expression, ObjectKey};
use serde_json::Value;

use super::literal::literal;

/// The type constraint of a variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Type {
    Text,
    Number,
    Bool,
    /// `list` and `set`.
    List(Box<Type>),
    Map(Box<Type>),
    Object(BTreeMap<String, Type>),
    Tuple(Vec<Type>),
    /// Anything that is not understood here. Never a reason for a finding.
    Unknown,
}

impl Type {
    /// Reads `string`, `list(number)`, `object({…})` and the like.
    pub(super) fn of(expression: &Expression) -> Self {
        match expression {
            Expression::Variable(name) => match name.as_str() {
                "string" => Self::Text,
                "number" => Self::Number,
                "bool" => Self::Bool,
                _ => Self::Unknown,
            },
            Expression::FuncCall(call) => {
                let argument = call.args.iter().next();
                match (call.name.name.as_str(), argument) {
                    ("list" | "set", Some(of)) => Self::List(Box::new(Self::of(of))),
                    ("map", Some(of)) => Self::Map(Box::new(Self::of(of))),
                    ("object", Some(Expression::Object(members))) => Self::object(members),
                    ("tuple", Some(Expression::Array(types))) => {
                        Self::Tuple(types.iter().map(Self::of).collect())
                    }
                    _ => Self::Unknown,
                }
            }
            Expression::Parenthesis(inner) => Self::of(inner.inner()),
            _ => Self::Unknown,
        }
    }

    fn object(members: &hcl::edit::expr::Object) -> Self {
        let member = |(key, value): (&ObjectKey, &hcl::edit::expr::ObjectValue)| {
            let name = match key {
                ObjectKey::Ident(name) => name.as_str().to_owned(),
                ObjectKey::Expression(key) => literal(key)?.as_str()?.to_owned(),
            };
            Some((name, Self::of(value.expr())))
        };
        let read: Option<BTreeMap<String, Self>> = members.iter().map(member).collect();
        read.map_or(Self::Unknown, Self::Object)
    }

    /// The type of a default value, for a variable that declares none.
    pub(super) fn of_value(value: &Value) -> Self {
        match value {
            Value::String(_) => Self::Text,
            Value::Number(_) => Self::Number,
            Value::Bool(_) => Self::Bool,
            Value::Null | Value::Array(_) | Value::Object(_) => Self::Unknown,
        }
    }

    /// In words.
    fn name(&self) -> &'static str {
        match self {
            Self::Text => "a text",
            Self::Number => "a number",
            Self::Bool => "`true` or `false`",
            Self::List(_) | Self::Tuple(_) => "a list",
            Self::Map(_) | Self::Object(_) => "a mapping",
            Self::Unknown => "a value",
        }
    }

    /// What was expected instead, if the value cannot become one of this type. Nomad converts texts that look like a
    /// number or a boolean, and numbers and booleans to texts; `null` fits everywhere.
    pub(super) fn misfit(&self, value: &Value) -> Option<String> {
        match (self, value) {
            (Self::Unknown, _) | (_, Value::Null) => None,
            (Self::Text, Value::String(_) | Value::Number(_) | Value::Bool(_)) => None,
            (Self::Number, Value::Number(_)) | (Self::Bool, Value::Bool(_)) => None,
            (Self::Number, Value::String(text)) if is_number(text) => None,
            (Self::Bool, Value::String(text))
                if matches!(text.as_str(), "true" | "false" | "1" | "0") =>
            {
                None
            }
            (Self::List(of), Value::Array(values)) => values
                .iter()
                .find_map(|value| of.misfit(value))
                .map(|inner| format!("a list with {inner} for each entry")),
            (Self::Map(of), Value::Object(members)) => members
                .values()
                .find_map(|value| of.misfit(value))
                .map(|inner| format!("a mapping with {inner} for each key")),
            (Self::Object(types), Value::Object(members)) => {
                types.iter().find_map(|(name, of)| match members.get(name) {
                    None => Some(format!("a mapping with the key `{name}`")),
                    Some(value) => of
                        .misfit(value)
                        .map(|inner| format!("{inner} under the key `{name}`")),
                })
            }
            (Self::Tuple(types), Value::Array(values)) => {
                if types.len() == values.len() {
                    let mut pairs = types.iter().zip(values);
                    pairs.find_map(|(of, value)| of.misfit(value))
                } else {
                    Some(format!("a list of {} entries", types.len()))
                }
            }
            _ => Some(self.name().to_owned()),
        }
    }
}

/// Source: cty, conversion of strings to numbers: decimal, with or without an exponent.
fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') && text.parse::<f64>().is_ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(text: &str) -> Type {
        Type::of(&text.parse().unwrap())
    }

    #[test]
    fn a_value_that_nomad_would_convert_fits() {
        for (ty, value) in [
            ("string", json!("x")),
            ("string", json!(5)),
            ("string", json!(true)),
            ("number", json!("-1.5e3")),
            ("bool", json!("true")),
            ("bool", json!("0")),
            ("list(string)", json!(["a", 1])),
            ("set(number)", json!([])),
            ("map(string)", json!({"a": 1})),
            (
                "object({a = number, b = list(string)})",
                json!({"a": 1, "b": [], "c": 0}),
            ),
            ("tuple([string, number])", json!(["a", 1])),
            ("any", json!({"a": []})),
            ("list(any)", json!([1, "a"])),
            ("number", json!(null)),
        ] {
            assert_eq!(of(ty).misfit(&value), None, "{ty} {value}");
        }
    }

    #[test]
    fn a_value_that_cannot_be_converted_is_told_what_was_expected() {
        for (ty, value, expected) in [
            ("string", json!([]), "a text"),
            ("number", json!("x"), "a number"),
            ("number", json!("inf"), "a number"),
            ("number", json!(true), "a number"),
            ("bool", json!("yes"), "`true` or `false`"),
            ("bool", json!(1), "`true` or `false`"),
            ("list(string)", json!("a"), "a list"),
            (
                "list(number)",
                json!([1, "x"]),
                "a list with a number for each entry",
            ),
            (
                "map(bool)",
                json!({"a": "b"}),
                "a mapping with `true` or `false` for each key",
            ),
            (
                "object({a = number})",
                json!({}),
                "a mapping with the key `a`",
            ),
            (
                "object({a = number})",
                json!({"a": []}),
                "a number under the key `a`",
            ),
            ("tuple([string])", json!([]), "a list of 1 entries"),
        ] {
            assert_eq!(
                of(ty).misfit(&value).as_deref(),
                Some(expected),
                "{ty} {value}"
            );
        }
    }
}
