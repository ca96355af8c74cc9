//! What is counted.

use std::time::Duration;

use axum::http::StatusCode;

use crate::metrics::{Counter, Gauge, Histogram, Page};

/// Upper bounds of buckets of requests, in seconds: from a local webhook to one that waited for Jenkins.
const BOUNDS: [f64; 11] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0,
];

/// The metrics of a server.
pub(super) struct Metrics {
    requests: Counter<3>,
    durations: Histogram<1>,
    webhooks: Counter<1>,
    refused: Counter<1>,
    runs: Counter<1>,
    rollouts: Counter<1>,
    published: Counter<0>,
    connections: Gauge<0>,
    readers: Gauge<0>,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            requests: Counter::new(["route", "method", "status"]),
            durations: Histogram::new(["route"], &BOUNDS),
            webhooks: Counter::new(["outcome"]),
            refused: Counter::new(["reason"]),
            runs: Counter::new(["outcome"]),
            rollouts: Counter::new(["outcome"]),
            published: Counter::new([]),
            connections: Gauge::new([]),
            readers: Gauge::new([]),
        }
    }
}

impl Metrics {
    pub(super) fn request(
        &self,
        route: &'static str,
        method: &'static str,
        status: StatusCode,
        took: Duration,
    ) {
        self.requests.inc([route, method, status.as_str()]);
        self.durations.observe([route], took.as_secs_f64());
    }

    /// `outcome` is a code of ours.
    pub(super) fn webhook(&self, outcome: &'static str) {
        self.webhooks.inc([outcome]);
    }

    pub(super) fn refused(&self, reason: &'static str) {
        self.refused.inc([reason]);
    }

    pub(super) fn run(&self, outcome: &'static str) {
        self.runs.inc([outcome]);
    }

    pub(super) fn rollout(&self, outcome: &'static str) {
        self.rollouts.inc([outcome]);
    }

    pub(super) fn published(&self, many: usize) {
        self.published.add([], many as u64);
    }

    pub(super) fn connection(&self, change: i8) {
        self.connections.add([], f64::from(change));
    }

    pub(super) fn reader(&self, change: i8) {
        self.readers.add([], f64::from(change));
    }

    /// Everything as text. `waiting`: events that wait for NATS, when that could be read.
    pub(super) fn page(&self, waiting: Option<i64>, nats: Option<bool>) -> String {
        let database = Gauge::new([]);
        database.set([], f64::from(u8::from(waiting.is_some())));
        let mut page = Page::new()
            .counter(
                "cs_bridge_http_requests_total",
                "Requests that were answered.",
                &self.requests,
            )
            .histogram(
                "cs_bridge_http_request_duration_seconds",
                "Time until the answer began.",
                &self.durations,
            )
            .counter(
                "cs_bridge_webhooks_total",
                "Webhooks by what they came to.",
                &self.webhooks,
            )
            .counter(
                "cs_bridge_refused_total",
                "Calls without a valid token.",
                &self.refused,
            )
            .counter(
                "cs_bridge_runs_total",
                "Runs by what Jenkins said.",
                &self.runs,
            )
            .counter(
                "cs_bridge_rollouts_total",
                "Rollouts of workloads by how they ended.",
                &self.rollouts,
            )
            .counter(
                "cs_bridge_events_published_total",
                "Events that NATS acknowledged.",
                &self.published,
            )
            .gauge(
                "cs_bridge_connections",
                "Connections that are open.",
                &self.connections,
            )
            .gauge(
                "cs_bridge_event_readers",
                "Readers of server-sent events.",
                &self.readers,
            )
            .gauge(
                "cs_bridge_database_up",
                "Whether the database answered.",
                &database,
            );
        if let Some(waiting) = waiting {
            let gauge = Gauge::new([]);
            gauge.set([], waiting as f64);
            page = page.gauge(
                "cs_bridge_events_unpublished",
                "Events that wait for NATS.",
                &gauge,
            );
        }
        if let Some(is_well) = nats {
            let gauge = Gauge::new([]);
            gauge.set([], f64::from(u8::from(is_well)));
            page = page.gauge(
                "cs_bridge_nats_up",
                "Whether NATS took the last event.",
                &gauge,
            );
        }
        page.finish()
    }
}
