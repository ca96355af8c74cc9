//! Specs from a Git repository: fetched into a private directory, read, and removed with it.

use std::path::{Path, PathBuf};

use percent_encoding::percent_decode_str;
use tokio_util::sync::CancellationToken;

use super::error::LoadError;
use super::findings::about;
use super::load as local_load;
use super::request::{GitSettings, LocalPlace, LocalSource, Request};
use super::{Loaded, Revision};
use crate::artifact::output::Output;
use crate::artifact::source::git::{self, GitError, GitRequest, Places};
use crate::artifact::source::{OutOfTree, SourceTree, WorkDir};
use crate::events::LogStream;
use crate::secret::SafeUrl;
use crate::spec::Diagnostic;
use crate::spec::workload::GitSource;

/// The branch that a repository shows first.
const DEFAULT_REVISION: &str = "HEAD";

/// Where a command ends when it is told to stop while a thread of it waits for the disk.
const PATIENCE: std::time::Duration = std::time::Duration::from_millis(500);

/// A repository, a revision and a path in it, as `https://host/owner/name.git//path?ref=revision` says them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct GitAddress {
    /// May hold credentials, which are refused before anything is shown.
    repository: String,
    revision: String,
    /// Inside of the repository; empty for its top.
    path: String,
    /// Without credentials.
    shown: String,
}

impl GitAddress {
    /// What it is called in findings.
    pub(super) fn shown(&self) -> &str {
        &self.shown
    }
}

/// Reads an address; `None` for what is none.
pub(super) fn parse(text: &str) -> Result<Option<GitAddress>, LoadError> {
    let (is_marked, address) = match text.strip_prefix("git::") {
        Some(address) => (true, address),
        None => (false, text),
    };
    let refuse = |problem| {
        Err(LoadError::Address {
            address: safe(text),
            problem,
        })
    };
    if !address.starts_with("https://") && !address.starts_with("http://") {
        let is_scp = address.split_once(':').is_some_and(|(host, _)| {
            host.contains('@') && !host.contains('/') && !Path::new(text).exists()
        });
        return match address.split_once("://").map(|(scheme, _)| scheme) {
            Some("ssh" | "git+ssh" | "git") => refuse(SSH),
            Some("file") => refuse("name the folder itself, without `file://`"),
            Some(_) => refuse(
                "only Git repositories at http and https addresses are read over the network",
            ),
            None if is_scp => refuse(SSH),
            None if is_marked => {
                refuse("write `git::https://host/owner/name.git//path?ref=revision`")
            }
            None => Ok(None),
        };
    }
    let (location, query) = address.split_once('?').unwrap_or((address, ""));
    let (scheme, rest) = location.split_once("://").expect("it begins with a scheme");
    let (repository, path) = rest.split_once("//").unwrap_or((rest, ""));
    let is_file = |name: &str| {
        [".yaml", ".yml", ".json", ".hcl", ".nomad"]
            .iter()
            .any(|e| name.ends_with(e))
    };
    if path.is_empty() && is_file(repository) {
        return refuse(
            "only Git repositories are read over the network: write https://host/owner/name.git//path/to/file.yaml?ref=revision",
        );
    }
    let mut revision = DEFAULT_REVISION.to_owned();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        match pair.split_once('=') {
            Some(("ref", name)) if !name.is_empty() => {
                revision = percent_decode_str(name).decode_utf8_lossy().into_owned();
            }
            _ => {
                return refuse(
                    "the only parameter is `ref`: write `?ref=` and a branch, tag or commit",
                );
            }
        }
    }
    Ok(Some(GitAddress {
        shown: safe(&format!("{scheme}://{rest}")),
        repository: format!("{scheme}://{repository}"),
        revision,
        path: path.trim_matches('/').to_owned(),
    }))
}

const SSH: &str =
    "ssh is not supported; write the https address, and set CS_GIT_TOKEN for a private repository";

/// An address without credentials and query.
fn safe(text: &str) -> String {
    let text = text.split('?').next().unwrap_or_default();
    let plain = text.strip_prefix("git::").unwrap_or(text);
    let safe = match SafeUrl::parse(plain) {
        Ok(url) if url.expose().has_host() => url.to_string(),
        _ => plain.rsplit('@').next().unwrap_or_default().to_owned(),
    };
    safe.chars()
        .filter(|c| !crate::plain::steers(*c))
        .take(300)
        .collect()
}

/// A repository that is here.
struct Fetched {
    work_tree: PathBuf,
    commit: String,
    /// Without credentials.
    repository: String,
}

