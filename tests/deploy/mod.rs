//! What is shipped (`deploy/`): version, image, Nomad jobs, units, compose file, inventory of the binary.

mod compose;
mod dispatch;
mod image;
mod inventory;
mod jobs;
mod units;
mod version;

use std::path::{Path, PathBuf};

use crate::support::env::TestEnv;

/// A path of the repository.
fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

#[track_caller]
fn read(path: &str) -> String {
    std::fs::read_to_string(repository(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Files of `deploy/` whose names end so, sorted.
fn shipped(folder: &str, end: &str) -> Vec<String> {
    let entries = std::fs::read_dir(repository(folder)).expect("part of the repository");
    let mut names: Vec<String> = entries
        .map(|entry| entry.expect("readable").file_name())
        .map(|name| format!("{folder}/{}", name.to_string_lossy()))
        .filter(|name| name.ends_with(end))
        .collect();
    names.sort();
    assert!(!names.is_empty(), "{folder} has no {end}");
    names
}

/// The static binary that `deploy/release` made, where the caller of the tests made one: `CS_TEST_STATIC_BINARY`.
fn static_binary() -> Option<PathBuf> {
    #[expect(clippy::disallowed_methods, reason = "the switch between test runs")]
    let given = std::env::var_os("CS_TEST_STATIC_BINARY").filter(|path| !path.is_empty());
    #[expect(clippy::print_stderr, reason = "a weaker test must be seen")]
    if given.is_none() {
        eprintln!(
            "NO STATIC BINARY: CS_TEST_STATIC_BINARY is not set; what depends on it is tested with a dynamic one"
        );
    }
    given.map(PathBuf::from)
}

/// A bound of `deploy/limits`.
fn limit(name: &str) -> u64 {
    let limits = read("deploy/limits");
    let mut lines = limits.lines();
    let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
    value
        .and_then(|value| value.parse().ok())
        .unwrap_or_else(|| panic!("deploy/limits has no {name}"))
}

/// Fails unless the binary takes these arguments. Nothing is done: with `--help` behind them they are only read.
#[track_caller]
fn assert_accepted(arguments: &[String]) {
    let env = TestEnv::new();
    let ended = env.cs(arguments).arg("--help").run();
    ended.assert_code(0);
    let command: Vec<&str> = arguments
        .iter()
        .map(String::as_str)
        .take_while(|argument| !argument.starts_with('-'))
        .collect();
    let usage = format!("Usage: cs {}", command.join(" "));
    assert!(ended.stdout.contains(&usage), "{usage}\n{ended}");
}

/// Fails unless a page of `docs/` other than the one about installing tells what this variable is.
#[track_caller]
fn assert_documented(variable: &str) {
    let pages = shipped("docs", ".md");
    let known = pages
        .iter()
        .filter(|page| !page.ends_with("install.md"))
        .any(|page| {
            let text = read(page);
            let mut words =
                text.split(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '_'));
            words.any(|word| word == variable)
        });
    assert!(known, "no page of docs/ tells what {variable} is");
}

#[test]
fn a_wrong_flag_a_wrong_value_and_an_unknown_variable_would_be_seen() {
    let refused = |arguments: &[&str]| {
        let arguments: Vec<String> = arguments.iter().map(|text| (*text).to_owned()).collect();
        std::panic::catch_unwind(|| assert_accepted(&arguments)).is_err()
    };
    assert!(refused(&["serve", "--lisen", "127.0.0.1:0"]));
    assert!(refused(&["serve", "--listen", "nowhere"]));
    assert!(refused(&["agent"]));
    assert!(!refused(&["runner", "agent", "--drain", "2m"]));
    assert!(std::panic::catch_unwind(|| assert_documented("CS_NO_SUCH_THING")).is_err());
}
