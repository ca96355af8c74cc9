//! `cs explain`, `cs --help`: what people read.

use super::assert_snapshot;
use crate::support::env::TestEnv;

#[test]
fn the_help_shows_the_commands_in_groups() {
    let ended = TestEnv::new().cs(["--help"]).run();
    ended.assert_code(0);
    // Options are clap's own matter.
    let (commands, _) = ended.stdout.split_once("\nOptions").expect("options");
    for (heading, command) in [
        ("Write and check specs, without a cluster:", "validate"),
        ("Change a cluster:", "apply"),
        ("Look at a cluster:", "why"),
    ] {
        let group = commands
            .split("\n\n")
            .find(|group| group.starts_with(heading));
        let group = group.unwrap_or_else(|| panic!("no `{heading}`\n{ended}"));
        assert!(group.contains(&format!("\n  {command} ")), "{group}");
    }
    assert!(ended.stdout.contains("\nExamples:\n  cs "), "{ended}");
    assert!(!ended.stdout.contains("__complete"), "{ended}");
    assert!(!ended.stdout.contains('\u{1b}'), "{ended}");
}

#[test]
fn explanations_look_like_this() {
    let env = TestEnv::new();
    for (name, arguments) in [
        ("explain", &["explain"][..]),
        ("explain-object", &["explain", "workload.spec.rollout"]),
        ("explain-list", &["explain", "Workload.spec.ports[]"]),
        ("explain-choice", &["explain", "workload.spec.restart.mode"]),
        ("explain-number", &["explain", "workload.spec.ports.port"]),
        (
            "explain-name",
            &["explain", "workload.spec.env.DB_PASSWORD"],
        ),
        ("explain-recursive", &["explain", "NOMADJOB", "--recursive"]),
        (
            "explain-json",
            &["explain", "nomadjob.spec.hook", "-o", "json"],
        ),
        (
            "explain-unknown-field",
            &["explain", "workload.spec.rolout"],
        ),
        ("explain-unknown-kind", &["explain", "wrkload.spec"]),
        (
            "explain-below-a-value",
            &["explain", "workload.spec.replicas.most"],
        ),
    ] {
        assert_snapshot(name, &env.cs(arguments).run());
    }
}

#[test]
fn a_page_is_that_of_a_kind() {
    let env = TestEnv::new();
    for arguments in [
        &["explain", "-o", "markdown"][..],
        &["explain", "workload.spec", "-o", "markdown"],
    ] {
        let ended = env.cs(arguments).run();
        ended
            .assert_code(2)
            .assert_says("cs explain workload -o markdown");
        assert_eq!(ended.stdout, "");
    }
}

#[test]
fn colours_are_for_terminals_or_on_demand() {
    let env = TestEnv::new();
    let plain = env.cs(["explain", "workload.spec"]).run();
    assert!(!plain.stdout.contains('\u{1b}'));
    let coloured = env
        .cs(["explain", "workload.spec", "--color", "always"])
        .run();
    assert!(coloured.stdout.contains("\u{1b}["));
}
