//! The form in which Nomad stores a job.
//!
//! A client may write a job in many ways: members in any case, defaults left out, restart and update policies on the job
//! or on the group. Nomad brings all of them into one form before it compares or stores them. [`canonicalize`] does the
//! same, so that two jobs mean the same exactly if their canonical forms are equal. The simulator stores what it returns,
//! the comparator applies it to both sides.
//!
//! Order of work: spell members as Nomad does and drop what it does not know ([`schema`]), fill in defaults from the job
//! down to the checks ([`job`], [`group`], [`task`], [`service`]), add the constraints that Nomad implies ([`implied`]),
//! write out the members that are still absent.
//!
//! Source: Nomad 2.0.6-dev, `api.Job.Canonicalize`, `ApiJobToStructJob`, `structs.Job.Canonicalize` and the job mutators.
//!
//! Not modelled: the tasks that Nomad adds for Consul's mesh, whose content changes with its version ([`connect`] has the
//! rest of it), defaults of the server's own configuration (identities for Vault and Consul), Enterprise's namespace
//! defaults. Policies of a `Vault` block are dropped, as Nomad does since 1.10.

mod connect;
mod group;
pub(crate) mod implied;
mod job;
mod schema;
mod service;
mod task;
mod unknown;

use serde_json::{Map, Value};

pub(crate) use connect::Role;
pub use unknown::{UnknownMember, unknown_members};

/// Members of a job that the server sets. They are no part of the specification: [`canonicalize`] drops them.
pub const SERVER_MEMBERS: [&str; 8] = [
    "Status",
    "StatusDescription",
    "Stable",
    "Version",
    "SubmitTime",
    "CreateIndex",
    "ModifyIndex",
    "JobModifyIndex",
];

/// Members of a `Scaling` block that the server sets; canonical forms carry them empty.
pub const SCALING_SERVER_MEMBERS: [&str; 3] = ["ID", "CreateIndex", "ModifyIndex"];

/// Nanoseconds of a second: Nomad writes durations so.
const SECOND: i64 = 1_000_000_000;

/// Brings a job into the form in which Nomad stores it and `GET /v1/job/:id` returns it, without [`SERVER_MEMBERS`].
///
/// `region` is the region of the agent that takes the job: it stands where the job names none or `global`. A namespace
/// given by the query must have been written into the job before. What is malformed, e.g. a text where an object
/// belongs, is left as it is: Nomad would refuse it. Applying it twice changes nothing more.
pub fn canonicalize(job: &mut Value, region: &str) {
    schema::spell(job, &schema::JOB);
    if let Value::Object(members) = job {
        job::fill(members, region);
    }
    schema::complete(job, &schema::JOB);
}

type Object = Map<String, Value>;

fn default(object: &mut Object, member: &str, value: impl Into<Value>) {
    if !object.contains_key(member) {
        object.insert(member.to_owned(), value.into());
    }
}

/// As [`default`], and an empty text counts as absent.
fn default_text(object: &mut Object, member: &str, value: &str) {
    if text(object, member).is_empty()
        && !matches!(object.get(member), Some(other) if !other.is_string())
    {
        object.insert(member.to_owned(), value.into());
    }
}

/// As [`default`], and zero counts as absent.
fn default_number(object: &mut Object, member: &str, value: i64) {
    if number(object, member).is_none_or(|n| n == 0) {
        object.insert(member.to_owned(), value.into());
    }
}

fn upper(object: &mut Object, member: &str) {
    if let Some(Value::String(text)) = object.get_mut(member) {
        *text = text.to_uppercase();
    }
}

fn text<'a>(object: &'a Object, member: &str) -> &'a str {
    object
        .get(member)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

fn number(object: &Object, member: &str) -> Option<i64> {
    object.get(member).and_then(Value::as_i64)
}

fn block<'a>(object: &'a mut Object, member: &str) -> Option<&'a mut Object> {
    object.get_mut(member).and_then(Value::as_object_mut)
}

/// The block, made when absent.
fn block_or_new<'a>(object: &'a mut Object, member: &str) -> Option<&'a mut Object> {
    default(object, member, Object::new());
    block(object, member)
}

fn blocks<'a>(object: &'a Object, member: &str) -> impl Iterator<Item = &'a Object> + use<'a> {
    let list = object.get(member).and_then(Value::as_array);
    list.into_iter().flatten().filter_map(Value::as_object)
}

fn blocks_mut<'a>(
    object: &'a mut Object,
    member: &str,
) -> impl Iterator<Item = &'a mut Object> + use<'a> {
    let list = object.get_mut(member).and_then(Value::as_array_mut);
    list.into_iter().flatten().filter_map(Value::as_object_mut)
}

/// Copies into `own` what only `inherited` says.
fn inherit(own: &mut Object, inherited: &Object) {
    for (member, value) in inherited {
        default(own, member, value.clone());
    }
}

fn default_weights(object: &mut Object) {
    for list in ["Affinities", "Spreads"] {
        for entry in blocks_mut(object, list) {
            default(entry, "Weight", 50);
        }
    }
}
