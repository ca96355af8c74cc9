//! Files that are a job in Nomad's own words: which job it is.
//!
//! Only as much is read as is needed to name it. Whether it makes sense, and what its variables are, is asked later.

use hcl::edit::Span as _;
use hcl::edit::expr::Expression;
use hcl::edit::structure::{Block, Body};
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::findings::at;
use crate::spec::Diagnostic;

/// What the document of such a job says about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) name: String,
    pub(super) namespace: Option<String>,
}

/// Values of variables, as far as they are plain text: by name, the later ones win.
pub(super) type Values<'v> = &'v dyn Fn(&str) -> Option<String>;

/// Reads the head of an HCL job. `values` are those of flags and variable files, which come before defaults.
pub(super) fn of_hcl(file: &str, text: &str, values: Values<'_>) -> Result<Head, Diagnostic> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let body = parse(file, text)?;
    let mut jobs = body.blocks().filter(|block| block.ident.as_str() == "job");
    let Some(job) = jobs.next() else {
        let message = "there is no `job` block in it";
        return Err(at(file, (1, 1), "no-job", message, None));
    };
    if let Some(second) = jobs.next() {
        let message = "this is a second job; a file describes one";
        let help = Some("put each job into a file of its own");
        return Err(at(
            file,
            place(text, second.span()),
            "several-jobs",
            message,
            help,
        ));
    }
    head(file, text, &body, job, values)
}

fn parse(file: &str, text: &str) -> Result<Body, Diagnostic> {
    hcl::edit::parser::parse_body(text).map_err(|error| {
        let location = error.location();
        let message = format!("not HCL: {}", error.message());
        at(
            file,
            (location.line(), location.column()),
            "hcl-syntax",
            message,
            None,
        )
    })
}

fn head(
    file: &str,
    text: &str,
    body: &Body,
    job: &Block,
    values: Values<'_>,
) -> Result<Head, Diagnostic> {
    let here = place(text, job.span());
    let [label] = job.labels.as_slice() else {
        let help = Some("write `job \"name\" {`");
        return Err(at(file, here, "job-name", "a job has one name", help));
    };
    let known = |name: &str| -> Result<Option<String>, Diagnostic> {
        let Some(attribute) = job.body.get_attribute(name) else {
            return Ok(None);
        };
        match plain(&attribute.value, body, values) {
            Some(value) => Ok(Some(value)),
            None => {
                let message =
                    format!("the job's `{name}` is not known before Nomad has evaluated it");
                let help =
                    "write it as plain text, or as `var.NAME` of a variable that has a plain value";
                let here = place(text, attribute.span());
                Err(at(file, here, "job-not-literal", message, Some(help)))
            }
        }
    };
    let name = known("id")?.unwrap_or_else(|| label.as_str().to_owned());
    let namespace = known("namespace")?.filter(|namespace| !namespace.is_empty());
    Ok(Head { name, namespace })
}

/// The text that an expression is: plain, or a variable with a plain value.
fn plain(expression: &Expression, body: &Body, values: Values<'_>) -> Option<String> {
    if let Some(text) = expression.as_str() {
        return Some(text.to_owned());
    }
    let Expression::Traversal(traversal) = expression else {
        return None;
    };
    let Expression::Variable(first) = &traversal.expr else {
        return None;
    };
    let [operator] = traversal.operators.as_slice() else {
        return None;
    };
    let hcl::edit::expr::TraversalOperator::GetAttr(name) = operator.value() else {
        return None;
    };
    if first.as_str() != "var" {
        return None;
    }
    values(name.as_str()).or_else(|| default_of(body, name.as_str()))
}

fn default_of(body: &Body, name: &str) -> Option<String> {
    let is_declaration = |block: &&Block| {
        block.ident.as_str() == "variable"
            && matches!(block.labels.as_slice(), [label] if label.as_str() == name)
    };
    let declaration = body.blocks().find(is_declaration)?;
    let default = declaration.body.get_attribute("default")?;
    default.value.as_str().map(str::to_owned)
}

