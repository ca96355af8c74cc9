//! The registry of tests that fails where it is told to, and what tests read back from a registry.

use std::io::Write as _;
use std::time::Duration;

use futures::StreamExt as _;
use reqwest::header::{ACCEPT, CONTENT_TYPE, LOCATION, RANGE, WWW_AUTHENTICATE};
use reqwest::{Body, RequestBuilder, Response};
use serde_json::{Value, json};

use crate::support::fault_registry::{Fault, FaultRegistry, Rule};
use crate::support::registry::{DockerRegistry, PASSWORD, USER, plain_client, sha256};

const MEDIA: &str = "application/vnd.docker.distribution.manifest.v2+json";
const UPLOADS: &str = "/blobs/uploads/";

struct Pusher {
    http: reqwest::Client,
    host: String,
}

impl Pusher {
    fn to(proxy: &FaultRegistry) -> Self {
        Self {
            http: plain_client(),
            host: proxy.host(),
        }
    }

    fn request(&self, method: &str, path: &str) -> RequestBuilder {
        let method = method.parse().unwrap();
        let address = format!("http://{}{path}", self.host);
        let request = self.http.request(method, address);
        request.basic_auth(USER, Some(PASSWORD))
    }

    /// The path of an upload, which must be on the proxy.
    async fn begin(&self) -> String {
        let begun = self.request("POST", "/v2/app/blobs/uploads/").send().await;
        self.upload(&begun.unwrap())
    }

    fn upload(&self, answer: &Response) -> String {
        assert_eq!(answer.status(), 202);
        let place = answer.headers()[LOCATION].to_str().unwrap();
        let own = format!("http://{}", self.host);
        let path = place.strip_prefix(&own).unwrap_or(place);
        assert!(path.starts_with("/v2/app/blobs/uploads/"), "{place}");
        path.to_owned()
    }

    /// One chunk of unknown length, as engines send them.
    async fn patch(&self, upload: &str, body: Body) -> reqwest::Result<Response> {
        self.request("PATCH", upload).body(body).send().await
    }

    async fn finish(&self, upload: &str, digest: &str) -> Response {
        let put = self.request("PUT", upload).query(&[("digest", digest)]);
        put.send().await.unwrap()
    }

    /// Status of a blob as the registry knows it.
    async fn blob(&self, content: &[u8]) -> u16 {
        let path = format!("/v2/app/blobs/{}", sha256(content));
        let answer = self.request("HEAD", &path).send().await.unwrap();
        answer.status().as_u16()
    }

    async fn push(&self, content: &[u8]) {
        let upload = self.begin().await;
        let patched = self.patch(&upload, chunks(content)).await.unwrap();
        let upload = self.upload(&patched);
        let put = self.finish(&upload, &sha256(content)).await;
        assert_eq!(put.status(), 201);
    }
}

/// Without a length.
fn chunks(content: &[u8]) -> Body {
    let chunks: Vec<_> = content.chunks(1 << 14).map(<[u8]>::to_vec).collect();
    Body::wrap_stream(futures::stream::iter(chunks).map(Ok::<_, std::io::Error>))
}

/// So much, and then the sender waits for ever.
fn unfinished(content: &[u8]) -> Body {
    let start = futures::stream::iter([Ok::<_, std::io::Error>(content.to_vec())]);
    Body::wrap_stream(start.chain(futures::stream::pending()))
}

fn layer(size: usize) -> Vec<u8> {
    (0..size).map(|at| (at % 251) as u8).collect()
}

async fn pair() -> Option<(DockerRegistry, FaultRegistry)> {
    let registry = DockerRegistry::start().await?;
    let proxy = FaultRegistry::start(&registry);
    Some((registry, proxy))
}

fn seen(proxy: &FaultRegistry) -> Vec<(String, Option<u16>)> {
    let requests = proxy.requests().into_iter();
    requests.map(|seen| (seen.method, seen.status)).collect()
}

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(content).unwrap();
    gzip.finish().unwrap()
}

