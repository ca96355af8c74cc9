//! Numbers.

use serde_json::{Value, json};

use super::{Function, Outcome, failed, fixed, number_at, repeated, text_at, whole_at};
use crate::simulator::jobspec::convert::Numeric;

pub(super) const TABLE: &[Function] = &[
    fixed("abs", &["num"], |arguments| {
        Ok(match number_at(arguments, 0)? {
            Numeric::Whole(whole) => Numeric::Whole(whole.abs()),
            Numeric::Fraction(fraction) => Numeric::Fraction(fraction.abs()),
        }
        .value())
    }),
    fixed("ceil", &["num"], |arguments| rounded(arguments, f64::ceil)),
    fixed("floor", &["num"], |arguments| {
        rounded(arguments, f64::floor)
    }),
    fixed("log", &["num", "base"], |arguments| {
        let (number, base) = (number_at(arguments, 0)?, number_at(arguments, 1)?);
        let result = number.as_f64().ln() / base.as_f64().ln();
        Ok(Numeric::from_f64(result).value())
    }),
    repeated("max", &[], "numbers", |arguments| extreme(arguments, true)),
    repeated("min", &[], "numbers", |arguments| extreme(arguments, false)),
    fixed("parseint", &["number", "base"], parse_whole),
    fixed("pow", &["num", "power"], |arguments| {
        let (number, power) = (number_at(arguments, 0)?, number_at(arguments, 1)?);
        let result = number.as_f64().powf(power.as_f64());
        Ok(Numeric::from_f64(result).value())
    }),
    fixed("signum", &["num"], |arguments| {
        let number = number_at(arguments, 0)?.as_f64();
        Ok(json!(i8::from(number > 0.0) - i8::from(number < 0.0)))
    }),
    repeated("range", &[], "params", range),
];

/// As Nomad bounds it.
const MOST_OF_RANGE: usize = 1024;

fn rounded(arguments: &[Value], round: fn(f64) -> f64) -> Outcome {
    Ok(Numeric::from_f64(round(number_at(arguments, 0)?.as_f64())).value())
}

fn extreme(arguments: &[Value], largest: bool) -> Outcome {
    let mut best: Option<Numeric> = None;
    for position in 0..arguments.len() {
        let number = number_at(arguments, position)?;
        let better = best.is_none_or(|best| (number.as_f64() > best.as_f64()) == largest);
        if better {
            best = Some(number);
        }
    }
    match best {
        Some(number) => Ok(number.value()),
        None => failed("must pass at least one number"),
    }
}

fn parse_whole(arguments: &[Value]) -> Outcome {
    let text = text_at(arguments, 0)?;
    let base = whole_at(arguments, 1)?;
    let Some(base) = u32::try_from(base)
        .ok()
        .filter(|base| (2..=36).contains(base))
    else {
        return failed("base must be a whole number between 2 and 62 inclusive");
    };
    match i128::from_str_radix(&text, base) {
        Ok(whole) => Ok(Numeric::Whole(whole).value()),
        Err(_) => failed(format!("cannot parse {text:?} as a base {base} integer")),
    }
}

fn range(arguments: &[Value]) -> Outcome {
    let numbers = (0..arguments.len())
        .map(|position| number_at(arguments, position).map(Numeric::as_f64))
        .collect::<Result<Vec<_>, _>>()?;
    let (start, end, step) = match numbers.as_slice() {
        [end] => (0.0, *end, if *end < 0.0 { -1.0 } else { 1.0 }),
        [start, end] => (*start, *end, if end < start { -1.0 } else { 1.0 }),
        [start, end, step] => (*start, *end, *step),
        _ => return failed("must have one, two, or three arguments"),
    };
    if step == 0.0 {
        return failed("step must not be zero");
    }
    if (step > 0.0 && end < start) || (step < 0.0 && end > start) {
        return failed("end must not be on the other side of start, as seen from the step");
    }
    let mut values = Vec::new();
    let mut at = start;
    while (step > 0.0 && at < end) || (step < 0.0 && at > end) {
        if values.len() == MOST_OF_RANGE {
            return failed(
                "more than 1024 values were generated; either decrease the difference between start and end or use a smaller step",
            );
        }
        values.push(Numeric::from_f64(at).value());
        at += step;
    }
    Ok(Value::Array(values))
}
