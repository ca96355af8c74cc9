//! Every page, its commands and its blocks.

use super::markdown::{Page, names};
use super::words::commands;
use super::{data, shell};
use crate::support::env::TestEnv;

/// Languages of blocks, and how each is checked.
const LANGUAGES: [(&str, &str); 13] = [
    ("sh", "run, or at least understood"),
    ("console", "run and compared, or at least understood"),
    ("yaml", "validated where it is a kind of ours, else parsed"),
    (
        "hcl",
        "validated where it is a job or a project, else parsed",
    ),
    ("json", "parsed"),
    (
        "text",
        "pictures, and output without a command; not checked",
    ),
    ("dockerfile", "not checked"),
    ("groovy", "not checked"),
    ("ini", "not checked"),
    ("nginx", "not checked"),
    ("promql", "its metrics exist"),
    ("rust", "not checked"),
    ("sql", "not checked"),
];

macro_rules! pages {
    ($($name:ident: $file:literal,)*) => {
        $(#[test]
        fn $name() {
            run($file);
        })*

        /// Pages that have a test of their own, so that they run side by side.
        const NAMED: &[&str] = &[$($file,)*];
    };
}

pages! {
    readme: "README.md",
    bridge: "docs/bridge.md",
    configuration: "docs/configuration.md",
    dev: "docs/dev.md",
    dispatch: "docs/dispatch.md",
    local: "docs/local.md",
    migration: "docs/MIGRATION_CS_RUNNER.md",
    native_jobs: "docs/native-jobs.md",
    operations: "docs/operations.md",
    overlays: "docs/overlays.md",
    spec_workload: "docs/spec/workload.md",
    runner: "docs/runner.md",
    start_bridge: "docs/start-bridge.md",
    start_ci: "docs/start-ci.md",
    start_dispatch: "docs/start-dispatch.md",
    start_gitops: "docs/start-gitops.md",
    start_local: "docs/start-local.md",
    start_runner: "docs/start-runner.md",
    validation: "docs/validation.md",
}

#[test]
fn all_other_pages() {
    let others = names()
        .into_iter()
        .filter(|name| !NAMED.contains(&name.as_str()));
    let failures: Vec<String> = others.flat_map(|name| failures(&name)).collect();
    assert!(failures.is_empty(), "\n{}", failures.join("\n\n"));
}

#[track_caller]
fn run(name: &str) {
    let failures = failures(name);
    assert!(failures.is_empty(), "\n{}", failures.join("\n\n"));
}

fn failures(name: &str) -> Vec<String> {
    let page = Page::read(name);
    let mut failures = data::failures(&page);
    if shell::is_run(&page) {
        failures.extend(shell::failures(&page));
    }
    failures
}

#[test]
fn every_block_says_what_it_is() {
    let mut failures = Vec::new();
    for page in super::markdown::all() {
        for block in &page.blocks {
            let place = page.place(block.line);
            let language = block.language.as_str();
            // The page of commands is generated; its examples are looked at below.
            if language.is_empty() && page.name == "docs/cli.md" {
                continue;
            }
            if !LANGUAGES.iter().any(|(known, _)| *known == language) {
                failures.push(format!(
                    "{place}: `{language}` is no language that is known here; `text` is not checked"
                ));
            }
            let is_command = |line: &str| {
                let after = line.strip_prefix("cs ").or(line.strip_prefix("$ "));
                after.is_some_and(|rest| !rest.starts_with(' '))
            };
            if language == "text" && block.text.lines().any(is_command) {
                failures.push(format!("{place}: commands belong into `sh` or `console`"));
            }
            if block
                .attribute("no-run")
                .is_some_and(|reason| reason.trim().len() < 8)
            {
                failures.push(format!("{place}: say why it is not run"));
            }
        }
    }
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}

/// Also lists what is not run, with the reasons: `cargo test --test suite docs::pages::what_is -- --nocapture`.
#[test]
fn what_is_not_run_is_understood_all_the_same() {
    let env = TestEnv::new();
    let mut failures = Vec::new();
    let mut seen = 0;
    for page in super::markdown::all() {
        for block in &page.blocks {
            let generated = page.name == "docs/cli.md" && !block.text.contains('<');
            let is_left_out = block.is_shell() && block.has("no-run");
            if !generated && !is_left_out {
                continue;
            }
            let place = page.place(block.line);
            if let Some(reason) = block.attribute("no-run") {
                println!("{place}: {reason}");
            }
            let shown = |line: &&str| block.language != "console" || line.starts_with("$ ");
            let lines = block.text.lines().filter(shown);
            let text: String = lines
                .map(|line| format!("{}\n", line.trim_start_matches("$ ")))
                .collect();
            for words in commands(&text) {
                seen += 1;
                // What is between brackets says what may be there, and the usage of a command says nothing else.
                if words.iter().any(|word| word.starts_with('[')) {
                    continue;
                }
                let ended = env.cs(&words).arg("--help").run();
                if ended.code != Some(0) {
                    failures.push(format!("{place}: cs {}\n{}", words.join(" "), ended.stderr));
                }
            }
        }
    }
    assert!(seen > 50, "{seen}");
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}

#[test]
fn pages_with_a_test_of_their_own_exist() {
    let names = names();
    for name in NAMED {
        assert!(names.iter().any(|known| known == name), "{name}");
    }
}
