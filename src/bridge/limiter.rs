//! How often one sender may speak: a token bucket each, in bounded memory.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::{Duration, Instant};

/// Senders that are remembered at most. Beyond it, whoever has waited longest is forgotten first: a full bucket and none at
/// all are the same.
const MOST_SENDERS: usize = 10_000;

/// How much a sender may say.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate {
    /// At once.
    pub burst: u32,
    /// Per second, in the long run; above 0.
    pub per_second: f64,
}

/// Buckets of all senders.
#[derive(Debug)]
pub struct Limiter<K> {
    rate: Rate,
    buckets: HashMap<K, Bucket>,
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    tokens: f64,
    at: Instant,
}

impl<K: Eq + Hash + Clone> Limiter<K> {
    /// Everybody starts with a full bucket.
    #[must_use]
    pub fn new(rate: Rate) -> Self {
        Self {
            rate,
            buckets: HashMap::new(),
        }
    }

    /// Takes a token.
    ///
    /// # Errors
    /// There is none; how long until there is one.
    pub fn take(&mut self, sender: &K, now: Instant) -> Result<(), Duration> {
        if !self.buckets.contains_key(sender) && self.buckets.len() >= MOST_SENDERS {
            self.forget(now);
        }
        let full = f64::from(self.rate.burst);
        let bucket = self.buckets.entry(sender.clone()).or_insert(Bucket {
            tokens: full,
            at: now,
        });
        let passed = now.saturating_duration_since(bucket.at).as_secs_f64();
        bucket.tokens = (bucket.tokens + passed * self.rate.per_second).min(full);
        bucket.at = now;
        if bucket.tokens >= 1.0 {
            bucket.tokens -= 1.0;
            return Ok(());
        }
        Err(Duration::from_secs_f64(
            (1.0 - bucket.tokens) / self.rate.per_second,
        ))
    }

    /// Forgets whose bucket is full again, and the older half when that is not enough.
    fn forget(&mut self, now: Instant) {
        let rate = self.rate;
        self.buckets.retain(|_, bucket| {
            let passed = now.saturating_duration_since(bucket.at).as_secs_f64();
            bucket.tokens + passed * rate.per_second < f64::from(rate.burst)
        });
        if self.buckets.len() >= MOST_SENDERS {
            let mut times: Vec<Instant> = self.buckets.values().map(|bucket| bucket.at).collect();
            times.sort_unstable();
            let middle = times[times.len() / 2];
            self.buckets.retain(|_, bucket| bucket.at > middle);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_taken_and_then_one_at_a_time() {
        let start = Instant::now();
        let mut limiter = Limiter::new(Rate {
            burst: 3,
            per_second: 2.0,
        });
        for _ in 0..3 {
            assert_eq!(limiter.take(&"a", start), Ok(()));
        }
        assert_eq!(limiter.take(&"a", start), Err(Duration::from_millis(500)));
        assert_eq!(
            limiter.take(&"b", start),
            Ok(()),
            "another sender is another bucket"
        );
        let later = start + Duration::from_millis(500);
        assert_eq!(limiter.take(&"a", later), Ok(()));
        assert!(limiter.take(&"a", later).is_err());
    }

    #[test]
    fn many_senders_take_bounded_memory() {
        let start = Instant::now();
        let mut limiter = Limiter::new(Rate {
            burst: 2,
            per_second: 0.001,
        });
        for sender in 0..3 * MOST_SENDERS {
            assert!(
                limiter
                    .take(&sender, start + Duration::from_micros(sender as u64))
                    .is_ok()
            );
            assert!(limiter.buckets.len() <= MOST_SENDERS);
        }
        let last = 3 * MOST_SENDERS - 1;
        let now = start + Duration::from_secs(1);
        assert!(limiter.take(&last, now).is_ok());
        assert!(
            limiter.take(&last, now).is_err(),
            "who spoke last is remembered"
        );
    }
}
