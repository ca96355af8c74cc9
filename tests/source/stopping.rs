//! A fetch that is stopped or dropped in the middle leaves nobody who writes.

use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use cs::artifact::source::archive::ArchiveError;
use flate2::Compression;
use flate2::write::GzEncoder;

use super::{Lab, archive};
use crate::support::files_server::{Answer, FilesServer};

/// Longest wait for a condition. Generous: many tests share the cores.
const PATIENCE: Duration = Duration::from_secs(30);

/// What stopping may take. The promise is a second; the rest is for cores that others use.
const SOON: Duration = Duration::from_secs(5);

/// A file of many gigabytes that never ends, as gzip members.
fn endless() -> Answer {
    let mut header = tar::Header::new_ustar();
    header.set_path("endless").unwrap();
    header.set_mode(0o644);
    header.set_size(7 << 30);
    header.set_cksum();
    let noise: Vec<u8> = (0..50_000_u32)
        .flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes())
        .collect();
    Answer::bare(200)
        .bytes(gzip(header.as_bytes()))
        .endless(gzip(&noise))
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

async fn until(what: &str, condition: impl Fn() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < end, "not so: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn size(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |metadata| metadata.len())
}

#[tokio::test]
async fn a_stop_at_full_speed_ends_the_writing_too() {
    let server = FilesServer::with(endless()).await;
    let lab = Lab::new();
    let file = lab.root().join("endless");
    let stopping = async {
        until("something is written", || size(&file) > 1 << 20).await;
        lab.stop.cancel();
        Instant::now()
    };
    let url = server.url("/a");
    let (result, stopped) = tokio::join!(lab.fetch(&url), stopping);
    assert!(matches!(result, Err(ArchiveError::Stopped)), "{result:?}");
    assert!(stopped.elapsed() < SOON, "{:?}", stopped.elapsed());
    // Nobody is left who could write into what is removed now.
    lab.work.remove().await.unwrap();
    assert_eq!(std::fs::read_dir(lab.parent.path()).unwrap().count(), 0);
    until("the connection is closed", || server.open() == 0).await;
}

#[tokio::test]
async fn a_stop_while_the_server_is_silent_does_not_wait_for_it() {
    let body = archive(&[("a", &[b'x'; 100_000])]);
    let answers = [
        None,
        Some(Answer::bare(200).silence()),
        Some(Answer::bare(200).bytes(&body[..body.len() - 20]).silence()),
    ];
    for answer in answers {
        let server = FilesServer::start(move |_| answer.clone()).await;
        let lab = Lab::new();
        let stopping = async {
            until("the server is asked", || !server.asked().is_empty()).await;
            lab.stop.cancel();
            Instant::now()
        };
        let url = server.url("/a");
        let (result, stopped) = tokio::join!(lab.fetch(&url), stopping);
        assert!(matches!(result, Err(ArchiveError::Stopped)), "{result:?}");
        assert!(stopped.elapsed() < SOON, "{:?}", stopped.elapsed());
    }
}

#[tokio::test]
async fn a_stop_before_the_start_asks_nobody() {
    let server = FilesServer::with(Answer::file(archive(&[("a", b"x")]))).await;
    let lab = Lab::new();
    lab.stop.cancel();
    let result = lab.fetch(&server.url("/a")).await;
    assert!(matches!(result, Err(ArchiveError::Stopped)), "{result:?}");
    assert!(server.asked().is_empty() && !lab.root().exists());
}

#[tokio::test]
async fn a_fetch_that_is_dropped_lets_its_directory_go() {
    let server = FilesServer::with(endless()).await;
    let lab = Lab::new();
    let file = lab.root().join("endless");
    let url = server.url("/a");
    tokio::select! {
        result = lab.fetch(&url) => panic!("it has no end: {result:?}"),
        () = until("something is written", || size(&file) > 1 << 20) => {}
    }
    // The thread may still be at it for a moment.
    lab.work.remove().await.unwrap();
    assert_eq!(std::fs::read_dir(lab.parent.path()).unwrap().count(), 0);
    until("the connection is closed", || server.open() == 0).await;
}
