//! Counters, gauges and histograms, and the text in which Prometheus reads them.
//!
//! Plain data behind mutexes that are held for a look-up; nothing registers itself anywhere. Whoever serves `/metrics`
//! owns its metrics and writes them into a [`Page`], in an order of its own.
//!
//! ```
//! use cs::metrics::{Counter, Histogram, Page, SECONDS};
//! let tasks = Counter::new(["outcome"]);
//! let took = Histogram::new([], &SECONDS);
//! tasks.inc(["converged"]);
//! took.observe([], 0.25);
//! let text = Page::new()
//!     .counter("cs_runner_tasks_total", "Tasks that ended.", &tasks)
//!     .histogram("cs_runner_task_duration_seconds", "How long tasks took.", &took)
//!     .finish();
//! assert!(text.contains("cs_runner_tasks_total{outcome=\"converged\"} 1\n"));
//! ```
//!
//! Label values come from closed sets (outcomes, routes, statuses), never from outside: each value is a time series that
//! lives as long as the process. Source of the format: Prometheus, "Text-based format", version 0.0.4.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Value of the header `Content-Type` for a [`Page`].
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Upper bounds of buckets for things that take from milliseconds to a quarter of an hour, in seconds.
pub const SECONDS: [f64; 14] = [
    0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 180.0, 420.0, 900.0,
];

/// Samples by the values of `N` labels.
#[derive(Debug)]
struct Family<const N: usize, T> {
    labels: [&'static str; N],
    samples: Mutex<BTreeMap<[String; N], T>>,
}

impl<const N: usize, T> Family<N, T> {
    fn new(labels: [&'static str; N], unlabelled: T) -> Self {
        let mut samples = BTreeMap::new();
        // A series without labels exists from the start, at zero; others with their first value.
        if N == 0 {
            samples.insert([(); N].map(|()| String::new()), unlabelled);
        }
        Self {
            labels,
            samples: Mutex::new(samples),
        }
    }

    fn samples(&self) -> MutexGuard<'_, BTreeMap<[String; N], T>> {
        self.samples.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, values: [&str; N], fresh: impl FnOnce() -> T, change: impl FnOnce(&mut T)) {
        let mut samples = self.samples();
        change(
            samples
                .entry(values.map(str::to_owned))
                .or_insert_with(fresh),
        );
    }
}

/// Something that is counted, by `N` labels; only grows.
#[derive(Debug)]
pub struct Counter<const N: usize>(Family<N, u64>);

impl<const N: usize> Counter<N> {
    /// Nothing was counted yet. `labels` are names such as `outcome`.
    #[must_use]
    pub fn new(labels: [&'static str; N]) -> Self {
        Self(Family::new(labels, 0))
    }

    /// Counts one more.
    pub fn inc(&self, values: [&str; N]) {
        self.add(values, 1);
    }

    /// Counts `more` at once; with 0 the series shows up at its present value.
    pub fn add(&self, values: [&str; N], more: u64) {
        self.0
            .change(values, || 0, |value| *value = value.saturating_add(more));
    }
}

/// Something that goes up and down, by `N` labels.
#[derive(Debug)]
pub struct Gauge<const N: usize>(Family<N, f64>);

impl<const N: usize> Gauge<N> {
    /// At zero.
    #[must_use]
    pub fn new(labels: [&'static str; N]) -> Self {
        Self(Family::new(labels, 0.0))
    }

    /// Says what it is now.
    pub fn set(&self, values: [&str; N], now: f64) {
        self.0.change(values, || 0.0, |value| *value = now);
    }

    /// Adds `change`, which may be negative.
    pub fn add(&self, values: [&str; N], change: f64) {
        self.0.change(values, || 0.0, |value| *value += change);
    }
}

/// How often values fell into which range, by `N` labels.
#[derive(Debug)]
pub struct Histogram<const N: usize> {
    family: Family<N, Spread>,
    bounds: &'static [f64],
}

#[derive(Debug, Clone, Default)]
struct Spread {
    /// One for each bound, not added up; what is above the last bound is only in `count`.
    buckets: Vec<u64>,
    count: u64,
    sum: f64,
}

impl<const N: usize> Histogram<N> {
    /// Nothing was observed yet. `bounds` ascend; the last bucket, without a bound, is added.
    #[must_use]
    pub fn new(labels: [&'static str; N], bounds: &'static [f64]) -> Self {
        Self {
            family: Family::new(labels, spread(bounds)),
            bounds,
        }
    }

    /// Takes note of one value, in the unit of the bounds.
    pub fn observe(&self, values: [&str; N], value: f64) {
        let fresh = || spread(self.bounds);
        self.family.change(values, fresh, |spread| {
            spread.count += 1;
            spread.sum += value;
            if let Some(bucket) = self.bounds.iter().position(|bound| value <= *bound) {
                spread.buckets[bucket] += 1;
            }
        });
    }
}

fn spread(bounds: &[f64]) -> Spread {
    Spread {
        buckets: vec![0; bounds.len()],
        ..Spread::default()
    }
}

/// The text of all metrics at one moment.
#[derive(Debug, Default)]
pub struct Page(String);

impl Page {
    /// An empty page.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a counter. By convention its name ends with `_total`.
    #[must_use]
    pub fn counter<const N: usize>(mut self, name: &str, help: &str, counter: &Counter<N>) -> Self {
        self.head(name, help, "counter");
        for (values, value) in counter.0.samples().iter() {
            self.sample(name, &pairs(&counter.0.labels, values), *value);
        }
        self
    }

