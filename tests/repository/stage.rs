//! Everything that a repository task touches.

use std::io::Read as _;
use std::path::PathBuf;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use crate::cli::lab::{JOB, Lab};
use crate::support::disk::SmallDisk;
use crate::support::docker::DockerEngine;
use crate::support::env::{Ended, Invocation};
use crate::support::files_server::{Answer, FilesServer};
use crate::support::git_server::{GitServer, Stage as GitStage};
use crate::support::nats::{NatsServer, Stored};
use crate::support::registry::{DockerRegistry, PASSWORD, USER, plain_client, sha256};

/// Opens the repository.
pub(super) const TOKEN: &str = "canary-git-token";

/// The deployment of [`Stage::params`].
pub(super) const DEPLOYMENT: &str = "dep-1";

/// Where `cs` finds its surroundings: all real but Nomad.
pub(super) struct Stage {
    pub(super) lab: Lab,
    pub(super) git: GitServer,
    pub(super) registry: DockerRegistry,
    pub(super) engine: &'static DockerEngine,
    /// Name of the image, which no other test uses: they share the engine.
    pub(super) image: String,
}

impl Stage {
    /// `None`, with a line that says so, where a part is missing.
    pub(super) fn open() -> Option<Self> {
        Self::with(DockerEngine::shared()?)
    }

    /// The same with an engine of its own, for what would disturb the builds of others.
    pub(super) fn open_alone() -> Option<Self> {
        // It ends with the process.
        Self::with(Box::leak(Box::new(DockerEngine::own()?)))
    }

    fn with(engine: &'static DockerEngine) -> Option<Self> {
        let git = GitServer::start(Some(TOKEN))?;
        let mut lab = Lab::new();
        let registry = lab.runtime.block_on(DockerRegistry::start())?;
        let programs = lab.env.root().join("bin");
        std::fs::create_dir(&programs).expect("a fresh directory");
        lab.env
            .set("DOCKER_HOST", engine.host())
            .set("CS_GITHUB_URL", git.base())
            .set("REGISTRY_USERNAME", USER)
            .set("REGISTRY_PASSWORD", PASSWORD)
            .set("PATH", &programs);
        let unique = uuid::Uuid::new_v4().simple().to_string();
        Some(Self {
            lab,
            git,
            registry,
            engine,
            image: format!("acme/shop-{}", &unique[..8]),
        })
    }

    /// A repository `acme/shop` with a branch `main` that holds these files. Returns its commit.
    pub(super) fn repository(&self, files: &[(&str, &str)]) -> String {
        let repository = self.git.repository("acme/shop");
        for (path, content) in files {
            repository.file(path, content);
        }
        repository.commit()
    }

    /// The repository of most tests: a Dockerfile on the engine's base image.
    pub(super) fn plain_repository(&self) -> String {
        self.repository(&[
            ("Dockerfile", &self.dockerfile("COPY . /app\nEXPOSE 8080\n")),
            ("hello.txt", "hello\n"),
        ])
    }

    /// A Dockerfile on the engine's base image.
    pub(super) fn dockerfile(&self, rest: &str) -> String {
        format!("FROM {}\n{rest}", self.engine.base_image())
    }

    /// `host/name` of the image.
    pub(super) fn name(&self) -> String {
        format!("{}/{}", self.registry.host(), self.image)
    }

    /// `host/name:tag` of the image.
    pub(super) fn reference(&self) -> String {
        format!("{}:1.0", self.name())
    }

    /// Params of the plain repository.
    pub(super) fn params(&self) -> Value {
        json!({
            "jobId": JOB, "deploymentId": DEPLOYMENT, "deploymentJobId": 456, "serviceId": "svc-1", "projectId": "prj-1",
            "teamId": "team-1", "userId": 7, "ownerId": "owner-1",
            "imageName": self.name(), "imageTag": "1.0",
            "repository": "acme/shop", "branch": "main", "provider": "github", "gitPass": TOKEN,
            "cpu": 100, "ram": 128, "clusterDomain": "cluster.example",
            "restartMode": "fail", "restartAttempts": 1,
            "update": {"minHealthyTime": "1s", "healthyDeadline": "10s", "progressDeadline": "12s", "canary": 0,
                "autoRevert": true},
            "build": {},
        })
    }

