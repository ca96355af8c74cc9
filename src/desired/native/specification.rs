//! A job specification in HCL, as far as it can be read without evaluating it: the job's name and what is literal about
//! it, the variables, the functions that are called.

use std::collections::BTreeMap;

use hcl::edit::Span;
use hcl::edit::expr::{Expression, FuncCall};
use hcl::edit::parser::parse_body;
use hcl::edit::structure::{Block, Body, Structure};
use hcl::edit::visit::{Visit, visit_func_call};
use serde_json::Value;

use super::literal::literal;
use super::types::Type;
use crate::spec::suggest::closest;

/// A specification in HCL.
#[derive(Debug, Default)]
pub(super) struct Specification {
    /// The job, if there is exactly one.
    pub(super) job: Option<Job>,
    /// Variables by name.
    pub(super) variables: BTreeMap<String, Variable>,
}

/// The `job` block.
#[derive(Debug)]
pub(super) struct Job {
    /// Its label: the job's name, and its id unless it gives another.
    pub(super) label: At<String>,
    /// `id`, when it is a plain text.
    pub(super) id: Option<At<String>>,
    /// `id` needs evaluation.
    pub(super) id_is_open: bool,
    /// `namespace`, when it is a plain text.
    pub(super) namespace: Option<At<String>>,
    /// `type`, when it is a plain text.
    pub(super) job_type: Option<At<String>>,
}

/// Something and where it stands: byte of the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct At<T> {
    pub(super) value: T,
    pub(super) offset: usize,
}

/// A variable that is declared.
#[derive(Debug)]
pub(super) struct Variable {
    /// Where.
    pub(super) offset: usize,
    /// Its type: as declared, else that of the default.
    pub(super) of: Type,
    /// A value on a command line or in the environment is the text itself, not an expression.
    ///
    /// Source: Nomad, `expressionFromVariableDefinition`: for `string`, `number` and variables without any type.
    pub(super) takes_text: bool,
    /// It has a default.
    pub(super) has_default: bool,
}

/// Something that is wrong at a byte of the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Flaw {
    pub(super) code: &'static str,
    pub(super) offset: usize,
    pub(super) message: String,
    pub(super) help: Option<String>,
    pub(super) is_warning: bool,
}

impl Flaw {
    pub(super) fn new(code: &'static str, offset: usize, message: impl Into<String>) -> Self {
        Self {
            code,
            offset,
            message: message.into(),
            help: None,
            is_warning: false,
        }
    }

    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// Where the lines of a text start. Made once: a bad text may have a finding in each of many lines.
#[derive(Debug)]
pub(super) struct Lines(Vec<usize>);

impl Lines {
    pub(super) fn of(text: &str) -> Self {
        let behind = text.match_indices('\n').map(|(at, _)| at + 1);
        Self(std::iter::once(0).chain(behind).collect())
    }

