//! Documents → what is wanted: references to secrets resolved, checked, fingerprinted, and put in order.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::Value;

use super::secrets;
use crate::clients::chain;
use crate::clients::nomad::NomadClient;
use crate::clients::nomad::calls::jobs::Submission;
use crate::clients::nomad::calls::parse::ParseReply;
use crate::compile::compile;
use crate::config::Environment;
use crate::desired::native::{self, Inputs, NativeIssue};
use crate::desired::validate::{Options, validate};
use crate::desired::{Desired, Digest, Issue};
use crate::ids::{InvalidId, JobKey, Namespace, OwnerId};
use crate::manifests::{Manifest, Revision};
use crate::reconcile::diff::{DiffOptions, Place};
use crate::set::Wanted;
use crate::set::generation::{META_GENERATION, generation};
use crate::set::graph::{Graph, Node};
use crate::set::wanted::{PRUNE_DISABLED, PRUNE_LABEL};
use crate::spec::relations::{HookPhase, OnFailure, Readiness};
use crate::spec::{Diagnostic, Document, NomadJob, Resource, Severity, Workload};
use crate::validation::graph_finding;

/// What is the same for the whole set.
#[derive(Clone)]
pub struct SetOptions {
    /// On whose behalf.
    pub owner: OwnerId,
    /// Namespace of resources that name none.
    pub namespace: Namespace,
    /// What follows a failure where a resource does not say.
    pub on_failure: OnFailure,
    /// Variables that references may name.
    pub environment: Environment,
    /// Where the specs come from.
    pub revision: Option<Revision>,
}

/// A set that can be planned.
pub struct SpecSet {
    /// What is the same for all.
    pub options: SetOptions,
    /// What is wanted, in the order of the documents.
    pub wanted: Vec<Wanted>,
    /// Who waits for whom; numbers are positions in `wanted`.
    pub graph: Graph,
    nodes: Vec<Node>,
    positions: HashMap<JobKey, usize>,
    manifests: Vec<Manifest>,
}

/// What a resource is registered as.
pub struct Body {
    /// The Nomad job. May carry secrets in `Env`.
    pub job: Value,
    /// What goes with it.
    pub submission: Submission,
}

/// Something that a resource waits for, and what it must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Requirement {
    /// Which job.
    pub key: JobKey,
    /// Position in the set; `None` when it lives elsewhere.
    pub position: Option<usize>,
    /// What it must be; `None` is by its type.
    pub until: Option<Readiness>,
    /// The service whose checks must pass.
    pub service: Option<String>,
}

/// Prepares a set.
///
/// # Errors
/// Everything that is wrong with the documents and with how they refer to each other.
pub fn prepare(manifests: Vec<Manifest>, options: SetOptions) -> Result<SpecSet, Vec<Diagnostic>> {
    let mut findings = Vec::new();
    let mut wanted = Vec::with_capacity(manifests.len());
    let mut nodes = Vec::with_capacity(manifests.len());
    for manifest in &manifests {
        match one(manifest, &options) {
            Ok(one) => {
                let node = Node::of(
                    &manifest.document.resource,
                    &one.key.namespace,
                    runs_to_completion(manifest),
                );
                nodes.extend(node);
                wanted.push(one);
            }
            Err(found) => findings.extend(found),
        }
    }
    if !findings.is_empty() {
        return Err(findings);
    }
    let graph = Graph::new(&nodes).map_err(|issues| {
        let documents: Vec<&Document> = manifests.iter().map(|one| &one.document).collect();
        let errors = issues.iter().filter(|issue| issue.is_error());
        errors
            .filter_map(|issue| graph_finding(issue, &nodes, &documents))
            .collect::<Vec<_>>()
    })?;
    let positions = nodes.iter().map(|node| node.key.clone()).zip(0..).collect();
    Ok(SpecSet {
        options,
        wanted,
        graph,
        nodes,
        positions,
        manifests,
    })
}

