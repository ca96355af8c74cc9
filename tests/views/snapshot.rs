//! Output and exit code of a command, with what changes from run to run replaced, compared with a committed file.
//!
//! `CS_UPDATE_SNAPSHOTS=1 cargo test --test suite views::` writes the files; look at the difference before committing it.

use std::path::PathBuf;

use regex_lite::Regex;

use crate::support::env::{Ended, Invocation};

/// Runs a command and compares all that it says.
#[track_caller]
pub(crate) fn assert_snapshot(name: &str, line: &str, command: Invocation) -> Ended {
    let ended = command.run();
    let mut text = format!("$ {line}\n");
    text.push_str(&normal(&ended.stdout));
    if !ended.stderr.is_empty() {
        text.push_str("--- standard error\n");
        text.push_str(&normal(&ended.stderr));
    }
    text.push_str(&format!("--- exit code {}\n", ended.code.unwrap_or(-1)));
    compare(name, &text);
    ended
}

#[track_caller]
fn compare(name: &str, text: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/views/snapshots")
        .join(format!("{name}.txt"));
    #[expect(
        clippy::disallowed_methods,
        reason = "the switch that writes the files"
    )]
    let is_update = std::env::var_os("CS_UPDATE_SNAPSHOTS").is_some();
    if is_update {
        std::fs::write(&path, text).expect("the directory is ours");
        return;
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == text,
        "{name} has changed.\n--- committed\n{committed}\n--- now\n{text}"
    );
}

/// Without progress; ids, moments, ages and addresses by their kind; runs of spaces within a line as two.
pub(super) fn normal(text: &str) -> String {
    let rules = [
        (r"\x1b\[[0-9;]*m", ""),
        // Progress: how much of it is seen depends on who is faster.
        (r"(?m)^ INFO .*\n", ""),
        (r"\d{4}-\d\d-\d\dT[0-9:.]+Z", "MOMENT"),
        (r"http://127\.0\.0\.1:\d+", "ADDRESS"),
        (r"/tmp/\.tmp[A-Za-z0-9]+", "HOME"),
        (r"\(\d+\.\d s\)", "(TIME)"),
        (r"at index \d+", "at index INDEX"),
        (r"periodic-\d+", "periodic-SECONDS"),
        (
            r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
            "UUID",
        ),
        (r"\b[0-9a-f]{8}\b", "SHORT-ID"),
        (r"(?m)\b\d+[smhd](\d+[smhd])?( ago|$|  )", "AGE$2"),
        (r#""index": \d+"#, r#""index": INDEX"#),
        (r"(?m)([^ \n]) {2,}", "$1  "),
        (r" {7,}AGE ago", "      AGE ago"),
    ];
    rules.iter().fold(text.to_owned(), |text, (pattern, with)| {
        let pattern = Regex::new(pattern).expect("the patterns above are valid");
        pattern.replace_all(&text, *with).into_owned()
    })
}

#[test]
fn what_changes_from_run_to_run_is_replaced_and_nothing_else() {
    let text = "shop   service   12m5s\n  at 2026-01-02T03:04:05.6Z, 1a2b3c4d (3s ago)\n";
    assert_eq!(
        normal(text),
        "shop  service  AGE\n  at MOMENT, SHORT-ID (AGE ago)\n"
    );
    assert_eq!(normal("exit code 3, version 12"), "exit code 3, version 12");
}
