//! A real Nomad server without clients: it stores jobs and runs nothing.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::ports::free_port;

/// How long an agent may take until it leads its cluster of one.
const START: Duration = Duration::from_secs(60);

pub(crate) struct Nomad {
    agent: Child,
    port: u16,
    _home: TempDir,
}

impl Nomad {
    /// Nothing when there is no `nomad` on PATH.
    pub(crate) fn start() -> Option<Self> {
        Command::new("nomad")
            .arg("version")
            .stdout(Stdio::null())
            .status()
            .ok()?;
        let home = tempfile::tempdir().unwrap();
        let port = free_port();
        let config = home.path().join("agent.json");
        std::fs::write(&config, configuration(port, &home).to_string()).unwrap();
        let mut agent = Command::new("nomad")
            .arg("agent")
            .arg("-config")
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let log = BufReader::new(agent.stdout.take().unwrap());
        let nomad = Self {
            agent,
            port,
            _home: home,
        };
        wait_for_leadership(log);
        for pool in ["minions", "gpu-minions", "db-pool"] {
            nomad
                .call("PUT", "/v1/node/pools", Some(&json!({ "Name": pool })))
                .unwrap();
        }
        Some(nomad)
    }

    /// Registers, reads back and purges. An error is Nomad's reason.
    pub(crate) fn register(&self, job: &Value) -> Result<Value, String> {
        let path = format!("/v1/job/{}", job["ID"].as_str().unwrap());
        self.call("PUT", "/v1/jobs", Some(&json!({ "Job": job })))?;
        let stored = self.call("GET", &path, None)?;
        self.call("DELETE", &format!("{path}?purge=true"), None)?;
        Ok(stored)
    }

    /// HTTP/1.0, so that answers are neither chunked nor kept open.
    fn call(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Value, String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).map_err(|e| e.to_string())?;
        stream
            .set_read_timeout(Some(Duration::from_secs(30)))
            .unwrap();
        let body = body.map(Value::to_string).unwrap_or_default();
        let length = body.len();
        write!(
            stream,
            "{method} {path} HTTP/1.0\r\nContent-Length: {length}\r\n\r\n{body}"
        )
        .unwrap();
        let mut answer = String::new();
        stream
            .read_to_string(&mut answer)
            .map_err(|e| e.to_string())?;
        let (head, body) = answer.split_once("\r\n\r\n").ok_or("no answer")?;
        match head.split(' ').nth(1) {
            Some("200") if body.is_empty() => Ok(Value::Null),
            Some("200") => serde_json::from_str(body).map_err(|e| e.to_string()),
            _ => Err(body.to_owned()),
        }
    }
}

impl Drop for Nomad {
    fn drop(&mut self) {
        let _ = self.agent.kill();
        let _ = self.agent.wait();
    }
}

fn configuration(http: u16, home: &TempDir) -> Value {
    json!({
        "name": "server",
        "data_dir": home.path(),
        "bind_addr": "127.0.0.1",
        "advertise": { "http": "127.0.0.1", "rpc": "127.0.0.1", "serf": "127.0.0.1" },
        "ports": { "http": http, "rpc": free_port(), "serf": free_port() },
        "server": { "enabled": true, "bootstrap_expect": 1 },
        // Never reached: without it, jobs with a `Vault` block are refused.
        "vault": { "enabled": true, "address": "http://127.0.0.1:1" },
        "disable_update_check": true,
    })
}

/// Reads the agent's log, to its end, so that it never blocks on a full pipe.
fn wait_for_leadership(log: impl BufRead + Send + 'static) {
    let (sender, lines) = mpsc::channel();
    std::thread::spawn(move || {
        for line in log.lines().map_while(Result::ok) {
            let _ = sender.send(line);
        }
    });
    let deadline = Instant::now() + START;
    let mut seen = Vec::new();
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        match lines.recv_timeout(left) {
            Ok(line) if line.contains("cluster leadership acquired") => return,
            Ok(line) => seen.push(line),
            Err(_) => panic!("Nomad does not come up:\n{}", seen.join("\n")),
        }
    }
}
