//! Examples that are no commands: YAML, HCL and JSON.

use std::collections::BTreeMap;

use cs::dispatch::ConvertOptions;
use cs::project::Input;
use serde_json::Value;

use super::markdown::{Block, Page};
use crate::support::env::TestEnv;

/// What is wrong with the examples of a page, each with its line.
pub(super) fn failures(page: &Page) -> Vec<String> {
    let env = TestEnv::new();
    let mut failures = Vec::new();
    for block in &page.blocks {
        let found = match block.language.as_str() {
            "yaml" => yaml(&env, block),
            "hcl" => hcl(&env, block),
            "json" => json(block),
            _ => Ok(()),
        };
        if let Err(why) = found {
            failures.push(format!(
                "{}: {why}\n---\n{}",
                page.place(block.line),
                block.text
            ));
        }
    }
    failures
}

fn yaml(env: &TestEnv, block: &Block) -> Result<(), String> {
    let documents = documents(&block.text)?;
    let is_ours = |document: &Value| document["apiVersion"] == "cloudstation.io/v1";
    // A part of a set means nothing alone: the page's own commands check the set.
    if block.has("part") || !documents.iter().any(is_ours) {
        return Ok(());
    }
    validate(env, "example.yaml", &block.text)
}

/// The documents of a YAML text.
pub(super) fn documents(text: &str) -> Result<Vec<Value>, String> {
    serde_saphyr::from_multiple(text).map_err(|error| error.to_string())
}

fn hcl(env: &TestEnv, block: &Block) -> Result<(), String> {
    hcl::parse(&block.text).map_err(|error| error.to_string())?;
    let begins = |word: &str| block.text.lines().any(|line| line.starts_with(word));
    if begins("job \"") && !block.has("part") {
        return validate(env, "example.nomad.hcl", &block.text);
    }
    if begins("project") {
        return project(&block.text);
    }
    Ok(())
}

fn validate(env: &TestEnv, name: &str, text: &str) -> Result<(), String> {
    let file = env.file(name, text);
    let ended = env.cs(["validate"]).arg(file).run();
    match ended.code {
        Some(0) => Ok(()),
        _ => Err(format!("it does not validate\n{ended}")),
    }
}

/// Reads a project file as on a machine where every variable that it names is set.
fn project(text: &str) -> Result<(), String> {
    let environment = |_: &str| Some("example".to_owned());
    let files: BTreeMap<String, String> = BTreeMap::new();
    let read = |name: &str| {
        files
            .get(name)
            .cloned()
            .ok_or_else(|| "no such file".to_owned())
    };
    let project = cs::project::read(&Input {
        name: "cloudstation.hcl",
        text,
        flags: &[],
        variable_files: &[],
        environment: &environment,
        read: &read,
        options: &ConvertOptions::default(),
    });
    let project = project.map_err(|findings| format!("{findings:#?}"))?;
    match project.warnings.is_empty() {
        true => Ok(()),
        false => Err(format!("{:#?}", project.warnings)),
    }
}

/// One document, or one a line.
fn json(block: &Block) -> Result<(), String> {
    let parse = |text: &str| serde_json::from_str::<Value>(text);
    let Err(error) = parse(&block.text) else {
        return Ok(());
    };
    let mut lines = block.text.lines().filter(|line| !line.trim().is_empty());
    match lines.all(|line| parse(line).is_ok()) {
        true => Ok(()),
        false => Err(error.to_string()),
    }
}

#[test]
fn an_example_that_does_not_hold_is_named_with_its_line() {
    let of = |text: &str| failures(&Page::of("p.md", text.to_owned())).join("\n");
    let kind = "apiVersion: cloudstation.io/v1\nkind: Workload\nmetadata: {name: a}\n";
    assert_eq!(
        of(&format!(
            "```yaml\n{kind}spec: {{source: {{image: \"a:1\"}}}}\n```\n"
        )),
        ""
    );
    let bad = of(&format!("\n```yaml\n{kind}spec: {{sorce: 1}}\n```\n"));
    assert!(
        bad.starts_with("p.md:3:") && bad.contains("unknown-field"),
        "{bad}"
    );
    assert_eq!(
        of(&format!("```yaml part\n{kind}spec: {{replicas: 2}}\n```\n")),
        ""
    );
    assert!(of("```yaml\na: [\n```\n").starts_with("p.md:2:"));
    assert!(of("```json\n{\"a\": }\n```\n").starts_with("p.md:2:"));
    assert_eq!(of("```json\n{\"a\": 1}\n{\"b\": 2}\n```\n"), "");
    assert!(of("```hcl\njob \"a\" {\n}\njobs {}\n```\n").contains("hcl-block"));
    assert!(of("```hcl\nproject = \"a\"\napp \"b\" {\n  bild {}\n}\n```\n").contains("bild"));
}
