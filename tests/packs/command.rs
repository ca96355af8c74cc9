//! Any program: what it is given, what it says, how it ends.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use cs::artifact::build::command::{Finished, Program, Stdout, run};
use cs::artifact::build::programs::Surroundings;
use cs::artifact::build::{BuildError, nixpacks, railpack};
use cs::artifact::output::Output;
use tokio_util::sync::CancellationToken;

use super::{CANARY, Lab, SOON, Said, listener, runs, wait_until};

const SHOWN: Stdout = Stdout::Shown { keep: 0 };

async fn prepared(lab: &Lab, path: PathBuf) -> Program {
    let environment = lab.environment();
    Program {
        path,
        arguments: Vec::new(),
        directory: lab.at("source"),
        surroundings: Surroundings::private(&environment, &lab.at("scratch"))
            .await
            .expect("the directory is ours"),
    }
}

/// Runs a script to its end.
async fn ran(lab: &Lab, script: &str, stdout: Stdout) -> (Finished, Said) {
    let program = prepared(lab, lab.program("fake", script)).await;
    let (output, said) = listener();
    let finished = run(&program, stdout, &output, &CancellationToken::new()).await;
    drop(output);
    (finished.expect("it runs"), said.await.expect("it listens"))
}

#[tokio::test]
async fn what_is_said_is_handed_on_whole_and_in_order() {
    let lab = Lab::new();
    let script = r"
        i=0
        while [ $i -lt 3000 ]; do echo out $i; echo err $i >&2; i=$((i+1)); done
        printf 'no line feed'";
    let (finished, said) = ran(&lab, script, SHOWN).await;
    assert!(finished.status.success());
    let lines = |name: &str| {
        (0..3000)
            .map(|i| format!("{name} {i}\n"))
            .collect::<String>()
    };
    assert_eq!(said.stdout(), lines("out") + "no line feed");
    assert_eq!(said.stderr(), lines("err"));
    assert_eq!(finished.tail.len(), 20);
}

#[tokio::test]
async fn what_is_said_is_heard_while_the_program_runs() {
    let lab = Lab::new();
    let script = r#"echo first; while [ ! -e "$NOTES/heard" ]; do sleep 0.01; done; echo second"#;
    let program = prepared(&lab, lab.program("fake", script)).await;
    let (output, mut heard) = Output::channel();
    let stop = CancellationToken::new();
    let listening = async {
        let first = heard.recv().await.expect("it speaks");
        assert_eq!(first.bytes, "first\n");
        std::fs::write(lab.at("notes").join("heard"), "").expect("ours");
        assert_eq!(heard.recv().await.expect("it speaks").bytes, "second\n");
    };
    let (finished, ()) = tokio::join!(run(&program, SHOWN, &output, &stop), listening);
    assert!(finished.expect("it runs").status.success());
}

#[tokio::test]
async fn the_end_is_told_with_the_last_lines_and_without_escapes() {
    let lab = Lab::new();
    let script = r"printf '\033[31mred\033[0m\n'; exit 3";
    let (finished, said) = ran(&lab, script, SHOWN).await;
    assert_eq!(finished.ending(), "exit code 3");
    assert_eq!(finished.tail, ["red"]);
    assert_eq!(said.stdout(), "red\n");
    let (finished, _) = ran(&lab, "kill -9 $$", SHOWN).await;
    assert_eq!(finished.ending(), "signal 9");
}

#[tokio::test]
async fn hidden_output_is_kept_for_the_caller_alone_and_within_bounds() {
    let lab = Lab::new();
    let script = "head -c 300000 /dev/zero; echo told >&2";
    let (finished, said) = ran(&lab, script, Stdout::Hidden { keep: 1000 }).await;
    assert_eq!(finished.stdout, vec![0; 1000]);
    assert_eq!(
        (said.stdout(), said.stderr()),
        (String::new(), "told\n".to_owned())
    );
    assert_eq!(finished.tail, ["told"]);
    let (finished, said) = ran(&lab, "echo abcdef", Stdout::Shown { keep: 3 }).await;
    assert_eq!(
        (&*finished.stdout, &*said.stdout()),
        (&b"abc"[..], "abcdef\n")
    );
}

#[tokio::test]
async fn arguments_are_literal_and_nothing_can_be_read() {
    let lab = Lab::new();
    let script = r#"printf '%s\0' "$@" > "$NOTES/argv"; cat; pwd"#;
    let mut program = prepared(&lab, lab.program("fake", script)).await;
    let arguments = ["$(id)", "; id", "a b\nc", "", "*"];
    program.arguments = arguments.map(Into::into).to_vec();
    let here = std::env::current_dir().unwrap();
    let (output, said) = listener();
    let _ = run(&program, SHOWN, &output, &CancellationToken::new())
        .await
        .expect("it runs");
    drop(output);
    assert_eq!(lab.list("argv"), arguments);
    let source = lab.at("source").canonicalize().unwrap();
    assert_eq!(
        said.await.unwrap().stdout(),
        format!("{}\n", source.display())
    );
    assert_eq!(std::env::current_dir().unwrap(), here);
}

