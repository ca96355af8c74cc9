//! References: `var.x`, `local.list[0].name`, `each.value[*].port`.

use std::borrow::Cow;
use std::ops::Range;

use hcl::edit::Span as _;
use hcl::edit::expr::{Expression, Traversal, TraversalOperator};
use serde_json::Value;

use super::{Scope, place};
use crate::simulator::jobspec::convert;
use crate::simulator::jobspec::problem::{Problem, Source};

/// A name, or a name with steps behind it.
pub(super) fn value(expression: &Expression, scope: &Scope<'_>) -> Result<Value, Problem> {
    let (root, steps): (&Expression, &[_]) = match expression {
        Expression::Traversal(traversal) => {
            let Traversal {
                expr, operators, ..
            } = traversal.as_ref();
            (expr, operators)
        }
        other => (other, &[]),
    };
    let start = match root {
        Expression::Variable(name) => match scope.get(name.as_str()) {
            Some(value) => Cow::Borrowed(value),
            None if scope.keeps_unknown() => {
                return Ok(as_written(scope.source().text, place(expression)).into());
            }
            None => return Err(not_allowed(scope, expression, name.as_str())),
        },
        other => Cow::Owned(super::value(other, scope)?),
    };
    let operators = steps.iter().map(|step| (step.value(), step.span()));
    let steps: Vec<Step<'_>> = operators
        .map(|(operator, at)| Step {
            operator,
            at: at.unwrap_or_else(|| place(expression)),
        })
        .collect();
    walk(start, &steps, scope).map(Cow::into_owned)
}

struct Step<'a> {
    operator: &'a TraversalOperator,
    at: Range<usize>,
}

fn not_allowed(scope: &Scope<'_>, expression: &Expression, name: &str) -> Problem {
    let source = scope.source();
    if scope.is_constant() {
        return source.problem(
            place(expression),
            "Variables not allowed",
            "Variables may not be used here.",
        );
    }
    let detail = format!("There is no variable named {name:?}.");
    source.problem(place(expression), "Unknown variable", detail)
}

/// A reference as Nomad passes it on: with what stands around it up to `${`, or put between `${` and `}`.
///
/// Source: `jobspec2.EvalContext`, whose way of finding the closing brace is kept, oddities included.
fn as_written(body: &str, reference: Range<usize>) -> String {
    let written = body.get(reference.clone()).unwrap_or_default();
    let before = body[..reference.start].trim_end_matches(' ');
    if !before.ends_with("${") {
        return format!("${{{written}}}");
    }
    let mut text = format!("{}{written}", &body[before.len() - 2..reference.start]);
    for (at, byte) in body.bytes().enumerate().skip(reference.end + 1) {
        match byte {
            b'}' => text.push_str(body.get(reference.end..at).unwrap_or_default()),
            b' ' => {}
            _ => {
                text.push('}');
                break;
            }
        }
    }
    text
}

fn walk<'v>(
    value: Cow<'v, Value>,
    steps: &[Step<'_>],
    scope: &Scope<'_>,
) -> Result<Cow<'v, Value>, Problem> {
    let [step, rest @ ..] = steps else {
        return Ok(value);
    };
    let next = match step.operator {
        TraversalOperator::GetAttr(name) => attribute(value, name.as_str(), step, scope)?,
        TraversalOperator::Index(key) => {
            let key = super::value(key, scope)?;
            index(value, &key, &step.at, scope.source())?
        }
        TraversalOperator::LegacyIndex(number) => {
            let key = Value::from(*number.value());
            index(value, &key, &step.at, scope.source())?
        }
        TraversalOperator::FullSplat(_) | TraversalOperator::AttrSplat(_) => {
            return splat(&value, step, rest, scope).map(Cow::Owned);
        }
    };
    walk(next, rest, scope)
}

