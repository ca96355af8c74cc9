//! The files of the corpus and the jobs in them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use cs::compile::compile;
use cs::desired::{Options, validate};
use cs::spec::{NomadJob, Resource, parse};
use serde_json::Value;

/// Files that a development agent refuses, and the words with which it does.
const NEEDS: &[(&str, &str)] = &[
    ("needs/connect-ingress.nomad.hcl", "connection refused"), // Consul, for the configuration of the gateway
    ("needs/connect-terminating.nomad.hcl", "connection refused"), // the same
    (
        "needs/numa.nomad.hcl",
        "numa scheduling requires Nomad Enterprise",
    ),
    (
        "needs/schedule.nomad.hcl",
        "task schedules requires Nomad Enterprise",
    ),
    ("needs/vault.nomad.hcl", "Vault \"default\" not enabled"),
];

/// A file of the corpus.
#[derive(Debug, Clone)]
pub(crate) struct CorpusFile {
    /// Relative to the corpus, for messages: `web-minimal.nomad.hcl`.
    pub(crate) name: String,
    pub(crate) path: PathBuf,
    /// A development agent takes it.
    pub(crate) runs_on_real: bool,
}

/// A job of a file, before anybody parsed it.
#[derive(Debug, Clone)]
pub(crate) enum CorpusJob {
    Hcl { text: String, variables: String },
    Job(Value),
}

impl CorpusFile {
    /// Why a development agent refuses it.
    pub(crate) fn refusal(&self) -> Option<&'static str> {
        let found = NEEDS.iter().find(|(name, _)| *name == self.name);
        found.map(|(_, words)| *words)
    }

    pub(crate) fn text(&self) -> String {
        std::fs::read_to_string(&self.path).expect("the corpus can be read")
    }

    /// The jobs of the file.
    pub(crate) fn jobs(&self) -> Vec<CorpusJob> {
        let text = self.text();
        match self.path.extension().and_then(|ending| ending.to_str()) {
            Some("hcl") => vec![CorpusJob::Hcl {
                text,
                variables: String::new(),
            }],
            Some("json") => vec![CorpusJob::Job(bare(&serde_json::from_str(&text).unwrap()))],
            _ => documents(&self.name, &text),
        }
    }
}

/// A JSON job may stand alone or under `Job`.
fn bare(job: &Value) -> Value {
    job.get("Job").unwrap_or(job).clone()
}

fn documents(name: &str, text: &str) -> Vec<CorpusJob> {
    let documents = parse(name, text).unwrap_or_else(|error| panic!("{name}: {error:?}"));
    let jobs = documents.iter().map(|document| match &document.resource {
        Resource::NomadJob(native) => native_job(native),
        Resource::Workload(workload) => {
            let options = Options::new("corpus".parse().unwrap());
            let desired = validate(workload, &options).unwrap_or_else(|e| panic!("{name}: {e:?}"));
            CorpusJob::Job(serde_json::to_value(compile(&desired)).unwrap())
        }
    });
    jobs.collect()
}

fn native_job(native: &NomadJob) -> CorpusJob {
    let spec = &native.spec;
    match (&spec.hcl, &spec.job) {
        (Some(text), None) => CorpusJob::Hcl {
            text: text.clone(),
            variables: assignments(&spec.variables),
        },
        (None, Some(job)) => CorpusJob::Job(bare(job)),
        _ => panic!("a document of the corpus holds its job itself"),
    }
}

/// JSON values are HCL values.
fn assignments(variables: &BTreeMap<String, Value>) -> String {
    let lines = variables
        .iter()
        .map(|(name, value)| format!("{name} = {value}\n"));
    lines.collect()
}

/// Every file, in the order of the names.
pub(crate) fn corpus() -> Vec<CorpusFile> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/corpus");
    let mut files = Vec::new();
    for folder in ["", "needs"] {
        let entries = std::fs::read_dir(root.join(folder)).expect("the corpus is there");
        let paths = entries.map(|entry| entry.expect("the corpus can be read").path());
        files.extend(paths.filter(|path| path.is_file()).map(|path| {
            let name = path
                .strip_prefix(&root)
                .unwrap()
                .to_string_lossy()
                .into_owned();
            CorpusFile {
                runs_on_real: !name.starts_with("needs/"),
                name,
                path,
            }
        }));
    }
    files.sort_by(|a, b| a.name.cmp(&b.name));
    files
}

#[test]
fn the_corpus_is_large_and_its_table_is_about_files_that_exist() {
    let files = corpus();
    let jobs: usize = files.iter().map(|file| file.jobs().len()).sum();
    assert!(jobs >= 70, "{jobs} jobs");
    for file in &files {
        assert_eq!(file.runs_on_real, file.refusal().is_none(), "{}", file.name);
    }
    for (name, _) in NEEDS {
        assert!(files.iter().any(|file| file.name == *name), "{name}");
    }
}
