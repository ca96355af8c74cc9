//! Jobs that start by the clock: cron expressions, and the starts.

use std::sync::Arc;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::World;
use super::job::{Job, JobKey};
use super::json::{flag, text, texts};
use super::refusal::Refusal;
use super::time::{Nanos, SECOND};
use super::timers::Due;

/// The expressions of a periodic job.
#[must_use]
pub(super) fn specs(job: &Value) -> Vec<String> {
    let periodic = &job["Periodic"];
    let one = text(periodic, "Spec");
    let mut specs = texts(periodic, "Specs");
    if !one.is_empty() {
        specs.push(one.to_owned());
    }
    specs
}

/// A cron expression of five fields, six with the year, or seven with the seconds as well, in UTC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cron {
    seconds: Vec<u32>,
    minutes: Vec<u32>,
    hours: Vec<u32>,
    days: Vec<u32>,
    months: Vec<u32>,
    weekdays: Vec<u32>,
    /// Nothing when every year fits.
    years: Option<Vec<u32>>,
    any_day: bool,
    any_weekday: bool,
}

const MONTHS: [&str; 12] = [
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
];
const WEEKDAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

impl Cron {
    /// Reads an expression; `None` when it is not one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = match text.trim() {
            "@yearly" | "@annually" => "0 0 1 1 *",
            "@monthly" => "0 0 1 * *",
            "@weekly" => "0 0 * * 0",
            "@daily" | "@midnight" => "0 0 * * *",
            "@hourly" => "0 * * * *",
            text => text,
        };
        let mut fields: Vec<&str> = text.split_whitespace().collect();
        match fields.len() {
            5 | 6 => fields.insert(0, "0"),
            7 => {}
            _ => return None,
        }
        let years = match fields.get(6) {
            None | Some(&("*" | "?")) => None,
            Some(years) => Some(field(years, 1970, 2099, &[])?),
        };
        let mut weekdays = field(fields[5], 0, 7, &WEEKDAYS)?;
        if weekdays.contains(&7) && !weekdays.contains(&0) {
            weekdays.push(0);
        }
        Some(Self {
            seconds: field(fields[0], 0, 59, &[])?,
            minutes: field(fields[1], 0, 59, &[])?,
            hours: field(fields[2], 0, 23, &[])?,
            days: field(fields[3], 1, 31, &[])?,
            months: field(fields[4], 1, 12, &MONTHS)?,
            weekdays,
            years,
            any_day: matches!(fields[3], "*" | "?"),
            any_weekday: matches!(fields[5], "*" | "?"),
        })
    }

    fn day_fits(&self, at: DateTime) -> bool {
        let number = |value: i8| u32::try_from(value).unwrap_or(0);
        let day = self.days.contains(&number(at.day()));
        let weekday = self
            .weekdays
            .contains(&number(at.weekday().to_sunday_zero_offset()));
        let fits = match (self.any_day, self.any_weekday) {
            (false, false) => day || weekday,
            _ => day && weekday,
        };
        let year = u32::try_from(at.year()).unwrap_or(0);
        fits && self.months.contains(&number(at.month()))
            && self
                .years
                .as_ref()
                .is_none_or(|years| years.contains(&year))
    }

    /// The first moment after `now` that fits; `None` when there is none within five years.
    #[must_use]
    pub fn next(&self, now: Nanos) -> Option<Nanos> {
        let start = jiff::Timestamp::from_second(now / SECOND + 1).ok()?;
        let mut day = start.to_zoned(TimeZone::UTC).datetime();
        let mut from = (day.hour(), day.minute(), day.second());
        for _ in 0..(5 * 366) {
            if self.day_fits(day)
                && let Some((hour, minute, second)) = self.time_from(from)
            {
                let at = day
                    .date()
                    .at(hour, minute, second, 0)
                    .to_zoned(TimeZone::UTC)
                    .ok()?;
                return Some(at.timestamp().as_second() * SECOND);
            }
            day = day.date().tomorrow().ok()?.at(0, 0, 0, 0);
            from = (0, 0, 0);
        }
        None
    }

    fn time_from(&self, from: (i8, i8, i8)) -> Option<(i8, i8, i8)> {
        let number = |value: u32| i8::try_from(value).unwrap_or(0);
        for hour in self.hours.iter().map(|hour| number(*hour)) {
            for minute in self.minutes.iter().map(|minute| number(*minute)) {
                for second in self.seconds.iter().map(|second| number(*second)) {
                    if (hour, minute, second) >= from {
                        return Some((hour, minute, second));
                    }
                }
            }
        }
        None
    }
}

/// Reads one field: `*`, `?`, `a`, `a-b`, `a-b/n`, `*/n`, lists of those, names.
fn field(text: &str, low: u32, high: u32, names: &[&str]) -> Option<Vec<u32>> {
    let number = |text: &str| -> Option<u32> {
        let lower = text.to_ascii_lowercase();
        let base = if low == 1 { 1 } else { 0 };
        names
            .iter()
            .position(|name| *name == lower)
            .and_then(|index| u32::try_from(index).ok())
            .map(|index| index + base)
            .or_else(|| text.parse().ok())
            .filter(|value| (low..=high).contains(value))
    };
    let mut values = Vec::new();
    for part in text.split(',') {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => (range, step.parse::<usize>().ok().filter(|step| *step > 0)?),
            None => (part, 1),
        };
        let (first, last) = match range {
            "*" | "?" => (low, high),
            range => match range.split_once('-') {
                Some((first, last)) => (number(first)?, number(last)?),
                None if part.contains('/') => (number(range)?, high),
                None => (number(range)?, number(range)?),
            },
        };
        if first > last {
            return None;
        }
        values.extend((first..=last).step_by(step));
    }
    values.sort_unstable();
    values.dedup();
    Some(values)
}

