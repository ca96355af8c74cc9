//! A real Git server over smart HTTP: `git http-backend` behind a front that checks a token, keeps account of the calls,
//! and misbehaves when it is told to. Runs on a thread of its own, so that tests with and without a runtime can use it.
//!
//! ```ignore
//! let Some(server) = GitServer::start(Some("token")) else { return };
//! let repository = server.repository("shop/web");
//! let commit = repository.file("Dockerfile", "FROM scratch\n").commit();
//! env.set("CS_GITHUB_URL", server.base()); // or `repository: server.url("shop/web")`
//! ```

use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, LOCATION, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::stream;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::ChildStdout;
use tokio_util::sync::CancellationToken;

/// Largest request that is read.
const REQUEST_LIMIT: usize = 1 << 20;

/// What a call is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// The first call: which protocol, and in the old one the references.
    Refs,
    /// The references, in the new protocol.
    List,
    /// The objects.
    Pack,
}

/// What the server does instead of its work.
#[derive(Debug, Clone)]
pub(crate) enum Trouble {
    /// Answers with this status and nothing else.
    Status(u16),
    /// Redirects to another base address, the path behind it kept.
    Redirect(String),
    /// Redirects to exactly this address.
    RedirectTo(String),
    /// Redirects calls of the first repository to the second one, both `owner/name`, by a path alone.
    Rename(&'static str, &'static str),
    /// Refuses calls with credentials, whichever they are.
    RefuseCredentials,
    /// Never answers.
    Hang,
    /// Says so many bytes of the answer, and then nothing more.
    Stall(usize),
    /// Says so many bytes of the answer, and closes the connection.
    Cut(usize),
    /// Changes the byte at this place of the answer.
    Damage(usize),
    /// Says this instead, in the right type.
    Say(Vec<u8>),
    /// Says this as a web page.
    Page(&'static str),
}

/// Credentials of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shown {
    Nothing,
    Right,
    Wrong,
}

/// A call that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct GitCall {
    pub(crate) stage: Stage,
    pub(crate) path: String,
    pub(crate) credentials: Shown,
    /// The name in front of the token, empty when there is none.
    pub(crate) user: String,
}

struct Shared {
    root: PathBuf,
    token: Option<String>,
    calls: Mutex<Vec<GitCall>>,
    troubles: Mutex<Vec<(Stage, Trouble)>>,
    is_old: Mutex<bool>,
}

/// Ends when dropped; its repositories go with it.
pub(crate) struct GitServer {
    home: TempDir,
    address: SocketAddr,
    shared: Arc<Shared>,
    stop: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

impl Drop for GitServer {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl GitServer {
    /// With a token, each call must show it as password; the name in front of it does not matter, as with most servers.
    /// `None`, with a line that says so, where `git` is not installed.
    #[expect(clippy::print_stderr, reason = "a skipped test says so")]
    pub(crate) fn start(token: Option<&str>) -> Option<Self> {
        match Command::new("git").arg("version").output() {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => {
                eprintln!("SKIPPED: `git` is not on PATH");
                return None;
            }
            Err(error) => panic!("git does not start: {error}"),
        }
        let home = tempfile::tempdir().expect("a temporary directory");
        let shared = Arc::new(Shared {
            root: home.path().join("served"),
            token: token.map(str::to_owned),
            calls: Mutex::default(),
            troubles: Mutex::default(),
            is_old: Mutex::new(false),
        });
        let stop = CancellationToken::new();
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
        let listener = listener.expect("the loopback has free ports");
        listener.set_nonblocking(true).expect("a fresh socket");
        let address = listener.local_addr().expect("it is bound");
        let (served, stopped) = (Arc::clone(&shared), stop.clone());
        let thread = std::thread::spawn(move || serve(listener, served, &stopped));
        Some(Self {
            home,
            address,
            shared,
            stop,
            thread: Some(thread),
        })
    }

