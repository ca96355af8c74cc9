//! Push to a real registry with basic auth, and to some that are none.

use std::time::{Duration, Instant};

use cs::artifact::output::Output;
use cs::artifact::registry::{Credentials, ImageReference};
use cs::clients::chain;
use cs::clients::docker::{Engine, EngineError, PushRefusal};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::{build, credentials, named};
use crate::support::docker::DockerEngine;
use crate::support::ports::CLOSED_PORT;
use crate::support::registry::{DockerRegistry, PASSWORD};

/// Builds an image of one layer under a name.
async fn image(client: &Engine, name: &str) -> ImageReference {
    let dockerfile = format!("FROM scratch\nLABEL name={name}\nCOPY Dockerfile /pushed\n");
    build(client, &named(name), &dockerfile).await.built();
    name.parse().unwrap()
}

/// Pushes, and listens to the end.
async fn push(
    client: &Engine,
    target: &ImageReference,
    credentials: Option<&Credentials>,
) -> (Result<String, EngineError>, String) {
    let (output, mut heard) = Output::channel();
    let stop = CancellationToken::new();
    let pushed = async {
        let result = client.push(target, credentials, &output, &stop).await;
        drop(output);
        result
    };
    let listen = async {
        let mut said = Vec::new();
        while let Some(chunk) = heard.recv().await {
            said.extend_from_slice(&chunk.bytes);
        }
        String::from_utf8(said).unwrap()
    };
    tokio::join!(pushed, listen)
}

#[track_caller]
fn why(result: &Result<String, EngineError>) -> PushRefusal {
    match result {
        Err(EngineError::Push { why, .. }) => *why,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn the_digest_is_the_registrys_own() {
    let (Some(engine), Some(registry)) = (DockerEngine::shared(), DockerRegistry::start().await)
    else {
        return;
    };
    let client = engine.client();
    let target = image(&client, &format!("{}/push/app:1", registry.host())).await;
    let user = credentials(PASSWORD);
    let (pushed, said) = push(&client, &target, Some(&user)).await;
    let digest = pushed.unwrap();
    let facts = crate::support::egress::registry()
        .image_facts(&target, Some(&user))
        .await;
    assert_eq!(facts.unwrap().digest.as_deref(), Some(digest.as_str()));
    let local = client.inspect(&target.to_string()).await.unwrap().unwrap();
    assert!(
        local
            .repo_digests
            .iter()
            .any(|known| known.ends_with(&digest)),
        "{local:?}"
    );
    assert!(said.contains("Pushed") && said.contains(&digest), "{said}");
    let (again, said) = push(&client, &target, Some(&user)).await;
    assert_eq!(again.unwrap(), digest);
    assert!(said.contains("Layer already exists"), "{said}");
}

#[tokio::test]
async fn wrong_and_missing_credentials_are_told_apart_and_not_shown() {
    let (Some(engine), Some(registry)) = (DockerEngine::shared(), DockerRegistry::start().await)
    else {
        return;
    };
    let client = engine.client();
    let target = image(&client, &format!("{}/push/denied:1", registry.host())).await;
    let (wrong, _) = push(&client, &target, Some(&credentials("canary-wrong"))).await;
    assert_eq!(why(&wrong), PushRefusal::Credentials);
    let (missing, _) = push(&client, &target, None).await;
    assert_eq!(why(&missing), PushRefusal::NoCredentials);
    for error in [wrong.unwrap_err(), missing.unwrap_err()] {
        let text = format!("{} {error:?}", chain(&error));
        assert!(text.contains(&registry.host()), "{text}");
        assert!(text.contains("REGISTRY_USERNAME"), "{text}");
        assert!(!text.contains("canary"), "{text}");
    }
}

#[tokio::test]
async fn an_image_that_is_not_there_is_not_pushed() {
    let Some(engine) = DockerEngine::shared() else {
        return;
    };
    let target = format!("127.0.0.1:{}/push/none:1", CLOSED_PORT);
    let (pushed, _) = push(&engine.client(), &target.parse().unwrap(), None).await;
    assert!(
        matches!(pushed, Err(EngineError::NoSuchImage { .. })),
        "{pushed:?}"
    );
}

/// Answers every request of the registry's API with a status, and the first one, by which the engine gets to know it,
/// with success.
async fn failing_registry(status: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((mut wire, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut request = vec![0; 16 * 1024];
                let length = wire.read(&mut request).await.unwrap_or(0);
                let status = match request[..length].starts_with(b"GET /v2/ ") {
                    true => "200 OK",
                    false => status,
                };
                let answer = format!(
                    "HTTP/1.1 {status}\r\nContent-Length: 6\r\nConnection: close\r\n\r\n<html>"
                );
                let _ = wire.write_all(answer.as_bytes()).await;
            });
        }
    });
    host
}

#[tokio::test]
async fn each_refusal_of_a_registry_has_its_name() {
    let Some(engine) = DockerEngine::shared() else {
        return;
    };
    let client = engine.client();
    for (status, expected) in [
        ("401 Unauthorized", PushRefusal::Credentials),
        ("403 Forbidden", PushRefusal::Credentials),
        ("413 Request Entity Too Large", PushRefusal::TooLarge),
    ] {
        let host = failing_registry(status).await;
        let target = image(&client, &format!("{host}/push/refused:1")).await;
        let (pushed, _) = push(&client, &target, Some(&credentials("x"))).await;
        assert_eq!(why(&pushed), expected, "{status}: {pushed:?}");
    }
}

#[tokio::test]
async fn a_registry_that_is_away_is_unreachable() {
    let Some(engine) = DockerEngine::shared() else {
        return;
    };
    let client = engine.client();
    let target = image(&client, &format!("127.0.0.1:{}/push/away:1", CLOSED_PORT)).await;
    let (pushed, _) = push(&client, &target, None).await;
    assert_eq!(why(&pushed), PushRefusal::Unreachable, "{pushed:?}");
}

#[tokio::test]
async fn a_stop_cuts_through_a_push() {
    let Some(engine) = DockerEngine::shared() else {
        return;
    };
    let client = engine.client();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = listener.local_addr().unwrap();
    let target = image(&client, &format!("{host}/push/hanging:1")).await;
    let (output, _heard) = Output::channel();
    let stop = CancellationToken::new();
    let stopper = async {
        // A registry that takes the connection and never says a word.
        let wire = listener.accept().await.unwrap();
        stop.cancel();
        (Instant::now(), wire)
    };
    let (pushed, (stopped, _wire)) =
        tokio::join!(client.push(&target, None, &output, &stop), stopper);
    assert!(matches!(pushed, Err(EngineError::Stopped)), "{pushed:?}");
    assert!(stopped.elapsed() < Duration::from_secs(1));
}
