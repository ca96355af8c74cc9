//! `variable` blocks: what is declared, and which value wins.
//!
//! `--var` over `--var-file` over the environment (the block's `env`, the first that is set and not empty) over `default`.
//! A variable without any is an empty text. Values are always texts. A default may name other variables, in no circle.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use hcl::edit::Span as _;
use hcl::edit::expr::{Expression, Traversal};
use hcl::edit::structure::Block;
use hcl::edit::visit::{Visit, visit_traversal};

use super::body::{Fields, label};
use super::evaluate::{Lookup, Scope, evaluate, variable_name};
use super::text::{At, Findings, listed, meant, shown};
use super::value::{Kind, Origin, Value};
use crate::secret::Secret;

/// Attributes of a `variable` block. Source: contract 7.1.
const FIELDS: [&str; 5] = ["default", "description", "env", "sensitive", "type"];

/// Types of a variable. Its value is a text all the same.
const TYPES: [&str; 3] = ["string", "number", "bool"];

/// Values of variables, by name; `None` for one whose value is wrong, which has been told.
#[derive(Default)]
pub(super) struct Variables(BTreeMap<String, Option<Value>>);

impl Variables {
    /// `None` when the value is wrong, which has been told; `Some(None)` when nobody declares it.
    #[expect(clippy::option_option, reason = "both are told apart at once")]
    pub(super) fn value(&self, name: &str) -> Option<Option<Value>> {
        match self.0.get(name) {
            None => Some(None),
            Some(value) => value.clone().map(Some),
        }
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> + Clone {
        self.0.keys().map(String::as_str)
    }

    /// Values of sensitive variables.
    pub(super) fn secrets(&self) -> impl Iterator<Item = Secret> {
        self.0
            .values()
            .flatten()
            .filter(|value| value.is_secret)
            .filter_map(|value| value.text())
            .filter(|text| !text.is_empty())
            .map(Secret::new)
    }
}

/// Values from outside.
#[derive(Default)]
pub(super) struct Given {
    /// By `--var`.
    pub(super) flags: BTreeMap<String, Secret>,
    /// By `--var-file`, the later ones already in place of the earlier ones.
    pub(super) files: BTreeMap<String, Value>,
}

/// A `variable` block.
struct Declared<'b> {
    name: String,
    at: At,
    is_secret: bool,
    env: Vec<String>,
    type_name: Option<&'static str>,
    default: Option<&'b Expression>,
    needs: BTreeSet<String>,
}

/// Reads all `variable` blocks of the text `file`.
pub(super) fn read(
    blocks: &[&Block],
    file: usize,
    given: &Given,
    environment: Lookup<'_>,
    findings: &mut Findings,
) -> Variables {
    let mut declared: BTreeMap<String, Declared<'_>> = BTreeMap::new();
    for block in blocks {
        let Some(one) = declare(block, file, environment, findings) else {
            continue;
        };
        if declared.contains_key(&one.name) {
            let message = format!("variable `{}` is declared a second time", shown(&one.name));
            findings.error(one.at, "duplicate-variable", "variable", message, None);
            continue;
        }
        declared.insert(one.name.clone(), one);
    }
    let mut variables = Variables::default();
    let order = order(&declared, findings);
    for name in order {
        let value = value_of(
            &declared[&name],
            given,
            environment,
            &variables,
            file,
            findings,
        );
        variables.0.insert(name, value);
    }
    // Those in circles have no value.
    for name in declared.keys() {
        variables.0.entry(name.clone()).or_insert(None);
    }
    undeclared(given, &variables, findings);
    variables
}