#[tokio::test]
async fn a_program_that_cannot_be_started_is_named() {
    let lab = Lab::new();
    let mut program = prepared(&lab, lab.at("bin/missing")).await;
    program.surroundings.set("TOKEN", CANARY);
    let (output, _said) = listener();
    let error = run(&program, SHOWN, &output, &CancellationToken::new())
        .await
        .unwrap_err();
    assert!(matches!(error, BuildError::Io { .. }), "{error:?}");
    assert_eq!(
        error.to_string(),
        format!("cannot start `{}`", program.path.display())
    );
    assert!(!format!("{program:?}").contains("canary"));
}

#[tokio::test]
async fn without_a_listener_the_program_goes_on() {
    let lab = Lab::new();
    let program = prepared(
        &lab,
        lab.program("fake", "head -c 3000000 /dev/zero; exit 7"),
    )
    .await;
    let (output, heard) = Output::channel();
    drop(heard);
    let finished = run(&program, SHOWN, &output, &CancellationToken::new()).await;
    assert_eq!(finished.expect("it runs").ending(), "exit code 7");
}

/// A leader with a child and a grandchild, each of which ignores a polite request and notes its number.
const FAMILY: &str = r#"
    trap '' TERM
    sh -c 'trap "" TERM; echo $$ > "$NOTES/grandchild"; while :; do sleep 100; done' &
    echo $! > "$NOTES/child"
    echo $$ > "$NOTES/leader"
    while :; do echo working; sleep 0.01; done
"#;

async fn family(lab: &Lab) -> [String; 3] {
    [
        lab.note_once("leader").await,
        lab.note_once("child").await,
        lab.note_once("grandchild").await,
    ]
}

#[tokio::test]
async fn a_stopped_run_leaves_nobody_behind() {
    let lab = Lab::new();
    let program = prepared(&lab, lab.program("fake", FAMILY)).await;
    let (output, _said) = listener();
    let stop = CancellationToken::new();
    let stopping = async {
        let family = family(&lab).await;
        assert!(family.iter().all(|pid| runs(pid)));
        stop.cancel();
        (family, Instant::now())
    };
    let (ended, (family, told)) = tokio::join!(run(&program, SHOWN, &output, &stop), stopping);
    assert!(matches!(ended, Err(BuildError::Stopped)), "{ended:?}");
    assert!(told.elapsed() < SOON, "{:?}", told.elapsed());
    // At once, so that the caller can remove the directories.
    assert!(!family.iter().any(|pid| runs(pid)), "{family:?}");
}

#[tokio::test]
async fn a_program_that_is_asked_to_stop_may_clean_up() {
    let lab = Lab::new();
    let script = r#"
        trap 'echo cleaned > "$NOTES/cleaned"; exit 0' TERM
        echo ready > "$NOTES/ready"
        while :; do sleep 0.01; done"#;
    let program = prepared(&lab, lab.program("fake", script)).await;
    let (output, _said) = listener();
    let stop = CancellationToken::new();
    let stopping = async {
        lab.note_once("ready").await;
        stop.cancel();
    };
    let (ended, ()) = tokio::join!(run(&program, SHOWN, &output, &stop), stopping);
    assert!(matches!(ended, Err(BuildError::Stopped)), "{ended:?}");
    assert_eq!(lab.note("cleaned"), "cleaned\n");
}

#[tokio::test]
async fn a_run_that_waits_for_its_listener_can_be_stopped() {
    let lab = Lab::new();
    let script = r#"echo $$ > "$NOTES/leader"; exec cat /dev/zero"#;
    let program = prepared(&lab, lab.program("fake", script)).await;
    let (output, _heard) = Output::channel();
    let stop = CancellationToken::new();
    let stopping = async {
        let leader = lab.note_once("leader").await;
        stuck(&leader).await;
        stop.cancel();
        leader
    };
    let (ended, leader) = tokio::join!(run(&program, SHOWN, &output, &stop), stopping);
    assert!(matches!(ended, Err(BuildError::Stopped)), "{ended:?}");
    assert!(!runs(&leader));
}

