//! Random numbers and ids from a seed, so that the same run gives the same world.

use super::time::Nanos;

/// SplitMix64: small, good enough for ids and jitter, equal on every platform.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// Starts a sequence.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A random (version 4) UUID.
    pub fn uuid(&mut self) -> String {
        let bits = (u128::from(self.number()) << 64) | u128::from(self.number());
        uuid::Builder::from_random_bytes(bits.to_be_bytes())
            .into_uuid()
            .to_string()
    }

    /// A span between `low` and `high`, both included.
    pub fn between(&mut self, low: Nanos, high: Nanos) -> Nanos {
        let width = high.saturating_sub(low).max(0).unsigned_abs() + 1;
        low + i64::try_from(self.number() % width).unwrap_or(0)
    }

    /// Eight hexadecimal digits.
    pub fn hex8(&mut self) -> String {
        format!("{:08x}", self.number() & 0xffff_ffff)
    }

    /// Whether something of probability `p` (0 to 1) happens.
    pub fn chance(&mut self, p: f64) -> bool {
        #[expect(
            clippy::cast_precision_loss,
            reason = "53 random bits fit a double exactly"
        )]
        let unit = (self.number() >> 11) as f64 / (1_u64 << 53) as f64;
        unit < p
    }
}
