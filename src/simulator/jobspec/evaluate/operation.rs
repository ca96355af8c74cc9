//! Operators.

use std::cmp::Ordering;

use hcl::edit::expr::{BinaryOp, BinaryOperator, Expression, UnaryOp, UnaryOperator};
use serde_json::{Value, json};

use super::{Scope, place};
use crate::simulator::jobspec::convert::{self, Numeric};
use crate::simulator::jobspec::problem::Problem;

pub(super) fn unary(operation: &UnaryOp, scope: &Scope<'_>) -> Result<Value, Problem> {
    let operand = super::value(&operation.expr, scope)?;
    let result = match operation.operator.value() {
        UnaryOperator::Neg => convert::number(&operand).map(|number| {
            let negative = match number {
                Numeric::Whole(whole) => Numeric::Whole(-whole),
                Numeric::Fraction(fraction) => Numeric::Fraction(-fraction),
            };
            negative.value()
        }),
        UnaryOperator::Not => convert::flag(&operand).map(|flag| json!(!flag)),
    };
    result.map_err(|error| {
        let detail = format!("Unsuitable value for unary operand: {error}.");
        scope
            .source()
            .problem(place(&operation.expr), "Invalid operand", detail)
    })
}

pub(super) fn binary(operation: &BinaryOp, scope: &Scope<'_>) -> Result<Value, Problem> {
    use BinaryOperator::{And, Eq, NotEq, Or};
    let left = super::value(&operation.lhs_expr, scope)?;
    let right = super::value(&operation.rhs_expr, scope)?;
    let operands = Operands {
        operation,
        scope,
        left: &left,
        right: &right,
    };
    let operator = *operation.operator.value();
    match operator {
        Eq => Ok(json!(left == right)),
        NotEq => Ok(json!(left != right)),
        And | Or => {
            let (left, right) = operands.both(convert::flag)?;
            let both = matches!(operator, And);
            Ok(json!(if both { left && right } else { left || right }))
        }
        _ => {
            let (left, right) = operands.both(convert::number)?;
            calculate(operator, left, right).map_err(|error| {
                let whole = place(&operation.lhs_expr).start..place(&operation.rhs_expr).end;
                let detail = format!("Error during operation: {error}.");
                scope.source().problem(whole, "Operation failed", detail)
            })
        }
    }
}

struct Operands<'a> {
    operation: &'a BinaryOp,
    scope: &'a Scope<'a>,
    left: &'a Value,
    right: &'a Value,
}

impl Operands<'_> {
    fn both<T>(&self, read: impl Fn(&Value) -> Result<T, String>) -> Result<(T, T), Problem> {
        let side = |value, expression: &Expression, name| {
            read(value).map_err(|error| {
                let detail = format!("Unsuitable value for {name} operand: {error}.");
                let source = self.scope.source();
                source.problem(place(expression), "Invalid operand", detail)
            })
        };
        Ok((
            side(self.left, &self.operation.lhs_expr, "left")?,
            side(self.right, &self.operation.rhs_expr, "right")?,
        ))
    }
}

/// Arithmetic and comparison of numbers.
fn calculate(
    operator: BinaryOperator,
    left: Numeric,
    right: Numeric,
) -> Result<Value, &'static str> {
    use BinaryOperator::{Div, Greater, GreaterEq, Less, LessEq, Minus, Mod, Mul, Plus};
    let order = compare(left, right);
    Ok(match operator {
        Less => json!(order == Ordering::Less),
        LessEq => json!(order != Ordering::Greater),
        Greater => json!(order == Ordering::Greater),
        GreaterEq => json!(order != Ordering::Less),
        Plus => exactly(left, right, i128::checked_add, |a, b| a + b),
        Minus => exactly(left, right, i128::checked_sub, |a, b| a - b),
        Mul => exactly(left, right, i128::checked_mul, |a, b| a * b),
        Div if right.as_f64() == 0.0 => return Err("division by zero"),
        Div => exactly(left, right, divided, |a, b| a / b),
        Mod if right.as_f64() == 0.0 => return Err("division by zero"),
        Mod => exactly(left, right, i128::checked_rem, |a, b| a % b),
        _ => return Err("this operator takes no numbers"),
    })
}

fn compare(left: Numeric, right: Numeric) -> Ordering {
    match (left, right) {
        (Numeric::Whole(left), Numeric::Whole(right)) => left.cmp(&right),
        _ => left.as_f64().total_cmp(&right.as_f64()),
    }
}

/// Only when nothing remains.
fn divided(left: i128, right: i128) -> Option<i128> {
    (left.checked_rem(right)? == 0).then(|| left / right)
}

/// With whole numbers as long as the result is one.
fn exactly(
    left: Numeric,
    right: Numeric,
    whole: impl Fn(i128, i128) -> Option<i128>,
    fraction: impl Fn(f64, f64) -> f64,
) -> Value {
    if let (Numeric::Whole(left), Numeric::Whole(right)) = (left, right)
        && let Some(result) = whole(left, right)
    {
        return Numeric::Whole(result).value();
    }
    Numeric::from_f64(decimal(fraction(left.as_f64(), right.as_f64()))).value()
}

/// Nomad calculates with 512 bits, where `0.1 + 0.2` is `0.3`: the last digits of 64 bits are noise.
fn decimal(number: f64) -> f64 {
    format!("{number:.15e}")
        .parse()
        .map_or(number, |rounded: f64| {
            if (rounded - number).abs() <= number.abs() * 1e-15 {
                rounded
            } else {
                number
            }
        })
}
