//! A real Nomad, where there is one.
//!
//! `CS_TEST_NOMAD_ADDR` names a running one; else `nomad` on PATH is started as a development agent on its own ports, with
//! its own directory. A supervising shell holds it: when the test binary ends, however it ends, the shell's input closes
//! and it ends the agent, with everything that the agent started, and removes the directory.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use cs::clients::nomad::{ConnectionConfig, NomadClient};

use super::ports::free_port;

/// How long an agent may take until its node is ready. 3 s are usual; many tests share the cores.
const READY: Duration = Duration::from_secs(60);

/// A real Nomad for tests. Ended when dropped, unless it was running before.
#[derive(Debug)]
pub(crate) struct RealNomad {
    address: String,
    agent: Option<Agent>,
}

#[derive(Debug)]
struct Agent {
    shell: Child,
    /// Closing it ends the agent.
    leash: Option<ChildStdin>,
}

impl RealNomad {
    /// Starts one, or takes the one that `CS_TEST_NOMAD_ADDR` names; `None`, with a message, when there is neither.
    pub(crate) fn start() -> Option<Self> {
        #[expect(clippy::disallowed_methods, reason = "the switch between test runs")]
        let given = std::env::var("CS_TEST_NOMAD_ADDR")
            .ok()
            .filter(|text| !text.is_empty());
        if let Some(address) = given {
            return Some(Self {
                address,
                agent: None,
            });
        }
        if Command::new("nomad").arg("version").output().is_err() {
            #[expect(clippy::print_stderr, reason = "a skipped test must be seen")]
            {
                eprintln!(
                    "NO REAL NOMAD: neither CS_TEST_NOMAD_ADDR nor `nomad` on PATH; tests against it are skipped"
                );
            }
            return None;
        }
        Some(start_agent("", ready))
    }

    /// One of our own with ACLs on, and its management token; `None`, with a message, when there is no `nomad` on PATH.
    pub(crate) fn with_acls() -> Option<(Self, String)> {
        if Command::new("nomad").arg("version").output().is_err() {
            #[expect(clippy::print_stderr, reason = "a skipped test must be seen")]
            {
                eprintln!("NO REAL NOMAD: no `nomad` on PATH; tests of its ACLs are skipped");
            }
            return None;
        }
        let nomad = start_agent("acl { enabled = true }", healthy);
        let port = nomad
            .address
            .rsplit(':')
            .next()
            .and_then(|port| port.parse().ok());
        let port = port.expect("the address ends with its port");
        let deadline = Instant::now() + READY;
        while Instant::now() < deadline {
            let body = request(port, "POST", "/v1/acl/bootstrap").unwrap_or_default();
            let token = body
                .split("\"SecretID\":\"")
                .nth(1)
                .and_then(|rest| rest.split('"').next());
            if let Some(token) = token {
                return Some((nomad, token.to_owned()));
            }
            pause();
        }
        panic!("the ACLs of a fresh agent cannot be bootstrapped");
    }

    /// The one that all tests of this binary share.
    pub(crate) fn shared() -> Option<&'static Self> {
        static SHARED: OnceLock<Option<RealNomad>> = OnceLock::new();
        SHARED.get_or_init(Self::start).as_ref()
    }

    /// E.g. `http://127.0.0.1:34567`.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// A client without credentials.
    pub(crate) fn client(&self) -> NomadClient {
        let config =
            ConnectionConfig::new(&self.address).expect("the address of a test agent is valid");
        NomadClient::new(config).expect("a client without TLS needs nothing")
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        drop(self.leash.take());
        let _ = self.shell.wait();
    }
}

/// `$1` is the directory. The agent gets time to end its allocations itself: those run in sessions of their own, where a
/// signal to the group does not reach them.
const SUPERVISOR: &str = r#"
cd "$1" || exit 1
TMPDIR="$1" nomad agent -dev -config "$1/agent.hcl" >"$1/agent.log" 2>&1 </dev/null &
agent=$!
read -r _
kill -TERM "$agent" 2>/dev/null
( n=0; while [ $n -lt 100 ] && kill -0 "$agent" 2>/dev/null; do n=$((n+1)); sleep 0.1; done; kill -KILL "$agent" 2>/dev/null ) &
wait "$agent"
cd /
rm -rf --one-file-system "$1"
kill -TERM 0
"#;

