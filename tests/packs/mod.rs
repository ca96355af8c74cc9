//! Builders that are programs of others: fakes of them, which record what they are given, and the real ones where they are
//! installed.

mod command;
mod nixpacks;
mod railpack;
mod real;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use cs::artifact::build::Recipe;
use cs::artifact::output::{Chunk, Output};
use cs::artifact::source::SourceTree;
use cs::config::Environment;
use cs::events::LogStream;
use cs::secret::Secret;
use tempfile::TempDir;
use tokio::sync::mpsc::Receiver;
use tokio::task::JoinHandle;

/// Longest wait for a condition.
const PATIENCE: Duration = Duration::from_secs(30);

/// Within this a stopped run has to be over. The promise is one second; the rest is for slow machines.
const SOON: Duration = Duration::from_secs(5);

/// A value with everything that quoting can get wrong, to be found wherever it should not be.
const CANARY: &str = "canary \"q\" 'a' $HOME `id` \\ \n second\n";

/// A private `PATH`, a source, a scratch directory, and a place where fakes leave their notes.
struct Lab {
    top: TempDir,
}

impl Lab {
    fn new() -> Self {
        let top = tempfile::tempdir().expect("a temporary directory");
        for folder in ["bin", "source", "scratch", "notes"] {
            std::fs::create_dir(top.path().join(folder)).expect("a fresh directory");
        }
        Self { top }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.top.path().join(name)
    }

    /// Puts a shell script on the private `PATH`. `$NOTES` in it is the place for notes.
    fn program(&self, name: &str, script: &str) -> PathBuf {
        let path = self.at("bin").join(name);
        let notes = self.at("notes").display().to_string();
        let text = format!("#!/bin/sh\n{}\n", script.replace("$NOTES", &notes));
        // By another process: a file that this one has open for writing, if only in a child that another test is just
        // starting, cannot be run.
        let mut install = std::process::Command::new("install")
            .args(["-m", "755", "/dev/stdin"])
            .arg(&path)
            .stdin(Stdio::piped())
            .spawn()
            .expect("`install` is on PATH");
        let mut input = install.stdin.take().expect("piped above");
        input.write_all(text.as_bytes()).expect("it is read");
        drop(input);
        assert!(install.wait().expect("it ends").success());
        path
    }

    /// A runner's environment: the private `PATH` with the system's tools behind it, a daemon, and what nobody may see.
    fn environment(&self) -> Environment {
        let path = format!("{}:/usr/bin:/bin", self.at("bin").display());
        Environment::of_pairs([
            ("PATH", &path),
            ("BUILDKIT_HOST", "tcp://127.0.0.1:1"),
            ("NOMAD_TOKEN", CANARY),
            ("NATS_CLIENT_PRIVATE_KEY", CANARY),
            ("ACCESS_TOKEN", CANARY),
            ("REGISTRY_PASSWORD", CANARY),
            ("VAULT_TOKEN", CANARY),
        ])
    }

    fn recipe(&self) -> Recipe {
        Recipe {
            tree: SourceTree::new(self.at("source")),
            directory: self.at("source"),
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
            modified: None,
            scratch: self.at("scratch"),
        }
    }

    fn source(&self, name: &str, content: &str) -> &Self {
        let path = self.at("source").join(name);
        std::fs::create_dir_all(path.parent().expect("below the source")).expect("ours");
        std::fs::write(path, content).expect("ours");
        self
    }

    /// What a fake left under this name.
    fn note(&self, name: &str) -> String {
        std::fs::read_to_string(self.at("notes").join(name))
            .unwrap_or_else(|error| panic!("no note `{name}`: {error}"))
    }

    /// The same, once it is there and whole.
    async fn note_once(&self, name: &str) -> String {
        let path = self.at("notes").join(name);
        wait_until(&format!("a note `{name}`"), || {
            std::fs::read_to_string(&path).is_ok_and(|text| text.ends_with('\n'))
        })
        .await;
        self.note(name)
    }

    /// Zero-separated texts that a fake left.
    fn list(&self, name: &str) -> Vec<String> {
        let text = self.note(name);
        text.split_terminator('\0').map(str::to_owned).collect()
    }

    /// The environment that a fake left.
    fn variables(&self, name: &str) -> BTreeMap<String, String> {
        let pairs = self.list(name);
        let pairs = pairs.iter().filter_map(|pair| pair.split_once('='));
        pairs
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect()
    }

    /// Every file below the scratch directory whose content holds the text.
    fn traces(&self, text: &str) -> Vec<PathBuf> {
        files(&self.at("scratch"))
            .into_iter()
            .filter(|path| {
                String::from_utf8_lossy(&std::fs::read(path).expect("readable")).contains(text)
            })
            .collect()
    }
}

/// What a fake does first: notes its arguments and its environment.
const NOTED: &str = r#"
printf '%s\0' "$@" > "$NOTES/argv.$1"
env -0 > "$NOTES/env.$1"
pwd > "$NOTES/pwd"
"#;

fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).expect("a directory") {
        let entry = entry.expect("readable");
        let kind = entry.file_type().expect("readable");
        if kind.is_dir() {
            found.extend(files(&entry.path()));
        } else if kind.is_file() {
            found.push(entry.path());
        }
    }
    found
}

fn secrets(pairs: &[(&str, &str)]) -> BTreeMap<String, Secret> {
    let pairs = pairs.iter();
    pairs
        .map(|(name, value)| ((*name).to_owned(), Secret::new(*value)))
        .collect()
}

fn plain(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    let pairs = pairs.iter();
    pairs
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

/// Somebody who hears everything. Ends when the last sender is gone.
fn listener() -> (Output, JoinHandle<Said>) {
    let (output, heard) = Output::channel();
    (output, tokio::spawn(collect(heard)))
}

#[derive(Debug, Default)]
struct Said {
    stdout: Vec<u8>,
    stderr: Vec<u8>,
}

impl Said {
    fn stdout(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.stderr).into_owned()
    }
}

async fn collect(mut heard: Receiver<Chunk>) -> Said {
    let mut said = Said::default();
    while let Some(chunk) = heard.recv().await {
        match chunk.stream {
            LogStream::Stdout => said.stdout.extend_from_slice(&chunk.bytes),
            LogStream::Stderr => said.stderr.extend_from_slice(&chunk.bytes),
        }
    }
    said
}

#[track_caller]
fn wait_until(what: &str, mut condition: impl FnMut() -> bool) -> impl Future<Output = ()> {
    let began = Instant::now();
    let what = what.to_owned();
    async move {
        while !condition() {
            assert!(began.elapsed() < PATIENCE, "waited in vain for {what}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

/// Whether a process runs; one that only waits to be reaped does not.
fn runs(pid: &str) -> bool {
    let Ok(stat) = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())) else {
        return false;
    };
    // `pid (name) state …`; the name may hold anything.
    !stat
        .rsplit(')')
        .next()
        .unwrap_or_default()
        .trim_start()
        .starts_with(['Z', 'X'])
}

/// An error with its causes, as a person and as a programmer sees it.
fn shown(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = format!("{error} {error:?}");
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(&format!(" {inner} {inner:?}"));
        cause = inner.source();
    }
    text
}
