//! Makes a failing input smaller.

use std::time::{Duration, Instant};

/// Longest search.
const TIME: Duration = Duration::from_secs(20);

/// Takes away pieces, large ones first, as long as it still fails.
pub(super) fn shrink(input: &[u8], fails: impl Fn(&[u8]) -> bool) -> Vec<u8> {
    let began = Instant::now();
    let quiet = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let mut best = input.to_vec();
    let mut piece = best.len().div_ceil(2);
    while piece > 0 && began.elapsed() < TIME {
        let mut at = 0;
        while at < best.len() && began.elapsed() < TIME {
            let mut smaller = best.clone();
            smaller.drain(at..(at + piece).min(best.len()));
            if fails(&smaller) {
                best = smaller;
            } else {
                at += piece;
            }
        }
        piece /= 2;
    }
    std::panic::set_hook(quiet);
    best
}
