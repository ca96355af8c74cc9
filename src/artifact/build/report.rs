//! What is told of a builder's program that failed.

use super::command::Finished;
use super::{BuildError, Builder};

/// How programs begin the line that says what went wrong: Rust's `anyhow`, and the log of railpack.
const MARKS: [&str; 5] = ["Error: ", "error: ", "ERRO ", "FATA ", "✖ "];

/// Longest reason, in characters.
const REASON: usize = 300;

/// A program that ended badly. Its reason is looked for in its last lines, then in the beginning that was kept of its
/// output: what follows it may be longer than the last lines are.
pub(super) fn failed(builder: Builder, finished: Finished) -> BuildError {
    let ending = finished.ending();
    let begun = String::from_utf8_lossy(&finished.stdout);
    let said = finished.tail.iter().rev().find_map(|line| marked(line));
    let said = said.or_else(|| begun.lines().rev().find_map(marked));
    let reason = match said {
        Some(said) => format!("{said} ({ending})"),
        None => format!("`{builder}` ended with {ending}"),
    };
    BuildError::Failed {
        builder,
        step: step(&finished.tail),
        reason,
        tail: finished.tail,
    }
}

fn marked(line: &str) -> Option<String> {
    let line = line.trim_start();
    let said = MARKS.iter().find_map(|mark| line.strip_prefix(mark))?;
    Some(said.trim().chars().take(REASON).collect())
}

/// The step that BuildKit names below its error, as ` > npm run build:`.
fn step(tail: &[String]) -> Option<String> {
    let named = |line: &String| Some(line.strip_prefix(" > ")?.strip_suffix(':')?.to_owned());
    tail.iter().rev().find_map(named)
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt as _;
    use std::process::ExitStatus;

    use super::*;

    fn told(raw: i32, tail: &[&str]) -> String {
        told_after("", raw, tail)
    }

    fn told_after(stdout: &str, raw: i32, tail: &[&str]) -> String {
        let finished = Finished {
            status: ExitStatus::from_raw(raw),
            stdout: stdout.into(),
            tail: tail.iter().map(|line| (*line).to_owned()).collect(),
        };
        failed(Builder::Railpack, finished).to_string()
    }

    #[test]
    fn the_reason_is_the_last_line_that_is_marked_as_an_error() {
        let tail = [
            "Error: first",
            " > npm run build:",
            "0.1 npm error: no such script",
            " ERRO failed to solve: exit code: 1",
            "bye",
        ];
        assert_eq!(
            told(256, &tail),
            "railpack failed at npm run build: failed to solve: exit code: 1 (exit code 1)"
        );
    }

    #[test]
    fn a_reason_before_the_last_lines_is_found() {
        let begun = "\n  ✖ Railpack could not determine how to build the app.\n  \n  - Php\n";
        assert_eq!(
            told_after(begun, 256, &["  - Shell"]),
            "railpack failed: Railpack could not determine how to build the app. (exit code 1)"
        );
    }

    #[test]
    fn without_such_a_line_the_reason_is_how_it_ended() {
        assert_eq!(
            told(3 << 8, &["bye"]),
            "railpack failed: `railpack` ended with exit code 3"
        );
        assert_eq!(
            told(9, &[]),
            "railpack failed: `railpack` ended with signal 9"
        );
    }

    #[test]
    fn a_reason_has_an_end() {
        let long = format!("Error: {}", "é".repeat(10_000));
        assert!(told(256, &[&long]).chars().count() < 400);
    }
}