fn declare<'b>(
    block: &'b Block,
    file: usize,
    environment: Lookup<'_>,
    findings: &mut Findings,
) -> Option<Declared<'b>> {
    let at = At::new(file, block.ident.span());
    let Some((name, at)) = label(block, file) else {
        let message = "a `variable` block has one label, its name";
        findings.error(at, "variable-name", "variable", message, None);
        return None;
    };
    let path = format!("variable.{}", shown(&name));
    if hcl::Identifier::new(name.as_str()).is_err() {
        let message = "the name of a variable has letters, digits, `_` and `-`, and starts with a letter or `_`";
        findings.error(at, "variable-name", &path, message, None);
        return None;
    }
    let fields = Fields::read(&block.body, file, &path, &FIELDS, &[], findings);
    let scope = Scope {
        environment,
        variables: None,
        expands: false,
        file,
        path: &path,
    };
    let sensitive = fields
        .attribute("sensitive")
        .and_then(|value| evaluate(value, scope, findings));
    let is_secret = match sensitive.as_ref().map(|value| &value.kind) {
        None => false,
        Some(Kind::Bool(flag)) => *flag,
        Some(_) => {
            let at = sensitive.expect("matched above").at;
            findings.error(
                at,
                "wrong-type",
                &path,
                "`sensitive` is `true` or `false`",
                None,
            );
            // The careful reading.
            true
        }
    };
    Some(Declared {
        at,
        is_secret,
        env: names(fields.attribute("env"), scope, findings),
        type_name: type_name(fields.attribute("type"), scope, findings),
        default: fields.attribute("default"),
        needs: fields.attribute("default").map(needs).unwrap_or_default(),
        name,
    })
}

/// `env = ["A", "B"]`, or one name alone.
fn names(
    expression: Option<&Expression>,
    scope: Scope<'_>,
    findings: &mut Findings,
) -> Vec<String> {
    let Some(value) = expression.and_then(|given| evaluate(given, scope, findings)) else {
        return Vec::new();
    };
    let items = match value.kind {
        Kind::List(items) => items,
        _ => vec![value],
    };
    let mut names = Vec::new();
    for item in items {
        match item.kind {
            Kind::Text(name) => names.push(name),
            _ => findings.error(
                item.at,
                "wrong-type",
                scope.path,
                "`env` is a list of names of environment variables",
                None,
            ),
        }
    }
    names
}

/// `type = string` as well as `type = "string"`.
fn type_name(
    expression: Option<&Expression>,
    scope: Scope<'_>,
    findings: &mut Findings,
) -> Option<&'static str> {
    let expression = expression?;
    let at = At::of(scope.file, expression);
    let name = match expression {
        Expression::Variable(name) => name.as_str().to_owned(),
        other => evaluate(other, scope, findings)?.text()?,
    };
    let known = TYPES.into_iter().find(|known| *known == name);
    if known.is_none() {
        let message = "a variable is a text: its type is one of the plain ones";
        let help = format!("known are {}", listed(TYPES));
        findings.error(at, "variable-type", scope.path, message, Some(help));
    }
    known
}

/// The variables that an expression names.
fn needs(expression: &Expression) -> BTreeSet<String> {
    #[derive(Default)]
    struct Names(BTreeSet<String>);
    impl Visit for Names {
        fn visit_traversal(&mut self, traversal: &Traversal) {
            if let Some(name) = variable_name(traversal) {
                self.0.insert(name.to_owned());
            }
            visit_traversal(self, traversal);
        }
    }
    let mut names = Names::default();
    names.visit_expr(expression);
    names.0
}

/// Names so that each comes after those that it needs. Those in a circle are told and left out.
fn order(declared: &BTreeMap<String, Declared<'_>>, findings: &mut Findings) -> Vec<String> {
    let mut waits: BTreeMap<&str, usize> = BTreeMap::new();
    let mut waited_for: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, one) in declared {
        let needs = one.needs.iter().filter(|need| declared.contains_key(*need));
        for need in needs.clone() {
            waited_for.entry(need).or_default().push(name);
        }
        waits.insert(name, needs.count());
    }
    let ready = waits.iter().filter(|(_, count)| **count == 0);
    let mut ready: VecDeque<&str> = ready.map(|(name, _)| *name).collect();
    let mut order = Vec::new();
    while let Some(name) = ready.pop_front() {
        order.push(name.to_owned());
        waits.remove(name);
        for waiting in waited_for.get(name).into_iter().flatten() {
            let Some(count) = waits.get_mut(waiting) else {
                continue;
            };
            *count -= 1;
            if *count == 0 {
                ready.push_back(waiting);
            }
        }
    }
    let stuck: BTreeSet<&str> = waits.into_keys().collect();
    circles(declared, stuck, findings);
    order
}

