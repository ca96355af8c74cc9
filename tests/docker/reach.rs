//! Engines that are away, closed, lost, or none.

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use cs::clients::chain;
use cs::clients::docker::{Engine, EngineError, Unreachable};
use cs::config::Environment;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::{build_stream, context, named};
use crate::support::docker::DockerEngine;
use crate::support::ports::CLOSED_PORT;

fn engine(host: &str) -> Engine {
    Engine::from_environment(&Environment::of_pairs([("DOCKER_HOST", host)])).unwrap()
}

async fn why(host: &str) -> Unreachable {
    match engine(host).ping().await {
        Err(error @ EngineError::Unreachable { why, .. }) => {
            let text = chain(&error);
            assert!(
                text.contains("DOCKER_HOST") && text.contains("docker info"),
                "{text}"
            );
            why
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn an_engine_that_is_away_is_told_with_what_to_check() {
    let home = tempfile::tempdir().unwrap();
    let socket = home.path().join("docker.sock");
    let host = format!("unix://{}", socket.display());
    assert_eq!(why(&host).await, Unreachable::NoSocket);
    drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
    assert_eq!(why(&host).await, Unreachable::Refused);
    let tcp = format!("tcp://127.0.0.1:{}", CLOSED_PORT);
    assert_eq!(why(&tcp).await, Unreachable::Refused);
    let built = build_stream(
        &engine(&host),
        &named("x:1"),
        context(&[("Dockerfile", "FROM scratch\n")]),
        &CancellationToken::new(),
    )
    .await;
    assert!(matches!(built.result, Err(EngineError::Unreachable { .. })));
}

#[test]
fn certificates_that_cannot_be_used_name_their_file() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().to_str().unwrap();
    let tls = || {
        Engine::from_environment(&Environment::of_pairs([
            ("DOCKER_HOST", "tcp://127.0.0.1:2376"),
            ("DOCKER_TLS_VERIFY", "1"),
            ("DOCKER_CERT_PATH", path),
        ]))
        .map(|_| ())
        .unwrap_err()
    };
    let absent = tls();
    assert!(matches!(absent, EngineError::TlsFile { .. }), "{absent:?}");
    assert!(absent.to_string().contains("ca.pem"), "{absent}");
    let ca = home.path().join("ca.pem");
    std::fs::write(&ca, "canary").unwrap();
    std::fs::set_permissions(&ca, std::fs::Permissions::from_mode(0o600)).unwrap();
    let bad = tls();
    assert!(matches!(bad, EngineError::BadPem { .. }), "{bad:?}");
    assert!(!format!("{bad} {bad:?}").contains("canary"), "{bad:?}");
}

/// Answers each request, by the path it begins with, and nothing else.
async fn pretender(answers: &'static [(&'static str, &'static str)]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = format!("tcp://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut wire, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut request = vec![0; 16 * 1024];
                let length = wire.read(&mut request).await.unwrap_or(0);
                let request = String::from_utf8_lossy(&request[..length]).into_owned();
                let path = request.split(' ').nth(1).unwrap_or_default();
                let answer = answers.iter().find(|(begin, _)| path.starts_with(begin));
                match answer {
                    Some((_, body)) => {
                        let head = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length:";
                        let answer = format!("{head} {}\r\n\r\n{body}", body.len());
                        let _ = wire.write_all(answer.as_bytes()).await;
                    }
                    None => std::future::pending().await,
                }
            });
        }
    });
    host
}

#[tokio::test]
async fn a_version_that_neither_knows_is_told() {
    for (version, shown) in [
        (
            r#"{"ApiVersion":"1.60","MinAPIVersion":"1.58"}"#,
            "1.58 to 1.60",
        ),
        (
            r#"{"ApiVersion":"1.24","MinAPIVersion":"1.12"}"#,
            "1.12 to 1.24",
        ),
    ] {
        let answers: &'static [_] = Box::leak(Box::new([("/_ping", "OK"), ("/version", version)]));
        let error = engine(&pretender(answers).await).ping().await.unwrap_err();
        assert!(matches!(error, EngineError::Version { .. }), "{error:?}");
        assert!(error.to_string().contains(shown), "{error}");
    }
    let web = pretender(&[("/", "<html>")]).await;
    let error = engine(&web).ping().await.unwrap_err();
    assert!(matches!(error, EngineError::Malformed { .. }), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_hangs_is_not_waited_for_without_end() {
    let host = pretender(&[("/_ping", "OK")]).await;
    let error = engine(&host).ping().await.unwrap_err();
    assert!(matches!(error, EngineError::TimedOut { .. }), "{error:?}");
}

#[tokio::test]
async fn a_proxy_that_lets_no_session_pass_is_told() {
    let host = pretender(&[
        ("/_ping", "OK"),
        (
            "/version",
            r#"{"ApiVersion":"1.41","MinAPIVersion":"1.12","Os":"linux","Version":"20"}"#,
        ),
        ("/v1.41/session", ""),
    ])
    .await;
    let files = context(&[("Dockerfile", "FROM scratch\n")]);
    let stop = CancellationToken::new();
    let ended = build_stream(&engine(&host), &named("x:1"), files, &stop).await;
    assert!(
        matches!(ended.result, Err(EngineError::NoSession { status: 200 })),
        "{:?}",
        ended.result
    );
}

/// The error of a classic build that the engine ends with these words.
async fn ending(words: &'static str) -> EngineError {
    const VERSION: &str =
        r#"{"ApiVersion":"1.38","MinAPIVersion":"1.12","Os":"linux","Version":"18"}"#;
    let report =
        format!("{{\"stream\":\"Step 1/1 : FROM x\\n\"}}\r\n{{\"error\":\"{words}\"}}\r\n");
    let answers: &'static [_] = Box::leak(Box::new([
        ("/_ping", "OK"),
        ("/version", VERSION),
        ("/v1.38/build", report.leak() as &'static str),
    ]));
    let host = pretender(answers).await;
    let files = context(&[("Dockerfile", "FROM x\n")]);
    let stop = CancellationToken::new();
    let ended = build_stream(&engine(&host), &named("x:1"), files, &stop).await;
    ended.result.unwrap_err()
}

