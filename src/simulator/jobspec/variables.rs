//! `variable`, `variables` and `locals` blocks, and the values that a request gives.

mod validation;

use std::collections::BTreeMap;

use hcl::edit::Span as _;
use hcl::edit::expr::Expression;
use hcl::edit::structure::{Attribute, Block, Body};
use serde_json::{Map, Value};

use super::evaluate::{self, Scope, place};
use super::problem::{Problem, Source};
use super::syntax::{is_identifier, suggestion};
use super::types::Type;

/// Names and values that a job may refer to.
pub(super) struct Inputs;

/// A declared variable.
struct Variable<'a> {
    kind: Option<Type>,
    /// With its place and where it comes from, for messages about validation.
    value: Option<Given>,
    validations: Vec<&'a Block>,
}

struct Given {
    value: Value,
    from: &'static str,
    place: super::problem::Place,
}

type Variables<'a> = BTreeMap<&'a str, Variable<'a>>;

const FOREIGN: &str = "Variable declaration in a .var file";

impl Inputs {
    /// The scope of the job.
    ///
    /// # Errors
    /// All that is wrong with variables and locals.
    pub(super) fn read<'a>(
        body: &Body,
        source: Source<'a>,
        assigned: &Body,
        values: Source<'_>,
    ) -> Result<Scope<'a>, Vec<Problem>> {
        let mut problems = Vec::new();
        let mut variables = declared(body, source, &mut problems);
        let locals = locals(body, source, &mut problems);
        assign(&mut variables, assigned, values, &mut problems);
        for (name, variable) in &variables {
            match &variable.value {
                None => problems.push(unset(name)),
                Some(given) => validation::check(name, variable, given, source, &mut problems),
            }
        }
        let members = variables.iter().filter_map(|(name, variable)| {
            let given = variable.value.as_ref()?;
            Some(((*name).to_owned(), given.value.clone()))
        });
        let variables = Value::Object(members.collect());
        let scope = evaluate_locals(source, variables, locals, &mut problems);
        if problems.is_empty() {
            Ok(scope)
        } else {
            Err(problems)
        }
    }
}

fn unset(name: &str) -> Problem {
    Problem::nowhere(
        format!("Unset variable {name:?}"),
        "A used variable must be set or have a default value; see https://developer.hashicorp.com/nomad/docs/reference/hcl2/variables  for details.",
    )
}

fn duplicate(name: &str) -> Problem {
    let detail = format!("Duplicate {name} variable definition found.");
    Problem::nowhere("Duplicate variable", detail)
}

fn declared<'a>(body: &'a Body, source: Source<'_>, problems: &mut Vec<Problem>) -> Variables<'a> {
    let mut variables = Variables::new();
    for block in body.blocks() {
        match block.ident.as_str() {
            "variable" => {
                let name = block.labels.first().map_or("", |label| label.as_str());
                if variables.contains_key(name) {
                    problems.push(duplicate(name));
                } else if let Some(variable) = variable(name, block, source, problems) {
                    variables.insert(name, variable);
                }
            }
            "variables" => {
                for attribute in attributes(block, source, problems) {
                    let name = attribute.key.as_str();
                    if variables.contains_key(name) {
                        let at = attribute.key.span().unwrap_or_default();
                        let detail = format!("Duplicate {name} variable definition found.");
                        problems.push(source.problem(at, "Duplicate variable", detail));
                        continue;
                    }
                    match constant(attribute, source) {
                        Ok(value) => {
                            variables.insert(name, plain(value, attribute, source));
                        }
                        Err(problem) => problems.push(problem),
                    }
                }
            }
            _ => {}
        }
    }
    variables
}

fn plain<'a>(value: Value, attribute: &Attribute, source: Source<'_>) -> Variable<'a> {
    Variable {
        kind: None,
        value: Some(Given {
            value,
            from: "default",
            place: source.place(place(&attribute.value)),
        }),
        validations: Vec::new(),
    }
}

/// The arguments of a block that has no blocks.
fn attributes<'a>(
    block: &'a Block,
    source: Source<'_>,
    problems: &mut Vec<Problem>,
) -> impl Iterator<Item = &'a Attribute> + use<'a> {
    if let Some(inner) = block.body.blocks().next() {
        let at = inner.ident.span().unwrap_or_default();
        let summary = format!("Unexpected {:?} block", inner.ident.as_str());
        problems.push(source.problem(at, &summary, "Blocks are not allowed here."));
    }
    block.body.attributes()
}

/// A value that stands for itself.
fn constant(attribute: &Attribute, source: Source<'_>) -> Result<Value, Problem> {
    evaluate::value(&attribute.value, &Scope::constant(source))
}

