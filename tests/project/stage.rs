//! A project's folder, the binary, a simulated Nomad, and where a test wants them a real engine, a real registry, and a
//! `nomad-pack` of its own.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use serde_json::Value;

use crate::cli::lab::Lab;
use crate::support::docker::DockerEngine;
use crate::support::env::Invocation;
use crate::support::registry::{DockerRegistry, PASSWORD, USER};

pub(super) struct Stage {
    pub(super) lab: Lab,
    folder: PathBuf,
}

impl Stage {
    pub(super) fn new() -> Self {
        Self::with_options(|_| {})
    }

    /// On a cluster of another kind.
    pub(super) fn with_options(change: impl FnOnce(&mut cs::simulator::Options)) -> Self {
        let mut lab = Lab::with_options(change);
        let folder = lab.env.root().join("shop");
        let programs = lab.env.root().join("bin");
        for folder in [&folder, &programs] {
            std::fs::create_dir(folder).expect("a fresh directory");
        }
        lab.env.set("PATH", &programs);
        Self { lab, folder }
    }

    /// The folder of the project.
    pub(super) fn folder(&self) -> &PathBuf {
        &self.folder
    }

    /// Writes a file of the project; folders on the way are made.
    pub(super) fn write(&self, name: &str, text: &str) -> &Self {
        let path = self.folder.join(name);
        let parent = path.parent().expect("inside the folder");
        std::fs::create_dir_all(parent).expect("the directory is ours");
        std::fs::write(path, text).expect("the directory is ours");
        self
    }

    pub(super) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.folder.join(name)).expect("it was written")
    }

    /// A command on the project.
    pub(super) fn on_project(&self, command: &str) -> Invocation {
        self.lab.env.cs([command, "--path"]).arg(&self.folder)
    }

    /// A program that the binary finds on its PATH: a shell script.
    pub(super) fn program(&self, name: &str, script: &str) -> PathBuf {
        let path = self
            .lab
            .env
            .file(&format!("bin/{name}"), format!("#!/bin/sh\n{script}\n"));
        let mode = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(&path, mode).expect("it is ours");
        path
    }

    /// What the job's task runs.
    #[track_caller]
    pub(super) fn image(&self, job: &str) -> String {
        let job = self.lab.job(job).expect("the job is there");
        let image = &job["TaskGroups"][0]["Tasks"][0]["Config"]["image"];
        image.as_str().expect("a text").to_owned()
    }

    /// Version of the job.
    #[track_caller]
    pub(super) fn version(&self, job: &str) -> u64 {
        let job = self.lab.job(job).expect("the job is there");
        job["Version"].as_u64().expect("a number")
    }
}

/// The same with a real engine and a registry.
pub(super) struct Workshop {
    pub(super) stage: Stage,
    pub(super) engine: &'static DockerEngine,
    pub(super) registry: DockerRegistry,
    /// Name of the image, which no other test uses: they share the engine.
    pub(super) image: String,
}

impl Workshop {
    /// `None`, with a line that says so, where a part is missing.
    pub(super) fn open() -> Option<Self> {
        let engine = DockerEngine::shared()?;
        let mut stage = Stage::new();
        let registry = stage.lab.runtime.block_on(DockerRegistry::start())?;
        stage
            .lab
            .env
            .set("DOCKER_HOST", engine.host())
            .set("REGISTRY_USERNAME", USER)
            .set("REGISTRY_PASSWORD", PASSWORD);
        let unique = uuid::Uuid::new_v4().simple().to_string();
        let workshop = Self {
            stage,
            engine,
            registry,
            image: format!("local/shop-{}", &unique[..8]),
        };
        workshop.dockerfile("COPY hello.txt /hello.txt\nEXPOSE 8080\n");
        workshop.stage.write("hello.txt", "hello\n");
        Some(workshop)
    }

    /// A Dockerfile on the engine's base image.
    pub(super) fn dockerfile(&self, rest: &str) {
        let text = format!("FROM {}\n{rest}", self.engine.base_image());
        self.stage.write("Dockerfile", &text);
    }

    /// A project whose image stays in the engine.
    pub(super) fn local_project(&self) {
        let text = format!(
            "project = \"shop\"\napp \"web\" {{\n  build {{\n    use = \"docker\"\n    name = \"{}\"\n  }}\n{DEPLOY}}}\n",
            self.image
        );
        self.stage.write("cloudstation.hcl", &text);
    }

    /// A project whose image goes to the registry.
    pub(super) fn pushed_project(&self) {
        let text = format!(
            "project = \"shop\"\napp \"web\" {{\n  build {{\n    use = \"docker\"\n  }}\n  registry {{\n    use   = \"docker\"\n    \
             image = \"{}\"\n    tag   = \"1.0\"\n  }}\n{DEPLOY}}}\n",
            self.name()
        );
        self.stage.write("cloudstation.hcl", &text);
    }

    /// `host/name` of the image.
    pub(super) fn name(&self) -> String {
        format!("{}/{}", self.registry.host(), self.image)
    }
}

/// How the projects above are deployed.
const DEPLOY: &str = "  deploy {
    use       = \"nomad-pack\"
    variables = {
      resources = { cpu = 100, memory = 128 }
      update    = { min_healthy_time = \"1s\", healthy_deadline = \"10s\", progress_deadline = \"12s\" }
    }
  }
";

/// The members of a JSON report that tell of images.
pub(super) fn images(report: &Value) -> &Vec<Value> {
    report["images"].as_array().expect("a list")
}