    /// `http://127.0.0.1:<port>`: what stands in place of a provider.
    pub(crate) fn base(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The full address of a repository.
    pub(crate) fn url(&self, name: &str) -> String {
        format!("{}/{name}.git", self.base())
    }

    /// A new repository, `owner/name`, empty and with `main` as its first branch.
    pub(crate) fn repository(&self, name: &str) -> Repository {
        self.repository_of_format(name, "sha1")
    }

    /// The same with another object format.
    pub(crate) fn repository_of_format(&self, name: &str, format: &str) -> Repository {
        let repository = Repository {
            git_dir: self.shared.root.join(format!("{name}.git")),
            work_tree: self.home.path().join("work").join(name),
        };
        std::fs::create_dir_all(&repository.work_tree).expect("a fresh directory");
        let status = bare_git()
            .args(["init", "-q", "--bare", "-b", "main"])
            .arg(format!("--object-format={format}"))
            .arg(&repository.git_dir)
            .status();
        assert!(status.expect("git runs").success());
        repository
    }

    /// All calls since the start, in their order.
    pub(crate) fn calls(&self) -> Vec<GitCall> {
        self.shared.calls.lock().unwrap().clone()
    }

    /// From now on, calls of this stage get into trouble.
    pub(crate) fn trouble(&self, stage: Stage, trouble: Trouble) {
        self.shared.troubles.lock().unwrap().push((stage, trouble));
    }

    /// From now on, all calls work again.
    pub(crate) fn recover(&self) {
        self.shared.troubles.lock().unwrap().clear();
    }

    /// From now on, it knows only the protocol of versions 0.
    pub(crate) fn forget_version_2(&self) {
        *self.shared.is_old.lock().unwrap() = true;
    }
}

/// A repository on the server, and a work tree to fill it from.
pub(crate) struct Repository {
    git_dir: PathBuf,
    work_tree: PathBuf,
}

impl Repository {
    /// Where the server has it.
    pub(crate) fn git_dir(&self) -> &Path {
        &self.git_dir
    }

    /// What the next commit is made of.
    pub(crate) fn work_tree(&self) -> &Path {
        &self.work_tree
    }

    /// A file of the next commit.
    pub(crate) fn file(&self, path: &str, content: impl AsRef<[u8]>) -> &Self {
        let path = self.work_tree.join(path);
        std::fs::create_dir_all(path.parent().expect("it is below the top")).unwrap();
        std::fs::write(path, content).unwrap();
        self
    }

    /// An executable file of the next commit.
    pub(crate) fn executable(&self, path: &str, content: impl AsRef<[u8]>) -> &Self {
        use std::os::unix::fs::PermissionsExt as _;
        self.file(path, content);
        let mode = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(self.work_tree.join(path), mode).unwrap();
        self
    }

    /// A symbolic link of the next commit.
    pub(crate) fn link(&self, path: &str, target: &str) -> &Self {
        let path = self.work_tree.join(path);
        std::fs::create_dir_all(path.parent().expect("it is below the top")).unwrap();
        std::os::unix::fs::symlink(target, path).unwrap();
        self
    }

    /// A file that the next commit no longer has.
    pub(crate) fn remove(&self, path: &str) -> &Self {
        std::fs::remove_file(self.work_tree.join(path)).unwrap();
        self
    }

    /// A submodule of the next commit; the commit that it names is nowhere. Call it after the files were added.
    pub(crate) fn submodule(&self, path: &str) -> &Self {
        let info = format!("160000,{},{path}", "5".repeat(40));
        self.git(["update-index", "--add", "--cacheinfo", &info]);
        self
    }

    /// Adds all files.
    pub(crate) fn add(&self) -> &Self {
        self.git(["add", "-A", "-f", "."]);
        self
    }

    /// Commits all files and returns the commit.
    pub(crate) fn commit(&self) -> String {
        self.add().commit_added()
    }

    /// Commits what was added and returns the commit.
    pub(crate) fn commit_added(&self) -> String {
        self.git(["commit", "-q", "--allow-empty", "-m", "a commit"]);
        self.git(["rev-parse", "HEAD"])
    }

    /// A new branch at the last commit; the next commits go there.
    pub(crate) fn branch(&self, name: &str) -> &Self {
        let name = format!("refs/heads/{name}");
        self.git(["update-ref", &name, "HEAD"]);
        self.git(["symbolic-ref", "HEAD", &name]);
        self
    }

    /// A tag at the last commit.
    pub(crate) fn tag(&self, name: &str) -> &Self {
        self.git(["tag", name]);
        self
    }

    /// A tag with a message at the last commit.
    pub(crate) fn annotated_tag(&self, name: &str) -> &Self {
        self.git(["tag", "-a", "-m", "a tag", name]);
        self
    }

