//! A way to Nomad that can be disturbed: a TCP proxy that asks a rule what becomes of each request.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::future::BoxFuture;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::ReadHalf;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::lab::Lab;

/// A request as far as rules look at it.
#[derive(Debug, Clone)]
pub(super) struct Request {
    pub(super) method: String,
    /// With query.
    pub(super) target: String,
}

impl Request {
    /// A register, stop or purge.
    pub(super) fn is_write(&self) -> bool {
        self.is_register() || self.method == "DELETE"
    }

    pub(super) fn is_register(&self) -> bool {
        self.method == "PUT" && self.target.starts_with("/v1/jobs?")
    }

    /// One that waits for a change.
    pub(super) fn is_blocking(&self) -> bool {
        self.target.contains("index=")
    }
}

/// What becomes of a request.
#[derive(Debug, Clone)]
pub(super) enum Fate {
    /// Nomad gets it, the client gets the answer.
    Passes,
    /// Nomad gets it and carries it out; the connection ends before the answer.
    LosesItsReply,
    /// The same, but the client gets so many bytes of the answer.
    IsCutAfter(usize),
    /// The connection ends before Nomad gets it.
    IsLost,
    /// Something else answers.
    IsAnswered(u16, &'static str),
    /// Nomad gets it; the answer's header says that no leader is known.
    IsAnsweredByAFollower,
}

type Rule = Arc<dyn Fn(Request) -> BoxFuture<'static, Fate> + Send + Sync>;

/// Ends, with its connections, when dropped.
pub(super) struct Proxy {
    /// E.g. `http://127.0.0.1:34567`.
    pub(super) address: String,
    writes: watch::Receiver<usize>,
    _tasks: JoinSet<()>,
}

impl Proxy {
    /// In front of the lab's Nomad.
    pub(super) async fn start<F>(
        lab: &Lab,
        rule: impl Fn(Request) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Fate> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .expect("the loopback has free ports");
        Self::on(listener, lab, rule)
    }

