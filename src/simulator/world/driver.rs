//! What a task does once it is started: `mock_driver`'s configuration, a script, or running for ever.

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
