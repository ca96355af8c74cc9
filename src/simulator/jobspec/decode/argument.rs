//! Values of arguments, made to fit what the table says.

use hcl::edit::expr::Expression;
use serde_json::{Map, Value, json};

use super::Decoder;
use crate::simulator::jobspec::convert::{self, Numeric};
use crate::simulator::jobspec::evaluate::{self, Scope, TEMPLATE_VALUE, place, start_place};
use crate::simulator::jobspec::problem::Problem;
use crate::simulator::jobspec::schema::{AFFINITY, CONSTRAINT};
use crate::simulator::jobspec::schema::{Argument, Block, Kind};
use crate::simulator::world::time::parse_go;

/// The summary of most problems with values.
pub(super) const UNSUITABLE: &str = "Unsuitable value type";

impl Decoder {
    /// The value of an argument; nothing when it does not count or does not fit.
    pub(super) fn typed(
        &mut self,
        expression: &Expression,
        argument: &Argument,
        block: &'static Block,
        scope: &Scope<'_>,
    ) -> Option<Value> {
        let value = self.evaluated(expression, scope)?;
        if value.is_null() && argument.nullable {
            return None;
        }
        let source = scope.source();
        let converted = match (argument.kind, value) {
            (Kind::Span, Value::Null) => {
                let at = start_place(expression, scope);
                let detail = "Unsuitable duration value: nil";
                self.problems
                    .push(source.problem(at, "Unsuitable value", detail));
                return None;
            }
            (Kind::Span, value) => span(&value),
            (_, Value::Null) => Err("null value is not allowed".to_owned()),
            (kind, value) => converted(kind, &value),
        };
        match converted {
            Ok(value) => Some(value),
            Err(error) => {
                self.problems
                    .push(unsuitable(expression, argument, block, scope, &error));
                None
            }
        }
    }

    /// The value of an expression. A failure is noted, and that it left the argument without a value.
    pub(super) fn evaluated(
        &mut self,
        expression: &Expression,
        scope: &Scope<'_>,
    ) -> Option<Value> {
        match evaluate::value(expression, scope) {
            Ok(value) => Some(value),
            Err(problem) => {
                let known = problem.summary == TEMPLATE_VALUE;
                self.problems.push(problem);
                if !known {
                    let at = start_place(expression, scope);
                    let detail = "Unsuitable value: value must be known";
                    self.problems
                        .push(scope.source().problem(at, UNSUITABLE, detail));
                }
                None
            }
        }
    }

    /// Texts under keys, written as an argument: `env = { … }`.
    pub(super) fn mapping(&mut self, expression: &Expression, scope: &Scope<'_>) -> Option<Value> {
        let value = self.evaluated(expression, scope)?;
        match converted(Kind::Labels, &value) {
            Ok(value) => Some(value),
            Err(error) => {
                let at = start_place(expression, scope);
                let detail = format!("Unsuitable value: {error}");
                self.problems
                    .push(scope.source().problem(at, UNSUITABLE, detail));
                None
            }
        }
    }
}

/// Nomad reads constraints and affinities with another part of HCL, which says it otherwise.
fn unsuitable(
    expression: &Expression,
    argument: &Argument,
    block: &'static Block,
    scope: &Scope<'_>,
    error: &str,
) -> Problem {
    let source = scope.source();
    if std::ptr::eq(block, &raw const CONSTRAINT) || std::ptr::eq(block, &raw const AFFINITY) {
        let name = argument.name;
        let detail = format!("Inappropriate value for attribute {name:?}: {error}.");
        return source.problem(place(expression), "Incorrect attribute value type", detail);
    }
    // A sentence of its own.
    let detail = match error.strip_prefix("duration: ") {
        Some(error) => format!("Unsuitable duration value: {error}"),
        None => format!("Unsuitable value: {error}"),
    };
    source.problem(start_place(expression, scope), UNSUITABLE, detail)
}

