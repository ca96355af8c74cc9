//! A real PostgreSQL: one that all tests share, each with a database of its own, or one that may go away.
//!
//! PostgreSQL refuses to run as root, so root starts it as `nobody`. A supervising shell holds it: when the test binary
//! ends, however it ends, the shell's input closes, and it ends the server and removes its directory.

use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions as _, Connection as _, Executor as _};

use super::ports::free_port;

/// How long a server may take to start. Many tests share the cores.
const READY: Duration = Duration::from_secs(60);

/// The user that tests are. Nobody logs in as it from outside.
const NOBODY: u32 = 65534;

/// Password of the user of the tests.
pub(crate) const PASSWORD: &str = "Cnry+postgres/8fq=Z";

/// A server of our own.
pub(crate) struct Postgres {
    home: PathBuf,
    port: u16,
    running: Option<(Child, ChildStdin)>,
}

/// Ends the server when its input closes. `$3`: what becomes of the directory.
const SUPERVISOR: &str = r#"
cd "$1" || exit 1
"$2/postgres" -D "$1/data" >>"$1/log" 2>&1 </dev/null &
server=$!
read -r word
kill -QUIT "$server" 2>/dev/null
wait "$server"
cd /
[ "$word" = keep ] || rm -rf --one-file-system "$1"
"#;

impl Postgres {
    /// The one that all tests of this binary share.
    pub(crate) fn shared() -> &'static Self {
        static SHARED: OnceLock<Postgres> = OnceLock::new();
        SHARED.get_or_init(Self::start)
    }

    /// Whether there are its programs.
    pub(crate) fn is_installed() -> bool {
        programs().is_some()
    }

    /// Starts one and waits until it answers.
    pub(crate) fn start() -> Self {
        let home = tempfile::Builder::new()
            .prefix("cs-postgres-")
            .tempdir()
            .expect("a temporary directory")
            .keep();
        let owned = as_server(Command::new("true")).status();
        owned.expect("programs can be started as another user");
        if is_root() {
            std::os::unix::fs::chown(&home, Some(NOBODY), Some(NOBODY)).expect("root may");
        }
        let mut server = Self {
            home,
            port: 0,
            running: None,
        };
        server.initialise();
        server.up();
        server
    }

    fn initialise(&self) {
        let password = self.home.join("password");
        std::fs::write(&password, PASSWORD).expect("the directory is ours");
        let made = as_server(Command::new(installed().join("initdb")))
            .current_dir(&self.home)
            .args([
                "--no-sync",
                "--encoding=UTF8",
                "--no-locale",
                "--username=cs",
            ])
            .args(["--auth=scram-sha-256", "--pwfile=password", "-D", "data"])
            .output()
            .expect("postgresql is installed; tests/run does it");
        assert!(
            made.status.success(),
            "initdb: {}",
            String::from_utf8_lossy(&made.stderr)
        );
    }

    /// Starts it, again on the same port after [`Self::down`].
    pub(crate) fn up(&mut self) {
        let end = Instant::now() + READY;
        loop {
            if self.port == 0 {
                self.port = free_port();
            }
            self.launch();
            if self.answers(end) {
                return;
            }
            let log = std::fs::read_to_string(self.home.join("log")).unwrap_or_default();
            assert!(Instant::now() < end, "PostgreSQL does not start:\n{log}");
            self.down();
        }
    }

    fn launch(&mut self) {
        let config = format!(
            "listen_addresses = '127.0.0.1'\nport = {}\nunix_socket_directories = ''\nfsync = off\nmax_connections = 200\n",
            self.port
        );
        std::fs::write(self.home.join("data/postgresql.auto.conf"), config)
            .expect("the directory is ours");
        let mut shell = as_server(Command::new("sh"))
            .args(["-c", SUPERVISOR, "postgres-supervisor"])
            .arg(&self.home)
            .arg(installed())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .expect("there is a shell");
        let leash = shell.stdin.take().expect("piped above");
        self.running = Some((shell, leash));
    }

    /// Ends it at once, as a crash would.
    pub(crate) fn down(&mut self) {
        use std::io::Write as _;
        if let Some((mut shell, mut leash)) = self.running.take() {
            let _ = leash.write_all(b"keep\n");
            drop(leash);
            let _ = shell.wait();
        }
    }

    fn answers(&self, end: Instant) -> bool {
        let before = std::fs::read_to_string(self.home.join("log")).unwrap_or_default();
        while Instant::now() < end {
            if block_on(self.options("postgres").connect()).is_ok() {
                return true;
            }
            let log = std::fs::read_to_string(self.home.join("log")).unwrap_or_default();
            if log[before.len().min(log.len())..].contains("Address already in use") {
                return false;
            }
            pause();
        }
        false
    }

    fn options(&self, database: &str) -> PgConnectOptions {
        PgConnectOptions::new_without_pgpass()
            .host("127.0.0.1")
            .port(self.port)
            .username("cs")
            .password(PASSWORD)
            .database(database)
    }

    /// Makes an empty database and returns its name.
    pub(crate) fn database(&self) -> String {
        let name = format!("t{}", uuid::Uuid::new_v4().simple());
        let statement = format!("CREATE DATABASE {name}");
        block_on(async {
            let mut connection = self
                .options("postgres")
                .connect()
                .await
                .expect("it answers");
            connection
                .execute(statement.as_str())
                .await
                .expect("a fresh name");
            connection.close().await.expect("nothing is under way");
        });
        name
    }

    /// How `cs` reaches a database.
    pub(crate) fn url(&self, database: &str) -> String {
        let password =
            percent_encoding::utf8_percent_encode(PASSWORD, percent_encoding::NON_ALPHANUMERIC);
        format!(
            "postgres://cs:{password}@127.0.0.1:{}/{database}?sslmode=disable",
            self.port
        )
    }

    /// A connection to a database, to look at it.
    pub(crate) async fn connection(&self, database: &str) -> PgConnection {
        self.options(database).connect().await.expect("it answers")
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if let Some((mut shell, leash)) = self.running.take() {
            drop(leash);
            let _ = shell.wait();
        }
        let _ = std::fs::remove_dir_all(&self.home);
    }
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn as_server(mut command: Command) -> Command {
    if is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    command
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("LC_ALL", "C")
        .current_dir("/");
    command
}

/// Debian keeps them out of PATH.
fn programs() -> Option<PathBuf> {
    let mut versions: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path().join("bin")))
        .filter(|path| path.join("initdb").exists())
        .collect();
    versions.sort();
    let on_path = ["/usr/local/bin", "/usr/bin"].map(Path::new).into_iter();
    let mut on_path = on_path.filter(|path| path.join("initdb").exists());
    versions
        .pop()
        .or_else(|| on_path.next().map(Path::to_owned))
}

fn installed() -> PathBuf {
    programs().expect("postgresql is installed; tests/run does it")
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
        .block_on(work)
}

fn pause() {
    #[expect(
        clippy::disallowed_methods,
        reason = "the pause between two looks at a condition, outside async code"
    )]
    std::thread::sleep(Duration::from_millis(50));
}
