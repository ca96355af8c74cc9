//! The Git source against a real server, and one in trouble.

mod attributes;
mod bounds;
mod clone;
mod files;
mod forged;
mod names;
mod redirects;
mod refusals;
mod stopping;
mod troubles;

use std::path::{Path, PathBuf};
use std::time::Duration;

use cs::artifact::output::Output;
use cs::artifact::source::Limits;
use cs::artifact::source::git::{
    Checkout, GitError, GitRequest, Places, Providers, Resolved, fetch, resolve,
};
use cs::clients::chain;
use cs::secret::Secret;
use cs::spec::workload::GitSource;
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::support::git_server::git;

/// One that no text has by accident.
const TOKEN: &str = "canary-0a1b2c3d";

/// What is asked for, and where it goes.
struct Desk {
    home: TempDir,
    limits: Limits,
    stop: CancellationToken,
    output: Output,
    /// What is said, once the output is closed.
    said: JoinHandle<String>,
}

/// What came of it.
struct Fetched {
    result: Result<Checkout, GitError>,
    /// Everything that was said, of both streams.
    said: String,
    home: TempDir,
}

impl Desk {
    fn new() -> Self {
        let (output, mut chunks) = Output::channel();
        let said = tokio::spawn(async move {
            let mut said = Vec::new();
            while let Some(chunk) = chunks.recv().await {
                said.extend_from_slice(&chunk.bytes);
            }
            String::from_utf8(said).expect("all of it is text")
        });
        Self {
            home: tempfile::tempdir().expect("a temporary directory"),
            limits: Limits {
                // For a machine that does much else.
                connect: Duration::from_secs(20),
                silence: Duration::from_secs(60),
                ..crate::support::egress::limits()
            },
            stop: CancellationToken::new(),
            output,
            said,
        }
    }

    fn limits(mut self, change: impl FnOnce(&mut Limits)) -> Self {
        change(&mut self.limits);
        self
    }

    async fn resolve(&self, request: &GitRequest) -> Result<Resolved, GitError> {
        resolve(request, &self.limits, &self.stop).await
    }

    async fn run(&self, request: &GitRequest) -> Result<Checkout, GitError> {
        let resolved = self.resolve(request).await?;
        let (work_tree, git_dir) = (self.work_tree(), self.git_dir());
        let places = Places {
            work_tree: &work_tree,
            git_dir: &git_dir,
        };
        fetch(&resolved, places, &self.limits, &self.output, &self.stop).await
    }

    /// Runs to the end, and checks that nothing shows the token.
    async fn fetch(self, request: &GitRequest) -> Fetched {
        let result = self.run(request).await;
        drop(self.output);
        let said = self.said.await.expect("the listener listens");
        let shown = match &result {
            Ok(checkout) => format!("{checkout:?}"),
            Err(error) => format!("{error:?} {}", chain(error)),
        };
        let encoded = base64_of(&format!("x-access-token:{TOKEN}"));
        for secret in [TOKEN, &encoded] {
            assert!(!shown.contains(secret), "{shown}");
            assert!(!said.contains(secret), "{said}");
        }
        Fetched {
            result,
            said,
            home: self.home,
        }
    }

    fn work_tree(&self) -> PathBuf {
        self.home.path().join("files")
    }

    fn git_dir(&self) -> PathBuf {
        self.home.path().join("git")
    }
}

impl Fetched {
    #[track_caller]
    fn checkout(&self) -> &Checkout {
        match &self.result {
            Ok(checkout) => checkout,
            Err(error) => panic!("{}; said: {}", chain(error), self.said),
        }
    }

    /// The error with its causes, in one line.
    #[track_caller]
    fn error(&self) -> String {
        match &self.result {
            Ok(checkout) => panic!("it worked: {checkout:?}"),
            Err(error) => chain(error),
        }
    }

    fn work_tree(&self) -> PathBuf {
        self.home.path().join("files")
    }

    fn git_dir(&self) -> PathBuf {
        self.home.path().join("git")
    }

    fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.work_tree().join(path)).expect("the file is there")
    }

    /// What the real `git` says about it.
    #[track_caller]
    fn git<const N: usize>(&self, arguments: [&str; N]) -> String {
        git(&self.git_dir(), &self.work_tree(), arguments)
    }
}

fn base64_of(text: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(text)
}

/// A request for an address or a name at GitHub, which is `providers.github`.
fn request_at(
    providers: &Providers,
    repository: &str,
    revision: &str,
    token: Option<&str>,
) -> Result<GitRequest, GitError> {
    let source = GitSource {
        repository: repository.to_owned(),
        revision: revision.to_owned(),
        ..GitSource::default()
    };
    GitRequest::new(&source, token.map(Secret::new), providers)
}

fn request(address: &str, revision: &str) -> GitRequest {
    request_at(&Providers::default(), address, revision, None).expect("the address is fine")
}

fn request_with_token(address: &str, revision: &str, token: &str) -> GitRequest {
    request_at(&Providers::default(), address, revision, Some(token)).expect("the address is fine")
}

/// Fetches a revision of an address that needs no token.
async fn fetched(address: &str, revision: &str) -> Fetched {
    Desk::new().fetch(&request(address, revision)).await
}

/// Everything below a directory: kind, permission and content, in order.
fn listed(directory: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut left = vec![directory.to_owned()];
    while let Some(next) = left.pop() {
        for entry in std::fs::read_dir(&next).expect("a directory") {
            let path = entry.expect("an entry").path();
            found.push(described(directory, &path));
            if path.is_dir() && !path.is_symlink() {
                left.push(path);
            }
        }
    }
    found.sort();
    found
}

fn described(directory: &Path, path: &Path) -> String {
    use std::os::unix::fs::PermissionsExt as _;
    let name = path.strip_prefix(directory).expect("it is below").display();
    let about = std::fs::symlink_metadata(path).expect("it is there");
    if about.is_symlink() {
        let target = std::fs::read_link(path).expect("a link");
        format!("{name} -> {}", target.display())
    } else if about.is_dir() {
        format!("{name}/")
    } else {
        let content = std::fs::read(path).expect("a file");
        let is_executable = about.permissions().mode() & 0o111 != 0;
        let digest = crate::support::registry::sha256(&content);
        format!("{name} {is_executable} {} {digest}", content.len())
    }
}
