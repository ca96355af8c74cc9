//! Fields in the examples under `specs/`, as they stand there.

use serde_json::Value;

use crate::spec::parse;
use crate::spec::schema::KindSchema;
use crate::spec::single;

use super::starter;

/// The examples, the most telling first: a field is shown as in the first one that has it. Every file under `specs/`.
const FILES: [(&str, &str); 8] = [
    ("specs/web.yaml", include_str!("../../specs/web.yaml")),
    ("specs/worker.yaml", include_str!("../../specs/worker.yaml")),
    ("specs/cron.yaml", include_str!("../../specs/cron.yaml")),
    (
        "specs/database.yaml",
        include_str!("../../specs/database.yaml"),
    ),
    (
        "specs/secrets-and-links.yaml",
        include_str!("../../specs/secrets-and-links.yaml"),
    ),
    ("specs/gpu.yaml", include_str!("../../specs/gpu.yaml")),
    (
        "specs/nomad-native.yaml",
        include_str!("../../specs/nomad-native.yaml"),
    ),
    (
        "specs/native-jobs.yaml",
        include_str!("../../specs/native-jobs.yaml"),
    ),
];

/// A piece of an example.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Example {
    /// The file it is from, or the command that prints it.
    pub source: String,
    /// Lines of YAML without common indentation and without a line break at the end.
    pub text: String,
}

/// Names of the embedded files.
pub fn names() -> impl Iterator<Item = &'static str> {
    FILES.iter().map(|(name, _)| *name)
}

/// The first example of a kind, whole, without its modeline.
#[must_use]
pub fn whole(kind: &KindSchema) -> Option<Example> {
    let (source, text) = files(kind)
        .into_iter()
        .find(|(_, text)| documents(text).iter().any(|document| is_of(document, kind)))?;
    let lines: Vec<&str> = text
        .lines()
        .skip_while(|line| line.starts_with("# yaml-language-server"))
        .collect();
    Some(Example {
        source,
        text: lines.join("\n"),
    })
}

/// A field, given by its path (`spec.ports[].check`), in the first example of its kind that has it.
#[must_use]
pub fn of_field(kind: &KindSchema, path: &str) -> Option<Example> {
    files(kind).into_iter().find_map(|(source, text)| {
        let text = piece(&source, &text, kind, path)?;
        Some(Example { source, text })
    })
}

/// The files, and behind them what `cs new` prints, for kinds without a file.
fn files(kind: &KindSchema) -> Vec<(String, String)> {
    let mut files: Vec<(String, String)> = FILES
        .iter()
        .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
        .collect();
    if let Some(text) = starter::example(kind) {
        files.push((format!("cs new {}", kind.word()), text));
    }
    files
}

fn documents(text: &str) -> Vec<Value> {
    single::values(text).unwrap_or_default()
}

fn is_of(document: &Value, kind: &KindSchema) -> bool {
    document["kind"] == kind.name
}

fn piece(file: &str, text: &str, kind: &KindSchema, path: &str) -> Option<String> {
    let parsed = parse(file, text).ok()?;
    let pairs = parsed.iter().zip(documents(text));
    pairs
        .filter(|(_, value)| is_of(value, kind))
        .find_map(|(document, value)| {
            let (place, value) = concrete(&value, path)?;
            let (line, _) = document.locate(&place);
            let first = usize::try_from(line).ok()?.checked_sub(1)?;
            lines(text, first, value.is_object() || value.is_array())
        })
}

/// The first place that fits a path with `[]` and `*`, and what is there.
fn concrete<'v>(value: &'v Value, path: &str) -> Option<(String, &'v Value)> {
    let mut found = vec![(String::new(), value)];
    for step in path.split('.') {
        let (name, is_list) = match step.strip_suffix("[]") {
            Some(name) => (name, true),
            None => (step, false),
        };
        found = found
            .into_iter()
            .flat_map(|(place, value)| members(&place, value, name))
            .flat_map(|(place, value)| elements(place, value, is_list))
            .collect();
    }
    found.into_iter().find(|(_, value)| !value.is_null())
}

