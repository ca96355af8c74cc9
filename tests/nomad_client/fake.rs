//! A server that answers bytes and misbehaves exactly as told.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, UnixListener};
use tokio::task::JoinSet;

/// What one request gets.
#[derive(Debug, Clone)]
pub(super) enum Step {
    /// These bytes; the connection stays.
    Answer(Vec<u8>),
    /// These bytes, then the connection is closed.
    AnswerAndClose(Vec<u8>),
    /// Bytes before any request was read, then a close.
    AtAccept(Vec<u8>),
    /// These bytes, each part after a pause; the connection stays open and silent.
    Slowly(Vec<Vec<u8>>, Duration),
    /// The request is read and the connection closed.
    Drop,
    /// The request is read and nothing happens.
    Hang,
}

/// A running server; ends when dropped.
pub(super) struct Fake {
    pub(super) address: String,
    requests: Arc<Mutex<Vec<String>>>,
    _tasks: JoinSet<()>,
}

type Steps = Arc<Mutex<VecDeque<Step>>>;

impl Fake {
    /// Takes the steps in order, across connections; the last one is repeated.
    pub(super) async fn start(steps: Vec<Step>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        Self::serve(address, steps, move |steps, requests| async move {
            let mut connections = JoinSet::new();
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                connections.spawn(converse(socket, Arc::clone(&steps), Arc::clone(&requests)));
            }
        })
    }

    /// The same on a Unix socket.
    pub(super) async fn start_unix(path: &std::path::Path, steps: Vec<Step>) -> Self {
        let listener = UnixListener::bind(path).unwrap();
        let address = format!("unix://{}", path.display());
        Self::serve(address, steps, move |steps, requests| async move {
            let mut connections = JoinSet::new();
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                connections.spawn(converse(socket, Arc::clone(&steps), Arc::clone(&requests)));
            }
        })
    }

    fn serve<F>(
        address: String,
        steps: Vec<Step>,
        run: impl FnOnce(Steps, Arc<Mutex<Vec<String>>>) -> F,
    ) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let requests = Arc::new(Mutex::new(Vec::new()));
        let mut tasks = JoinSet::new();
        tasks.spawn(run(
            Arc::new(Mutex::new(steps.into())),
            Arc::clone(&requests),
        ));
        Self {
            address,
            requests,
            _tasks: tasks,
        }
    }

    /// Whole requests so far, head and body.
    pub(super) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

fn next(steps: &Steps) -> Step {
    let mut steps = steps.lock().unwrap();
    if steps.len() > 1 {
        steps.pop_front().unwrap()
    } else {
        steps[0].clone()
    }
}

fn next_is_at_accept(steps: &Steps) -> bool {
    matches!(steps.lock().unwrap().front(), Some(Step::AtAccept(_)))
}

async fn converse(
    mut socket: impl AsyncRead + AsyncWrite + Unpin,
    steps: Steps,
    requests: Arc<Mutex<Vec<String>>>,
) {
    loop {
        if next_is_at_accept(&steps) {
            let Step::AtAccept(bytes) = next(&steps) else {
                unreachable!()
            };
            let _ = socket.write_all(&bytes).await;
            return;
        }
        let Some(request) = read_request(&mut socket).await else {
            return;
        };
        requests.lock().unwrap().push(request);
        match next(&steps) {
            Step::Answer(bytes) => {
                if socket.write_all(&bytes).await.is_err() {
                    return;
                }
            }
            Step::AnswerAndClose(bytes) => {
                let _ = socket.write_all(&bytes).await;
                return;
            }
            Step::Slowly(parts, pause) => {
                for part in parts {
                    tokio::time::sleep(pause).await;
                    let _ = socket.write_all(&part).await;
                }
                std::future::pending::<()>().await;
            }
            Step::Drop | Step::AtAccept(_) => return,
            Step::Hang => std::future::pending().await,
        }
    }
}

async fn read_request(socket: &mut (impl AsyncRead + Unpin)) -> Option<String> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let wanted = head
                .lines()
                .find_map(|line| {
                    line.to_ascii_lowercase()
                        .strip_prefix("content-length: ")
                        .map(str::to_owned)
                })
                .map_or(0, |length| length.parse::<usize>().unwrap());
            if body.len() >= wanted {
                return Some(text);
            }
        }
        let mut chunk = [0; 8192];
        match socket.read(&mut chunk).await {
            Ok(0) | Err(_) => return None,
            Ok(read) => bytes.extend_from_slice(&chunk[..read]),
        }
    }
}

/// An answer with a length.
pub(super) fn answer(status: u16, headers: &str, body: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 {status} X\r\n{headers}Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// Nomad's plain-text error.
pub(super) fn text(status: u16, body: &str) -> Step {
    Step::Answer(answer(
        status,
        "Content-Type: text/plain; charset=utf-8\r\n",
        body,
    ))
}

/// A JSON success.
pub(super) fn json(body: &str) -> Step {
    Step::Answer(answer(
        200,
        "Content-Type: application/json\r\nX-Nomad-Index: 7\r\n",
        body,
    ))
}
