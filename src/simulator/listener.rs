//! Connections: a limit for each address, the raw 429 beyond it, and cutting a connection off.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use super::server::Shared;

/// What Nomad writes before it closes a connection beyond the limit.
pub(super) const TOO_MANY: &[u8] =
    b"HTTP/1.1 429 Too Many Requests\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n\
Your IP is issuing too many concurrent connections, please rate limit your calls\n";

/// Accepts connections.
pub(super) struct Gate {
    listener: TcpListener,
    shared: Arc<Shared>,
    open: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

impl Gate {
    pub(super) fn new(listener: TcpListener, shared: Arc<Shared>) -> Self {
        Self {
            listener,
            shared,
            open: Arc::default(),
        }
    }

    fn admit(&self, ip: IpAddr) -> Option<Place> {
        if self.shared.turns_away() {
            return None;
        }
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(ip).or_default();
        if *count >= self.shared.max_connections {
            return None;
        }
        *count += 1;
        Some(Place {
            ip,
            open: self.open.clone(),
        })
    }
}

impl Listener for Gate {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        loop {
            let (stream, address) = Listener::accept(&mut self.listener).await;
            // Small frames of a stream must not wait for each other.
            let _ = stream.set_nodelay(true);
            match self.admit(address.ip()) {
                Some(place) => return (Connection::new(stream, place, &self.shared.stop), address),
                None => {
                    tokio::spawn(turn_away(stream));
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

async fn turn_away(mut stream: TcpStream) {
    let say = async {
        stream.write_all(TOO_MANY).await?;
        stream.shutdown().await
    };
    // A peer that does not read must not hold the task.
    let _ = tokio::time::timeout(Duration::from_secs(1), say).await;
}

/// A place under the limit, given back when the connection ends.
struct Place {
    ip: IpAddr,
    open: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.ip) {
            *count = count.saturating_sub(1);
        }
    }
}

/// A connection that can be cut off from elsewhere.
pub(super) struct Connection {
    stream: TcpStream,
    cut: CancellationToken,
    cancelled: Pin<Box<WaitForCancellationFutureOwned>>,
    _place: Place,
}

impl Connection {
    fn new(stream: TcpStream, place: Place, stop: &CancellationToken) -> Self {
        let cut = stop.child_token();
        let cancelled = Box::pin(cut.clone().cancelled_owned());
        Self {
            stream,
            cut,
            cancelled,
            _place: place,
        }
    }

    fn check(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        match self.cancelled.as_mut().poll(context) {
            Poll::Pending => Ok(()),
            Poll::Ready(()) => {
                // The peer is to see a reset, not an orderly end.
                let _ = self.stream.set_zero_linger();
                Err(io::ErrorKind::ConnectionReset.into())
            }
        }
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check(context)?;
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.check(context)?;
        if let Some(rest) = bytes.strip_prefix(b"HTTP/1.0 ") {
            // An unframed body is only to be had from hyper under HTTP/1.0; Nomad sends it under 1.1.
            let patched = [b"HTTP/1.1 ", rest].concat();
            return Pin::new(&mut self.stream).poll_write(context, &patched);
        }
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// Cuts a connection off.
#[derive(Debug, Clone)]
pub(super) struct Cut(CancellationToken);

impl Cut {
    pub(super) const fn new(token: CancellationToken) -> Self {
        Self(token)
    }

    pub(super) fn now(&self) {
        self.0.cancel();
    }
}

impl Connected<IncomingStream<'_, Gate>> for Cut {
    fn connect_info(stream: IncomingStream<'_, Gate>) -> Self {
        Self(stream.io().cut.clone())
    }
}
