//! A file server that does as a test tells it, down to the bytes: it may lie about lengths and fall silent in the middle.

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};

/// A request as the test sees it.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    /// Path and query.
    pub(crate) target: String,
    /// The whole head.
    pub(crate) head: String,
}

impl Asked {
    /// The value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

/// What is sent, after which the connection is closed.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<Part>,
}

#[derive(Debug, Clone)]
enum Part {
    Bytes(Vec<u8>),
    /// The same again and again, as long as somebody reads.
    Endless(Vec<u8>),
    Silence,
}

impl Answer {
    /// An answer with a length of its own choice, if any.
    pub(crate) fn bare(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    /// A whole file.
    pub(crate) fn file(body: impl Into<Vec<u8>>) -> Self {
        let body = body.into();
        let length = body.len().to_string();
        Self::bare(200)
            .header("Content-Length", &length)
            .bytes(body)
    }

    pub(crate) fn redirect(status: u16, to: &str) -> Self {
        Self::bare(status)
            .header("Location", to)
            .header("Content-Length", "0")
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn bytes(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.body.push(Part::Bytes(bytes.into()));
        self
    }

    /// The same bytes without an end.
    pub(crate) fn endless(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.body.push(Part::Endless(bytes.into()));
        self
    }

    /// Nothing more, and no end either.
    pub(crate) fn silence(mut self) -> Self {
        self.body.push(Part::Silence);
        self
    }
}

type Script = Arc<dyn Fn(&Asked) -> Option<Answer> + Send + Sync>;

/// Ends when dropped.
pub(crate) struct FilesServer {
    host: String,
    asked: Arc<Mutex<Vec<Asked>>>,
    open: Arc<AtomicUsize>,
    task: AbortHandle,
}

impl Drop for FilesServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl FilesServer {
    /// `None` says nothing at all, not even a status.
    pub(crate) async fn start(
        script: impl Fn(&Asked) -> Option<Answer> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .expect("a port");
        let host = listener.local_addr().expect("it is bound").to_string();
        let (asked, open) = (Arc::default(), Arc::new(AtomicUsize::new(0)));
        let (script, seen, count): (Script, _, _) =
            (Arc::new(script), Arc::clone(&asked), Arc::clone(&open));
        let task = tokio::spawn(async move {
            // Aborted with the listener.
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (script, seen, count) =
                    (Arc::clone(&script), Arc::clone(&seen), Arc::clone(&count));
                connections.spawn(async move {
                    count.fetch_add(1, Ordering::SeqCst);
                    // A client that goes away ends its connection, nothing else.
                    let _ = serve(stream, &script, &seen).await;
                    count.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        Self {
            host,
            asked,
            open,
            task: task.abort_handle(),
        }
    }

    /// The same answer for everybody.
    pub(crate) async fn with(answer: Answer) -> Self {
        Self::start(move |_| Some(answer.clone())).await
    }

    /// `127.0.0.1:<port>`.
    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    pub(crate) fn url(&self, target: &str) -> String {
        format!("http://{}{target}", self.host)
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().expect("no test panics in it").clone()
    }

    /// Connections that are served right now.
    pub(crate) fn open(&self) -> usize {
        self.open.load(Ordering::SeqCst)
    }
}

async fn serve(
    mut stream: TcpStream,
    script: &Script,
    seen: &Mutex<Vec<Asked>>,
) -> std::io::Result<()> {
    let head = read_head(&mut stream).await?;
    let target = head.split(' ').nth(1).unwrap_or_default().to_owned();
    let asked = Asked { target, head };
    let answer = script(&asked);
    seen.lock().expect("no test panics in it").push(asked);
    match answer {
        Some(answer) => send(&mut stream, &answer).await?,
        None => gone(&mut stream).await,
    }
    stream.shutdown().await
}

async fn read_head(stream: &mut TcpStream) -> std::io::Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}

async fn send(stream: &mut TcpStream, answer: &Answer) -> std::io::Result<()> {
    let mut head = format!("HTTP/1.1 {} Told\r\nConnection: close\r\n", answer.status);
    for (name, value) in &answer.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    stream.write_all(format!("{head}\r\n").as_bytes()).await?;
    for part in &answer.body {
        match part {
            Part::Bytes(bytes) => stream.write_all(bytes).await?,
            Part::Endless(bytes) => loop {
                stream.write_all(bytes).await?;
            },
            Part::Silence => gone(stream).await,
        }
    }
    Ok(())
}

/// Waits until the client has gone.
async fn gone(stream: &mut TcpStream) {
    let mut buffer = [0; 64];
    while stream.read(&mut buffer).await.is_ok_and(|read| read > 0) {}
}