/// Whether the tasks are meant to end; `None` when only Nomad can tell.
fn runs_to_completion(manifest: &Manifest) -> Option<bool> {
    match &manifest.document.resource {
        Resource::Workload(workload) => Some(workload.spec.job_type.runs_to_completion()),
        Resource::NomadJob(job) => {
            let identity = native::identity_of(job, manifest.native.as_ref());
            identity
                .job_type
                .map(|job_type| matches!(job_type.as_str(), "batch" | "sysbatch"))
        }
    }
}

fn one(manifest: &Manifest, options: &SetOptions) -> Result<Wanted, Vec<Diagnostic>> {
    let resource = &manifest.document.resource;
    let placed = |issues: Vec<Issue>| {
        issues
            .into_iter()
            .map(|issue| issue.into_diagnostic(&manifest.document))
            .collect::<Vec<_>>()
    };
    let (key, digest) = match resource {
        Resource::Workload(workload) => {
            let desired = desired(workload, options).map_err(placed)?;
            let digest = with_ignored(desired.digest(), resource.ignore_fields());
            let namespace = desired
                .namespace
                .unwrap_or_else(|| options.namespace.clone());
            let key = JobKey {
                namespace,
                job: desired.id,
            };
            (key, digest)
        }
        Resource::NomadJob(job) => native_one(manifest, job, options)?,
    };
    let ignore = places(resource).map_err(placed)?;
    Ok(Wanted {
        digest,
        hook: resource.hook().cloned(),
        on_failure: resource.on_failure().unwrap_or(options.on_failure),
        keep: resource
            .metadata()
            .labels
            .get(PRUNE_LABEL)
            .is_some_and(|value| value == PRUNE_DISABLED),
        options: DiffOptions {
            namespace: Some(key.namespace.as_str().to_owned()),
            ignore,
            hide: Vec::new(),
        },
        kind: resource.kind(),
        key,
    })
}

/// Name and fingerprint of a job in Nomad's own words. HCL is not evaluated for that.
fn native_one(
    manifest: &Manifest,
    job: &NomadJob,
    options: &SetOptions,
) -> Result<(JobKey, Digest), Vec<Diagnostic>> {
    let texts = manifest.native.as_ref();
    let document = &manifest.document;
    let environment = |name: &str| options.environment.get(name);
    let issues = native::check(job, texts, &environment);
    if issues.iter().any(|issue| issue.severity == Severity::Error) {
        return Err(issues
            .into_iter()
            .map(|issue| issue.into_diagnostic(document))
            .collect());
    }
    let inputs = native::inputs(job, texts, &environment).map_err(|issues| {
        let placed = issues.into_iter();
        placed
            .map(|issue| issue.into_diagnostic(document))
            .collect::<Vec<_>>()
    })?;
    let identity = native::identity_of(job, texts);
    let invalid = |path: &str, error: InvalidId| {
        vec![document.diagnostic("name", path, error.to_string(), None)]
    };
    let namespace = match &identity.namespace {
        Some(namespace) => namespace
            .parse()
            .map_err(|error| invalid("metadata.namespace", error))?,
        None => options.namespace.clone(),
    };
    let key = JobKey {
        job: job
            .metadata
            .name
            .parse()
            .map_err(|error| invalid("metadata.name", error))?,
        namespace,
    };
    let digest = native::digest(&inputs, job, &key.namespace, &options.owner);
    Ok((key, digest))
}

fn places(resource: &Resource) -> Result<Vec<Place>, Vec<Issue>> {
    let mut issues = Vec::new();
    let mut places = Vec::new();
    for (index, text) in resource.ignore_fields().iter().enumerate() {
        match text.parse() {
            Ok(place) => places.push(place),
            Err(error) => issues.push(Issue {
                code: "ignore-field",
                path: format!("spec.ignoreFields[{index}]"),
                message: chain(&error),
                help: None,
            }),
        }
    }
    if issues.is_empty() {
        Ok(places)
    } else {
        Err(issues)
    }
}

