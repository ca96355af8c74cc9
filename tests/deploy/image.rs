//! The image, built of its Dockerfile by a real engine and run there.
//!
//! Nothing can be pulled, so the binary is not compiled inside of the build: it comes from the context, which is a way that the
//! Dockerfile offers to everybody (`CONTENT=prebuilt`). Where there is no static binary the one of the tests stands in for it,
//! with the libraries that it needs beside it; then the size says nothing.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use cs::artifact::output::Output;
use cs::clients::chain;
use cs::clients::docker::ImageBuild;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use super::{limit, repository, static_binary};
use crate::support::docker::DockerEngine;
use crate::support::env::eventually;
use crate::support::ports::free_port;

const TAG: &str = "cs-shipped:1";
const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// The content of the image, made by the very script of a release, with a CA of the test behind the machine's.
struct Content {
    home: TempDir,
    is_static: bool,
}

impl Content {
    fn make() -> Self {
        let home = tempfile::tempdir().expect("a temporary directory");
        let root = home.path();
        let shipped = static_binary();
        let is_static = shipped.is_some();
        let binary = shipped.unwrap_or_else(|| stripped(root));
        make_certificates(root);
        let mut bundle = std::fs::read("/etc/ssl/certs/ca-certificates.crt").unwrap_or_default();
        bundle.extend(std::fs::read(root.join("ca.pem")).expect("made above"));
        std::fs::write(root.join("bundle.pem"), bundle).expect("the directory is ours");
        std::fs::write(root.join("LICENSES.txt"), "texts\n").expect("the directory is ours");
        let made = Command::new(repository("deploy/image"))
            .arg(&binary)
            .arg(root.join("LICENSES.txt"))
            .arg(root.join("context/image"))
            .env("CS_CA_BUNDLE", root.join("bundle.pem"))
            .output()
            .expect("it may be executed");
        assert!(made.status.success(), "{made:?}");
        // In no image but this one: a CA that signed nothing.
        std::fs::copy(
            root.join("foreign.pem"),
            root.join("context/image/foreign.pem"),
        )
        .expect("made above");
        let content = Self { home, is_static };
        if !is_static {
            content.add_libraries(&binary);
        }
        content
    }

    fn folder(&self) -> PathBuf {
        self.home.path().join("context")
    }

    fn add_libraries(&self, binary: &Path) {
        let listed = Command::new("ldd")
            .arg(binary)
            .output()
            .expect("a dynamic binary has ldd");
        let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
        let paths = listed
            .split_whitespace()
            .filter(|word| word.starts_with('/'));
        for path in paths {
            let to = self.folder().join("image").join(&path[1..]);
            std::fs::create_dir_all(to.parent().expect("a file has a folder"))
                .expect("the directory is ours");
            std::fs::copy(path, to).expect("ldd names files");
        }
    }

    /// The context of the build, as an archive.
    fn archive(&self) -> Vec<u8> {
        let mut archive = tar::Builder::new(Vec::new());
        archive
            .append_dir_all("", self.folder())
            .expect("the directory is ours");
        let dockerfile = repository("deploy/Dockerfile");
        archive
            .append_path_with_name(dockerfile, "Dockerfile")
            .expect("part of the repository");
        archive.into_inner().expect("memory")
    }
}

/// The binary of the tests without what only debuggers want.
fn stripped(folder: &Path) -> PathBuf {
    let to = folder.join("cs");
    let done = Command::new("strip")
        .arg("-o")
        .arg(&to)
        .arg(env!("CARGO_BIN_EXE_cs"))
        .status();
    assert!(done.expect("it comes with the linker").success());
    to
}