/// A value of a variable file, when it is plain text. A file that cannot be read has none: it is told elsewhere.
pub(super) fn value_in(name: &str, file: &str, text: &str) -> Option<String> {
    if file.ends_with(".json") {
        let values: serde_json::Value = serde_json::from_str(text).ok()?;
        return values.get(name)?.as_str().map(str::to_owned);
    }
    let body = hcl::edit::parser::parse_body(text).ok()?;
    let attribute = body.get_attribute(name)?;
    attribute.value.as_str().map(str::to_owned)
}

/// Line and column of the beginning of a span.
fn place(text: &str, span: Option<std::ops::Range<usize>>) -> (usize, usize) {
    let before = span
        .and_then(|span| text.get(..span.start))
        .unwrap_or_default();
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    let line = before.matches('\n').count() + 1;
    (line, before[line_start..].chars().count() + 1)
}

/// What a file of JSON is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Json {
    Job(Head),
    /// It has an `apiVersion`.
    Spec,
    /// Something of another tool.
    Foreign,
}

#[derive(Deserialize)]
struct Probe<'t> {
    #[serde(rename = "apiVersion")]
    api_version: Option<IgnoredAny>,
    #[serde(rename = "Job", borrow)]
    job: Option<&'t serde_json::value::RawValue>,
    #[serde(rename = "ID")]
    id: Option<IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct JsonJob {
    #[serde(rename = "ID")]
    id: Option<String>,
    namespace: Option<String>,
}

/// Reads what a file of JSON is, and of a job its head.
pub(super) fn of_json(file: &str, text: &str) -> Result<Json, Diagnostic> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let broken = |error: serde_json::Error| {
        let place = (error.line(), error.column());
        // serde_json repeats values in errors of types, not in errors of syntax.
        let message = match error.classify() {
            serde_json::error::Category::Data => {
                "the job's `ID` and `Namespace` must be text".to_owned()
            }
            _ => format!("not JSON: {}", without_place(&error.to_string())),
        };
        at(file, place, "json-syntax", message, None)
    };
    let is_object = text.trim_start().starts_with('{');
    if !is_object {
        serde_json::from_str::<IgnoredAny>(text).map_err(broken)?;
        return Ok(Json::Foreign);
    }
    let probe: Probe<'_> = serde_json::from_str(text).map_err(broken)?;
    if probe.api_version.is_some() {
        return Ok(Json::Spec);
    }
    let job = match (probe.job, probe.id) {
        (Some(job), _) if job.get().starts_with('{') => job.get(),
        (_, Some(_)) => text,
        _ => return Ok(Json::Foreign),
    };
    let job: JsonJob = serde_json::from_str(job).map_err(|error| Diagnostic {
        line: 1,
        column: 1,
        ..broken(error)
    })?;
    match job.id.filter(|id| !id.is_empty()) {
        Some(name) => Ok(Json::Job(Head {
            name,
            namespace: job.namespace.filter(|namespace| !namespace.is_empty()),
        })),
        None => Err(at(file, (1, 1), "job-name", "the job has no `ID`", None)),
    }
}

