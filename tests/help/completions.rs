//! Completion scripts, run by the shells that are there, and the names of jobs in them.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use cs::clients::nomad::NomadClient;
use cs::clients::nomad::connection::ConnectionConfig;
use cs::ids::ModifyIndex;
use cs::simulator::{Effect, Faults, Matcher, Rule};
use serde_json::json;

use crate::cli::lab::Lab;
use crate::support::env::TestEnv;
use crate::support::ports::CLOSED_PORT;

/// A cluster in which jobs of these ids run.
fn cluster(ids: &[&str]) -> Lab {
    let lab = Lab::new();
    lab.runtime.block_on(async {
        let client = NomadClient::new(ConnectionConfig::new(&lab.nomad.url).unwrap()).unwrap();
        for id in ids {
            let job = json!({"ID": id, "Type": "service", "TaskGroups": [
                {"Name": "a", "Tasks": [{"Name": "a", "Driver": "docker", "Config": {"image": "x"}}]}]});
            client.register(&job, ModifyIndex::MUST_BE_NEW, None).await.expect("registered");
        }
    });
    lab
}

#[test]
fn jobs_are_asked_for_by_the_beginning_of_their_names() {
    let lab = cluster(&["shop", "shipping", "mail", "$(reboot)", "a;b"]);
    let jobs = |words: &[&str]| {
        let ended = lab.env.cs(["__complete", "jobs"]).args(words).run();
        ended.assert_code(0);
        assert_eq!(ended.stderr, "");
        ended.stdout.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(jobs(&["sh", "status"]), ["shipping", "shop"]);
    // A name that a shell would carry out is none to offer.
    assert_eq!(jobs(&["", "why"]), ["mail", "shipping", "shop"]);
    assert_eq!(jobs(&["x", "why"]), [""; 0]);
    assert_eq!(jobs(&["", "why", "-n", "elsewhere"]), [""; 0]);
}

#[test]
fn a_cluster_that_does_not_answer_gives_no_names_and_no_noise() {
    let env = TestEnv::new();
    let closed = format!("http://127.0.0.1:{CLOSED_PORT}");
    let ended = env
        .cs(["__complete", "jobs", "", "status"])
        .var("NOMAD_ADDR", closed)
        .run();
    ended.assert_code(0);
    assert_eq!((ended.stdout.as_str(), ended.stderr.as_str()), ("", ""));
    let lab = Lab::with_faults(Faults {
        rules: vec![Rule::new(Matcher::new("", "/v1/*"), Effect::Hang)],
        ..Faults::default()
    });
    let ended = lab.env.cs(["__complete", "jobs", "", "status"]).run();
    ended.assert_code(0);
    assert_eq!((ended.stdout.as_str(), ended.stderr.as_str()), ("", ""));
    // One second of patience, and a slow machine.
    assert!(ended.took < Duration::from_secs(8), "{ended}");
}

fn script(env: &TestEnv, shell: &str) -> std::path::PathBuf {
    let ended = env.cs(["completions", shell]).run();
    ended.assert_code(0);
    assert_eq!(ended.stderr, "");
    env.file(&format!("cs.{shell}"), &ended.stdout)
}

/// What bash proposes for a command line, with the binary on PATH.
fn bash(lab: &Lab, script: &Path, words: &[&str]) -> Vec<String> {
    const TRY: &str = r#"
        source "$1"; shift
        COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
        [[ $(complete -p cs) == *" -F _cs_or_jobs "* ]] || exit 9
        _cs_or_jobs cs "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
        printf '%s\n' "${COMPREPLY[@]}""#;
    let binary = Path::new(env!("CARGO_BIN_EXE_cs"));
    let path = format!("{}:/usr/bin:/bin", binary.parent().unwrap().display());
    let ran = Command::new("bash")
        .args(["--norc", "-c", TRY, "bash"])
        .arg(script)
        .args(words)
        .env_clear()
        .envs(lab.env.vars())
        .env("PATH", path)
        .output()
        .expect("bash is installed");
    assert!(ran.status.success(), "{words:?}: {ran:?}");
    let shown = String::from_utf8(ran.stdout).expect("UTF-8");
    shown
        .lines()
        .filter(|line| !line.is_empty())
        .map(str::to_owned)
        .collect()
}

#[test]
fn bash_completes_names_of_jobs_where_a_command_takes_them() {
    let lab = cluster(&["shop", "shipping", "mail"]);
    let script = script(&lab.env, "bash");
    let bash = |words: &[&str]| bash(&lab, &script, words);
    for words in [
        &["cs", "status", "sh"][..],
        &["cs", "why", "sh"],
        &["cs", "logs", "sh"],
        &["cs", "delete", "sh"],
        &["cs", "--color", "never", "history", "sh"],
        &["cs", "wait", "--log-level", "debug", "sh"],
        &["cs", "promote", "--log-format", "=", "json", "sh"],
    ] {
        assert_eq!(bash(words), ["shipping", "shop"], "{words:?}");
    }
}

#[test]
fn bash_completes_the_rest_as_it_was_generated() {
    let lab = cluster(&["shop", "never"]);
    let script = script(&lab.env, "bash");
    let bash = |words: &[&str]| bash(&lab, &script, words);
    assert_eq!(bash(&["cs", "stat"]), ["status"]);
    assert_eq!(bash(&["cs", "status", "--color", "n"]), ["never"]);
    assert!(bash(&["cs", "status", "--"]).contains(&"--log-level".to_owned()));
    assert!(!bash(&["cs", "validate", "sh"]).contains(&"shop".to_owned()));
    assert_eq!(bash(&["cs", "new", "work"]), ["workload"]);
    assert_eq!(bash(&["cs", "__"]), [""; 0]);
}

/// Shells read their scripts without complaint. Those that are not installed are said to be skipped.
#[test]
fn shells_read_their_scripts() {
    let env = TestEnv::new();
    for (shell, check) in [("bash", "-n"), ("zsh", "-n"), ("fish", "-n")] {
        let script = script(&env, shell);
        let read = Command::new(shell)
            .arg(check)
            .arg(&script)
            .stdin(Stdio::null())
            .output();
        match read {
            Ok(read) => assert!(
                read.status.success() && read.stderr.is_empty(),
                "{shell}: {read:?}"
            ),
            Err(_) if shell != "bash" => println!("skipped: {shell} is not installed"),
            Err(error) => panic!("bash: {error}"),
        }
    }
    for shell in ["elvish", "powershell"] {
        script(&env, shell);
    }
    env.cs(["completions", "tcsh"])
        .run()
        .assert_code(2)
        .assert_says("powershell");
}