fn openssl(folder: &Path, arguments: &str) {
    let output = Command::new("openssl")
        .args(arguments.split(' '))
        .current_dir(folder)
        .output();
    let output = output.expect("openssl is installed");
    assert!(
        output.status.success(),
        "openssl {arguments}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// A CA, one that signed nothing, and a certificate for the loopback.
fn make_certificates(folder: &Path) {
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
    for ca in ["ca", "foreign"] {
        openssl(
            folder,
            &format!("req -x509 {key} -days 2 -subj /CN={ca} -keyout {ca}.key -out {ca}.pem"),
        );
    }
    let extensions = "basicConstraints=critical,CA:FALSE\nsubjectAltName=IP:127.0.0.1\n";
    std::fs::write(folder.join("leaf.ext"), extensions).expect("the directory is ours");
    openssl(
        folder,
        &format!("req {key} -subj /CN=leaf -keyout leaf.key -out leaf.csr"),
    );
    openssl(
        folder,
        "x509 -req -in leaf.csr -CA ca.pem -CAkey ca.key -days 2 -extfile leaf.ext -out leaf.pem",
    );
}

/// Killed when dropped.
struct TlsServer(Child, u16);

impl Drop for TlsServer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Answers nothing that Nomad would: whoever gets that far has come through TLS.
fn tls_server(folder: &Path) -> TlsServer {
    let port = free_port();
    let child = Command::new("openssl")
        .args([
            "s_server", "-WWW", "-quiet", "-cert", "leaf.pem", "-key", "leaf.key",
        ])
        .args(["-accept", &format!("127.0.0.1:{port}")])
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let server = TlsServer(child.expect("openssl is installed"), port);
    eventually("the TLS server listens", || {
        std::net::TcpStream::connect(("127.0.0.1", port)).is_ok()
    });
    server
}

/// A container of the image. Removed when dropped.
struct Container<'e> {
    engine: &'e DockerEngine,
    id: String,
}

impl<'e> Container<'e> {
    /// As an unprivileged user would run it: nothing but `/tmp` can be written.
    #[track_caller]
    fn start(
        engine: &'e DockerEngine,
        network: &str,
        variables: &[String],
        arguments: &[&str],
    ) -> Self {
        let body = json!({
            "Image": TAG, "Cmd": arguments, "Env": variables,
            "HostConfig": {"NetworkMode": network, "CapDrop": ["ALL"], "SecurityOpt": ["no-new-privileges"]},
        });
        let made = engine.call("POST", "/containers/create", body.to_string().as_bytes());
        assert_eq!(made.status, 201, "{made:?}");
        let made: Value = serde_json::from_slice(&made.body).expect("JSON");
        let id = made["Id"].as_str().expect("an id").to_owned();
        let container = Self { engine, id };
        let started = container.call("POST", "start");
        assert_eq!(started.0, 204, "{}", started.1);
        container
    }

    fn call(&self, method: &str, what: &str) -> (u16, String) {
        let reply = self
            .engine
            .call(method, &format!("/containers/{}/{what}", self.id), b"");
        (reply.status, reply.text())
    }

    /// What it said so far: standard output, standard error.
    fn said(&self) -> (String, String) {
        let reply = self.engine.call(
            "GET",
            &format!("/containers/{}/logs?stdout=1&stderr=1", self.id),
            b"",
        );
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let mut rest = reply.body.as_slice();
        // A frame: which stream, three zeros, the length, the bytes.
        while let Some((head, tail)) = rest.split_at_checked(8) {
            let length = u32::from_be_bytes([head[4], head[5], head[6], head[7]]) as usize;
            let (part, tail) = tail.split_at(length.min(tail.len()));
            if head[0] == 1 { &mut out } else { &mut err }.extend_from_slice(part);
            rest = tail;
        }
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        (text(out), text(err))
    }

    /// Waits for its end: exit code, standard output, standard error.
    fn wait(&self) -> (i64, String, String) {
        let (status, ended) = self.call("POST", "wait");
        assert_eq!(status, 200, "{ended}");
        let ended: Value = serde_json::from_str(&ended).expect("JSON");
        let (out, err) = self.said();
        (ended["StatusCode"].as_i64().expect("a number"), out, err)
    }
}

impl Drop for Container<'_> {
    fn drop(&mut self) {
        self.engine
            .call("DELETE", &format!("/containers/{}?force=1", self.id), b"");
    }
}

fn build(engine: &DockerEngine, content: &Content) {
    let build = ImageBuild {
        tags: vec![TAG.to_owned()],
        dockerfile: "Dockerfile".to_owned(),
        args: [("CONTENT", "prebuilt"), ("CS_COMMIT", COMMIT)]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
        ..ImageBuild::default()
    };
    let archive = content.archive();
    let pieces: Vec<_> = archive
        .chunks(1 << 16)
        .map(bytes::Bytes::copy_from_slice)
        .collect();
    let context = futures::stream::iter(pieces.into_iter().map(Ok));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.expect("a runtime").block_on(async {
        let (output, mut heard) = Output::channel();
        let client = engine.client();
        let stop = CancellationToken::new();
        let built = async {
            let built = client.build(&build, context, &output, &stop).await;
            drop(output);
            built
        };
        let listen = async {
            let mut said = Vec::new();
            while let Some(chunk) = heard.recv().await {
                said.extend_from_slice(&chunk.bytes);
            }
            String::from_utf8_lossy(&said).into_owned()
        };
        let (built, said) = tokio::join!(built, listen);
        built.unwrap_or_else(|error| panic!("{}\n{said}", chain(&error)));
    });
}

/// Modes and names of everything in the image.
fn files(engine: &DockerEngine) -> Vec<(u32, String)> {
    let mut files = Vec::new();
    for layer in engine.layers(TAG) {
        let mut archive = tar::Archive::new(layer.as_slice());
        for entry in archive.entries().expect("an archive") {
            let entry = entry.expect("a whole archive");
            let path = entry.path().expect("a path").display().to_string();
            files.push((
                entry.header().mode().expect("a mode"),
                path.trim_end_matches('/').to_owned(),
            ));
        }
    }
    files
}

