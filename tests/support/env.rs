//! The real binary in surroundings of its own: a cleared environment, its own home, state and temporary directory.
//!
//! ```ignore
//! let env = TestEnv::new();
//! let ended = env.cs(["reconcile"]).var("NOMAD_META_TASK", "deploy-image").run();
//! ended.assert_code(2);
//! ```

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io::{Read, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// After so long a program is killed and its test fails. Generous: many tests share the cores.
const LIMIT: Duration = Duration::from_secs(60);

/// Longest wait for a condition.
const PATIENCE: Duration = Duration::from_secs(30);

/// Surroundings of the binary. The directories go with it.
pub(crate) struct TestEnv {
    home: TempDir,
    vars: BTreeMap<OsString, OsString>,
}

impl TestEnv {
    pub(crate) fn new() -> Self {
        let home = tempfile::tempdir().expect("a temporary directory");
        let mut env = Self {
            home,
            vars: BTreeMap::new(),
        };
        env.set("CS_EGRESS", super::egress::LOCAL);
        for (name, folder) in [
            ("HOME", "home"),
            ("TMPDIR", "tmp"),
            ("CS_STATE_DIR", "state"),
        ] {
            let path = env.home.path().join(folder);
            if name != "CS_STATE_DIR" {
                std::fs::create_dir(&path).expect("a fresh directory");
            }
            env.set(name, path);
        }
        env
    }

    /// Sets a variable of every run from now on.
    pub(crate) fn set(&mut self, name: &str, value: impl AsRef<OsStr>) -> &mut Self {
        self.vars.insert(name.into(), value.as_ref().to_owned());
        self
    }

    /// The variables of every run.
    pub(crate) fn vars(&self) -> &BTreeMap<OsString, OsString> {
        &self.vars
    }

    /// Where outbox and ledgers stand. The binary creates it.
    pub(crate) fn state(&self) -> PathBuf {
        self.home.path().join("state")
    }

    /// The directory of all the others.
    pub(crate) fn root(&self) -> &Path {
        self.home.path()
    }

    /// Writes a file and returns its path.
    pub(crate) fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.home.path().join(name);
        std::fs::write(&path, content).expect("the directory is ours");
        path
    }

    /// A command line of the binary.
    pub(crate) fn cs<T: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = T>) -> Invocation {
        let arguments = arguments.into_iter();
        Invocation {
            arguments: arguments.map(|text| text.as_ref().to_owned()).collect(),
            vars: self.vars.clone(),
            stdin: Vec::new(),
            limit: LIMIT,
            is_read: true,
            directory: self.home.path().to_owned(),
        }
    }
}

/// A command line that is not started yet.
#[must_use = "nothing happens until it is run"]
pub(crate) struct Invocation {
    arguments: Vec<OsString>,
    vars: BTreeMap<OsString, OsString>,
    stdin: Vec<u8>,
    limit: Duration,
    is_read: bool,
    directory: PathBuf,
}

impl Invocation {
    pub(crate) fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.arguments.push(argument.as_ref().to_owned());
        self
    }

    pub(crate) fn args<T: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = T>) -> Self {
        let arguments = arguments.into_iter();
        self.arguments
            .extend(arguments.map(|text| text.as_ref().to_owned()));
        self
    }

    pub(crate) fn var(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.vars.insert(name.into(), value.as_ref().to_owned());
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.vars.remove(OsStr::new(name));
        self
    }

    pub(crate) fn stdin(mut self, bytes: impl AsRef<[u8]>) -> Self {
        self.stdin = bytes.as_ref().to_owned();
        self
    }

    /// Leaves standard output unread: a pipe that fills up.
    pub(crate) fn unread(mut self) -> Self {
        self.is_read = false;
        self
    }

    /// After so long it is killed and the test fails.
    pub(crate) fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Runs it to its end.
    #[track_caller]
    pub(crate) fn run(self) -> Ended {
        self.start().wait()
    }

    /// Starts it.
    pub(crate) fn start(self) -> Running {
        let shown = format!("cs {}", self.arguments.join(OsStr::new(" ")).display());
        let mut child = Command::new(env!("CARGO_BIN_EXE_cs"))
            .args(&self.arguments)
            .env_clear()
            .envs(&self.vars)
            .current_dir(&self.directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary was built with the tests");
        let mut stdin = child.stdin.take().expect("piped above");
        let input = self.stdin;
        // A program that does not read all of it is no failure of the test.
        std::thread::spawn(move || drop(stdin.write_all(&input)));
        // What is left in the child is open and not read.
        let stdout = match self.is_read {
            true => Collected::from(child.stdout.take().expect("piped above")),
            false => Collected::from(std::io::empty()),
        };
        let stderr = Collected::from(child.stderr.take().expect("piped above"));
        Running {
            shown,
            child,
            began: Instant::now(),
            limit: self.limit,
            stdout,
            stderr,
        }
    }
}

/// What a stream has said so far.
struct Collected {
    bytes: Arc<Mutex<Vec<u8>>>,
    reader: Option<JoinHandle<()>>,
}

