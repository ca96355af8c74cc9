//! Expressions to values.
//!
//! A name that no scope knows is not a mistake in a job: it stays as it is written, between `${` and `}`, and Nomad's
//! clients resolve it.

mod collection;
mod operation;
mod scope;
mod template;
mod traversal;

use std::ops::Range;

use hcl::edit::Span as _;
use hcl::edit::expr::{Conditional, Expression, FuncCall};
use serde_json::{Value, json};

use super::convert;
use super::functions;
use super::problem::Problem;
use super::types::Type;

pub(super) use collection::entries;
pub(super) use scope::Scope;
pub(super) use template::TEMPLATE_VALUE;

/// Evaluates an expression.
///
/// # Errors
/// The first thing that is wrong.
pub(super) fn value(expression: &Expression, scope: &Scope<'_>) -> Result<Value, Problem> {
    scope.step(expression)?;
    match expression {
        Expression::Null(_) => Ok(Value::Null),
        Expression::Bool(flag) => Ok(json!(*flag.value())),
        Expression::Number(number) => Ok(literal(number.value())),
        Expression::String(text) => Ok(json!(text.value())),
        Expression::StringTemplate(template) => template::quoted(template, scope),
        Expression::HeredocTemplate(heredoc) => template::heredoc(heredoc, scope),
        Expression::Array(items) => items
            .iter()
            .map(|item| value(item, scope))
            .collect::<Result<_, _>>()
            .map(Value::Array),
        Expression::Object(members) => collection::object(members, scope),
        Expression::Parenthesis(inner) => value(inner.inner(), scope),
        Expression::Variable(_) | Expression::Traversal(_) => traversal::value(expression, scope),
        Expression::Conditional(condition) => conditional(condition, scope),
        Expression::FuncCall(call) => function(call, scope),
        Expression::UnaryOp(operation) => operation::unary(operation, scope),
        Expression::BinaryOp(operation) => operation::binary(operation, scope),
        Expression::ForExpr(expression) => collection::each(expression, scope),
    }
}

/// Where an expression stands.
pub(super) fn place(expression: &Expression) -> Range<usize> {
    expression.span().unwrap_or_default()
}

/// Where an expression begins: what Nomad points at when a value does not fit.
pub(super) fn start_place(expression: &Expression, scope: &Scope<'_>) -> Range<usize> {
    let whole = place(expression);
    match expression {
        Expression::String(_) if whole.len() > 2 => whole.start + 1..whole.end - 1,
        Expression::StringTemplate(template) => template::start(template).unwrap_or(whole),
        Expression::Array(_) | Expression::Object(_) => whole.start..whole.start + 1,
        Expression::FuncCall(call) => functions::opening(call),
        // A minus is an operator to Nomad, and part of the number to the parser used here.
        Expression::Number(_) if scope.source().slice(whole.clone()).starts_with('-') => {
            whole.start..whole.start + 1
        }
        Expression::Conditional(condition) => start_place(&condition.cond_expr, scope),
        Expression::BinaryOp(operation) => start_place(&operation.lhs_expr, scope),
        Expression::UnaryOp(_) => whole.start..whole.start + 1,
        Expression::Parenthesis(inner) => start_place(inner.inner(), scope),
        _ => whole,
    }
}

fn literal(number: &hcl::Number) -> Value {
    let number = match (number.as_i64(), number.as_u64()) {
        (Some(whole), _) => convert::Numeric::Whole(whole.into()),
        (None, Some(whole)) => convert::Numeric::Whole(whole.into()),
        (None, None) => convert::Numeric::from_f64(number.as_f64().unwrap_or_default()),
    };
    number.value()
}

