//! `validation` blocks of variables.

use std::ops::Range;

use hcl::edit::Span as _;
use hcl::edit::expr::{Expression, Traversal, TraversalOperator};
use hcl::edit::structure::Block;
use hcl::edit::visit::{Visit, visit_expr};
use serde_json::{Map, Value};

use super::{Given, Variable, constant};
use crate::simulator::jobspec::convert;
use crate::simulator::jobspec::evaluate::{self, Scope, place};
use crate::simulator::jobspec::expand::brace;
use crate::simulator::jobspec::problem::{Problem, Source};

/// What is wrong with a rule itself: it speaks of its own variable, of nothing else, and says what is wrong.
pub(super) fn problems(name: &str, block: &Block, source: Source<'_>) -> Vec<Problem> {
    let mut problems = Vec::new();
    let start = brace(block, source).start;
    for required in ["condition", "error_message"] {
        if !block.body.has_attribute(required) {
            let detail =
                format!("The argument {required:?} is required, but no definition was found.");
            problems.push(source.problem(start..start, "Missing required argument", detail));
        }
    }
    if let Some(attribute) = block.body.get_attribute("condition") {
        let mut references = References::default();
        references.visit_expr(&attribute.value);
        let own = |reference: &Reference| reference.name.as_deref() == Some(name);
        for other in references.0.iter().filter(|reference| !own(reference)) {
            let detail = format!(
                "The condition for variable {name:?} can only refer to the variable itself, using var.{name}."
            );
            let summary = "Invalid reference in variable validation";
            problems.push(source.problem(other.at.clone(), summary, detail));
        }
        if !references.0.iter().any(own) {
            let detail = format!(
                "The condition for variable {name:?} must refer to var.{name} in order to test incoming values."
            );
            let summary = "Invalid variable validation condition";
            problems.push(source.problem(place(&attribute.value), summary, detail));
        }
    }
    if let Some(attribute) = block.body.get_attribute("error_message")
        && message(block, source).trim().is_empty()
    {
        problems.push(source.problem(
            place(&attribute.value),
            "Invalid validation error message",
            "An empty or blank string is not a valid nor useful error message.",
        ));
    }
    problems
}

/// A reference in a condition.
struct Reference {
    /// Of the variable, if it is one.
    name: Option<String>,
    at: Range<usize>,
}

#[derive(Default)]
struct References(Vec<Reference>);

impl Visit for References {
    fn visit_expr(&mut self, expression: &Expression) {
        match expression {
            Expression::Variable(_) => self.0.push(Reference {
                name: None,
                at: place(expression),
            }),
            Expression::Traversal(traversal) => self.visit_traversal(traversal),
            other => visit_expr(self, other),
        }
    }

    fn visit_traversal(&mut self, traversal: &Traversal) {
        let Expression::Variable(root) = &traversal.expr else {
            return self.visit_expr(&traversal.expr);
        };
        let first = traversal.operators.first().map(|operator| operator.value());
        let name = match first {
            Some(TraversalOperator::GetAttr(name)) if root.as_str() == "var" => {
                Some(name.as_str().to_owned())
            }
            _ => None,
        };
        let at = traversal.span().unwrap_or_default();
        self.0.push(Reference { name, at });
    }
}

/// Runs the validations of a variable.
pub(super) fn check(
    name: &str,
    variable: &Variable<'_>,
    given: &Given,
    source: Source<'_>,
    problems: &mut Vec<Problem>,
) {
    for block in &variable.validations {
        match holds(name, block, &given.value, source) {
            Ok(true) => {}
            Ok(false) => {
                let rule = source.place(block.ident.span().unwrap_or_default());
                let message = message(block, source);
                let detail =
                    format!("{message}\n\nThis was checked by the validation rule at {rule}.");
                let summary = format!("Invalid value for {} variable", given.from);
                problems.push(Problem::at(given.place, summary, detail));
            }
            Err(problem) => problems.push(problem),
        }
    }
}

fn message(block: &Block, source: Source<'_>) -> String {
    let attribute = block.body.get_attribute("error_message");
    let value = attribute.and_then(|attribute| constant(attribute, source).ok());
    value
        .and_then(|value| convert::text(&value).ok())
        .unwrap_or_default()
}

fn holds(name: &str, block: &Block, value: &Value, source: Source<'_>) -> Result<bool, Problem> {
    // A rule without a condition was reported as such.
    let Some(condition) = block.body.get_attribute("condition") else {
        return Ok(true);
    };
    let condition = &condition.value;
    let mut members = Map::new();
    members.insert(name.to_owned(), value.clone());
    let scope = Scope::checked(source, vec![("var".to_owned(), Value::Object(members))]);
    let result = evaluate::value(condition, &scope)?;
    convert::flag(&result).map_err(|error| {
        let detail = format!("Invalid validation condition result value: {error}.");
        source.problem(
            place(condition),
            "Invalid variable validation result",
            detail,
        )
    })
}
