//! Whether spec files can be applied, as far as that can be said without a cluster.
//!
//! Pure: takes what `manifests` has read and gives findings, each with its place. What a single workload means is
//! checked by `desired`; here are the set, native jobs, advice and policies. [`rules`] says what every code means.

pub mod deprecated;
mod document;
mod lint;
mod native;
pub mod parallel;
pub mod policy;
pub mod rules;
mod set;

use crate::config::Environment;
use crate::ids::{Namespace, OwnerId};
use crate::manifests::{Loaded, Manifest};
use crate::spec::{Diagnostic, Severity};

pub use document::offline_job;
pub use lint::secret_values;
pub use native::written_job;
use policy::Policies;
pub use set::finding as graph_finding;

/// What is not in the files.
#[derive(Debug)]
pub struct Options<'p> {
    /// Namespace of resources that name none.
    pub default_namespace: Namespace,
    /// On whose behalf the jobs are.
    pub owner: OwnerId,
    /// Rules of the users.
    pub policies: &'p Policies,
    /// Values of HCL variables may stand in it.
    pub environment: &'p Environment,
    /// What native jobs become is known elsewhere, and so are the policies that look at it.
    pub judges_native_jobs_later: bool,
}

/// Checks a set: each document by itself, on all cores, then all of them together.
///
/// The findings are sorted by their place, each is there once.
#[must_use]
pub fn check(manifests: &[Manifest], options: &Options<'_>) -> Vec<Diagnostic> {
    let checked = parallel::map(manifests, |manifest| document::check(manifest, options));
    let mut findings = Vec::new();
    let mut judged = Vec::new();
    let mut facts = Vec::new();
    for one in checked {
        findings.extend(one.findings);
        judged.push(one.judged);
        facts.push(one.facts);
    }
    findings.extend(set::check(manifests, &facts, &options.default_namespace));
    let documents = manifests.iter().map(|manifest| &manifest.document);
    findings.extend(policy::findings(options.policies, documents, judged));
    sorted(findings)
}

/// What the policies that stand among the specs say of them, and what is wrong with the policies.
#[must_use]
pub fn by_own_policies(
    loaded: &Loaded,
    namespace: &Namespace,
    owner: &OwnerId,
    environment: &Environment,
) -> Vec<Diagnostic> {
    if loaded.policies.is_empty() {
        return Vec::new();
    }
    let mut policies = Policies::default();
    let mut findings = policies.read_among(loaded, |_| false);
    let options = Options {
        default_namespace: namespace.clone(),
        owner: owner.clone(),
        policies: &policies,
        environment,
        judges_native_jobs_later: false,
    };
    let checked = check(&loaded.manifests, &options);
    findings.extend(
        checked
            .into_iter()
            .filter(|one| one.code.starts_with("policy")),
    );
    sorted(findings)
}

/// Sorts findings by their place and drops repeats.
#[must_use]
pub fn sorted(mut findings: Vec<Diagnostic>) -> Vec<Diagnostic> {
    findings.sort();
    findings.dedup();
    findings
}

fn warning(finding: Diagnostic) -> Diagnostic {
    Diagnostic {
        severity: Severity::Warning,
        ..finding
    }
}