fn start_agent(extra: &str, is_ready: fn(u16) -> bool) -> RealNomad {
    let mut last = String::new();
    // A port may be taken between choosing and using it.
    for _ in 0..3 {
        let directory = tempfile::Builder::new()
            .prefix("cs-nomad-")
            .tempdir()
            .expect("a temporary directory can be made")
            .keep();
        let http = free_port();
        let config = format!("{}\n{extra}\n", agent_config(&directory, http));
        std::fs::write(directory.join("agent.hcl"), config).expect("the directory is ours");
        let agent = supervise(&directory);
        match wait_until_ready(http, &directory, is_ready) {
            Ok(()) => {
                return RealNomad {
                    address: format!("http://127.0.0.1:{http}"),
                    agent: Some(agent),
                };
            }
            Err(log) => last = log,
        }
    }
    panic!("`nomad agent -dev` did not become ready; its last lines:\n{last}");
}

fn supervise(directory: &Path) -> Agent {
    let mut shell = Command::new("sh")
        .args(["-c", SUPERVISOR, "nomad-supervisor"])
        .arg(directory)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .expect("there is a shell");
    let leash = shell.stdin.take();
    Agent { shell, leash }
}

/// Clouds are not looked for: that takes time, and a CA bundle in the environment ends the agent.
///
/// The Docker driver of one agent removes images and containers that belong to another: all of that is switched off.
fn agent_config(directory: &Path, http: u16) -> String {
    let (rpc, serf) = (free_port(), free_port());
    let directory = directory.display();
    format!(
        r#"
bind_addr = "127.0.0.1"
log_level = "WARN"
disable_update_check = true
ports {{
  http = {http}
  rpc  = {rpc}
  serf = {serf}
}}
client {{
  state_dir        = "{directory}/state"
  alloc_dir        = "{directory}/alloc"
  alloc_mounts_dir = "{directory}/mounts"
  options = {{
    "fingerprint.denylist" = "env_aws,env_azure,env_digitalocean,env_gce,consul,vault,cni"
  }}
}}
limits {{ http_max_conns_per_client = 500 }}
plugin "raw_exec" {{ config {{ enabled = true }} }}
plugin "docker" {{
  config {{
    gc {{
      image     = false
      container = true
      dangling_containers {{ enabled = false }}
    }}
  }}
}}
"#
    )
}

/// Whether the node can run tasks.
fn ready(http: u16) -> bool {
    let nodes = request(http, "GET", "/v1/nodes").unwrap_or_default();
    nodes.contains(r#""Status":"ready""#) && nodes.contains(r#""raw_exec":{"#)
}

/// Whether server and client work, for those who may not see the nodes.
fn healthy(http: u16) -> bool {
    let health = request(http, "GET", "/v1/agent/health").unwrap_or_default();
    health.matches(r#""ok":true"#).count() == 2
}

fn pause() {
    #[expect(
        clippy::disallowed_methods,
        reason = "the pause between two looks at a condition, outside async code"
    )]
    std::thread::sleep(Duration::from_millis(50));
}

/// Waits until the agent is ready. The error is the end of its log.
fn wait_until_ready(http: u16, directory: &Path, is_ready: fn(u16) -> bool) -> Result<(), String> {
    let deadline = Instant::now() + READY;
    while Instant::now() < deadline {
        if is_ready(http) {
            return Ok(());
        }
        let log = std::fs::read_to_string(directory.join("agent.log")).unwrap_or_default();
        if log.contains("address already in use") {
            return Err(log);
        }
        pause();
    }
    let log = std::fs::read_to_string(directory.join("agent.log")).unwrap_or_default();
    let lines: Vec<&str> = log.lines().collect();
    Err(lines[lines.len().saturating_sub(20)..].join("\n"))
}

/// A request without a client: it must not depend on the code under test.
fn request(port: u16, method: &str, path: &str) -> std::io::Result<String> {
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(1))?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    write!(
        stream,
        "{method} {path} HTTP/1.0\r\nHost: localhost\r\n\r\n"
    )?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    Ok(text)
}
