//! Asks before something is lost, where there is somebody to ask.

use std::io::{self, BufRead, IsTerminal};

use super::{exit, output, signals::Signals};

/// Whether there is somebody to ask.
pub(super) fn can_ask() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// What a change does to what runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Harm {
    /// Nothing that runs is touched.
    None,
    /// What runs is replaced, as a rollout does it.
    Replaces,
    /// Something that runs is stopped, and nothing takes its place.
    Destroys,
}

/// Lets a change pass, or asks.
///
/// What harms nothing passes, and so does everything with `--yes`. On a terminal (standard input and standard error) a
/// person is asked. Without one nobody can be, and the command was meant: a pipeline has its plan to look at before.
///
/// # Errors
/// The person said no or interrupted: exit code 10. It has been said.
pub(super) async fn confirm(question: &str, harm: Harm, yes: bool) -> Result<(), u8> {
    if yes || harm == Harm::None {
        return Ok(());
    }
    if !can_ask() {
        return Ok(());
    }
    ask(question);
    let mut signals = Signals::catch();
    let answer = tokio::task::spawn_blocking(read_line);
    // Cancel-safe: the thread that reads hangs on until the process ends, and nobody waits for it.
    let answer = tokio::select! {
        answer = answer => answer.unwrap_or_default(),
        () = signals.first() => String::new(),
    };
    if is_yes(&answer) {
        return Ok(());
    }
    exit::complain("not confirmed: nothing was changed", None);
    Err(10)
}

fn ask(question: &str) {
    output::talk(&format!("{question} [y/N] "));
}

fn read_line() -> String {
    let mut line = String::new();
    // What cannot be read is no yes.
    let _ = io::stdin().lock().read_line(&mut line);
    line
}

fn is_yes(answer: &str) -> bool {
    matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_yes_is_a_yes() {
        assert!(is_yes("y\n") && is_yes("Yes") && is_yes(" YES "));
        assert!(!is_yes("") && !is_yes("n\n") && !is_yes("yep") && !is_yes("\n"));
    }
}