/// What is left to others decides about the job as well.
fn with_ignored(digest: Digest, ignored: &[String]) -> Digest {
    use sha2::Digest as _;
    if ignored.is_empty() {
        return digest;
    }
    let mut sink = sha2::Sha256::new();
    sink.update(b"cs ignoring 1");
    for text in std::iter::once(&digest.0).chain(ignored) {
        sink.update((text.len() as u64).to_be_bytes());
        sink.update(text);
    }
    Digest(format!("{:x}", sink.finalize()))
}

fn desired(workload: &Workload, options: &SetOptions) -> Result<Desired, Vec<Issue>> {
    let source = &workload.spec.source;
    let is_built = source.git.is_some() || source.archive.is_some() || source.path.is_some();
    let issue = |code, path: &str, message: &str, help: &str| Issue {
        code,
        path: path.to_owned(),
        message: message.to_owned(),
        help: Some(help.to_owned()),
    };
    if source.image.is_none() && is_built {
        return Err(vec![issue(
            "needs-a-build",
            "spec.source",
            "only ready images are applied, and this one has to be built first",
            "`cs up -f FILE` builds, pushes and deploys it; or build it in a step before, and name it as `spec.source.image`",
        )]);
    }
    if workload.spec.cluster.is_some() {
        return Err(vec![issue(
            "own-cluster",
            "spec.cluster",
            "a set is applied to one cluster, that of the command",
            "remove it, and choose the cluster by NOMAD_ADDR or --context",
        )]);
    }
    let mut given = Options::new(options.owner.clone());
    given.secrets = secrets::resolve(workload, &options.environment);
    validate(workload, &given)
}

impl SpecSet {
    /// What a resource waits for by `dependsOn`; hooks are in the graph.
    #[must_use]
    pub fn requirements(&self, at: usize) -> Vec<Requirement> {
        let depends_on = self.manifests[at].document.resource.depends_on();
        self.nodes[at]
            .needs
            .iter()
            .map(|need| {
                let dependency = &depends_on[need.position];
                Requirement {
                    position: self.positions.get(&need.key).copied(),
                    key: need.key.clone(),
                    until: dependency.until,
                    service: dependency.service.clone(),
                }
            })
            .collect()
    }

    /// What a hook serves, hooks left out; nothing for anything else.
    #[must_use]
    pub fn served(&self, hook: usize) -> Vec<usize> {
        let is_served = |at: &usize| self.wanted[*at].hook.is_none();
        match self.wanted[hook].hook.as_ref().map(|hook| hook.phase) {
            None => Vec::new(),
            Some(HookPhase::Pre) => {
                let after = self.graph.dependents(hook).iter().copied();
                after.filter(is_served).collect()
            }
            Some(HookPhase::Post) => {
                let before = self.graph.dependencies(hook).iter().copied();
                before.filter(is_served).collect()
            }
            Some(HookPhase::OnFailure) => (0..self.wanted.len())
                .filter(|at| self.graph.failure_hooks(*at).contains(&hook))
                .collect(),
        }
    }

    /// The generation of a hook; `None` for anything else.
    #[must_use]
    pub fn generation(&self, at: usize) -> Option<String> {
        self.wanted[at].hook.as_ref()?;
        let served = self.served(at);
        let served = served
            .iter()
            .map(|&at| (&self.wanted[at].key, &self.wanted[at].digest));
        Some(generation(&self.wanted[at].digest, served))
    }

    /// Names of the HCL variables that the native jobs of the set declare.
    #[must_use]
    pub fn declared_variables(&self) -> BTreeSet<String> {
        let jobs = self.manifests.iter().filter_map(|manifest| {
            let Resource::NomadJob(job) = &manifest.document.resource else {
                return None;
            };
            Some(native::declared_variables(job, manifest.native.as_ref()))
        });
        jobs.flatten().collect()
    }

    /// The document of a resource.
    #[must_use]
    pub fn manifest(&self, at: usize) -> &Manifest {
        &self.manifests[at]
    }

