use super::*;

fn tracing(pairs: &[(&str, &str)]) -> Arc<Exporter> {
    let mut all = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1"),
        ("", ""),
    ];
    if let Some(pair) = pairs.first() {
        all[1] = *pair;
    }
    let settings = settings::Settings::of(&Environment::of_pairs(all));
    Arc::new(Exporter::new(settings.unwrap().unwrap()))
}

fn parent() -> TraceContext {
    let text = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    TraceContext::parse(text, Some("a=1")).unwrap()
}

#[tokio::test]
async fn without_an_exporter_what_came_in_is_handed_on_as_it_is() {
    let run = Run::begin_with(None, "run".into(), Kind::Internal, Some(parent()));
    run.around(async {
        begin_step("deploy");
        within(span("x", Kind::Internal), async {
            assert_eq!(here().as_deref(), Some(&parent()));
        })
        .await;
        let spawned = tokio::spawn(handed_on(async { here() }));
        assert_eq!(spawned.await.unwrap().as_deref(), Some(&parent()));
        assert!(tokio::spawn(async { here() }).await.unwrap().is_none());
    })
    .await;
    let run = Run::begin_with(None, "run".into(), Kind::Internal, None);
    run.around(async { assert!(here().is_none()) }).await;
}

#[tokio::test]
async fn a_trace_that_is_not_sampled_is_handed_on_as_that() {
    let exporter = tracing(&[("OTEL_TRACES_SAMPLER", "always_off")]);
    let run = Run::begin_with(Some(exporter), "run".into(), Kind::Internal, Some(parent()));
    run.around(async {
        let here = here().unwrap();
        assert!(!here.sampled);
        assert_eq!(here.trace_id, parent().trace_id);
        assert!(span("x", Kind::Internal).context().is_none());
    })
    .await;
}

#[tokio::test]
async fn spans_lie_below_the_step_that_is_open_and_below_each_other() {
    let exporter = tracing(&[]);
    let run = Run::begin_with(Some(exporter), "run".into(), Kind::Internal, Some(parent()));
    run.around(async {
        let root = here().unwrap();
        assert_eq!(root.trace_id, parent().trace_id);
        assert_eq!(root.state.as_deref(), Some("a=1"));
        begin_step("clone");
        let clone = here().unwrap();
        begin_step("build");
        let build = here().unwrap();
        assert!(clone != root && build != root && build != clone);
        within(span("inner", Kind::Internal), async {
            assert_ne!(here().unwrap(), build);
        })
        .await;
        assert_eq!(here().unwrap(), build);
        step_ended(false);
        assert_eq!(here().unwrap(), root);
    })
    .await;
    run.end();
    let steps: Vec<_> = run.tally().steps;
    let named: Vec<_> = steps
        .iter()
        .map(|step| (step.name, step.is_success))
        .collect();
    assert_eq!(named, [("clone", true), ("build", false)]);
}

#[tokio::test]
async fn a_full_queue_drops_and_counts() {
    let exporter = tracing(&[("OTEL_BSP_MAX_QUEUE_SIZE", "3")]);
    let run = Run::begin_with(
        Some(Arc::clone(&exporter)),
        "run".into(),
        Kind::Internal,
        None,
    );
    run.around(async {
        for _ in 0..5 {
            span("x", Kind::Internal).end();
        }
    })
    .await;
    assert_eq!(exporter.lost(), 2);
}

#[tokio::test]
async fn what_is_noted_is_counted_in_the_run_of_its_task_alone() {
    let run = Run::begin_with(None, "run".into(), Kind::Internal, None);
    let other = Run::begin_with(None, "run".into(), Kind::Internal, None);
    retry("nomad");
    run.around(async {
        retry("nomad");
        noted(&Note::Finished {
            job: "shop".parse().unwrap(),
            outcome: Outcome::Converged,
        });
    })
    .await;
    let tally = run.tally();
    assert_eq!(tally.retries.get("nomad"), Some(&1));
    assert_eq!(tally.jobs["shop"].outcome, Some("converged"));
    assert!(other.tally().retries.is_empty());
}

#[test]
fn texts_are_cut_at_a_bound_between_characters() {
    let Value::Text(text) = Value::from("é".repeat(1000)) else {
        panic!("a text")
    };
    assert_eq!(text.len(), 1024);
}

#[test]
fn a_page_has_bounded_labels_help_and_type_and_ends_with_a_line_feed() {
    let mut tally = Tally::default();
    for took in [1, 2] {
        tally.step(Step {
            name: "deploy",
            took: Duration::from_secs(took),
            is_success: true,
        });
    }
    tally.call("nomad", "200".to_owned());
    let facts = page::RunFacts {
        run: "shop",
        command: "apply",
        outcome: "converged",
        exit_code: 0,
        began: 1.5,
        ended: 4.5,
        took: 3.0,
        pending: 0,
        dropped: 0,
        lost_spans: 0,
        peak_memory: Some(5),
    };
    let text = page::page(&facts, &tally);
    for line in [
        "cs_run_success{run=\"shop\",command=\"apply\"} 1",
        "cs_run_step_duration_seconds{run=\"shop\",command=\"apply\",step=\"deploy\"} 3",
        "cs_run_calls{run=\"shop\",command=\"apply\",peer=\"nomad\",answer=\"200\"} 1",
        "cs_run_retries{run=\"shop\",command=\"apply\",kind=\"nats\"} 0",
        "cs_run_memory_peak_bytes{run=\"shop\",command=\"apply\"} 5",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\n{text}");
    }
    let samples = text.lines().filter(|line| !line.starts_with('#'));
    assert!(samples.into_iter().all(|line| line.starts_with("cs_run_")));
    assert_eq!(
        text.matches("# HELP ").count(),
        text.matches("# TYPE ").count()
    );
    assert!(text.ends_with('\n'));
}
