//! `format` and `formatlist`.

use serde_json::{Value, json};

use super::encoding::json_text;
use super::{Function, Outcome, Wrong, failed, repeated, text_at};
use crate::simulator::jobspec::convert::{self, Numeric};

pub(super) const TABLE: &[Function] = &[
    repeated("format", &["format"], "args", |arguments| {
        formatted(&text_at(arguments, 0)?, &arguments[1..]).map(Value::String)
    }),
    repeated("formatlist", &["format"], "args", format_list),
];

/// A verb with what stands between it and its `%`.
#[derive(Default)]
struct Verb {
    minus: bool,
    plus: bool,
    zero: bool,
    space: bool,
    sharp: bool,
    width: usize,
    precision: Option<usize>,
}

/// Widest field and longest fraction.
const WIDEST: usize = 1000;

fn formatted(format: &str, arguments: &[Value]) -> Result<String, Wrong> {
    let mut text = String::new();
    let mut letters = format.chars().peekable();
    let mut next = 0;
    while let Some(letter) = letters.next() {
        if letter != '%' {
            text.push(letter);
            continue;
        }
        let mut verb = Verb::default();
        let kind = loop {
            match letters.next() {
                Some('-') => verb.minus = true,
                Some('+') => verb.plus = true,
                Some('0') => verb.zero = true,
                Some(' ') => verb.space = true,
                Some('#') => verb.sharp = true,
                Some(digit @ '1'..='9') => verb.width = digits(digit, &mut letters),
                Some('.') => verb.precision = Some(digits('0', &mut letters)),
                other => break other,
            }
        };
        match kind {
            Some('%') => text.push('%'),
            Some(kind) => {
                let Some(argument) = arguments.get(next) else {
                    return failed("not enough arguments for the verbs of the format string");
                };
                text.push_str(&verb.write(kind, argument, next)?);
                next += 1;
            }
            None => return failed("the format string ends inside a verb"),
        }
    }
    if next < arguments.len() {
        return failed("too many arguments; no verbs in format string");
    }
    Ok(text)
}

fn digits(first: char, letters: &mut std::iter::Peekable<std::str::Chars<'_>>) -> usize {
    let mut number = first.to_digit(10).unwrap_or(0) as usize;
    while let Some(digit) = letters.peek().and_then(|letter| letter.to_digit(10)) {
        number = (number * 10 + digit as usize).min(WIDEST);
        letters.next();
    }
    number
}

impl Verb {
    fn write(&self, kind: char, argument: &Value, position: usize) -> Result<String, Wrong> {
        if argument.is_null() && kind != 'v' {
            let error = format!(
                "unsupported value for \"%{kind}\" at {position}: null value cannot be formatted"
            );
            return failed(error);
        }
        let wrong = |error| {
            Wrong::Call(format!(
                "unsupported value for \"%{kind}\" at {position}: {error}"
            ))
        };
        let number = || convert::number(argument).map_err(wrong);
        let written = match kind {
            's' => self.cut(convert::text(argument).map_err(wrong)?),
            'q' => json_text(&json!(convert::text(argument).map_err(wrong)?)),
            'v' if !self.sharp => match argument {
                Value::String(text) => text.clone(),
                other => json_text(other),
            },
            'v' => json_text(argument),
            't' => convert::flag(argument).map_err(wrong)?.to_string(),
            'd' => self.signed(&whole(number()?).to_string()),
            'b' => self.signed(&format!("{:b}", whole(number()?))),
            'o' => self.signed(&format!("{:o}", whole(number()?))),
            'x' | 'X' if argument.is_string() => {
                return failed("hexadecimal text is not supported here");
            }
            'x' => self.signed(&format!("{:x}", whole(number()?))),
            'X' => self.signed(&format!("{:X}", whole(number()?))),
            'f' | 'F' => {
                let precision = self.precision.unwrap_or(6);
                self.signed(&format!("{:.precision$}", number()?.as_f64()))
            }
            'g' | 'G' => self.signed(&convert::text(&number()?.value()).map_err(wrong)?),
            other => return failed(format!("unsupported format verb '{other}'")),
        };
        Ok(self.padded(&written))
    }

    fn cut(&self, text: String) -> String {
        match self.precision {
            Some(most) => text.chars().take(most).collect(),
            None => text,
        }
    }

    fn signed(&self, digits: &str) -> String {
        match digits.starts_with('-') {
            false if self.plus => format!("+{digits}"),
            false if self.space => format!(" {digits}"),
            _ => digits.to_owned(),
        }
    }

    fn padded(&self, text: &str) -> String {
        let missing = self.width.saturating_sub(text.chars().count());
        if self.minus {
            return format!("{text}{}", " ".repeat(missing));
        }
        if !self.zero {
            return format!("{}{text}", " ".repeat(missing));
        }
        let digits = text.trim_start_matches(['-', '+']);
        let (sign, digits) = text.split_at(text.len() - digits.len());
        format!("{sign}{}{digits}", "0".repeat(missing))
    }
}

fn whole(number: Numeric) -> i128 {
    match number {
        Numeric::Whole(whole) => whole,
        #[expect(clippy::cast_possible_truncation, reason = "saturates")]
        Numeric::Fraction(fraction) => fraction as i128,
    }
}

/// Lists are gone through side by side; what is no list stands in every row.
fn format_list(arguments: &[Value]) -> Outcome {
    let format = text_at(arguments, 0)?;
    let lengths = arguments[1..]
        .iter()
        .filter_map(|argument| argument.as_array().map(Vec::len));
    let length = lengths.clone().max().unwrap_or(1);
    if lengths.clone().any(|other| other != length) {
        return failed("all list arguments must have the same length");
    }
    let mut rows = Vec::with_capacity(length);
    for row in 0..length {
        let values = arguments[1..].iter().map(|argument| match argument {
            Value::Array(items) => items[row].clone(),
            other => other.clone(),
        });
        let values: Vec<Value> = values.collect();
        rows.push(json!(formatted(&format, &values)?));
    }
    Ok(Value::Array(rows))
}
