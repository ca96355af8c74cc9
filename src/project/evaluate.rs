//! Expressions → values. What is wrong is told where it stands; such an expression has no value.

use hcl::edit::Span as _;
use hcl::edit::expr::{
    BinaryOp, BinaryOperator, Conditional, Expression, FuncCall, Object, ObjectKey, Traversal,
    TraversalOperator, UnaryOp, UnaryOperator,
};
use hcl::edit::template::{Element, Template};
use serde_json::Number;

use super::expand::expand;
use super::text::{At, Findings, listed, meant, shown};
use super::value::{Kind, Member, Origin, Value};
use super::variables::Variables;

/// Longest text that an expression may come to: 256 KiB. Nothing sensible comes near, and `concat` of itself must end.
const LONGEST: usize = 256 << 10;

/// The functions of a project file. Source: contract 7.1.
const FUNCTIONS: [&str; 4] = ["concat", "env", "lower", "upper"];

/// Answers a variable of the environment.
pub(super) type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

/// What names mean where an expression stands.
#[derive(Clone, Copy)]
pub(super) struct Scope<'a> {
    pub(super) environment: Lookup<'a>,
    /// `None` where there are neither variables nor functions.
    pub(super) variables: Option<&'a Variables>,
    /// `$X` in texts written by hand is expanded.
    pub(super) expands: bool,
    /// Number of the text.
    pub(super) file: usize,
    /// Path for findings.
    pub(super) path: &'a str,
}

/// Evaluates an expression; `None` once what is wrong has been told.
pub(super) fn evaluate(
    expression: &Expression,
    scope: Scope<'_>,
    findings: &mut Findings,
) -> Option<Value> {
    let at = At::of(scope.file, expression);
    let kind = match expression {
        Expression::Null(_) => Kind::Null,
        Expression::Bool(flag) => Kind::Bool(*flag.value()),
        Expression::Number(number) => Kind::Number(number_of(number.value())?),
        Expression::String(text) => return Some(scope.expanded(text.value(), at, findings)),
        Expression::Array(items) => {
            let items: Vec<Option<Value>> = items
                .iter()
                .map(|item| evaluate(item, scope, findings))
                .collect();
            Kind::List(items.into_iter().collect::<Option<_>>()?)
        }
        Expression::Object(members) => Kind::Map(object(members, scope, findings)?),
        Expression::StringTemplate(parts) => return template(parts, at, scope, findings),
        Expression::HeredocTemplate(heredoc) => {
            return template(&heredoc.template, at, scope, findings);
        }
        Expression::Parenthesis(inner) => return evaluate(inner.inner(), scope, findings),
        Expression::Traversal(traversal) => return scope.traversal(traversal, at, findings),
        Expression::Variable(name) => return scope.unknown(name.as_str(), at, findings),
        Expression::Conditional(condition) => return conditional(condition, scope, findings),
        Expression::FuncCall(call) => return scope.call(call, at, findings),
        Expression::UnaryOp(operation) => return unary(operation, at, scope, findings),
        Expression::BinaryOp(operation) => return binary(operation, at, scope, findings),
        Expression::ForExpr(_) => return scope.unsupported("a `for` expression", at, findings),
    };
    Some(Value::written(kind, at))
}