/// Every entry with the same steps behind it. What is no list counts as a list of itself, and `null` as an empty one.
fn splat(
    value: &Value,
    step: &Step<'_>,
    rest: &[Step<'_>],
    scope: &Scope<'_>,
) -> Result<Value, Problem> {
    // The older form takes only attributes along.
    let along = match step.operator {
        TraversalOperator::AttrSplat(_) => rest
            .iter()
            .take_while(|step| matches!(step.operator, TraversalOperator::GetAttr(_)))
            .count(),
        _ => rest.len(),
    };
    let (each, after) = rest.split_at(along);
    let items: &[Value] = match value {
        Value::Null => &[],
        Value::Array(items) => items,
        single => std::slice::from_ref(single),
    };
    let walked = items
        .iter()
        .map(|item| walk(Cow::Borrowed(item), each, scope).map(Cow::into_owned));
    let list = Value::Array(walked.collect::<Result<_, _>>()?);
    walk(Cow::Owned(list), after, scope).map(Cow::into_owned)
}

fn attribute<'v>(
    value: Cow<'v, Value>,
    name: &str,
    step: &Step<'_>,
    scope: &Scope<'_>,
) -> Result<Cow<'v, Value>, Problem> {
    const UNSUPPORTED: &str = "Unsupported attribute";
    let wrong =
        |summary, detail: String| Err(scope.source().problem(step.at.clone(), summary, detail));
    match value.as_ref() {
        Value::Object(_) => match member(value, name) {
            Some(found) => Ok(found),
            None => wrong(
                UNSUPPORTED,
                format!("This object does not have an attribute named {name:?}."),
            ),
        },
        Value::Null => wrong(
            "Attempt to get attribute from null value",
            "This value is null, so it does not have any attributes.".to_owned(),
        ),
        Value::Array(_) => wrong(
            UNSUPPORTED,
            "This value does not have any attributes.".to_owned(),
        ),
        other => wrong(
            UNSUPPORTED,
            format!(
                "Can't access attributes on a primitive-typed value ({}).",
                convert::kind(other)
            ),
        ),
    }
}

fn member<'v>(value: Cow<'v, Value>, name: &str) -> Option<Cow<'v, Value>> {
    match value {
        Cow::Borrowed(value) => value.get(name).map(Cow::Borrowed),
        Cow::Owned(mut value) => value.get_mut(name).map(Value::take).map(Cow::Owned),
    }
}

const INVALID_INDEX: &str = "Invalid index";

/// Also what the function `index` does.
fn index<'v>(
    value: Cow<'v, Value>,
    key: &Value,
    at: &Range<usize>,
    source: Source<'_>,
) -> Result<Cow<'v, Value>, Problem> {
    let wrong = |detail: String| Err(source.problem(at.clone(), INVALID_INDEX, detail));
    let missing = "The given key does not identify an element in this collection value";
    match value.as_ref() {
        Value::Object(_) => match convert::text(key).ok().and_then(|key| member(value, &key)) {
            Some(found) => Ok(found),
            None => wrong(format!("{missing}.")),
        },
        Value::Array(items) => {
            let number = match convert::number(key) {
                Ok(number) => number,
                Err(error) => return wrong(format!("{missing}: {error}.")),
            };
            let convert::Numeric::Whole(position) = number else {
                return wrong(format!(
                    "{missing}: indexing a sequence requires a whole number, but the given index has a fractional part."
                ));
            };
            let found = usize::try_from(position)
                .ok()
                .and_then(|at| items.get(at).cloned());
            match found {
                Some(found) => Ok(Cow::Owned(found)),
                None if position < 0 => wrong(format!(
                    "{missing}: a negative number is not a valid index for a sequence."
                )),
                None => wrong(format!("{missing}.")),
            }
        }
        Value::Null => Err(source.problem(
            at.clone(),
            "Attempt to index null value",
            "This value is null, so it does not have any indices.",
        )),
        _ => wrong("This value does not have any indices.".to_owned()),
    }
}
