//! What a request, a webhook or an answer of Jenkins changes: each in one transaction, decided by `bridge`.

pub(super) mod create;
pub(super) mod run;
pub(super) mod webhook;

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::clients::chain;
use crate::store::StoreError;

/// Longest pause between two attempts to write down what Jenkins or Nomad has done.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Repeats a flow whose cause cannot be repeated (Jenkins has started the job) until the database takes it.
///
/// `None`: told to stop before. The lease runs out, and whoever takes the work over finds out what was done.
pub(super) async fn persist<T, F, W>(what: &str, stop: &CancellationToken, mut flow: F) -> Option<T>
where
    F: FnMut() -> W,
    W: Future<Output = Result<T, StoreError>>,
{
    let mut pause = Duration::from_millis(100);
    loop {
        match flow().await {
            Ok(done) => return Some(done),
            Err(error) if error.is_away() => {
                tracing::warn!("{what} waits for the database: {}", chain(&error));
            }
            Err(error) => {
                tracing::error!("{what} is given up: {}", chain(&error));
                return None;
            }
        }
        // Cancel-safe: only waits.
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = stop.cancelled() => return None,
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}
