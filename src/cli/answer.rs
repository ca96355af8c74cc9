//! What Nomad's refusals and missing jobs are to people: what, where, why, what to type next.

use super::exit;
use crate::clients::chain;
use crate::clients::nomad::calls::jobs::JobQuery;
use crate::clients::nomad::client::NomadClient;
use crate::clients::nomad::error::NomadError;
use crate::ids::JobId;
use crate::spec::suggest::closest;

/// Prints a failed call and returns the exit code.
pub(super) fn failed(error: &NomadError) -> u8 {
    exit::complain(&chain(error), Some(error.help()));
    match error {
        NomadError::Conflict { .. } => 8,
        _ => 1,
    }
}

/// Prints that a job is not there, with what was probably meant, and returns the exit code.
pub(super) async fn missing(nomad: &NomadClient, id: &JobId) -> u8 {
    let namespace = nomad.namespace();
    let help = meant(nomad, id)
        .await
        .unwrap_or_else(|| "cs status -A lists all jobs".to_owned());
    exit::complain(
        &format!("there is no job {id} in namespace {namespace}"),
        Some(&help),
    );
    1
}

/// What was probably meant. Nobody is told when that cannot be found out: the answer itself does not depend on it.
async fn meant(nomad: &NomadClient, id: &JobId) -> Option<String> {
    let query = JobQuery {
        all_namespaces: true,
        ..JobQuery::default()
    };
    let jobs = nomad.jobs(&query).await.ok()?.value;
    let elsewhere: Vec<&str> = jobs
        .iter()
        .filter(|job| job.id == id.as_str())
        .map(|job| job.namespace.as_str())
        .collect();
    if let [namespace, ..] = elsewhere.as_slice() {
        return Some(format!(
            "it is in namespace {namespace}: add -n {namespace}"
        ));
    }
    let here = jobs
        .iter()
        .filter(|job| job.namespace == nomad.namespace().as_str() && job.parent_id.is_empty());
    closest(id.as_str(), here.map(|job| job.id.as_str()))
        .map(|name| format!("did you mean {name}?"))
}