/// When a job starts next; `None` for jobs that do not start by the clock.
#[must_use]
pub(super) fn next_launch(job: &Value, now: Nanos) -> Option<Nanos> {
    if !flag(&job["Periodic"], "Enabled") || flag(job, "Stop") {
        return None;
    }
    specs(job)
        .iter()
        .filter_map(|spec| Cron::parse(spec))
        .filter_map(|cron| cron.next(now))
        .min()
}

impl World {
    /// Plans the next start of a periodic job.
    pub(super) fn track_periodic(&mut self, key: &JobKey) {
        let Some(job) = self.job(key) else { return };
        if let Some(at) = next_launch(&job.spec, self.now) {
            let spec = job.job_modify_index;
            self.timers.add(
                at,
                Due::Periodic {
                    key: key.clone(),
                    spec,
                },
            );
        }
    }

    pub(super) fn periodic_due(&mut self, key: &JobKey, spec: u64) {
        let Some(job) = self
            .job(key)
            .cloned()
            .filter(|job| job.job_modify_index == spec)
        else {
            return;
        };
        let overlaps = flag(&job.spec["Periodic"], "ProhibitOverlap")
            && self.children_of(key).any(|child| child.status != "dead");
        if !overlaps {
            self.launch(key, &job);
        }
        self.track_periodic(key);
    }

    fn launch(&mut self, key: &JobKey, parent: &Job) -> (String, u64) {
        let id = format!("{}/periodic-{}", key.id, self.now / SECOND);
        let child = JobKey::new(&key.namespace, &id);
        let mut spec = (*parent.spec).clone();
        spec["ID"] = json!(id);
        spec["Name"] = json!(id);
        spec["ParentID"] = json!(key.id);
        spec["Periodic"] = Value::Null;
        if self.job(&child).is_some() {
            return self.raise_eval(&child, "periodic-job");
        }
        let mut tx = self.begin("JobRegistered");
        let index = tx.index;
        self.new_version(&mut tx, &child, Arc::new(spec), None);
        let eval = self.add_eval(&mut tx, &child, "periodic-job", 0);
        self.commit(tx);
        (eval, index)
    }

    /// `PUT /job/:id/periodic/force`.
    ///
    /// # Errors
    /// Unknown, or not started by the clock.
    pub fn force_periodic(&mut self, key: &JobKey) -> Result<(String, u64), Refusal> {
        let Some(job) = self.job(key).cloned() else {
            return Err(Refusal::server("job not found"));
        };
        if !job.is_periodic() {
            return Err(Refusal::server("can't force launch non-periodic job"));
        }
        if !flag(&job.spec["Periodic"], "Enabled") || job.stopped() {
            return Err(Refusal::server(format!(
                "force launch for job {0:?} failed: can't force run non-tracked job {0:?} ({1})",
                key.id, key.namespace
            )));
        }
        Ok(self.launch(key, &job))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(spec: &str, now: &str) -> String {
        let now: jiff::Timestamp = now.parse().expect("test time");
        let at = Cron::parse(spec)
            .expect("test cron")
            .next(now.as_second() * SECOND);
        super::super::time::timestamp(at.expect("a next time"))
            .as_str()
            .expect("text")
            .to_owned()
    }

    #[test]
    fn the_next_start_is_the_first_moment_that_fits() {
        assert_eq!(
            next("*/5 * * * *", "2026-01-01T00:02:03Z"),
            "2026-01-01T00:05:00Z"
        );
        assert_eq!(
            next("0 3 * * *", "2026-01-01T03:00:00Z"),
            "2026-01-02T03:00:00Z"
        );
        assert_eq!(
            next("*/10 * * * * * *", "2026-01-01T00:00:01Z"),
            "2026-01-01T00:00:10Z"
        );
        assert_eq!(
            next("30 5 2 1 * 2027,2030", "2028-01-01T00:00:00Z"),
            "2030-01-02T05:30:00Z"
        );
        assert_eq!(
            next("0 0 29 2 *", "2026-01-01T00:00:00Z"),
            "2028-02-29T00:00:00Z"
        );
        assert_eq!(
            next("30 8 * * mon-fri", "2026-01-03T00:00:00Z"),
            "2026-01-05T08:30:00Z"
        );
        assert_eq!(
            next("@daily", "2026-01-01T12:00:00Z"),
            "2026-01-02T00:00:00Z"
        );
    }

    #[test]
    fn what_is_no_cron_expression_is_refused() {
        for spec in [
            "",
            "* * * *",
            "60 * * * *",
            "a * * * *",
            "*/0 * * * *",
            "5-1 * * * *",
        ] {
            assert_eq!(Cron::parse(spec), None, "{spec}");
        }
    }
}
