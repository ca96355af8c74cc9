//! What the binary tells about itself and about specs: schemas, explanations, first specs, completions, manual, help.

mod completions;
mod explain;
mod generated;
mod new;

use std::path::{Path, PathBuf};

use crate::support::env::Ended;

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Compares what was printed with `tests/help/snapshots/<name>.txt`; with `CS_RENEW_SNAPSHOTS` set, writes it there.
#[track_caller]
fn assert_snapshot(name: &str, ended: &Ended) {
    let shown = format!(
        "exit code {}\n--- stdout\n{}--- stderr\n{}",
        ended.code.expect("no signal"),
        ended.stdout,
        ended.stderr
    );
    let path = repository("tests/help/snapshots").join(format!("{name}.txt"));
    #[expect(
        clippy::disallowed_methods,
        reason = "the switch of whoever renews them"
    )]
    if std::env::var_os("CS_RENEW_SNAPSHOTS").is_some() {
        std::fs::write(&path, &shown).expect("the repository is ours");
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        shown == expected,
        "{name} is not what it was; if it should be: CS_RENEW_SNAPSHOTS=1 cargo test --test suite help::\n{shown}"
    );
}
