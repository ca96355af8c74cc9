//! From the text of a file to its documents, or to everything that is wrong with them.
//!
//! A file holds any number of documents; `kind` says what each one is. What is found carries file, line and column, and
//! a [`Document`] can give those for problems that are found later, when the parsed workload is validated.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use super::diagnostic::{Diagnostic, Severity};
use super::path;
use super::reader::{self, Fault, Finding, Found, place_of};
use super::suggest::closest;
use super::tree::{self, Node, Place, Value};
use super::workload::{API_VERSION, Workload};

/// Largest file that is read. A spec of 40 lines has 1 KiB; 4 MiB leave room for embedded config files and thousands of
/// documents, and bound the memory that one bad file can take.
pub const MAX_BYTES: usize = 4 * 1024 * 1024;

/// Kinds that this build reads.
const KINDS: [&str; 1] = ["Workload"];

/// One document of a file.
#[derive(Debug, Clone)]
pub struct Document {
    /// What it describes.
    pub workload: Workload,
    origin: Origin,
}

/// Where a document was read from. Keeps the text instead of all places: they are needed only when something is wrong.
#[derive(Debug, Clone)]
struct Origin {
    file: Arc<str>,
    text: Arc<str>,
    index: usize,
    places: OnceLock<BTreeMap<String, Place>>,
}

impl Document {
    /// The file it stands in, as it was named to [`parse()`].
    #[must_use]
    pub fn file(&self) -> &str {
        &self.origin.file
    }

    /// Line and column of a path such as `spec.ports[1].check.timeout`, from 1. A path that the file does not have (a
    /// default, a missing field) is placed where its nearest part is.
    #[must_use]
    pub fn locate(&self, path: &str) -> (u64, u64) {
        let places = self.origin.places.get_or_init(|| self.origin.read_places());
        let mut path = Some(path);
        while let Some(step) = path {
            if let Some(place) = places.get(step) {
                return (place.line, place.column);
            }
            path = path::parent(step);
        }
        (0, 0)
    }

    /// A finding about this document.
    #[must_use]
    pub fn diagnostic(
        &self,
        code: &'static str,
        path: &str,
        message: String,
        help: Option<String>,
    ) -> Diagnostic {
        let (line, column) = self.locate(path);
        Diagnostic {
            file: self.file().to_owned(),
            line,
            column,
            code,
            severity: Severity::Error,
            path: path.to_owned(),
            message,
            help,
        }
    }
}

impl Origin {
    fn read_places(&self) -> BTreeMap<String, Place> {
        let mut places = BTreeMap::new();
        let documents = tree::documents(&self.text, true).unwrap_or_default();
        if let Some(root) = documents.get(self.index) {
            places.insert(String::new(), root.place);
            collect_places(root, "", &mut places);
        }
        places
    }
}

fn collect_places(node: &Node, at: &str, places: &mut BTreeMap<String, Place>) {
    match &node.value {
        Value::List(nodes) => {
            for (index, node) in nodes.iter().enumerate() {
                let at = path::element(at, index);
                collect_places(node, &at, places);
                places.insert(at, node.place);
            }
        }
        Value::Map(members) => {
            for member in members {
                let at = path::member(at, &member.key);
                collect_places(&member.node, &at, places);
                places.insert(at, place_of(member));
            }
        }
        _ => {}
    }
}

/// Reads all documents of a file; a file without any gives none.
///
/// # Errors
/// Everything that is wrong in the file, in its order. One bad document spoils the file: whoever prunes must not take
/// the others for all there is.
pub fn parse(source_name: &str, text: &str) -> Result<Vec<Document>, Vec<Diagnostic>> {
    if text.len() > MAX_BYTES {
        return Err(vec![too_large(source_name, text.len())]);
    }
    let roots =
        tree::documents(text, false).map_err(|error| vec![not_yaml(source_name, &error)])?;
    let mut workloads = Vec::with_capacity(roots.len());
    for root in &roots {
        match read_kind(root) {
            Ok(workload) => workloads.push(workload),
            Err(_) => return Err(explain(source_name, text)),
        }
    }
    let (file, text): (Arc<str>, Arc<str>) = (source_name.into(), text.into());
    let document = |(index, workload)| Document {
        workload,
        origin: Origin {
            file: Arc::clone(&file),
            text: Arc::clone(&text),
            index,
            places: OnceLock::new(),
        },
    };
    Ok(workloads.into_iter().enumerate().map(document).collect())
}

