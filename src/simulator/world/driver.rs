//! What a task does once it is started: `mock_driver`'s configuration, a script, a few commands whose end is known, or
//! running for ever.

use serde_json::Value;

use super::json::{flag, int, text};
use super::script::Script;
use super::spec::Task;
use super::time::{Nanos, SECOND, parse_go};

/// A task's behaviour.
#[derive(Debug, Clone, Default)]
pub(super) struct Behaviour {
    /// Before anything else.
    pub(super) start_delay: Nanos,
    /// It cannot be started.
    pub(super) start_error: Option<String>,
    /// Trying again may help.
    pub(super) recoverable: bool,
    /// Ends after this long; `None` runs for ever.
    pub(super) run_for: Option<Nanos>,
    /// How it ends.
    pub(super) exit: Exit,
    /// How long it takes to end when told to.
    pub(super) kill_after: Nanos,
    /// Written at the start.
    pub(super) stdout: String,
    /// Written at the start.
    pub(super) stderr: String,
}

/// How a task ended.
#[derive(Debug, Clone, Default)]
pub(super) struct Exit {
    pub(super) code: i64,
    pub(super) signal: i64,
    pub(super) message: String,
    pub(super) oom: bool,
}

impl Exit {
    pub(super) fn successful(&self) -> bool {
        self.code == 0 && self.signal == 0 && self.message.is_empty()
    }
}

pub(super) fn behaviour(task: &Task, script: Option<&Script>) -> Behaviour {
    let mut behaviour = match task.driver.as_str() {
        "mock_driver" => mock(&task.config),
        "exec" | "raw_exec" => command(&task.config),
        _ => Behaviour::default(),
    };
    if let Some(script) = script {
        apply(&mut behaviour, script, text(&task.config, "image"));
    }
    behaviour
}

fn mock(config: &Value) -> Behaviour {
    let duration = |name: &str| parse_go(text(config, name));
    let start_error = text(config, "start_error");
    let mut stdout = text(config, "stdout_string").to_owned();
    let repeats = usize::try_from(int(config, "stdout_repeat")).unwrap_or(0);
    if repeats > 0 {
        stdout = stdout.repeat(repeats + 1);
    }
    Behaviour {
        start_delay: duration("start_block_for").unwrap_or(0),
        start_error: (!start_error.is_empty()).then(|| start_error.to_owned()),
        recoverable: flag(config, "start_error_recoverable"),
        run_for: Some(duration("run_for").unwrap_or(0)),
        exit: Exit {
            code: int(config, "exit_code"),
            signal: int(config, "exit_signal"),
            message: text(config, "exit_err_msg").to_owned(),
            oom: false,
        },
        kill_after: duration("kill_after").unwrap_or(0),
        stdout,
        stderr: text(config, "stderr_string").to_owned(),
    }
}

/// `true`, `false` and `sleep` with a number of seconds end as they do everywhere.
fn command(config: &Value) -> Behaviour {
    let name = text(config, "command")
        .rsplit('/')
        .next()
        .unwrap_or_default();
    let first = config["args"][0].as_str();
    let (run_for, code) = match (name, first) {
        ("true", _) => (Some(0), 0),
        ("false", _) => (Some(0), 1),
        ("sleep", Some(length)) if length.starts_with(|c: char| c.is_ascii_digit()) => {
            let unit = if length.ends_with(|c: char| c.is_ascii_digit()) {
                "s"
            } else {
                ""
            };
            (parse_go(&format!("{length}{unit}")), 0)
        }
        _ => (None, 0),
    };
    Behaviour {
        run_for,
        exit: Exit {
            code,
            ..Exit::default()
        },
        ..Behaviour::default()
    }
}

fn apply(behaviour: &mut Behaviour, script: &Script, image: &str) {
    let duration = |text: &Option<String>| text.as_deref().and_then(parse_go);
    if let Some(delay) = duration(&script.start_delay) {
        behaviour.start_delay = delay;
    }
    if let Some(error) = &script.start_error {
        behaviour.start_error = Some(error.clone());
        behaviour.recoverable = script.start_error_recoverable;
    }
    if let Some(error) = &script.pull_error {
        behaviour.start_error = Some(format!("Failed to pull `{image}`: {error}"));
        behaviour.recoverable = true;
    }
    let ends = script.exit_code.is_some() || script.exit_signal.is_some() || script.oom;
    if let Some(run_for) = duration(&script.run_for) {
        behaviour.run_for = Some(run_for);
    } else if ends {
        behaviour.run_for = Some(SECOND);
    }
    if ends {
        behaviour.exit = Exit {
            code: script.exit_code.unwrap_or(if script.oom { 137 } else { 0 }),
            signal: script.exit_signal.unwrap_or(if script.oom { 9 } else { 0 }),
            message: script
                .exit_message
                .clone()
                .unwrap_or_else(|| default_message(script)),
            oom: script.oom,
        };
    }
    behaviour.stdout.push_str(&lines(&script.stdout));
    behaviour.stderr.push_str(&lines(&script.stderr));
}

fn default_message(script: &Script) -> String {
    match script.exit_code {
        _ if script.oom => "OOM Killed".to_owned(),
        Some(code) if code != 0 => {
            format!("Docker container exited with non-zero exit code: {code}")
        }
        _ => String::new(),
    }
}

fn lines(lines: &[String]) -> String {
    lines.iter().map(|line| format!("{line}\n")).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn commands_whose_end_is_known_end_as_they_do() {
        let end = |command: &str, args: &[&str]| {
            let behaviour = command_of(command, args);
            (behaviour.run_for, behaviour.exit.code)
        };
        assert_eq!(end("/bin/true", &[]), (Some(0), 0));
        assert_eq!(end("false", &["x"]), (Some(0), 1));
        assert_eq!(end("/bin/sleep", &["2"]), (Some(2 * SECOND), 0));
        assert_eq!(end("sleep", &["1m"]), (Some(60 * SECOND), 0));
        assert_eq!(end("sleep", &["infinity"]), (None, 0));
        assert_eq!(end("/bin/server", &[]), (None, 0));
    }

    fn command_of(command: &str, args: &[&str]) -> Behaviour {
        super::command(&json!({"command": command, "args": args}))
    }
}
