//! A build that is stopped or dropped leaves nothing that runs.

use std::io;
use std::time::{Duration, Instant};

use bytes::Bytes;
use cs::artifact::output::Output;
use cs::clients::docker::{Engine, EngineError};
use futures::StreamExt;
use tokio::sync::mpsc::Receiver;
use tokio_util::sync::CancellationToken;

use super::{build_stream, context, named};
use crate::support::docker::DockerEngine;

/// Waits until the build says this.
async fn until(heard: &mut Receiver<cs::artifact::output::Chunk>, text: &str) {
    let mut said = String::new();
    while !said.contains(text) {
        let chunk = heard.recv().await;
        let chunk = chunk.unwrap_or_else(|| panic!("it ended without `{text}`: {said}"));
        said.push_str(&String::from_utf8_lossy(&chunk.bytes));
    }
}

/// Waits until no process and no container of a build is left.
async fn until_gone(engine: &DockerEngine, process: &str) {
    let limit = Instant::now() + Duration::from_secs(30);
    while engine.runs(process) {
        assert!(Instant::now() < limit, "`{process}` still runs");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn stopped(engine: &'static DockerEngine, client: &Engine, sleep: &str) {
    let base = engine.base_image();
    let dockerfile = format!("FROM {base}\nRUN echo it runs && {sleep}\n");
    let (output, mut heard) = Output::channel();
    let stop = CancellationToken::new();
    let wanted = named("cs-test-stopped:1");
    let files = context(&[("Dockerfile", dockerfile.as_str())]);
    let stopper = async {
        until(&mut heard, "it runs\n").await;
        assert!(engine.runs(sleep));
        stop.cancel();
        Instant::now()
    };
    let building = async {
        let built = client.build(&wanted, files, &output, &stop).await;
        drop(output);
        built
    };
    let (built, at) = tokio::join!(building, stopper);
    assert!(matches!(built, Err(EngineError::Stopped)), "{built:?}");
    assert!(at.elapsed() < Duration::from_secs(1), "{:?}", at.elapsed());
    until_gone(engine, sleep).await;
    assert!(!engine.has_image("cs-test-stopped:1"));
}

#[tokio::test]
async fn a_stop_ends_the_step_that_runs() {
    let Some(engine) = DockerEngine::shared() else {
        return;
    };
    stopped(engine, &engine.client(), "sleep 3021").await;
}

#[tokio::test]
async fn a_stop_ends_the_classic_builder_too() {
    let Some(engine) = DockerEngine::shared() else {
        return;
    };
    let proxy = engine.classic();
    stopped(engine, &proxy.client(), "sleep 3023").await;
    let limit = Instant::now() + Duration::from_secs(30);
    let containers = || engine.call("GET", "/containers/json?all=1", b"").text();
    while containers().contains("sleep 3023") {
        assert!(Instant::now() < limit, "{}", containers());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn a_build_that_is_dropped_ends_too() {
    let Some(engine) = DockerEngine::shared() else {
        return;
    };
    let base = engine.base_image();
    let dockerfile = format!("FROM {base}\nRUN echo it runs; sleep 3027\n");
    let (output, mut heard) = Output::channel();
    let (stop, wanted) = (CancellationToken::new(), named("cs-test-dropped:1"));
    let client = engine.client();
    let files = context(&[("Dockerfile", dockerfile.as_str())]);
    tokio::select! {
        built = client.build(&wanted, files, &output, &stop) => panic!("{built:?}"),
        () = until(&mut heard, " it runs\n") => {}
    }
    until_gone(engine, "sleep 3027").await;
}

#[tokio::test]
async fn a_stop_is_heard_while_the_context_or_the_listener_hangs() {
    let Some(engine) = DockerEngine::shared() else {
        return;
    };
    let base = engine.base_image();
    let client = engine.client();
    let wanted = named("cs-test-hanging:1");
    let stop = CancellationToken::new();
    let (held, mut dropped) = tokio::sync::oneshot::channel::<()>();
    let (hangs, mut hung) = tokio::sync::mpsc::channel(1);
    let hanging = async move {
        let _held = held;
        hangs.send(()).await.unwrap();
        std::future::pending::<io::Result<Bytes>>().await
    };
    let files = context(&[("Dockerfile", "FROM scratch\n")]);
    let hanging = files.take(1).chain(futures::stream::once(hanging));
    let stopper = async {
        hung.recv().await.unwrap();
        stop.cancel();
    };
    let (ended, ()) = tokio::join!(build_stream(&client, &wanted, hanging, &stop), stopper);
    assert!(matches!(ended.result, Err(EngineError::Stopped)));
    let closed = tokio::sync::oneshot::error::TryRecvError::Closed;
    assert_eq!(dropped.try_recv(), Err(closed), "dropped with the build");

    let dockerfile = format!("FROM {base}\nRUN seq 1 200000; sleep 3029\n");
    let files = context(&[("Dockerfile", dockerfile.as_str())]);
    let (output, heard) = Output::channel();
    let stop = CancellationToken::new();
    let stopper = async {
        let limit = Instant::now() + Duration::from_secs(60);
        while !engine.runs("sleep 3029") && !engine.runs("seq 1 200000") {
            assert!(Instant::now() < limit, "the step does not run");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        stop.cancel();
    };
    let (built, ()) = tokio::join!(client.build(&wanted, files, &output, &stop), stopper);
    assert!(matches!(built, Err(EngineError::Stopped)), "{built:?}");
    drop(heard);
    until_gone(engine, "sleep 3029").await;
}
