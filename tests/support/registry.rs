//! A real `docker-registry` with basic auth, and images pushed to it through its API.

use std::io::{ErrorKind, Read as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use reqwest::header::{ACCEPT, CONTENT_TYPE, LOCATION, WWW_AUTHENTICATE};
use rustls::{ClientConfig, RootCertStore};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use super::ports::free_port;

pub(crate) const USER: &str = "cs-test";
pub(crate) const PASSWORD: &str = "canary-pass";

/// bcrypt of [`PASSWORD`], as `htpasswd -Bbn` prints it.
const HTPASSWD: &str = "cs-test:$2y$05$eUZqCTuCqGLU4mLpy7U57O6hDpL5B96vzCOdVbK26AadO4jqCd7pe\n";

const MANIFEST_TYPE: &str = "application/vnd.docker.distribution.manifest.v2+json";
const LIST_TYPE: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
const LAYER_TYPE: &str = "application/vnd.docker.image.rootfs.diff.tar.gzip";
const OCI_TYPES: &str =
    "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json";

/// Ends, with its data, when dropped.
pub(crate) struct DockerRegistry {
    child: Child,
    port: u16,
    _home: TempDir,
    http: reqwest::Client,
}

impl Drop for DockerRegistry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl DockerRegistry {
    /// `None`, with a line that says so, where `docker-registry` is not installed.
    #[expect(clippy::print_stderr, reason = "a skipped test says so")]
    pub(crate) async fn start() -> Option<Self> {
        for _ in 0..5 {
            let home = TempDir::new().expect("a temporary directory");
            let port = free_port();
            let realm = uuid::Uuid::new_v4().to_string();
            let mut child = match spawn(home.path(), port, &realm) {
                Ok(child) => child,
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    eprintln!("SKIPPED: `docker-registry` is not on PATH");
                    return None;
                }
                Err(error) => panic!("docker-registry does not start: {error}"),
            };
            let http = plain_client();
            if answers(&mut child, &http, port, &realm).await {
                return Some(Self {
                    child,
                    port,
                    _home: home,
                    http,
                });
            }
            let _ = child.kill();
            let _ = child.wait();
        }
        panic!("docker-registry does not answer")
    }

    /// `127.0.0.1:<port>`.
    pub(crate) fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Pushes an image without layers. Returns its descriptor, for a list.
    pub(crate) async fn push_image(&self, repository: &str, tag: &str, config: &Value) -> Value {
        self.push_layers(repository, tag, config, &[]).await
    }

    /// Pushes an image with layers, each a tar file, compressed or not. Returns its descriptor, for a list.
    pub(crate) async fn push_layers(
        &self,
        repository: &str,
        tag: &str,
        config: &Value,
        layers: &[Vec<u8>],
    ) -> Value {
        let config = self
            .push_blob(repository, config.to_string().into_bytes())
            .await;
        let mut pushed = Vec::new();
        for layer in layers {
            let (digest, size) = self.push_blob(repository, layer.clone()).await;
            pushed.push(json!({"mediaType": LAYER_TYPE, "digest": digest, "size": size}));
        }
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPE,
            "config": {"mediaType": "application/vnd.docker.container.image.v1+json",
                       "digest": config.0, "size": config.1},
            "layers": pushed,
        });
        self.push_manifest(repository, tag, MANIFEST_TYPE, &manifest)
            .await
    }

    /// Pushes a list of images, each a descriptor with its platform. Returns its descriptor.
    pub(crate) async fn push_list(&self, repository: &str, tag: &str, images: &[Value]) -> Value {
        let list = json!({"schemaVersion": 2, "mediaType": LIST_TYPE, "manifests": images});
        self.push_manifest(repository, tag, LIST_TYPE, &list).await
    }

    /// What `tag`, a tag or a digest, stands for: the manifest of an image, or a list of them.
    pub(crate) async fn manifest(&self, repository: &str, tag: &str) -> Value {
        let body = self.read(repository, "manifests", tag).await;
        serde_json::from_slice(&body).expect("a manifest is JSON")
    }

    /// In alphabetical order. A repository to which nothing was pushed has none.
    pub(crate) async fn tags(&self, repository: &str) -> Vec<String> {
        let answer = self.get(repository, "tags", "list").await;
        if answer.status() == 404 {
            return Vec::new();
        }
        assert_eq!(answer.status(), 200);
        let listed: Value = answer.json().await.expect("a list of tags is JSON");
        let mut tags: Vec<_> = listed["tags"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|tag| tag.as_str().expect("a tag is text").to_owned())
            .collect();
        tags.sort();
        tags
    }

    /// The configuration of an image, history included; of a list, that of its first image.
    pub(crate) async fn config(&self, repository: &str, tag: &str) -> Value {
        let manifests = self.manifests(repository, tag).await;
        let manifest = manifests.first().expect("a list has an image");
        let body = self.blob(repository, &manifest["config"]).await;
        serde_json::from_slice(&body).expect("a configuration is JSON")
    }

    /// The layers as the registry holds them, usually compressed; of a list, those of all that it lists, attestations too.
    pub(crate) async fn layers(&self, repository: &str, tag: &str) -> Vec<Vec<u8>> {
        let mut layers = Vec::new();
        for manifest in self.manifests(repository, tag).await {
            for layer in manifest["layers"].as_array().into_iter().flatten() {
                layers.push(self.blob(repository, layer).await);
            }
        }
        layers
    }

    /// The same without compression, to look for what must not be in them.
    pub(crate) async fn unpacked_layers(&self, repository: &str, tag: &str) -> Vec<Vec<u8>> {
        let layers = self.layers(repository, tag).await;
        layers.into_iter().map(unpacked).collect()
    }

    /// That of an image, or those of a list.
    async fn manifests(&self, repository: &str, tag: &str) -> Vec<Value> {
        let manifest = self.manifest(repository, tag).await;
        let Some(listed) = manifest["manifests"].as_array() else {
            return vec![manifest];
        };
        let mut manifests = Vec::new();
        for image in listed {
            let digest = image["digest"].as_str().expect("a descriptor has a digest");
            manifests.push(self.manifest(repository, digest).await);
        }
        manifests
    }

    async fn blob(&self, repository: &str, descriptor: &Value) -> Vec<u8> {
        let digest = descriptor["digest"].as_str();
        self.read(
            repository,
            "blobs",
            digest.expect("a descriptor has a digest"),
        )
        .await
    }

    async fn read(&self, repository: &str, kind: &str, name: &str) -> Vec<u8> {
        let answer = self.get(repository, kind, name).await;
        assert_eq!(answer.status(), 200, "{kind}/{name} of {repository}");
        let body = answer.bytes().await.expect("an answer is read");
        body.to_vec()
    }

    async fn get(&self, repository: &str, kind: &str, name: &str) -> reqwest::Response {
        let address = format!("http://{}/v2/{repository}/{kind}/{name}", self.host());
        let get = self.http.get(address).basic_auth(USER, Some(PASSWORD));
        let get = get.header(ACCEPT, format!("{MANIFEST_TYPE}, {LIST_TYPE}, {OCI_TYPES}"));
        get.send().await.expect("the registry answers")
    }

    async fn push_blob(&self, repository: &str, body: Vec<u8>) -> (String, usize) {
        let (digest, size) = (sha256(&body), body.len());
        let begin = format!("http://{}/v2/{repository}/blobs/uploads/", self.host());
        let begun = self.http.post(begin).basic_auth(USER, Some(PASSWORD));
        let begun = begun.send().await.expect("an upload begins");
        assert_eq!(begun.status(), 202);
        let mut upload = url::Url::parse(begun.headers()[LOCATION].to_str().unwrap()).unwrap();
        upload.query_pairs_mut().append_pair("digest", &digest);
        let put = self
            .http
            .put(upload)
            .basic_auth(USER, Some(PASSWORD))
            .body(body);
        assert_eq!(put.send().await.expect("an upload ends").status(), 201);
        (digest, size)
    }

    async fn push_manifest(&self, repository: &str, tag: &str, media: &str, body: &Value) -> Value {
        let body = body.to_string();
        let (digest, size) = (sha256(body.as_bytes()), body.len());
        let address = format!("http://{}/v2/{repository}/manifests/{tag}", self.host());
        let put = self.http.put(address).basic_auth(USER, Some(PASSWORD));
        let put = put.header(CONTENT_TYPE, media).body(body).send().await;
        let answer = put.expect("a manifest is put");
        assert_eq!(
            answer.status(),
            201,
            "{}",
            answer.text().await.unwrap_or_default()
        );
        json!({"mediaType": media, "digest": digest, "size": size})
    }
}

