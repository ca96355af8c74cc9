//! A real Docker engine, where one can run.
//!
//! `CS_TEST_DOCKER_HOST` names a running one; else `dockerd` on PATH is started with its own data, its own socket, its own
//! containerd and its own bridge, beside whatever engine the machine has, and without a change of the firewall. Steps of
//! builds have a network that leads nowhere; the engine itself reaches the loopback, so that it can push to a registry
//! there. A supervising shell holds it: when the test binary ends, however it ends, the shell's input closes and it ends
//! the engine, unmounts what that left mounted, and removes the directory and the bridge.
//!
//! ```ignore
//! let Some(engine) = DockerEngine::shared() else { return };
//! let base = engine.base_image();                       // `FROM` it: busybox and its applets, no pull
//! let env = TestEnv::new().set("DOCKER_HOST", engine.host());
//! assert!(!engine.image_holds("shop:1", "canary"));     // history, configuration and every layer
//! assert!(engine.containers().is_empty());
//! ```

mod archive;
mod daemon;
mod proxy;
mod wire;

use std::process::Command;
use std::sync::OnceLock;

use cs::clients::docker::Engine;
use cs::config::Environment;
use serde_json::Value;

use self::archive::{busybox, entry, holds, unzipped};
use self::daemon::Daemon;
pub(crate) use self::proxy::EngineProxy;
pub(crate) use self::wire::Reply;
use self::wire::call;

const BASE_IMAGE: &str = "cs-test-base";

/// A real engine for tests. Ended when dropped, unless it was running before.
#[derive(Debug)]
pub(crate) struct DockerEngine {
    host: String,
    base: OnceLock<()>,
    _daemon: Option<Daemon>,
}

impl DockerEngine {
    /// Starts one, or takes the one that `CS_TEST_DOCKER_HOST` names; `None`, with a message, when there is neither.
    ///
    /// # Errors
    /// The end of the log of one that does not start.
    fn start() -> Result<Option<Self>, String> {
        #[expect(clippy::disallowed_methods, reason = "the switch between test runs")]
        let given = std::env::var("CS_TEST_DOCKER_HOST")
            .ok()
            .filter(|text| !text.is_empty());
        if let Some(host) = given {
            return Ok(Some(Self::at(host, None)));
        }
        if Command::new("dockerd").arg("--version").output().is_err() {
            skipped("`dockerd` is not on PATH");
            return Ok(None);
        }
        if !is_root() {
            skipped("`dockerd` needs root");
            return Ok(None);
        }
        let (host, daemon) = daemon::start()?;
        Ok(Some(Self::at(host, Some(daemon))))
    }

    /// One of the test's own, for what would disturb the builds of others; the one that `CS_TEST_DOCKER_HOST` names is
    /// nobody's own.
    pub(crate) fn own() -> Option<Self> {
        started(Self::start())
    }

