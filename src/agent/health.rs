//! How an agent is doing: `/healthz`, `/readyz`, `/metrics`.

use std::sync::{Mutex, PoisonError};

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use std::sync::Arc;

use crate::metrics::{self, Counter, Gauge, Histogram, Page, SECONDS};

/// What an agent counts, and whether it can work.
#[derive(Debug)]
pub struct Health {
    /// Tasks that ended here, by outcome.
    pub tasks: Counter<1>,
    /// How long runs took, in seconds.
    pub duration: Histogram<0>,
    /// Runs that are going on.
    pub in_progress: Gauge<0>,
    /// Runs that may go on at a time.
    pub slots: Gauge<0>,
    /// Deliveries that were not the first of their message.
    pub redeliveries: Counter<0>,
    /// Tasks that were put back, by reason.
    pub put_back: Counter<1>,
    /// Tasks that were given up.
    pub dead_letters: Counter<0>,
    connected: Gauge<0>,
    ready: Gauge<0>,
    state: Mutex<Reasons>,
}

/// What keeps an agent from taking tasks.
#[derive(Debug, Clone, Default)]
struct Reasons {
    is_connected: bool,
    is_draining: bool,
    /// Why the queue cannot be used; none once it was found.
    trouble: Option<String>,
}

impl Default for Health {
    fn default() -> Self {
        Self {
            tasks: Counter::new(["outcome"]),
            duration: Histogram::new([], &SECONDS),
            in_progress: Gauge::new([]),
            slots: Gauge::new([]),
            redeliveries: Counter::new([]),
            put_back: Counter::new(["reason"]),
            dead_letters: Counter::new([]),
            connected: Gauge::new([]),
            ready: Gauge::new([]),
            state: Mutex::new(Reasons {
                trouble: Some("the queue was not looked at yet".to_owned()),
                ..Reasons::default()
            }),
        }
    }
}

impl Health {
    /// The connection to NATS came or went.
    pub fn set_connected(&self, is_connected: bool) {
        self.connected.set([], f64::from(u8::from(is_connected)));
        self.change(|state| state.is_connected = is_connected);
    }

    /// The queue can be used, or why not.
    pub fn set_trouble(&self, trouble: Option<String>) {
        self.change(|state| state.trouble = trouble);
    }

    /// No more tasks are taken.
    pub fn set_draining(&self) {
        self.change(|state| state.is_draining = true);
    }

    /// Whether tasks are taken.
    ///
    /// # Errors
    /// Why not, in a few words.
    pub fn readiness(&self) -> Result<(), String> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.is_draining {
            return Err("draining: no new tasks are taken".to_owned());
        }
        if !state.is_connected {
            return Err("not connected to NATS".to_owned());
        }
        state.trouble.clone().map_or(Ok(()), Err)
    }

    fn change(&self, change: impl FnOnce(&mut Reasons)) {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner));
        self.ready
            .set([], f64::from(u8::from(self.readiness().is_ok())));
    }

    /// The metrics in Prometheus' text.
    #[must_use]
    pub fn page(&self) -> String {
        Page::new()
            .counter(
                "cs_runner_tasks_total",
                "Tasks that ended on this agent, by outcome; `duplicate` ended before.",
                &self.tasks,
            )
            .histogram(
                "cs_runner_task_duration_seconds",
                "How long the runs of tasks took.",
                &self.duration,
            )
            .gauge(
                "cs_runner_tasks_in_progress",
                "Runs that are going on.",
                &self.in_progress,
            )
            .gauge(
                "cs_runner_slots",
                "Runs that may go on at a time.",
                &self.slots,
            )
            .counter(
                "cs_runner_redeliveries_total",
                "Deliveries that were not the first of their message.",
                &self.redeliveries,
            )
            .counter(
                "cs_runner_put_back_total",
                "Tasks that were put back into the queue, by reason.",
                &self.put_back,
            )
            .counter(
                "cs_runner_dead_letters_total",
                "Tasks that were given up.",
                &self.dead_letters,
            )
            .gauge(
                "cs_runner_nats_connected",
                "Whether there is a connection to NATS.",
                &self.connected,
            )
            .gauge("cs_runner_ready", "Whether tasks are taken.", &self.ready)
            .finish()
    }
}

/// The routes. None of them shows anything of a task but its outcome.
pub fn router(health: Arc<Health>) -> Router {
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(readyz))
        .route("/metrics", get(page))
        .with_state(health)
}

async fn readyz(State(health): State<Arc<Health>>) -> Response {
    match health.readiness() {
        Ok(()) => "ready\n".into_response(),
        Err(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")).into_response(),
    }
}

async fn page(State(health): State<Arc<Health>>) -> Response {
    (
        [(header::CONTENT_TYPE, metrics::CONTENT_TYPE)],
        health.page(),
    )
        .into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agent_is_ready_once_it_is_connected_and_found_its_queue_and_never_while_it_drains() {
        let health = Health::default();
        let unready = |health: &Health| health.readiness().unwrap_err();
        assert_eq!(unready(&health), "not connected to NATS");
        health.set_connected(true);
        assert_eq!(unready(&health), "the queue was not looked at yet");
        health.set_trouble(None);
        assert_eq!(health.readiness(), Ok(()));
        assert!(health.page().contains("\ncs_runner_ready 1\n"));
        health.set_connected(false);
        assert!(health.page().contains("\ncs_runner_nats_connected 0\n"));
        health.set_connected(true);
        health.set_draining();
        assert!(unready(&health).starts_with("draining"));
        assert!(health.page().contains("\ncs_runner_ready 0\n"));
    }
}
