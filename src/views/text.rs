//! Small pieces of text that all views use.

use std::time::Duration;

/// Nanoseconds since the Unix epoch: Nomad's own unit of time.
pub type Nanos = i64;

/// The beginning of a UUID, as people and Nomad's own command line write it.
#[must_use]
pub fn short(id: &str) -> &str {
    id.get(..8).unwrap_or(id)
}

/// `1 node`, `3 nodes`.
#[must_use]
pub fn count(number: u64, noun: &str) -> String {
    if number == 1 {
        format!("1 {noun}")
    } else {
        format!("{number} {noun}s")
    }
}

/// How long ago a moment was, in its largest unit or two: `12s`, `4m`, `3h20m`, `9d`. `-` when the moment is unknown.
///
/// A moment in the future, by a clock that differs, was just now.
#[must_use]
pub fn age(moment: Nanos, now: Nanos) -> String {
    if moment <= 0 {
        return "-".to_owned();
    }
    let nanos = u64::try_from(now.saturating_sub(moment)).unwrap_or(0);
    span(Duration::from_nanos(nanos))
}

/// A span in its largest unit or two.
#[must_use]
pub fn span(span: Duration) -> String {
    let seconds = span.as_secs();
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    let (rest_of_minute, rest_of_hour, rest_of_day) = (seconds % 60, minutes % 60, hours % 24);
    match seconds {
        0..120 => format!("{seconds}s"),
        120..600 if rest_of_minute > 0 => format!("{minutes}m{rest_of_minute}s"),
        120..7200 => format!("{minutes}m"),
        7200..36_000 if rest_of_hour > 0 => format!("{hours}h{rest_of_hour}m"),
        7200..172_800 => format!("{hours}h"),
        _ if days < 10 && rest_of_day > 0 => format!("{days}d{rest_of_day}h"),
        _ => format!("{days}d"),
    }
}

/// `a, b and c`.
#[must_use]
pub fn list<T: AsRef<str>>(words: &[T]) -> String {
    match words {
        [] => String::new(),
        [one] => one.as_ref().to_owned(),
        [first @ .., last] => {
            let first: Vec<&str> = first.iter().map(AsRef::as_ref).collect();
            format!("{} and {}", first.join(", "), last.as_ref())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_is_told_in_its_largest_units() {
        const SECOND: i64 = 1_000_000_000;
        let cases = [
            (0, "0s"),
            (119, "119s"),
            (120, "2m"),
            (125, "2m5s"),
            (3 * 3600, "3h"),
            (3 * 3600 + 1200, "3h20m"),
            (11 * 3600 + 1200, "11h"),
            (47 * 3600, "47h"),
            (49 * 3600, "2d1h"),
            (40 * 86_400, "40d"),
        ];
        for (seconds, shown) in cases {
            assert_eq!(age(1, seconds * SECOND + 1), shown, "{seconds}");
        }
        assert_eq!(age(0, SECOND), "-");
        assert_eq!(age(5 * SECOND, SECOND), "0s", "clocks differ");
    }

    #[test]
    fn words_are_listed_as_people_do() {
        assert_eq!(list::<&str>(&[]), "");
        assert_eq!(list(&["a"]), "a");
        assert_eq!(list(&["a", "b", "c"]), "a, b and c");
    }
}
