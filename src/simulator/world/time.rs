//! Virtual time: nanoseconds, Go's duration text and Nomad's timestamps. Nothing here reads a clock.

use serde_json::Value;

/// A moment (nanoseconds since the Unix epoch) or a span, in nanoseconds: Nomad's own unit on the wire.
pub type Nanos = i64;

/// One millisecond.
pub const MILLISECOND: Nanos = 1_000_000;
/// One second.
pub const SECOND: Nanos = 1_000_000_000;
/// One minute.
pub const MINUTE: Nanos = 60 * SECOND;
/// One hour.
pub const HOUR: Nanos = 60 * MINUTE;

/// Reads Go's duration text, e.g. `1h30m`, `250ms`, `-2s`; `None` when it is not one.
#[must_use]
pub fn parse_go(text: &str) -> Option<Nanos> {
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Some(0);
    }
    if rest.is_empty() {
        return None;
    }
    let mut total = 0.0_f64;
    while !rest.is_empty() {
        let digits = rest
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .filter(|end| *end > 0)?;
        let number: f64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let end = rest
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(rest.len());
        let unit = match &rest[..end] {
            "ns" => 1.0,
            "us" | "µs" => 1e3,
            "ms" => 1e6,
            "s" => 1e9,
            "m" => 60e9,
            "h" => 3600e9,
            _ => return None,
        };
        total += number * unit;
        rest = &rest[end..];
    }
    #[expect(
        clippy::cast_possible_truncation,
        reason = "saturates, which is the wish"
    )]
    let nanos = total.round() as i64;
    Some(if negative { -nanos } else { nanos })
}

/// Writes a span as Go prints it: `1m0s`, `4s`, `612ms`.
#[must_use]
pub fn format_go(span: Nanos) -> String {
    if span == 0 {
        return "0s".to_owned();
    }
    let sign = if span < 0 { "-" } else { "" };
    let span = span.unsigned_abs();
    if span < 1_000 {
        return format!("{sign}{span}ns");
    }
    if span < 1_000_000 {
        return format!("{sign}{}µs", decimal(span, 1_000));
    }
    if span < 1_000_000_000 {
        return format!("{sign}{}ms", decimal(span, 1_000_000));
    }
    let (hours, rest) = (span / 3_600_000_000_000, span % 3_600_000_000_000);
    let (minutes, rest) = (rest / 60_000_000_000, rest % 60_000_000_000);
    let seconds = decimal(rest, 1_000_000_000);
    match (hours, minutes) {
        (0, 0) => format!("{sign}{seconds}s"),
        (0, _) => format!("{sign}{minutes}m{seconds}s"),
        _ => format!("{sign}{hours}h{minutes}m{seconds}s"),
    }
}

fn decimal(value: u64, unit: u64) -> String {
    let (whole, part) = (value / unit, value % unit);
    if part == 0 {
        return whole.to_string();
    }
    let width = unit.to_string().len() - 1;
    let part = format!("{part:0width$}");
    format!("{whole}.{}", part.trim_end_matches('0'))
}

/// Writes a moment as RFC 3339 with nanoseconds; `null` for zero, as Nomad does.
#[must_use]
pub fn timestamp(at: Nanos) -> Value {
    if at == 0 {
        return Value::Null;
    }
    match jiff::Timestamp::from_nanosecond(i128::from(at)) {
        Ok(at) => Value::String(at.to_string()),
        Err(_) => Value::Null,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn go_durations_are_read_and_written_as_go_does() {
        assert_eq!(parse_go("1h30m"), Some(90 * MINUTE));
        assert_eq!(parse_go("1.5s"), Some(1_500 * MILLISECOND));
        assert_eq!(parse_go("10"), None);
        assert_eq!(parse_go(""), None);
        assert_eq!(format_go(MINUTE), "1m0s");
        assert_eq!(format_go(612 * MILLISECOND), "612ms");
        assert_eq!(format_go(24 * HOUR), "24h0m0s");
        assert_eq!(format_go(1_500 * MILLISECOND), "1.5s");
    }

    #[test]
    fn the_zero_time_is_null() {
        assert_eq!(timestamp(0), Value::Null);
        assert_eq!(timestamp(SECOND), Value::from("1970-01-01T00:00:01Z"));
    }
}
