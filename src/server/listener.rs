//! Connections: accepted while there is room, bounded in headers and time, ended gracefully.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::state::Shared;
use super::{GRACE, router};

/// Longest wait for the headers of a request, an idle connection included, and for a TLS handshake.
const HEADERS: Duration = Duration::from_secs(15);

/// Most bytes of headers.
const HEADER_BYTES: usize = 32 * 1024;

/// The other end of a connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct Peer(pub(super) IpAddr);

/// Serves until `stop` is cancelled and every connection has ended, for at most [`GRACE`] longer.
pub(super) async fn serve(listener: TcpListener, shared: Arc<Shared>, stop: &CancellationToken) {
    let router = router::router(Arc::clone(&shared), stop.clone());
    // Who does not find room waits in the system's queue: nobody is turned away who could be served in a moment.
    let room = Arc::new(Semaphore::new(shared.limits.connections));
    let connections = TaskTracker::new();
    loop {
        let next = async {
            let place = Arc::clone(&room).acquire_owned().await;
            let place = place.expect("the semaphore is never closed");
            (listener.accept().await, place)
        };
        // Cancel-safe: a place is given back, and a connection that was not accepted stays in the queue.
        let (accepted, place) = tokio::select! {
            accepted = next => accepted,
            () = stop.cancelled() => break,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!("cannot accept a connection: {error}");
                // Out of file descriptors, most likely: those come back when connections end.
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let (router, shared, stop) = (router.clone(), Arc::clone(&shared), stop.clone());
        connections.spawn(async move {
            shared.metrics.connection(1);
            attend(stream, peer, router, &shared, &stop).await;
            shared.metrics.connection(-1);
            drop(place);
        });
    }
    drop(listener);
    connections.close();
    // Each connection knows its own bound.
    connections.wait().await;
}

async fn attend(
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
    shared: &Shared,
    stop: &CancellationToken,
) {
    // Small frames of a stream must not wait for each other.
    let _ = stream.set_nodelay(true);
    let peer = Peer(peer.ip());
    let Some(tls) = &shared.tls else {
        return speak(stream, peer, router, stop).await;
    };
    let acceptor = TlsAcceptor::from(tls.current());
    match tokio::time::timeout(HEADERS, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => speak(stream, peer, router, stop).await,
        Ok(Err(error)) => tracing::debug!("a TLS handshake failed: {error}"),
        Err(_) => tracing::debug!("a TLS handshake took too long"),
    }
}

async fn speak(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    peer: Peer,
    router: Router,
    stop: &CancellationToken,
) {
    let service = service_fn(move |mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(peer);
        TowerToHyperService::new(router.clone()).call(request.map(Body::new))
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS)
        .max_buf_size(HEADER_BYTES)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    // Cancel-safe: the connection is polled on below.
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            match tokio::time::timeout(GRACE, connection).await {
                Ok(ended) => ended,
                Err(_) => return,
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!("a connection ended early: {error}");
    }
}
