//! The `job` block along [`schema`], into the members of Nomad's API.

mod argument;
mod finish;
mod free;

use std::ops::Range;

use hcl::edit::Span as _;
use hcl::edit::structure::{Attribute, Body};
use serde_json::{Map, Value, json};

use super::evaluate::Scope;
use super::expand::{self, Item, blocks, brace};
use super::problem::{Problem, Source};
use super::schema::{self, Block, Nested};
use super::syntax::suggestion;

/// What is wrong with a job.
pub(super) enum Failure {
    /// Its blocks and arguments.
    Body(Vec<Problem>),
    /// Expressions in the blocks whose content is free; Nomad evaluates those last.
    Free(Vec<Problem>),
}

#[derive(Default)]
struct Decoder {
    problems: Vec<Problem>,
    free: Vec<Problem>,
}

/// What of a body was met already and may come once only.
struct Seen {
    name: String,
    at: Range<usize>,
    argument: bool,
}

/// Blocks outside the job.
const TOP: &[(&str, bool)] = &[
    ("variables", false),
    ("variable", true),
    ("locals", false),
    ("job", true),
];

/// Looks whether only known blocks stand outside the job.
///
/// # Errors
/// Everything else that stands there.
pub(super) fn check_top(body: &Body, source: Source<'_>) -> Result<(), Vec<Problem>> {
    let mut problems = Vec::new();
    for attribute in body.attributes() {
        let names = TOP.iter().map(|(name, _)| *name);
        problems.push(unsupported_argument(attribute, &[], names, source));
    }
    for block in body.blocks() {
        let kind = block.ident.as_str();
        let Some((_, labelled)) = TOP.iter().find(|(known, _)| *known == kind) else {
            let at = block.ident.span().unwrap_or_default();
            let hint = suggestion(kind, TOP.iter().map(|(name, _)| *name));
            let detail = format!("Blocks of type {kind:?} are not expected here.{hint}");
            problems.push(source.problem(at, "Unsupported block type", detail));
            continue;
        };
        let scope = Scope::constant(source);
        let item = expand::written(block, &scope);
        problems.extend(wrong_labels(&item, labelled.then_some("name")));
    }
    if problems.is_empty() {
        Ok(())
    } else {
        Err(problems)
    }
}

/// Reads the job.
///
/// # Errors
/// All that is wrong with it.
pub(super) fn job(body: &Body, scope: &Scope<'_>) -> Result<Value, Failure> {
    let mut decoder = Decoder::default();
    let mut jobs = body.get_blocks("job");
    let Some(first) = jobs.next() else {
        let missing = Problem::nowhere("Missing job block", "A job block is required");
        return Err(Failure::Body(vec![missing]));
    };
    let first = expand::written(first, scope);
    for other in jobs {
        let other = expand::written(other, scope);
        let previous = scope.source().place(first.header());
        let detail = format!(
            "Only one block of type \"job\" is allowed. Previous definition was at {previous}."
        );
        let problem = scope
            .source()
            .problem(other.header(), "Duplicate job block", detail);
        decoder.problems.push(problem);
    }
    let mut job = decoder.block(&first, &schema::JOB);
    let id = first.labels.first().map(|label| label.text.clone());
    for name in ["ID", "Name"] {
        job.entry(name).or_insert_with(|| json!(id));
    }
    if !decoder.problems.is_empty() {
        return Err(Failure::Body(decoder.problems));
    }
    if !decoder.free.is_empty() {
        return Err(Failure::Free(decoder.free));
    }
    Ok(Value::Object(job))
}

impl Decoder {
    /// The members of a block whose content a table describes.
    fn block(&mut self, item: &Item<'_>, schema: &'static Block) -> Map<String, Value> {
        let mut members = Map::new();
        let body = &item.block.body;
        if let (Some((_, member)), Some(label)) = (schema.label, item.labels.first()) {
            members.insert(member.to_owned(), json!(label.text));
        }
        let mut seen: Vec<Seen> = Vec::new();
        for attribute in body.attributes() {
            self.argument(&mut members, attribute, schema, item);
            seen.push(Seen {
                name: attribute.key.as_str().to_owned(),
                at: attribute.span().unwrap_or_default(),
                argument: true,
            });
        }
        self.check_required(item, schema);
        let inner = blocks(body, schema, &item.scope, &mut self.problems);
        for inner in &inner {
            self.nested(&mut members, inner, schema, &mut seen);
        }
        self.finish(&mut members, item, schema);
        members
    }