    /// Adds a gauge.
    #[must_use]
    pub fn gauge<const N: usize>(mut self, name: &str, help: &str, gauge: &Gauge<N>) -> Self {
        self.head(name, help, "gauge");
        for (values, value) in gauge.0.samples().iter() {
            self.sample(name, &pairs(&gauge.0.labels, values), *value);
        }
        self
    }

    /// Adds a histogram. By convention its name ends with its unit, e.g. `_seconds`.
    #[must_use]
    pub fn histogram<const N: usize>(
        mut self,
        name: &str,
        help: &str,
        histogram: &Histogram<N>,
    ) -> Self {
        self.head(name, help, "histogram");
        for (values, spread) in histogram.family.samples().iter() {
            let own = pairs(&histogram.family.labels, values);
            let mut below = 0;
            let bucket = format!("{name}_bucket");
            for (bound, count) in histogram.bounds.iter().zip(&spread.buckets) {
                below += count;
                self.sample(&bucket, &with_bound(&own, &bound.to_string()), below);
            }
            self.sample(&bucket, &with_bound(&own, "+Inf"), spread.count);
            self.sample(&format!("{name}_sum"), &own, spread.sum);
            self.sample(&format!("{name}_count"), &own, spread.count);
        }
        self
    }

    /// Returns the text.
    #[must_use]
    pub fn finish(self) -> String {
        self.0
    }

    fn head(&mut self, name: &str, help: &str, kind: &str) {
        let help = help.replace('\\', r"\\").replace('\n', r"\n");
        self.line(format_args!("# HELP {name} {help}\n# TYPE {name} {kind}\n"));
    }

    fn sample(&mut self, name: &str, labels: &[String], value: impl std::fmt::Display) {
        let labels = match labels {
            [] => String::new(),
            some => format!("{{{}}}", some.join(",")),
        };
        self.line(format_args!("{name}{labels} {value}\n"));
    }

    fn line(&mut self, text: std::fmt::Arguments<'_>) {
        self.0.write_fmt(text).expect("a string takes every text");
    }
}

fn pairs(labels: &[&str], values: &[String]) -> Vec<String> {
    let pair = |(label, value): (&&str, &String)| {
        let value = value
            .replace('\\', r"\\")
            .replace('"', "\\\"")
            .replace('\n', r"\n");
        format!("{label}=\"{value}\"")
    };
    labels.iter().zip(values).map(pair).collect()
}

fn with_bound(labels: &[String], bound: &str) -> Vec<String> {
    let mut labels = labels.to_vec();
    labels.push(format!("le=\"{bound}\""));
    labels
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_shows_one_line_for_each_set_of_label_values() {
        let tasks = Counter::new(["outcome", "task"]);
        tasks.inc(["failed", "deploy-image"]);
        tasks.add(["converged", "deploy-image"], 2);
        tasks.inc(["converged", "deploy-image"]);
        let text = Page::new().counter("t_total", "Tasks.", &tasks).finish();
        assert_eq!(
            text,
            "# HELP t_total Tasks.\n# TYPE t_total counter\n\
             t_total{outcome=\"converged\",task=\"deploy-image\"} 3\n\
             t_total{outcome=\"failed\",task=\"deploy-image\"} 1\n"
        );
    }

    #[test]
    fn what_has_no_labels_is_there_from_the_start_at_zero() {
        let text = Page::new()
            .counter("a_total", "A.", &Counter::new([]))
            .gauge("b", "B.", &Gauge::new([]))
            .gauge("c", "C.", &Gauge::new(["kind"]))
            .finish();
        assert!(text.contains("\na_total 0\n") && text.contains("\nb 0\n"));
        assert!(text.ends_with("# TYPE c gauge\n"), "{text}");
    }

    #[test]
    fn a_gauge_goes_up_and_down() {
        let running = Gauge::new([]);
        running.add([], 3.0);
        running.add([], -1.0);
        assert!(
            Page::new()
                .gauge("r", "R.", &running)
                .finish()
                .ends_with("\nr 2\n")
        );
        running.set([], 0.5);
        assert!(
            Page::new()
                .gauge("r", "R.", &running)
                .finish()
                .ends_with("\nr 0.5\n")
        );
    }

    #[test]
    fn buckets_add_up_and_the_last_one_holds_everything() {
        static BOUNDS: [f64; 2] = [0.1, 1.0];
        let took = Histogram::new(["route"], &BOUNDS);
        for value in [0.1, 0.5, 7.0] {
            took.observe(["/"], value);
        }
        let text = Page::new().histogram("d_seconds", "D.", &took).finish();
        assert_eq!(
            text,
            "# HELP d_seconds D.\n# TYPE d_seconds histogram\n\
             d_seconds_bucket{route=\"/\",le=\"0.1\"} 1\n\
             d_seconds_bucket{route=\"/\",le=\"1\"} 2\n\
             d_seconds_bucket{route=\"/\",le=\"+Inf\"} 3\n\
             d_seconds_sum{route=\"/\"} 7.6\n\
             d_seconds_count{route=\"/\"} 3\n"
        );
        let unused = Histogram::new([], &BOUNDS);
        let text = Page::new().histogram("u_seconds", "U.", &unused).finish();
        assert!(text.contains("u_seconds_bucket{le=\"+Inf\"} 0\n"), "{text}");
    }

    #[test]
    fn nothing_in_a_value_or_a_help_text_breaks_out_of_its_line() {
        let odd = Counter::new(["name"]);
        odd.inc(["a\"b\\c\nd"]);
        let text = Page::new()
            .counter("o_total", "One\\two\nthree.", &odd)
            .finish();
        assert_eq!(
            text,
            "# HELP o_total One\\\\two\\nthree.\n# TYPE o_total counter\n\
             o_total{name=\"a\\\"b\\\\c\\nd\"} 1\n"
        );
    }
}