impl Scope<'_> {
    fn wrong(
        &self,
        at: At,
        code: &'static str,
        message: impl Into<String>,
        help: Option<String>,
        findings: &mut Findings,
    ) -> Option<Value> {
        findings.error(at, code, self.path, message, help);
        None
    }

    fn unsupported(&self, what: &str, at: At, findings: &mut Findings) -> Option<Value> {
        let help =
            "write the value out, or compute it where the file is made and hand it over with --var";
        self.wrong(
            at,
            "not-supported",
            format!("{what} is not known here"),
            Some(help.to_owned()),
            findings,
        )
    }

    /// A text that was written by hand.
    fn expanded(&self, written: &str, at: At, findings: &mut Findings) -> Value {
        if !self.expands {
            return Value::written(Kind::Text(written.to_owned()), at);
        }
        let mut unset = Vec::new();
        let text = expand(written, self.environment, &mut unset);
        for name in unset {
            findings.warn(
                at,
                "unset-variable",
                self.path,
                format!(
                    "environment variable {} is not set: it stands for an empty text",
                    shown(&name)
                ),
                None,
            );
        }
        let is_changed = text != written;
        Value {
            is_foreign: is_changed,
            of_environment: is_changed.then_some(Origin::Mixed),
            ..Value::written(Kind::Text(text), at)
        }
    }

    fn unknown(&self, name: &str, at: At, findings: &mut Findings) -> Option<Value> {
        let message = format!("`{}` is not known here", shown(name));
        let help = "a text stands in quotes; a variable is `var.NAME`, one of the environment `env(\"NAME\")`";
        self.wrong(at, "unknown-name", message, Some(help.to_owned()), findings)
    }

    /// `var.NAME`.
    fn traversal(&self, traversal: &Traversal, at: At, findings: &mut Findings) -> Option<Value> {
        let Some(name) = variable_name(traversal) else {
            let name = match &traversal.expr {
                Expression::Variable(name) => name.as_str().to_owned(),
                _ => "this".to_owned(),
            };
            if name == "var" {
                return self.unsupported("anything behind `var.NAME`", at, findings);
            }
            return self.unknown(&name, at, findings);
        };
        let Some(variables) = self.variables else {
            let message = "a variable is not known here: values of variables are written out";
            return self.wrong(at, "unknown-name", message, None, findings);
        };
        let Some(mut value) = variables.value(name)? else {
            let help = if variables.names().next().is_none() {
                format!("declare it: `variable \"{}\" {{ … }}`", shown(name))
            } else {
                meant(name, variables.names())
            };
            return self.wrong(
                at,
                "undeclared-variable",
                format!("variable `{}` is not declared", shown(name)),
                Some(help),
                findings,
            );
        };
        value.at = at;
        if let (Kind::Text(text), false) = (&value.kind, value.is_foreign) {
            let expanded = self.expanded(text, at, findings);
            return Some(Value {
                is_secret: value.is_secret,
                ..expanded
            });
        }
        Some(value)
    }

    fn call(&self, call: &FuncCall, at: At, findings: &mut Findings) -> Option<Value> {
        let name = call.name.name.as_str();
        if !call.name.namespace.is_empty() || !FUNCTIONS.contains(&name) {
            return self.wrong(
                at,
                "unknown-function",
                format!("there is no function `{}`", shown(name)),
                Some(meant(name, FUNCTIONS)),
                findings,
            );
        }
        if self.variables.is_none() {
            let message = "functions are not known here: values of variables are written out";
            return self.wrong(at, "unknown-function", message, None, findings);
        }
        if call.args.expand_final() {
            return self.unsupported("`...`", at, findings);
        }
        let arguments: Vec<Option<Value>> = call
            .args
            .iter()
            .map(|argument| {
                // A name is no text that is shown: `env("$X")` asks for that very name.
                let scope = Self {
                    expands: self.expands && name != "env",
                    ..*self
                };
                evaluate(argument, scope, findings)
            })
            .collect();
        let arguments: Vec<Value> = arguments.into_iter().collect::<Option<_>>()?;
        if name == "concat" {
            return self.joined(&arguments, at, findings);
        }
        let [only] = arguments.as_slice() else {
            let message = format!("`{name}` takes one argument, and has {}", arguments.len());
            return self.wrong(at, "function-argument", message, None, findings);
        };
        let text = self.word(only, findings)?;
        let mut result = Value { at, ..only.clone() };
        if result.of_environment.is_some() {
            result.of_environment = Some(Origin::Mixed);
        }
        result.kind = Kind::Text(match name {
            "lower" => text.to_lowercase(),
            "upper" => text.to_uppercase(),
            _ => {
                result.is_foreign = true;
                result.of_environment = Some(Origin::Variable(text.clone()));
                (self.environment)(&text).unwrap_or_default()
            }
        });
        Some(result)
    }

    /// All of them as one text; null is nothing.
    fn joined(&self, parts: &[Value], at: At, findings: &mut Findings) -> Option<Value> {
        let mut text = String::new();
        for part in parts.iter().filter(|part| !part.is_null()) {
            text.push_str(&self.word(part, findings)?);
            if text.len() > LONGEST {
                let message = format!("the text becomes longer than {LONGEST} bytes");
                return self.wrong(at, "too-large", message, None, findings);
            }
        }
        Some(Value {
            kind: Kind::Text(text),
            at,
            is_secret: parts.iter().any(|part| part.is_secret),
            is_foreign: true,
            of_environment: parts
                .iter()
                .any(|part| part.of_environment.is_some())
                .then_some(Origin::Mixed),
        })
    }

    fn word(&self, value: &Value, findings: &mut Findings) -> Option<String> {
        let text = value.text();
        if text.is_none() {
            let message = format!("must be a text, and is {}", value.name());
            findings.error(value.at, "wrong-type", self.path, message, None);
        }
        text
    }
}

/// The name of `var.NAME`; `None` for every other traversal.
pub(super) fn variable_name(traversal: &Traversal) -> Option<&str> {
    let Expression::Variable(root) = &traversal.expr else {
        return None;
    };
    match traversal.operators.as_slice() {
        [only] if root.as_str() == "var" => match only.value() {
            TraversalOperator::GetAttr(name) => Some(name.as_str()),
            _ => None,
        },
        _ => None,
    }
}

/// A text with `${…}` in it. One that is nothing but `${…}` is the value itself.
fn template(
    template: &Template,
    at: At,
    scope: Scope<'_>,
    findings: &mut Findings,
) -> Option<Value> {
    if let Some(Element::Interpolation(only)) = template.as_single_element() {
        return evaluate(&only.expr, scope, findings);
    }
    let parts: Vec<Option<Value>> = template
        .iter()
        .map(|element| match element {
            Element::Literal(text) => Some(scope.expanded(text.as_str(), at, findings)),
            Element::Interpolation(part) => evaluate(&part.expr, scope, findings),
            Element::Directive(_) => scope.unsupported("`%{ … }`", at, findings),
        })
        .collect();
    let parts: Vec<Value> = parts.into_iter().collect::<Option<_>>()?;
    scope.joined(&parts, at, findings)
}

