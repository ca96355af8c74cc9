//! The job that is compared and registered.

use serde_json::{Map, Value};

use super::issue::{NativeIssue, Site};
use super::json;
use super::read::{other_name, other_namespace};
use crate::ids::{Namespace, OwnerId};
use crate::reconcile::plan::{META_MANAGED_BY, META_OWNER};
use crate::spec::nomad_job::NomadJob;

/// What stands under [`META_MANAGED_BY`].
const MANAGED_BY: &str = "cs";

/// Returns the job with its namespace and with the meta that says whose it is. Nothing else is touched.
///
/// `parsed` is what Nomad's parser returned, or the JSON job; `namespace` is where it will be written: that of the
/// metadata, else the one that the specification names ([`identity_of`](super::identity_of)), else the connection's.
///
/// # Errors
/// The job is called otherwise than the document, or names another namespace. Both may only show after evaluation.
pub fn finish(
    mut parsed: Value,
    job: &NomadJob,
    namespace: &Namespace,
    owner: &OwnerId,
) -> Result<Value, Box<NativeIssue>> {
    let said = json::identity(&parsed);
    let Some(members) = parsed.as_object_mut() else {
        let site = Site::Document("spec".to_owned());
        return Err(Box::new(NativeIssue::new(
            "json-job",
            site,
            "the job is no JSON object",
        )));
    };
    let name = said.name.unwrap_or_default();
    if name != job.metadata.name {
        let site = Site::Document("metadata.name".to_owned());
        return Err(Box::new(other_name(site, &name, job)));
    }
    if let Some(said) = said.namespace.filter(|said| said != namespace.as_str()) {
        let site = Site::Document("metadata.namespace".to_owned());
        return Err(Box::new(other_namespace(site, &said, namespace.as_str())));
    }
    set(members, "Namespace", namespace.as_str().into());
    let key = json::spelling(members, "Meta");
    let meta = members.entry(key).or_insert(Value::Null);
    if meta.is_null() {
        *meta = Value::Object(Map::new());
    }
    if let Some(meta) = meta.as_object_mut() {
        meta.insert(META_MANAGED_BY.to_owned(), MANAGED_BY.into());
        meta.insert(META_OWNER.to_owned(), owner.as_str().into());
    }
    Ok(parsed)
}

fn set(members: &mut Map<String, Value>, name: &str, value: Value) {
    let key = json::spelling(members, name);
    members.insert(key, value);
}