    /// Makes the job of a resource. Asks Nomad only for HCL.
    ///
    /// # Errors
    /// One line that says what is wrong and where.
    pub async fn body(&self, at: usize, nomad: &NomadClient) -> Result<Body, String> {
        let manifest = &self.manifests[at];
        let wanted = &self.wanted[at];
        let mut body = match &manifest.document.resource {
            Resource::Workload(workload) => {
                let desired = desired(workload, &self.options).map_err(|issues| joined(&issues))?;
                Body {
                    job: compile(&desired).to_value(),
                    submission: self.submission(at),
                }
            }
            Resource::NomadJob(job) => self.native_body(at, job, nomad).await?,
        };
        if let Some(generation) = self.generation(at) {
            // Of a native job the type may only be known now.
            if !is_batch(&body.job) {
                return Err(format!(
                    "{}: a hook must end; only a `batch` or `sysbatch` job does",
                    wanted.key
                ));
            }
            mark(&mut body.job, &generation);
        }
        body.submission
            .variable_flags
            .insert("cs_digest".to_owned(), wanted.digest.0.clone());
        if let Some(revision) = &self.options.revision {
            let flags = &mut body.submission.variable_flags;
            flags.insert("cs_revision".to_owned(), revision.commit.clone());
            flags.insert("cs_repository".to_owned(), revision.repository.clone());
            flags.insert("cs_path".to_owned(), revision.path.clone());
        }
        Ok(body)
    }

    /// # Errors
    /// Nomad does not take the specification, with the line of each fault, or did not answer.
    async fn native_body(
        &self,
        at: usize,
        job: &NomadJob,
        nomad: &NomadClient,
    ) -> Result<Body, String> {
        let manifest = &self.manifests[at];
        let texts = manifest.native.as_ref();
        let environment = |name: &str| self.options.environment.get(name);
        let told = |issues: Vec<NativeIssue>| {
            let lines: Vec<String> = issues
                .into_iter()
                .map(|issue| issue.into_diagnostic(&manifest.document).to_string())
                .collect();
            lines.join("; ")
        };
        let inputs = native::inputs(job, texts, &environment).map_err(told)?;
        let parsed = match &inputs {
            Inputs::Json(job) => job.clone(),
            Inputs::Hcl(hcl) => {
                let reply = nomad.parse(&hcl.text, &hcl.variables()).await;
                match reply.map_err(|error| format!("{}; {}", chain(&error), error.help()))? {
                    ParseReply::Job(job) => job,
                    ParseReply::Refused(faults) => {
                        return Err(told(native::refused(&faults, job, texts, hcl)));
                    }
                }
            }
        };
        let namespace = &self.wanted[at].key.namespace;
        let finished = native::finish(parsed, job, namespace, &self.options.owner);
        Ok(Body {
            job: finished.map_err(|issue| told(vec![*issue]))?,
            submission: native::submission(&inputs, BTreeMap::new()),
        })
    }

    /// What goes with the job of a workload: where it comes from, and no secret.
    fn submission(&self, at: usize) -> Submission {
        let wanted = &self.wanted[at];
        let source = serde_json::json!({
            "managedBy": "cs", "owner": self.options.owner, "kind": wanted.kind.as_str(),
            "digest": wanted.digest.0, "file": self.manifests[at].document.file(),
        });
        Submission {
            source: source.to_string(),
            format: "json".to_owned(),
            variable_flags: BTreeMap::new(),
            ..Submission::default()
        }
    }
}

fn joined(issues: &[Issue]) -> String {
    let texts: Vec<String> = issues.iter().map(ToString::to_string).collect();
    texts.join("; ")
}

fn is_batch(job: &Value) -> bool {
    let job_type = job.get("Type").and_then(Value::as_str);
    matches!(job_type, Some("batch" | "sysbatch"))
}

/// Writes the generation into the job's meta.
fn mark(job: &mut Value, generation: &str) {
    let Some(job) = job.as_object_mut() else {
        return;
    };
    let meta = job.entry("Meta").or_insert(Value::Null);
    if !meta.is_object() {
        *meta = Value::Object(serde_json::Map::new());
    }
    meta[META_GENERATION] = generation.into();
}