fn converted(kind: Kind, value: &Value) -> Result<Value, String> {
    match kind {
        Kind::Text => convert::text(value).map(Value::String),
        Kind::Flag => convert::flag(value).map(Value::Bool),
        Kind::Whole => whole(value, i64::MIN.into(), i64::MAX.into()),
        // Nomad reads it as a larger number and keeps the last eight bits.
        Kind::Small => whole(value, -128, 127),
        Kind::Byte => whole(value, 0, u8::MAX.into()),
        Kind::Port => whole(value, 0, u16::MAX.into()),
        Kind::Count => whole(value, 0, u64::MAX.into()),
        Kind::Span => span(value),
        Kind::Texts => each(value, "string", |item| {
            convert::text(item).map(Value::String)
        }),
        Kind::Ports => each(value, "number", |item| whole(item, 0, u16::MAX.into())),
        Kind::Labels => labels(value),
    }
}

fn whole(value: &Value, least: i128, most: i128) -> Result<Value, String> {
    match convert::number(value)? {
        Numeric::Whole(whole) if (least..=most).contains(&whole) => {
            Ok(Numeric::Whole(whole).value())
        }
        _ if least == 0 => Err(format!(
            "value must be a whole number, between 0 and {most} inclusive"
        )),
        _ => Err(format!(
            "value must be a whole number, between {least} and {most}"
        )),
    }
}

/// Nanoseconds.
fn span(value: &Value) -> Result<Value, String> {
    match value {
        Value::String(text) => match parse_go(text) {
            Some(nanos) => Ok(json!(nanos)),
            None => Err(format!("duration: time: {}", what_is_no_duration(text))),
        },
        Value::Number(_) => whole(value, i64::MIN.into(), i64::MAX.into()),
        other => Err(format!(
            "expected a string but found {}",
            convert::kind(other)
        )),
    }
}

/// In the words of Go's `time.ParseDuration`.
fn what_is_no_duration(text: &str) -> String {
    let is_digit = |c: char| c.is_ascii_digit() || c == '.';
    let mut rest = text.trim_start_matches(['-', '+']);
    while rest.starts_with(is_digit) {
        rest = rest.trim_start_matches(is_digit);
        let unit = &rest[..rest.find(is_digit).unwrap_or(rest.len())];
        if unit.is_empty() {
            return format!("missing unit in duration {text:?}");
        }
        if !["ns", "us", "µs", "μs", "ms", "s", "m", "h"].contains(&unit) {
            return format!("unknown unit {unit:?} in duration {text:?}");
        }
        rest = &rest[unit.len()..];
    }
    format!("invalid duration {text:?}")
}

fn each(
    value: &Value,
    kind: &str,
    convert: impl Fn(&Value) -> Result<Value, String>,
) -> Result<Value, String> {
    let items = match value {
        Value::Array(items) => items,
        Value::Object(_) => return Err(format!("list of {kind} required")),
        other => {
            return Err(format!(
                "list of {kind} required, but have {}",
                convert::kind(other)
            ));
        }
    };
    let converted = items.iter().map(|item| match item {
        Value::Null => Err("null value is not allowed".to_owned()),
        item => convert(item),
    });
    converted.collect::<Result<_, _>>().map(Value::Array)
}

pub(super) fn texts(value: &Value) -> Result<Value, String> {
    converted(Kind::Texts, value)
}

pub(super) fn label(value: &Value) -> Result<Value, String> {
    match value {
        Value::Null => Err("null value is not allowed".to_owned()),
        value => convert::text(value).map(Value::String),
    }
}

fn labels(value: &Value) -> Result<Value, String> {
    match value {
        Value::Object(members) => members
            .iter()
            .map(|(key, value)| Ok((key.clone(), label(value)?)))
            .collect::<Result<Map<_, _>, _>>()
            .map(Value::Object),
        Value::Null => Err("null value is not allowed".to_owned()),
        Value::Array(_) => Err("map of string required".to_owned()),
        other => Err(format!(
            "map of string required, but have {}",
            convert::kind(other)
        )),
    }
}