impl Collected {
    fn from(mut stream: impl Read + Send + 'static) -> Self {
        let bytes = Arc::<Mutex<Vec<u8>>>::default();
        let kept = Arc::clone(&bytes);
        let reader = std::thread::spawn(move || {
            let mut part = [0; 8192];
            while let Ok(length @ 1..) = stream.read(&mut part) {
                kept.lock().unwrap().extend_from_slice(&part[..length]);
            }
        });
        Self {
            bytes,
            reader: Some(reader),
        }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes.lock().unwrap()).into_owned()
    }

    fn all(&mut self) -> String {
        if let Some(reader) = self.reader.take() {
            reader.join().expect("a reader does not panic");
        }
        self.text()
    }
}

/// A binary that was started. Killed when dropped.
pub(crate) struct Running {
    shown: String,
    child: Child,
    began: Instant,
    limit: Duration,
    stdout: Collected,
    stderr: Collected,
}

impl Running {
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn stdout(&self) -> String {
        self.stdout.text()
    }

    pub(crate) fn stderr(&self) -> String {
        self.stderr.text()
    }

    /// Whether it has ended.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.status().is_some()
    }

    fn status(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("a child of ours")
    }

    /// Waits until a condition holds while the program runs.
    #[track_caller]
    pub(crate) fn until(&mut self, what: &str, mut holds: impl FnMut(&Self) -> bool) {
        let end = Instant::now() + PATIENCE;
        while !holds(self) {
            let ended = self.status();
            assert!(
                Instant::now() < end && ended.is_none(),
                "{}: still not so: {what} ({ended:?})\n{}\n{}",
                self.shown,
                self.stdout(),
                self.stderr()
            );
            pause();
        }
    }

    /// Sends `TERM`, `INT`, `KILL`, …
    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill")
            .arg(format!("-{name}"))
            .arg(self.child.id().to_string())
            .status();
        assert!(sent.expect("kill is on PATH").success());
    }

    /// Waits for its end.
    #[track_caller]
    pub(crate) fn wait(mut self) -> Ended {
        let end = self.began + self.limit;
        let status = loop {
            if let Some(status) = self.status() {
                break status;
            }
            assert!(
                Instant::now() < end,
                "{} did not end in {:?}\n{}\n{}",
                self.shown,
                self.limit,
                self.stdout(),
                self.stderr()
            );
            pause();
        };
        Ended {
            shown: self.shown.clone(),
            code: status.code(),
            took: self.began.elapsed(),
            stdout: self.stdout.all(),
            stderr: self.stderr.all(),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail only if it is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until a condition holds.
#[track_caller]
pub(crate) fn eventually(what: &str, holds: impl FnMut() -> bool) {
    eventually_within(PATIENCE, what, holds);
}

/// Waits until a condition holds that may take longer than others.
#[track_caller]
pub(crate) fn eventually_within(patience: Duration, what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + patience;
    while !holds() {
        assert!(Instant::now() < end, "still not so: {what}");
        pause();
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the pause between two looks at a condition, outside async code"
)]
fn pause() {
    std::thread::sleep(Duration::from_millis(5));
}

/// A binary that has ended.
#[derive(Debug)]
pub(crate) struct Ended {
    shown: String,
    /// `None`: a signal ended it.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) took: Duration,
}

/// An event on standard output.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct EventLine {
    pub(crate) subject: String,
    pub(crate) id: String,
    pub(crate) payload: Value,
}

impl Ended {
    #[track_caller]
    pub(crate) fn assert_code(&self, code: i32) -> &Self {
        assert_eq!(self.code, Some(code), "{self}");
        self
    }

    /// Fails unless standard error says this.
    #[track_caller]
    pub(crate) fn assert_says(&self, text: &str) -> &Self {
        assert!(self.stderr.contains(text), "`{text}` is missing\n{self}");
        self
    }

    /// Fails when any output holds this.
    #[track_caller]
    pub(crate) fn assert_hides(&self, secret: &str) -> &Self {
        assert!(
            !self.stdout.contains(secret) && !self.stderr.contains(secret),
            "`{secret}` is shown\n{self}"
        );
        self
    }

    /// The one JSON document that standard output holds.
    #[track_caller]
    pub(crate) fn document(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}\n{self}"))
    }

    /// The events among the lines of standard output.
    pub(crate) fn events(&self) -> Vec<EventLine> {
        let lines = self
            .stdout
            .lines()
            .filter(|line| line.starts_with("{\"subject\""));
        lines
            .map(|line| {
                let mut event: Value = serde_json::from_str(line).expect("event lines are JSON");
                let text = |name: &str| event[name].as_str().expect("a text").to_owned();
                EventLine {
                    subject: text("subject"),
                    id: text("id"),
                    payload: event["payload"].take(),
                }
            })
            .collect()
    }

    /// Subjects of the events without the lines of the log.
    pub(crate) fn subjects(&self) -> Vec<String> {
        let events = self.events().into_iter().map(|event| event.subject);
        events.filter(|subject| !is_log_line(subject)).collect()
    }
}

/// Whether a subject is that of log lines.
pub(crate) fn is_log_line(subject: &str) -> bool {
    subject.contains("build.log.") && !subject.contains("build.log.end.")
}

impl std::fmt::Display for Ended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} ended with {:?} after {:?}\n--- stdout\n{}\n--- stderr\n{}",
            self.shown, self.code, self.took, self.stdout, self.stderr
        )
    }
}
