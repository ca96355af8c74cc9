//! The file that policies stand in.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::expression::Expression;
use super::{Match, Policies, Policy, Site};
use crate::manifests::Loaded;
use crate::spec::single::{self, Single};
use crate::spec::workload::ApiVersion;
use crate::spec::{Diagnostic, Severity, path};

/// A file of policies.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PolicyFile {
    /// `cloudstation.io/v1`.
    pub api_version: ApiVersion,
    /// `Policies`.
    pub kind: PoliciesKind,
    /// The policies. Names are unique.
    pub policies: Vec<PolicyEntry>,
}

/// The kind's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub enum PoliciesKind {
    /// Rules for spec files.
    #[default]
    Policies,
}

/// What must be true of documents.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PolicyEntry {
    /// Names it in findings.
    pub name: String,
    /// CEL that must give `true`. Sees `object` (the document), `job` (the Nomad job that it becomes), `name`,
    /// `namespaceName`, `labels` and `kind`.
    pub expression: String,
    /// What to say when it gives `false`.
    pub message: String,
    /// `error` or `warning`. Default: `error`.
    #[serde(default)]
    pub severity: PolicySeverity,
    /// The place in the document that findings point at, e.g. `spec.source.image`. Default: `metadata.name`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Which documents it is about. Default: all.
    #[serde(default, rename = "match", skip_serializing_if = "Option::is_none")]
    pub applies_to: Option<Match>,
}

/// How bad it is when a policy is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum PolicySeverity {
    /// The document cannot be used.
    #[default]
    Error,
    /// It can, but somebody should look.
    Warning,
}

impl Policies {
    /// Adds the policies of a file. Those that can be understood are added even when others cannot.
    ///
    /// # Errors
    /// Everything that is wrong in the file.
    pub fn read(&mut self, file: &str, text: &str) -> Result<(), Vec<Diagnostic>> {
        let Some(single) = single::read::<PolicyFile>(file, text)? else {
            return Ok(());
        };
        let mut findings = Vec::new();
        let mut names: BTreeSet<String> = self.list.iter().map(|one| one.name.clone()).collect();
        for (index, entry) in single.value.policies.iter().enumerate() {
            let at = path::element("policies", index);
            if !names.insert(entry.name.clone()) {
                let site = site(file, &single, &path::member(&at, "name"));
                findings.push(site.finding("policy-syntax", "another policy has this name", None));
            }
            let site = site(file, &single, &path::member(&at, "expression"));
            match Expression::compile(&entry.expression) {
                Ok(expression) => self.list.push(policy(entry, expression, site)),
                Err(fault) => {
                    findings.push(site.finding("policy-syntax", &fault.message, fault.help));
                }
            }
        }
        if findings.is_empty() {
            Ok(())
        } else {
            Err(findings)
        }
    }

    /// Adds the policies that stand among specs, but for files that were read already. Returns what is wrong in them.
    #[must_use]
    pub fn read_among(
        &mut self,
        loaded: &Loaded,
        is_read: impl Fn(&str) -> bool,
    ) -> Vec<Diagnostic> {
        let mut findings = Vec::new();
        for file in loaded.policies.iter().filter(|file| !is_read(file)) {
            let text = loaded.texts.get(file).map_or("", |text| text);
            findings.extend(self.read(file, text).err().unwrap_or_default());
        }
        findings
    }
}

fn policy(entry: &PolicyEntry, expression: Expression, site: Site) -> Policy {
    Policy {
        name: entry.name.clone(),
        message: entry.message.clone(),
        severity: match entry.severity {
            PolicySeverity::Error => Severity::Error,
            PolicySeverity::Warning => Severity::Warning,
        },
        path: entry
            .path
            .clone()
            .unwrap_or_else(|| "metadata.name".to_owned()),
        applies_to: entry.applies_to.clone().unwrap_or_default(),
        expression,
        site,
    }
}

fn site(file: &str, single: &Single<PolicyFile>, path: &str) -> Site {
    let (line, column) = single.locate(path);
    Site {
        file: file.to_owned(),
        line,
        column,
        path: path.to_owned(),
    }
}

impl Site {
    pub(super) fn finding(
        &self,
        code: &'static str,
        message: &str,
        help: Option<String>,
    ) -> Diagnostic {
        Diagnostic {
            file: self.file.clone(),
            line: self.line,
            column: self.column,
            code,
            severity: Severity::Error,
            path: self.path.clone(),
            message: message.to_owned(),
            help,
        }
    }
}
