//! An event on its way: through `cs::events`, and by the same three calls of a bare client in the same run.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_nats::jetstream;
use async_nats::jetstream::message::PublishMessage;
use cs::events::{
    Announcer, AnnouncerConfig, Event, EventSink, LogLimits, Message, NatsSink, SubjectPrefix,
};

use crate::measure::Samples;
use crate::report::Report;
use crate::support::nats::NatsServer;

const WARM_UP: usize = 200;
const ROUNDS: usize = 3_000;

pub(crate) fn measure(report: &mut Report) {
    // One thread, as `cs reconcile` has it.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let server = NatsServer::start().await;
        server.create_stream("bench").await;
        compare(&server, report).await;
        durable(&server, report).await;
    });
}

fn started(deployment: String) -> Event {
    Event::DeploymentStarted {
        deployment_id: deployment,
        job_id: 9001,
    }
}

async fn compare(server: &NatsServer, report: &mut Report) {
    let prefix: SubjectPrefix = "bench".parse().expect("a valid prefix");
    let client = async_nats::ConnectOptions::with_nkey(server.seed())
        .connect(server.address())
        .await
        .expect("the server answers");
    let context = jetstream::new(client.clone());
    let mut sink = NatsSink::new(server.client_config());
    sink.open().await.expect("the server answers");
    let (mut bare, mut ours) = (Samples::default(), Samples::default());
    for number in 0..WARM_UP + ROUNDS {
        let message = |by: &str| started(format!("{by}-{number}")).message(&prefix);
        let (first, second) = (message("bare"), message("ours"));
        let began = Instant::now();
        publish_bare(&client, &context, first).await;
        let bare_took = began.elapsed();
        let began = Instant::now();
        sink.publish(&[second]).await.expect("the stream takes it");
        let ours_took = began.elapsed();
        if number >= WARM_UP {
            bare.push_ms(bare_took);
            ours.push_ms(ours_took);
        }
    }
    let ratio = ours.median() / bare.median();
    report.row(
        "event, bare async-nats: publish, acknowledgement, flush, ms",
        &bare,
        "peer",
    );
    report.row("event, `cs::events` sink: the same, ms", &ours, "");
    report.row(
        "event, ratio of the medians",
        format!("{ratio:.2}"),
        "≤ 1.5",
    );
}

async fn publish_bare(client: &async_nats::Client, context: &jetstream::Context, message: Message) {
    let publish = PublishMessage::build()
        .payload(message.payload)
        .message_id(&message.id);
    let subject = message.subject.as_str().to_owned();
    let receipt = context
        .send_publish(subject, publish)
        .await
        .expect("a connection");
    receipt.await.expect("the stream takes it");
    client.flush().await.expect("a connection");
}

/// What a run itself waits for: until the event is durable on disk. Sending goes on beside it.
async fn durable(server: &NatsServer, report: &mut Report) {
    let home = tempfile::tempdir().expect("a temporary directory");
    let announcer = Announcer::start(AnnouncerConfig {
        nats: Some(server.client_config()),
        prefix: "bench".parse().expect("a valid prefix"),
        state_dir: Some(home.path().to_owned()),
        stdout: Box::new(std::io::sink()),
        clock: Arc::new(jiff::Timestamp::now),
        log_limits: LogLimits::default(),
    });
    let mut times = Samples::default();
    for number in 0..200 {
        let event = started(format!("kept-{number}"));
        let began = Instant::now();
        announcer.announce(event).await;
        times.push_ms(began.elapsed());
    }
    let delivery = announcer.finish(Duration::from_secs(20)).await;
    assert!(delivery.pending.is_empty(), "{:?}", delivery.reason);
    report.row("event, until it is durable in the outbox, ms", &times, "");
}
