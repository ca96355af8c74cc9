//! A job that runs already → the spec whose plan is empty.
//!
//! [`slim`] leaves out of a job what Nomad fills in by itself · [`secret`] finds what must not be written down unasked ·
//! [`document`] makes a `NomadJob` of it · [`workload`](mod@workload) tries to say it as a `Workload` · [`yaml`] writes
//! documents for people. Pure: whoever reads the cluster checks the outcome with the comparator before showing it.

pub mod document;
pub mod secret;
pub mod slim;
pub mod workload;
pub mod yaml;

use serde_json::Value;

use crate::reconcile::diff::{DiffOptions, Drift, Place, diff};
use crate::reconcile::plan::{META_MANAGED_BY, META_OWNER};

/// Job meta of ours: adopting a job adds it, and no spec names it.
const OWN_META: [&str; 2] = [META_MANAGED_BY, META_OWNER];

/// How a spec's job differs from the running one, apart from our own meta and the places that the spec leaves to others.
///
/// # Panics
/// Never for places that [`secret::leave`] returned.
#[must_use]
pub fn drift(job: &Value, running: &Value, ignore_fields: &[String]) -> Drift {
    let own = OWN_META.iter().map(|key| format!("/Meta/{key}"));
    let places = own.chain(ignore_fields.iter().cloned());
    let ignore: Vec<Place> = places
        .map(|place| {
            place
                .parse()
                .expect("it starts with `/` and names a member")
        })
        .collect();
    let options = DiffOptions {
        ignore,
        ..DiffOptions::default()
    };
    diff(job, running, &options)
}