/// Nothing when it cannot be used at all; the problem is noted.
fn variable<'a>(
    name: &str,
    block: &'a Block,
    source: Source<'_>,
    problems: &mut Vec<Problem>,
) -> Option<Variable<'a>> {
    known_only(block, source, problems);
    if !is_identifier(name) {
        let at = block.labels.first().and_then(hcl::edit::Span::span);
        problems.push(source.problem(
            at.unwrap_or_default(),
            "Invalid variable name",
            "A name must start with a letter or underscore and may contain only letters, digits, underscores, and dashes.",
        ));
    }
    let mut variable = Variable {
        kind: None,
        value: None,
        validations: block.body.get_blocks("validation").collect(),
    };
    for rule in &variable.validations {
        problems.extend(validation::problems(name, rule, source));
    }
    if let Some(attribute) = block.body.get_attribute("type") {
        match Type::read(&attribute.value, source) {
            Ok(kind) => variable.kind = Some(kind),
            Err(problem) => {
                problems.push(problem);
                return None;
            }
        }
    }
    if let Some(attribute) = block.body.get_attribute("default") {
        let mut value = match constant(attribute, source) {
            Ok(value) => value,
            Err(problem) => {
                problems.push(problem);
                return None;
            }
        };
        let at = place(&attribute.value);
        if let Some(kind) = &variable.kind {
            value = kind.convert(value).unwrap_or_else(|error| {
                let detail = format!("This default value is not compatible with the variable's type constraint: {error}.");
                let summary = "Invalid default value for variable";
                problems.push(source.problem(at.clone(), summary, detail));
                Value::Null
            });
        }
        variable.value = Some(Given {
            value,
            from: "default",
            place: source.place(at),
        });
    }
    Some(variable)
}

fn known_only(block: &Block, source: Source<'_>, problems: &mut Vec<Problem>) {
    let known = ["description", "default", "type"];
    for attribute in block.body.attributes() {
        let name = attribute.key.as_str();
        if !known.contains(&name) {
            let free = known.iter().copied();
            let hint = suggestion(name, free.filter(|name| !block.body.has_attribute(name)));
            let at = attribute.key.span().unwrap_or_default();
            let detail = format!("An argument named {name:?} is not expected here.{hint}");
            problems.push(source.problem(at, "Unsupported argument", detail));
        }
    }
    for inner in block.body.blocks() {
        let kind = inner.ident.as_str();
        if kind != "validation" {
            let at = inner.ident.span().unwrap_or_default();
            let detail = format!("Blocks of type {kind:?} are not expected here.");
            problems.push(source.problem(at, "Unsupported block type", detail));
        }
    }
}

/// The values of the request. Those that nobody declared do not count.
fn assign(
    variables: &mut Variables<'_>,
    assigned: &Body,
    values: Source<'_>,
    problems: &mut Vec<Problem>,
) {
    for block in assigned.blocks() {
        problems.push(foreign(block, values));
    }
    if assigned.blocks().next().is_some() {
        return;
    }
    for attribute in assigned.attributes() {
        let name = attribute.key.as_str();
        let Some(variable) = variables.get_mut(name) else {
            continue;
        };
        let at = place(&attribute.value);
        let value = match constant(attribute, values) {
            Ok(value) => value,
            Err(problem) => {
                problems.push(problem);
                Value::Null
            }
        };
        let value = match &variable.kind {
            None => Ok(value),
            Some(kind) => kind.convert(value),
        };
        let value = value.unwrap_or_else(|error| {
            let detail = format!("The value for {name} is not compatible with the variable's type constraint: {error}.");
            problems.push(values.problem(at.clone(), "Invalid value for variable", detail));
            Value::Null
        });
        variable.value = Some(Given {
            value,
            from: "varfile",
            place: values.place(at),
        });
    }
}

fn foreign(block: &Block, values: Source<'_>) -> Problem {
    let at = block.ident.span().unwrap_or_default();
    let kind = block.ident.as_str();
    if kind != "variable" {
        let summary = format!("Unexpected {kind:?} block");
        return values.problem(at, &summary, "Blocks are not allowed here.");
    }
    let name = block.labels.first().map_or("", |label| label.as_str());
    let detail = format!(
        "A .var file is used to assign values to variables that have already been declared in job files, not to declare new variables. To declare variable {name:?}, place this block in one of your job files\n\nTo set a value for this variable in input.hcl, use the definition syntax instead:\n    {name} = <value>"
    );
    values.problem(at, FOREIGN, detail)
}

fn locals<'a>(
    body: &'a Body,
    source: Source<'_>,
    problems: &mut Vec<Problem>,
) -> Vec<(&'a str, &'a Expression)> {
    let mut locals = Vec::new();
    for block in body.get_blocks("locals") {
        for attribute in attributes(block, source, problems) {
            locals.push((attribute.key.as_str(), &attribute.value));
        }
    }
    locals
}

/// Locals may refer to each other in any order: rounds, until one brings nothing new.
fn evaluate_locals<'a>(
    source: Source<'a>,
    variables: Value,
    mut open: Vec<(&str, &Expression)>,
    problems: &mut Vec<Problem>,
) -> Scope<'a> {
    let mut known = Map::new();
    let scope = |known: &Map<String, Value>| {
        let names = [
            ("var", variables.clone()),
            ("local", Value::Object(known.clone())),
        ];
        Scope::of_job(
            source,
            names.map(|(name, value)| (name.to_owned(), value)).into(),
        )
    };
    loop {
        let before = open.len();
        let mut failed: Option<Problem> = None;
        open.retain(
            |(name, expression)| match evaluate::value(expression, &scope(&known)) {
                Ok(value) => {
                    known.insert((*name).to_owned(), value);
                    false
                }
                Err(problem) => {
                    failed.get_or_insert(problem);
                    true
                }
            },
        );
        match failed {
            None => return scope(&known),
            Some(problem) if open.len() == before => {
                problems.push(problem);
                return scope(&known);
            }
            Some(_) => {}
        }
    }
}
