//! The breaker: after one call has used up its retries, later calls are skipped at once.
//!
//! A deployment makes ten to twenty calls. Without a breaker a dead backend would cost each of them its retries.
//! After [`PROBE_AFTER`] one call is let through as a probe, with a single attempt; its outcome closes the breaker or
//! keeps it open for as long again. A probe that is dropped half-way leaves it open too.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// How long calls are skipped before one is let through.
const PROBE_AFTER: Duration = Duration::from_secs(30);

/// What a call may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Admission {
    /// Call, with retries.
    Call,
    /// Call once, to see whether the backend is back.
    Probe,
    /// Do not call. It has been counted.
    Skip,
}

#[derive(Debug, Default)]
struct State {
    /// Set while the breaker is open: when the next call becomes a probe.
    probe_at: Option<Instant>,
    /// Calls skipped and not yet told of.
    skipped: usize,
}

#[derive(Debug, Default)]
pub(super) struct Breaker(Mutex<State>);

impl Breaker {
    fn state(&self) -> MutexGuard<'_, State> {
        // The state is whole between any two statements, so a panic elsewhere has not broken it.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn admit(&self, now: Instant) -> Admission {
        let mut state = self.state();
        match state.probe_at {
            None => Admission::Call,
            Some(probe_at) if now >= probe_at => {
                state.probe_at = Some(now + PROBE_AFTER);
                Admission::Probe
            }
            Some(_) => {
                state.skipped += 1;
                Admission::Skip
            }
        }
    }

    /// Whether another call has found the backend dead, so that waiting for a retry makes no sense.
    pub(super) fn is_open(&self) -> bool {
        self.state().probe_at.is_some()
    }

    /// The backend answered. Returns whether it was thought dead.
    pub(super) fn answered(&self) -> bool {
        self.state().probe_at.take().is_some()
    }

    /// A call used up its attempts. Returns whether that tripped the breaker; `false` if it was open.
    pub(super) fn gave_up(&self, now: Instant) -> bool {
        self.state().probe_at.replace(now + PROBE_AFTER).is_none()
    }

    /// How many calls were skipped since this was last asked.
    pub(super) fn take_skipped(&self) -> usize {
        std::mem::take(&mut self.state().skipped)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_open_breaker_skips_and_counts_until_the_probe_is_due() {
        let (breaker, start) = (Breaker::default(), Instant::now());
        assert_eq!(breaker.admit(start), Admission::Call);
        assert!(breaker.gave_up(start));
        assert!(breaker.is_open());
        assert_eq!(breaker.admit(start), Admission::Skip);
        assert_eq!(breaker.admit(start + PROBE_AFTER / 2), Admission::Skip);
        assert_eq!(breaker.admit(start + PROBE_AFTER), Admission::Probe);
        assert_eq!(breaker.take_skipped(), 2);
        assert_eq!(breaker.take_skipped(), 0);
    }

    #[test]
    fn one_probe_at_a_time_and_a_lost_one_is_replaced() {
        let (breaker, start) = (Breaker::default(), Instant::now());
        breaker.gave_up(start);
        let due = start + PROBE_AFTER;
        assert_eq!(breaker.admit(due), Admission::Probe);
        assert_eq!(breaker.admit(due), Admission::Skip);
        assert_eq!(breaker.admit(due + PROBE_AFTER), Admission::Probe);
    }

    #[test]
    fn an_answer_closes_the_breaker_and_a_failed_probe_does_not_trip_it_anew() {
        let (breaker, start) = (Breaker::default(), Instant::now());
        breaker.gave_up(start);
        assert!(!breaker.gave_up(start + PROBE_AFTER));
        assert!(breaker.answered());
        assert!(!breaker.answered());
        assert_eq!(breaker.admit(start), Admission::Call);
    }
}