#[tokio::test]
async fn what_befalls_the_engine_is_not_the_sources_fault() {
    let full = ending("write /x: no space left on device").await;
    assert!(matches!(full, EngineError::NoSpace { .. }), "{full:?}");
    let lost = ending("Get http://build-context-1xal5a: context not found").await;
    assert!(matches!(lost, EngineError::ContextLost), "{lost:?}");
    let other = ending("manifest unknown").await;
    assert!(matches!(other, EngineError::Build(_)), "{other:?}");
}

#[tokio::test]
async fn an_engine_that_is_lost_in_the_middle_is_named() {
    let Some(real) = DockerEngine::shared() else {
        return;
    };
    let base = real.base_image();
    let proxy = real.proxy();
    let client = proxy.client();
    let dockerfile = format!("FROM {base}\nRUN echo it runs; sleep 3019\n");
    let (output, mut heard) = cs::artifact::output::Output::channel();
    let cutter = async {
        let mut said = String::new();
        while let Some(chunk) = heard.recv().await {
            said.push_str(&String::from_utf8_lossy(&chunk.bytes));
            if said.contains(" it runs\n") {
                proxy.cut();
                return;
            }
        }
        panic!("the step does not run: {said}");
    };
    let wanted = named("cs-test-lost:1");
    let stop = CancellationToken::new();
    let files = context(&[("Dockerfile", dockerfile.as_str())]);
    let building = async {
        let built = client.build(&wanted, files, &output, &stop).await;
        drop(output);
        built
    };
    let (built, ()) = tokio::join!(building, cutter);
    let error = built.unwrap_err();
    assert!(matches!(error, EngineError::Lost { .. }), "{error:?}");
    assert!(
        chain(&error).contains("build an image"),
        "{}",
        chain(&error)
    );
    let limit = tokio::time::Instant::now() + Duration::from_secs(30);
    while real.runs("sleep 3019") {
        assert!(tokio::time::Instant::now() < limit, "the step still runs");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// An engine whose BuildKit reports nothing, without end, and after a while the id of an image. Says which names it was
/// asked to give.
async fn flooding_engine() -> (String, tokio::sync::mpsc::Receiver<String>) {
    const VERSION: &str =
        r#"{"ApiVersion":"1.41","MinAPIVersion":"1.12","Os":"linux","Version":"20"}"#;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = format!("tcp://{}", listener.local_addr().unwrap());
    let (named, names) = tokio::sync::mpsc::channel(8);
    tokio::spawn(async move {
        while let Ok((mut wire, _)) = listener.accept().await {
            let named = named.clone();
            tokio::spawn(async move {
                let mut request = vec![0; 16 * 1024];
                let length = wire.read(&mut request).await.unwrap_or(0);
                let request = String::from_utf8_lossy(&request[..length]).into_owned();
                let target = request.split(' ').nth(1).unwrap_or_default().to_owned();
                let head = "HTTP/1.1 200 OK\r\nConnection: close\r\n";
                if target.starts_with("/v1.41/session") {
                    let upgraded = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n";
                    wire.write_all(upgraded).await.unwrap();
                    std::future::pending::<()>().await;
                } else if target.starts_with("/v1.41/build") {
                    let empty = "{\"id\":\"moby.buildkit.trace\",\"aux\":\"\"}\r\n".repeat(5000);
                    let id = "{\"id\":\"moby.image.id\",\"aux\":{\"ID\":\"sha256:ab\"}}\r\n";
                    let begin = format!("{head}\r\n{empty}{id}");
                    let mut written = wire.write_all(begin.as_bytes()).await;
                    while written.is_ok() {
                        written = wire.write_all(empty.as_bytes()).await;
                    }
                } else {
                    let body = if target == "/version" { VERSION } else { "" };
                    let answer = format!("{head}Content-Length: {}\r\n\r\n{body}", body.len());
                    wire.write_all(answer.as_bytes()).await.unwrap();
                    if target.contains("/tag?") {
                        named.send(target).await.unwrap();
                    }
                }
            });
        }
    });
    (host, names)
}

#[tokio::test]
async fn a_build_whose_report_is_lost_still_gives_its_image() {
    let (host, mut names) = flooding_engine().await;
    let files = context(&[("Dockerfile", "FROM scratch\n")]);
    let stop = CancellationToken::new();
    let ended = build_stream(&engine(&host), &named("shop:1"), files, &stop).await;
    assert_eq!(ended.built().image_id, "sha256:ab");
    assert_eq!(
        ended.stderr.matches("lost the rest").count(),
        1,
        "{}",
        ended.said()
    );
    let name = names.recv().await.unwrap();
    assert!(
        name.contains("sha256:ab/tag?repo=docker.io%2Flibrary%2Fshop&tag=1"),
        "{name}"
    );
}
