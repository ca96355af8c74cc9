//! What ends a phase before its time: the deadline of the run, and a signal.

use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::reconcile::Outcome;

/// How long a phase that was told to stop may take to clear up.
///
/// 2 s: children get a moment to end, files to be closed. Nomad itself kills a task 5 s after its signal by default.
const CLEARING_UP: Duration = Duration::from_secs(2);

/// The deadline of a run, and whether it was told to stop.
#[derive(Debug, Clone, Copy)]
pub struct Bounds<'a> {
    /// When time is up.
    pub deadline: Instant,
    /// Told to stop.
    pub cancel: &'a CancellationToken,
}

impl Bounds<'_> {
    /// Carries out a phase, which is handed a token that tells it to stop. It gets a moment to clear up, then it is dropped.
    ///
    /// # Errors
    /// What cut it short: [`Outcome::Cancelled`] or [`Outcome::Deadline`], with what was going on.
    pub async fn run<T, F: Future<Output = T>>(
        &self,
        doing: &str,
        phase: impl FnOnce(CancellationToken) -> F,
    ) -> Result<T, Outcome> {
        let stop = CancellationToken::new();
        let mut work = std::pin::pin!(phase(stop.clone()));
        // Cancel-safe: the phase itself is only borrowed.
        let cut_short = tokio::select! {
            biased;
            cut_short = self.cut_short(doing) => cut_short,
            done = &mut work => return Ok(done),
        };
        stop.cancel();
        // What it comes back with no longer counts.
        let _ = tokio::time::timeout(CLEARING_UP, work).await;
        Err(cut_short)
    }

    /// The same for a phase that has nothing to clear up, such as a question: it is dropped at once.
    ///
    /// # Errors
    /// As [`Bounds::run`].
    pub async fn ask<T>(&self, doing: &str, phase: impl Future<Output = T>) -> Result<T, Outcome> {
        // Cancel-safe: the caller says so of the phase.
        tokio::select! {
            biased;
            cut_short = self.cut_short(doing) => Err(cut_short),
            done = phase => Ok(done),
        }
    }

    /// Resolves when it is over, with how the run ends then.
    async fn cut_short(&self, doing: &str) -> Outcome {
        // Cancel-safe: both only wait.
        tokio::select! {
            biased;
            () = self.cancel.cancelled() => Outcome::Cancelled {
                doing: Some(doing.to_owned()),
            },
            () = tokio::time::sleep_until(self.deadline) => Outcome::Deadline {
                waiting_for: doing.to_owned(),
                cause: None,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_phase_out_of_time_is_told_to_stop_and_may_clear_up() {
        let cancel = CancellationToken::new();
        let bounds = Bounds {
            deadline: Instant::now() + Duration::from_secs(1),
            cancel: &cancel,
        };
        let mut cleared = false;
        let ended = bounds
            .run("cloning", |stop| {
                let cleared = &mut cleared;
                async move {
                    stop.cancelled().await;
                    *cleared = true;
                }
            })
            .await;
        let expected = Outcome::Deadline {
            waiting_for: "cloning".to_owned(),
            cause: None,
        };
        assert_eq!(ended, Err(expected));
        assert!(cleared);
    }

    #[tokio::test(start_paused = true)]
    async fn a_phase_that_does_not_listen_is_dropped() {
        let cancel = CancellationToken::new();
        cancel.cancel();
        let bounds = Bounds {
            deadline: Instant::now() + Duration::from_secs(60),
            cancel: &cancel,
        };
        let began = Instant::now();
        let ended = bounds
            .run("building", |_| std::future::pending::<()>())
            .await;
        let expected = Outcome::Cancelled {
            doing: Some("building".to_owned()),
        };
        assert_eq!(ended, Err(expected));
        assert_eq!(began.elapsed(), CLEARING_UP);
        let began = Instant::now();
        let ended = bounds.ask("asking", std::future::pending::<()>()).await;
        assert!(matches!(ended, Err(Outcome::Cancelled { .. })), "{ended:?}");
        assert!(began.elapsed().is_zero(), "a question is dropped at once");
    }

    #[tokio::test]
    async fn a_phase_that_ends_by_itself_gives_what_it_has() {
        let cancel = CancellationToken::new();
        let bounds = Bounds {
            deadline: Instant::now() + Duration::from_secs(60),
            cancel: &cancel,
        };
        assert_eq!(bounds.run("pushing", |_| async { 7 }).await, Ok(7));
    }
}
