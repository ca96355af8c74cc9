//! What every command has in common: help, version, wrong flags, colours, logs.

use serde_json::Value;

use super::lab::{Lab, image};
use crate::support::env::TestEnv;

#[test]
fn the_version_is_that_of_the_package_with_its_commit() {
    let env = TestEnv::new();
    let ended = env.cs(["--version"]).run();
    ended.assert_code(0);
    let long = concat!("cs ", env!("CARGO_PKG_VERSION"), " (");
    assert!(ended.stdout.starts_with(long), "{ended}");
    assert_eq!(ended.stdout, format!("cs {}\n", cs::version::LONG));
    // Not only on its short way.
    let slow = env.cs(["--version", "--color", "never"]).run();
    assert_eq!(slow.stdout, ended.stdout);
    let short = env.cs(["-V"]).run();
    assert_eq!(
        short.stdout,
        concat!("cs ", env!("CARGO_PKG_VERSION"), "\n")
    );
}

#[test]
fn help_lists_every_command_but_not_the_alias_which_works() {
    let env = TestEnv::new();
    let help = env.cs(["--help"]).run();
    help.assert_code(0);
    for command in ["reconcile", "convert", "render", "schema", "dev", "demo"] {
        assert!(
            help.stdout.contains(&format!("\n  {command} ")),
            "{command}\n{help}"
        );
        env.cs([command, "--help"]).run().assert_code(0);
    }
    assert!(!help.stdout.contains("\n  dispatch"), "{help}");
    let alias = env.cs(["dispatch", "--help"]).run();
    alias.assert_code(0);
    assert!(alias.stdout.contains("NOMAD_META_TASK"), "{alias}");
    let ended = env.cs(["dispatch"]).run();
    ended.assert_code(2).assert_says("NOMAD_META_TASK");
}

#[test]
fn help_shows_no_value_of_the_environment() {
    let env = TestEnv::new();
    for command in ["reconcile", "convert", "render", "schema", "dev", "demo"] {
        let ended = env
            .cs([command, "--help"])
            .var("NOMAD_TOKEN", "canary")
            .var("NATS_CLIENT_PRIVATE_KEY", "canary")
            .run();
        ended.assert_code(0).assert_hides("canary");
    }
}

#[test]
fn wrong_flags_end_with_2() {
    let env = TestEnv::new();
    for arguments in [
        &[][..],
        &["moon"],
        &["reconcile", "--moon"],
        &["reconcile", "-o", "yaml"],
        &["reconcile", "extra"],
        &["render"],
        &["render", "-f", "a", "--params", "b"],
        &["render", "-f", "a", "--task", "deploy-image"],
        &["convert"],
        &["convert", "--params", "a", "--to", "moon"],
        &["--log-level", "loud", "schema"],
        &["--color", "blue", "schema"],
    ] {
        let ended = env.cs(arguments).run();
        assert_eq!(ended.code, Some(2), "{arguments:?}\n{ended}");
        assert_eq!(ended.stdout, "", "{arguments:?}");
    }
    env.cs(["schema"])
        .var("CS_LOG_LEVEL", "loud")
        .run()
        .assert_code(2);
}

#[test]
fn colours_follow_the_flag_and_a_pipe_has_none() {
    let lab = Lab::new();
    let escapes = |arguments: &[&str], no_color: &str| {
        let run = lab
            .deploy(&image())
            .args(arguments)
            .var("NO_COLOR", no_color)
            .run();
        run.assert_code(0);
        assert!(!run.stdout.contains('\u{1b}'), "{run}");
        run.stderr.contains('\u{1b}')
    };
    assert!(!escapes(&[], ""));
    assert!(!escapes(&[], "1"));
    assert!(!escapes(&["--color", "never"], ""));
    assert!(escapes(&["--color", "always"], ""));
}

#[test]
fn logs_are_lines_of_json_when_asked_and_silent_when_told_so() {
    let lab = Lab::new();
    let ended = lab
        .deploy(&image())
        .args(["--log-format", "json", "--log-level", "trace"])
        .run();
    ended.assert_code(0);
    assert!(ended.stderr.lines().count() > 5, "{ended}");
    for line in ended.stderr.lines() {
        let parsed: Result<Value, _> = serde_json::from_str(line);
        assert!(parsed.is_ok(), "{line}");
    }
    let ended = lab.deploy(&image()).var("CS_LOG_LEVEL", "off").run();
    ended.assert_code(0);
    assert_eq!(ended.stderr, "");
}

/// Deploys while nobody reads standard output; exit code and standard error.
fn deploy_into_a_closed_pipe(lab: &Lab) -> (Option<i32>, String) {
    use std::process::{Command, Stdio};
    let file = lab.env.file("params.json", image().to_string());
    let script = r#""$0" reconcile --task deploy-image --params "$1" 2>stderr | true; exit "${PIPESTATUS[0]}""#;
    let status = Command::new("bash")
        .args(["-c", script, env!("CARGO_BIN_EXE_cs")])
        .arg(file)
        .env_clear()
        .envs(lab.env.vars())
        .env("PATH", "/usr/bin:/bin")
        .current_dir(lab.env.root())
        .stdin(Stdio::null())
        .status()
        .expect("bash is on PATH");
    let stderr = std::fs::read_to_string(lab.env.root().join("stderr")).unwrap();
    (status.code(), stderr)
}

#[test]
fn a_reader_that_went_away_is_no_reason_to_abandon_a_rollout() {
    let mut lab = Lab::new();
    let server = lab.nats();
    let (code, stderr) = deploy_into_a_closed_pipe(&lab);
    assert_eq!(code, Some(0), "{stderr}");
    assert_eq!(lab.stored_ids(&server).len(), 3);
}

#[test]
fn event_lines_that_nobody_reads_are_said_to_be_lost() {
    let lab = Lab::new();
    let (code, stderr) = deploy_into_a_closed_pipe(&lab);
    assert_eq!(code, Some(1), "{stderr}");
    assert!(
        stderr.contains("LOST, because no outbox keeps them"),
        "{stderr}"
    );
    assert!(!stderr.contains("CS_STATE_DIR"), "{stderr}");
    assert!(lab.job(super::lab::JOB).is_some());
}
