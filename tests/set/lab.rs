//! A folder of specs, a simulated Nomad, and the binary between them.

use std::path::PathBuf;

use cs::simulator::{Faults, Options, Script};
use serde_json::Value;

use crate::cli::lab::Lab;
use crate::support::env::{Ended, Invocation};

/// A lab with a folder of specs.
pub(crate) struct Specs {
    pub(crate) lab: Lab,
    folder: PathBuf,
}

impl Specs {
    pub(crate) fn new() -> Self {
        Self::with_options(|_| {})
    }

    /// Workloads behave as scripted.
    pub(crate) fn with_scripts(workloads: Vec<Script>) -> Self {
        Self::with_options(|options| {
            options.faults = Faults {
                workloads,
                ..Faults::default()
            };
        })
    }

    pub(crate) fn with_options(change: impl FnOnce(&mut Options)) -> Self {
        let lab = Lab::with_options(change);
        let folder = lab.env.root().join("specs");
        std::fs::create_dir(&folder).expect("a fresh directory");
        Self { lab, folder }
    }

    /// Writes a file of the folder; folders on the way are made.
    pub(crate) fn write(&self, name: &str, text: &str) -> &Self {
        let path = self.folder.join(name);
        let parent = path.parent().expect("inside the folder");
        std::fs::create_dir_all(parent).expect("the directory is ours");
        std::fs::write(path, text).expect("the directory is ours");
        self
    }

    pub(crate) fn remove(&self, name: &str) -> &Self {
        std::fs::remove_file(self.folder.join(name)).expect("it was written");
        self
    }

    /// Writes a service that is healthy after a virtual second; `more` goes below its `spec`.
    pub(crate) fn service(&self, name: &str, image: &str, more: &str) -> &Self {
        self.write(&format!("{name}.yaml"), &service(name, image, more))
    }

    /// Writes a batch job.
    pub(crate) fn batch(&self, name: &str, image: &str, more: &str) -> &Self {
        self.write(&format!("{name}.yaml"), &batch(name, image, more))
    }

    /// A command on the folder.
    pub(crate) fn on_folder(&self, command: &str) -> Invocation {
        self.lab.env.cs([command, "-f"]).arg(&self.folder)
    }

    /// Any command.
    pub(crate) fn cs<const N: usize>(&self, arguments: [&str; N]) -> Invocation {
        self.lab.env.cs(arguments)
    }

    pub(crate) fn apply(&self) -> Invocation {
        self.on_folder("apply").args(["--timeout", "40s"])
    }

    /// Applies, which must go well.
    #[track_caller]
    pub(crate) fn applied(&self) -> Ended {
        let ended = self.apply().run();
        ended.assert_code(0);
        ended
    }

    /// Fails unless a plan finds nothing to do.
    #[track_caller]
    pub(crate) fn assert_settled(&self) {
        self.on_folder("plan").run().assert_code(0);
    }

    /// The `PlanReport`.
    #[track_caller]
    pub(crate) fn plan(&self) -> Value {
        self.on_folder("plan").args(["-o", "json"]).run().document()
    }

    /// Ids of the jobs that were registered, in that order.
    pub(crate) fn registered(&self) -> Vec<String> {
        let versions = |id: &str| self.lab.get(&format!("/v1/job/{id}/versions"));
        let jobs = self.lab.get("/v1/jobs").expect("a list");
        let mut found: Vec<(u64, String)> = Vec::new();
        for job in jobs.as_array().expect("a list") {
            let id = job["ID"].as_str().expect("a text");
            let Some(all) = versions(id) else { continue };
            for version in all["Versions"].as_array().expect("a list") {
                let index = version["JobModifyIndex"].as_u64().expect("a number");
                found.push((index, id.to_owned()));
            }
        }
        found.sort();
        found.into_iter().map(|(_, id)| id).collect()
    }

    /// What a task of the job runs, if the job is there.
    pub(crate) fn image(&self, id: &str) -> Option<String> {
        let job = self.lab.job(id)?;
        let image = &job["TaskGroups"][0]["Tasks"][0]["Config"]["image"];
        Some(image.as_str().expect("a text").to_owned())
    }

    /// Whether the job is there and not stopped.
    pub(crate) fn runs(&self, id: &str) -> bool {
        self.lab
            .job(id)
            .is_some_and(|job| job["Stop"] == Value::Bool(false))
    }

    /// Version of the job.
    #[track_caller]
    pub(crate) fn version(&self, id: &str) -> u64 {
        let job = self.lab.job(id).expect("the job is there");
        job["Version"].as_u64().expect("a number")
    }

    /// Reads of the job list and of single jobs, plans and registers since the log was cleared.
    pub(crate) fn calls(&self, is: impl Fn(&str, &str) -> bool) -> usize {
        let requests = self.lab.nomad.requests();
        requests
            .iter()
            .filter(|request| is(&request.method, &request.path))
            .count()
    }
}

pub(crate) fn service(name: &str, image: &str, more: &str) -> String {
    format!(
        "apiVersion: cloudstation.io/v1
kind: Workload
metadata: {{name: {name}}}
spec:
  source: {{image: 'example/{image}'}}
  service: {{provider: nomad}}
  rollout: {{canary: 0, minHealthyTime: 1s, healthyDeadline: 10s, progressDeadline: 12s}}
  restart: {{attempts: 0, mode: fail}}
{}",
        indented(more)
    )
}

pub(crate) fn batch(name: &str, image: &str, more: &str) -> String {
    format!(
        "apiVersion: cloudstation.io/v1
kind: Workload
metadata: {{name: {name}}}
spec:
  type: batch
  source: {{image: 'example/{image}'}}
  restart: {{attempts: 0, mode: fail}}
{}",
        indented(more)
    )
}

fn indented(more: &str) -> String {
    more.lines().map(|line| format!("  {line}\n")).collect()
}

/// A script for jobs of this name: ends after two virtual seconds.
pub(crate) fn ends(job: &str, exit_code: i64) -> Script {
    Script {
        job: job.to_owned(),
        run_for: Some("2s".to_owned()),
        exit_code: Some(exit_code),
        stdout: vec![format!("{job} says why")],
        ..Script::default()
    }
}

/// A script for an image that ends with an error.
pub(crate) fn breaks(image: &str) -> Script {
    Script {
        image: format!("example/{image}"),
        run_for: Some("1s".to_owned()),
        exit_code: Some(3),
        stdout: vec!["it cannot work like this".to_owned()],
        ..Script::default()
    }
}

/// The results of a report, by job.
#[track_caller]
pub(crate) fn result<'r>(report: &'r Value, job: &str) -> &'r Value {
    let results = report["results"].as_array().expect("a list");
    results
        .iter()
        .find(|result| result["job"] == job)
        .unwrap_or_else(|| panic!("no result of {job}: {report:#}"))
}

/// Fails unless a report is what its schema says.
#[track_caller]
pub(crate) fn assert_valid(report: &Value, schema: &str) {
    let path = format!(
        "{}/schemas/reports/{schema}.json",
        env!("CARGO_MANIFEST_DIR")
    );
    let text = std::fs::read_to_string(path).expect("it is committed");
    let schema = serde_json::from_str(&text).expect("JSON");
    let validator = jsonschema::draft7::new(&schema).expect("a schema");
    let errors: Vec<String> = validator
        .iter_errors(report)
        .map(|error| error.to_string())
        .collect();
    assert!(errors.is_empty(), "{errors:?}\n{report:#}");
}