    fn check_required(&mut self, item: &Item<'_>, schema: &Block) {
        let body = &item.block.body;
        for name in schema.required {
            if !body.has_attribute(name) {
                self.missing(item, name);
            }
        }
    }

    fn missing(&mut self, item: &Item<'_>, name: &str) {
        let source = item.scope.source();
        let start = brace(item.block, source).start;
        let detail = format!("The argument {name:?} is required, but no definition was found.");
        let problem = source.problem(start..start, "Missing required argument", detail);
        self.problems.push(problem);
    }

    fn argument(
        &mut self,
        members: &mut Map<String, Value>,
        attribute: &Attribute,
        schema: &'static Block,
        item: &Item<'_>,
    ) {
        let name = attribute.key.as_str();
        let known = schema.arguments.iter().find(|known| known.name == name);
        if let Some(known) = known {
            let value = self.typed(&attribute.value, known, schema, &item.scope);
            members.extend(value.map(|value| (known.member.to_owned(), value)));
            return;
        }
        let mapping = schema
            .blocks
            .iter()
            .find(|(block, _, nested)| *block == name && matches!(nested, Nested::Mapping));
        if let Some((_, member, _)) = mapping {
            let value = self.mapping(&attribute.value, &item.scope);
            members.extend(value.map(|value| ((*member).to_owned(), value)));
            return;
        }
        let free = schema
            .arguments
            .iter()
            .map(|known| known.name)
            .filter(|known| !item.block.body.has_attribute(known));
        let free: Vec<&str> = free.collect();
        let blocks = schema.blocks.iter().map(|(name, _, _)| *name);
        let source = item.scope.source();
        let problem = unsupported_argument(attribute, &free, blocks, source);
        self.problems.push(problem);
    }

    fn nested(
        &mut self,
        members: &mut Map<String, Value>,
        item: &Item<'_>,
        schema: &'static Block,
        seen: &mut Vec<Seen>,
    ) {
        let found = schema.blocks.iter().find(|(name, _, _)| *name == item.kind);
        let Some((name, member, nested)) = found else {
            self.problems.push(unsupported_block(item, schema));
            return;
        };
        let label = match nested {
            Nested::One(inner) | Nested::Many(inner) | Nested::Named(inner) => {
                inner.label.map(|(shown, _)| shown)
            }
            _ => None,
        };
        if let Some(wrong) = wrong_labels(item, label) {
            return self.problems.push(wrong);
        }
        if !matches!(nested, Nested::Many(_) | Nested::Named(_)) {
            if let Some(previous) = seen.iter().find(|seen| seen.name == *name) {
                return self.problems.push(duplicate(item, previous));
            }
            seen.push(Seen {
                name: item.kind.to_owned(),
                at: item.header(),
                argument: false,
            });
        }
        if let Some(problem) = second_policy(item, nested, seen) {
            return self.problems.push(problem);
        }
        match nested {
            Nested::One(inner) => {
                let inner = self.block(item, inner);
                members.insert((*member).to_owned(), Value::Object(inner));
            }
            Nested::Many(inner) => {
                let inner = self.block(item, inner);
                let list = members.entry(*member).or_insert_with(|| json!([]));
                if let Value::Array(list) = list {
                    list.push(Value::Object(inner));
                }
            }
            Nested::Named(inner) => {
                let inner = self.block(item, inner);
                let name = item.labels.first().map(|label| label.text.clone());
                let map = members.entry(*member).or_insert_with(|| json!({}));
                map[name.unwrap_or_default()] = Value::Object(inner);
            }
            Nested::Labels | Nested::Mapping => {
                let labels = self.labels(item);
                members.insert((*member).to_owned(), labels);
            }
            Nested::Headers => {
                let headers = self.headers(item);
                members.insert((*member).to_owned(), headers);
            }
            Nested::Free => {
                let free = self.free(item);
                members.insert((*member).to_owned(), free);
            }
        }
    }
}

