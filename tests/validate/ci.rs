//! The parts for pipelines: they are YAML, and what they call exists.

use std::collections::BTreeSet;

use serde_json::Value;

use super::read;
use crate::support::env::TestEnv;

const PARTS: [&str; 4] = [
    ".pre-commit-hooks.yaml",
    "deploy/ci/github/action.yml",
    "deploy/ci/github/workflow.yml",
    "deploy/ci/gitlab/cs.yml",
];

fn parsed(path: &str) -> Value {
    serde_saphyr::from_str(&read(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// A call of `cs`: command and flags.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Call {
    command: String,
    flags: BTreeSet<String>,
}

/// The calls in scripts and entries. Flags that are gathered in a variable first are those of `validate`, unless named.
fn calls(text: &str) -> Vec<Call> {
    let mut calls = Vec::new();
    for line in text
        .lines()
        .filter(|line| !line.trim_start().starts_with('#'))
    {
        let Some((_, rest)) = line.split_once("cs ") else {
            continue;
        };
        let mut words = rest.split_whitespace();
        let Some(command) = words
            .next()
            .filter(|word| word.bytes().all(|b| b.is_ascii_lowercase()))
        else {
            continue;
        };
        let is_call = line.trim_start().starts_with("cs ")
            || line.contains("entry: cs ")
            || line.trim_start().starts_with("- cs ");
        if is_call {
            let flags = words
                .filter(|word| word.starts_with("--"))
                .map(str::to_owned);
            calls.push(Call {
                command: command.to_owned(),
                flags: flags.collect(),
            });
        }
    }
    calls
}

/// Flags that scripts gather in arrays and positional parameters.
fn gathered(text: &str) -> BTreeSet<String> {
    let lines = text
        .lines()
        .filter(|line| line.contains("+=(") || line.contains("set -- "));
    let words = lines.flat_map(|line| line.split([' ', '(', ')', ';']));
    words
        .filter(|word| word.starts_with("--") && word.len() > 2)
        .map(str::to_owned)
        .collect()
}

#[test]
fn every_part_is_yaml_of_its_shape() {
    let hooks = parsed(PARTS[0]);
    for hook in hooks.as_array().unwrap() {
        for key in ["id", "name", "entry", "language", "files"] {
            assert!(hook[key].is_string(), "{key} of {hook}");
        }
    }
    let action = parsed(PARTS[1]);
    assert_eq!(action["runs"]["using"], "composite");
    let workflow = parsed(PARTS[2]);
    let inputs = action["inputs"].as_object().unwrap();
    let mut uses = 0;
    for (name, job) in workflow["jobs"].as_object().unwrap() {
        for step in job["steps"].as_array().unwrap() {
            if step["uses"] == "./deploy/ci/github" {
                uses += 1;
                for input in step["with"].as_object().unwrap().keys() {
                    assert!(inputs.contains_key(input), "{input} of {name}");
                }
            }
        }
    }
    assert_eq!(uses, 3);
    let gitlab = parsed(PARTS[3]);
    for job in [".cs-validate", ".cs-plan", ".cs-apply"] {
        assert!(gitlab[job]["script"].is_array(), "{job}");
    }
    assert_eq!(
        gitlab[".cs-validate"]["artifacts"]["reports"]["junit"],
        "cs-junit.xml"
    );
}

#[test]
fn scripts_of_the_action_hold_no_expression() {
    let action = parsed(PARTS[1]);
    for step in action["runs"]["steps"].as_array().unwrap() {
        let script = step["run"].as_str().unwrap();
        assert!(!script.contains("${{"), "{script}");
    }
}

#[test]
fn every_command_and_flag_that_is_called_exists() {
    let env = TestEnv::new();
    let mut seen = BTreeSet::new();
    for part in PARTS {
        let text = read(part);
        let mut calls = calls(&text);
        let prune = "--prune".to_owned();
        for call in &mut calls {
            let of_array: BTreeSet<String> = gathered(&text);
            if call.command == "validate" {
                call.flags
                    .extend(of_array.into_iter().filter(|flag| *flag != prune));
            }
        }
        for call in calls {
            seen.insert(call.command.clone());
            let help = env.cs([call.command.as_str(), "--help"]).run();
            help.assert_code(0);
            for flag in &call.flags {
                assert!(
                    help.stdout.contains(flag.as_str()),
                    "{flag} of {part}\n{help}"
                );
            }
        }
    }
    let expected = ["apply", "plan", "validate"].map(str::to_owned);
    assert_eq!(seen, BTreeSet::from(expected));
}

#[test]
fn a_flag_that_does_not_exist_would_be_noticed() {
    let text = "  cs validate \"$@\" --moon\n  entry: cs apply --sun x\n  flags+=(--star)\n# cs plan --no\n";
    let found = calls(text);
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].flags.contains("--moon") && found[1].flags.contains("--sun"));
    assert_eq!(gathered(text), BTreeSet::from(["--star".to_owned()]));
}
