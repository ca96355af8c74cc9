//! The context on its way: large, broken, in pieces.

use std::io;

use bytes::Bytes;
use cs::clients::chain;
use cs::clients::docker::EngineError;
use futures::{Stream, StreamExt};
use tokio_util::sync::CancellationToken;

use super::{build_stream, context, named};
use crate::support::docker::DockerEngine;

/// A context with a file of zeros, made while it is sent.
fn large(
    dockerfile: &str,
    megabytes: u64,
) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
    let file = |path: &str, size: u64| {
        let mut header = tar::Header::new_gnu();
        header.set_path(path).unwrap();
        header.set_size(size);
        header.set_mode(0o644);
        header.set_cksum();
        Bytes::copy_from_slice(header.as_bytes())
    };
    let mut text = dockerfile.as_bytes().to_vec();
    text.resize(512, b'\n');
    let zeros = Bytes::from_static(&[0; 64 * 1024]);
    let head = [
        file("Dockerfile", 512),
        text.into(),
        file("zeros", megabytes << 20),
    ];
    let body = (0..megabytes * 16).map(move |_| zeros.clone());
    let end = [Bytes::from_static(&[0; 1024])];
    futures::stream::iter(head.into_iter().chain(body).chain(end).map(Ok))
}

#[tokio::test]
async fn two_hundred_megabytes_are_streamed() {
    let Some(engine) = DockerEngine::shared() else {
        return;
    };
    let base = engine.base_image();
    let dockerfile = format!("FROM {base}\nCOPY zeros /zeros\nRUN wc -c < /zeros; rm /zeros\n");
    let ended = build_stream(
        &engine.client(),
        &named("cs-test-large:1"),
        large(&dockerfile, 200),
        &CancellationToken::new(),
    )
    .await;
    ended.built();
    assert!(ended.stdout.contains("209715200"), "{}", ended.said());
    engine.remove("cs-test-large:1");
}

#[tokio::test]
async fn a_context_that_breaks_off_is_the_cause() {
    let Some(engine) = DockerEngine::shared() else {
        return;
    };
    let gone = || {
        let gone = io::Error::new(io::ErrorKind::NotFound, "src/main.rs vanished");
        futures::stream::iter([Err(gone)])
    };
    let client = engine.client();
    let classic = engine.classic();
    let files = || context(&[("Dockerfile", "FROM scratch\nCOPY . /\n"), ("a", "b")]);
    for client in [&client, &classic.client()] {
        for context in [
            gone().boxed(),
            files().take(1).chain(gone()).boxed(),
            large("FROM scratch\n", 5).take(40).chain(gone()).boxed(),
        ] {
            let wanted = named("cs-test-broken:1");
            let ended = build_stream(client, &wanted, context, &CancellationToken::new()).await;
            let Err(error) = &ended.result else {
                panic!("built of half a context");
            };
            assert!(matches!(error, EngineError::Context(_)), "{error:?}");
            assert!(chain(error).contains("src/main.rs vanished"));
        }
    }
    assert!(!engine.has_image("cs-test-broken:1"));
}

#[tokio::test]
async fn a_context_that_is_no_archive_is_refused() {
    let Some(engine) = DockerEngine::shared() else {
        return;
    };
    let rubbish = futures::stream::iter([Ok(Bytes::from_static(b"rubbish"))]);
    let wanted = named("cs-test-rubbish:1");
    let stop = CancellationToken::new();
    let ended = build_stream(&engine.client(), &wanted, rubbish, &stop).await;
    assert!(ended.result.is_err());
}

// TEMPORARY
#[tokio::test]
async fn zz_measure() {
    let Some(engine) = DockerEngine::shared() else {
        return;
    };
    let base = engine.base_image();
    let hwm = || {
        std::fs::read_to_string("/proc/self/status")
            .unwrap()
            .lines()
            .filter(|l| l.starts_with("VmHWM") || l.starts_with("VmRSS"))
            .map(|l| l.replace('\t', " "))
            .collect::<Vec<_>>()
            .join(" ")
    };
    eprintln!("before {}", hwm());
    let run = async |dockerfile: String, mb| {
        let (output, mut heard) = cs::artifact::output::Output::channel();
        let stop = CancellationToken::new();
        let wanted = named("cs-test-measure:1");
        let client = engine.client();
        let built = async {
            let r = client
                .build(&wanted, large(&dockerfile, mb), &output, &stop)
                .await;
            drop(output);
            r
        };
        let listen = async {
            let mut n = 0;
            while let Some(c) = heard.recv().await {
                n += c.bytes.len();
            }
            n
        };
        let t = std::time::Instant::now();
        let (r, n) = tokio::join!(built, listen);
        eprintln!(
            "{:?} said {n} in {:?}: {}",
            r.map(|b| b.image_id),
            t.elapsed(),
            hwm()
        );
    };
    run(
        format!("FROM {base}\nCOPY zeros /zeros\nRUN rm /zeros\n"),
        200,
    )
    .await;
    let line = "x".repeat(99);
    run(
        format!("FROM {base}\nRUN yes {line} | head -c 20971520\n"),
        0,
    )
    .await;
}
