//! Fields that will go away: still read, with a warning that names their replacement.

use serde_json::Value;

use super::warning;
use crate::spec::{Diagnostic, Document, Kind, Resource, path};

/// A field that will go away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deprecated {
    /// Of which kind; `None` is every one.
    pub kind: Option<Kind>,
    /// Members from the top, `[]` for every element of a list and `*` for every member of a mapping, e.g.
    /// `["spec", "ports", "[]", "check"]`.
    pub path: &'static [&'static str],
    /// What to write instead, as the end of a sentence that begins with "use", e.g. `` `spec.placement.nodePool` ``.
    pub replacement: &'static str,
    /// The version of `cs` that was the first to warn.
    pub since: &'static str,
}

/// Every deprecated field. A field stays here for at least two minor versions before it is removed.
pub const TABLE: &[Deprecated] = &[];

/// The deprecated fields of a document.
pub(super) fn check(document: &Document) -> Vec<Diagnostic> {
    check_against(TABLE, document)
}

fn check_against(table: &[Deprecated], document: &Document) -> Vec<Diagnostic> {
    let kind = document.resource.kind();
    let mut concerned = table
        .iter()
        .filter(|field| field.kind.is_none_or(|of| of == kind))
        .peekable();
    if concerned.peek().is_none() {
        return Vec::new();
    }
    let tree = tree(&document.resource);
    let mut findings = Vec::new();
    for field in concerned {
        let mut places = Vec::new();
        collect(&tree, field.path, "", &mut places);
        findings.extend(places.iter().map(|at| finding(document, field, at)));
    }
    findings
}

/// A resource as it stands in files, defaults left out.
pub(super) fn tree(resource: &Resource) -> Value {
    let tree = match resource {
        Resource::Workload(workload) => serde_json::to_value(workload),
        Resource::NomadJob(job) => serde_json::to_value(job),
    };
    tree.expect("plain data with text keys")
}

fn finding(document: &Document, field: &Deprecated, at: &str) -> Diagnostic {
    let Deprecated {
        replacement, since, ..
    } = field;
    let message = format!("this field is deprecated since version {since}");
    let help = Some(format!("use {replacement}"));
    warning(document.diagnostic("deprecated-field", at, message, help))
}

/// The places that a path of the table leads to.
fn collect(value: &Value, steps: &[&str], at: &str, places: &mut Vec<String>) {
    let Some((step, rest)) = steps.split_first() else {
        places.push(at.to_owned());
        return;
    };
    match (value, *step) {
        (Value::Array(values), "[]") => {
            for (index, value) in values.iter().enumerate() {
                collect(value, rest, &path::element(at, index), places);
            }
        }
        (Value::Object(members), "*") => {
            for (key, value) in members {
                collect(value, rest, &path::member(at, key), places);
            }
        }
        (Value::Object(members), key) => {
            if let Some(value) = members.get(key) {
                collect(value, rest, &path::member(at, key), places);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::parse;

    const TEXT: &str = "apiVersion: cloudstation.io/v1\nkind: Workload\nmetadata: {name: a}\nspec:\n  \
        source: {image: 'a:1'}\n  ports:\n    - {port: 1}\n    - port: 2\n      check: {path: /x}\n  \
        env: {OLD: x}\n";

    fn found(table: &[Deprecated]) -> Vec<String> {
        let documents = parse("a.yaml", TEXT).unwrap();
        let findings = check_against(table, &documents[0]);
        findings
            .iter()
            .map(|one| format!("{one} [{}]", one.help.as_deref().unwrap_or_default()))
            .collect()
    }

    const fn field(path: &'static [&'static str]) -> Deprecated {
        Deprecated {
            kind: Some(Kind::Workload),
            path,
            replacement: "`spec.new`",
            since: "0.2.0",
        }
    }

    #[test]
    fn a_deprecated_field_is_a_warning_at_its_place_that_names_the_replacement() {
        let table = [
            field(&["spec", "ports", "[]", "check", "path"]),
            field(&["spec", "env", "*"]),
            field(&["spec", "files", "[]"]),
        ];
        assert_eq!(
            found(&table),
            [
                "a.yaml:9:21: warning[deprecated-field]: this field is deprecated since version 0.2.0 \
                 (`spec.ports[1].check.path`) [use `spec.new`]",
                "a.yaml:10:14: warning[deprecated-field]: this field is deprecated since version 0.2.0 \
                 (`spec.env.OLD`) [use `spec.new`]",
            ]
        );
    }

    #[test]
    fn fields_of_other_kinds_are_no_concern() {
        let native = Deprecated {
            kind: Some(Kind::NomadJob),
            ..field(&["spec", "ports"])
        };
        assert!(found(&[native]).is_empty());
        assert_eq!(
            found(&[Deprecated {
                kind: None,
                ..native
            }])
            .len(),
            1
        );
    }
}
