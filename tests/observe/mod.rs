//! Traces, metrics file and summary: what a run leaves for machines that look on.

mod collectors;
mod document;
mod files;
mod server;
mod traces;

use crate::cli::lab::Lab;
use crate::support::collector::Collector;

/// A place in somebody's trace.
const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const SPAN: &str = "00f067aa0ba902b7";

/// Another one.
const OTHER: &str = "00-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-bbbbbbbbbbbbbbbb-01";

/// A collector, to which the binary sends its traces from now on.
fn collector(lab: &mut Lab) -> Collector {
    let collector = Collector::start();
    // Everything in one request at the end, also where a run takes its time.
    lab.env
        .set("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url())
        .set("OTEL_BSP_SCHEDULE_DELAY", "60000");
    collector
}
