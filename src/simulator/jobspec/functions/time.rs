//! Moments, as text of RFC 3339.

use jiff::{SignedDuration, Zoned, fmt::temporal::Pieces, tz::TimeZone};
use serde_json::{Value, json};

use super::{Function, Outcome, Wrong, failed, fixed, text_at};
use crate::simulator::world::time::parse_go;

pub(super) const TABLE: &[Function] = &[
    fixed("formatdate", &["format", "time"], |arguments| {
        let moment = moment_at(arguments, 1)?;
        written(&text_at(arguments, 0)?, &moment)
    }),
    fixed("timeadd", &["timestamp", "duration"], |arguments| {
        let moment = moment_at(arguments, 0)?;
        let text = text_at(arguments, 1)?;
        let Some(nanos) = parse_go(&text) else {
            return Err(Wrong::Argument(
                1,
                format!("time: invalid duration {text:?}"),
            ));
        };
        match moment.checked_add(SignedDuration::from_nanos(nanos)) {
            Ok(later) => Ok(json!(format!(
                "{}{}",
                later.strftime("%Y-%m-%dT%H:%M:%S"),
                offset(&later)
            ))),
            Err(_) => failed("the moment is out of range"),
        }
    }),
];

/// The offset of the text is kept.
fn moment_at(arguments: &[Value], position: usize) -> Result<Zoned, Wrong> {
    let text = text_at(arguments, position)?;
    let wrong = || Wrong::Argument(position, format!("not a valid RFC3339 timestamp: {text:?}"));
    let timestamp: jiff::Timestamp = text.parse().map_err(|_| wrong())?;
    let pieces = Pieces::parse(text.as_str()).map_err(|_| wrong())?;
    let zone = pieces
        .to_numeric_offset()
        .map_or(TimeZone::UTC, TimeZone::fixed);
    Ok(timestamp.to_zoned(zone))
}

fn offset(moment: &Zoned) -> String {
    if moment.offset().is_zero() {
        "Z".to_owned()
    } else {
        moment.strftime("%:z").to_string()
    }
}

/// Runs of one letter and what they stand for.
const PARTS: &[(&str, &str)] = &[
    ("YYYY", "%Y"),
    ("YY", "%y"),
    ("MMMM", "%B"),
    ("MMM", "%b"),
    ("MM", "%m"),
    ("M", "%-m"),
    ("DD", "%d"),
    ("D", "%-d"),
    ("EEEE", "%A"),
    ("EEE", "%a"),
    ("hh", "%H"),
    ("h", "%-H"),
    ("HH", "%I"),
    ("H", "%-I"),
    ("AA", "%p"),
    ("aa", "%P"),
    ("mm", "%M"),
    ("m", "%-M"),
    ("ss", "%S"),
    ("s", "%-S"),
    ("ZZZZ", "%z"),
    ("ZZZZZ", "%:z"),
];

fn written(format: &str, moment: &Zoned) -> Outcome {
    let mut text = String::new();
    let mut rest = format;
    while let Some(letter) = rest.chars().next() {
        if letter == '\'' {
            let Some(end) = rest[1..].find('\'') else {
                return failed("unterminated literal '");
            };
            text.push_str(&rest[1..=end]);
            rest = &rest[end + 2..];
            continue;
        }
        let run = rest.len() - rest.trim_start_matches(letter).len();
        let (part, after) = rest.split_at(run);
        rest = after;
        match (PARTS.iter().find(|(known, _)| *known == part), part) {
            (Some((_, known)), _) => text.push_str(&moment.strftime(known).to_string()),
            (None, "Z") => text.push_str(&offset(moment)),
            (None, "ZZZ") if moment.offset().is_zero() => text.push_str("UTC"),
            (None, "ZZZ") => text.push_str(&moment.strftime("%z").to_string()),
            (None, _) if letter.is_ascii_alphabetic() => {
                return failed(format!("invalid date format verb {part:?}"));
            }
            (None, _) => text.push_str(part),
        }
    }
    Ok(json!(text))
}
