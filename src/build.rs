//! The build script: hands commit, target, profile and compiler to `src/version.rs`, and tells the linker what the static
//! release is to be without. Packs the committed schemas, which a release prints instead of making them.
//!
//! No time and no path of the build, so that two builds of a commit are the same. Runs again only when an input of the binary
//! changed, or another commit is checked out.
#![expect(
    clippy::disallowed_methods,
    reason = "Cargo talks to a build script by variables"
)]

#[path = "version/commit.rs"]
mod commit;

use std::collections::BTreeMap;
use std::io::Write as _;
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
    let rustc = rustc();
    println!("cargo::rustc-env=CS_BUILD_RUSTC={rustc}");
    if variable("TARGET").ends_with("-linux-musl") && variable("PROFILE") == "release" {
        shrink(root, &rustc);
    }
    pack(&root.join("schemas"), Path::new(&variable("OUT_DIR")));
    ExitCode::SUCCESS
}

/// All files below `schemas/` as one JSON object of name and text, compressed: 45 KB instead of 320.
fn pack(schemas: &Path, out: &Path) {
    let mut texts = BTreeMap::new();
    read_below(schemas, schemas, &mut texts);
    let members: Vec<String> = texts
        .iter()
        .map(|(name, text)| format!("{name:?}:{}", json_text(text)))
        .collect();
    let file = std::fs::File::create(out.join("schemas.json.gz")).expect("OUT_DIR can be written");
    let mut packed = flate2::write::GzEncoder::new(file, flate2::Compression::best());
    write!(packed, "{{{}}}", members.join(",")).expect("OUT_DIR can be written");
    packed.finish().expect("OUT_DIR can be written");
}

fn read_below(root: &Path, folder: &Path, texts: &mut BTreeMap<String, String>) {
    for entry in std::fs::read_dir(folder).expect("schemas/ can be read") {
        let path = entry.expect("schemas/ can be read").path();
        if path.is_dir() {
            read_below(root, &path, texts);
            continue;
        }
        let name = path
            .strip_prefix(root)
            .expect("it is below")
            .display()
            .to_string();
        let text = std::fs::read_to_string(&path).expect("schemas are texts");
        texts.insert(name, text);
    }
}

/// A text as JSON. The schemas are texts without control characters but line breaks.
fn json_text(text: &str) -> String {
    let escaped = text.replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"{}\"", escaped.replace('\n', "\\n"))
}

/// Leaves out the tables for unwinding, and packs the relocations (0.7 MB to 9 KB).
fn shrink(root: &Path, rustc: &str) {
    let script = root.join("deploy/static.ld");
    println!("cargo::rustc-link-arg-bins=-Wl,--no-eh-frame-hdr");
    println!("cargo::rustc-link-arg-bins=-Wl,-T,{}", script.display());
    // Read at start by musl 1.2.5, which comes with this compiler or a newer one; an older one would crash.
    let minor = rustc.split('.').nth(1).and_then(|minor| minor.parse().ok());
    if minor.is_some_and(|minor: u32| minor >= 93) {
        println!("cargo::rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
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
