//! The builder `railpack`, with a fake of the program.

use cs::artifact::build::railpack::build;
use cs::artifact::build::{BuildError, Recipe};
use cs::config::Environment;
use tokio_util::sync::CancellationToken;

use super::{CANARY, Lab, NOTED, SOON, Said, listener, plain, runs, secrets, shown};

fn fakes(lab: &Lab, script: &str) {
    lab.program("railpack", &format!("{NOTED}{script}"));
    lab.program("docker", "exit 1");
}

async fn built(lab: &Lab, recipe: &Recipe) -> (Result<(), BuildError>, Said) {
    let (output, said) = listener();
    let stop = CancellationToken::new();
    let built = build(recipe, &lab.environment(), &output, &stop).await;
    drop(output);
    (built, said.await.expect("it listens"))
}

fn full(lab: &Lab) -> Recipe {
    Recipe {
        image: "r.example:5000/shop:7".to_owned(),
        args: plain(&[("ARG", "arg canary")]),
        env: plain(&[("ENVIRONMENT", "env canary"), ("PATH", "/evil")]),
        secrets: secrets(&[("TOKEN", CANARY)]),
        build_command: Some("-x; make $ARG".to_owned()),
        start_command: Some("./run \"a\"".to_owned()),
        ..lab.recipe()
    }
}

#[tokio::test]
async fn arguments_name_variables_and_hold_no_value() {
    let lab = Lab::new();
    fakes(&lab, "");
    let (built, _) = built(&lab, &full(&lab)).await;
    built.expect("it builds");
    let argv = lab.list("argv.build");
    let source = lab.at("source").display().to_string();
    let key = argv
        .iter()
        .find(|word| word.starts_with("--cache-key="))
        .unwrap();
    let wanted = [
        "build",
        "--name=r.example:5000/shop:7",
        "--progress=plain",
        key,
        "--build-cmd=-x; make $ARG",
        "--start-cmd=./run \"a\"",
        "--env",
        "ARG",
        "--env",
        "ENVIRONMENT",
        "--env",
        "TOKEN",
        &source,
    ];
    assert_eq!(argv, wanted);
    assert_eq!(key.len(), "--cache-key=".len() + 16);
}

#[tokio::test]
async fn the_program_sees_the_variables_of_the_build_and_nothing_of_the_runner() {
    let lab = Lab::new();
    fakes(&lab, "");
    let (built, said) = built(&lab, &full(&lab)).await;
    built.expect("it builds");
    let mut seen = lab.variables("env.build");
    for name in ["PWD", "_", "SHLVL", "OLDPWD"] {
        seen.remove(name);
    }
    let at = |name: &str| lab.at(name).display().to_string();
    let wanted = plain(&[
        ("ARG", "arg canary"),
        ("ENVIRONMENT", "env canary"),
        ("TOKEN", CANARY),
        ("PATH", &format!("{}:/usr/bin:/bin", at("bin"))),
        ("HOME", &at("scratch/railpack/home")),
        ("TMPDIR", &at("scratch/railpack/tmp")),
        ("LANG", "C.UTF-8"),
        ("TERM", "dumb"),
        ("NO_COLOR", "1"),
        ("DOCKER_BUILDKIT", "1"),
        ("BUILDKIT_HOST", "tcp://127.0.0.1:1"),
    ]);
    assert_eq!(seen, wanted);
    let source = lab.at("source").canonicalize().unwrap();
    assert_eq!(lab.note("pwd"), format!("{}\n", source.display()));
    assert!(
        said.stderr().contains("\"PATH\" does not reach the build"),
        "{}",
        said.stderr()
    );
    assert_eq!(lab.traces("canary"), Vec::<std::path::PathBuf>::new());
}

#[tokio::test]
async fn a_failed_build_names_the_step_the_reason_and_the_last_lines() {
    let lab = Lab::new();
    let script = "
        seq 100
        echo '#7 ERROR: process \"sh -c make\" did not complete successfully: exit code: 2'
        echo '------'; echo ' > make:'; echo '0.1 no rule'; echo '------'
        printf '\\033[31mERRO\\033[0m failed to solve: exit code: 2\\n' >&2
        exit 1";
    fakes(&lab, script);
    let (failed, said) = built(&lab, &full(&lab)).await;
    let error = failed.unwrap_err();
    assert!(error.falls_back());
    assert!(!shown(&error).contains("canary"), "{}", shown(&error));
    assert_eq!(
        said.stderr().lines().last(),
        Some("ERRO failed to solve: exit code: 2")
    );
    let BuildError::Failed {
        step, reason, tail, ..
    } = error
    else {
        panic!("{error:?}");
    };
    assert_eq!(step.as_deref(), Some("make"));
    assert_eq!(reason, "failed to solve: exit code: 2 (exit code 1)");
    assert_eq!(tail.len(), 20);
    assert!(tail.contains(&"0.1 no rule".to_owned()), "{tail:?}");
}

#[tokio::test]
async fn what_is_missing_is_named_before_anything_runs() {
    let lab = Lab::new();
    let (output, _said) = listener();
    let stop = CancellationToken::new();
    let recipe = lab.recipe();
    let bin = lab.at("bin").display().to_string();
    let daemon = ("BUILDKIT_HOST", "tcp://127.0.0.1:1");
    let environment = Environment::of_pairs([("PATH", &*bin), daemon]);
    let attempt = async || {
        build(&recipe, &environment, &output, &stop)
            .await
            .unwrap_err()
            .to_string()
    };
    assert_eq!(
        attempt().await,
        "railpack is not available: the program `railpack` is not on PATH; install it or choose another builder"
    );
    lab.program("railpack", NOTED);
    assert_eq!(
        attempt().await,
        "railpack is not available: the program `docker` is not on PATH; install it or choose another builder"
    );
    lab.program("docker", "");
    let environment = Environment::of_pairs([("PATH", &*bin)]);
    let error = build(&recipe, &environment, &output, &stop)
        .await
        .unwrap_err();
    assert!(
        error
            .to_string()
            .contains("set BUILDKIT_HOST to its address"),
        "{error}"
    );
    assert!(error.falls_back());
    assert!(!lab.at("notes/argv.build").exists());
}

#[tokio::test]
async fn a_stopped_build_leaves_nobody_behind() {
    let lab = Lab::new();
    fakes(
        &lab,
        r#"sleep 300 & echo $! > "$NOTES/child"; echo $$ > "$NOTES/leader"; sleep 300"#,
    );
    let (output, _said) = listener();
    let stop = CancellationToken::new();
    let recipe = lab.recipe();
    let stopping = async {
        let family = [lab.note_once("leader").await, lab.note_once("child").await];
        stop.cancel();
        (family, std::time::Instant::now())
    };
    let environment = lab.environment();
    let (ended, (family, told)) =
        tokio::join!(build(&recipe, &environment, &output, &stop), stopping);
    assert!(matches!(ended, Err(BuildError::Stopped)), "{ended:?}");
    assert!(told.elapsed() < SOON);
    assert!(!family.iter().any(|pid| runs(pid)), "{family:?}");
}
