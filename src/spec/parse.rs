//! From the text of a file to its documents, and to everything that is wrong with them.
//!
//! A file holds any number of documents; `kind` says what each one is. What is found carries file, line and column, and
//! a [`Document`] can give those for problems that are found later, when the parsed workload is validated.

use std::sync::Arc;

pub(crate) use super::document::File;
pub use super::document::{Document, Location};

use super::diagnostic::{Diagnostic, Severity};
use super::overlay::{KIND as OVERLAY, Overlay};
use super::reader::{self, Fault, Finding, Found, place_of};
use super::resource::{Kind, Resource};
use super::suggest::closest;
use super::tree::{self, Flaw, Member, Node, Place, Value};
use super::workload::API_VERSION;

/// Largest file that is read. A spec of 40 lines has 1 KiB; 4 MiB leave room for embedded config files and thousands of
/// documents, and bound the memory that one bad file can take.
pub const MAX_BYTES: usize = 4 * 1024 * 1024;

/// Kinds that this build reads.
const KINDS: [&str; 4] = [
    Kind::Workload.as_str(),
    Kind::NomadJob.as_str(),
    OVERLAY,
    POLICIES,
];

/// The kind of a file with rules for specs: found among them, and none of them.
const POLICIES: &str = "Policies";

/// What every `apiVersion` of these kinds begins with.
const GROUP: &str = "cloudstation.io";

/// Reads all documents of a file; a file without any gives none.
///
/// # Errors
/// Everything that is wrong in the file, in its order. One bad document spoils the file: whoever prunes must not take
/// the others for all there is.
pub fn parse(source_name: &str, text: &str) -> Result<Vec<Document>, Vec<Diagnostic>> {
    let file = Arc::new(File {
        name: source_name.into(),
        text: text.into(),
    });
    let reading = read(&file, Expected::Documents);
    if reading.findings.is_empty() {
        Ok(reading.documents)
    } else {
        Err(reading.findings)
    }
}

/// What a file is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expected {
    /// It was named: every document must be one of ours.
    Documents,
    /// It was met by a pattern: files of other tools are passed over.
    Anything,
    /// It was met in a folder: the same, and it may make the folder an overlay.
    PartOfFolder,
}

/// What a file holds.
#[derive(Debug, Default)]
pub(crate) struct Reading {
    pub(crate) documents: Vec<Document>,
    /// In the order of the file.
    pub(crate) findings: Vec<Diagnostic>,
    /// A document makes the folder of the file an overlay. A finding when the folder was not meant.
    pub(crate) has_overlay: bool,
    /// It holds policies, which are not looked at here.
    pub(crate) has_policies: bool,
    /// The file belongs to another tool.
    pub(crate) is_foreign: bool,
}

/// Reads all that a file holds. What is wrong with one document does not keep the others from being read.
pub(crate) fn read(file: &Arc<File>, expected: Expected) -> Reading {
    let mut reading = Reading::default();
    let roots = match roots(file) {
        Ok(roots) => roots,
        Err(finding) => {
            reading.findings.push(finding);
            return reading;
        }
    };
    if expected != Expected::Documents && is_foreign(&file.text, &roots) {
        reading.is_foreign = true;
        return reading;
    }
    for (number, root) in roots.iter().enumerate() {
        if is_policies(root) {
            reading.has_policies = true;
            continue;
        }
        reading.has_overlay |= is_overlay(root);
        match read_kind(root) {
            Ok(Read::Resource(resource)) => {
                let document = Document::of_part(resource, Arc::clone(file), number);
                reading.documents.push(document);
            }
            Ok(Read::Overlay(_)) if expected == Expected::PartOfFolder => {}
            Ok(Read::Overlay(_)) => reading.findings.push(not_alone(&file.name, root.place)),
            Err(problems) => {
                let found = problems.into_iter();
                let found = found.map(|problem| problem.into_diagnostic(&file.name));
                reading.findings.extend(found);
            }
        }
    }
    reading
}

/// The trees of a file's documents.
#[expect(clippy::result_large_err, reason = "once a file")]
pub(super) fn roots(file: &File) -> Result<Vec<Node<'_>>, Diagnostic> {
    if file.text.len() > MAX_BYTES {
        return Err(too_large(&file.name, file.text.len()));
    }
    tree::documents(&file.text).map_err(|flaw| not_yaml(&file.name, &flaw))
}