fn without_place(message: &str) -> &str {
    message.split(" at line ").next().unwrap_or(message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nothing(_: &str) -> Option<String> {
        None
    }

    fn hcl(text: &str) -> Result<(String, Option<String>), String> {
        let head = of_hcl("f", text, &nothing).map_err(|finding| finding.to_string())?;
        Ok((head.name, head.namespace))
    }

    #[test]
    fn a_job_is_called_by_its_label_or_its_id() {
        let named = |name: &str, namespace: Option<&str>| {
            Ok((name.to_owned(), namespace.map(str::to_owned)))
        };
        assert_eq!(hcl("job \"web\" {}\n"), named("web", None));
        assert_eq!(
            hcl("\u{feff}job web {\n  namespace = \"prod\"\n}\n"),
            named("web", Some("prod"))
        );
        assert_eq!(
            hcl("job \"web\" {\n  id = \"shop\"\n  namespace = \"\"\n}\n"),
            named("shop", None)
        );
        let variables =
            "variable \"ns\" {\n  default = \"dev\"\n}\njob \"web\" {\n  namespace = var.ns\n}\n";
        assert_eq!(hcl(variables), named("web", Some("dev")));
        let given = of_hcl("f", variables, &|name| {
            (name == "ns").then(|| "prod".to_owned())
        });
        assert_eq!(given.unwrap().namespace.as_deref(), Some("prod"));
    }

    #[test]
    fn what_names_no_job_is_told_with_its_place() {
        for (text, finding) in [
            ("", "f:1:1: error[no-job]: there is no `job` block in it"),
            (
                "locals {}\n",
                "f:1:1: error[no-job]: there is no `job` block in it",
            ),
            (
                "job \"a\" {}\n\n  job \"b\" {}\n",
                "f:3:3: error[several-jobs]: this is a second job; a file describes one",
            ),
            ("job {}\n", "f:1:1: error[job-name]: a job has one name"),
            (
                "job \"a\" {\n  id = \"x-${var.y}\"\n}\n",
                "f:2:3: error[job-not-literal]: the job's `id` is not known before Nomad has evaluated it",
            ),
            (
                "job \"a\" {\n  namespace = var.y\n}\n",
                "f:2:3: error[job-not-literal]: the job's `namespace` is not known before Nomad has evaluated it",
            ),
        ] {
            assert_eq!(hcl(text).unwrap_err(), finding);
        }
        let broken = hcl("job \"a\" {\n  type = \n}\n").unwrap_err();
        assert!(broken.starts_with("f:2:"), "{broken}");
        assert!(broken.contains("error[hcl-syntax]: not HCL: "), "{broken}");
    }

    #[test]
    fn json_is_a_job_a_spec_or_somebody_elses() {
        let read = |text: &str| of_json("f", text).map_err(|finding| finding.to_string());
        let job = |name: &str, namespace: Option<&str>| {
            Ok(Json::Job(Head {
                name: name.to_owned(),
                namespace: namespace.map(str::to_owned),
            }))
        };
        assert_eq!(
            read(r#"{"ID": "web", "Namespace": "prod", "x": [1]}"#),
            job("web", Some("prod"))
        );
        assert_eq!(
            read("\u{feff}\n\t{\"Job\": {\"ID\": \"web\"}}"),
            job("web", None)
        );
        assert_eq!(
            read(r#"{"apiVersion": "cloudstation.io/v1", "ID": "x"}"#),
            Ok(Json::Spec)
        );
        for text in ["[]", "1", "{}", r#"{"Job": "x"}"#, r#"{"name": "web"}"#] {
            assert_eq!(read(text), Ok(Json::Foreign), "{text}");
        }
        assert_eq!(
            read("{\"ID\": \"a\",\n}").unwrap_err(),
            "f:2:1: error[json-syntax]: not JSON: trailing comma"
        );
        assert_eq!(
            read(r#"{"Job": {}}"#).unwrap_err(),
            "f:1:1: error[job-name]: the job has no `ID`"
        );
        let text = read(r#"{"ID": ["canary"]}"#).unwrap_err();
        assert!(
            text.contains("must be text") && !text.contains("canary"),
            "{text}"
        );
    }

    #[test]
    fn values_of_variables_come_from_files_of_both_languages() {
        assert_eq!(
            value_in("a", "v.hcl", "a = \"x\"\nb = 1\n").as_deref(),
            Some("x")
        );
        assert_eq!(value_in("b", "v.hcl", "a = \"x\"\nb = 1\n"), None);
        assert_eq!(
            value_in("a", "v.json", "{\"a\": \"x\"}").as_deref(),
            Some("x")
        );
        assert_eq!(value_in("a", "v.hcl", "a = \n"), None);
    }
}
