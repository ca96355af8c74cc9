//! Values of the language, which are JSON values, and how one kind becomes another.
//!
//! Lists, sets and tuples are all lists, maps and objects all maps: the job that comes out knows no difference. Whole
//! numbers are kept as such whatever way they were written (`1.0` is `1`).

use serde_json::{Number, Value};

/// A whole number, or one with a fraction.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Numeric {
    Whole(i128),
    Fraction(f64),
}

impl Numeric {
    pub(super) fn as_f64(self) -> f64 {
        match self {
            #[expect(clippy::cast_precision_loss, reason = "what JSON can carry")]
            Self::Whole(whole) => whole as f64,
            Self::Fraction(fraction) => fraction,
        }
    }

    /// The value; `null` for what JSON cannot carry, e.g. infinity.
    pub(super) fn value(self) -> Value {
        match self {
            Self::Whole(whole) => i64::try_from(whole)
                .map(Value::from)
                .or_else(|_| u64::try_from(whole).map(Value::from))
                .unwrap_or_else(|_| fraction(self.as_f64())),
            Self::Fraction(number) => fraction(number),
        }
    }

    /// Whole numbers become whole again: `2.0` is `2`.
    pub(super) fn from_f64(number: f64) -> Self {
        const EXACT: f64 = 9_007_199_254_740_992.0;
        if number.fract() == 0.0 && number.abs() <= EXACT {
            #[expect(clippy::cast_possible_truncation, reason = "checked to fit")]
            return Self::Whole(number as i128);
        }
        Self::Fraction(number)
    }
}

fn fraction(number: f64) -> Value {
    Number::from_f64(number).map_or(Value::Null, Value::Number)
}

/// A number of the language.
pub(super) fn numeric(number: &Number) -> Numeric {
    match (number.as_i64(), number.as_u64()) {
        (Some(whole), _) => Numeric::Whole(whole.into()),
        (None, Some(whole)) => Numeric::Whole(whole.into()),
        (None, None) => Numeric::from_f64(number.as_f64().unwrap_or_default()),
    }
}

/// What kind of value it is, in the words of Nomad's messages.
pub(super) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "dynamic",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "tuple",
        Value::Object(_) => "object",
    }
}

/// As text, if it has one.
///
/// # Errors
/// The sentence of Nomad's messages.
pub(super) fn text(value: &Value) -> Result<String, String> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Bool(flag) => Ok(flag.to_string()),
        Value::Number(number) => Ok(number_text(number)),
        other => Err(format!("string required, but have {}", kind(other))),
    }
}

/// Never with an exponent: `1e3` is `1000`.
pub(super) fn number_text(number: &Number) -> String {
    match numeric(number) {
        Numeric::Whole(whole) => whole.to_string(),
        Numeric::Fraction(fraction) => fraction.to_string(),
    }
}

/// As number: a text that holds one counts.
pub(super) fn number(value: &Value) -> Result<Numeric, String> {
    let wrong = || Err("a number is required".to_owned());
    match value {
        Value::Number(number) => Ok(numeric(number)),
        Value::String(text) => {
            if let Ok(whole) = text.parse::<i128>() {
                return Ok(Numeric::Whole(whole));
            }
            // Not the names that Rust reads as numbers: `inf`, `NaN`.
            let digits = text.starts_with(|c: char| c.is_ascii_digit() || c == '-' || c == '.');
            match text.parse::<f64>() {
                Ok(number) if digits && number.is_finite() => Ok(Numeric::from_f64(number)),
                _ => wrong(),
            }
        }
        Value::Array(_) | Value::Object(_) | Value::Bool(_) => {
            Err(format!("number required, but have {}", kind(value)))
        }
        Value::Null => wrong(),
    }
}

/// As flag: the texts `true` and `false` count.
pub(super) fn flag(value: &Value) -> Result<bool, String> {
    match value {
        Value::Bool(flag) => Ok(*flag),
        Value::String(text) if text == "true" || text == "1" => Ok(true),
        Value::String(text) if text == "false" || text == "0" => Ok(false),
        Value::Array(_) | Value::Object(_) | Value::Number(_) => {
            Err(format!("bool required, but have {}", kind(value)))
        }
        Value::Null | Value::String(_) => Err("a bool is required".to_owned()),
    }
}

/// Brings the two results of a condition, or the entries of a list, to one kind: a number or flag beside a text becomes
/// text.
pub(super) fn unify(values: &mut [Value]) {
    if values.iter().any(Value::is_string) {
        for value in values.iter_mut() {
            if matches!(value, Value::Number(_) | Value::Bool(_))
                && let Ok(text) = text(value)
            {
                *value = Value::String(text);
            }
        }
    }
}
