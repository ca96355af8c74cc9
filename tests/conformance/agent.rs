//! A development agent of a real Nomad that cannot outlive the test process.
//!
//! Values in statics are never dropped and a test process may be killed, so no guard in this process can end the agent. A
//! shell in its own process group holds it instead: it reads from a pipe whose other end is ours. However this process
//! ends, the kernel closes the pipe, the shell reads the end of file, interrupts the agent (which in development mode ends
//! its tasks and unmounts their directories), and after a deadline removes by force what is left.

use std::fmt::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use super::client::Client;
use crate::support::ports::free_port;

/// Longest wait for a ready node.
const START_DEADLINE: Duration = Duration::from_secs(60);

/// Tries with other ports: between looking for a free one and using it, somebody else may take it.
const STARTS: usize = 3;

/// `$1` is the agent's directory. Tasks and executors of the agent carry that directory in their environment or command
/// line, which is how leftovers are told from anybody else's.
const KEEPER: &str = r#"
dir=$1
cd "$dir" || exit 1
nomad agent -dev -config "$dir/agent.hcl" </dev/null >"$dir/agent.log" 2>&1 &
agent=$!
cat >/dev/null
kill -INT "$agent" 2>/dev/null
waited=0
while kill -0 "$agent" 2>/dev/null && [ "$waited" -lt 150 ]; do sleep 0.1; waited=$((waited + 1)); done
kill -KILL "$agent" 2>/dev/null
for process in /proc/[0-9]*; do
  pid=${process#/proc/}
  [ "$pid" = "$$" ] && continue
  if tr '\0' '\n' <"$process/environ" 2>/dev/null | grep -q "^NOMAD_ALLOC_DIR=$dir/" ||
    tr '\0' ' ' <"$process/cmdline" 2>/dev/null | grep -q " executor .*$dir/"; then
    kill -KILL "$pid" 2>/dev/null
  fi
done
grep -F " $dir/" /proc/mounts | cut -d ' ' -f 2 | sort -r | while read -r mount; do umount -l "$mount"; done
rm -rf "$dir"
"#;

/// Whether `nomad` is on PATH and runs.
pub(super) fn is_installed() -> bool {
    Command::new("nomad")
        .arg("version")
        .stdin(Stdio::null())
        .output()
        .is_ok_and(|output| output.status.success())
}

/// Starts the agent and returns its address. Its first node may not be ready yet.
pub(super) fn start() -> Result<String, String> {
    /// Keeps our end of the pipe open until the process ends.
    static KEEPERS: OnceLock<Child> = OnceLock::new();
    let mut reasons = String::new();
    for _ in 0..STARTS {
        let directory = tempfile::Builder::new()
            .prefix("cs-conformance-")
            .tempdir()
            .map_err(|error| format!("no temporary directory: {error}"))?
            .keep();
        let http = free_port();
        std::fs::write(directory.join("agent.hcl"), configuration(&directory, http))
            .map_err(|error| format!("cannot write the configuration: {error}"))?;
        let keeper = keep(&directory).map_err(|error| format!("cannot start a shell: {error}"))?;
        let url = format!("http://127.0.0.1:{http}");
        match await_ready(&url) {
            Ok(_) => {
                KEEPERS
                    .set(keeper)
                    .expect("only one thread starts the agent");
                return Ok(url);
            }
            Err(reason) => {
                let log = std::fs::read_to_string(directory.join("agent.log")).unwrap_or_default();
                let _ = writeln!(reasons, "{reason}; its log ends with: {}", tail(&log));
            }
        }
        // Dropping the keeper closes the pipe: the shell cleans up.
    }
    Err(reasons)
}

fn keep(directory: &Path) -> std::io::Result<Child> {
    // Its own process group: an interrupt at the keyboard reaches the tests, and the shell learns of it by the pipe. A clean
    // environment, because Nomad's client reads settings from there.
    Command::new("sh")
        .args(["-c", KEEPER, "keeper"])
        .arg(directory)
        .env_clear()
        .envs(path_only())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
}

#[expect(
    clippy::disallowed_methods,
    reason = "a program is started from the PATH of the tests"
)]
fn path_only() -> Option<(&'static str, std::ffi::OsString)> {
    std::env::var_os("PATH").map(|path| ("PATH", path))
}

/// Everything in its own directory, on its own ports, without looking for clouds, Consul or Vault. The amount of CPU is
/// given, so that the suite fits on small machines: its tasks use none.
fn configuration(directory: &Path, http: u16) -> String {
    let (rpc, serf, data) = (free_port(), free_port(), directory.join("data"));
    format!(
        r#"
data_dir = "{data}"
bind_addr = "127.0.0.1"
log_level = "WARN"
disable_update_check = true
ports {{
  http = {http}
  rpc = {rpc}
  serf = {serf}
}}
client {{
  cpu_total_compute = 20000
  options = {{
    "driver.allowlist" = "raw_exec,mock_driver",
    "fingerprint.denylist" = "env_aws,env_azure,env_digitalocean,env_gce,consul,vault,cni",
  }}
}}
plugin "raw_exec" {{
  config {{
    enabled = true
  }}
}}
"#,
        data = data.display(),
    )
}

/// Waits for a ready node, and returns whether one offers `mock_driver`.
pub(super) fn await_ready(url: &str) -> Result<bool, String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("no runtime: {error}"))?;
    runtime.block_on(async {
        let client = Client::new(url);
        let deadline = Instant::now() + START_DEADLINE;
        loop {
            let last = match client.send(reqwest::Method::GET, "/v1/nodes", None).await {
                Ok(reply) if has_ready_node(&reply.json()) => {
                    return Ok(offers_mock(&reply.json()));
                }
                Ok(reply) => format!("{} {}", reply.status, reply.text),
                Err(error) => format!("{error:?}"),
            };
            if Instant::now() > deadline {
                return Err(format!(
                    "no ready node at {url} within {START_DEADLINE:?}: {last}"
                ));
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    })
}

fn has_ready_node(nodes: &Value) -> bool {
    nodes
        .as_array()
        .into_iter()
        .flatten()
        .any(|node| node["Status"] == "ready")
}

fn offers_mock(nodes: &Value) -> bool {
    nodes
        .as_array()
        .into_iter()
        .flatten()
        .any(|node| node["Status"] == "ready" && node["Drivers"]["mock_driver"]["Healthy"] == true)
}

fn tail(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(8)..].join("\n")
}
