//! A real OpenBao or Vault, where `bao` or `vault` is on PATH, set up like the double.
//!
//! It runs in development mode, in memory, on its own port and in its own directory. A supervising shell holds it: when
//! the test binary ends, however it ends, the shell's input closes and it ends the server and removes the directory.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::ports::free_port;
use super::vault::{ROLE_ID, SECRET_ID};

const ROOT: &str = "root-of-the-test";

/// How long a server may take until it answers. 1 s is usual; many tests share the cores.
const READY: Duration = Duration::from_secs(60);

/// `kv/data/denied` and all below is what the role may not read.
const POLICY: &str = r#"
path "kv/*" { capabilities = ["read"] }
path "kv1/*" { capabilities = ["read"] }
path "kv/data/denied/*" { capabilities = ["deny"] }
"#;

/// KV version 2 at `kv/`, version 1 at `kv1/`, and the role of the double. Ended when dropped.
#[derive(Debug)]
pub(crate) struct RealVault {
    port: u16,
    shell: Child,
    /// Closing it ends the server.
    leash: Option<ChildStdin>,
}

impl Drop for RealVault {
    fn drop(&mut self) {
        drop(self.leash.take());
        let _ = self.shell.wait();
    }
}

/// `$1` is the directory, `$2` the program, `$3` the port, `$4` the root token.
const SUPERVISOR: &str = r#"
cd "$1" || exit 1
HOME="$1" TMPDIR="$1" "$2" server -dev -dev-no-store-token -dev-root-token-id="$4" \
  -dev-listen-address="127.0.0.1:$3" >"$1/log" 2>&1 </dev/null &
server=$!
read -r _
kill -KILL "$server" 2>/dev/null
wait "$server"
cd /
rm -rf --one-file-system "$1"
"#;

impl RealVault {
    /// Starts one; `None`, with a message, when neither program is installed.
    pub(crate) fn start() -> Option<Self> {
        let program = ["bao", "vault"].into_iter().find(|program| {
            let version = Command::new(program).arg("version").output();
            version.is_ok_and(|output| output.status.success())
        });
        let Some(program) = program else {
            #[expect(clippy::print_stderr, reason = "a skipped test must be seen")]
            {
                eprintln!(
                    "NO REAL VAULT: neither `bao` nor `vault` on PATH; tests against it are skipped"
                );
            }
            return None;
        };
        let mut last = String::new();
        // A port may be taken between choosing and using it.
        for _ in 0..3 {
            let directory = tempfile::Builder::new()
                .prefix("cs-vault-")
                .tempdir()
                .expect("a temporary directory can be made")
                .keep();
            let server = supervise(&directory, program);
            match server.wait_until_ready(&directory) {
                Ok(()) => {
                    server.set_up();
                    return Some(server);
                }
                Err(log) => last = log,
            }
        }
        panic!("`{program} server -dev` did not become ready; its last lines:\n{last}");
    }

    /// The one that all tests of this binary share.
    pub(crate) fn shared() -> Option<&'static Self> {
        static SHARED: OnceLock<Option<RealVault>> = OnceLock::new();
        SHARED.get_or_init(Self::start).as_ref()
    }

    /// E.g. `http://127.0.0.1:34567`.
    pub(crate) fn address(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Writes a secret: a new version where the path has `/data/`, else in place.
    pub(crate) fn secret(&self, path: &str, data: &Value) {
        match path.contains("/data/") {
            true => self.done("POST", path, &json!({"data": data})),
            false => self.done("POST", path, data),
        }
    }

    /// Deletes the last version.
    pub(crate) fn delete(&self, path: &str) {
        self.done("DELETE", path, &Value::Null);
    }

    /// Destroys a version.
    pub(crate) fn destroy(&self, path: &str, version: u64) {
        let path = path.replace("/data/", "/destroy/");
        self.done("POST", &path, &json!({"versions": [version]}));
    }

    /// How many tokens there are, besides the root one.
    pub(crate) fn live_tokens(&self) -> usize {
        let (status, body) = self.call("LIST", "auth/token/accessors", &Value::Null);
        assert_eq!(status, 200, "{body}");
        body["data"]["keys"].as_array().map_or(0, Vec::len) - 1
    }

    /// Calls as root; the answer must be a success.
    pub(crate) fn done(&self, method: &str, path: &str, body: &Value) {
        let (status, answer) = self.call(method, path, body);
        assert!(
            (200..300).contains(&status),
            "{method} {path}: {status} {answer}"
        );
    }

    fn call(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let text = exchange(self.port, method, path, body).expect("the server answers");
        parse(&text)
    }

    fn set_up(&self) {
        self.done("POST", "sys/auth/approle", &json!({"type": "approle"}));
        for (mount, version) in [("kv", "2"), ("kv1", "1")] {
            let options = json!({"type": "kv", "options": {"version": version}});
            self.done("POST", &format!("sys/mounts/{mount}"), &options);
        }
        self.done("POST", "sys/policies/acl/build", &json!({"policy": POLICY}));
        let role = json!({"token_policies": ["build"], "token_ttl": "20m"});
        self.done("POST", "auth/approle/role/build", &role);
        let role_id = json!({"role_id": ROLE_ID});
        self.done("POST", "auth/approle/role/build/role-id", &role_id);
        let secret_id = json!({"secret_id": SECRET_ID});
        self.done(
            "POST",
            "auth/approle/role/build/custom-secret-id",
            &secret_id,
        );
    }

    /// The error is the end of the server's log.
    fn wait_until_ready(&self, directory: &Path) -> Result<(), String> {
        let deadline = Instant::now() + READY;
        let log = || std::fs::read_to_string(directory.join("log")).unwrap_or_default();
        while Instant::now() < deadline {
            let health = exchange(self.port, "GET", "sys/health", &Value::Null);
            if health.is_ok_and(|answer| parse(&answer).0 == 200) {
                return Ok(());
            }
            if log().contains("address already in use") {
                return Err(log());
            }
            #[expect(
                clippy::disallowed_methods,
                reason = "the pause between two looks at a condition, outside async code"
            )]
            std::thread::sleep(Duration::from_millis(50));
        }
        let log = log();
        let lines: Vec<&str> = log.lines().collect();
        Err(lines[lines.len().saturating_sub(20)..].join("\n"))
    }
}

fn supervise(directory: &Path, program: &str) -> RealVault {
    let port = free_port();
    let mut shell = Command::new("sh")
        .args(["-c", SUPERVISOR, "vault-supervisor"])
        .arg(directory)
        .args([program, &port.to_string(), ROOT])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .expect("there is a shell");
    let leash = shell.stdin.take();
    RealVault { port, shell, leash }
}

/// A call without a client: it must not depend on the code under test.
fn exchange(port: u16, method: &str, path: &str, body: &Value) -> std::io::Result<String> {
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(1))?;
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    let body = if body.is_null() {
        String::new()
    } else {
        body.to_string()
    };
    write!(
        stream,
        "{method} /v1/{path} HTTP/1.0\r\nHost: localhost\r\nX-Vault-Token: {ROOT}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    Ok(text)
}

fn parse(answer: &str) -> (u16, Value) {
    let status = answer.split(' ').nth(1).and_then(|code| code.parse().ok());
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    (
        status.unwrap_or(0),
        serde_json::from_str(body).unwrap_or_default(),
    )
}