fn members<'v>(place: &str, value: &'v Value, name: &str) -> Vec<(String, &'v Value)> {
    let members = value.as_object().into_iter().flatten();
    members
        .filter(|(key, _)| name == "*" || *key == name)
        .map(|(key, value)| (crate::spec::path::member(place, key), value))
        .collect()
}

fn elements(place: String, value: &Value, is_list: bool) -> Vec<(String, &Value)> {
    if !is_list {
        return vec![(place, value)];
    }
    let elements = value.as_array().into_iter().flatten().enumerate();
    elements
        .map(|(index, value)| (crate::spec::path::element(&place, index), value))
        .collect()
}

/// A line, and with it what is indented below it, when it holds more than one value or begins a block of text.
fn lines(text: &str, first: usize, holds_more: bool) -> Option<String> {
    let indent = |line: &str| line.len() - line.trim_start().len();
    let begins_block = |line: &&str| line.ends_with(['|', '>']);
    let all: Vec<&str> = text.lines().collect();
    // A block of text is placed where the text begins, below its key.
    let above = first
        .checked_sub(1)
        .filter(|at| !holds_more && begins_block(&all[*at]));
    let (head, below) = all.get(above.unwrap_or(first)..)?.split_first()?;
    let depth = indent(head);
    let mut taken = vec![*head];
    if holds_more || begins_block(head) {
        let belongs = |line: &&&str| line.trim().is_empty() || indent(line) > depth;
        taken.extend(below.iter().take_while(belongs));
    }
    let stripped: Vec<&str> = taken
        .iter()
        .map(|line| line.get(depth..).unwrap_or_default().trim_end())
        .collect();
    Some(stripped.join("\n").trim_end().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn workload(path: &str) -> (String, String) {
        let example = of_field(KindSchema::named("Workload").unwrap(), path).unwrap();
        (example.source, example.text)
    }

    #[test]
    fn a_field_is_shown_as_it_stands_in_the_first_file_that_has_it() {
        for (path, source, text) in [
            ("spec.replicas", "specs/web.yaml", "replicas: 2"),
            (
                "spec.resources.cpu",
                "specs/web.yaml",
                "resources: {cpu: 500, memory: 1024}",
            ),
            ("spec.ports[].port", "specs/web.yaml", "- port: 8080"),
            (
                "spec.schedule.timeZone",
                "specs/cron.yaml",
                "timeZone: Europe/Paris",
            ),
            (
                "spec.env.*.fromVault",
                "specs/database.yaml",
                "POSTGRES_PASSWORD: {fromVault: \"/kv/data/prj_3333/pg#password\"}",
            ),
        ] {
            assert_eq!(
                workload(path),
                (source.to_owned(), text.to_owned()),
                "{path}"
            );
        }
    }

    #[test]
    fn what_holds_more_is_shown_with_all_of_it() {
        let (_, schedule) = workload("spec.schedule");
        assert_eq!(schedule.lines().count(), 4, "{schedule}");
        assert!(schedule.starts_with("schedule:\n  cron: "), "{schedule}");
        let (_, content) = workload("spec.files[].content");
        assert_eq!(content.lines().count(), 3, "{content}");
    }

    #[test]
    fn a_field_that_no_file_has_has_no_example() {
        let kind = KindSchema::named("Workload").unwrap();
        assert_eq!(of_field(kind, "spec.platform.teamId"), None);
    }

    #[test]
    fn every_kind_has_a_whole_example() {
        // An overlay means nothing without the folders around it: `docs/overlays.md` shows one.
        let kinds = crate::spec::schema::KINDS.iter();
        for kind in kinds.filter(|kind| kind.name != "Overlay") {
            let example = whole(kind).unwrap_or_else(|| panic!("{} has none", kind.name));
            assert!(example.text.contains(&format!("kind: {}", kind.name)));
            assert!(!example.text.contains("$schema"), "{}", example.text);
        }
    }
}
