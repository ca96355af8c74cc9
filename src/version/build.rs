//! The build script: hands commit, target, profile and compiler to `src/version.rs`.
//!
//! No time and no path of the build, so that two builds of a commit are the same. Runs again only when an input of the binary
//! changed, or another commit is checked out.
#![expect(
    clippy::disallowed_methods,
    reason = "Cargo talks to a build script by variables"
)]

mod commit;

use std::path::Path;
use std::process::{Command, ExitCode};

use commit::Commit;

fn main() -> ExitCode {
    let root = variable("CARGO_MANIFEST_DIR");
    let root = Path::new(&root);
    for name in ["CS_COMMIT", "CS_COMMIT_DATE"] {
        println!("cargo::rerun-if-env-changed={name}");
    }
    for input in commit::INPUTS {
        println!("cargo::rerun-if-changed={input}");
    }
    let given = variable("CS_COMMIT");
    let commit = if given.is_empty() {
        for file in commit::moving_files(root) {
            println!("cargo::rerun-if-changed={}", file.display());
        }
        Commit::checked_out(root)
    } else {
        match Commit::given(&given, &variable("CS_COMMIT_DATE")) {
            Ok(commit) => Some(commit),
            Err(error) => {
                println!("cargo::error={error}");
                return ExitCode::FAILURE;
            }
        }
    };
    let label = commit
        .as_ref()
        .map_or_else(|| "no commit".to_owned(), Commit::label);
    let (id, date) = commit.map_or_else(Default::default, |commit| (commit.id, commit.date));
    let version = variable("CARGO_PKG_VERSION");
    println!("cargo::rustc-env=CS_BUILD_VERSION={version} ({label})");
    println!("cargo::rustc-env=CS_BUILD_COMMIT={id}");
    println!("cargo::rustc-env=CS_BUILD_COMMIT_DATE={date}");
    println!("cargo::rustc-env=CS_BUILD_TARGET={}", variable("TARGET"));
    println!("cargo::rustc-env=CS_BUILD_PROFILE={}", variable("PROFILE"));
    println!("cargo::rustc-env=CS_BUILD_RUSTC={}", rustc());
    ExitCode::SUCCESS
}

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_default()
}

/// The compiler in one line, e.g. `rustc 1.95.0 (59807616e 2026-04-14)`.
fn rustc() -> String {
    let output = Command::new(variable("RUSTC")).arg("--version").output();
    let output = output.expect("Cargo has just used it");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}