/// Reads all sources, those in Git too.
pub(super) async fn load(request: &Request, stop: &CancellationToken) -> Result<Loaded, LoadError> {
    let work = match request.needs_network() {
        true => Some(work_dir(&request.git.temp_dir).await?),
        false => None,
    };
    let result = load_into(request, work.as_ref(), stop).await;
    if let Some(work) = work
        && let Err(error) = work.remove().await
    {
        tracing::warn!(%error, "the directory of a fetched repository could not be removed");
    }
    result
}

async fn work_dir(parent: &Path) -> Result<WorkDir, LoadError> {
    let wanted = parent.to_owned();
    let made = tokio::task::spawn_blocking(move || {
        // What killed runs left; where that fails, the next run tries again.
        let _ = WorkDir::sweep(&wanted);
        WorkDir::create(&wanted)
    });
    let made = made.await.expect("making a directory does not panic");
    made.map_err(|source| LoadError::WorkDirectory {
        path: parent.to_owned(),
        source,
    })
}

async fn load_into(
    request: &Request,
    work: Option<&WorkDir>,
    stop: &CancellationToken,
) -> Result<Loaded, LoadError> {
    let mut fetched = Vec::new();
    for (index, address) in request.git_sources().enumerate() {
        let work = work.expect("there is a directory when there is a repository");
        let into = work.path().join(index.to_string());
        fetched.push(fetch(address, &request.git, &into, stop).await?);
    }
    let mut findings = Vec::new();
    let mut repositories = fetched.iter();
    let sources = request.sources_with(|address| {
        let fetched = repositories.next()?;
        local(address, fetched, &mut findings)
    });
    let mut loaded = read(request, sources, stop).await?;
    loaded.is_complete &= findings.is_empty();
    findings.append(&mut loaded.findings);
    loaded.findings = findings;
    loaded.revision = revision(request, &fetched);
    Ok(loaded)
}

async fn fetch(
    address: &GitAddress,
    settings: &GitSettings,
    into: &Path,
    stop: &CancellationToken,
) -> Result<Fetched, LoadError> {
    let source = GitSource {
        repository: address.repository.clone(),
        revision: address.revision.clone(),
        ..GitSource::default()
    };
    let request = GitRequest::new(&source, settings.token.clone(), &settings.providers)
        .map_err(LoadError::Git)?;
    let resolved = git::resolve(&request, &settings.limits, stop)
        .await
        .map_err(stopped_or_git)?;
    let made = tokio::fs::create_dir(into).await;
    made.map_err(|source| LoadError::WorkDirectory {
        path: into.to_owned(),
        source,
    })?;
    let (work_tree, git_dir) = (into.join("files"), into.join("git"));
    let places = Places {
        work_tree: &work_tree,
        git_dir: &git_dir,
    };
    let (output, mut said) = Output::channel();
    let fetching = async {
        let fetched = git::fetch(&resolved, places, &settings.limits, &output, stop).await;
        drop(output);
        fetched
    };
    let listening = async {
        while let Some(chunk) = said.recv().await {
            let text = String::from_utf8_lossy(&chunk.bytes);
            match chunk.stream {
                LogStream::Stderr => tracing::warn!("{}", warning(&text)),
                LogStream::Stdout => tracing::debug!("{}", text.trim_end()),
            }
        }
    };
    let (checkout, ()) = tokio::join!(fetching, listening);
    Ok(Fetched {
        commit: checkout.map_err(stopped_or_git)?.commit,
        repository: request.address().to_string(),
        work_tree,
    })
}

/// The words of a fetch, for somebody who gave no params.
fn warning(text: &str) -> String {
    let text = text.trim_end();
    let text = text.strip_prefix("warning: ").unwrap_or(text);
    text.replace("(gitPass)", "(CS_GIT_TOKEN)")
}

fn stopped_or_git(error: GitError) -> LoadError {
    match error {
        GitError::Stopped => LoadError::Stopped,
        other => LoadError::Git(other),
    }
}

/// The path of an address in what was fetched; `None` with a finding when nothing is there.
fn local(
    address: &GitAddress,
    fetched: &Fetched,
    findings: &mut Vec<Diagnostic>,
) -> Option<LocalSource> {
    let tree = SourceTree::new(fetched.work_tree.clone());
    let found = tree
        .directory(Some(&address.path))
        .or_else(|error| match error {
            OutOfTree::Missing { .. } => tree.file(tree.root(), &address.path),
            other => Err(other),
        });
    let shown = match address.path.as_str() {
        "" => format!("{}/", fetched.repository),
        path => format!("{}//{path}", fetched.repository),
    };
    match found {
        Ok(path) => Some(LocalSource {
            place: LocalPlace::Path(path),
            shown,
            confined_to: Some(fetched.work_tree.clone()),
        }),
        Err(error) => {
            let message = match error {
                OutOfTree::Missing { .. } => {
                    format!("the repository has nothing there at {}", address.revision)
                }
                other => other.to_string(),
            };
            findings.push(about(shown, "not-found", message, None));
            None
        }
    }
}

