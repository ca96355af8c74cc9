//! What a word of YAML stands for.
//!
//! YAML 1.2's core schema, with the spellings that many readers of YAML 1.1 take as well where they mean the same
//! (`1_000`, `0b101`). Where they mean something else, the value says so, and the reader of the kind refuses it.

use std::borrow::Cow;

use cs_yaml::{ScalarStyle, Span, Tag};

use super::{Flaw, Place, Value};

/// Reads a scalar. Only words without quotes are anything but text.
pub(super) fn resolve<'t>(
    text: Cow<'t, str>,
    style: ScalarStyle,
    tag: Option<&Tag>,
    place: Place,
) -> Result<Value<'t>, Flaw> {
    match tag {
        None if style == ScalarStyle::Plain => plain(text, place),
        None => Ok(Value::Text(text)),
        Some(tag) => tagged(text, tag, place),
    }
}

/// Refuses every tag of a list or a mapping but its own.
pub(super) fn check_collection_tag(tag: Option<&Tag>, own: &str, span: &Span) -> Result<(), Flaw> {
    match tag {
        Some(tag) if !tag.is_yaml_core_schema_tag(own) => {
            Err(Flaw::tag(span.start.into()).at_tag(span))
        }
        _ => Ok(()),
    }
}

fn tagged<'t>(text: Cow<'t, str>, tag: &Tag, place: Place) -> Result<Value<'t>, Flaw> {
    let Some(wanted) = tag.core_suffix() else {
        return Err(Flaw::tag(place));
    };
    if wanted == "str" {
        return Ok(Value::Text(text));
    }
    let value = plain(text, place)?;
    let fits = matches!(
        (wanted, &value),
        ("int", Value::Int(_) | Value::Large(_))
            | ("float", Value::Int(_) | Value::Large(_) | Value::Float(_))
            | ("bool", Value::Bool(_))
            | ("null", Value::Null)
    );
    if fits {
        Ok(value)
    } else {
        Err(Flaw::syntax(place, "the value is not what its tag says"))
    }
}

fn plain<'t>(text: Cow<'t, str>, place: Place) -> Result<Value<'t>, Flaw> {
    let bytes = text.as_bytes();
    let Some(first) = bytes.first() else {
        return Ok(Value::Null);
    };
    // Most words are neither, and are known by their first letter.
    match first {
        b'0'..=b'9' | b'+' | b'-' | b'.' => return number(text, place),
        b'~' if bytes.len() == 1 => return Ok(Value::Null),
        b'n' | b'N' | b't' | b'T' | b'f' | b'F' | b'o' | b'O' | b'y' | b'Y' if bytes.len() <= 5 => {
        }
        _ => return Ok(Value::Text(text)),
    }
    let is = |word: &str| text.eq_ignore_ascii_case(word);
    Ok(if is("null") {
        Value::Null
    } else if is("true") {
        Value::Bool(true)
    } else if is("false") {
        Value::Bool(false)
    } else if ["on", "off", "yes", "no"].into_iter().any(is) {
        Value::Switch(text)
    } else {
        Value::Text(text)
    })
}

fn number<'t>(text: Cow<'t, str>, place: Place) -> Result<Value<'t>, Flaw> {
    let (is_negative, digits) = match text.as_bytes()[0] {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, &*text),
    };
    if is_padded(digits) {
        return Ok(Value::Padded);
    }
    if let Some(magnitude) = whole(digits) {
        return Ok(signed(is_negative, magnitude));
    }
    let special = digits.to_ascii_lowercase();
    if special == ".inf" || special == ".nan" {
        return Err(not_finite(place));
    }
    let is_number = digits.starts_with(|c: char| c.is_ascii_digit() || c == '.');
    match digits.parse::<f64>() {
        Ok(value) if is_number && value.is_finite() => {
            Ok(Value::Float(if is_negative { -value } else { value }))
        }
        Ok(_) if is_number => Err(not_finite(place)),
        _ => Ok(Value::Text(text)),
    }
}

fn not_finite(place: Place) -> Flaw {
    Flaw::syntax(
        place,
        "the number is too large, infinite or none; put the value in quotes if it is text",
    )
}

fn is_padded(digits: &str) -> bool {
    digits.len() > 1
        && digits.starts_with('0')
        && digits.bytes().all(|b| b.is_ascii_digit() || b == b'_')
}