/// A task scales its CPU once and its memory once.
fn second_policy(item: &Item<'_>, nested: &Nested, seen: &mut Vec<Seen>) -> Option<Problem> {
    let Nested::Many(block) = nested else {
        return None;
    };
    if !std::ptr::eq(*block, &raw const schema::TASK_SCALING) {
        return None;
    }
    let label = item.labels.first()?.text.to_lowercase();
    let name = format!("scaling {label}");
    let source = item.scope.source();
    let Some(previous) = seen.iter().find(|seen| seen.name == name) else {
        let at = item.header();
        seen.push(Seen {
            name,
            at,
            argument: false,
        });
        return None;
    };
    let at = source.place(previous.at.clone());
    let detail = format!("Only one scaling {label} block is allowed. Another was defined at {at}.");
    let summary = format!("Duplicate scaling {label:?} block");
    Some(source.problem(item.header(), &summary, detail))
}

fn duplicate(item: &Item<'_>, previous: &Seen) -> Problem {
    let source = item.scope.source();
    let kind = item.kind;
    let at = source.place(previous.at.clone());
    let detail = if previous.argument {
        format!("{kind} may not be defined more than once. Another definition is defined at {at}.")
    } else {
        format!("Only one {kind} block is allowed. Another was defined at {at}.")
    };
    let summary = format!("Duplicate {kind} block");
    source.problem(item.header(), &summary, detail)
}

fn unsupported_argument<'n>(
    attribute: &Attribute,
    arguments: &[&'n str],
    mut blocks: impl Iterator<Item = &'n str>,
    source: Source<'_>,
) -> Problem {
    let name = attribute.key.as_str();
    let mut hint = suggestion(name, arguments.iter().copied());
    if hint.is_empty() && blocks.any(|block| block == name) {
        hint = format!(" Did you mean to define a block of type {name:?}?");
    }
    let detail = format!("An argument named {name:?} is not expected here.{hint}");
    let at = attribute.key.span().unwrap_or_default();
    source.problem(at, "Unsupported argument", detail)
}

fn unsupported_block(item: &Item<'_>, schema: &Block) -> Problem {
    let kind = item.kind;
    let mut hint = suggestion(kind, schema.blocks.iter().map(|(name, _, _)| *name));
    if hint.is_empty() && schema.arguments.iter().any(|known| known.name == kind) {
        hint = format!(
            " Did you mean to define argument {kind:?}? If so, use the equals sign to assign it a value."
        );
    }
    let detail = format!("Blocks of type {kind:?} are not expected here.{hint}");
    let source = item.scope.source();
    source.problem(item.at.clone(), "Unsupported block type", detail)
}

/// `wanted` is the name of the one label, for messages.
fn wrong_labels(item: &Item<'_>, wanted: Option<&str>) -> Option<Problem> {
    let source = item.scope.source();
    let kind = item.kind;
    let problem = match (wanted, item.labels.as_slice()) {
        (Some(_), [_]) | (None, []) => return None,
        (Some(name), []) => {
            let detail = format!("All {kind} blocks must have 1 labels ({name}).");
            let at = brace(item.block, source);
            source.problem(at, &format!("Missing {name} for {kind}"), detail)
        }
        (Some(name), [_, extra, ..]) => {
            let detail = format!("Only 1 labels ({name}) are expected for {kind} blocks.");
            let summary = format!("Extraneous label for {kind}");
            source.problem(extra.at.clone(), &summary, detail)
        }
        (None, [extra, ..]) => {
            let detail = format!("No labels are expected for {kind} blocks.");
            let summary = format!("Extraneous label for {kind}");
            source.problem(extra.at.clone(), &summary, detail)
        }
    };
    Some(problem)
}