    /// Line and column of a byte of that text, both from 1, the column in characters.
    pub(super) fn place(&self, text: &str, offset: usize) -> (u64, u64) {
        let line = self.0.partition_point(|start| *start <= offset);
        let start = self.0[line - 1];
        let before = text.get(start..offset).unwrap_or_default();
        (line as u64, before.chars().count() as u64 + 1)
    }
}

/// The text without a byte order mark, which Nomad overlooks as well.
pub(super) fn without_mark(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

/// Reads the body of an HCL text.
pub(super) fn body(text: &str) -> Result<Body, Flaw> {
    parse_body(text).map_err(|error| {
        let message = format!("not HCL: {}", error.message());
        Flaw::new("hcl-syntax", error.location().offset(), message)
    })
}

/// Top-level blocks of a specification.
const BLOCKS: [&str; 4] = ["job", "variable", "variables", "locals"];

/// Reads a specification, and everything that is wrong with it.
pub(super) fn read(text: &str) -> (Specification, Vec<Flaw>) {
    let body = match body(text) {
        Ok(body) => body,
        Err(flaw) => return (Specification::default(), vec![flaw]),
    };
    let mut reader = Reader::default();
    let mut jobs = Vec::new();
    for structure in body.iter() {
        match structure {
            Structure::Attribute(attribute) => {
                reader.stray_attribute(attribute.key.as_str(), start(attribute.key.span()))
            }
            Structure::Block(block) => match block.ident.as_str() {
                "job" => jobs.push(block),
                "variable" => reader.variable(block),
                "variables" => reader.variables(&block.body),
                "locals" => {}
                other => reader.stray_block(other, start(block.ident.span())),
            },
        }
    }
    reader.job(&jobs);
    let mut calls = Calls::default();
    calls.visit_body(&body);
    reader.flaws.extend(calls.flaws);
    reader.flaws.sort_by_key(|flaw| flaw.offset);
    (reader.read, reader.flaws)
}

fn start(span: Option<std::ops::Range<usize>>) -> usize {
    span.map_or(0, |span| span.start)
}

#[derive(Default)]
struct Reader {
    read: Specification,
    flaws: Vec<Flaw>,
}

impl Reader {
    fn stray_attribute(&mut self, name: &str, offset: usize) {
        let message = format!("`{name}` stands outside of every block");
        self.flaws.push(
            Flaw::new("hcl-block", offset, message)
                .help("values of variables belong into a file of their own, see `variableFiles`"),
        );
    }

    fn stray_block(&mut self, name: &str, offset: usize) {
        let message = format!("a job specification has no block `{name}` outside of the job");
        let help = closest(name, BLOCKS).map_or_else(
            || format!("known are {}", listed(&BLOCKS)),
            |meant| format!("did you mean `{meant}`?"),
        );
        self.flaws
            .push(Flaw::new("hcl-block", offset, message).help(help));
    }

    fn job(&mut self, blocks: &[&Block]) {
        let [block] = blocks else {
            let flaw = match blocks.get(1) {
                None => Flaw::new("job-block", 0, "there is no `job` block"),
                Some(second) => Flaw::new(
                    "job-block",
                    start(second.ident.span()),
                    "a second `job` block: a specification describes one job",
                )
                .help("put each job into a file of its own"),
            };
            self.flaws.push(flaw);
            return;
        };
        let [label] = block.labels.as_slice() else {
            let message = "a `job` block has exactly one label, the name of the job";
            self.flaws
                .push(Flaw::new("job-block", start(block.ident.span()), message));
            return;
        };
        let attribute = |name| block.body.get_attribute(name);
        let text = |name| {
            let attribute = attribute(name)?;
            let value = literal(&attribute.value)?.as_str()?.to_owned();
            let offset = start(attribute.value.span());
            Some(At { value, offset })
        };
        let id = text("id");
        self.read.job = Some(Job {
            label: At {
                value: label.as_str().to_owned(),
                offset: start(label.span()),
            },
            id_is_open: id.is_none() && attribute("id").is_some(),
            id,
            namespace: text("namespace"),
            job_type: text("type"),
        });
    }

    fn variable(&mut self, block: &Block) {
        let [label] = block.labels.as_slice() else {
            let message = "a `variable` block has exactly one label, its name";
            self.flaws
                .push(Flaw::new("hcl-block", start(block.ident.span()), message));
            return;
        };
        let value = |name| block.body.get_attribute(name).map(|found| &found.value);
        let default = value("default");
        let declared = value("type").map(Type::of);
        if let (Some(of), Some(default)) = (&declared, default)
            && let Some(expected) = literal(default).and_then(|value| of.misfit(&value))
        {
            let message = format!(
                "the default of variable `{}` must be {expected}",
                label.as_str()
            );
            self.flaws
                .push(Flaw::new("variable-type", start(default.span()), message));
        }
        self.declare(label.as_str(), start(label.span()), declared, default);
    }

    fn variables(&mut self, body: &Body) {
        for attribute in body.attributes() {
            let offset = start(attribute.key.span());
            self.declare(attribute.key.as_str(), offset, None, Some(&attribute.value));
        }
    }

    fn declare(
        &mut self,
        name: &str,
        offset: usize,
        declared: Option<Type>,
        default: Option<&Expression>,
    ) {
        if hcl::Identifier::new(name).is_err() {
            let message = "the name of a variable starts with a letter or `_`, and goes on with letters, digits, `_` and `-`";
            self.flaws.push(Flaw::new("variable-name", offset, message));
            return;
        }
        let variable = Variable {
            offset,
            takes_text: match (&declared, default.map(literal)) {
                (Some(of), _) => matches!(of, Type::Text | Type::Number),
                (None, None) => true,
                (None, Some(default)) => {
                    matches!(default, Some(Value::String(_) | Value::Number(_)))
                }
            },
            of: declared.unwrap_or_else(|| match default.and_then(literal) {
                Some(value) => Type::of_value(&value),
                None => Type::Unknown,
            }),
            has_default: default.is_some(),
        };
        if self
            .read
            .variables
            .insert(name.to_owned(), variable)
            .is_some()
        {
            let message = format!("variable `{name}` is declared a second time");
            self.flaws
                .push(Flaw::new("variable-twice", offset, message));
        }
    }
}

/// Functions that read files of whoever evaluates. Nomad's servers evaluate here, and they refuse.
///
/// Source: Nomad, `jobspec2.Functions` (`guardFS`).
const FILE_FUNCTIONS: [&str; 8] = [
    "abspath",
    "basename",
    "dirname",
    "file",
    "filebase64",
    "fileexists",
    "fileset",
    "pathexpand",
];

/// Functions that give another value each time.
const UNSTABLE_FUNCTIONS: [&str; 2] = ["uuidv4", "bcrypt"];

/// Looks for calls that cannot work, or work against a reconciler.
#[derive(Default)]
struct Calls {
    flaws: Vec<Flaw>,
}

impl Visit for Calls {
    fn visit_func_call(&mut self, call: &FuncCall) {
        let name = call.name.name.as_str();
        let offset = start(call.name.name.span());
        if FILE_FUNCTIONS.contains(&name) {
            let message = format!("`{name}` works on files, which Nomad's servers refuse to do");
            self.flaws.push(
                Flaw::new("hcl-file-function", offset, message)
                    .help("hand the text over as a variable, e.g. from a file of `variableFiles`"),
            );
        }
        if UNSTABLE_FUNCTIONS.contains(&name) {
            let message = format!(
                "`{name}` gives another value each time, so the job differs from itself whenever it is looked at"
            );
            self.flaws.push(Flaw {
                is_warning: true,
                ..Flaw::new("hcl-unstable-function", offset, message)
                    .help("use a variable, or `uuidv5` of something that stays")
            });
        }
        visit_func_call(self, call);
    }
}

pub(super) fn listed(words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    quoted.join(", ")
}
