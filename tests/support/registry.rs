//! A real `docker-registry` with basic auth, and images pushed to it through its API.

use std::io::ErrorKind;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use reqwest::header::{CONTENT_TYPE, LOCATION};
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
            let mut child = match spawn(home.path(), port) {
                Ok(child) => child,
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    eprintln!("SKIPPED: `docker-registry` is not on PATH");
                    return None;
                }
                Err(error) => panic!("docker-registry does not start: {error}"),
            };
            if answers(&mut child, port).await {
                let http = plain_client();
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
        let config = self
            .push_blob(repository, config.to_string().into_bytes())
            .await;
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPE,
            "config": {"mediaType": "application/vnd.docker.container.image.v1+json",
                       "digest": config.0, "size": config.1},
            "layers": [],
        });
        self.push_manifest(repository, tag, MANIFEST_TYPE, &manifest)
            .await
    }

    /// Pushes a list of images, each a descriptor with its platform. Returns its descriptor.
    pub(crate) async fn push_list(&self, repository: &str, tag: &str, images: &[Value]) -> Value {
        let list = json!({"schemaVersion": 2, "mediaType": LIST_TYPE, "manifests": images});
        self.push_manifest(repository, tag, LIST_TYPE, &list).await
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

fn spawn(home: &Path, port: u16) -> std::io::Result<Child> {
    let (users, config) = (home.join("htpasswd"), home.join("config.json"));
    std::fs::write(&users, HTPASSWD)?;
    // The configuration is YAML, of which JSON is a part.
    let text = json!({
        "version": 0.1,
        "log": {"level": "error", "accesslog": {"disabled": true}},
        "storage": {"filesystem": {"rootdirectory": home.join("data")}},
        "http": {"addr": format!("127.0.0.1:{port}")},
        "auth": {"htpasswd": {"realm": "test", "path": users}},
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

async fn answers(child: &mut Child, port: u16) -> bool {
    let deadline = Instant::now() + Duration::from_secs(20);
    while Instant::now() < deadline {
        if child.try_wait().is_ok_and(|ended| ended.is_some()) {
            return false;
        }
        if tokio::net::TcpStream::connect(("127.0.0.1", port))
            .await
            .is_ok()
        {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    false
}

fn plain_client() -> reqwest::Client {
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