fn conditional(condition: &Conditional, scope: &Scope<'_>) -> Result<Value, Problem> {
    let source = scope.source();
    let chosen = value(&condition.cond_expr, scope)?;
    let results = [&condition.true_expr, &condition.false_expr].map(|side| value(side, scope));
    let at = place(&condition.cond_expr);
    if let [Ok(yes), Ok(no)] = &results
        && let Some(detail) = inconsistent(yes, no)
    {
        let whole = place(&condition.true_expr).start..place(&condition.false_expr).end;
        return Err(source.problem(whole, "Inconsistent conditional result types", detail));
    }
    if chosen.is_null() {
        return Err(source.problem(
            at,
            "Null condition",
            "The condition value is null. Conditions must either be true or false.",
        ));
    }
    let Ok(chosen) = convert::flag(&chosen) else {
        return Err(source.problem(
            at,
            "Incorrect condition type",
            "The condition expression must be of type bool.",
        ));
    };
    // Both sides are evaluated, because together they make the kind; only the chosen one may not fail.
    let [yes, no] = results;
    let (result, other) = if chosen { (yes?, no) } else { (no?, yes) };
    Ok(match other {
        Ok(other) => like(result, &other),
        Err(_) => result,
    })
}

/// Values and groups of values do not go together.
fn inconsistent(yes: &Value, no: &Value) -> Option<String> {
    let shape = |value: &Value| match value {
        Value::Array(_) => 1,
        Value::Object(_) => 2,
        _ => 0,
    };
    if yes.is_null() || no.is_null() || shape(yes) == shape(no) {
        return None;
    }
    Some(format!(
        "The true and false result expressions must have consistent types. The 'true' value is {}, but the 'false' value is {}.",
        convert::kind(yes),
        convert::kind(no)
    ))
}

/// The result, as far as the kind of the other side changes it: `true ? 1 : "a"` is a text.
fn like(result: Value, other: &Value) -> Value {
    match (result, other) {
        (Value::Array(mut items), Value::Array(others)) => {
            let own = items.len();
            items.extend(others.iter().cloned());
            convert::unify(&mut items);
            items.truncate(own);
            Value::Array(items)
        }
        (result, other) => {
            let mut both = [result, other.clone()];
            convert::unify(&mut both);
            let [result, _] = both;
            result
        }
    }
}

fn function(call: &FuncCall, scope: &Scope<'_>) -> Result<Value, Problem> {
    if scope.is_constant() {
        return Err(scope.source().problem(
            call.span().unwrap_or_default(),
            "Function calls not allowed",
            "Functions may not be called here.",
        ));
    }
    let name = call.name.name.as_str();
    match name {
        "try" => attempt(call, scope),
        "can" => Ok(json!(
            call.args
                .iter()
                .next()
                .is_some_and(|only| value(only, scope).is_ok())
        )),
        "convert" => converted(call, scope),
        _ => functions::call(call, &arguments(call, scope)?, scope.source()),
    }
}

/// The values of the arguments; a last one followed by `...` is spread out.
fn arguments(call: &FuncCall, scope: &Scope<'_>) -> Result<Vec<Value>, Problem> {
    let evaluated = call.args.iter().map(|argument| value(argument, scope));
    let mut values = evaluated.collect::<Result<Vec<_>, _>>()?;
    if call.args.expand_final() {
        match values.pop() {
            Some(Value::Array(items)) => values.extend(items),
            _ => {
                let at = call.args.iter().last().map(place).unwrap_or_default();
                return Err(scope.source().problem(
                    at,
                    "Invalid expanding argument value",
                    "The expanding argument (indicated by ...) must be of a tuple, list, or set type.",
                ));
            }
        }
    }
    Ok(values)
}

/// The first argument that can be evaluated.
fn attempt(call: &FuncCall, scope: &Scope<'_>) -> Result<Value, Problem> {
    let mut attempts = call.args.iter().map(|argument| value(argument, scope));
    attempts.find(Result::is_ok).unwrap_or_else(|| {
        Err(scope.source().problem(
            functions::opening(call),
            "Error in function call",
            "Call to function \"try\" failed: no expression succeeded.",
        ))
    })
}

fn converted(call: &FuncCall, scope: &Scope<'_>) -> Result<Value, Problem> {
    let source = scope.source();
    let arguments: Vec<&Expression> = call.args.iter().collect();
    let whole = functions::opening(call);
    let [given, wanted] = arguments.as_slice() else {
        return Err(source.problem(
            whole,
            "Not enough function arguments",
            "Function \"convert\" expects 2 argument(s).",
        ));
    };
    let wanted = Type::read(wanted, source)?;
    wanted.convert(value(given, scope)?).map_err(|error| {
        let detail = format!("Call to function \"convert\" failed: {error}.");
        source.problem(whole, "Error in function call", detail)
    })
}
