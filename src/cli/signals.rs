//! SIGTERM and SIGINT.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::signal::unix::{Signal, SignalKind, signal};

/// How many hear signals and see to an orderly end.
static HEARING: AtomicUsize = AtomicUsize::new(0);

/// Whether somebody hears signals and sees to an orderly end.
pub(super) fn are_heard() -> bool {
    HEARING.load(Ordering::Relaxed) > 0
}

/// Signals that are caught from the moment this exists, so that none of them ends the process unannounced.
pub(super) struct Signals {
    both: Option<(Signal, Signal)>,
    sees_to_it: bool,
}

impl Signals {
    /// Begins to catch them. Make it before anybody can know that the process runs.
    ///
    /// When they cannot be caught, a stop is abrupt; that is warned of.
    pub(super) fn catch() -> Self {
        HEARING.fetch_add(1, Ordering::Relaxed);
        let mut signals = Self::catch_quietly();
        signals.sees_to_it = true;
        signals
    }

    /// The same for somebody who only looks whether others hear them.
    pub(super) fn catch_quietly() -> Self {
        let both = (
            signal(SignalKind::terminate()),
            signal(SignalKind::interrupt()),
        );
        let (Ok(terminate), Ok(interrupt)) = both else {
            tracing::warn!("signals cannot be caught; a stop will be abrupt");
            return Self {
                both: None,
                sees_to_it: false,
            };
        };
        Self {
            both: Some((terminate, interrupt)),
            sees_to_it: false,
        }
    }

    /// Waits for the first one since [`Self::catch`]; for ever when they cannot be caught.
    ///
    /// # Cancel safety
    /// Receiving a signal loses nothing.
    pub(super) async fn first(&mut self) {
        let Some((terminate, interrupt)) = &mut self.both else {
            return std::future::pending().await;
        };
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        if self.sees_to_it {
            HEARING.fetch_sub(1, Ordering::Relaxed);
        }
    }
}
