//! Values of the references of a workload's environment: variables of `cs`, and files.

use std::collections::BTreeMap;

use crate::config::Environment;
use crate::desired::references;
use crate::secret::Secret;
use crate::spec::Workload;
use crate::spec::workload::SecretRef;

/// Largest file that is taken for a secret. A certificate chain has some KiB.
const MAX_BYTES: u64 = 256 * 1024;

/// The references that have a value. What is missing is reported by validation, with its place.
#[must_use]
pub fn resolve(workload: &Workload, environment: &Environment) -> BTreeMap<SecretRef, Secret> {
    references(workload)
        .into_iter()
        .filter_map(|reference| Some((reference.clone(), value(reference, environment)?)))
        .collect()
}

/// The value of a reference to a variable or to a file. Reads a small file.
#[must_use]
pub fn value(reference: &SecretRef, environment: &Environment) -> Option<Secret> {
    if let Some(name) = &reference.from_env {
        return environment.secret(name);
    }
    let path = reference.from_file.as_ref()?;
    let size = std::fs::metadata(path).ok()?.len();
    let text = (size <= MAX_BYTES)
        .then(|| std::fs::read_to_string(path).ok())
        .flatten()?;
    let text = text.strip_suffix('\n').unwrap_or(&text);
    Some(Secret::new(text.strip_suffix('\r').unwrap_or(text)))
}
