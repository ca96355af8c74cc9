//! Which programs are started: none but those that are listed in docs/SECURITY.md, and never a shell.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::lines_with;
use crate::cli::lab::image;
use crate::set::lab::Specs;

/// Every place that starts a program.
const STARTS: [&str; 3] = [
    "artifact/build/command/group.rs: let leader = Command::new(&program.path)",
    "cli/panicked.rs: let error = Command::new(\"/proc/self/exe\")",
    "config/credential.rs: let mut command = tokio::process::Command::new(program);",
];

/// Every program that is looked for by name.
const BY_NAME: [&str; 3] = ["nixpacks", "railpack", "nomad-pack"];

#[test]
fn programs_are_started_in_three_places_and_none_of_them_is_a_shell() {
    let starts = lines_with(&["Command::new(", "posix_spawn", "execve", "fork("]);
    // `clap` has commands of its own.
    let starts: Vec<&String> = starts
        .iter()
        .filter(|line| !line.starts_with("cli/completions/"))
        .collect();
    assert_eq!(
        starts, STARTS,
        "a new place belongs into docs/SECURITY.md too"
    );
    let shells = lines_with(&[
        "\"sh\"",
        "\"bash\"",
        "/bin/sh\"",
        "\"/bin/bash\"",
        "cmd.exe",
    ]);
    let started: Vec<&String> = shells
        .iter()
        .filter(|line| line.contains("Command") || line.contains("Program {"))
        .collect();
    assert!(started.is_empty(), "{started:?}");
}

#[test]
fn the_programs_that_are_looked_for_are_those_that_the_documents_list() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/SECURITY.md");
    let page = std::fs::read_to_string(page).expect("the document is there");
    for name in BY_NAME {
        assert!(
            page.contains(&format!("`{name}`")),
            "docs/SECURITY.md lists {name}"
        );
    }
    let looked_for = lines_with(&["on_path(", " find(", "const PROGRAM"]);
    for line in looked_for.iter().filter(|line| line.contains('"')) {
        let is_listed = BY_NAME
            .iter()
            .any(|name| line.contains(&format!("\"{name}\"")));
        let is_text = line.contains(".find(");
        assert!(is_listed || is_text, "{line}");
    }
}

/// Programs that write down that they were started.
fn shims(root: &Path) -> (PathBuf, PathBuf) {
    let (folder, record) = (root.join("shims"), root.join("started"));
    std::fs::create_dir(&folder).unwrap();
    let script = format!("#!/bin/sh\necho \"$0 $*\" >> {}\n", record.display());
    for name in [
        "sh",
        "bash",
        "env",
        "git",
        "docker",
        "ssh",
        "curl",
        "wget",
        "tar",
        "nomad",
        "vault",
        "consul",
        "pass",
        "docker-credential-x",
        "less",
        "more",
        "vi",
    ] {
        let path = folder.join(name);
        std::fs::write(&path, &script).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    (folder, record)
}

/// Commands over everything that a program might be started for.
fn exercise(specs: &Specs, mut run: impl FnMut(&[&str])) {
    specs.service("app", "app:1", "");
    let folder = specs.lab.env.root().join("specs").display().to_string();
    let project = specs.lab.env.root().join("project");
    std::fs::create_dir_all(&project).unwrap();
    std::fs::write(project.join("Dockerfile"), "FROM scratch\n").unwrap();
    let project = project.display().to_string();
    for arguments in [
        &["validate", "-f", &folder][..],
        &["plan", "-f", &folder],
        &["apply", "-f", &folder, "--timeout", "40s"],
        &["diff", "-f", &folder],
        &["status"],
        &["why", "app"],
        &["get", "app"],
        &["history", "app", "--diff"],
        &["logs", "app"],
        &["import", "app", "--leave-secrets"],
        &["doctor"],
        &["context"],
        &["man"],
        &["completions", "bash"],
        &["explain", "workload"],
        &["init", "--path", &project, "--yes"],
        &["build", "--path", &project],
        &["plan", "-f", "git::http://127.0.0.1:1/o/n.git"],
        &["delete", "app", "--yes"],
    ] {
        run(arguments);
    }
}

#[test]
fn no_command_starts_a_program_of_the_path() {
    let specs = Specs::new();
    let (folder, record) = shims(specs.lab.env.root());
    exercise(&specs, |arguments| {
        specs.lab.env.cs(arguments).var("PATH", &folder).run();
    });
    specs
        .lab
        .deploy(&image())
        .var("PATH", &folder)
        .run()
        .assert_code(0);
    assert!(!record.exists(), "{:?}", std::fs::read_to_string(&record));
}

#[test]
fn no_command_starts_anything_at_all() {
    let Ok(version) = Command::new("strace").arg("-V").output() else {
        eprintln!(
            "SKIPPED: `strace` is not on PATH; the shims of PATH and the list of places stand in"
        );
        return;
    };
    assert!(version.status.success());
    let specs = Specs::new();
    let trace = specs.lab.env.root().join("trace");
    let mut checked = 0;
    exercise(&specs, |arguments| {
        let ended = Command::new("strace")
            .args(["-f", "-qq", "-e", "trace=execve,execveat", "-o"])
            .arg(&trace)
            .arg(env!("CARGO_BIN_EXE_cs"))
            .args(arguments)
            .env_clear()
            .envs(specs.lab.env.vars())
            .output()
            .expect("strace runs");
        let traced = std::fs::read_to_string(&trace).unwrap_or_default();
        if traced.is_empty() {
            // Some surroundings forbid to trace.
            eprintln!(
                "SKIPPED: nothing can be traced: {}",
                String::from_utf8_lossy(&ended.stderr)
            );
            return;
        }
        assert_eq!(
            traced.matches("exec").count(),
            1,
            "{arguments:?}:\n{traced}"
        );
        checked += 1;
    });
    eprintln!("{checked} commands were traced");
}