#[tokio::test]
async fn what_is_pushed_through_the_proxy_is_in_the_registry() {
    let Some((registry, proxy)) = pair().await else {
        return;
    };
    let pusher = Pusher::to(&proxy);
    let (config, layer) = (br#"{"os":"linux"}"#, layer(3 << 20));
    pusher.push(config).await;
    pusher.push(&layer).await;
    let manifest = json!({
        "schemaVersion": 2, "mediaType": MEDIA,
        "config": {"mediaType": "application/vnd.docker.container.image.v1+json",
                   "digest": sha256(config), "size": config.len()},
        "layers": [{"mediaType": "application/vnd.docker.image.rootfs.diff.tar.gzip",
                    "digest": sha256(&layer), "size": layer.len()}],
    });
    let put = pusher.request("PUT", "/v2/app/manifests/1");
    let put = put.header(CONTENT_TYPE, MEDIA).body(manifest.to_string());
    assert_eq!(put.send().await.unwrap().status(), 201);
    assert_eq!(registry.manifest("app", "1").await, manifest);
    assert_eq!(registry.config("app", "1").await, json!({"os": "linux"}));
    assert_eq!(registry.layers("app", "1").await.concat(), layer);
    let path = format!("/v2/app/blobs/{}", sha256(&layer));
    let read = pusher.request("GET", &path).send().await.unwrap();
    assert_eq!(read.bytes().await.unwrap(), layer, "and comes back whole");
    let part = pusher.request("GET", &path).header(RANGE, "bytes=1-3");
    let part = part.send().await.unwrap();
    assert_eq!(part.status(), 206);
    assert_eq!(part.bytes().await.unwrap(), layer[1..4]);
    let statuses: Vec<_> = proxy.requests().iter().map(|seen| seen.status).collect();
    let blob = [Some(202), Some(202), Some(201)];
    let rest = [Some(201), Some(200), Some(206)];
    assert_eq!(statuses, [&blob[..], &blob, &rest].concat());
}

#[tokio::test]
async fn the_registry_itself_checks_the_credentials() {
    let Some((_registry, proxy)) = pair().await else {
        return;
    };
    let address = format!("http://{}/v2/", proxy.host());
    let anonymous = plain_client().get(&address).send().await.unwrap();
    assert_eq!(anonymous.status(), 401);
    let challenge = anonymous.headers()[WWW_AUTHENTICATE].to_str().unwrap();
    assert!(challenge.starts_with("Basic realm="), "{challenge}");
    let known = plain_client()
        .get(&address)
        .basic_auth(USER, Some(PASSWORD));
    assert_eq!(known.send().await.unwrap().status(), 200);
    assert_eq!(proxy.requests()[0].path, "/v2/");
}

#[tokio::test]
async fn a_rule_strikes_after_so_many_calls_so_many_times() {
    let Some((_registry, proxy)) = pair().await else {
        return;
    };
    let pusher = Pusher::to(&proxy);
    for status in [401, 403, 413, 500, 503] {
        proxy.heal();
        let before = proxy.requests().len();
        proxy.fail(Rule {
            after: 1,
            times: 2,
            ..Rule::on("POST", UPLOADS, Fault::Status(status))
        });
        for _ in 0..4 {
            let begin = pusher.request("POST", "/v2/app/blobs/uploads/");
            let answer = begin.send().await.unwrap();
            assert_eq!(
                answer.headers().contains_key(WWW_AUTHENTICATE),
                answer.status() == 401
            );
            assert_eq!(pusher.blob(b"nothing").await, 404, "other calls pass");
        }
        let seen = proxy.requests().split_off(before);
        let posts = seen.iter().filter(|seen| seen.method == "POST");
        let statuses: Vec<_> = posts.filter_map(|seen| seen.status).collect();
        assert_eq!(statuses, [202, status, status, 202]);
    }
}

#[tokio::test]
async fn of_two_rules_the_first_that_is_due_wins() {
    let Some((_registry, proxy)) = pair().await else {
        return;
    };
    let pusher = Pusher::to(&proxy);
    let once = |status| Rule {
        times: 1,
        ..Rule::on("", "/v2/app/", Fault::Status(status))
    };
    proxy.fail(once(500));
    proxy.fail(Rule {
        times: 2,
        ..once(503)
    });
    for status in [500, 503, 404] {
        assert_eq!(pusher.blob(b"nothing").await, status);
    }
}

#[tokio::test]
async fn a_status_in_the_middle_of_a_layer_is_an_answer_to_whoever_still_sends() {
    let Some((_registry, proxy)) = pair().await else {
        return;
    };
    let pusher = Pusher::to(&proxy);
    let content = layer(1 << 20);
    let upload = pusher.begin().await;
    proxy.fail(Rule::in_blob(content.len(), Fault::Status(413)));
    let answer = pusher.patch(&upload, unfinished(&content)).await.unwrap();
    assert_eq!(answer.status(), 413);
    let page = answer.text().await.unwrap();
    assert!(page.contains("413 Request Entity Too Large"), "{page}");
    proxy.heal();
    proxy.fail(Rule::in_blob(content.len() + 1, Fault::Status(413)));
    let waits = pusher.patch(&upload, unfinished(&content));
    let waited = tokio::time::timeout(Duration::from_millis(200), waits).await;
    assert!(waited.is_err(), "a byte more is needed: {waited:?}");
    assert_eq!(pusher.blob(&content).await, 404);
}

#[tokio::test]
async fn what_is_shorter_than_a_rule_wants_passes_whole_and_is_not_counted() {
    let Some((_registry, proxy)) = pair().await else {
        return;
    };
    let pusher = Pusher::to(&proxy);
    let (short, long) = (layer((1 << 16) - 1), layer(1 << 16));
    proxy.fail(Rule {
        times: 1,
        ..Rule::in_blob(long.len(), Fault::Status(500))
    });
    pusher.push(&short).await;
    assert_eq!(pusher.blob(&short).await, 200);
    let put = pusher.request("PUT", &pusher.begin().await);
    let put = put.query(&[("digest", sha256(&long))]).body(long.clone());
    assert_eq!(put.send().await.unwrap().status(), 500, "PUT like PATCH");
    pusher.push(&long).await;
    assert_eq!(pusher.blob(&long).await, 200);
}

#[tokio::test]
async fn an_upload_that_is_cut_has_no_answer_and_leaves_nothing() {
    let Some((_registry, proxy)) = pair().await else {
        return;
    };
    let pusher = Pusher::to(&proxy);
    let content = layer(1 << 20);
    for bytes in [1, 1 << 16, content.len()] {
        proxy.heal();
        proxy.fail(Rule::in_blob(bytes, Fault::Cut));
        let upload = pusher.begin().await;
        pusher.patch(&upload, chunks(&content)).await.unwrap_err();
        let put = pusher.finish(&upload, &sha256(&content)).await;
        assert_eq!(put.status(), 400, "the registry does not have it");
    }
    let patches = seen(&proxy).into_iter().filter(|seen| seen.0 == "PATCH");
    assert!(patches.map(|seen| seen.1).eq([None; 3]));
    proxy.heal();
    pusher.push(&content).await;
}

#[tokio::test]
async fn an_answer_that_is_cut_arrives_in_part() {
    let Some((registry, proxy)) = pair().await else {
        return;
    };
    let pusher = Pusher::to(&proxy);
    let manifest = registry
        .push_image("app", "1", &json!({"os": "linux"}))
        .await;
    let size = usize::try_from(manifest["size"].as_u64().unwrap()).unwrap();
    let cut = |after_bytes| Rule::on("GET", "/manifests/", Fault::CutAnswer { after_bytes });
    for (after_bytes, arrives) in [(10, 10), (size + 1, size)] {
        proxy.heal();
        proxy.fail(cut(after_bytes));
        let get = pusher.request("GET", "/v2/app/manifests/1");
        let mut answer = get.header(ACCEPT, MEDIA).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        let mut read = 0;
        let end = loop {
            match answer.chunk().await {
                Ok(Some(chunk)) => read += chunk.len(),
                end => break end,
            }
        };
        assert_eq!((read, end.is_ok()), (arrives, arrives == size));
    }
}

#[tokio::test]
async fn a_call_whose_answer_is_lost_is_carried_out() {
    let Some((_registry, proxy)) = pair().await else {
        return;
    };
    let pusher = Pusher::to(&proxy);
    let content = layer(1 << 16);
    let upload = pusher.begin().await;
    let patched = pusher.patch(&upload, chunks(&content)).await.unwrap();
    let upload = pusher.upload(&patched);
    let lost = Fault::CutAnswer { after_bytes: 0 };
    proxy.fail(Rule::on("PUT", UPLOADS, lost));
    let put = pusher.request("PUT", &upload);
    let put = put.query(&[("digest", sha256(&content))]);
    put.send().await.unwrap_err();
    assert_eq!(pusher.blob(&content).await, 200);
}

#[tokio::test]
async fn what_hangs_is_never_answered_and_ends_with_the_proxy() {
    let Some((_registry, proxy)) = pair().await else {
        return;
    };
    let pusher = Pusher::to(&proxy);
    let upload = pusher.begin().await;
    proxy.fail(Rule::on("PATCH", UPLOADS, Fault::Hang));
    let content = layer(1 << 20);
    let patch = pusher.patch(&upload, chunks(&content));
    let mut patch = std::pin::pin!(patch);
    tokio::select! {
        answer = &mut patch => panic!("{answer:?}"),
        () = proxy.until_struck(1) => {}
    }
    proxy.heal();
    let waited = tokio::time::timeout(Duration::from_millis(200), &mut patch).await;
    assert!(waited.is_err(), "{waited:?}");
    assert_eq!(pusher.blob(&content).await, 404, "others are served");
    assert_eq!(seen(&proxy)[1], ("PATCH".to_owned(), None));
    drop(proxy);
    patch.await.unwrap_err();
}

#[tokio::test]
async fn a_list_is_read_back_with_all_layers_of_all_its_images() {
    let Some(registry) = DockerRegistry::start().await else {
        return;
    };
    let (plain, packed) = (b"plain".to_vec(), gzip(b"packed"));
    let config = |name: &str| json!({"os": "linux", "history": [{"created_by": name}]});
    let images: [Value; 2] = [
        registry
            .push_layers("app", "a", &config("a"), std::slice::from_ref(&packed))
            .await,
        registry
            .push_layers("app", "b", &config("b"), &[plain.clone(), packed.clone()])
            .await,
    ];
    registry.push_list("app", "latest", &images).await;
    assert_eq!(registry.tags("app").await, ["a", "b", "latest"]);
    assert_eq!(registry.tags("other").await, Vec::<String>::new());
    assert_eq!(registry.config("app", "latest").await, config("a"));
    assert_eq!(
        registry.layers("app", "latest").await,
        [packed.clone(), plain, packed]
    );
    assert_eq!(
        registry.unpacked_layers("app", "latest").await,
        [&b"packed"[..], b"plain", b"packed"]
    );
}
