//! Durations as Nomad's users write them: `15s`, `1h30m`, `500ms`, `2d`.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Visitor;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A length of time, written as numbers with units: `ns`, `us`, `ms`, `s`, `m`, `h`, `d`.
///
/// Days are 24 hours; Nomad itself does not know them, so they are gone before a job is built.
/// Nomad's API counts in nanoseconds: [`Span::nanos`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Span(pub Duration);

/// Why a text is not a duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected a duration such as `30s`, `5m` or `1h30m`")]
pub struct InvalidSpan;

impl Span {
    /// So many whole seconds.
    #[must_use]
    pub const fn seconds(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }

    /// So many whole minutes.
    #[must_use]
    pub const fn minutes(minutes: u64) -> Self {
        Self::seconds(minutes * 60)
    }

    /// Nanoseconds, the unit of Nomad's API. Saturates at `i64::MAX`, some 292 years.
    #[must_use]
    pub fn nanos(self) -> i64 {
        i64::try_from(self.0.as_nanos()).unwrap_or(i64::MAX)
    }
}

const UNITS: [(&str, u64); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
    ("d", 86_400_000_000_000),
];

impl FromStr for Span {
    type Err = InvalidSpan;

    fn from_str(text: &str) -> Result<Self, InvalidSpan> {
        if text == "0" {
            return Ok(Self::default());
        }
        let mut rest = text;
        let mut total: u128 = 0;
        while !rest.is_empty() {
            let digits = rest
                .find(|c: char| !c.is_ascii_digit() && c != '.')
                .ok_or(InvalidSpan)?;
            let (number, tail) = rest.split_at(digits);
            let unit_end = tail
                .find(|c: char| c.is_ascii_digit() || c == '.')
                .unwrap_or(tail.len());
            let (unit, tail) = tail.split_at(unit_end);
            let scale = UNITS
                .iter()
                .find(|(name, _)| *name == unit)
                .ok_or(InvalidSpan)?
                .1;
            total = total
                .checked_add(scaled(number, scale)?)
                .ok_or(InvalidSpan)?;
            rest = tail;
        }
        if text.is_empty() {
            return Err(InvalidSpan);
        }
        let nanos = u64::try_from(total).map_err(|_| InvalidSpan)?;
        Ok(Self(Duration::from_nanos(nanos)))
    }
}

/// A decimal number times its unit, in whole nanoseconds; digits below a nanosecond are dropped.
fn scaled(number: &str, scale: u64) -> Result<u128, InvalidSpan> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() || fraction.contains('.') {
        return Err(InvalidSpan);
    }
    let scale = u128::from(scale);
    let parse = |digits: &str| {
        if digits.is_empty() {
            Ok(0)
        } else {
            digits
                .parse::<u64>()
                .map(u128::from)
                .map_err(|_| InvalidSpan)
        }
    };
    let kept = &fraction[..fraction.len().min(18)];
    let power = 10_u128.pow(u32::try_from(kept.len()).map_err(|_| InvalidSpan)?);
    Ok(parse(whole)? * scale + parse(kept)? * scale / power)
}

impl fmt::Display for Span {
    /// Shortest exact form, largest unit first: `1h30m`, `15s`, `500ms`, `0s`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0.as_nanos();
        if rest == 0 {
            return f.write_str("0s");
        }
        for (unit, scale) in [
            ("h", 3_600_000_000_000_u128),
            ("m", 60_000_000_000),
            ("s", 1_000_000_000),
            ("ms", 1_000_000),
            ("us", 1_000),
            ("ns", 1),
        ] {
            if rest >= scale {
                write!(f, "{}{unit}", rest / scale)?;
                rest %= scale;
            }
        }
        Ok(())
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(SpanVisitor)
    }
}

struct SpanVisitor;

impl Visitor<'_> for SpanVisitor {
    type Value = Span;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a duration such as `30s`, `5m` or `1h30m`")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Span, E> {
        text.parse().map_err(E::custom)
    }
}

impl JsonSchema for Span {
    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "A length of time: numbers with units ns, us, ms, s, m, h, d.",
            "pattern": r"^(0|([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h|d))+)$",
            "examples": ["30s", "5m", "1h30m"]
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_with_every_unit_and_written_back_shortest() {
        for (text, shown) in [
            ("30s", "30s"),
            ("1h30m", "1h30m"),
            ("90m", "1h30m"),
            ("2d", "48h"),
            ("1.5h", "1h30m"),
            ("500ms", "500ms"),
            ("0", "0s"),
        ] {
            assert_eq!(text.parse::<Span>().unwrap().to_string(), shown, "{text}");
        }
    }

    #[test]
    fn a_text_without_a_known_unit_is_refused() {
        for bad in [
            "",
            "30",
            "s",
            "1x",
            "-1s",
            "1 s",
            "1..5s",
            "99999999999999999999h",
        ] {
            assert!(bad.parse::<Span>().is_err(), "{bad:?}");
        }
    }
}