/// Whether a file belongs to another tool: nothing in it says that it is meant for this one.
///
/// A file that was meant for this one and is passed over would be taken for removed. So a slip must not be enough: any
/// document of a kind of ours, any `apiVersion` of ours or close to it, any other top member with such a text, and the
/// line that names our schema to an editor make all documents of the file count. An empty file has none of them, but
/// whoever wrote it last may have lost it.
pub(super) fn is_foreign(text: &str, roots: &[Node<'_>]) -> bool {
    if roots.is_empty() {
        return false;
    }
    let names_schema = text
        .lines()
        .take_while(|line| line.starts_with('#') || line.trim().is_empty())
        .any(|line| line.contains("$schema=") && line.contains(GROUP));
    !names_schema && !roots.iter().any(is_ours)
}

fn is_ours(root: &Node<'_>) -> bool {
    let Value::Map(members) = &root.value else {
        return false;
    };
    let is_close = |version: &str| {
        let group = version.split('/').next().unwrap_or(version);
        closest(group, [GROUP]).is_some()
    };
    if let Some(version) = root.text_of("apiVersion") {
        return is_close(version);
    }
    let is_our_kind = root
        .text_of("kind")
        .is_some_and(|kind| closest(kind, KINDS).is_some());
    is_our_kind
        || members.iter().any(
            |member| matches!(&member.node.value, Value::Text(text) if text.starts_with(GROUP)),
        )
}

/// Whether a document makes its folder an overlay, well written or not.
pub(super) fn is_overlay(root: &Node<'_>) -> bool {
    root.text_of("kind") == Some(OVERLAY) && root.text_of("apiVersion") == Some(API_VERSION)
}

/// Whether a document holds policies, well written or not.
pub(super) fn is_policies(root: &Node<'_>) -> bool {
    root.text_of("kind") == Some(POLICIES) && root.text_of("apiVersion") == Some(API_VERSION)
}

/// What a document turned out to be.
pub(super) enum Read {
    Resource(Resource),
    Overlay(Overlay),
}

pub(super) struct Problem {
    code: &'static str,
    path: String,
    pub(super) place: Place,
    message: String,
    help: Option<String>,
}

impl Problem {
    pub(super) fn is_about_something_missing(&self) -> bool {
        self.code == "missing-field"
    }

    pub(super) fn into_diagnostic(self, source_name: &str) -> Diagnostic {
        Diagnostic {
            file: source_name.to_owned(),
            line: self.place.line.into(),
            column: self.place.column.into(),
            code: self.code,
            severity: Severity::Error,
            path: self.path,
            message: self.message,
            help: self.help,
        }
    }
}

/// Reads a document as what its `kind` says.
pub(super) fn read_kind(root: &Node<'_>) -> Result<Read, Vec<Problem>> {
    let problems = envelope(root);
    if !problems.is_empty() {
        return Err(problems);
    }
    let kind = root.text_of("kind").unwrap_or_default();
    let read = if kind == Kind::NomadJob.as_str() {
        reader::read(root).map(|job| Read::Resource(Resource::NomadJob(Box::new(job))))
    } else if kind == OVERLAY {
        reader::read(root).map(Read::Overlay)
    } else {
        reader::read(root).map(|workload| Read::Resource(Resource::Workload(Box::new(workload))))
    };
    read.map_err(|findings| findings.into_iter().map(problem).collect())
}

/// Checks `apiVersion` and `kind`, which decide what everything else means.
pub(super) fn envelope(root: &Node<'_>) -> Vec<Problem> {
    if !matches!(root.value, Value::Map(_)) {
        return vec![Problem {
            code: "wrong-type",
            path: String::new(),
            place: root.place,
            message:
                "a document must be a mapping with `apiVersion`, `kind`, `metadata` and `spec`"
                    .to_owned(),
            help: None,
        }];
    }
    let kind = header(root, "kind", "unknown-kind", &KINDS);
    let version = header(root, "apiVersion", "unknown-api-version", &[API_VERSION]);
    version.into_iter().chain(kind).collect()
}

fn header(
    root: &Node<'_>,
    key: &str,
    code: &'static str,
    known: &[&'static str],
) -> Option<Problem> {
    let choice = format!("this build reads {}", listed(known));
    let Some(member): Option<&Member<'_>> = root.get(key) else {
        return Some(Problem {
            code: "missing-field",
            path: String::new(),
            place: root.place,
            message: format!("`{key}` is missing"),
            help: Some(format!("add `{key}: {}`", known[0])),
        });
    };
    let text = match &member.node.value {
        Value::Text(text) if known.contains(&&**text) => return None,
        Value::Text(text) => &**text,
        _ => "",
    };
    Some(Problem {
        code,
        path: key.to_owned(),
        place: place_of(member),
        message: format!("unknown `{key}`; {choice}"),
        help: closest(text, known.iter().copied()).map(|known| format!("did you mean `{known}`?")),
    })
}

pub(super) fn problem(finding: Finding) -> Problem {
    let (code, message, help) = match finding.fault {
        Fault::UnknownField { field, known } => (
            "unknown-field",
            format!("unknown field `{}`", shortened(&field)),
            Some(match closest(&field, known.iter().copied()) {
                Some(known) => format!("did you mean `{known}`?"),
                None => format!("known here: {}", listed(known)),
            }),
        ),
        Fault::MissingField(field) => ("missing-field", format!("`{field}` is missing"), None),
        Fault::UnknownValue { meant, known } => (
            "unknown-value",
            format!("expected one of {}", listed(known)),
            meant.map(|known| format!("did you mean `{known}`?")),
        ),
        Fault::WrongType { found, expected } => {
            let expected = in_words(&expected);
            let help = help_with_type(found, &expected);
            let message = format!("expected {expected}, found {}", found.in_words());
            ("wrong-type", message, help)
        }
        Fault::WrongValue(message) => ("wrong-value", message, None),
        Fault::Switch => (
            "ambiguous-value",
            "`on`, `off`, `yes` and `no` are text here, and true or false for other readers of YAML"
                .to_owned(),
            Some("put the value in quotes".to_owned()),
        ),
        Fault::Padded => (
            "ambiguous-value",
            "a number that begins with 0 is octal for some readers of YAML and decimal for others"
                .to_owned(),
            Some("put it in quotes if it is text, else leave the 0 out".to_owned()),
        ),
    };
    Problem {
        code,
        path: finding.path,
        place: finding.place,
        message,
        help,
    }
}

impl Found {
    const fn in_words(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Bool => "`true` or `false`",
            Self::Number => "a number",
            Self::Text => "text",
            Self::List => "a list",
            Self::Map => "a mapping",
        }
    }
}

