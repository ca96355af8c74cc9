//! The tally of a run as Prometheus reads it from a file: gauges, because each run writes all of them afresh.

use crate::metrics::{Gauge, Page};

use super::tally::Tally;

/// What a page tells besides the tally.
#[derive(Debug, Clone)]
pub struct RunFacts<'a> {
    /// Tells the files of one folder apart.
    pub run: &'a str,
    /// E.g. `apply`.
    pub command: &'a str,
    /// The word for how it ended.
    pub outcome: &'a str,
    /// Exit code of the process.
    pub exit_code: u8,
    /// Seconds since 1970 at its begin and end.
    pub began: f64,
    /// As `began`.
    pub ended: f64,
    /// Seconds.
    pub took: f64,
    /// Events that nobody acknowledged, and log lines that were dropped.
    pub pending: usize,
    /// As `pending`.
    pub dropped: usize,
    /// Spans that no collector took.
    pub lost_spans: usize,
    /// Most memory that the process had, in bytes, where that is known.
    pub peak_memory: Option<u64>,
}

/// The text of the file.
#[must_use]
pub fn page(facts: &RunFacts<'_>, tally: &Tally) -> String {
    let alike = [facts.run, facts.command];
    let single = |value: f64| {
        let gauge = Gauge::new(["run", "command"]);
        gauge.set(alike, value);
        gauge
    };
    let by = |label: &'static str, values: Vec<(&str, f64)>| {
        let gauge = Gauge::new(["run", "command", label]);
        for (name, value) in values {
            gauge.add([facts.run, facts.command, name], value);
        }
        gauge
    };
    let counts = |of: &std::collections::BTreeMap<&'static str, u64>, always: &[&'static str]| {
        let zero = always.iter().map(|name| (*name, 0.0));
        let found = of.iter().map(|(name, count)| (*name, *count as f64));
        zero.chain(found).collect::<Vec<(&str, f64)>>()
    };
    let steps = tally.steps.iter();
    let steps = steps
        .map(|step| (step.name, step.took.as_secs_f64()))
        .collect();
    let calls = Gauge::new(["run", "command", "peer", "answer"]);
    for ((peer, answer), count) in &tally.calls {
        calls.set([facts.run, facts.command, peer, answer], *count as f64);
    }
    let events = vec![
        ("published", count(tally, "event")),
        ("pending", facts.pending as f64),
    ];
    let lines = vec![
        ("published", count(tally, "log")),
        ("dropped", facts.dropped as f64),
    ];
    let mut page = Page::new()
        .gauge(
            "cs_run_success",
            "1 when the run ended well.",
            &single(f64::from(u8::from(facts.exit_code == 0))),
        )
        .gauge(
            "cs_run_exit_code",
            "Exit code of the process.",
            &single(f64::from(facts.exit_code)),
        )
        .gauge(
            "cs_run_outcome",
            "How the run ended, as a label; always 1.",
            &by("outcome", vec![(facts.outcome, 1.0)]),
        )
        .gauge(
            "cs_run_start_timestamp_seconds",
            "When the run began, in seconds since 1970.",
            &single(facts.began),
        )
        .gauge(
            "cs_run_end_timestamp_seconds",
            "When the run ended, in seconds since 1970.",
            &single(facts.ended),
        )
        .gauge(
            "cs_run_duration_seconds",
            "How long the run took.",
            &single(facts.took),
        )
        .gauge(
            "cs_run_step_duration_seconds",
            "How long the steps took; a step that came again is added up.",
            &by("step", steps),
        )
        .gauge(
            "cs_run_retries",
            "How often something was tried again, by whose trouble it was.",
            &by(
                "kind",
                counts(&tally.retries, &["nomad", "nats", "backend"]),
            ),
        )
        .gauge(
            "cs_run_calls",
            "Calls by whom they went to and what was answered.",
            &calls,
        )
        .gauge(
            "cs_run_events",
            "Events that were acknowledged, and that were not.",
            &by("state", events),
        )
        .gauge(
            "cs_run_log_lines",
            "Lines of the deployment's log that were acknowledged, and that were dropped.",
            &by("state", lines),
        )
        .gauge(
            "cs_run_published_bytes",
            "Bytes of acknowledged messages.",
            &by("kind", counts(&tally.bytes, &["event", "log"])),
        )
        .gauge(
            "cs_run_lost_spans",
            "Spans of traces that no collector took.",
            &single(facts.lost_spans as f64),
        );
    if let Some(peak) = facts.peak_memory {
        page = page.gauge(
            "cs_run_memory_peak_bytes",
            "Most memory that the process had.",
            &single(peak as f64),
        );
    }
    page.finish()
}

fn count(tally: &Tally, what: &str) -> f64 {
    tally.published.get(what).copied().unwrap_or(0) as f64
}