fn spawn(home: &Path, port: u16, realm: &str) -> std::io::Result<Child> {
    let (users, config) = (home.join("htpasswd"), home.join("config.json"));
    std::fs::write(&users, HTPASSWD)?;
    // The configuration is YAML, of which JSON is a part.
    let text = json!({
        "version": 0.1,
        "log": {"level": "error", "accesslog": {"disabled": true}},
        "storage": {"filesystem": {"rootdirectory": home.join("data")}},
        "http": {"addr": format!("127.0.0.1:{port}")},
        "auth": {"htpasswd": {"realm": realm, "path": users}},
    });
    std::fs::write(&config, text.to_string())?;
    Command::new("docker-registry")
        .arg("serve")
        .arg(&config)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
}

/// Whether it is this one that listens there, not another one that was faster.
async fn answers(child: &mut Child, http: &reqwest::Client, port: u16, realm: &str) -> bool {
    let deadline = Instant::now() + Duration::from_secs(20);
    while Instant::now() < deadline {
        if child.try_wait().is_ok_and(|ended| ended.is_some()) {
            return false;
        }
        let answer = http.get(format!("http://127.0.0.1:{port}/v2/")).send();
        if let Ok(Ok(answer)) = tokio::time::timeout(Duration::from_secs(2), answer).await {
            let challenge = answer.headers().get(WWW_AUTHENTICATE);
            let challenge = challenge.and_then(|challenge| challenge.to_str().ok());
            return challenge.is_some_and(|challenge| challenge.contains(realm));
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    false
}

/// A layer without its gzip, if it has one.
fn unpacked(layer: Vec<u8>) -> Vec<u8> {
    if !layer.starts_with(&[0x1f, 0x8b]) {
        return layer;
    }
    let mut plain = Vec::new();
    let read = flate2::read::MultiGzDecoder::new(layer.as_slice()).read_to_end(&mut plain);
    read.expect("a layer is whole");
    plain
}

/// Trusts nobody: for plain HTTP.
pub(crate) fn plain_client() -> reqwest::Client {
    let provider = rustls::crypto::ring::default_provider();
    let tls = ClientConfig::builder_with_provider(provider.into())
        .with_safe_default_protocol_versions()
        .expect("ring has cipher suites")
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .no_proxy()
        .build()
        .expect("a client can be built")
}

/// `sha256:<hex>`.
pub(crate) fn sha256(body: &[u8]) -> String {
    let hex: String = Sha256::digest(body)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("sha256:{hex}")
}
