//! Spec files from text to validated workloads: examples, diagnostics, schema.

mod examples;
mod invalid;
mod properties;
mod schema;

use std::path::{Path, PathBuf};

use cs::desired::Options;

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The files of a folder with an ending, sorted.
fn files(folder: &str, ending: &str) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = std::fs::read_dir(repository(folder))
        .expect("the folder is part of the repository")
        .map(|entry| entry.expect("the folder can be read").path())
        .filter(|path| path.to_string_lossy().ends_with(ending))
        .collect();
    found.sort();
    assert!(!found.is_empty(), "nothing in {folder}");
    found
}

fn options() -> Options {
    Options::new("tests".parse().expect("an owner"))
}
