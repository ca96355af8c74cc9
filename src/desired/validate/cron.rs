//! Syntax of cron expressions as Nomad reads them.
//!
//! Five fields; a sixth is the *year*, and only with seven is the first one the second. Or one of a few `@` words;
//! `@every` and `@midnight` are none of them. A range may run backwards. Source: hashicorp/cronexpr; each row of the
//! tests was tried against a real Nomad.

/// One field.
struct Field {
    name: &'static str,
    min: u32,
    max: u32,
    /// Names for numbers, the first for `first_name`.
    names: &'static [&'static str],
    first_name: u32,
}

const fn number(name: &'static str, min: u32, max: u32) -> Field {
    Field {
        name,
        min,
        max,
        names: &[],
        first_name: 0,
    }
}

const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];
const DAYS: [&str; 7] = [
    "sunday",
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
];

const SECOND: Field = number("second", 0, 59);
const MINUTE: Field = number("minute", 0, 59);
const HOUR: Field = number("hour", 0, 23);
const DAY_OF_MONTH: Field = number("day of month", 1, 31);
const MONTH: Field = Field {
    name: "month",
    min: 1,
    max: 12,
    names: &MONTHS,
    first_name: 1,
};
const DAY_OF_WEEK: Field = Field {
    name: "day of week",
    min: 0,
    max: 7,
    names: &DAYS,
    first_name: 0,
};
const YEAR: Field = number("year", 1970, 2099);

const WORDS: [&str; 6] = [
    "@hourly",
    "@daily",
    "@weekly",
    "@monthly",
    "@yearly",
    "@annually",
];

/// Checks an expression.
///
/// # Errors
/// What is wrong with it.
pub(super) fn check(expression: &str) -> Result<(), String> {
    if expression.trim_start().starts_with('@') {
        return if WORDS.contains(&expression.trim()) {
            Ok(())
        } else {
            Err(format!(
                "of the words with `@` there are only {}",
                WORDS.join(", ")
            ))
        };
    }
    let texts: Vec<&str> = expression.split_whitespace().collect();
    let five = [MINUTE, HOUR, DAY_OF_MONTH, MONTH, DAY_OF_WEEK];
    let fields: Vec<Field> = match texts.len() {
        5 => five.into(),
        6 => five.into_iter().chain([YEAR]).collect(),
        7 => [SECOND].into_iter().chain(five).chain([YEAR]).collect(),
        other => return Err(format!("a cron expression has 5 to 7 fields, not {other}")),
    };
    for (field, text) in fields.iter().zip(texts) {
        for entry in text.split(',').filter(|entry| !entry.is_empty()) {
            if !field.accepts(entry) {
                return Err(format!("the field for the {} cannot be read", field.name));
            }
        }
    }
    Ok(())
}

impl Field {
    fn accepts(&self, entry: &str) -> bool {
        let entry = entry.to_ascii_lowercase();
        if self.special(&entry) {
            return true;
        }
        let (range, step) = match entry.split_once('/') {
            Some((range, step)) => (range, Some(step)),
            None => (entry.as_str(), None),
        };
        let range_is_valid = match range.split_once('-') {
            Some((from, to)) => self.value(from) && self.value(to),
            None => range == "*" || range == "?" || self.value(range),
        };
        range_is_valid && step.is_none_or(|step| self.step(step))
    }

    fn step(&self, text: &str) -> bool {
        digits(text).is_some_and(|step| (1..=self.max).contains(&step))
    }

    fn value(&self, text: &str) -> bool {
        digits(text).is_some_and(|value| (self.min..=self.max).contains(&value))
            || self.named(text).is_some()
    }

    fn named(&self, text: &str) -> Option<u32> {
        let matches = |name: &&str| **name == *text || (text.len() == 3 && name.starts_with(text));
        let position = self.names.iter().position(matches)?;
        u32::try_from(position)
            .ok()
            .map(|position| position + self.first_name)
    }

    /// Last day (`L`, `5L`), nearest weekday (`15W`, `LW`), n-th day of the week (`5#2`).
    fn special(&self, entry: &str) -> bool {
        match self.name {
            "day of month" => {
                matches!(entry, "l" | "lw")
                    || entry.strip_suffix('w').is_some_and(|day| self.value(day))
            }
            "day of week" => {
                entry.strip_suffix('l').is_some_and(|day| self.value(day))
                    || entry.split_once('#').is_some_and(|(day, nth)| {
                        self.value(day) && digits(nth).is_some_and(|nth| (1..=5).contains(&nth))
                    })
            }
            _ => false,
        }
    }
}

fn digits(text: &str) -> Option<u32> {
    let plain = (1..=4).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nomad_reads_is_accepted() {
        for good in [
            "* * * * *",
            "*/5 * * * *",
            "0 0 31 2 *",
            "@daily",
            "@hourly",
            "@annually",
            "* * * * * *",
            "* * * * * * *",
            "0 0 * * 7",
            "0 0 * * SUN",
            "0 0 * JAN *",
            "0 0 L * *",
            "0 0 * * 5L",
            "0 0 15W * *",
            "0 0 LW * *",
            "0 0 * * 5#2",
            "0 0 * * FRI#5",
            "1-5/2 * * * *",
            "5-1 * * * *",
            "? * * * *",
            "1,,2 * * * *",
            "0 0 * * mon-fri",
            "0 0 1 1 * 2030",
            "0 0 0 1 1 * 2030",
            "5/15 * * * *",
            "  0 0 * * *  ",
            "0 0 * * Friday",
            "0 22-4 * * *",
            "0 0 * * FRI-MON",
            "00 05 * * *",
            "0 0 1,L * *",
            "* * * * * 2030-2032",
        ] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
    }

    #[test]
    fn what_nomad_refuses_is_refused() {
        for bad in [
            "",
            "* * * *",
            "@every 1h",
            "@reboot",
            "@midnight",
            "@DAILY",
            "@foo",
            "60 * * * *",
            "0 24 * * *",
            "0 0 0 * *",
            "0 0 32 * *",
            "0 0 * 13 *",
            "0 0 * * 8",
            "*/0 * * * *",
            "*/70 * * * *",
            "a * * * *",
            "0 0 L-3 * *",
            "0 0 1 1 * 1969",
            "0 0 * * L",
            "* * * * * * * *",
        ] {
            assert!(check(bad).is_err(), "{bad}");
        }
    }
}
