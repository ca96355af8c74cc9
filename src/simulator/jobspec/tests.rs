use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use hcl::edit::structure::Body;
use serde_json::json;

use super::parse;
use super::schema::{self, Block, Nested};

/// Enterprise only; the rest of the language is in the corpus.
const LEFT_OUT: &[&str] = &["multiregion"];

/// Arguments and blocks by the table that they are in, so that shared tables count once.
type Names = BTreeMap<(usize, &'static str), String>;

fn key(block: &'static Block, name: &'static str) -> (usize, &'static str) {
    (std::ptr::from_ref(block).addr(), name)
}

fn inner(nested: &'static Nested) -> Option<&'static Block> {
    match nested {
        Nested::One(block) | Nested::Many(block) | Nested::Named(block) => Some(block),
        Nested::Labels | Nested::Mapping | Nested::Headers | Nested::Free => None,
    }
}

fn all(block: &'static Block, path: &str, names: &mut Names) {
    for argument in block.arguments {
        let path = format!("{path}.{}", argument.name);
        names.entry(key(block, argument.name)).or_insert(path);
    }
    for (name, _, nested) in block.blocks {
        if LEFT_OUT.contains(name) || names.contains_key(&key(block, name)) {
            continue;
        }
        let path = format!("{path}.{name}");
        names.insert(key(block, name), path.clone());
        if let Some(inner) = inner(nested) {
            all(inner, &path, names);
        }
    }
}

fn used(body: &Body, block: &'static Block, found: &mut BTreeSet<(usize, &'static str)>) {
    for argument in block.arguments {
        if body.has_attribute(argument.name) {
            found.insert(key(block, argument.name));
        }
    }
    for (name, _, nested) in block.blocks {
        let dynamic = body
            .get_blocks("dynamic")
            .filter(|dynamic| {
                dynamic
                    .labels
                    .first()
                    .is_some_and(|label| label.as_str() == *name)
            })
            .flat_map(|dynamic| dynamic.body.get_blocks("content"));
        for written in body.get_blocks(name).chain(dynamic) {
            found.insert(key(block, name));
            if let Some(inner) = inner(nested) {
                used(&written.body, inner, found);
            }
        }
        if body.has_attribute(name) {
            found.insert(key(block, name));
        }
    }
}

fn corpus() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/corpus");
    let folders = [root.clone(), root.join("needs")];
    let entries = folders
        .iter()
        .flat_map(|folder| std::fs::read_dir(folder).unwrap());
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .filter(|path| path.extension().is_some_and(|ending| ending == "hcl"))
        .collect()
}

#[test]
fn the_corpus_uses_every_block_and_every_argument() {
    let mut names = Names::new();
    all(&schema::JOB, "job", &mut names);
    let mut found = BTreeSet::new();
    for file in corpus() {
        let text = std::fs::read_to_string(file).unwrap();
        let body = hcl::edit::parser::parse_body(&text).unwrap();
        for job in body.get_blocks("job") {
            used(&job.body, &schema::JOB, &mut found);
        }
    }
    let missing: Vec<&String> = names
        .iter()
        .filter(|(key, _)| !found.contains(key))
        .map(|(_, path)| path)
        .collect();
    assert!(missing.is_empty(), "nowhere in the corpus: {missing:#?}");
    assert!(names.len() > 300, "{} names", names.len());
}

#[test]
fn a_loop_without_end_in_sight_is_given_up() {
    let text = "locals {\n  a = [for i in range(1000) : [for j in range(1000) : [for k in range(1000) : k]]]\n}\njob \"a\" {}\n";
    let error = parse(text, "").unwrap_err();
    assert!(error.contains("Too much to evaluate"), "{error}");
}

#[test]
fn hcl_written_as_json_is_refused_in_a_sentence() {
    let error = parse("{\"job\": {\"a\": {}}}", "").unwrap_err();
    assert!(error.contains("not HCL written as JSON"), "{error}");
}

#[test]
fn functions_that_only_a_real_nomad_has_are_refused_by_name() {
    for name in ["bcrypt", "md5", "uuidv4", "yamlencode"] {
        let error = parse(&format!("job \"a\" {{\n  name = {name}(\"x\")\n}}\n"), "").unwrap_err();
        assert!(
            error.starts_with(&format!(
                "input.hcl:2,10-{}: Error in function call; Call to function {name:?} failed: this simulated Nomad",
                11 + name.len()
            )),
            "{error}"
        );
    }
}

#[test]
fn values_of_the_request_win_over_defaults() {
    let text = "variable \"n\" {\n  type    = number\n  default = 1\n}\njob \"a\" {\n  priority = var.n\n}\n";
    assert_eq!(parse(text, "").unwrap()["Priority"], json!(1));
    assert_eq!(
        parse(text, "n = \"60\"\nother = 3\n").unwrap()["Priority"],
        json!(60)
    );
}

#[test]
fn deep_nesting_and_odd_bytes_do_not_end_the_process() {
    for text in [
        "job \"a\" ".to_owned() + &"{\n b ".repeat(10_000),
        "a = ".to_owned() + &"[".repeat(100_000),
        "a = ".to_owned() + &"(".repeat(100_000),
        "a = ".to_owned() + &"-".repeat(100_000) + "1",
        "a = \"".to_owned() + &"${\"".repeat(20_000),
        "a = <<\n".to_owned(),
        "a = <<-EOF\n\u{feff}\u{0}é${".to_owned(),
        "\u{feff}".to_owned(),
        "job \"é".to_owned(),
        "a = é::b(".to_owned(),
    ] {
        let error = parse(&text, "").unwrap_err();
        assert!(!error.is_empty());
    }
}