    /// Runs `git` on it and returns what it prints, without the last line feed.
    #[track_caller]
    pub(crate) fn git<const N: usize>(&self, arguments: [&str; N]) -> String {
        git(&self.git_dir, &self.work_tree, arguments)
    }
}

/// Runs the real `git` on a repository, without any configuration of this machine.
#[track_caller]
pub(crate) fn git<const N: usize>(
    git_dir: &Path,
    work_tree: &Path,
    arguments: [&str; N],
) -> String {
    let ended = bare_git()
        .current_dir(work_tree)
        .env("GIT_DIR", git_dir)
        .env("GIT_WORK_TREE", work_tree)
        .args(arguments)
        .output()
        .expect("git runs");
    let (text, talk) = (ended.stdout, String::from_utf8_lossy(&ended.stderr));
    assert!(ended.status.success(), "git {arguments:?}: {talk}");
    String::from_utf8_lossy(&text).trim_end().to_owned()
}

/// `git` with a name, a date and nothing else of its surroundings.
pub(crate) fn bare_git() -> Command {
    let mut command = Command::new("git");
    command
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_ATTR_NOSYSTEM", "1")
        .env("HOME", "/nonexistent")
        .env_remove("XDG_CONFIG_HOME")
        .env("GIT_TERMINAL_PROMPT", "0")
        .stdin(Stdio::null());
    for who in ["AUTHOR", "COMMITTER"] {
        command
            .env(format!("GIT_{who}_NAME"), "Test")
            .env(format!("GIT_{who}_EMAIL"), "test@example.com")
            .env(format!("GIT_{who}_DATE"), "2024-01-02T03:04:05Z");
    }
    command
}

/// When each commit is made, in seconds since 1970.
pub(crate) const COMMITTED_AT: i64 = 1_704_164_645;

fn serve(listener: std::net::TcpListener, shared: Arc<Shared>, stop: &CancellationToken) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime can be built");
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::from_std(listener).expect("a socket");
        let router = Router::new().fallback(answer).with_state(shared);
        // Calls in progress are dropped, the ones that hang too.
        let _ = stop
            .run_until_cancelled(async { axum::serve(listener, router).await })
            .await;
    });
    runtime.shutdown_background();
}

async fn answer(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let Ok(body) = axum::body::to_bytes(body, REQUEST_LIMIT).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let stage = match head.uri.path() {
        path if path.ends_with("/info/refs") => Stage::Refs,
        _ if contains(&body, b"command=ls-refs") => Stage::List,
        _ => Stage::Pack,
    };
    let (credentials, user) = credentials(&head.headers, shared.token.as_deref());
    shared.calls.lock().unwrap().push(GitCall {
        stage,
        path: head.uri.path().to_owned(),
        credentials,
        user,
    });
    let troubles = shared.troubles.lock().unwrap().clone();
    let trouble = troubles.into_iter().find(|(at, _)| *at == stage);
    let trouble = trouble.map(|(_, trouble)| trouble);
    let target = head
        .uri
        .path_and_query()
        .map_or("/", |target| target.as_str());
    match &trouble {
        Some(Trouble::Status(status)) => {
            return StatusCode::from_u16(*status).unwrap().into_response();
        }
        Some(Trouble::Redirect(base)) => return redirect(&format!("{base}{target}")),
        Some(Trouble::RedirectTo(address)) => return redirect(address),
        Some(Trouble::Rename(old, new)) if target.starts_with(&format!("/{old}.git/")) => {
            return redirect(&target.replacen(old, new, 1));
        }
        Some(Trouble::RefuseCredentials) if credentials != Shown::Nothing => {
            return StatusCode::UNAUTHORIZED.into_response();
        }
        Some(Trouble::Hang) => std::future::pending().await,
        Some(Trouble::Page(text)) => {
            return ([(CONTENT_TYPE, "text/html; charset=utf-8")], *text).into_response();
        }
        Some(Trouble::Say(bytes)) => {
            let kind = if stage == Stage::Refs {
                "advertisement"
            } else {
                "result"
            };
            let kind = format!("application/x-git-upload-pack-{kind}");
            return ([(CONTENT_TYPE, kind)], bytes.clone()).into_response();
        }
        _ => {}
    }
    if shared.token.is_some() && credentials != Shown::Right {
        let challenge = [(WWW_AUTHENTICATE, "Basic realm=\"test\"")];
        return (StatusCode::UNAUTHORIZED, challenge).into_response();
    }
    let kind = head
        .headers
        .get(CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok());
    let version = head
        .headers
        .get("git-protocol")
        .and_then(|text| text.to_str().ok());
    let version = version.filter(|_| !*shared.is_old.lock().unwrap());
    let call = Cgi {
        root: &shared.root,
        method: head.method.as_str(),
        path: head.uri.path(),
        query: head.uri.query().unwrap_or_default(),
        kind: kind.unwrap_or_default(),
        version: version.unwrap_or_default(),
    };
    call.run(body, trouble)
        .await
        .unwrap_or_else(|error| (StatusCode::BAD_GATEWAY, error.to_string()).into_response())
}