    /// The same with other members; those of `build` are merged into it.
    pub(super) fn params_with(&self, changes: Value) -> Value {
        let mut params = self.params();
        for (name, value) in changes.as_object().expect("an object") {
            match (name.as_str(), value) {
                ("build", Value::Object(members)) => {
                    for (member, value) in members {
                        params["build"][member] = value.clone();
                    }
                }
                _ => params[name] = value.clone(),
            }
        }
        params
    }

    /// `cs reconcile` of `deploy-repository`.
    pub(super) fn deploy(&self, params: &Value) -> Invocation {
        self.lab.task("deploy-repository", params)
    }

    /// A program that `cs` finds on its PATH: a shell script.
    pub(super) fn program(&self, name: &str, script: &str) {
        use std::os::unix::fs::PermissionsExt as _;
        let path = self
            .lab
            .env
            .file(&format!("bin/{name}"), format!("#!/bin/sh\n{script}\n"));
        let mode = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(path, mode).expect("it is ours");
    }

    /// Makes the binary find a `nixpacks` that writes a Dockerfile on the engine's base image, after what `script` does.
    pub(super) fn fake_nixpacks(&self, script: &str) {
        let base = self.engine.base_image();
        self.program(
            "nixpacks",
            &format!(
                r#"{script}
mode=$1 out=
while [ $# -gt 0 ]; do
  if [ "$1" = --out ]; then out=$2; fi
  shift
done
if [ "$mode" = plan ]; then echo '{{"variables": {{}}}}'; exit 0; fi
/bin/mkdir -p "$out/.nixpacks"
/bin/cat >"$out/.nixpacks/Dockerfile" <<'END'
FROM {base}

ENTRYPOINT ["/bin/sh", "-c"]
WORKDIR /app/

# build phase
COPY . /app/.
RUN echo planned-by-nixpacks

# start
COPY . /app

CMD ["serve"]
END"#
            ),
        );
    }

    /// An archive on a server of its own, with names as they are.
    pub(super) fn archive(&self, files: &[(&str, &str)]) -> Upload {
        let mut tar = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
        for (name, content) in files {
            tar.append(&header(name, content.len() as u64), content.as_bytes())
                .expect("memory takes every write");
        }
        self.upload(
            tar.into_inner()
                .and_then(GzEncoder::finish)
                .expect("memory takes every write"),
        )
    }

    /// An archive with one file of so many zeros.
    pub(super) fn archive_of_zeros(&self, size: u64) -> Upload {
        let mut tar = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::best()));
        tar.append(&header("zeros", size), std::io::repeat(0).take(size))
            .expect("memory takes every write");
        self.upload(
            tar.into_inner()
                .and_then(GzEncoder::finish)
                .expect("memory takes every write"),
        )
    }

    fn upload(&self, bytes: Vec<u8>) -> Upload {
        let digest = sha256(&bytes).split_off("sha256:".len());
        let server = self
            .lab
            .runtime
            .block_on(FilesServer::with(Answer::file(bytes)));
        Upload { server, digest }
    }

    /// Params of an upload.
    pub(super) fn upload_params(&self, upload: &Upload) -> Value {
        self.upload_params_of(&upload.server.url("/up.tar.gz?X-Signature=canary-signature"))
    }

    /// Params of an upload at this address.
    pub(super) fn upload_params_of(&self, url: &str) -> Value {
        let mut params = self.params_with(
            json!({"sourceType": "local_upload", "sourceUrl": url, "uploadId": "up-1"}),
        );
        let members = params.as_object_mut().expect("an object");
        for git in ["repository", "branch", "provider", "gitPass"] {
            members.remove(git);
        }
        params
    }

    /// A run whose temporary directory has room for next to nothing. `None`, with a line that says so, where this user may
    /// not mount anything.
    pub(super) fn run_on_a_small_disk(&self, params: &Value) -> Option<Ended> {
        let disk = SmallDisk::mount("size=1m")?;
        let ended = self.deploy(params).var("TMPDIR", disk.path()).run();
        let left = std::fs::read_dir(disk.path())
            .expect("it is mounted")
            .count();
        assert_eq!(left, 0, "{ended}");
        Some(ended)
    }

    /// How many packs the Git server was asked for.
    pub(super) fn fetches(&self) -> usize {
        let calls = self.git.calls();
        calls
            .iter()
            .filter(|call| call.stage == GitStage::Pack)
            .count()
    }

    /// The image that Nomad was told to run.
    pub(super) fn deployed(&self) -> Option<String> {
        let job = self.lab.job(JOB)?;
        let image = &job["TaskGroups"][0]["Tasks"][0]["Config"]["image"];
        Some(image.as_str().expect("a text").to_owned())
    }

    /// Tags of the image in the registry.
    pub(super) fn tags(&self) -> Vec<String> {
        self.lab.runtime.block_on(self.registry.tags(&self.image))
    }

    /// Digest of the image in the registry.
    pub(super) fn digest(&self) -> String {
        let address = format!(
            "http://{}/v2/{}/manifests/1.0",
            self.registry.host(),
            self.image
        );
        let head = plain_client()
            .head(address)
            .header(
                "Accept",
                "application/vnd.docker.distribution.manifest.v2+json",
            )
            .basic_auth(USER, Some(PASSWORD));
        let answer = self.lab.runtime.block_on(head.send()).expect("it answers");
        answer.headers()["Docker-Content-Digest"]
            .to_str()
            .expect("a text")
            .to_owned()
    }

    /// Fails unless nothing is left: no directory, no container, no process of a builder.
    #[track_caller]
    pub(super) fn assert_nothing_left(&self, ended: &Ended) {
        let tmp = self.lab.env.root().join("tmp");
        let left: Vec<PathBuf> = std::fs::read_dir(tmp)
            .expect("the directory is ours")
            .map(|entry| entry.expect("readable").path())
            .collect();
        assert_eq!(left, Vec::<PathBuf>::new(), "{ended}");
    }

    /// A failure as it must be: its code, its text, one `deployment.failed`, the end of the log last, nothing left, no
    /// secret, nothing registered.
    #[track_caller]
    pub(super) fn assert_fails(&self, ended: &Ended, code: i32, says: &str) {
        ended.assert_code(code).assert_says(says);
        self.assert_refused_events(ended);
        self.assert_nothing_left(ended);
        ended.assert_hides(TOKEN).assert_hides(PASSWORD);
        assert_eq!(self.lab.job(JOB), None, "{ended}");
    }

    #[track_caller]
    fn assert_refused_events(&self, ended: &Ended) {
        let subjects = ended.subjects();
        let count = |subject: &str| subjects.iter().filter(|one| *one == subject).count();
        assert_eq!(count("cs.deployment.failed"), 1, "{ended}");
        assert_eq!(count("cs.deployment.succeeded"), 0, "{ended}");
        assert_eq!(count("cs.build.log.end.dep-1"), 1, "{ended}");
        let last = ended.events().pop().map(|event| event.subject);
        assert_eq!(last.as_deref(), Some("cs.build.log.end.dep-1"), "{ended}");
    }
}

/// An archive that can be downloaded.
pub(super) struct Upload {
    server: FilesServer,
    digest: String,
}

impl Upload {
    /// 64 hexadecimal digits.
    pub(super) fn sha256(&self) -> &str {
        &self.digest
    }
}

/// The name as it is: `tar` itself refuses those that lead out.
fn header(name: &str, size: u64) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
    header.set_entry_type(tar::EntryType::Regular);
    header.set_mode(0o644);
    header.set_size(size);
    header.set_cksum();
    header
}

/// Lines of the log in a stream, in the order of their arrival, with their phase.
pub(super) fn log_lines(lab: &Lab, server: &NatsServer) -> Vec<(String, String)> {
    let is_line = |message: &Stored| message.subject == format!("cs.build.log.{DEPLOYMENT}");
    let stored = lab.stored(server).into_iter().filter(is_line);
    stored
        .map(|message| {
            let payload: Value = serde_json::from_str(&message.payload).expect("JSON");
            let text = |name: &str| payload[name].as_str().expect("a text").to_owned();
            (text("phase"), text("content"))
        })
        .collect()
}
