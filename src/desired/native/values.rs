//! Values of variables: from the environment, from files, from the document, from flags, merged one by one.

use std::collections::BTreeMap;
use std::sync::Arc;

use hcl::edit::Span;
use hcl::edit::expr::{Expression, ForExpr, FuncCall, Traversal};
use hcl::edit::structure::{Attribute, Structure};
use hcl::edit::visit::{Visit, visit_expr, visit_func_call};
use serde_json::Value;

use super::issue::{NativeIssue, Site};
use super::literal::{expression, literal};
use super::read::Text;
use super::specification::{Lines, Variable, body, without_mark};
use super::types::Type;
use super::{Lookup, MOST};
use crate::manifests::Native;
use crate::spec::nomad_job::NomadJob;
use crate::spec::path;
use crate::spec::suggest::closest;

/// Prefix of environment variables that give values, as for Nomad's command line.
pub const ENVIRONMENT_PREFIX: &str = "NOMAD_VAR_";

/// A value that counts.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Given {
    /// As HCL: one attribute of a variable file, with its line break.
    pub(super) attribute: String,
    /// The text that a flag or the environment gave, for variables that a text can say.
    pub(super) plain: Option<String>,
    /// The value, when it needs no evaluation.
    pub(super) value: Option<Value>,
    /// Where it was given.
    pub(super) site: Site,
}

/// Where a value comes from.
struct Origin {
    site: Site,
    /// As it is called, e.g. `` `--var region` ``.
    name: String,
    plain: Option<String>,
}

/// What was given, and what is wrong with it.
pub(super) struct Values<'a> {
    declared: &'a BTreeMap<String, Variable>,
    pub(super) given: BTreeMap<String, Given>,
    pub(super) issues: Vec<NativeIssue>,
}

/// Merges the values of all variables that the specification declares. Later wins: environment, files, document, flags.
pub(super) fn merge<'a>(
    declared: &'a BTreeMap<String, Variable>,
    text: &Text,
    job: &NomadJob,
    native: Option<&Native>,
    environment: Lookup<'_>,
) -> Values<'a> {
    let mut values = Values {
        declared,
        given: BTreeMap::new(),
        issues: Vec::new(),
    };
    for (name, variable) in declared {
        let from = [ENVIRONMENT_PREFIX, name].concat();
        if let Some(words) = environment(&from) {
            let site = text.site(variable.offset);
            values.words(name, variable, &words, site, format!("`{from}`"));
        }
    }
    for (file, content) in native.iter().flat_map(|native| &native.variable_files) {
        values.file(file, without_mark(content));
    }
    for (name, value) in &job.spec.variables {
        values.field(name, value);
    }
    for (name, words) in native.iter().flat_map(|native| &native.variable_flags) {
        match declared.get(name) {
            Some(variable) => {
                let site = text.site(variable.offset);
                values.words(name, variable, words, site, format!("`--var {name}`"));
            }
            None => values.undeclared(&format!("--var {name}"), name, text.whole(), true),
        }
    }
    values.missing(text);
    values
}

