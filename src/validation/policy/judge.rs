//! Asking policies about documents.

use std::collections::BTreeMap;

use cel::objects::Value;
use serde_json::Value as Json;

use super::expression::{Surroundings, Undecided, value};
use super::{Policies, Policy};
use crate::ids::Namespace;
use crate::spec::{Diagnostic, Document};
use crate::validation::{deprecated, parallel, warning};

/// The Nomad job of a document, as far as policies can see it.
pub(in crate::validation) enum Job {
    /// As it would be registered, secrets replaced.
    Known(Json),
    /// No policy looks at it.
    NotAsked,
    /// The document is invalid, which is told elsewhere.
    Broken,
    /// Only a cluster can tell.
    NeedsCluster,
    /// A cluster will tell; the policies that look at it are asked then.
    KnownLater,
}

/// What the policies say of one document.
#[derive(Debug, Default)]
pub(in crate::validation) struct Judged {
    broken: Vec<Diagnostic>,
    /// By position of the policy.
    undecided: Vec<(usize, Doubt)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Doubt {
    Failed(String),
    Skipped,
}

impl Policies {
    /// Asks every policy that is about a document, and can be asked by now.
    pub(in crate::validation) fn judge(
        &self,
        document: &Document,
        job: &Job,
        default_namespace: &Namespace,
    ) -> Judged {
        match job {
            Job::Known(job) => self.ask(document, Some(job), default_namespace, |_| true),
            Job::NeedsCluster => self.ask(document, None, default_namespace, |_| true),
            Job::NotAsked | Job::Broken | Job::KnownLater => {
                self.ask(document, None, default_namespace, |policy| {
                    !policy.expression.looks_at_job
                })
            }
        }
    }

    /// Asks the policies about a document that pass a filter. Without the job, those that look at it are skipped.
    fn ask(
        &self,
        document: &Document,
        job: Option<&Json>,
        default_namespace: &Namespace,
        wanted: impl Fn(&Policy) -> bool,
    ) -> Judged {
        let namespace = namespace(document, default_namespace);
        let mut judged = Judged::default();
        let mut surroundings = None;
        for (position, policy) in self.list.iter().enumerate() {
            if !wanted(policy) || !policy.applies_to.covers(&document.resource, namespace) {
                continue;
            }
            if policy.expression.looks_at_job && job.is_none() {
                judged.undecided.push((position, Doubt::Skipped));
                continue;
            }
            let seen = surroundings.get_or_insert_with(|| see(document, job, namespace));
            match policy.expression.holds(seen) {
                Ok(true) => {}
                Ok(false) => judged.broken.push(policy.broken_by(document)),
                Err(Undecided(reason)) => {
                    judged.undecided.push((position, Doubt::Failed(reason)));
                }
            }
        }
        judged
    }
}

fn namespace<'d>(document: &'d Document, default: &'d Namespace) -> &'d str {
    let own = document.resource.metadata().namespace.as_deref();
    own.unwrap_or(default.as_str())
}

/// What expressions see of a document.
fn see(document: &Document, job: Option<&Json>, namespace: &str) -> Surroundings {
    let metadata = document.resource.metadata();
    let labels = serde_json::to_value(&metadata.labels).unwrap_or_default();
    Surroundings::new(vec![
        ("object", value(&deprecated::tree(&document.resource))),
        ("job", job.map_or(Value::Null, value)),
        ("name", Value::from(metadata.name.as_str())),
        ("namespaceName", Value::from(namespace)),
        ("labels", value(&labels)),
        ("kind", Value::from(document.resource.kind().as_str())),
    ])
}

impl Policy {
    fn broken_by(&self, document: &Document) -> Diagnostic {
        let help = format!(
            "policy `{}` ({}:{})",
            self.name, self.site.file, self.site.line
        );
        Diagnostic {
            severity: self.severity,
            ..document.diagnostic("policy", &self.path, self.message.clone(), Some(help))
        }
    }
}

/// The findings of all documents: one for each broken policy and document, one for each policy that could not be decided.
pub(in crate::validation) fn findings<'d>(
    policies: &Policies,
    documents: impl IntoIterator<Item = &'d Document>,
    judged: impl IntoIterator<Item = Judged>,
) -> Vec<Diagnostic> {
    let mut findings = Vec::new();
    let mut doubts: BTreeMap<usize, Vec<(&Document, Doubt)>> = BTreeMap::new();
    for (document, judged) in documents.into_iter().zip(judged) {
        findings.extend(judged.broken);
        for (position, doubt) in judged.undecided {
            doubts.entry(position).or_default().push((document, doubt));
        }
    }
    for (position, doubts) in doubts {
        let (failed, skipped): (Vec<_>, Vec<_>) = doubts
            .into_iter()
            .partition(|(_, doubt)| matches!(doubt, Doubt::Failed(_)));
        let policy = &policies.list[position];
        findings.extend(
            [failed, skipped]
                .iter()
                .filter_map(|all| doubtful(policy, all)),
        );
    }
    findings
}

fn doubtful(policy: &Policy, doubts: &[(&Document, Doubt)]) -> Option<Diagnostic> {
    let (document, doubt) = doubts.first()?;
    let resource = &document.resource;
    let (line, column) = document.locate("metadata.name");
    let more = match doubts.len() - 1 {
        0 => String::new(),
        more => format!(", and {more} more"),
    };
    let place = format!(
        "{} `{}` ({}:{line}:{column}){more}",
        resource.kind(),
        resource.metadata().name,
        document.file(),
    );
    let name = &policy.name;
    Some(match doubt {
        Doubt::Failed(reason) => policy.site.finding(
            "policy-failed",
            &format!("policy `{name}` cannot be decided for {place}: {reason}"),
            Some(
                "ask for what may be missing first, e.g. `!has(object.spec.ports) || …`".to_owned(),
            ),
        ),
        Doubt::Skipped => warning(policy.site.finding(
            "policy-skipped",
            &format!(
                "policy `{name}` looks at `job`, which is not known without a cluster for {place}"
            ),
            Some("use `--server`, or exclude such jobs with `match: {kind: Workload}`".to_owned()),
        )),
    })
}

/// Asks policies about documents and the Nomad jobs that they become, on all cores.
///
/// For callers that have the jobs at hand. `None` stands for a job that is not known: policies that look at it are said
/// to be skipped.
#[must_use]
pub fn check(
    policies: &Policies,
    documents: &[(&Document, Option<&Json>)],
    default_namespace: &Namespace,
) -> Vec<Diagnostic> {
    let judged = parallel::map(documents, |(document, job)| {
        policies.ask(document, *job, default_namespace, |_| true)
    });
    findings(
        policies,
        documents.iter().map(|(document, _)| *document),
        judged,
    )
}

/// Asks only the policies that look at the job, once it is known.
#[must_use]
pub fn check_job(
    policies: &Policies,
    document: &Document,
    job: &Json,
    default_namespace: &Namespace,
) -> Vec<Diagnostic> {
    let looks_at_job = |policy: &Policy| policy.expression.looks_at_job;
    let judged = policies.ask(document, Some(job), default_namespace, looks_at_job);
    findings(policies, [document], [judged])
}
