//! A bare HTTP client: one request a connection, nothing between the test and the bytes.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// Longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// A request.
#[derive(Debug, Clone, Default)]
pub(crate) struct Asked {
    pub(crate) method: &'static str,
    pub(crate) path: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Asked {
    pub(crate) fn get(path: impl Into<String>) -> Self {
        Self {
            method: "GET",
            path: path.into(),
            ..Self::default()
        }
    }

    pub(crate) fn post(path: impl Into<String>, body: impl Into<Vec<u8>>) -> Self {
        Self {
            method: "POST",
            path: path.into(),
            body: body.into(),
            ..Self::default()
        }
    }

    pub(crate) fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    pub(crate) fn bearer(self, token: &str) -> Self {
        self.header("Authorization", format!("Bearer {token}"))
    }

    fn head(&self) -> String {
        let mut head = format!("{} {} HTTP/1.1\r\nHost: test\r\n", self.method, self.path);
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str(&format!("Content-Length: {}\r\n", self.body.len()));
        head
    }
}

/// An answer.
#[derive(Debug, Clone)]
pub(crate) struct Answered {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answered {
    fn parse(text: &str) -> Option<Self> {
        let (head, body) = text.split_once("\r\n\r\n")?;
        let status = head.split(' ').nth(1)?.parse().ok()?;
        Some(Self {
            status,
            head: head.to_owned(),
            body: body.to_owned(),
        })
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}\n{self:?}"))
    }

    /// Fails unless it is a problem of this status and code.
    #[track_caller]
    pub(crate) fn assert_problem(&self, status: u16, code: &str) -> &Self {
        assert_eq!(self.status, status, "{self:?}");
        let body = self.json();
        assert_eq!(body["code"], code, "{self:?}");
        assert_eq!(body["status"], status, "{self:?}");
        assert!(
            self.header("content-type")
                .is_some_and(|kind| kind == "application/problem+json"),
            "{self:?}"
        );
        for member in ["title", "detail", "help"] {
            assert!(
                body[member].as_str().is_some_and(|text| !text.is_empty()),
                "{member}: {self:?}"
            );
        }
        self
    }

    #[track_caller]
    pub(crate) fn assert_status(&self, status: u16) -> &Self {
        assert_eq!(self.status, status, "{self:?}");
        self
    }

    pub(crate) fn header(&self, name: &str) -> Option<String> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name)
                .then(|| value.trim().to_owned())
        })
    }
}

/// Sends a request; `None` when there was no whole answer.
pub(crate) async fn send(address: SocketAddr, asked: &Asked) -> Option<Answered> {
    match tokio::time::timeout(PATIENCE, exchange(address, asked)).await {
        Ok(Ok(answered)) => Some(answered),
        Ok(Err(why)) => {
            tell(&why);
            None
        }
        Err(_) => {
            tell("no answer in time");
            None
        }
    }
}

#[expect(clippy::print_stderr, reason = "shown when the test fails")]
fn tell(why: &str) {
    eprintln!("no answer: {why}");
}

async fn exchange(address: SocketAddr, asked: &Asked) -> Result<Answered, String> {
    let mut stream = tokio::net::TcpStream::connect(address)
        .await
        .map_err(|error| format!("connect: {error}"))?;
    let head = format!("{}Connection: close\r\n\r\n", asked.head());
    let written = stream.write_all(head.as_bytes()).await;
    written.map_err(|error| format!("head: {error}"))?;
    // A server that has seen enough may close its side while the rest is on its way.
    let _ = stream.write_all(&asked.body).await;
    let mut bytes = Vec::new();
    let read = stream.read_to_end(&mut bytes).await;
    let text = String::from_utf8_lossy(&bytes);
    Answered::parse(&text).ok_or_else(|| format!("{read:?} after {text:?}"))
}

/// A stream of server-sent events that is read by a thread.
pub(crate) struct Sse {
    text: Arc<Mutex<String>>,
    stream: TcpStream,
}

impl Sse {
    pub(crate) fn open(address: SocketAddr, asked: &Asked) -> Self {
        let mut stream = TcpStream::connect(address).expect("it listens");
        let head = format!("{}\r\n", asked.head());
        stream.write_all(head.as_bytes()).expect("it reads");
        let text = Arc::<Mutex<String>>::default();
        let (kept, mut reader) = (Arc::clone(&text), stream.try_clone().expect("a socket"));
        std::thread::spawn(move || {
            let mut part = [0; 4096];
            while let Ok(length @ 1..) = reader.read(&mut part) {
                kept.lock()
                    .unwrap()
                    .push_str(&String::from_utf8_lossy(&part[..length]));
            }
        });
        Self { text, stream }
    }

    pub(crate) fn text(&self) -> String {
        self.text.lock().unwrap().clone()
    }

    /// The events so far: id, name, payload.
    pub(crate) fn events(&self) -> Vec<(i64, String, Value)> {
        let text = self.text();
        let mut events = Vec::new();
        let (mut id, mut name) = (0, String::new());
        for line in text.lines() {
            if let Some(text) = line.strip_prefix("id: ") {
                id = text.parse().expect("ids are numbers");
            } else if let Some(text) = line.strip_prefix("event: ") {
                text.clone_into(&mut name);
            } else if let Some(text) = line.strip_prefix("data: ") {
                let Ok(payload) = serde_json::from_str(text) else {
                    continue;
                };
                events.push((id, name.clone(), payload));
            }
        }
        events
    }

    pub(crate) fn names(&self) -> Vec<String> {
        self.events().into_iter().map(|(_, name, _)| name).collect()
    }
}

impl Drop for Sse {
    fn drop(&mut self) {
        let _ = self.stream.shutdown(std::net::Shutdown::Both);
    }
}
