//! `build`, `registry`, `deploy`, `release`: which plugin, with which settings. Source: contract 5.1, 7.1.
//!
//! `use = "docker"` with the settings beside it, or as Waypoint wrote it, `use "docker" { … }` with the settings inside.

mod known;

use std::collections::BTreeMap;

use hcl::edit::Span as _;
use hcl::edit::expr::Expression;
use hcl::edit::structure::{Block, Body};

use super::body::Fields;
use super::evaluate::{Scope, evaluate, variable_name};
use super::text::{At, Findings, listed, meant, shown};
use super::value::{Kind, Member, Value};
use crate::secret::Secret;
use crate::spec::suggest::closest;
use known::{BUILD, DEPLOY, Known, REGISTRY, RELEASE};

/// The four blocks of an app that name a plugin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Section {
    Build,
    Registry,
    Deploy,
    Release,
}

impl Section {
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Build => "build",
            Self::Registry => "registry",
            Self::Deploy => "deploy",
            Self::Release => "release",
        }
    }

    const fn plugins(self) -> &'static [Known] {
        match self {
            Self::Build => &BUILD,
            Self::Registry => &REGISTRY,
            Self::Deploy => &DEPLOY,
            Self::Release => &RELEASE,
        }
    }
}

/// A plugin block.
pub(super) struct Plugin {
    pub(super) name: &'static str,
    /// Where the block stands.
    pub(super) at: At,
    pub(super) path: String,
    settings: BTreeMap<&'static str, Member>,
}

