//! Virtual time from real time: scaled, and moved ahead when asked.

use std::sync::Mutex;
use std::time::Duration;

use tokio::time::Instant;

use super::world::time::Nanos;

/// The clock of a simulator.
#[derive(Debug)]
pub(super) struct Clock(Mutex<Base>);

#[derive(Debug)]
struct Base {
    real: Instant,
    virtual_time: Nanos,
    speed: f64,
    is_paused: bool,
}

impl Clock {
    pub(super) fn new(start: Nanos, speed: f64) -> Self {
        Self(Mutex::new(Base {
            real: Instant::now(),
            virtual_time: start,
            speed,
            is_paused: false,
        }))
    }

    fn base(&self) -> std::sync::MutexGuard<'_, Base> {
        self.0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    pub(super) fn now(&self) -> Nanos {
        self.base().now()
    }

    /// How long it takes in real time until a moment; nothing when it has passed.
    pub(super) fn until(&self, at: Nanos) -> Duration {
        let base = self.base();
        let left = at.saturating_sub(base.now()).max(0);
        #[expect(
            clippy::cast_precision_loss,
            reason = "a nanosecond more or less does not matter"
        )]
        let seconds = left as f64 / 1e9 / base.speed;
        Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
    }

    pub(super) fn skip(&self, span: Nanos) {
        self.base().virtual_time += span.max(0);
    }

    pub(super) fn set_speed(&self, speed: f64) {
        let mut base = self.base();
        let now = base.now();
        *base = Base {
            real: Instant::now(),
            virtual_time: now,
            speed,
            is_paused: base.is_paused,
        };
    }

    pub(super) fn pause(&self) {
        let mut base = self.base();
        base.virtual_time = base.now();
        base.is_paused = true;
    }

    pub(super) fn resume(&self) {
        let mut base = self.base();
        base.real = Instant::now();
        base.is_paused = false;
    }
}

impl Base {
    fn now(&self) -> Nanos {
        if self.is_paused {
            return self.virtual_time;
        }
        let elapsed = self.real.elapsed().as_secs_f64() * self.speed * 1e9;
        #[expect(clippy::cast_possible_truncation, reason = "saturates after 292 years")]
        let elapsed = elapsed as i64;
        self.virtual_time.saturating_add(elapsed)
    }
}
