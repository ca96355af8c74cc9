//! SIGTERM and SIGINT.

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Signals that are caught from the moment this exists, so that none of them ends the process unannounced.
pub(super) struct Signals(Option<(Signal, Signal)>);

impl Signals {
    /// Begins to catch them. Make it before anybody can know that the process runs.
    ///
    /// When they cannot be caught, a stop is abrupt; that is warned of.
    pub(super) fn catch() -> Self {
        let both = (
            signal(SignalKind::terminate()),
            signal(SignalKind::interrupt()),
        );
        let (Ok(terminate), Ok(interrupt)) = both else {
            tracing::warn!("signals cannot be caught; a stop will be abrupt");
            return Self(None);
        };
        Self(Some((terminate, interrupt)))
    }

    /// Waits for the first one since [`Self::catch`]; for ever when they cannot be caught.
    ///
    /// # Cancel safety
    /// Receiving a signal loses nothing.
    pub(super) async fn first(&mut self) {
        let Some((terminate, interrupt)) = &mut self.0 else {
            return std::future::pending().await;
        };
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    }
}