#[test]
fn the_image_holds_the_binary_and_nothing_to_break_into_it_with() {
    let Some(engine) = DockerEngine::shared() else {
        return;
    };
    let content = Content::make();
    build(engine, &content);
    let image = engine.image(TAG);
    let config = &image["Config"];
    assert_eq!(config["Entrypoint"], json!(["/bin/cs"]));
    assert_eq!(config["User"], "65532:65532");
    let labels = &config["Labels"];
    assert_eq!(labels["org.opencontainers.image.revision"], COMMIT);
    assert_eq!(
        labels["org.opencontainers.image.version"],
        env!("CARGO_PKG_VERSION")
    );
    assert_eq!(
        labels["org.opencontainers.image.licenses"],
        env!("CARGO_PKG_LICENSE")
    );
    let files = files(engine);
    let mode = |name: &str| {
        files
            .iter()
            .find(|(_, path)| path == name)
            .map(|(mode, _)| mode & 0o7777)
    };
    assert_eq!(mode("tmp"), Some(0o1777), "{files:?}");
    assert_eq!(mode("bin/cs"), Some(0o755));
    assert_eq!(mode("etc/ssl/certs/ca-certificates.crt"), Some(0o644));
    assert!(mode("usr/share/doc/cs/LICENSES.txt.gz").is_some());
    for shell in ["sh", "bash", "busybox", "dash"] {
        assert!(
            !files
                .iter()
                .any(|(_, path)| path.rsplit('/').next() == Some(shell)),
            "{shell}"
        );
    }
    if content.is_static {
        let size = image["Size"].as_u64().expect("a number");
        assert!(size <= limit("max_image_bytes"), "{size} bytes");
    }

    what_it_is_run_for(engine);
    certificates(engine, &content);
    engine.remove(TAG);
}

/// As nobody, on a network of its own: version, files below `/tmp`, an embedded Nomad and a look at it.
fn what_it_is_run_for(engine: &DockerEngine) {
    let (code, out, err) = Container::start(engine, "none", &[], &["--version"]).wait();
    assert_eq!(
        (code, out),
        (0, format!("cs {}\n", read_version())),
        "{err}"
    );
    let (code, out, err) =
        Container::start(engine, "none", &[], &["man", "--dir", "/tmp/man"]).wait();
    assert_eq!(code, 0, "{err}");
    assert!(out.contains("/tmp/man/cs.1"), "{out}");
    let (code, _, err) =
        Container::start(engine, "none", &[], &["man", "--dir", "/etc/man"]).wait();
    assert_eq!(code, 2, "root's directories are root's: {err}");

    let nomad = Container::start(engine, "none", &[], &["dev", "--listen", "127.0.0.1:4646"]);
    eventually("the embedded Nomad listens", || {
        nomad.said().0.contains("NOMAD_ADDR=")
    });
    let beside = format!("container:{}", nomad.id);
    let arguments = ["doctor", "--read-only", "-o", "json"];
    let (code, out, err) = Container::start(engine, &beside, &[], &arguments).wait();
    assert_eq!(code, 0, "{out}\n{err}");
    assert_eq!(check(&out, "nomad"), "ok");
    assert_eq!(check(&out, "state-dir"), "ok");
    let (code, out, err) = Container::start(engine, &beside, &[], &["version", "--server"]).wait();
    assert_eq!(code, 0, "{err}");
    assert!(out.contains("\nNomad "), "{out}");
    // SIGTERM reaches it, although it is the first process there.
    let (status, text) = nomad.call("POST", "stop?t=20");
    assert_eq!(status, 204, "{text}");
    assert_eq!(nomad.wait().0, 0);
}

/// The first line of the binary that is in the image, from outside.
fn read_version() -> String {
    match static_binary() {
        None => cs::version::LONG.to_owned(),
        Some(binary) => {
            let said = Command::new(binary)
                .arg("--version")
                .output()
                .expect("it runs here");
            let said = String::from_utf8_lossy(&said.stdout).into_owned();
            said.trim().trim_start_matches("cs ").to_owned()
        }
    }
}

/// What a check of the doctor's report came to.
#[track_caller]
fn check(report: &str, name: &str) -> String {
    let report: Value =
        serde_json::from_str(report).unwrap_or_else(|error| panic!("{error}\n{report}"));
    let results = report["results"].as_array().expect("a list");
    let found = results.iter().find(|check| check["name"] == name);
    found.map_or_else(
        || panic!("no {name} in {report}"),
        |check| check["status"].as_str().expect("a text").to_owned(),
    )
}

/// The bundle of the image is found where it lies, is what servers are held against, and another can take its place.
fn certificates(engine: &DockerEngine, content: &Content) {
    let server = tls_server(content.home.path());
    let address = format!("https://127.0.0.1:{}", server.1);
    let arguments = ["doctor", "--read-only", "-o", "json", "--address", &address];
    let report = |variables: &[String]| {
        let container = Container::start(engine, "host", variables, &arguments);
        container.wait().1
    };
    // Whoever is told that this is no Nomad has come through TLS.
    let trusted = "something else than Nomad answers";
    let said = report(&[]);
    assert!(said.contains(trusted), "{said}");
    let said = report(&["SSL_CERT_FILE=/foreign.pem".to_owned()]);
    assert!(!said.contains(trusted), "{said}");
    assert_eq!(check(&said, "tls"), "fail");
    let said = report(&["SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt".to_owned()]);
    assert!(said.contains(trusted), "{said}");
}