/// A whole number without its sign: decimal, `0x`, `0o` or `0b`, with single `_` between digits. `None` when it is none,
/// or too large.
fn whole(text: &str) -> Option<u64> {
    let (radix, digits) = match text.as_bytes() {
        [b'0', b'x' | b'X', ..] => (16, &text[2..]),
        [b'0', b'o' | b'O', ..] => (8, &text[2..]),
        [b'0', b'b' | b'B', ..] => (2, &text[2..]),
        _ => (10, text),
    };
    let mut value = 0_u64;
    // A `_` needs a digit on both sides.
    let mut after_digit = false;
    for c in digits.chars() {
        match c.to_digit(radix) {
            Some(digit) => {
                let tens = value.checked_mul(radix.into())?;
                value = tens.checked_add(digit.into())?;
                after_digit = true;
            }
            None if c == '_' && after_digit => after_digit = false,
            None => return None,
        }
    }
    after_digit.then_some(value)
}

/// A number that is too large for both becomes a float; none of the fields takes one.
fn signed(is_negative: bool, magnitude: u64) -> Value<'static> {
    match i64::try_from(magnitude) {
        Ok(value) => Value::Int(if is_negative { -value } else { value }),
        Err(_) if is_negative && magnitude == i64::MIN.unsigned_abs() => Value::Int(i64::MIN),
        #[expect(
            clippy::cast_precision_loss,
            reason = "nothing takes so large a number"
        )]
        Err(_) if is_negative => Value::Float(-(magnitude as f64)),
        Err(_) => Value::Large(magnitude),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn read(text: &str) -> Value<'_> {
        resolve(text.into(), ScalarStyle::Plain, None, Place::default()).unwrap()
    }

    #[test]
    fn words_are_what_yaml_1_2_says() {
        for (text, value) in [
            ("", Value::Null),
            ("~", Value::Null),
            ("null", Value::Null),
            ("Null", Value::Null),
            ("true", Value::Bool(true)),
            ("FALSE", Value::Bool(false)),
            ("0", Value::Int(0)),
            ("-0", Value::Int(0)),
            ("+12", Value::Int(12)),
            ("-12", Value::Int(-12)),
            ("1_000", Value::Int(1000)),
            ("0x1F", Value::Int(31)),
            ("0o17", Value::Int(15)),
            ("0b101", Value::Int(5)),
            ("9223372036854775807", Value::Int(i64::MAX)),
            ("-9223372036854775808", Value::Int(i64::MIN)),
            ("18446744073709551615", Value::Large(u64::MAX)),
            ("1.5", Value::Float(1.5)),
            ("-.5", Value::Float(-0.5)),
            ("1e3", Value::Float(1000.0)),
            ("1.", Value::Float(1.0)),
        ] {
            assert_eq!(read(text), value, "{text}");
        }
        assert!(matches!(read("18446744073709551616"), Value::Float(_)));
    }

    #[test]
    fn everything_else_is_text() {
        for text in [
            "a",
            "nil",
            "none",
            "nulls",
            "truth",
            "y",
            "n",
            "ok",
            "-",
            "+",
            ".",
            "..",
            "1__0",
            "1_",
            "_1",
            "0x",
            "0xg",
            "0b2",
            "1.2.3",
            "10.0.0.1",
            "2024-01-01",
            "12:30",
            "-a",
            "+ 1",
            "inf",
            "-inf",
            "nan",
            "infinity",
            "1e",
            "1kb",
            "30s",
            "0-9",
            "0800-1",
        ] {
            assert_eq!(read(text), Value::Text(text.into()), "{text}");
        }
    }

    #[test]
    fn words_that_yaml_1_1_reads_otherwise_are_marked() {
        for text in ["on", "ON", "Off", "yes", "no", "No"] {
            assert_eq!(read(text), Value::Switch(text.into()), "{text}");
        }
        for text in ["0800", "0755", "00", "-01", "+007", "0_7"] {
            assert_eq!(read(text), Value::Padded, "{text}");
        }
    }

    #[test]
    fn numbers_without_end_are_refused() {
        for text in [".inf", "-.INF", "+.inf", ".NaN", "1e999", "-1e999"] {
            let read = resolve(text.into(), ScalarStyle::Plain, None, Place::default());
            assert_eq!(read.unwrap_err().code, "yaml-syntax", "{text}");
        }
    }

    #[test]
    fn what_stands_in_quotes_is_text() {
        for style in [
            ScalarStyle::DoubleQuoted,
            ScalarStyle::SingleQuoted,
            ScalarStyle::Literal,
        ] {
            for text in ["", "1", "true", "on", "0800", ".inf", "~"] {
                let read = resolve(text.into(), style, None, Place::default());
                assert_eq!(read.unwrap(), Value::Text(text.into()));
            }
        }
    }
}
