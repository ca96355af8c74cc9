//! `cs explain`: what a field of a kind means, from the reference.

use serde_json::json;

use super::{Context, exit, output};
use crate::reference::example::{self, Example};
use crate::reference::field::{Field, NoField};
use crate::reference::markdown;
use crate::reference::starter::wrapped;
use crate::spec::schema::{KINDS, KindSchema};
use crate::spec::suggest::closest;
use crate::spec::workload::API_VERSION;
use crate::validation::rules::{self, Rule};

/// Explain a kind, a field of a kind, or a code of a finding: type, default, meaning, values, an example.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  cs explain                              # which kinds there are
  cs explain workload.spec
  cs explain workload.spec.rollout.canary
  cs explain nomadjob --recursive         # the names of all fields
  cs explain port-twice                   # what a finding of cs validate means
  cs explain workload -o markdown         # the reference page")]
pub(super) struct Arguments {
    /// A kind in letters of any case, and the way to a field of it: KIND[.FIELD…]. Or the code of a finding, e.g.
    /// `port-twice`. Default: list the kinds.
    #[arg(value_name = "KIND.FIELD")]
    path: Option<String>,
    /// Show the names and types of everything below it instead of the next fields only.
    #[arg(short, long, requires = "path")]
    recursive: bool,
    /// How it is written.
    #[arg(short, long, value_enum, default_value = "text")]
    output: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// For a terminal.
    Text,
    /// A JSON document.
    Json,
    /// The reference page of a kind.
    Markdown,
}

/// Widest line; what does not fit on an old terminal is hard to read on a wide one as well.
const WIDTH: usize = 96;

pub(super) fn run(context: &Context, arguments: Arguments) -> u8 {
    let Some(path) = &arguments.path else {
        return kinds(context, arguments.output);
    };
    let (word, rest) = path.split_once('.').unwrap_or((path, ""));
    let Some(kind) = KindSchema::named(word) else {
        return rules::rule(path).map_or_else(
            || unknown_kind(word),
            |rule| code(context, rule, arguments.output),
        );
    };
    let top = Field::of_kind(kind);
    let field = match top.find(rest) {
        Ok(field) => field,
        Err(no_field) => return unknown_field(&no_field),
    };
    match arguments.output {
        Format::Markdown if !field.path.is_empty() => {
            return exit::usage(
                "a reference page is that of a whole kind",
                &format!("cs explain {} -o markdown", kind.word()),
            );
        }
        Format::Markdown => output::raw(&markdown::page(kind)),
        Format::Json => output::json(
            &serde_json::to_string_pretty(&document(kind, field))
                .expect("plain data with text keys"),
        ),
        Format::Text => Page { context, kind }.print(field, arguments.recursive),
    }
    0
}

fn kinds(context: &Context, format: Format) -> u8 {
    let about = |kind: &KindSchema| Field::of_kind(kind).description;
    match format {
        Format::Markdown => {
            return exit::usage(
                "a reference page needs a kind",
                "cs explain workload -o markdown",
            );
        }
        Format::Json => {
            let kinds = KINDS.map(|kind| {
                json!({ "kind": kind.name, "apiVersion": API_VERSION, "description": about(&kind) })
            });
            output::json(&json!({ "kinds": kinds }).to_string());
        }
        Format::Text => {
            let width = KINDS
                .iter()
                .map(|kind| kind.name.len())
                .max()
                .unwrap_or_default();
            output::line(&context.paint.bold(&format!("{:width$}  ABOUT", "KIND")));
            for kind in &KINDS {
                output::line(&format!("{:width$}  {}", kind.name, about(kind)));
            }
            output::line(&format!(
                "\nGo on with: cs explain {}.spec",
                KINDS[0].word()
            ));
        }
    }
    0
}

/// The field with what a program needs to place it.
fn document(kind: &KindSchema, field: &Field) -> serde_json::Value {
    let example = example::of_field(kind, &field.path);
    json!({
        "kind": kind.name,
        "apiVersion": API_VERSION,
        "field": field,
        "example": example.map(|example| json!({ "source": example.source, "text": example.text })),
    })
}

