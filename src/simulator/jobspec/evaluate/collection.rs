//! Maps that are written out, and `for` expressions.

use std::ops::Range;

use hcl::edit::Span as _;
use hcl::edit::expr::{Expression, ForExpr, Object, ObjectKey};
use serde_json::{Map, Value};

use super::{Scope, place};
use crate::simulator::jobspec::convert;
use crate::simulator::jobspec::problem::Problem;

pub(super) fn object(members: &Object, scope: &Scope<'_>) -> Result<Value, Problem> {
    let mut map = Map::new();
    for (key, member) in members.iter() {
        map.insert(key_of(key, scope)?, super::value(member.expr(), scope)?);
    }
    Ok(Value::Object(map))
}

/// A bare word is a key, not a reference.
fn key_of(key: &ObjectKey, scope: &Scope<'_>) -> Result<String, Problem> {
    let expression = match key {
        ObjectKey::Ident(word) => return Ok(word.as_str().to_owned()),
        ObjectKey::Expression(Expression::Variable(word)) => return Ok(word.as_str().to_owned()),
        ObjectKey::Expression(expression) => expression,
    };
    let wrong =
        |summary, detail: String| scope.source().problem(place(expression), summary, detail);
    match super::value(expression, scope)? {
        Value::Null => Err(wrong(
            "Null value as key",
            "Can't use a null value as a key.".to_owned(),
        )),
        value => convert::text(&value).map_err(|error| {
            wrong(
                "Incorrect key type",
                format!("Can't use this value as a key: {error}."),
            )
        }),
    }
}

/// Keys and values of whatever can be gone through; keys of lists are positions.
pub(in crate::simulator::jobspec) fn entries(value: Value) -> Option<Vec<(Value, Value)>> {
    match value {
        Value::Array(items) => {
            let numbered = items.into_iter().enumerate();
            Some(numbered.map(|(at, item)| (Value::from(at), item)).collect())
        }
        Value::Object(members) => {
            let named = members.into_iter();
            Some(
                named
                    .map(|(key, value)| (Value::from(key), value))
                    .collect(),
            )
        }
        _ => None,
    }
}

/// What is gone through, with the reason when it cannot be.
pub(super) fn iterated(
    collection: &Expression,
    scope: &Scope<'_>,
) -> Result<Vec<(Value, Value)>, Problem> {
    let value = super::value(collection, scope)?;
    let source = scope.source();
    if value.is_null() {
        return Err(source.problem(
            place(collection),
            "Iteration over null value",
            "A null value cannot be used as the collection in a 'for' expression.",
        ));
    }
    let kind = convert::kind(&value);
    entries(value).ok_or_else(|| {
        source.problem(
            place(collection),
            "Iteration over non-iterable value",
            format!(
                "A value of type {kind} cannot be used as the collection in a 'for' expression."
            ),
        )
    })
}

pub(super) fn each(expression: &ForExpr, scope: &Scope<'_>) -> Result<Value, Problem> {
    let intro = &expression.intro;
    let mut list = Vec::new();
    let mut map = Map::new();
    for (key, value) in iterated(&intro.collection_expr, scope)? {
        let mut names = vec![(intro.value_var.as_str().to_owned(), value)];
        if let Some(name) = &intro.key_var {
            names.push((name.as_str().to_owned(), key));
        }
        let inner = scope.inner(names);
        if let Some(condition) = &expression.cond
            && !passes(&condition.expr, &inner)?
        {
            continue;
        }
        let value = super::value(&expression.value_expr, &inner)?;
        match &expression.key_expr {
            None => list.push(value),
            Some(key) => insert(&mut map, expression, key, value, &inner)?,
        }
    }
    Ok(if expression.key_expr.is_some() {
        Value::Object(map)
    } else {
        Value::Array(list)
    })
}

fn passes(condition: &Expression, scope: &Scope<'_>) -> Result<bool, Problem> {
    let wrong = |detail: String| {
        scope
            .source()
            .problem(place(condition), "Invalid 'for' condition", detail)
    };
    match super::value(condition, scope)? {
        Value::Null => Err(wrong(
            "The value of the 'if' clause must not be null.".to_owned(),
        )),
        value => convert::flag(&value)
            .map_err(|error| wrong(format!("The 'if' clause value is invalid: {error}."))),
    }
}

fn insert(
    map: &mut Map<String, Value>,
    expression: &ForExpr,
    key: &Expression,
    value: Value,
    scope: &Scope<'_>,
) -> Result<(), Problem> {
    let at: Range<usize> = key.span().unwrap_or_default();
    let wrong = |summary, detail: String| scope.source().problem(at.clone(), summary, detail);
    let name = super::value(key, scope)?;
    let name = convert::text(&name).map_err(|error| {
        wrong(
            "Invalid object key",
            format!("The key expression produced an invalid result: {error}."),
        )
    })?;
    if expression.grouping {
        let group = map.entry(name).or_insert_with(|| Value::Array(Vec::new()));
        if let Value::Array(group) = group {
            group.push(value);
        }
        return Ok(());
    }
    if map.contains_key(&name) {
        return Err(wrong(
            "Duplicate object key",
            format!(
                "Two different items produced the key {name:?} in this 'for' expression. If duplicates are expected, use the ellipsis (...) after the value expression to enable grouping by key."
            ),
        ));
    }
    map.insert(name, value);
    Ok(())
}
