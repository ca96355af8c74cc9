//! What is remembered of a native job: the digest of its inputs, and the source that Nomad keeps beside it.
//!
//! # Secrets
//! Nomad keeps a submission next to the job, for everybody who may read the job, and shows it in its UI. The values of
//! variables are part of it, because without them the UI cannot show or run the source again. Left out are those whose
//! name, or a key inside, tells of a secret (`password`, `token`, `secret` …), wherever they were given: the UI then says
//! that the variable is not set, which is right. That is a rule over names and no protection: where the specification
//! puts a value into the job, the job shows it. Secrets belong into Vault or Nomad's own variables, which tasks read
//! themselves.

use std::collections::BTreeMap;

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::{HclInputs, Inputs};
use crate::clients::nomad::calls::jobs::Submission;
use crate::desired::digest::Digest;
use crate::ids::{Namespace, OwnerId};
use crate::reconcile::diff::tells_of_secret;
use crate::spec::nomad_job::NomadJob;

/// Longest source that Nomad keeps, in bytes. A longer submission is dropped as a whole, with our flags.
///
/// Source: Nomad, `job_max_source_size`, default `1M`.
const LONGEST_SOURCE: usize = 1_000_000;

/// The digest of everything that decides the job: same digest, same job, as long as Nomad evaluates HCL the same way.
///
/// SHA-256 over the text, the merged values, name, namespace, owner and the places that belong to others, each with its
/// length. Comments of the HCL count. It shows nothing of secrets among the values, but who knows everything else could
/// try short ones.
#[must_use]
pub fn digest(inputs: &Inputs, job: &NomadJob, namespace: &Namespace, owner: &OwnerId) -> Digest {
    let mut sink = Sha256::new();
    sink.update(b"cs native 1");
    let mut feed = |text: &str| {
        sink.update((text.len() as u64).to_be_bytes());
        sink.update(text.as_bytes());
    };
    feed(&job.metadata.name);
    feed(namespace.as_str());
    feed(owner.as_str());
    match inputs {
        Inputs::Hcl(inputs) => {
            feed("hcl");
            feed(&inputs.text);
            feed(&inputs.variables());
        }
        Inputs::Json(value) => {
            feed("json");
            // Members are sorted.
            feed(&value.to_string());
        }
    }
    // Their number is what is left.
    for place in &job.spec.ignore_fields {
        feed(place);
    }
    Digest(format!("{:x}", sink.finalize()))
}

/// What Nomad keeps beside the job: the source as it was written, and the values of its variables as Nomad's own command
/// line records them. `flags` are ours, e.g. `cs_digest`.
#[must_use]
pub fn submission(inputs: &Inputs, mut flags: BTreeMap<String, String>) -> Submission {
    let mut submission = match inputs {
        Inputs::Hcl(inputs) => {
            let (variables, given) = recorded(inputs);
            // Ours win: a variable called like one of them would make the digest a lie.
            for (name, value) in given {
                flags.entry(name).or_insert(value);
            }
            Submission {
                source: inputs.text.to_string(),
                format: "hcl2".to_owned(),
                variables,
                variable_flags: BTreeMap::new(),
            }
        }
        Inputs::Json(value) => Submission {
            source: format!("{value:#}"),
            format: "json".to_owned(),
            ..Submission::default()
        },
    };
    submission.variable_flags = flags;
    if submission.source.len() + submission.variables.len() > LONGEST_SOURCE {
        submission.source = String::new();
        submission.variables = String::new();
    }
    submission
}

/// Values as one variable file, and those that a flag or the environment gave as plain text.
fn recorded(inputs: &HclInputs) -> (String, BTreeMap<String, String>) {
    let mut variables = String::new();
    let mut flags = BTreeMap::new();
    for (name, given) in &inputs.given {
        if has_telling_name(name) || given.value.as_ref().is_some_and(has_telling_key) {
            continue;
        }
        match &given.plain {
            Some(plain) => drop(flags.insert(name.clone(), plain.clone())),
            // An expression that was not evaluated may hold anything.
            None if given.value.is_none() && has_telling_name(&given.attribute) => {}
            None => variables.push_str(&given.attribute),
        }
    }
    (variables, flags)
}

/// Names of variables that promise a secret, besides those that the comparator knows.
const TELLTALES: [&str; 5] = ["api_key", "apikey", "private_key", "passphrase", "pwd"];

fn has_telling_name(name: &str) -> bool {
    let lower = name.to_lowercase();
    tells_of_secret(name) || TELLTALES.iter().any(|telltale| lower.contains(telltale))
}

fn has_telling_key(value: &Value) -> bool {
    match value {
        Value::Object(members) => members
            .iter()
            .any(|(key, value)| has_telling_name(key) || has_telling_key(value)),
        Value::Array(items) => items.iter().any(has_telling_key),
        _ => false,
    }
}
