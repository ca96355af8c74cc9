//! `dockerd` under a supervising shell.

use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use super::wire::call;
use crate::support::ports::free_port;

/// How long an engine may take until it answers. 2 s are usual; many tests share the cores.
const READY: Duration = Duration::from_secs(120);

#[derive(Debug)]
pub(super) struct Daemon {
    shell: Child,
    /// Closing it ends the engine.
    leash: Option<ChildStdin>,
}

impl Drop for Daemon {
    fn drop(&mut self) {
        drop(self.leash.take());
        let _ = self.shell.wait();
    }
}

/// `$1` is the directory, `$2` the bridge, `$3` its address, `$4` the storage driver.
///
/// Where no bridge can be made, steps of builds cannot run. What an engine that had to be killed leaves behind is known by
/// the directory, which stands in the command line of everything that it started.
const SUPERVISOR: &str = r#"
cd "$1" || exit 1
ip() { command ip "$@" 2>/dev/null || busybox ip "$@" 2>/dev/null; }
bridge=none
if ip link add "$2" type bridge && ip addr add "$3" dev "$2"; then bridge="$2"; fi
mkdir -p tmp home
echo "{}" >engine.json
(
  HOME="$1/home" TMPDIR="$1/tmp" BUILDKIT_STEP_LOG_MAX_SPEED=104857600 \
  dockerd --host "unix://$1/docker.sock" --data-root "$1/data" --exec-root "$1/exec" --pidfile "$1/docker.pid" \
    --config-file "$1/engine.json" --iptables=false --ip6tables=false --ip-forward=false --ip-masq=false \
    --bridge="$bridge" --storage-driver "$4" >"$1/dockerd.log" 2>&1 </dev/null
  : >"$1/ended"
) &
read -r _
kill -TERM "$(cat "$1/docker.pid" 2>/dev/null)" 2>/dev/null
n=0
while [ $n -lt 200 ] && [ ! -e "$1/ended" ]; do n=$((n+1)); sleep 0.1; done
for process in /proc/[0-9]*; do
  if tr '\0' ' ' <"$process/cmdline" 2>/dev/null | grep -qF "$1/"; then kill -KILL "${process#/proc/}" 2>/dev/null; fi
done
cd /
n=0
while [ $n -lt 50 ] && grep -qF " $1/" /proc/self/mounts; do
  n=$((n+1))
  grep -F " $1/" /proc/self/mounts | cut -d' ' -f2 | sort -r | while read -r mount; do umount -l "$mount" 2>/dev/null; done
done
[ "$bridge" = none ] || ip link delete "$bridge"
rm -rf --one-file-system "$1"
kill -TERM 0
"#;

/// Starts one. Returns the value of `DOCKER_HOST`, and what holds it.
///
/// # Errors
/// The end of the log of one that does not start.
pub(super) fn start() -> Result<(String, Daemon), String> {
    let mut last = String::new();
    // Where the directory lies on an overlay itself, only `vfs` works.
    for driver in ["overlay2", "vfs"] {
        let directory = tempfile::Builder::new()
            .prefix("cs-docker-")
            .tempdir()
            .expect("a temporary directory can be made")
            .keep();
        let daemon = supervise(&directory, driver);
        let host = format!("unix://{}", directory.join("docker.sock").display());
        match wait_until_ready(&host, &directory) {
            Ok(()) => return Ok((host, daemon)),
            Err(log) => last = log,
        }
    }
    Err(last)
}

fn supervise(directory: &Path, driver: &str) -> Daemon {
    // A free port is a number that nobody else has at the moment: it names the bridge and its network.
    let port = free_port();
    let [high, low] = port.to_be_bytes();
    let mut command = Command::new("sh");
    command
        .args(["-c", SUPERVISOR, "docker-supervisor"])
        .arg(directory)
        .arg(format!("cs{port}"))
        .arg(format!("10.{high}.{low}.1/24"))
        .arg(driver)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0);
    // A proxy of the machine is none of the engine's business.
    for name in ["HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"] {
        command.env_remove(name);
    }
    let mut shell = command.spawn().expect("there is a shell");
    let leash = shell.stdin.take();
    Daemon { shell, leash }
}

/// Waits until the engine answers. The error is the end of its log.
fn wait_until_ready(host: &str, directory: &Path) -> Result<(), String> {
    let deadline = Instant::now() + READY;
    while Instant::now() < deadline && !directory.join("ended").exists() {
        if call(host, "GET", "/_ping", b"").is_ok_and(|reply| reply.status == 200) {
            return Ok(());
        }
        #[expect(
            clippy::disallowed_methods,
            reason = "the pause between two looks at a condition, outside async code"
        )]
        std::thread::sleep(Duration::from_millis(50));
    }
    let log = std::fs::read_to_string(directory.join("dockerd.log")).unwrap_or_default();
    let lines: Vec<&str> = log.lines().collect();
    Err(lines[lines.len().saturating_sub(20)..].join("\n"))
}