fn redirect(to: &str) -> Response {
    (StatusCode::MOVED_PERMANENTLY, [(LOCATION, to)]).into_response()
}

fn credentials(headers: &HeaderMap, token: Option<&str>) -> (Shown, String) {
    let Some(header) = headers.get(AUTHORIZATION) else {
        return (Shown::Nothing, String::new());
    };
    let pair = header
        .to_str()
        .ok()
        .and_then(|text| text.strip_prefix("Basic "))
        .and_then(|encoded| STANDARD.decode(encoded).ok())
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .unwrap_or_default();
    let (user, password) = pair.split_once(':').unwrap_or_default();
    let is_right = token == Some(password);
    let shown = if is_right { Shown::Right } else { Shown::Wrong };
    (shown, user.to_owned())
}

fn contains(text: &[u8], what: &[u8]) -> bool {
    text.windows(what.len()).any(|part| part == what)
}

/// A call of `git http-backend`. Source: RFC 3875, and `git help http-backend`.
struct Cgi<'a> {
    root: &'a Path,
    method: &'a str,
    path: &'a str,
    query: &'a str,
    kind: &'a str,
    version: &'a str,
}

impl Cgi<'_> {
    async fn run(&self, body: Bytes, trouble: Option<Trouble>) -> io::Result<Response> {
        let mut command = tokio::process::Command::from(bare_git());
        let mut child = command
            .arg("http-backend")
            .env("GIT_PROJECT_ROOT", self.root)
            .env("GIT_HTTP_EXPORT_ALL", "1")
            .env("PATH_INFO", self.path)
            .env("QUERY_STRING", self.query)
            .env("REQUEST_METHOD", self.method)
            .env("CONTENT_TYPE", self.kind)
            .env("GIT_PROTOCOL", self.version)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        let mut input = child.stdin.take().expect("it is piped");
        input.write_all(&body).await?;
        drop(input);
        let mut output = BufReader::new(child.stdout.take().expect("it is piped"));
        let mut answer = Response::builder().status(200);
        loop {
            let mut line = String::new();
            output.read_line(&mut line).await?;
            match line.trim_end().split_once(": ") {
                Some(("Status", status)) => answer = answer.status(&status[..3]),
                Some((name, value)) => answer = answer.header(name, value),
                None => break,
            }
        }
        let pieces = Pieces {
            output,
            said: 0,
            trouble,
            _child: child,
        };
        let body = Body::from_stream(stream::unfold(pieces, Pieces::next));
        answer.body(body).map_err(io::Error::other)
    }
}

/// An answer on its way.
struct Pieces {
    output: BufReader<ChildStdout>,
    said: usize,
    trouble: Option<Trouble>,
    _child: tokio::process::Child,
}

impl Pieces {
    async fn next(mut self) -> Option<(io::Result<Bytes>, Self)> {
        let mut piece = vec![0; 32 << 10];
        let limit = match self.trouble {
            Some(Trouble::Stall(after) | Trouble::Cut(after)) => after - self.said,
            _ => piece.len(),
        };
        if limit == 0 {
            return match self.trouble {
                Some(Trouble::Stall(_)) => std::future::pending().await,
                _ => Some((Err(io::Error::other("cut")), self)),
            };
        }
        piece.truncate(limit);
        let length = match self.output.read(&mut piece).await {
            Ok(0) => return None,
            Ok(length) => length,
            Err(error) => return Some((Err(error), self)),
        };
        piece.truncate(length);
        if let Some(Trouble::Damage(at)) = self.trouble
            && let Some(byte) = at.checked_sub(self.said).and_then(|at| piece.get_mut(at))
        {
            *byte ^= 0x55;
        }
        self.said += length;
        Some((Ok(piece.into()), self))
    }
}