fn object(members: &Object, scope: Scope<'_>, findings: &mut Findings) -> Option<Vec<Member>> {
    let mut read: Vec<Member> = Vec::new();
    let mut is_whole = true;
    for (key, value) in members.iter() {
        let (name, at) = match key {
            ObjectKey::Ident(name) => (
                Some(name.as_str().to_owned()),
                At::new(scope.file, name.span()),
            ),
            ObjectKey::Expression(key) => {
                let value = evaluate(key, scope, findings);
                let name = value.and_then(|value| scope.word(&value, findings));
                (name, At::of(scope.file, key))
            }
        };
        let value = evaluate(value.expr(), scope, findings);
        let (Some(key), Some(value)) = (name, value) else {
            is_whole = false;
            continue;
        };
        if read.iter().any(|member| member.key == key) {
            let message = format!("`{}` is there a second time", shown(&key));
            findings.error(at, "duplicate-field", scope.path, message, None);
            is_whole = false;
        }
        read.push(Member { key, at, value });
    }
    is_whole.then_some(read)
}

fn conditional(
    condition: &Conditional,
    scope: Scope<'_>,
    findings: &mut Findings,
) -> Option<Value> {
    let asked = flag(&condition.cond_expr, scope, findings)?;
    let chosen = if asked.1 {
        &condition.true_expr
    } else {
        &condition.false_expr
    };
    let mut value = evaluate(chosen, scope, findings)?;
    value.is_secret |= asked.0;
    Some(value)
}

/// A bool, and whether it tells of a secret.
fn flag(
    expression: &Expression,
    scope: Scope<'_>,
    findings: &mut Findings,
) -> Option<(bool, bool)> {
    let value = evaluate(expression, scope, findings)?;
    let flag = match &value.kind {
        Kind::Bool(flag) => *flag,
        Kind::Text(text) if text == "true" => true,
        Kind::Text(text) if text == "false" => false,
        _ => {
            let message = format!("must be `true` or `false`, and is {}", value.name());
            findings.error(value.at, "wrong-type", scope.path, message, None);
            return None;
        }
    };
    Some((value.is_secret, flag))
}

fn unary(operation: &UnaryOp, at: At, scope: Scope<'_>, findings: &mut Findings) -> Option<Value> {
    match operation.operator.value() {
        UnaryOperator::Not => {
            let (is_secret, value) = flag(&operation.expr, scope, findings)?;
            let mut result = Value::written(Kind::Bool(!value), at);
            result.is_secret = is_secret;
            Some(result)
        }
        UnaryOperator::Neg => {
            let mut value = evaluate(&operation.expr, scope, findings)?;
            let Kind::Number(number) = &value.kind else {
                return scope.unsupported("`-` in front of anything but a number", at, findings);
            };
            let negative = match number.as_i64().and_then(i64::checked_neg) {
                Some(whole) => whole.into(),
                None => Number::from_f64(-number.as_f64()?)?,
            };
            value.kind = Kind::Number(negative);
            value.at = at;
            Some(value)
        }
    }
}

fn binary(
    operation: &BinaryOp,
    at: At,
    scope: Scope<'_>,
    findings: &mut Findings,
) -> Option<Value> {
    let (left, right) = (&operation.lhs_expr, &operation.rhs_expr);
    let (is_secret, result) = match operation.operator.value() {
        BinaryOperator::Eq | BinaryOperator::NotEq => {
            let left = evaluate(left, scope, findings)?;
            let right = evaluate(right, scope, findings)?;
            // Variables are always texts, so that numbers and bools compare as they are written.
            let same = match (left.text(), right.text()) {
                (Some(left), Some(right)) => left == right,
                _ => left.json() == right.json(),
            };
            let wanted = matches!(operation.operator.value(), BinaryOperator::Eq);
            (left.holds_secret() || right.holds_secret(), same == wanted)
        }
        BinaryOperator::And | BinaryOperator::Or => {
            let left = flag(left, scope, findings)?;
            let right = flag(right, scope, findings)?;
            let both = matches!(operation.operator.value(), BinaryOperator::And);
            let result = if both {
                left.1 && right.1
            } else {
                left.1 || right.1
            };
            (left.0 || right.0, result)
        }
        _ => {
            let known = listed(["==", "!=", "&&", "||", "!"]);
            return scope.unsupported(&format!("an operator other than {known}"), at, findings);
        }
    };
    let mut value = Value::written(Kind::Bool(result), at);
    value.is_secret = is_secret;
    Some(value)
}

fn number_of(number: &hcl::Number) -> Option<Number> {
    if let Some(whole) = number.as_i64() {
        return Some(whole.into());
    }
    if let Some(whole) = number.as_u64() {
        return Some(whole.into());
    }
    Number::from_f64(number.as_f64()?)
}
