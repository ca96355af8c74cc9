//! A TCP proxy that can stop at an exact boundary of what is said, and that remembers what was said.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio_util::sync::CancellationToken;

/// Whether a chunk of bytes is something to count.
type Counts = fn(&[u8]) -> bool;

/// What passes, seen from the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// Towards the server: stopping here means that the server never hears it.
    Out,
    /// Towards the client: stopping here means that it is done and the client never learns.
    Back,
}

/// Hangs instead of passing on the n-th thing, counted from 1.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Trap {
    pub(crate) way: Way,
    pub(crate) at: usize,
}

#[derive(Default)]
struct State {
    trap: Option<Trap>,
    passed: [usize; 2],
    /// All that clients said.
    said: Vec<u8>,
    /// Ends the connections that are open now.
    open: CancellationToken,
}

struct Shared {
    state: Mutex<State>,
    sprung: Notify,
    counts: [Counts; 2],
    upstream: SocketAddr,
}

/// Stops when dropped.
pub(crate) struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: AbortHandle,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
        self.shared.state.lock().unwrap().open.cancel();
    }
}

impl Proxy {
    /// In front of a server that speaks HTTP: requests and replies count.
    pub(crate) async fn http(upstream: SocketAddr) -> Self {
        let request: Counts = |bytes| {
            let verbs: [&[u8]; 4] = [b"GET ", b"PUT ", b"POST ", b"DELETE "];
            verbs.iter().any(|verb| bytes.starts_with(verb))
        };
        Self::start(upstream, [request, |bytes| bytes.starts_with(b"HTTP/1.")]).await
    }

    /// In front of anything: each chunk counts.
    pub(crate) async fn chunks(upstream: SocketAddr) -> Self {
        Self::start(upstream, [|_| true, |_| true]).await
    }

    async fn start(upstream: SocketAddr, counts: [Counts; 2]) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .expect("the loopback has free ports");
        let address = listener.local_addr().expect("it is bound");
        let shared = Arc::new(Shared {
            state: Mutex::default(),
            sprung: Notify::new(),
            counts,
            upstream,
        });
        let accepting = tokio::spawn(accept(listener, Arc::clone(&shared))).abort_handle();
        Self {
            address,
            shared,
            accepting,
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Counts from now on, and hangs where the trap says.
    pub(crate) fn arm(&self, trap: Trap) {
        let mut state = self.shared.state.lock().unwrap();
        state.passed = [0; 2];
        state.trap = Some(trap);
    }

    /// Drops what hangs, with all connections, and is transparent from now on.
    pub(crate) fn disarm(&self) {
        let mut state = self.shared.state.lock().unwrap();
        state.trap = None;
        std::mem::take(&mut state.open).cancel();
    }

    /// Returns once the trap has caught something.
    pub(crate) async fn sprung(&self) {
        self.shared.sprung.notified().await;
    }

    /// All that clients said so far.
    pub(crate) fn said(&self) -> String {
        String::from_utf8_lossy(&self.shared.state.lock().unwrap().said).into_owned()
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((client, _)) = listener.accept().await {
        let open = shared.state.lock().unwrap().open.clone();
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            tokio::select! {
                () = open.cancelled() => {}
                () = connect(client, &shared) => {}
            }
        });
    }
}

/// Carries one connection until either side ends it.
async fn connect(client: TcpStream, shared: &Shared) {
    let Ok(server) = TcpStream::connect(shared.upstream).await else {
        return;
    };
    // Small messages must not wait for each other.
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    tokio::select! {
        () = pump(from_client, to_server, shared, Way::Out) => {}
        () = pump(from_server, to_client, shared, Way::Back) => {}
    }
}

async fn pump(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    shared: &Shared,
    way: Way,
) {
    let mut buffer = vec![0; 1 << 16];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        let chunk = &buffer[..length];
        if shared.catches(way, chunk) {
            shared.sprung.notify_one();
            std::future::pending::<()>().await;
        }
        if to.write_all(chunk).await.is_err() {
            return;
        }
    }
}

impl Shared {
    /// Whether to hang here. Once caught, nothing passes any more: the process is as good as dead.
    fn catches(&self, way: Way, chunk: &[u8]) -> bool {
        let mut state = self.state.lock().unwrap();
        if way == Way::Out {
            state.said.extend_from_slice(chunk);
        }
        if (self.counts[way as usize])(chunk) {
            state.passed[way as usize] += 1;
        }
        let passed = state.passed;
        state
            .trap
            .is_some_and(|trap| passed[trap.way as usize] >= trap.at)
    }
}
