//! Text of others that would steer a terminal, through every door.

use cs::plain::steers;
use cs::simulator::{Effect, Faults, Matcher, Rule, Script};
use serde_json::{Value, json};

use super::lines_with;
use crate::cli::lab::{Lab, image, image_with};
use crate::set::lab::Specs;
use crate::support::env::{Ended, Invocation, eventually};
use crate::support::files_server::{Answer, FilesServer};

/// A title, a cleared screen, a C1 sequence, an overprinted line, a turned text, a hidden one, a line break of another kind.
const HOSTILE: &str = "evil\u{1b}]0;owned\u{7}\u{1b}[2J\u{9b}31m\u{7f}\u{8}\rover\u{202e}txet\u{2066}\u{200f}\u{1b}[8m\u{2028}end";

/// Fails when anything that was printed steers a terminal.
#[track_caller]
fn assert_harmless(what: &str, ended: &Ended) {
    // YAML in a pipe keeps its values: it has escapes for control characters and none are needed for the others.
    let is_data = what.ends_with("yaml");
    let steers = |c: char| steers(c) && c != '\t' && (c.is_control() || !is_data);
    for (stream, text) in [("output", &ended.stdout), ("errors", &ended.stderr)] {
        let found = text.lines().find(|line| line.contains(steers));
        if let Some(line) = found {
            panic!("{what}: {stream} steers a terminal: {line:?}");
        }
    }
}

#[track_caller]
fn checked(what: &str, invocation: Invocation) -> Ended {
    let ended = invocation.run();
    assert_harmless(what, &ended);
    ended
}

#[test]
fn only_three_files_of_the_product_print() {
    let prints = lines_with(&[
        "io::stdout()",
        "io::stderr()",
        "println!(",
        "print!(",
        "eprint",
    ]);
    let others: Vec<&String> = prints
        .iter()
        .filter(|line| !line.contains("is_terminal") && !line.contains("applies_to"))
        .filter(|line| !line.contains("flush()"))
        .filter(|line| {
            // The last words of a process whose doors may be what broke.
            let doors = ["cli/output.rs:", "cli/progress.rs:", "cli/panicked.rs:"];
            !doors.iter().any(|door| line.starts_with(door))
        })
        // Only asked whether they are terminals.
        .filter(|line| !line.ends_with("let stderr = std::io::stderr();"))
        .filter(|line| !line.ends_with("let stdout = std::io::stdout();"))
        .collect();
    assert!(others.is_empty(), "print through cli::output: {others:#?}");
}

#[test]
fn arguments_of_others_are_repeated_harmlessly() {
    let specs = Specs::new();
    for arguments in [
        &[HOSTILE][..],
        &["status", "--output", HOSTILE],
        &["status", HOSTILE],
        &["why", HOSTILE],
        &["explain", HOSTILE],
        &["schema", HOSTILE],
        &["plan", "-f", HOSTILE],
        &["validate", HOSTILE],
        &["convert", "--params", HOSTILE],
        &["context", "use", HOSTILE],
        &["new", "workload", HOSTILE, "--image", HOSTILE],
        &["completions", HOSTILE],
        &["logs", "x", "--tail", HOSTILE],
    ] {
        let ended = checked(&format!("{arguments:?}"), specs.lab.env.cs(arguments));
        assert_ne!(ended.code, Some(0), "{ended}");
    }
}

#[test]
fn specs_are_spoken_of_harmlessly() {
    let specs = Specs::new();
    // As YAML, HCL and JSON all read it.
    let quoted = serde_json::to_string(HOSTILE).unwrap();
    let quoted = cs::plain::json(&quoted).replace("\\b", "\\u0008");
    for (name, text) in [
        (
            "raw.yaml",
            format!(
                "kind: Workload # {}\n{}: 1\n",
                HOSTILE.replace(['\r', '\u{2028}'], ""),
                quoted
            ),
        ),
        (
            "kind.yaml",
            format!("apiVersion: cloudstation.io/v1\nkind: {quoted}\n"),
        ),
        (
            "field.yaml",
            format!(
                "apiVersion: cloudstation.io/v1\nkind: Workload\nmetadata: {{name: {quoted}}}\nspec: {{{quoted}: 1, source: {{image: {quoted}}}}}\n"
            ),
        ),
        (
            "value.yaml",
            format!(
                "apiVersion: cloudstation.io/v1\nkind: Workload\nmetadata: {{name: a}}\nspec: {{type: {quoted}, replicas: {quoted}, source: {{image: {quoted}}}}}\n"
            ),
        ),
        (
            "job.nomad.hcl",
            format!("job {quoted} {{ {HOSTILE} = 1 }}\n"),
        ),
        ("e\u{1b}[2J\u{202e}.yaml", "kind: [\n".to_owned()),
    ] {
        specs.write(name, &text);
    }
    for format in ["text", "json", "sarif", "junit", "github"] {
        let ended = checked(format, specs.on_folder("validate").args(["-o", format]));
        assert!(ended.stdout.contains("evil"), "{ended}");
        match format {
            "json" | "sarif" => drop(ended.document()),
            // Nothing becomes a workflow command of its own.
            "github" => assert!(
                ended.stdout.lines().all(|line| line.starts_with("::")),
                "{ended}"
            ),
            _ => {}
        }
    }
    for command in ["plan", "diff", "apply"] {
        checked(command, specs.on_folder(command));
        checked(command, specs.on_folder(command).args(["-o", "json"]));
    }
}