#[tokio::test]
async fn a_dropped_run_leaves_nobody_behind_and_nothing_to_reap() {
    let lab = Lab::new();
    let program = prepared(&lab, lab.program("fake", FAMILY)).await;
    let (output, _said) = listener();
    let stop = CancellationToken::new();
    let family = {
        let running = run(&program, SHOWN, &output, &stop);
        tokio::select! {
            ended = running => panic!("it ended: {ended:?}"),
            family = family(&lab) => family,
        }
    };
    wait_until("the family to be gone", || {
        !family.iter().any(|pid| runs(pid))
    })
    .await;
    let leader = PathBuf::from(format!("/proc/{}", family[0].trim()));
    wait_until("the leader to be reaped", || !leader.exists()).await;
}

#[tokio::test]
async fn what_a_program_leaves_running_ends_with_it() {
    let lab = Lab::new();
    let script = r#"sleep 300 & echo $! > "$NOTES/child"; echo done"#;
    let (finished, said) = ran(&lab, script, SHOWN).await;
    assert!(finished.status.success());
    assert_eq!(said.stdout(), "done\n");
    assert!(!runs(&lab.note("child")));
}

#[tokio::test]
async fn a_process_that_leaves_the_group_keeps_nobody_waiting() {
    let lab = Lab::new();
    let script = r#"
        setsid sh -c 'echo $$ > "$NOTES/escaped"; exec sleep 300' &
        while [ ! -s "$NOTES/escaped" ]; do sleep 0.01; done
        echo done"#;
    let (finished, said) = ran(&lab, script, SHOWN).await;
    assert!(finished.status.success());
    assert_eq!(said.stdout(), "done\n");
    let escaped: i32 = lab.note("escaped").trim().parse().expect("a number");
    let escaped = rustix::process::Pid::from_raw(escaped).expect("a number of a process");
    rustix::process::kill_process(escaped, rustix::process::Signal::KILL).expect("it runs");
}

#[tokio::test]
async fn a_builder_can_work_in_a_task_of_its_own() {
    let lab = Lab::new();
    for name in ["nixpacks", "railpack", "docker"] {
        lab.program(name, "exit 3");
    }
    let (recipe, environment) = (lab.recipe(), lab.environment());
    let (output, said) = listener();
    let task = tokio::spawn(async move {
        let stop = CancellationToken::new();
        let planned = nixpacks::plan(&recipe, &environment, &output, &stop).await;
        let built = railpack::build(&recipe, &environment, &output, &stop).await;
        (planned.map(drop), built)
    });
    let (planned, built) = task.await.expect("it does not panic");
    for ended in [planned, built] {
        assert!(matches!(ended, Err(BuildError::Failed { .. })), "{ended:?}");
    }
    said.await.expect("it listens");
}

/// Bytes that a process has written so far.
fn written(pid: &str) -> u64 {
    let io = std::fs::read_to_string(format!("/proc/{}/io", pid.trim())).unwrap_or_default();
    let bytes = io.lines().find_map(|line| line.strip_prefix("wchar: "));
    bytes
        .and_then(|bytes| bytes.parse().ok())
        .unwrap_or_default()
}

/// Waits until a process that writes without end cannot write any more. Returns how much it has written.
async fn stuck(pid: &str) -> u64 {
    let mut last = (written(pid), Instant::now());
    wait_until("a writer to be held back", || {
        let now = written(pid);
        if now != last.0 || now == 0 {
            last = (now, Instant::now());
        }
        last.1.elapsed() > Duration::from_millis(300)
    })
    .await;
    written(pid)
}

#[tokio::test]
async fn two_hundred_megabytes_pass_a_slow_listener_without_being_held_in_memory() {
    const ALL: u64 = 200_000_000;
    let lab = Lab::new();
    let script = format!(r#"echo $$ > "$NOTES/leader"; exec head -c {ALL} /dev/zero"#);
    let program = prepared(&lab, lab.program("fake", &script)).await;
    let (output, mut heard) = Output::channel();
    let stop = CancellationToken::new();
    let listening = async {
        let leader = lab.note_once("leader").await;
        // Nobody listens: what is on its way is all there can be.
        let ahead = stuck(&leader).await;
        assert!(ahead < 8 << 20, "{ahead} bytes are on their way");
        let mut bytes = 0;
        while bytes < ALL {
            bytes += heard.recv().await.expect("there is more").bytes.len() as u64;
            let ahead = written(&leader).saturating_sub(bytes);
            assert!(ahead < 8 << 20, "{ahead} bytes are on their way");
        }
        bytes
    };
    let (finished, bytes) = tokio::join!(run(&program, SHOWN, &output, &stop), listening);
    let finished = finished.expect("it runs");
    assert!(finished.status.success());
    assert_eq!(bytes, ALL);
    assert!(finished.tail.iter().all(|line| line.len() <= 1024));
}
