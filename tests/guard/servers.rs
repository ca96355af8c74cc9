//! Servers that mean harm: heads without an end, loops, lies about lengths, silence.

use std::time::{Duration, Instant};

use cs::artifact::output::Output;
use cs::artifact::registry::{ImageReference, RegistryError};
use cs::artifact::source::archive::{ArchiveError, ArchiveRequest, fetch};
use cs::artifact::source::git::{GitRequest, Providers, resolve};
use cs::artifact::source::{Limits, WorkDir};
use cs::clients::chain;
use cs::secret::Secret;
use cs::spec::workload::GitSource;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::support::egress;
use crate::support::files_server::{Answer, FilesServer};

fn quick() -> Limits {
    Limits {
        connect: Duration::from_secs(2),
        silence: Duration::from_secs(1),
        download_bytes: 8 << 20,
        ..egress::limits()
    }
}

async fn archive(url: &str) -> ArchiveError {
    let parent = tempfile::tempdir().unwrap();
    let work = WorkDir::create(parent.path()).unwrap();
    let request = ArchiveRequest {
        url: Secret::new(url),
        sha256: None,
    };
    let (output, _nobody_listens) = Output::channel();
    let into = work.path().join("source");
    let result = fetch(
        &request,
        &into,
        &quick(),
        &output,
        &CancellationToken::new(),
    )
    .await;
    work.remove().await.unwrap();
    result.unwrap_err()
}

async fn git(url: &str) -> String {
    let source = GitSource {
        repository: format!("{url}/o/n"),
        revision: "main".to_owned(),
        ..GitSource::default()
    };
    let request = GitRequest::new(&source, None, &Providers::default()).unwrap();
    let resolved = resolve(&request, &quick(), &CancellationToken::new()).await;
    chain(&resolved.unwrap_err())
}

async fn registry(host: &str) -> RegistryError {
    let image: ImageReference = format!("{host}/a/b:1").parse().unwrap();
    egress::registry()
        .image_facts(&image, None)
        .await
        .unwrap_err()
}

/// A server that answers every connection with `head`, and then with `drip` again and again.
async fn dripping(head: &'static str, drip: &'static str, pause: Duration) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut asked = [0; 4096];
                let _ = stream.read(&mut asked).await;
                let _ = stream.write_all(head.as_bytes()).await;
                while stream.write_all(drip.as_bytes()).await.is_ok() {
                    tokio::time::sleep(pause).await;
                }
            });
        }
    });
    host
}

#[tokio::test]
async fn a_head_without_an_end_is_no_answer() {
    let host = dripping(
        "HTTP/1.1 200 OK\r\n",
        "X-Endless: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n",
        Duration::ZERO,
    )
    .await;
    let began = Instant::now();
    archive(&format!("http://{host}/a")).await;
    git(&format!("http://{host}")).await;
    registry(&host).await;
    assert!(
        began.elapsed() < Duration::from_secs(40),
        "{:?}",
        began.elapsed()
    );
}

#[tokio::test]
async fn a_head_that_drips_ends_in_time() {
    let host = dripping("HTTP/1.1 200 OK\r\n", "X", Duration::from_millis(100)).await;
    let began = Instant::now();
    let error = archive(&format!("http://{host}/a")).await;
    assert!(matches!(error, ArchiveError::Silent { .. }), "{error}");
    git(&format!("http://{host}")).await;
    let error = registry(&host).await;
    assert!(matches!(error, RegistryError::TimedOut { .. }), "{error}");
    assert!(
        began.elapsed() < Duration::from_secs(40),
        "{:?}",
        began.elapsed()
    );
}

#[tokio::test]
async fn lengths_are_not_believed() {
    for length in [
        "18446744073709551615",
        "-1",
        "99999999999999999999999",
        "5, 6",
    ] {
        let server = FilesServer::with(
            Answer::bare(200)
                .header("Content-Length", length)
                .bytes("short"),
        )
        .await;
        archive(&server.url("/a")).await;
        git(&server.url("")).await;
        registry(server.host()).await;
    }
}

#[tokio::test]
async fn a_body_without_an_end_ends_at_its_bound() {
    let server = FilesServer::start(|asked| {
        let of = if asked.target.contains("manifests") {
            "application/vnd.oci.image.manifest.v1+json"
        } else {
            "application/x-git-upload-pack-advertisement"
        };
        Some(
            Answer::bare(200)
                .header("Content-Type", of)
                .endless(vec![b'0'; 65536]),
        )
    })
    .await;
    let error = registry(server.host()).await;
    assert!(matches!(error, RegistryError::TooLarge { .. }), "{error}");
    let error = git(&server.url("")).await;
    assert!(!error.is_empty());
}

#[tokio::test]
async fn loops_end() {
    let server = FilesServer::start(|asked| {
        let target = format!("{}x", asked.target.split('?').next().unwrap_or_default());
        let target = if asked.target.contains("info/refs") {
            "/loop/info/refs?service=git-upload-pack".to_owned()
        } else {
            target
        };
        Some(Answer::redirect(302, &target))
    })
    .await;
    let error = archive(&server.url("/a")).await;
    assert!(matches!(error, ArchiveError::Redirect { .. }), "{error}");
    git(&server.url("")).await;
    registry(server.host()).await;
    assert!(
        server.asked().len() <= 6 + 6 + 4,
        "{}",
        server.asked().len()
    );
}

#[tokio::test]
async fn a_challenge_of_any_size_asks_for_nothing_that_is_not_there() {
    for challenge in [
        "Bearer realm=\"".to_owned() + &"a".repeat(60_000),
        "Bearer ".repeat(5000),
        ",".repeat(60_000),
        "Bearer realm=\"https://\\\"\\\"\\\"\"".to_owned(),
    ] {
        let server = FilesServer::with(
            Answer::bare(401)
                .header("WWW-Authenticate", &challenge)
                .header("Content-Length", "0"),
        )
        .await;
        let began = Instant::now();
        registry(server.host()).await;
        assert!(began.elapsed() < Duration::from_secs(8));
    }
}

#[tokio::test]
async fn documents_that_nest_for_ever_do_not_overflow() {
    for body in [
        "[".repeat(200_000),
        "{\"a\":".repeat(100_000),
        format!("\"{}", "\\".repeat(300_000)),
    ] {
        let server = FilesServer::with(
            Answer::file(body).header("Content-Type", "application/vnd.oci.image.index.v1+json"),
        )
        .await;
        let error = registry(server.host()).await;
        assert!(matches!(error, RegistryError::Malformed { .. }), "{error}");
    }
}