    /// The one that all tests of this binary share.
    pub(crate) fn shared() -> Option<&'static Self> {
        static SHARED: OnceLock<Result<Option<DockerEngine>, String>> = OnceLock::new();
        let shared = SHARED.get_or_init(Self::start).as_ref();
        started(shared.map(Option::as_ref))
    }

    fn at(host: String, daemon: Option<Daemon>) -> Self {
        Self {
            host,
            base: OnceLock::new(),
            _daemon: daemon,
        }
    }

    /// The value of `DOCKER_HOST`.
    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    /// A client of it.
    pub(crate) fn client(&self) -> Engine {
        client_of(&self.host)
    }

    /// The name of an image with a static busybox and its applets in `/bin`. Made at the first call.
    pub(crate) fn base_image(&self) -> &'static str {
        self.base.get_or_init(|| {
            let path = format!("/images/create?fromSrc=-&repo={BASE_IMAGE}&tag=latest");
            let reply = self.call("POST", &path, &busybox());
            assert!(
                reply.status == 200 && !reply.text().contains("error"),
                "{reply:?}"
            );
        });
        BASE_IMAGE
    }

    /// Ids of all containers, running or not. Steps that BuildKit runs are none: see [`DockerEngine::runs`].
    pub(crate) fn containers(&self) -> Vec<String> {
        texts(&self.document("/containers/json?all=1"), "Id")
    }

    /// Names of all images, `repository:tag`.
    pub(crate) fn images(&self) -> Vec<String> {
        let images = self.document("/images/json");
        let tags = images.as_array().expect("a list").iter();
        tags.filter_map(|image| image["RepoTags"].as_array())
            .flatten()
            .filter_map(|tag| tag.as_str().map(str::to_owned))
            .collect()
    }

    /// Whether there is an image of this name.
    pub(crate) fn has_image(&self, image: &str) -> bool {
        self.call("GET", &format!("/images/{image}/json"), b"")
            .status
            == 200
    }

    /// What the engine knows about an image.
    pub(crate) fn image(&self, image: &str) -> Value {
        self.document(&format!("/images/{image}/json"))
    }

    /// The history of an image, as the engine tells it.
    pub(crate) fn history(&self, image: &str) -> Value {
        self.document(&format!("/images/{image}/history"))
    }

    /// An image as `docker save` writes it: configuration and every layer, in one archive.
    pub(crate) fn saved(&self, image: &str) -> Vec<u8> {
        let reply = self.call("GET", &format!("/images/{image}/get"), b"");
        assert_eq!(reply.status, 200, "{reply:?}");
        reply.body
    }

    /// Whether a text stands anywhere in an image: in its history, its configuration, the name or the content of a file of
    /// any layer.
    pub(crate) fn image_holds(&self, image: &str, text: &str) -> bool {
        let known = format!("{} {}", self.image(image), self.history(image));
        known.contains(text)
            || holds(&self.saved(image), text)
            || self.layers(image).iter().any(|layer| holds(layer, text))
    }

    /// The content of a file of an image, from the topmost layer that has it.
    pub(crate) fn file(&self, image: &str, path: &str) -> Option<Vec<u8>> {
        let layers = self.layers(image).into_iter();
        layers.filter_map(|layer| entry(&layer, path)).next_back()
    }

    /// The layers of an image, lowest first, each an archive.
    pub(crate) fn layers(&self, image: &str) -> Vec<Vec<u8>> {
        let saved = self.saved(image);
        let manifest = entry(&saved, "manifest.json").expect("an archive has a manifest");
        let manifest: Value = serde_json::from_slice(&manifest).expect("it is JSON");
        let names = manifest[0]["Layers"].as_array().expect("a list");
        let names = names.iter().map(|name| name.as_str().expect("a text"));
        names
            .map(|name| unzipped(entry(&saved, name).expect("every layer is there")))
            .collect()
    }

    /// Removes an image by all its names, if it is there.
    pub(crate) fn remove(&self, image: &str) {
        self.call("DELETE", &format!("/images/{image}?force=1"), b"");
    }

    /// Forgets every layer that no image uses, and breaks builds that run meanwhile: for engines of one's own.
    pub(crate) fn prune_cache(&self) {
        let reply = self.call("POST", "/build/prune?all=1", b"");
        assert_eq!(reply.status, 200, "{reply:?}");
    }

    /// Whether a process runs, in a container or not, whose command line holds this text. Not for engines elsewhere.
    pub(crate) fn runs(&self, text: &str) -> bool {
        processes().any(|line| line.contains(text))
    }

    /// The engine behind a proxy that shows it as one without BuildKit.
    pub(crate) fn classic(&self) -> EngineProxy {
        EngineProxy::start(&self.host, Some("1"))
    }

    /// The engine behind a proxy that can cut its connections.
    pub(crate) fn proxy(&self) -> EngineProxy {
        EngineProxy::start(&self.host, None)
    }

    #[track_caller]
    fn document(&self, path: &str) -> Value {
        let reply = self.call("GET", path, b"");
        assert_eq!(reply.status, 200, "{path}: {reply:?}");
        serde_json::from_slice(&reply.body).expect("the engine answers with JSON")
    }

    /// A call without a client: it must not depend on the code under test.
    pub(crate) fn call(&self, method: &str, path: &str, body: &[u8]) -> Reply {
        call(&self.host, method, path, body).expect("the engine answers")
    }
}

#[track_caller]
fn started<T>(engine: Result<Option<T>, impl std::fmt::Display>) -> Option<T> {
    engine.unwrap_or_else(|log| panic!("`dockerd` did not become ready; its last lines:\n{log}"))
}

#[expect(clippy::print_stderr, reason = "a skipped test must be seen")]
fn skipped(why: &str) {
    eprintln!("NO DOCKER ENGINE: no CS_TEST_DOCKER_HOST, and {why}; tests with it are skipped");
}

fn is_root() -> bool {
    Command::new("id")
        .arg("-u")
        .output()
        .is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

fn client_of(host: &str) -> Engine {
    Engine::from_environment(&Environment::of_pairs([("DOCKER_HOST", host)]))
        .expect("the address of a test engine is valid")
}

fn texts(list: &Value, name: &str) -> Vec<String> {
    let list = list.as_array().expect("a list").iter();
    list.map(|one| one[name].as_str().expect("a text").to_owned())
        .collect()
}

/// Command lines of all processes.
fn processes() -> impl Iterator<Item = String> {
    let all = std::fs::read_dir("/proc").expect("there is a /proc");
    all.filter_map(|process| {
        let line = std::fs::read(process.ok()?.path().join("cmdline")).ok()?;
        Some(String::from_utf8_lossy(&line).replace('\0', " "))
    })
}