/// What serde expected, for people who do not know Rust's types.
fn in_words(expected: &str) -> String {
    match expected {
        "u16" => "a whole number from 0 to 65535",
        "u32" => "a whole number from 0 to 4294967295",
        "i64" => "a whole number",
        "a boolean" => "`true` or `false`",
        "a string" => "text",
        "a sequence" => "a list",
        "a map" => "a mapping",
        other if other.starts_with("struct ") => "a mapping",
        other => other,
    }
    .to_owned()
}

fn help_with_type(found: Found, expected: &str) -> Option<String> {
    let help = match found {
        Found::Number if expected.starts_with("a duration") => "add a unit, e.g. `30s`",
        Found::Number | Found::Bool if expected.starts_with("text") => "put the value in quotes",
        Found::Text if expected.starts_with("a whole number") => "write the value without quotes",
        Found::Text if expected.starts_with("`true`") => "write `true` or `false`, without quotes",
        Found::Text | Found::Map | Found::Number if expected == "a list" => {
            "put `- ` in front of each element"
        }
        _ => return None,
    };
    Some(help.to_owned())
}

fn listed(words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    quoted.join(", ")
}

/// A key as far as it is worth showing.
fn shortened(key: &str) -> String {
    let shown: String = key.chars().take(60).collect();
    shown.escape_debug().to_string()
}

pub(super) fn too_large(source_name: &str, bytes: usize) -> Diagnostic {
    Problem {
        code: "too-large",
        path: String::new(),
        place: Place::default(),
        message: format!("the file has {bytes} bytes; at most {MAX_BYTES} are read"),
        help: Some("split it into several files".to_owned()),
    }
    .into_diagnostic(source_name)
}

pub(super) fn not_yaml(source_name: &str, flaw: &Flaw) -> Diagnostic {
    Problem {
        code: flaw.code,
        path: String::new(),
        place: flaw.place,
        message: flaw.message.clone(),
        help: flaw.help.map(str::to_owned),
    }
    .into_diagnostic(source_name)
}

pub(super) fn not_alone(source_name: &str, place: Place) -> Diagnostic {
    Problem {
        code: "overlay-alone",
        path: String::new(),
        place,
        message: "an `Overlay` describes its folder, not a job".to_owned(),
        help: Some("name the folder instead of the file".to_owned()),
    }
    .into_diagnostic(source_name)
}