/// What a code of a finding means.
fn code(context: &Context, rule: &Rule, format: Format) -> u8 {
    match format {
        Format::Markdown => {
            return exit::usage(
                "a reference page is that of a kind",
                "all codes stand in docs/errors.md",
            );
        }
        Format::Json => output::json(
            &json!({ "code": rule.code, "description": rule.title, "fix": rule.fix }).to_string(),
        ),
        Format::Text => {
            for (name, value) in [
                ("CODE", rule.code),
                ("MEANS", rule.title),
                ("FIX", rule.fix),
            ] {
                let name = context.paint.bold(&format!("{name:9}"));
                output::line(&format!("{name} {value}"));
            }
        }
    }
    0
}

fn unknown_kind(word: &str) -> u8 {
    let names = KINDS.map(|kind| kind.name);
    let known = format!("kinds: {}", names.join(", "));
    let codes = rules::groups().flat_map(|(_, rules)| rules);
    let all = names.into_iter().chain(codes.map(|rule| rule.code));
    let help = closest(word, all).map_or_else(
        || known.clone(),
        |meant| format!("did you mean `{meant}`? {known}"),
    );
    exit::usage(format!("there is no kind `{}`", word.escape_debug()), &help)
}

fn unknown_field(no_field: &NoField) -> u8 {
    let message = format!(
        "`{}` has no field `{}`",
        no_field.parent,
        no_field.name.escape_debug()
    );
    if no_field.known.is_empty() {
        return exit::usage(message, "it is a value without fields");
    }
    let known = format!("fields: {}", no_field.known.join(", "));
    let help = no_field.meant.as_ref().map_or_else(
        || known.clone(),
        |meant| format!("did you mean `{meant}`? {known}"),
    );
    exit::usage(message, &help)
}

/// What is printed about a field.
struct Page<'c> {
    context: &'c Context,
    kind: &'c KindSchema,
}

impl Page<'_> {
    fn print(&self, field: &Field, recursive: bool) {
        self.head("KIND", self.kind.name);
        self.head("VERSION", API_VERSION);
        if !field.path.is_empty() {
            self.head("FIELD", &format!("{} {}", field.path, marks(field)));
        }
        if let Some(default) = &field.default {
            self.head("DEFAULT", default);
        }
        if let Some(constraint) = &field.constraint {
            self.head("RULE", constraint);
        }
        self.title("DESCRIPTION");
        for paragraph in field.description.split("\n\n") {
            self.indented(paragraph);
        }
        self.values(field);
        if !field.path.is_empty()
            && let Some(example) = example::of_field(self.kind, &field.path)
        {
            self.example(&example);
        }
        if field.fields.is_empty() {
            return;
        }
        self.title("FIELDS");
        if recursive {
            self.names(&field.fields, 2);
        } else {
            self.fields(&field.fields);
        }
    }

    fn head(&self, name: &str, value: &str) {
        let name = self.context.paint.bold(&format!("{name:9}"));
        output::line(&format!("{name} {value}"));
    }

    fn title(&self, name: &str) {
        output::line(&format!("\n{}", self.context.paint.bold(name)));
    }

    fn indented(&self, text: &str) {
        for line in wrapped(text, WIDTH - 4) {
            output::line(&format!("    {line}"));
        }
    }

    fn values(&self, field: &Field) {
        if field.values.is_empty() {
            return;
        }
        self.title("VALUES");
        let lengths = field.values.iter().map(|choice| choice.value.len());
        let width = lengths.max().unwrap_or_default();
        for choice in &field.values {
            let value = self.context.paint.cyan(&format!("{:width$}", choice.value));
            output::line(&format!("    {value}  {}", choice.meaning));
        }
    }

    fn example(&self, example: &Example) {
        self.title(&format!("EXAMPLE ({})", example.source));
        for line in example.text.lines() {
            output::line(format!("    {line}").trim_end());
        }
    }

    fn fields(&self, fields: &[Field]) {
        for field in fields {
            let name = self.context.paint.cyan(&field.name);
            output::line(&format!("  {name} {}", marks(field)));
            let default = field
                .default
                .as_ref()
                .map_or_else(String::new, |default| format!(" [default: {default}]"));
            self.indented(&format!("{}{default}", field.summary()));
        }
    }

    fn names(&self, fields: &[Field], depth: usize) {
        for field in fields {
            let name = self.context.paint.cyan(&field.name);
            output::line(&format!("{:depth$}{name} {}", "", marks(field)));
            self.names(&field.fields, depth + 2);
        }
    }
}

/// The type, and whether it must be there.
fn marks(field: &Field) -> String {
    let required = if field.required { " required" } else { "" };
    format!("<{}>{required}", field.type_name)
}
