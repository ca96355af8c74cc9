//! What is generated and committed is what this build generates: schemas, reference pages, the page of commands.

use serde_json::Value;

use super::repository;
use crate::support::env::TestEnv;

/// Fails when a committed file is not what a command prints, and says how to renew it.
#[track_caller]
fn assert_fresh(env: &TestEnv, arguments: &[&str], file: &str) {
    let ended = env.cs(arguments).run();
    ended.assert_code(0);
    let committed = std::fs::read_to_string(repository(file)).unwrap_or_default();
    assert!(
        committed == ended.stdout,
        "{file} is stale: cargo run -- {} > {file}",
        arguments.join(" ")
    );
}

#[test]
fn the_committed_schemas_are_those_of_this_build() {
    let env = TestEnv::new();
    let list = env.cs(["schema", "--list", "-o", "json"]).run().document();
    let schemas = list["schemas"].as_array().expect("a list");
    assert!(schemas.len() >= 4, "{list}");
    for schema in schemas {
        let text = |name: &str| schema[name].as_str().expect("a text");
        let file = format!("schemas/{}", text("file"));
        assert_fresh(&env, &["schema", text("name")], &file);
        assert!(!text("about").is_empty());
    }
    // The one that modelines name needs no name.
    assert_fresh(&env, &["schema"], "schemas/cloudstation.io_v1.json");
}

#[test]
fn every_committed_schema_is_listed() {
    let env = TestEnv::new();
    let list = env.cs(["schema", "--list"]).run().stdout;
    let mut folders = vec![repository("schemas")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("part of the repository") {
            let path = entry.expect("readable").path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let file = path
                .strip_prefix(repository("schemas"))
                .expect("found below it");
            assert!(
                list.contains(&file.display().to_string()),
                "{} is not in\n{list}",
                file.display()
            );
        }
    }
}

#[test]
fn every_listed_schema_says_what_it_is() {
    let env = TestEnv::new();
    let list = env.cs(["schema", "--list", "-o", "json"]).run().document();
    for schema in list["schemas"].as_array().expect("a list") {
        let printed: Value = env
            .cs(["schema", schema["name"].as_str().unwrap()])
            .run()
            .document();
        // The description of the API holds schemas and is none; `bridge::openapi` checks them.
        if schema["name"] == "openapi" {
            assert_eq!(printed["openapi"], "3.1.0");
            continue;
        }
        jsonschema::draft7::meta::validate(&printed).expect("a schema");
        let id = printed["$id"].as_str().expect("an id");
        assert!(id.ends_with(schema["file"].as_str().unwrap()), "{id}");
        assert!(printed["title"].is_string(), "{schema}");
    }
}

#[test]
fn schemas_are_found_by_names_in_any_case_and_slips_are_seen() {
    let env = TestEnv::new();
    let plain = env.cs(["schema", "nomadjob"]).run().stdout;
    for name in ["NomadJob", "NOMADJOB"] {
        assert_eq!(env.cs(["schema", name]).run().stdout, plain);
    }
    let report = env.cs(["schema", "RunReport"]).run();
    assert_eq!(report.stdout, env.cs(["schema", "run-report"]).run().stdout);
    let ended = env.cs(["schema", "worklod"]).run();
    ended.assert_code(2).assert_says("did you mean `workload`?");
    assert_eq!(ended.stdout, "");
    env.cs(["schema", "moon"])
        .run()
        .assert_code(2)
        .assert_says("known: document, workload, nomadjob, overlay, run-report");
    env.cs(["schema", "workload", "--list"])
        .run()
        .assert_code(2);
}

#[test]
fn the_reference_pages_are_those_of_this_build() {
    let env = TestEnv::new();
    for kind in &cs::spec::schema::KINDS {
        let word = kind.word();
        let file = format!("docs/spec/{word}.md");
        assert_fresh(&env, &["explain", &word, "-o", "markdown"], &file);
    }
}

#[test]
fn the_page_of_commands_is_that_of_this_build() {
    assert_fresh(&TestEnv::new(), &["man", "-o", "markdown"], "docs/cli.md");
}

/// The reference takes its examples from the files that are named in `reference::example`.
#[test]
fn every_spec_file_is_an_example_of_the_reference() {
    let mut named: Vec<String> = cs::reference::example::names().map(str::to_owned).collect();
    named.sort();
    let mut found: Vec<String> = std::fs::read_dir(repository("specs"))
        .expect("part of the repository")
        .map(|entry| {
            entry
                .expect("readable")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .filter(|name| name.ends_with(".yaml"))
        .map(|name| format!("specs/{name}"))
        .collect();
    found.sort();
    assert_eq!(named, found, "name the file in `src/reference/example.rs`");
}

#[test]
fn every_command_has_a_manual_page() {
    let env = TestEnv::new();
    let folder = env.root().join("man/man1");
    let ended = env.cs(["man", "--dir"]).arg(&folder).run();
    ended.assert_code(0);
    for name in [
        "cs.1",
        "cs-apply.1",
        "cs-new-workload.1",
        "cs-completions.1",
    ] {
        let page = std::fs::read_to_string(folder.join(name))
            .unwrap_or_else(|_| panic!("{name}\n{ended}"));
        assert!(page.contains(".SH NAME"), "{name}");
        assert!(ended.stdout.contains(name), "{ended}");
    }
    let all = ended.stdout.lines().count();
    let pages = std::fs::read_dir(&folder).unwrap().count();
    assert_eq!(all, pages);
    assert!(!ended.stdout.contains("__complete"));
}

#[test]
fn a_manual_page_is_printed_with_its_examples_as_they_are() {
    let env = TestEnv::new();
    let ended = env.cs(["man", "new", "workload"]).run();
    ended.assert_code(0);
    assert!(
        ended
            .stdout
            .contains(".SH EXAMPLES\n.nf\n\\&cs new workload shop \\-\\-image"),
        "{ended}"
    );
    env.cs(["man", "aply"])
        .run()
        .assert_code(2)
        .assert_says("did you mean `apply`?");
}

/// What `man` itself thinks of the pages, where it is installed.
#[test]
fn the_manual_pages_are_read_without_a_warning() {
    let env = TestEnv::new();
    let folder = env.root().join("man1");
    env.cs(["man", "--dir"]).arg(&folder).run().assert_code(0);
    let page = folder.join("cs-completions.1");
    let read = std::process::Command::new("groff")
        .args(["-man", "-Tutf8", "-ww"])
        .arg(&page)
        .output();
    let Ok(read) = read else {
        println!("skipped: groff is not installed");
        return;
    };
    let text = String::from_utf8_lossy(&read.stdout);
    assert!(text.contains("fpath"), "{text}");
    assert_eq!(String::from_utf8_lossy(&read.stderr), "");
}
