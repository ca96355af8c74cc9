//! What docs/observability.md shows is what there is.

use serde_json::Value;

use crate::cli::lab::assert_valid_report;

fn document() -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/observability.md");
    std::fs::read_to_string(path).expect("it is committed")
}

/// The code blocks of a language.
fn blocks(language: &str) -> Vec<String> {
    let text = document();
    let mut found = Vec::new();
    let mut rest = text.as_str();
    let fence = format!("\n```{language}");
    while let Some(at) = rest.find(&fence) {
        let block = &rest[at + fence.len()..];
        let begin = block.find('\n').expect("a block has lines") + 1;
        let end = block.find("\n```").expect("a block ends");
        found.push(block[begin..end].to_owned());
        rest = &block[end + 4..];
    }
    found
}

#[test]
fn the_example_of_a_summary_is_what_its_schema_says() {
    let reports: Vec<Value> = blocks("json")
        .iter()
        .map(|block| serde_json::from_str(block).expect("JSON"))
        .filter(|block: &Value| block["kind"] == "RunReport")
        .collect();
    assert_eq!(reports.len(), 1);
    assert_valid_report(&reports[0]);
}

#[test]
fn every_metric_is_in_the_document_and_nothing_else() {
    let source = include_str!("../../src/observe/page.rs");
    let names = |text: &str| {
        let mut names: Vec<String> = text
            .match_indices("cs_run_")
            .map(|(at, _)| {
                let name = text[at..].chars();
                name.take_while(|c| c.is_ascii_alphanumeric() || *c == '_')
                    .collect()
            })
            .collect();
        names.sort();
        names.dedup();
        names
    };
    assert_eq!(names(&document()), names(source));
}

#[test]
fn every_variable_that_is_read_is_in_the_document() {
    let text = document();
    let source = concat!(
        include_str!("../../src/observe/settings.rs"),
        include_str!("../../src/observe/mod.rs")
    );
    for word in source.split(|c: char| !(c.is_ascii_uppercase() || c == '_')) {
        let is_variable = word.starts_with("OTEL_") && word.len() > 8
            || word == "TRACEPARENT"
            || word == "NOMAD_META_TRACEPARENT";
        assert!(!is_variable || text.contains(word), "{word}");
    }
}
