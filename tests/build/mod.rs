//! What is handed to a builder: which Dockerfile, which files, in which bytes.

mod detect;
mod files;
mod flow;
mod git;

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use cs::artifact::build::context::{self, ContextPlan};
use cs::artifact::build::{BuildError, Recipe};
use cs::artifact::source::SourceTree;
use futures::StreamExt as _;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

/// Some moment in 2020.
const MODIFIED: u64 = 1_600_000_000;

/// A source in a directory of its own.
struct Source {
    home: TempDir,
}

impl Source {
    /// Files by their path, with directories as needed; a path with a slash at its end is an empty directory.
    fn of(files: &[(&str, &str)]) -> Self {
        let source = Self {
            home: tempfile::tempdir().expect("a temporary directory"),
        };
        fs::create_dir(source.root()).expect("a fresh directory");
        for (path, content) in files {
            source.write(path, content);
        }
        source
    }

    fn root(&self) -> PathBuf {
        self.home.path().join("source")
    }

    /// A directory beside the source.
    fn beside(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    fn write(&self, path: &str, content: &str) {
        let full = self.root().join(path);
        if path.ends_with('/') {
            fs::create_dir_all(full).expect("a directory");
            return;
        }
        fs::create_dir_all(full.parent().expect("it is below the root")).expect("a directory");
        fs::write(full, content).expect("a file");
    }

    fn chmod(&self, path: &str, mode: u32) {
        fs::set_permissions(self.root().join(path), fs::Permissions::from_mode(mode))
            .expect("the file is ours");
    }

    fn link(&self, path: &str, target: &str) {
        std::os::unix::fs::symlink(target, self.root().join(path)).expect("a link");
    }

    fn tree(&self) -> SourceTree {
        SourceTree::new(self.root())
    }

    /// For a directory of the source; empty for its top.
    fn recipe(&self, directory: &str) -> Recipe {
        Recipe {
            tree: self.tree(),
            directory: match directory {
                "" => self.root(),
                below => self.root().join(below),
            },
            dockerfile: None,
            git_dir: None,
            image: "shop:1".to_owned(),
            args: BTreeMap::new(),
            env: BTreeMap::new(),
            secrets: BTreeMap::new(),
            build_command: None,
            start_command: None,
            labels: BTreeMap::new(),
            cache_from: Vec::new(),
            keep_layers: false,
            registries: BTreeMap::new(),
            modified: Some(MODIFIED),
            scratch: self.beside("scratch"),
        }
    }

    fn plan(&self, directory: &str, dockerfile: &str) -> Result<ContextPlan, BuildError> {
        context::plan(&self.recipe(directory), dockerfile)
    }

    /// The tar of the top with its `Dockerfile`.
    async fn tar(&self) -> Vec<u8> {
        tar(self.plan("", "Dockerfile").expect("a plan")).await
    }
}

async fn tar(plan: ContextPlan) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut chunks = Box::pin(context::stream(plan, CancellationToken::new()));
    while let Some(chunk) = chunks.next().await {
        bytes.extend_from_slice(&chunk.expect("the source does not change"));
    }
    bytes
}

/// What the real `tar` says about an archive.
fn ask_tar(arguments: &[&str], archive: &[u8], directory: &Path) -> String {
    let mut child = Command::new("tar")
        .args(arguments)
        .args(["--file", "-"])
        .current_dir(directory)
        .env("LC_ALL", "C")
        .env("TZ", "UTC")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("tar is installed");
    let mut input = child.stdin.take().expect("it is piped");
    let output = std::thread::scope(|scope| {
        scope.spawn(move || input.write_all(archive));
        child.wait_with_output().expect("tar ends")
    });
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && complaints.is_empty(),
        "{complaints}"
    );
    String::from_utf8(output.stdout).expect("names are text")
}

/// The names in an archive, directories with a slash.
fn names(archive: &[u8]) -> Vec<String> {
    let listing = ask_tar(&["--list"], archive, Path::new("/"));
    listing.lines().map(str::to_owned).collect()
}