/// Reads a plugin block; `None` once what is wrong has been told. `inner` are blocks that the section itself may have.
pub(super) fn read(
    section: Section,
    block: &Block,
    inner: &[&'static str],
    scope: Scope<'_>,
    findings: &mut Findings,
) -> Option<Plugin> {
    let word = section.word();
    let file = scope.file;
    let at = At::new(file, block.ident.span());
    let path = format!("{}.{word}", scope.path);
    let scope = Scope {
        path: &path,
        ..scope
    };
    if let Some(label) = block.labels.first() {
        let at = At::new(file, label.span());
        let message = format!("a `{word}` block has no label");
        let help = format!("write `{word} {{ use = … }}`");
        findings.error(at, "block-label", &path, message, Some(help));
    }
    let (name, name_at, body, is_inside) = named(section, block, at, inner, scope, findings)?;
    let plugins = section.plugins();
    let Some(plugin) = plugins.iter().find(|plugin| plugin.name == name) else {
        let usable = || plugins.iter().filter(|plugin| plugin.refused.is_none());
        let names = usable().map(|plugin| plugin.name);
        let help = match closest(&name, names.clone()) {
            Some(_) => meant(&name, names),
            None => format!("known are {}", listed(names)),
        };
        let message = format!("invalid {word} plugin name `{}`", shown(&name));
        findings.error(name_at, "plugin-name", &path, message, Some(help));
        return None;
    };
    if let Some(why) = plugin.refused {
        let message = format!("{word} plugin `{name}` is not carried out: {why}");
        findings.error(name_at, "not-supported", &path, message, None);
        return None;
    }
    let mut attributes = plugin.settings.to_vec();
    if !is_inside {
        attributes.push("use");
    }
    let mut blocks: Vec<&'static str> = plugin
        .settings
        .iter()
        .copied()
        .filter(|setting| matches!(*setting, "auth" | "variables"))
        .collect();
    if !is_inside {
        blocks.extend(inner);
    }
    let fields = Fields::read(body, file, &path, &attributes, &blocks, findings);
    let mut settings = BTreeMap::new();
    for name in plugin.settings {
        if let Some(value) = setting(name, &fields, scope, findings) {
            settings.insert(*name, value);
        }
    }
    Some(Plugin {
        name: plugin.name,
        at,
        path,
        settings,
    })
}

/// The plugin's name, where it stands, the body with its settings, and whether that is the inner one.
fn named<'b>(
    section: Section,
    block: &'b Block,
    at: At,
    inner: &[&'static str],
    scope: Scope<'_>,
    findings: &mut Findings,
) -> Option<(String, At, &'b Body, bool)> {
    let word = section.word();
    let file = scope.file;
    let labelled = block
        .body
        .blocks()
        .find(|block| block.ident.as_str() == "use");
    if let Some(used) = labelled {
        let mut blocks = inner.to_vec();
        blocks.push("use");
        let outer = Fields::read(&block.body, file, scope.path, &[], &blocks, findings);
        outer.block("use", file, scope.path, findings);
        let at = At::new(file, used.ident.span());
        let Some((name, at)) = super::body::label(used, file) else {
            let message = format!("{word} plugin 'use' field is required");
            let help = format!("write `{word} {{ use \"NAME\" {{ … }} }}`");
            findings.error(at, "plugin-use", scope.path, message, Some(help));
            return None;
        };
        return Some((name, at, &used.body, true));
    }
    let Some(attribute) = block.body.get_attribute("use") else {
        let message = format!("{word} plugin 'use' field is required");
        let names = section.plugins().iter();
        let names = names
            .filter(|plugin| plugin.refused.is_none())
            .map(|plugin| plugin.name);
        let help = format!("known are {}", listed(names));
        findings.error(at, "plugin-use", scope.path, message, Some(help));
        return None;
    };
    let value = evaluate(&attribute.value, scope, findings)?;
    match value.kind {
        Kind::Text(name) if !name.is_empty() => Some((name, value.at, &block.body, false)),
        Kind::Text(_) | Kind::Null => {
            let message = format!("{word} plugin 'use' field is required");
            findings.error(value.at, "plugin-use", scope.path, message, None);
            None
        }
        _ => {
            let message = format!("`use` must be a text, and is {}", value.name());
            findings.error(value.at, "wrong-type", scope.path, message, None);
            None
        }
    }
}

/// A setting from an attribute, or from a block of attributes.
fn setting(
    name: &'static str,
    fields: &Fields<'_>,
    scope: Scope<'_>,
    findings: &mut Findings,
) -> Option<Member> {
    let place = format!("{}.{name}", scope.path);
    let scope = Scope {
        path: &place,
        ..scope
    };
    if let Some(expression) = fields.attribute(name) {
        let at = fields.at(name).unwrap_or_default();
        let value = match token_variable(name, expression, scope) {
            Some(value) => value,
            None => evaluate(expression, scope, findings)?,
        };
        return (!value.is_null()).then(|| Member {
            key: name.to_owned(),
            at,
            value,
        });
    }
    let block = fields.block(name, scope.file, scope.path, findings)?;
    let at = At::new(scope.file, block.ident.span());
    let mut members: Vec<Member> = Vec::new();
    for attribute in block.body.attributes() {
        let at = At::new(scope.file, attribute.key.span());
        let Some(value) = evaluate(&attribute.value, scope, findings) else {
            continue;
        };
        members.push(Member {
            key: attribute.key.as_str().to_owned(),
            at,
            value,
        });
    }
    if let Some(block) = block.body.blocks().next() {
        let at = At::new(scope.file, block.ident.span());
        let message = format!("`{name}` has attributes only");
        findings.error(at, "unknown-field", scope.path, message, None);
    }
    Some(Member {
        key: name.to_owned(),
        at,
        value: Value::written(Kind::Map(members), at),
    })
}

/// `registry_token = var.NAME` of a variable that nobody declares is the environment variable of that name. Source: contract
/// 7.1.
fn token_variable(name: &str, expression: &Expression, scope: Scope<'_>) -> Option<Value> {
    let Expression::Traversal(traversal) = expression else {
        return None;
    };
    let variable = variable_name(traversal).filter(|_| name == "registry_token")?;
    if scope.variables?.value(variable) != Some(None) {
        return None;
    }
    let text = (scope.environment)(variable).unwrap_or_default();
    let mut value = Value::written(Kind::Text(text), At::of(scope.file, expression));
    (value.is_secret, value.is_foreign) = (true, true);
    Some(value)
}

impl Plugin {
    /// Where a setting stands; the block when it is not given.
    pub(super) fn place(&self, name: &str) -> At {
        self.settings.get(name).map_or(self.at, |member| member.at)
    }

    pub(super) fn given(&self, name: &str) -> Option<&Member> {
        self.settings.get(name)
    }

    fn path_of(&self, name: &str) -> String {
        format!("{}.{name}", self.path)
    }

    /// A text that may be shown; an empty one counts as not given.
    pub(super) fn text(&self, name: &str, findings: &mut Findings) -> Option<String> {
        let member = self.settings.get(name)?;
        text_of(&member.value, &self.path_of(name), findings).filter(|text| !text.is_empty())
    }

    /// A text that is never shown. One that stands in the file itself is warned of: the file goes where the sources go.
    pub(super) fn secret(&self, name: &str, findings: &mut Findings) -> Option<Secret> {
        let member = self.settings.get(name)?;
        warn_of_plain(name, &member.value, &self.path_of(name), findings);
        secret_of(&member.value, &self.path_of(name), findings)
    }

    pub(super) fn flag(&self, name: &str, findings: &mut Findings) -> Option<bool> {
        let value = &self.settings.get(name)?.value;
        match &value.kind {
            Kind::Bool(flag) => Some(*flag),
            Kind::Text(text) if text == "true" => Some(true),
            Kind::Text(text) if text == "false" => Some(false),
            _ => {
                let message = format!("must be `true` or `false`, and is {}", value.name());
                findings.error(value.at, "wrong-type", &self.path_of(name), message, None);
                None
            }
        }
    }

    /// A list of texts; one text alone is a list of it.
    pub(super) fn texts(&self, name: &str, findings: &mut Findings) -> Vec<(String, At)> {
        let Some(member) = self.settings.get(name) else {
            return Vec::new();
        };
        let path = self.path_of(name);
        let one = std::slice::from_ref(&member.value);
        let items = match &member.value.kind {
            Kind::List(items) => items.as_slice(),
            _ => one,
        };
        items
            .iter()
            .filter_map(|item| Some((text_of(item, &path, findings)?, item.at)))
            .collect()
    }

    /// A map of texts that may be shown.
    pub(super) fn map(&self, name: &str, findings: &mut Findings) -> BTreeMap<String, String> {
        let Some(member) = self.settings.get(name) else {
            return BTreeMap::new();
        };
        let path = self.path_of(name);
        members(&member.value, &path, findings)
            .iter()
            .filter(|member| !member.value.is_null())
            .filter_map(|member| {
                Some((member.key.clone(), text_of(&member.value, &path, findings)?))
            })
            .collect()
    }
}

/// Settings that prove who asks. User names are none.
const CREDENTIALS: [&str; 4] = ["nomad_token", "password", "registry_token", "secret_id"];

/// Warns of a credential that is written out.
pub(super) fn warn_of_plain(name: &str, value: &Value, path: &str, findings: &mut Findings) {
    let is_from_outside = value.is_foreign || value.of_environment.is_some();
    let Kind::Text(text) = &value.kind else {
        return;
    };
    let is_plain = !is_from_outside && !text.is_empty() && !text.starts_with("var.");
    if is_plain && CREDENTIALS.contains(&name) {
        let message =
            format!("`{name}` stands in the file itself, which goes where the sources go");
        let help =
            "keep it in the environment: `env(\"NAME\")`, or a sensitive variable with `env`";
        findings.warn(
            value.at,
            "plain-credential",
            path,
            message,
            Some(help.to_owned()),
        );
    }
}

/// The members of a map; told when it is none.
pub(super) fn members<'v>(value: &'v Value, path: &str, findings: &mut Findings) -> &'v [Member] {
    if let Kind::Map(members) = &value.kind {
        return members;
    }
    let message = format!("must be a map, and is {}", value.name());
    findings.error(value.at, "wrong-type", path, message, None);
    &[]
}

/// A text that may be shown: no sensitive variable may be in it.
pub(super) fn text_of(value: &Value, path: &str, findings: &mut Findings) -> Option<String> {
    if value.is_secret {
        let message = "a sensitive variable would be shown here, in plans, images or the job";
        let help = "use it for credentials and for `config.env` only";
        findings.error(
            value.at,
            "secret-in-plain",
            path,
            message,
            Some(help.to_owned()),
        );
        return None;
    }
    let text = value.text();
    if text.is_none() {
        let message = format!("must be a text, and is {}", value.name());
        findings.error(value.at, "wrong-type", path, message, None);
    }
    text
}

/// A text that is never shown; an empty one counts as not given.
pub(super) fn secret_of(value: &Value, path: &str, findings: &mut Findings) -> Option<Secret> {
    let text = value.text();
    if text.is_none() {
        let message = format!("must be a text, and is {}", value.name());
        findings.error(value.at, "wrong-type", path, message, None);
    }
    text.filter(|text| !text.is_empty()).map(Secret::new)
}
