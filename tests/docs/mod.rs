//! The pages are true: every command runs, every example validates, every table is complete, every link leads somewhere.
//!
//! How a page says what is to be run is written down in `docs/CONTRIBUTING.md`, "Documents".

mod codes;
mod data;
mod events;
mod expect;
mod links;
mod markdown;
mod metrics;
mod pages;
mod picture;
mod shell;
mod variables;
mod words;

use std::path::{Path, PathBuf};

fn repository(path: impl AsRef<Path>) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Whether committed files are to be written anew instead of compared.
#[expect(clippy::disallowed_methods, reason = "how snapshots are renewed")]
fn renews() -> bool {
    std::env::var_os("CS_RENEW_SNAPSHOTS").is_some()
}

/// Fails unless a committed file is what this build makes, or writes it anew.
#[track_caller]
fn assert_fresh(file: &str, made: &str, test: &str) {
    let path = repository(file);
    if renews() {
        std::fs::write(&path, made).expect("part of the repository");
        return;
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == made,
        "{file} is stale: CS_RENEW_SNAPSHOTS=1 cargo test --test suite docs::{test}\n{}",
        first_difference(&committed, made)
    );
}

fn first_difference(committed: &str, made: &str) -> String {
    let pairs = committed.lines().zip(made.lines());
    let differs = pairs.enumerate().find(|(_, (old, new))| old != new);
    differs.map_or_else(
        || "one is longer than the other".to_owned(),
        |(index, (old, new))| format!("line {}\n- {old}\n+ {new}", index + 1),
    )
}
