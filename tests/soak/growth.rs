//! Whether something grows: a line through many values, not two points.

use super::sample::Sample;

/// How much something may grow.
pub(super) struct Bound {
    pub(super) what: &'static str,
    pub(super) of: fn(&Sample) -> f64,
    /// Of its median.
    pub(super) share: f64,
    /// Or so much, if that is more.
    pub(super) least: f64,
}

/// How many medians the line goes through.
const WINDOWS: usize = 12;

/// What is wrong, if it grows. `values` are seconds and values; the first part of the time does not count.
pub(super) fn grown(values: &[(f64, f64)], warm_up: f64, bound: &Bound) -> Option<String> {
    let end = values.last()?.0;
    let after: Vec<(f64, f64)> = values
        .iter()
        .copied()
        .filter(|(at, _)| *at >= end * warm_up)
        .collect();
    let size = (after.len() / WINDOWS).max(1);
    let medians: Vec<(f64, f64)> = after
        .chunks(size)
        .map(|window| (middle(window, |v| v.0), middle(window, |v| v.1)))
        .collect();
    let slope = slope(&medians);
    let span = after.last()?.0 - after.first()?.0;
    let more = slope * span;
    let allowed = (middle(&after, |v| v.1) * bound.share).max(bound.least);
    (more > allowed).then(|| {
        format!(
            "{} grow by {more:.0} in {span:.0} s after the warm-up, {allowed:.0} are allowed; medians: {:?}",
            bound.what,
            medians.iter().map(|(_, value)| value.round()).collect::<Vec<_>>()
        )
    })
}

fn middle(values: &[(f64, f64)], of: impl Fn(&(f64, f64)) -> f64) -> f64 {
    let mut sorted: Vec<f64> = values.iter().map(of).collect();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

/// The median of the slopes between any two (Theil and Sen): single leaps do not bend it.
fn slope(values: &[(f64, f64)]) -> f64 {
    let mut slopes = Vec::new();
    for (place, one) in values.iter().enumerate() {
        for other in &values[place + 1..] {
            if other.0 > one.0 {
                slopes.push((other.1 - one.1) / (other.0 - one.0));
            }
        }
    }
    slopes.sort_by(f64::total_cmp);
    slopes.get(slopes.len() / 2).copied().unwrap_or(0.0)
}
