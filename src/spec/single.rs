//! A file of one document that is no resource, such as a config file: read with the same bounds, the same findings and
//! the same places as resources are.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;

use super::diagnostic::{Diagnostic, Severity};
use super::document::collect_places;
use super::parse::{MAX_BYTES, not_yaml, problem, too_large};
use super::path;
use super::reader;
use super::tree::{self, Place};

/// The document, and where its parts stand.
#[derive(Debug, Clone)]
pub(crate) struct Single<T> {
    pub(crate) value: T,
    places: BTreeMap<String, Place>,
}

impl<T> Single<T> {
    /// Line and column of a path, from 1; those of its nearest part when the file does not have it.
    pub(crate) fn locate(&self, path: &str) -> (u64, u64) {
        let mut path = Some(path);
        while let Some(step) = path {
            if let Some(place) = self.places.get(step) {
                return (place.line.into(), place.column.into());
            }
            path = path::parent(step);
        }
        (0, 0)
    }
}

/// Reads the one document of a file; `None` for a file without any.
///
/// # Errors
/// Everything that is wrong in the file, in its order.
pub(crate) fn read<T: DeserializeOwned>(
    source_name: &str,
    text: &str,
) -> Result<Option<Single<T>>, Vec<Diagnostic>> {
    if text.len() > MAX_BYTES {
        return Err(vec![too_large(source_name, text.len())]);
    }
    let roots = tree::documents(text).map_err(|flaw| vec![not_yaml(source_name, &flaw)])?;
    let mut roots = roots.into_iter();
    let Some(root) = roots.next() else {
        return Ok(None);
    };
    if let Some(second) = roots.next() {
        return Err(vec![second_document(source_name, second.place)]);
    }
    let value = reader::read(&root).map_err(|findings| {
        let found = findings.into_iter().map(problem);
        found
            .map(|problem| problem.into_diagnostic(source_name))
            .collect::<Vec<_>>()
    })?;
    let mut places = BTreeMap::from([(String::new(), root.place)]);
    collect_places(&root, "", &mut places);
    Ok(Some(Single { value, places }))
}

/// The documents of a text as plain values, without their places.
///
/// # Errors
/// The first thing that is wrong, in words and with its place.
pub(crate) fn values(text: &str) -> Result<Vec<serde_json::Value>, Box<Diagnostic>> {
    let name = "YAML";
    if text.len() > MAX_BYTES {
        return Err(Box::new(too_large(name, text.len())));
    }
    let roots = tree::documents(text).map_err(|flaw| Box::new(not_yaml(name, &flaw)))?;
    let read = |root| {
        reader::read(root).map_err(|findings| {
            let first = findings.into_iter().next();
            let first = first.expect("what cannot be read has a finding");
            Box::new(problem(first).into_diagnostic(name))
        })
    };
    roots.iter().map(read).collect()
}

fn second_document(source_name: &str, place: Place) -> Diagnostic {
    Diagnostic {
        file: source_name.to_owned(),
        line: place.line.into(),
        column: place.column.into(),
        code: "second-document",
        severity: Severity::Error,
        path: String::new(),
        message: "the file may hold one document only".to_owned(),
        help: Some("remove the `---` and what follows it".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Numbers = BTreeMap<String, u16>;

    #[test]
    fn parts_are_found_and_missing_ones_are_placed_at_what_they_would_be_in() {
        let single = read::<Numbers>("f", "# x\na: 1\nb: 2\n").unwrap().unwrap();
        assert_eq!(single.value["b"], 2);
        assert_eq!(single.locate("b"), (3, 4));
        assert_eq!(single.locate("c"), (2, 1));
    }

    #[test]
    fn any_document_is_a_plain_value() {
        let read = values("a: [1, x, null, true, 1.5]\n---\n&t text\n").unwrap();
        assert_eq!(
            read,
            [
                serde_json::json!({"a": [1, "x", null, true, 1.5]}),
                serde_json::json!("text")
            ]
        );
        assert!(values("").unwrap().is_empty());
        let broken = values("a: 1\na: 2\n").unwrap_err();
        assert_eq!(broken.line, 2, "{broken}");
    }

    #[test]
    fn a_file_without_a_document_is_none_and_two_are_an_error() {
        assert!(read::<Numbers>("f", "# nothing\n").unwrap().is_none());
        let findings = read::<Numbers>("f", "a: 1\n---\nb: 2\n").unwrap_err();
        assert_eq!(
            findings[0].to_string(),
            "f:3:1: error[second-document]: the file may hold one document only"
        );
    }
}
