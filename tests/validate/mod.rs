//! `cs validate`: what it finds, how it says it, and the parts for pipelines that call it.

mod ci;
mod codes;
mod formats;
mod policies;
mod run;
mod server;
mod sets;

use std::path::{Path, PathBuf};

use crate::support::env::{Ended, TestEnv};

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn read(path: &str) -> String {
    std::fs::read_to_string(repository(path)).expect("it is part of the repository")
}

/// A workload that nothing is wrong with.
fn workload(name: &str) -> String {
    format!(
        "apiVersion: cloudstation.io/v1\nkind: Workload\nmetadata: {{name: {name}}}\nspec:\n  \
         source: {{image: \"nginx:1.27\"}}\n"
    )
}

/// Writes a file into a folder of the test, which is made when it is not there.
fn put(env: &TestEnv, path: &str, text: impl AsRef<[u8]>) {
    let whole = env.root().join(path);
    std::fs::create_dir_all(whole.parent().expect("it is in a folder")).expect("a folder of ours");
    std::fs::write(whole, text).expect("a folder of ours");
}

/// `cs validate` with arguments that are separated by spaces.
fn validate(env: &TestEnv, arguments: &str) -> Ended {
    env.cs(["validate"]).args(arguments.split(' ')).run()
}