/// The second reading, with places, of a file that does not fit.
fn explain(source_name: &str, text: &str) -> Vec<Diagnostic> {
    let roots = match tree::documents(text, true) {
        Ok(roots) => roots,
        Err(error) => return vec![not_yaml(source_name, &error)],
    };
    roots
        .iter()
        .filter_map(|root| read_kind(root).err())
        .flatten()
        .map(|problem| problem.into_diagnostic(source_name))
        .collect()
}

struct Problem {
    code: &'static str,
    path: String,
    place: Place,
    message: String,
    help: Option<String>,
}

impl Problem {
    fn into_diagnostic(self, source_name: &str) -> Diagnostic {
        Diagnostic {
            file: source_name.to_owned(),
            line: self.place.line,
            column: self.place.column,
            code: self.code,
            severity: Severity::Error,
            path: self.path,
            message: self.message,
            help: self.help,
        }
    }
}

fn read_kind(root: &Node) -> Result<Workload, Vec<Problem>> {
    let problems = envelope(root);
    if !problems.is_empty() {
        return Err(problems);
    }
    reader::read(root).map_err(|findings| findings.into_iter().map(problem).collect())
}

/// Checks `apiVersion` and `kind`, which decide what everything else means.
fn envelope(root: &Node) -> Vec<Problem> {
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

fn header(root: &Node, key: &str, code: &'static str, known: &[&'static str]) -> Option<Problem> {
    let choice = format!("this build reads {}", listed(known));
    let Some(member) = root.get(key) else {
        return Some(Problem {
            code: "missing-field",
            path: String::new(),
            place: root.place,
            message: format!("`{key}` is missing"),
            help: Some(format!("add `{key}: {}`", known[0])),
        });
    };
    let text = match &member.node.value {
        Value::Text(text) if known.contains(&text.as_str()) => return None,
        Value::Text(text) => text.as_str(),
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

fn problem(finding: Finding) -> Problem {
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

fn too_large(source_name: &str, bytes: usize) -> Diagnostic {
    Problem {
        code: "too-large",
        path: String::new(),
        place: Place::default(),
        message: format!("the file has {bytes} bytes; at most {MAX_BYTES} are read"),
        help: Some("split it into several files".to_owned()),
    }
    .into_diagnostic(source_name)
}

fn not_yaml(source_name: &str, error: &serde_saphyr::Error) -> Diagnostic {
    let place = error.location().map_or(Place::default(), |location| Place {
        line: location.line(),
        column: location.column(),
    });
    let (code, message) = yaml_fault(error);
    Problem {
        code,
        path: String::new(),
        place,
        message,
        help: None,
    }
    .into_diagnostic(source_name)
}

fn yaml_fault(error: &serde_saphyr::Error) -> (&'static str, String) {
    use serde_saphyr::Error;
    match error.without_snippet() {
        Error::AliasError { error, .. } => yaml_fault(error),
        Error::DuplicateMappingKey { key: Some(key), .. } => (
            "duplicate-key",
            format!("the key `{}` stands here a second time", shortened(key)),
        ),
        Error::DuplicateMappingKey { .. } => (
            "duplicate-key",
            "this key stands here a second time".to_owned(),
        ),
        Error::UnknownAnchor { .. } => (
            "yaml-syntax",
            "the alias names an anchor that is not defined above it".to_owned(),
        ),
        Error::NonFiniteFloat { .. } => (
            "yaml-syntax",
            "the number is too large, infinite or none; put the value in quotes if it is text"
                .to_owned(),
        ),
        Error::Budget { .. }
        | Error::AliasReplayLimitExceeded { .. }
        | Error::AliasExpansionLimitExceeded { .. }
        | Error::AliasReplayStackDepthExceeded { .. } => (
            "too-complex",
            "the file has more nesting, nodes or aliases than a spec may have".to_owned(),
        ),
        Error::ExternalMessage { msg, .. } => ("yaml-syntax", format!("not YAML: {msg}")),
        // Other messages of the library may repeat parts of the file.
        _ => ("yaml-syntax", "not YAML that a spec may use".to_owned()),
    }
}
