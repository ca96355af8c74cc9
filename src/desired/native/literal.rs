//! HCL expressions that are plain values, and plain values as HCL.

use hcl::edit::Span;
use hcl::edit::expr::{Expression, ObjectKey, UnaryOperator};
use hcl::edit::template::Element;
use hcl::expr::Object;
use serde_json::{Map, Number, Value};

use crate::compile::hcl::text;

/// The value of an expression that needs no evaluation; `None` for everything else.
pub(super) fn literal(expression: &Expression) -> Option<Value> {
    match expression {
        Expression::Null(_) => Some(Value::Null),
        Expression::Bool(flag) => Some(Value::Bool(*flag.value())),
        Expression::Number(number) => {
            let letters = number.span().map_or(0, |span| span.len());
            number_of(number.value(), letters)
        }
        Expression::String(text) => Some(Value::String(text.value().clone())),
        Expression::Array(items) => items.iter().map(literal).collect(),
        Expression::Object(members) => {
            let members = members.iter().map(|(key, value)| {
                let key = match key {
                    ObjectKey::Ident(name) => name.as_str().to_owned(),
                    ObjectKey::Expression(key) => literal(key)?.as_str()?.to_owned(),
                };
                Some((key, literal(value.expr())?))
            });
            members.collect::<Option<Map<_, _>>>().map(Value::Object)
        }
        Expression::StringTemplate(template) => {
            let parts = template.iter().map(|element| match element {
                Element::Literal(text) => Some(text.value().as_str()),
                Element::Interpolation(_) | Element::Directive(_) => None,
            });
            parts.collect::<Option<String>>().map(Value::String)
        }
        Expression::Parenthesis(inner) => literal(inner.inner()),
        Expression::UnaryOp(operation) => match operation.operator.value() {
            UnaryOperator::Neg => match literal(&operation.expr)? {
                Value::Number(number) => negative(&number),
                _ => None,
            },
            UnaryOperator::Not => None,
        },
        // What a heredoc strips of its lines is left to Nomad.
        Expression::HeredocTemplate(_)
        | Expression::Variable(_)
        | Expression::Conditional(_)
        | Expression::FuncCall(_)
        | Expression::Traversal(_)
        | Expression::BinaryOp(_)
        | Expression::ForExpr(_) => None,
    }
}

/// Most letters of a decimal number that is surely not rounded as a 64 bit float. Nomad counts with 512 bits.
const EXACT: usize = 15;

fn number_of(number: &hcl::Number, letters: usize) -> Option<Value> {
    if let Some(whole) = number.as_i64() {
        return Some(whole.into());
    }
    if let Some(whole) = number.as_u64() {
        return Some(whole.into());
    }
    let float = number.as_f64().filter(|_| letters <= EXACT)?;
    Number::from_f64(float).map(Value::Number)
}

fn negative(number: &Number) -> Option<Value> {
    match number.as_i64() {
        Some(whole) => whole.checked_neg().map(Value::from),
        None => Number::from_f64(-number.as_f64()?).map(Value::Number),
    }
}

/// A plain value as an HCL expression that evaluates to it: texts are quoted so that nothing in them is a template.
pub(super) fn expression(value: &Value) -> hcl::Expression {
    match value {
        Value::Null => hcl::Expression::Null,
        Value::Bool(flag) => hcl::Expression::Bool(*flag),
        Value::Number(number) => hcl::Expression::Number(hcl_number(number)),
        Value::String(string) => text(string),
        Value::Array(items) => hcl::Expression::Array(items.iter().map(expression).collect()),
        Value::Object(members) => {
            let members = members.iter();
            let members: Object<hcl::ObjectKey, hcl::Expression> = members
                .map(|(key, value)| (hcl::ObjectKey::Expression(text(key)), expression(value)))
                .collect();
            hcl::Expression::Object(members)
        }
    }
}

fn hcl_number(number: &Number) -> hcl::Number {
    if let Some(whole) = number.as_i64() {
        return whole.into();
    }
    if let Some(whole) = number.as_u64() {
        return whole.into();
    }
    number
        .as_f64()
        .and_then(hcl::Number::from_f64)
        .expect("JSON knows no infinite number")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn written(value: &Value) -> String {
        hcl::format::to_string(&expression(value)).unwrap()
    }

    #[test]
    fn plain_values_are_read() {
        for (hcl, value) in [
            ("null", json!(null)),
            ("-5", json!(-5)),
            ("1.5", json!(1.5)),
            ("(true)", json!(true)),
            (r#""a$${b}%%{c}""#, json!("a${b}%{c}")),
            (
                r#"["a", {b = 1, "c d" = [], (  "e") : null}]"#,
                json!(["a", {"b": 1, "c d": [], "e": null}]),
            ),
        ] {
            assert_eq!(literal(&hcl.parse().unwrap()), Some(value), "{hcl}");
        }
        for hcl in [
            "var.a",
            "upper(\"a\")",
            "\"${a}\"",
            "1 + 1",
            "[a]",
            "{(a) = 1}",
        ] {
            assert_eq!(literal(&hcl.parse().unwrap()), None, "{hcl}");
        }
    }

    fn values() -> impl Strategy<Value = Value> {
        let text = r#"([a-z"\\ \n\t]|\$|%|\{|\}|\$\{|%\{|é|\u{7f}){0,8}"#;
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u16>().prop_map(|number| Value::from(f64::from(number) / 8.0 + 0.5)),
            text.prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 16, 4, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map(text, inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(value in values()) {
            let text = written(&value);
            let read = literal(&text.parse().unwrap());
            prop_assert!(same(read.as_ref(), &value), "{} {:?} {}", text, read, value);
        }
    }

    /// `1.0` may come back as `1`.
    fn same(read: Option<&Value>, value: &Value) -> bool {
        match (read, value) {
            (Some(Value::Number(a)), Value::Number(b)) => a.as_f64() == b.as_f64(),
            (Some(Value::Array(a)), Value::Array(b)) => {
                a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(Some(a), b))
            }
            (Some(Value::Object(a)), Value::Object(b)) => {
                a.len() == b.len() && b.iter().all(|(key, b)| same(a.get(key), b))
            }
            (a, b) => a == Some(b),
        }
    }
}
