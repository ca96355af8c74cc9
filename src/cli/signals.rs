//! SIGTERM and SIGINT.

use tokio::signal::unix::{SignalKind, signal};

/// Waits for the first SIGTERM or SIGINT. When they cannot be caught it waits for ever, and a stop is abrupt.
///
/// # Cancel safety
/// Receiving a signal loses nothing.
pub(super) async fn first() {
    let (Ok(mut terminate), Ok(mut interrupt)) = (
        signal(SignalKind::terminate()),
        signal(SignalKind::interrupt()),
    ) else {
        tracing::warn!("signals cannot be caught; a stop will be abrupt");
        return std::future::pending().await;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}