impl Values<'_> {
    /// A value of a flag or of the environment: the text itself, or an expression, as the variable's type wants it.
    fn words(&mut self, name: &str, variable: &Variable, words: &str, site: Site, from: String) {
        let of_text = variable.takes_text || variable.of == Type::Bool;
        let origin = Origin {
            site,
            name: from,
            plain: of_text.then(|| words.to_owned()),
        };
        if variable.takes_text {
            self.plain(name, variable, Value::String(words.to_owned()), origin);
            return;
        }
        match words.trim().parse::<Expression>() {
            Ok(read) => self.expression(name, variable, &read, words.trim(), origin),
            Err(_) => {
                let message = format!("{} is not HCL", origin.name);
                let help =
                    r#"write lists, mappings and booleans as HCL, e.g. `["a", "b"]` or `true`"#;
                self.issues
                    .push(NativeIssue::new("variable-syntax", origin.site, message).help(help));
            }
        }
    }

    fn file(&mut self, file: &Arc<str>, content: &str) {
        let site = |(line, column)| Site::File {
            file: Arc::clone(file),
            line,
            column,
            path: String::new(),
        };
        // Nomad takes both syntaxes of HCL for variable files. The JSON one is plain data.
        if content.trim_start_matches(' ').starts_with('{') {
            return self.json_file(content, site);
        }
        let body = match body(content) {
            Ok(body) => body,
            Err(flaw) => {
                let site = site(Lines::of(content).place(content, flaw.offset));
                self.issues
                    .push(NativeIssue::new(flaw.code, site, flaw.message));
                return;
            }
        };
        let lines = Lines::of(content);
        for structure in body.iter() {
            let span = match structure {
                Structure::Attribute(attribute) => attribute.key.span(),
                Structure::Block(block) => block.ident.span(),
            };
            let site = site(lines.place(content, span.map_or(0, |span| span.start)));
            match structure {
                Structure::Attribute(attribute) => self.assignment(attribute, content, site),
                Structure::Block(_) => {
                    let message = "a variable file holds values (`name = value`), no blocks";
                    let issue = NativeIssue::new("variable-file", site, message);
                    self.issues
                        .push(issue.help("declare variables in the job specification"));
                }
            }
        }
    }

    fn assignment(&mut self, attribute: &Attribute, content: &str, site: Site) {
        let name = attribute.key.as_str();
        match self.declared.get(name) {
            Some(variable) => {
                self.expression(name, variable, &attribute.value, content, own(name, site));
            }
            None => self.undeclared(name, name, site, true),
        }
    }

    fn json_file(&mut self, content: &str, site: impl Fn((u64, u64)) -> Site) {
        let values: BTreeMap<String, Value> = match serde_json::from_str(content) {
            Ok(values) => values,
            Err(error) => {
                let site = site((error.line() as u64, error.column() as u64));
                let message = "not a JSON object with values of variables";
                self.issues
                    .push(NativeIssue::new("json-syntax", site, message));
                return;
            }
        };
        for (name, value) in values {
            match self.declared.get(&name) {
                Some(variable) => self.plain(&name, variable, value, own(&name, site((0, 0)))),
                None => self.undeclared(&name, &name, site((0, 0)), true),
            }
        }
    }

    /// A value of `spec.variables`.
    fn field(&mut self, name: &str, value: &Value) {
        let site = Site::Document(path::member("spec.variables", name));
        match self.declared.get(name) {
            Some(variable) => self.plain(name, variable, value.clone(), own(name, site)),
            None => self.undeclared(name, name, site, false),
        }
    }

    fn plain(&mut self, name: &str, variable: &Variable, value: Value, origin: Origin) {
        self.check(variable, &value, &origin);
        let attribute = written(name, &value);
        self.give(name, attribute, Some(value), origin);
    }

    /// A value that is an expression in `text`.
    fn expression(
        &mut self,
        name: &str,
        variable: &Variable,
        read: &Expression,
        text: &str,
        origin: Origin,
    ) {
        if let Some(value) = literal(read) {
            return self.plain(name, variable, value, origin);
        }
        if is_open(read) {
            let message = format!("{} may use neither variables nor functions", origin.name);
            let issue = NativeIssue::new("variable-value", origin.site.clone(), message);
            self.issues
                .push(issue.help("put texts in quotes; what is computed belongs into `locals`"));
        }
        // What has to be evaluated first, and numbers beyond our precision, are left to Nomad letter by letter, exactly as
        // far as the parser says that the expression reaches.
        let span = read.span().unwrap_or(0..text.len());
        let letters = text.get(span).unwrap_or_default();
        let attribute = [name, " = ", letters.trim_end(), "\n"].concat();
        self.give(name, attribute, None, origin);
    }

    fn give(&mut self, name: &str, attribute: String, value: Option<Value>, origin: Origin) {
        let given = Given {
            attribute,
            plain: origin.plain,
            value,
            site: origin.site,
        };
        self.given.insert(name.to_owned(), given);
    }

    fn check(&mut self, variable: &Variable, value: &Value, origin: &Origin) {
        if let Some(expected) = variable.of.misfit(value) {
            let message = format!("{} must be {expected}", origin.name);
            self.issues.push(NativeIssue::new(
                "variable-type",
                origin.site.clone(),
                message,
            ));
        }
    }

    /// Flags and files often serve several jobs, of which not all know each variable; Nomad's API overlooks those, too.
    fn undeclared(&mut self, shown: &str, name: &str, site: Site, is_shared: bool) {
        let message = format!("`{shown}`: the specification declares no such variable");
        let mut issue = NativeIssue::new("variable-unknown", site, message);
        if is_shared {
            issue = issue.warning();
        }
        if self.issues.len() < MOST
            && let Some(meant) = closest(name, self.declared.keys().map(String::as_str))
        {
            issue = issue.help(format!("did you mean `{meant}`?"));
        }
        self.issues.push(issue);
    }

    fn missing(&mut self, text: &Text) {
        for (name, variable) in self.declared {
            if !variable.has_default && !self.given.contains_key(name) {
                let site = text.site(variable.offset);
                let message = format!("variable `{name}` has no default and no value");
                let help = format!(
                    "set it in `spec.variables`, by `--var {name}=…` or `{ENVIRONMENT_PREFIX}{name}`, or give it a default"
                );
                self.issues
                    .push(NativeIssue::new("variable-missing", site, message).help(help));
            }
        }
    }
}

fn own(name: &str, site: Site) -> Origin {
    Origin {
        site,
        name: format!("variable `{name}`"),
        plain: None,
    }
}

/// A value as an attribute of a variable file.
fn written(name: &str, value: &Value) -> String {
    let body = hcl::Body::builder()
        .add_attribute((name, expression(value)))
        .build();
    hcl::format::to_string(&body).expect("writing to memory cannot fail")
}

/// Whether an expression uses what a value may not use.
fn is_open(expression: &Expression) -> bool {
    let mut uses = Uses::default();
    uses.visit_expr(expression);
    uses.outside && !uses.loops
}

#[derive(Default)]
struct Uses {
    /// Variables and functions.
    outside: bool,
    /// A `for`, which has variables of its own.
    loops: bool,
}

impl Visit for Uses {
    fn visit_expr(&mut self, expression: &Expression) {
        self.outside |= matches!(expression, Expression::Variable(_));
        visit_expr(self, expression);
    }

    fn visit_func_call(&mut self, call: &FuncCall) {
        self.outside = true;
        visit_func_call(self, call);
    }

    fn visit_traversal(&mut self, _: &Traversal) {
        self.outside = true;
    }

    fn visit_for_expr(&mut self, _: &ForExpr) {
        self.loops = true;
    }
}