    /// The same on a port that was chosen before.
    pub(super) fn on<F>(
        listener: TcpListener,
        lab: &Lab,
        rule: impl Fn(Request) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Fate> + Send + 'static,
    {
        let port = listener.local_addr().expect("it is bound").port();
        let nomad = lab
            .address
            .strip_prefix("http://")
            .expect("tests speak plain HTTP")
            .to_owned();
        let rule: Rule = Arc::new(move |request| Box::pin(rule(request)));
        let (counter, writes) = watch::channel(0);
        let mut tasks = JoinSet::new();
        tasks.spawn(serve(listener, nomad, rule, counter));
        Self {
            address: format!("http://127.0.0.1:{port}"),
            writes,
            _tasks: tasks,
        }
    }

    /// The first so many requests that `meets` get a fate, everything else passes.
    pub(super) async fn first(
        lab: &Lab,
        times: usize,
        meets: fn(&Request) -> bool,
        fate: Fate,
    ) -> Self {
        let left = AtomicUsize::new(times);
        Self::start(lab, move |request| {
            let takes = |left: usize| left.checked_sub(1);
            let is_hit = meets(&request)
                && left
                    .fetch_update(Ordering::SeqCst, Ordering::SeqCst, takes)
                    .is_ok();
            std::future::ready(if is_hit { fate.clone() } else { Fate::Passes })
        })
        .await
    }

    /// How many registers, stops and purges the client has sent.
    pub(super) fn writes(&self) -> usize {
        *self.writes.borrow()
    }

    /// Waits for the first of them.
    pub(super) async fn until_written(&self) {
        let mut writes = self.writes.clone();
        let waited = writes.wait_for(|count| *count > 0).await;
        waited.expect("the proxy runs as long as this exists");
    }
}

async fn serve(listener: TcpListener, nomad: String, rule: Rule, writes: watch::Sender<usize>) {
    let writes = Arc::new(writes);
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        while connections.try_join_next().is_some() {}
        let (nomad, rule, writes) = (nomad.clone(), Arc::clone(&rule), Arc::clone(&writes));
        connections.spawn(async move {
            // Whoever breaks a connection, the other side learns it by its end.
            let _ = exchange(client, &nomad, &rule, &writes).await;
        });
    }
}

/// One request, one answer, one connection each.
async fn exchange(
    mut client: TcpStream,
    nomad: &str,
    rule: &Rule,
    writes: &watch::Sender<usize>,
) -> io::Result<()> {
    let bytes = read_request(&mut client).await?;
    let request = parse(&bytes);
    if request.is_write() {
        writes.send_modify(|count| *count += 1);
    }
    match rule(request).await {
        Fate::Passes => {
            let mut server = send(nomad, &bytes).await?;
            // Ends when either side has closed: a client that goes away ends Nomad's wait, too.
            let (mut reads, mut writes) = client.split();
            // Cancel-safe: the connection ends either way.
            tokio::select! {
                copied = tokio::io::copy(&mut server, &mut writes) => { copied?; }
                () = closed(&mut reads) => {}
            }
        }
        Fate::IsLost => {}
        Fate::LosesItsReply => {
            answer_to(nomad, &bytes).await?;
        }
        Fate::IsCutAfter(length) => {
            let answer = answer_to(nomad, &bytes).await?;
            client
                .write_all(&answer[..length.min(answer.len())])
                .await?;
        }
        Fate::IsAnsweredByAFollower => {
            let answer = answer_to(nomad, &bytes).await?;
            let answer = String::from_utf8_lossy(&answer)
                .replace("X-Nomad-Knownleader: true", "X-Nomad-Knownleader: false")
                .replace("x-nomad-knownleader: true", "x-nomad-knownleader: false");
            client.write_all(answer.as_bytes()).await?;
        }
        Fate::IsAnswered(status, body) => {
            let length = body.len();
            let answer = format!(
                "HTTP/1.1 {status} Whatever\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\n\
                 Connection: close\r\n\r\n{body}"
            );
            client.write_all(answer.as_bytes()).await?;
        }
    }
    client.shutdown().await
}

/// Reads a head and as much body as it announces; what is passed on asks for a connection of its own.
async fn read_request(client: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let head = loop {
        if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break at;
        }
        if client.read_buf(&mut bytes).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    };
    let text = String::from_utf8_lossy(&bytes[..head]).into_owned();
    let length = header(&text, "content-length").map_or(0, |length| {
        length.parse::<usize>().expect("our own client counts")
    });
    assert!(header(&text, "transfer-encoding").is_none(), "{text}");
    while bytes.len() < head + 4 + length {
        if client.read_buf(&mut bytes).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    let line = text.find("\r\n").unwrap_or(text.len());
    bytes.splice(line..line, *b"\r\nConnection: close");
    Ok(bytes)
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| {
        let (found, value) = line.split_once(':')?;
        found.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

fn parse(bytes: &[u8]) -> Request {
    let text = String::from_utf8_lossy(bytes);
    let mut words = text.split(' ');
    Request {
        method: words.next().unwrap_or_default().to_owned(),
        target: words.next().unwrap_or_default().to_owned(),
    }
}

async fn send(nomad: &str, bytes: &[u8]) -> io::Result<TcpStream> {
    let mut server = TcpStream::connect(nomad).await?;
    server.write_all(bytes).await?;
    Ok(server)
}

async fn answer_to(nomad: &str, bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut server = send(nomad, bytes).await?;
    let mut answer = Vec::new();
    server.read_to_end(&mut answer).await?;
    Ok(answer)
}

/// Ends when the client has nothing more to say.
async fn closed(client: &mut ReadHalf<'_>) {
    let mut byte = [0];
    // A client that pipelines would be read here; ours does not.
    let _ = client.peek(&mut byte).await;
}