fn revision(request: &Request, fetched: &[Fetched]) -> Option<Revision> {
    let address = request.only_git_source()?;
    let [one] = fetched else {
        return None;
    };
    Some(Revision {
        repository: one.repository.clone(),
        commit: one.commit.clone(),
        path: address.path.clone(),
    })
}

async fn read(
    request: &Request,
    sources: Vec<LocalSource>,
    stop: &CancellationToken,
) -> Result<Loaded, LoadError> {
    let (request, token) = (request.clone(), stop.clone());
    let mut reading =
        tokio::task::spawn_blocking(move || local_load::load(&request, &sources, &token));
    let done = tokio::select! {
        // Cancel-safe: a handle can be awaited again.
        done = &mut reading => done,
        () = stop.cancelled() => {
            // It ends with the file that it is at; one that never ends, such as a terminal, is not waited for.
            match tokio::time::timeout(PATIENCE, reading).await {
                Ok(done) => done,
                Err(_) => return Err(LoadError::Stopped),
            }
        }
    };
    done.expect("reading does not panic")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn parts(text: &str) -> (String, String, String, String) {
        let address = parse(text).unwrap().expect("an address");
        (
            address.repository,
            address.path,
            address.revision,
            address.shown,
        )
    }

    #[test]
    fn an_address_has_a_repository_a_path_and_a_revision() {
        let whole = |repository: &str, path: &str, revision: &str, shown: &str| {
            (
                repository.to_owned(),
                path.to_owned(),
                revision.to_owned(),
                shown.to_owned(),
            )
        };
        for prefix in ["", "git::"] {
            assert_eq!(
                parts(&format!(
                    "{prefix}https://h.example/o/n.git//specs/prod/?ref=feature%2Fx"
                )),
                whole(
                    "https://h.example/o/n.git",
                    "specs/prod",
                    "feature/x",
                    "https://h.example/o/n.git//specs/prod/"
                )
            );
            assert_eq!(
                parts(&format!("{prefix}http://127.0.0.1:80/o/n")),
                whole(
                    "http://127.0.0.1:80/o/n",
                    "",
                    "HEAD",
                    "http://127.0.0.1/o/n"
                )
            );
        }
        assert_eq!(parts("https://h.example/o/n//a.yaml").1, "a.yaml");
    }

    #[test]
    fn paths_of_this_machine_are_no_addresses() {
        for text in [
            "specs",
            "./a@b:c",
            "a.yaml",
            "/srv/specs",
            "a:b",
            "C:/x",
            "-",
        ] {
            assert_eq!(parse(text).unwrap(), None, "{text}");
        }
    }

    #[test]
    fn what_is_not_read_is_refused_without_showing_credentials() {
        for (text, told) in [
            ("git@github.com:o/n.git//specs", "ssh is not supported"),
            ("ssh://git@h.example/o/n.git", "ssh is not supported"),
            ("git::ssh://git@h.example/o/n.git", "ssh is not supported"),
            ("git::git@h.example:o/n.git", "ssh is not supported"),
            ("git::specs", "write `git::https://"),
            ("file:///srv/specs", "without `file://`"),
            ("s3::https://h.example/x", "only Git repositories"),
            ("ftp://h.example/x", "only Git repositories"),
            ("https://h.example/a/b.yaml", "only Git repositories"),
            (
                "https://u:canary@h.example/a/b.yaml",
                "only Git repositories",
            ),
            (
                "https://h.example/o/n.git?depth=1",
                "the only parameter is `ref`",
            ),
            (
                "https://h.example/o/n.git?ref=",
                "the only parameter is `ref`",
            ),
            (
                "https://h.example/o/n.git?token=canary",
                "the only parameter is `ref`",
            ),
        ] {
            let error = parse(text).unwrap_err();
            let shown = format!("{error} {error:?}");
            assert!(shown.contains(told), "{shown}");
            assert!(!shown.contains("canary"), "{shown}");
            assert_eq!(error.exit_code(), 2);
        }
        let address = parse("https://u:canary@h.example/o/n.git//x")
            .unwrap()
            .unwrap();
        assert!(!address.shown().contains("canary"));
    }
}