/// Tells every circle once, at its first variable.
fn circles(
    declared: &BTreeMap<String, Declared<'_>>,
    stuck: BTreeSet<&str>,
    findings: &mut Findings,
) {
    /// Names of a circle that are shown.
    const SHOWN: usize = 8;
    let next = |name: &str| {
        let needs = declared[name].needs.iter();
        needs.map(String::as_str).find(|need| stuck.contains(need))
    };
    let mut seen: BTreeSet<&str> = BTreeSet::new();
    for start in &stuck {
        let mut path: Vec<&str> = Vec::new();
        let mut on_path: BTreeSet<&str> = BTreeSet::new();
        let mut at = *start;
        while !seen.contains(at) && on_path.insert(at) {
            path.push(at);
            let Some(need) = next(at) else { break };
            at = need;
        }
        seen.extend(&path);
        let Some(first) = path.iter().position(|name| *name == at) else {
            continue;
        };
        let circle = &path[first..];
        let mut names: Vec<String> = circle.iter().take(SHOWN).map(|name| shown(name)).collect();
        if circle.len() > SHOWN {
            names.push("…".to_owned());
        }
        names.push(shown(at));
        let message = format!(
            "variables need each other in a circle: {}",
            names.join(" → ")
        );
        let one = &declared[at];
        findings.error(
            one.at,
            "variable-cycle",
            &format!("variable.{}", shown(&one.name)),
            message,
            Some("give one of them a value of its own".to_owned()),
        );
    }
}

fn value_of(
    one: &Declared<'_>,
    given: &Given,
    environment: Lookup<'_>,
    others: &Variables,
    file: usize,
    findings: &mut Findings,
) -> Option<Value> {
    let path = format!("variable.{}", shown(&one.name));
    let foreign = |text: String| Value {
        kind: Kind::Text(text),
        at: one.at,
        is_secret: one.is_secret,
        is_foreign: true,
        of_environment: None,
    };
    let from_environment = || {
        let mut names = one.env.iter();
        names.find_map(|name| Some((name, environment(name)?)))
    };
    let mut value = if let Some(text) = given.flags.get(&one.name) {
        foreign(text.expose().to_owned())
    } else if let Some(value) = given.files.get(&one.name) {
        value.clone()
    } else if let Some((name, text)) = from_environment() {
        Value {
            of_environment: Some(Origin::Variable(name.clone())),
            ..foreign(text)
        }
    } else if let Some(default) = one.default {
        let scope = Scope {
            environment,
            variables: Some(others),
            expands: false,
            file,
            path: &path,
        };
        evaluate(default, scope, findings)?
    } else {
        foreign(String::new())
    };
    value.is_secret |= one.is_secret;
    let text = if value.is_null() {
        String::new()
    } else if let Some(text) = value.text() {
        text
    } else {
        let message = format!("a variable is a text, and its value is {}", value.name());
        findings.error(value.at, "wrong-type", &path, message, None);
        return None;
    };
    let fits = match one.type_name {
        _ if text.is_empty() => true,
        Some("number") => text.trim().parse::<f64>().is_ok_and(f64::is_finite),
        Some("bool") => matches!(text.as_str(), "true" | "false"),
        _ => true,
    };
    if !fits {
        let message = format!(
            "the value of variable `{}` is no {}",
            shown(&one.name),
            one.type_name.unwrap_or_default()
        );
        findings.error(value.at, "variable-type", &path, message, None);
        return None;
    }
    value.kind = Kind::Text(text);
    Some(value)
}

/// A flag that names no variable is a slip; a file may serve several projects.
fn undeclared(given: &Given, variables: &Variables, findings: &mut Findings) {
    for name in given.flags.keys() {
        if !variables.0.contains_key(name) {
            let message = format!("--var names `{}`, which is not declared", shown(name));
            let help = Some(meant(name, variables.names())).filter(|_| !variables.0.is_empty());
            findings.error(
                At::default(),
                "undeclared-variable",
                "variable",
                message,
                help,
            );
        }
    }
    for (name, value) in &given.files {
        if !variables.0.contains_key(name) {
            let message = format!("no variable `{}` is declared", shown(name));
            let help = Some(meant(name, variables.names())).filter(|_| !variables.0.is_empty());
            findings.warn(value.at, "undeclared-variable", "variable", message, help);
        }
    }
}