/// A job whose every text is hostile.
fn job(id: &str, image: &str) -> Value {
    json!({
        "ID": id, "Name": id, "Type": "service",
        "Meta": {"cs.owner": HOSTILE, "cs.managed-by": "cs", HOSTILE: HOSTILE},
        "TaskGroups": [{
            "Name": "web", "Count": 1, "Meta": {"x": HOSTILE},
            "RestartPolicy": {"Attempts": 0, "Interval": 60_000_000_000_u64, "Delay": 1_000_000_000, "Mode": "fail"},
            "ReschedulePolicy": {"Attempts": 0, "Unlimited": false},
            "Tasks": [{
                "Name": "app", "Driver": "docker",
                "Config": {"image": image, "args": [HOSTILE]},
                "Env": {"A": HOSTILE}, "Resources": {"CPU": 10, "MemoryMB": 16},
            }],
        }],
    })
}

fn hostile_cluster() -> Specs {
    let specs = Specs::with_scripts(vec![
        Script {
            image: "talk:*".to_owned(),
            stdout: vec![HOSTILE.to_owned()],
            stderr: vec![format!("\u{1b}[31mred\u{1b}[0m {HOSTILE}")],
            ..Script::default()
        },
        Script {
            image: "crash:*".to_owned(),
            stderr: vec![HOSTILE.to_owned()],
            run_for: Some("100ms".to_owned()),
            exit_code: Some(3),
            exit_message: Some(HOSTILE.to_owned()),
            ..Script::default()
        },
        Script {
            image: "pull:*".to_owned(),
            pull_error: Some(HOSTILE.to_owned()),
            ..Script::default()
        },
    ]);
    for (id, image) in [
        ("talk", "talk:1"),
        ("talk", "talk:2"),
        ("crash", "crash:1"),
        ("pull", "pull:1"),
    ] {
        specs.lab.register(&job(id, image));
    }
    for id in ["talk", "crash", "pull"] {
        eventually(id, || {
            let found = specs.lab.get(&format!("/v1/job/{id}/allocations"));
            let found = found.unwrap_or_default();
            let states = found.as_array().into_iter().flatten();
            states.filter(|it| it["ClientStatus"] != "pending").count() > 0
        });
    }
    specs
}

#[test]
fn jobs_and_logs_are_shown_harmlessly() {
    let specs = hostile_cluster();
    for line in [
        "status",
        "status -o wide",
        "status -o json",
        "status -o yaml",
        "status talk",
        "why talk",
        "why crash",
        "why pull",
        "why crash -o json",
        "why pull -o yaml",
        "get",
        "get talk -o json",
        "get talk -o json --raw",
        "get talk -o hcl",
        "history talk",
        "history talk --diff",
        "history talk --diff -o json",
        "logs talk",
        "logs talk --prefix always",
        "logs talk -o json",
        "logs crash",
        "wait talk --timeout 1s",
        "wait pull --timeout 5s",
        "wait crash --timeout 5s -o json",
        "rollback talk --dry-run",
        "import talk --leave-secrets -o json",
        "doctor",
        "doctor -o json",
        "completions bash",
    ] {
        checked(line, specs.lab.env.cs(line.split_whitespace()));
    }
    let shown = specs.lab.env.cs(["logs", "talk"]).run();
    assert!(
        shown.stdout.contains("evil�]0;owned") && shown.stdout.contains("red"),
        "{shown}"
    );
    // Whoever asks for the bytes gets them.
    let raw = specs.lab.env.cs(["logs", "talk", "--raw"]).run();
    assert!(raw.stdout.contains(HOSTILE), "{raw}");
    // JSON tells the same in another way.
    let json = specs
        .lab
        .env
        .cs(["logs", "talk", "-o", "json", "--stdout"])
        .run();
    assert_eq!(json.document()["line"], HOSTILE);
}

