//! Trying again inside a deadline.

use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};
use tokio::time::Instant;

use super::error::{Disposition, NomadError};
use crate::clients::chain;

/// First pause: an election takes a second or two, a dropped connection nothing.
const FIRST: Duration = Duration::from_millis(100);
/// Longest pause. Short enough that a deployment with a deadline of minutes notices a recovered cluster at once.
const LONGEST: Duration = Duration::from_secs(5);

/// Calls `op` until it succeeds, fails for a reason that waiting does not cure, or `deadline` would pass during the next
/// pause. Pauses double from 0.1 s to 5 s, with jitter, and are never shorter than what the server asked for.
///
/// Only [`Disposition::Backoff`] is repeated: a write whose outcome is unknown comes back to the caller at once. A call
/// begun before the deadline may end after it, within its own bound.
///
/// # Errors
/// The last error of `op`.
///
/// # Cancel safety
/// As safe as `op`.
pub async fn retrying<T, F, Fut>(deadline: Instant, op: F) -> Result<T, NomadError>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T, NomadError>>,
{
    op.retry(schedule())
        .when(|error| matches!(error.disposition(), Disposition::Backoff { .. }))
        .adjust(|error, pause| within(deadline, at_least(error, pause?)))
        .notify(log)
        .await
}

pub(super) fn schedule() -> ExponentialBuilder {
    ExponentialBuilder::default()
        .with_min_delay(FIRST)
        .with_max_delay(LONGEST)
        .with_factor(2.0)
        .with_jitter()
        .without_max_times()
}

/// A pause, stretched to what the server asked for.
pub(super) fn at_least(error: &NomadError, pause: Duration) -> Duration {
    match error.disposition() {
        Disposition::Backoff { after: Some(after) } => pause.max(after),
        _ => pause,
    }
}

fn within(deadline: Instant, pause: Duration) -> Option<Duration> {
    let end = Instant::now().checked_add(pause)?;
    (end < deadline).then_some(pause)
}

/// One line a retry. The first pauses are normal life of a cluster; a long one deserves a warning.
pub(super) fn log(error: &NomadError, pause: Duration) {
    let site = error.site();
    let reason = chain(error);
    let pause_ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
    if pause >= Duration::from_secs(1) {
        tracing::warn!(address = %site.address, operation = site.operation, pause_ms, "{reason}; trying again");
    } else {
        tracing::debug!(address = %site.address, operation = site.operation, pause_ms, "{reason}; trying again");
    }
}
