//! Blocks of a body, `dynamic` ones unfolded.

use std::ops::Range;

use hcl::edit::Span as _;
use hcl::edit::structure::{Block, Body};
use serde_json::{Value, json};

use super::convert;
use super::evaluate::{self, Scope, entries, place};
use super::problem::{Problem, Source};
use super::schema;

/// A block as it counts: written, or made by a `dynamic` block.
pub(super) struct Item<'a> {
    pub(super) kind: &'a str,
    pub(super) labels: Vec<Label>,
    pub(super) block: &'a Block,
    pub(super) scope: Scope<'a>,
    /// Its name in the text.
    pub(super) at: Range<usize>,
}

/// A label and where it stands.
pub(super) struct Label {
    pub(super) text: String,
    pub(super) at: Range<usize>,
}

impl Item<'_> {
    /// Name and labels.
    pub(super) fn header(&self) -> Range<usize> {
        let end = self.labels.last().map_or(self.at.end, |label| label.at.end);
        self.at.start..end.max(self.at.end)
    }
}

/// The opening brace of a block.
pub(super) fn brace(block: &Block, source: Source<'_>) -> Range<usize> {
    let labels = block.labels.last().and_then(hcl::edit::Span::span);
    let after = labels
        .or_else(|| block.ident.span())
        .unwrap_or_default()
        .end;
    let rest = source.text.get(after..).unwrap_or_default();
    let at = after + rest.find('{').unwrap_or(0);
    at..at + 1
}

/// The blocks of a body in the order of the text.
pub(super) fn blocks<'a>(
    body: &'a Body,
    schema: &schema::Block,
    scope: &Scope<'a>,
    problems: &mut Vec<Problem>,
) -> Vec<Item<'a>> {
    let mut items = Vec::new();
    for block in body.blocks() {
        if block.has_ident("dynamic") {
            match unfold(block, schema, scope) {
                Ok(unfolded) => items.extend(unfolded),
                Err(problem) => problems.push(problem),
            }
        } else {
            items.push(written(block, scope));
        }
    }
    items
}

/// A block as it stands there.
pub(super) fn written<'a>(block: &'a Block, scope: &Scope<'a>) -> Item<'a> {
    let labels = block.labels.iter().map(|label| Label {
        text: label.as_str().to_owned(),
        at: label.span().unwrap_or_default(),
    });
    Item {
        kind: block.ident.as_str(),
        labels: labels.collect(),
        block,
        scope: scope.clone(),
        at: block.ident.span().unwrap_or_default(),
    }
}

/// `dynamic "KIND" { for_each = …  iterator = …  labels = […]  content { … } }`
fn unfold<'a>(
    block: &'a Block,
    schema: &schema::Block,
    scope: &Scope<'a>,
) -> Result<Vec<Item<'a>>, Problem> {
    let source = scope.source();
    let label = block.labels.first();
    let at = label.and_then(hcl::edit::Span::span).unwrap_or_default();
    let kind = label.map_or("", hcl::edit::structure::BlockLabel::as_str);
    let Some((_, _, nested)) = schema.blocks.iter().find(|(name, _, _)| *name == kind) else {
        let detail = format!("Blocks of type {kind:?} are not expected here.");
        return Err(source.problem(at, "Unsupported block type", detail));
    };
    let start = brace(block, source).start;
    let missing = |name: &str| {
        let detail = format!("The argument {name:?} is required, but no definition was found.");
        source.problem(start..start, "Missing required argument", detail)
    };
    let body = &block.body;
    let for_each = body
        .get_attribute("for_each")
        .ok_or_else(|| missing("for_each"))?;
    let labels = body.get_attribute("labels");
    if labels.is_none() && has_label(nested) {
        return Err(missing("labels"));
    }
    let Some(content) = body.get_blocks("content").next() else {
        return Err(source.problem(
            start..start,
            "Missing dynamic content block",
            "A dynamic block must have a nested block of type \"content\" to describe the body of each generated block.",
        ));
    };
    let iterator = match body
        .get_attribute("iterator")
        .map(|iterator| &iterator.value)
    {
        None => kind,
        Some(hcl::edit::expr::Expression::Variable(name)) => name.as_str(),
        Some(other) => {
            return Err(source.problem(
                place(other),
                "Invalid dynamic iterator name",
                "Dynamic iterator must be a single variable name.",
            ));
        }
    };
    let value = evaluate::value(&for_each.value, scope)?;
    let found = convert::kind(&value);
    let Some(entries) = entries(value) else {
        let detail = if found == "dynamic" {
            "Cannot use a null value in for_each.".to_owned()
        } else {
            format!("Cannot use a {found} value in for_each. An iterable collection is required.")
        };
        let at = place(&for_each.value);
        return Err(source.problem(at, "Invalid dynamic for_each value", detail));
    };
    let one = |(key, value): (Value, Value)| {
        let iteration = json!({"key": key, "value": value});
        let scope = scope.inner(vec![(iterator.to_owned(), iteration)]);
        let labels = match labels {
            Some(labels) => label_texts(&labels.value, &scope)?,
            None => Vec::new(),
        };
        Ok(Item {
            kind,
            labels,
            block: content,
            scope,
            at: at.clone(),
        })
    };
    entries.into_iter().map(one).collect()
}

fn has_label(nested: &schema::Nested) -> bool {
    match nested {
        schema::Nested::One(inner) | schema::Nested::Many(inner) | schema::Nested::Named(inner) => {
            inner.label.is_some()
        }
        _ => false,
    }
}

fn label_texts(
    labels: &hcl::edit::expr::Expression,
    scope: &Scope<'_>,
) -> Result<Vec<Label>, Problem> {
    let at = place(labels);
    let wrong = |error: String| {
        let detail = format!("Cannot use this value as a dynamic block label: {error}.");
        let source = scope.source();
        source.problem(at.clone(), "Invalid dynamic block label", detail)
    };
    let Value::Array(labels) = evaluate::value(labels, scope)? else {
        return Err(wrong("list required".to_owned()));
    };
    let texts = labels.iter().map(|label| {
        let text = convert::text(label).map_err(&wrong)?;
        Ok(Label {
            text,
            at: at.clone(),
        })
    });
    texts.collect()
}
