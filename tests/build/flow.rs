//! How a context flows: a little at a time, and not for longer than it is wanted.

use std::fs::{self, File};
use std::time::Duration;

use cs::artifact::build::context;
use futures::StreamExt as _;
use tokio_util::sync::CancellationToken;

use super::Source;

/// Bytes that are under way at most: what waits, what is being filled, what was just read.
const UNDER_WAY: u64 = 6 * (64 << 10);

/// 1 GiB that takes no room on the disk.
fn sparse() -> Source {
    let source = Source::of(&[("Dockerfile", "FROM scratch")]);
    let file = File::create(source.root().join("big")).unwrap();
    file.set_len(1 << 30).unwrap();
    source
}

/// Peak resident memory of this process, in KiB.
fn peak_kib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    number.expect("the kernel tells").parse().expect("a number")
}

#[tokio::test]
async fn a_gigabyte_flows_through_a_few_chunks() {
    let source = sparse();
    let plan = source.plan("", "Dockerfile").unwrap();
    let before = peak_kib();
    let mut chunks = Box::pin(context::stream(plan, CancellationToken::new()));
    let mut total = 0;
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.unwrap();
        assert!(!chunk.is_empty() && chunk.len() <= 64 << 10);
        total += chunk.len() as u64;
    }
    assert!(total > 1 << 30);
    // Other tests of this process need memory meanwhile, but not a quarter of the file.
    assert!(peak_kib() - before < 256 << 10);
}

#[tokio::test]
async fn a_thread_does_not_run_ahead_of_its_reader_and_notices_a_file_that_shrinks() {
    let source = Source::of(&[("Dockerfile", "FROM scratch")]);
    let file = File::create(source.root().join("big")).unwrap();
    file.set_len(64 << 20).unwrap();
    let plan = source.plan("", "Dockerfile").unwrap();
    let mut chunks = Box::pin(context::stream(plan, CancellationToken::new()));
    let mut total = chunks.next().await.unwrap().unwrap().len() as u64;
    // The thread cannot have come so far: nobody reads what it sends.
    file.set_len(1 << 20).unwrap();
    let error = loop {
        match chunks.next().await.expect("it ends with an error") {
            Ok(chunk) => total += chunk.len() as u64,
            Err(error) => break error,
        }
    };
    assert!(total <= (1 << 20) + UNDER_WAY, "{total}");
    let text = error.to_string();
    assert!(
        text == "`big`: the file changed while it was read",
        "{text}"
    );
    assert!(chunks.next().await.is_none());
}

#[tokio::test]
async fn a_file_that_grows_is_an_error_that_names_it() {
    let source = Source::of(&[("Dockerfile", "FROM scratch")]);
    let file = File::create(source.root().join("log")).unwrap();
    file.set_len(8 << 20).unwrap();
    let plan = source.plan("", "Dockerfile").unwrap();
    let mut chunks = Box::pin(context::stream(plan, CancellationToken::new()));
    chunks.next().await.unwrap().unwrap();
    // The first chunk is on its way, so its length has been read.
    file.set_len(9 << 20).unwrap();
    let error = loop {
        if let Err(error) = chunks.next().await.expect("it ends with an error") {
            break error;
        }
    };
    assert!(error.to_string().starts_with("`log`: "), "{error}");
}

#[tokio::test]
async fn a_stop_ends_the_stream_with_an_error_and_the_thread_with_it() {
    let source = sparse();
    for read_before in [0, 3] {
        let stop = CancellationToken::new();
        let plan = source.plan("", "Dockerfile").unwrap();
        let mut chunks = Box::pin(context::stream(plan, stop.clone()));
        for _ in 0..read_before {
            chunks.next().await.unwrap().unwrap();
        }
        stop.cancel();
        let ended = tokio::time::timeout(Duration::from_secs(10), chunks.next()).await;
        let error = ended
            .expect("soon")
            .expect("not as if it were whole")
            .unwrap_err();
        assert_eq!(error.to_string(), "it was stopped");
        assert!(chunks.next().await.is_none());
    }
}

#[test]
fn a_stream_that_is_dropped_leaves_no_thread_behind() {
    let source = sparse();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(async {
        let plan = source.plan("", "Dockerfile").unwrap();
        let mut chunks = Box::pin(context::stream(plan, CancellationToken::new()));
        chunks.next().await.unwrap().unwrap();
    });
    // Waits for the threads; a thread that still sends would hold it up for ever.
    drop(runtime);
}

#[tokio::test]
async fn a_file_that_cannot_be_read_is_named() {
    let source = Source::of(&[("Dockerfile", "FROM scratch"), ("a/b", "x")]);
    let plan = source.plan("", "Dockerfile").unwrap();
    fs::remove_dir_all(source.root()).unwrap();
    let mut chunks = Box::pin(context::stream(plan, CancellationToken::new()));
    let error = chunks.next().await.unwrap().unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
    assert!(error.to_string().starts_with("`.`: "), "{error}");
}