#[test]
fn of_a_log_only_colours_pass_and_they_end_with_their_line() {
    let specs = hostile_cluster();
    let ended = specs
        .lab
        .env
        .cs(["logs", "talk", "--stderr", "--color", "always"])
        .run();
    assert!(
        ended.stdout.starts_with("\u{1b}[31mred\u{1b}[0m evil�"),
        "{:?}",
        ended.stdout
    );
    assert!(ended.stdout.ends_with("\u{1b}[0m\n"), "{:?}", ended.stdout);
    assert!(!ended.stdout.contains("\u{1b}[8m") && !ended.stdout.contains("\u{1b}[2J"));
    for line in [
        "status",
        "why crash",
        "get",
        "history talk --diff",
        "doctor",
    ] {
        let ended = specs
            .lab
            .env
            .cs(line.split_whitespace())
            .args(["--color", "always"])
            .run();
        let text = format!("{}{}", ended.stdout, ended.stderr);
        let without: String = cs::plain::text(&text).into_owned();
        assert!(
            !text.contains(['\u{9b}', '\u{202e}', '\u{7}']),
            "{line}: {text:?}"
        );
        for part in text.split('\u{1b}').skip(1) {
            let is_colour = part.starts_with('[')
                && part[1..]
                    .trim_start_matches(|c: char| c.is_ascii_digit() || c == ';')
                    .starts_with('m');
            assert!(is_colour, "{line}: {part:?} in {without}");
        }
    }
}

#[test]
fn errors_of_a_hostile_nomad_are_told_harmlessly() {
    let specs = Specs::new();
    specs.service("app", "app:1", "");
    for status in [403, 500] {
        let effect = Effect::Error {
            status,
            body: HOSTILE.to_owned(),
        };
        specs.lab.nomad.set_faults(Faults {
            rules: vec![
                Rule::new(Matcher::new("GET", "*"), effect.clone()),
                Rule::new(Matcher::new("write", "*"), effect),
            ],
            ..Faults::default()
        });
        for line in [
            "status",
            "why app",
            "get app",
            "history app",
            "logs app",
            "wait app --timeout 1s",
            "rollback app",
            "promote app",
            "import app",
            "delete app --yes",
            "doctor",
            "doctor -o json",
        ] {
            checked(
                &format!("{line} {status}"),
                specs.lab.env.cs(line.split_whitespace()),
            );
        }
        for log in ["text", "json"] {
            let apply = specs.on_folder("apply").args([
                "--timeout",
                "2s",
                "--log-level",
                "trace",
                "--log-format",
                log,
            ]);
            checked(&format!("apply {status} {log}"), apply);
        }
    }
}

#[test]
fn dispatches_are_told_harmlessly() {
    let lab = Lab::new();
    let server = lab.runtime.block_on(FilesServer::with(
        Answer::bare(500)
            .header("Content-Length", "200")
            .bytes(HOSTILE.repeat(4).into_bytes()),
    ));
    let host = server.host();
    let mut cases = vec![
        (HOSTILE, image()),
        (
            "destroy-job-pack",
            json!({"reason": HOSTILE, "jobs": [{"jobId": HOSTILE, "serviceId": HOSTILE}]}),
        ),
        (
            "deploy-repository",
            image_with(json!({"repository": format!("http://{host}/a/b"), "branch": "main"})),
        ),
        (
            "deploy-repository",
            image_with(json!({"repository": HOSTILE, "branch": HOSTILE})),
        ),
        (
            "deploy-repository",
            image_with(
                json!({"sourceType": "local_upload", "sourceUrl": format!("http://{host}/{HOSTILE}")}),
            ),
        ),
        (
            "deploy-image",
            image_with(json!({"imageName": format!("{host}/shop")})),
        ),
    ];
    for field in [
        "jobId",
        "imageName",
        "imageTag",
        "ownerId",
        "deploymentId",
        "serviceId",
        "projectId",
        "startCommand",
        "restartMode",
        "nomadAddress",
        "backendUrl",
    ] {
        cases.push(("deploy-image", image_with(json!({field: HOSTILE}))));
    }
    let looks = [("text", "text"), ("json", "text"), ("ndjson", "json")];
    for ((task, params), (output, log)) in cases.into_iter().zip(looks.into_iter().cycle()) {
        let run = lab.task(task, &params).var("CS_DEADLINE", "3s").args([
            "-o",
            output,
            "--log-format",
            log,
            "--log-level",
            "debug",
        ]);
        checked(&format!("{task} {params}"), run);
    }
}
