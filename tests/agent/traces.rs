//! A task that comes through the queue belongs to the trace of whoever submitted it.

use serde_json::json;

use super::lab::{Queue, deployment};
use crate::cli::lab::PREFIX;
use crate::support::collector::Collector;
use crate::support::env::eventually;

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

#[test]
fn a_task_continues_the_trace_of_its_submission_and_others_do_not_mix_in() {
    let mut queue = Queue::new();
    let collector = Collector::start();
    queue
        .lab
        .env
        .set("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url())
        .set("OTEL_BSP_SCHEDULE_DELAY", "50");
    let mut params = deployment(1);
    let submit = queue.runner(["submit", "--task", "deploy-image", "--params", "-"]);
    submit
        .var("TRACEPARENT", PARENT)
        .stdin(params.to_string())
        .run()
        .assert_code(0);
    params = deployment(2);
    params["traceparent"] = json!(PARENT.replace(TRACE, &"c".repeat(32)));
    queue.deploy(&params);
    queue.deploy(&deployment(3));
    let agent = queue.start(["--concurrency", "3"]);
    queue.until_idle();
    eventually("all tasks were told", || {
        collector.named("process deploy-image").len() == 3
    });
    agent.stop().assert_code(0);

    let sent = collector.only("send deploy-image");
    assert_eq!((sent.trace.as_str(), sent.kind), (TRACE, 4));
    assert_eq!(sent.parent, collector.only("cs runner submit").id);
    let tasks = collector.named("process deploy-image");
    let of = |id: &str| {
        let found = tasks
            .iter()
            .find(|task| task.attributes["cs.deployment.id"] == id);
        found.expect("a task each").clone()
    };
    let first = of("dep-1");
    assert_eq!(
        (first.trace.as_str(), first.parent.as_str(), first.kind),
        (TRACE, sent.id.as_str(), 5)
    );
    assert_eq!(first.links, [(TRACE.to_owned(), sent.id.clone())]);
    assert_eq!(
        (first.text("cs.outcome"), first.text("cs.try")),
        ("converged", "1")
    );
    assert_eq!(of("dep-2").trace, "c".repeat(32));
    assert!(![TRACE.to_owned(), "c".repeat(32)].contains(&of("dep-3").trace));
    // Three at once, and every call is in the trace of its own task.
    let spans = collector.spans();
    let jobs: Vec<_> = spans
        .iter()
        .filter(|span| span.name == "register")
        .collect();
    assert_eq!(jobs.len(), 3);
    for register in jobs {
        let number = register.text("nomad.job.id").trim_start_matches("job-");
        assert_eq!(register.trace, of(&format!("dep-{number}")).trace);
    }
    let headers = queue
        .lab
        .runtime
        .block_on(queue.nats.headers(PREFIX, "traceparent"));
    for number in 1..=3 {
        let task = of(&format!("dep-{number}"));
        let mut own = headers
            .iter()
            .filter(|(id, _)| id.starts_with(&format!("cs.dep-{number}.")));
        assert!(
            own.all(|(_, value)| value.contains(&task.trace)),
            "{headers:?}"
        );
    }
}
