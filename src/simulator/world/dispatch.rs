//! Starting a parameterized job.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::World;
use super::job::JobKey;
use super::json::{text, texts};
use super::refusal::Refusal;
use super::time::SECOND;

/// A request to start a parameterized job.
#[derive(Debug, Clone, Default)]
pub struct Dispatch {
    /// Payload, base64.
    pub payload: Option<String>,
    /// Its size in bytes.
    pub payload_size: usize,
    /// Meta of the start.
    pub meta: BTreeMap<String, String>,
    /// Goes into the child's id.
    pub id_prefix: String,
    /// The same token starts it once.
    pub idempotency_token: String,
}

/// What a start gave.
#[derive(Debug, Clone, Default)]
pub struct Dispatched {
    /// Id of the child.
    pub job_id: String,
    /// Evaluation; `""` when the token was known.
    pub eval_id: String,
    /// Its index.
    pub eval_create_index: u64,
    /// Index of the child's creation.
    pub job_create_index: u64,
    /// Raft index.
    pub index: u64,
}

/// Largest payload, in bytes.
const PAYLOAD_LIMIT: usize = 16_384;

impl World {
    /// `PUT /job/:id/dispatch`.
    ///
    /// # Errors
    /// Unknown, stopped or not parameterized; meta or payload that it does not take.
    pub fn dispatch(&mut self, key: &JobKey, request: &Dispatch) -> Result<Dispatched, Refusal> {
        let Some(parent) = self.job(key).cloned() else {
            return Err(Refusal::server("parameterized job not found"));
        };
        if !parent.is_parameterized() {
            return Err(Refusal::server(format!(
                "Specified job {:?} is not a parameterized job",
                key.id
            )));
        }
        if parent.stopped() {
            return Err(Refusal::server(format!(
                "Specified job {:?} is stopped",
                key.id
            )));
        }
        check(&parent.spec, request)?;
        let token = request.idempotency_token.clone();
        if let Some(known) = self.known_dispatch(key, &token) {
            return Ok(known);
        }
        let prefix = if request.id_prefix.is_empty() {
            String::new()
        } else {
            format!("{}-", request.id_prefix)
        };
        let id = format!(
            "{}/dispatch-{prefix}{}-{}",
            key.id,
            self.now / SECOND,
            self.random.hex8()
        );
        let child = JobKey::new(&key.namespace, &id);
        let mut spec = (*parent.spec).clone();
        spec["ID"] = json!(id);
        spec["Name"] = json!(id);
        spec["ParentID"] = json!(key.id);
        spec["Dispatched"] = json!(true);
        spec["DispatchIdempotencyToken"] = json!(token);
        spec["Payload"] = json!(request.payload);
        spec["Meta"] = merged(&spec["Meta"], &request.meta);
        let mut tx = self.begin("JobRegistered");
        let index = tx.index;
        self.new_version(&mut tx, &child, Arc::new(spec), None);
        let eval_id = self.add_eval(&mut tx, &child, "job-register", 0);
        self.commit(tx);
        if !token.is_empty() {
            self.tokens.insert((key.clone(), token), child);
        }
        Ok(Dispatched {
            job_id: id,
            eval_id,
            eval_create_index: index,
            job_create_index: index,
            index,
        })
    }

    fn known_dispatch(&self, key: &JobKey, token: &str) -> Option<Dispatched> {
        if token.is_empty() {
            return None;
        }
        let child = self.tokens.get(&(key.clone(), token.to_owned()))?;
        let job = self.job(child)?;
        Some(Dispatched {
            job_id: child.id.clone(),
            job_create_index: job.create_index,
            index: self.index,
            ..Dispatched::default()
        })
    }
}

fn merged(old: &Value, more: &BTreeMap<String, String>) -> Value {
    let mut meta = old.as_object().cloned().unwrap_or_default();
    for (name, value) in more {
        meta.insert(name.clone(), json!(value));
    }
    if meta.is_empty() {
        Value::Null
    } else {
        Value::Object(meta)
    }
}

fn check(spec: &Value, request: &Dispatch) -> Result<(), Refusal> {
    let config = &spec["ParameterizedJob"];
    let payload = text(config, "Payload");
    if payload == "required" && request.payload_size == 0 {
        return Err(Refusal::server(
            "Payload is not provided but required by parameterized job",
        ));
    }
    if payload == "forbidden" && request.payload_size > 0 {
        return Err(Refusal::server(
            "Payload provided but forbidden by parameterized job",
        ));
    }
    if request.payload_size > PAYLOAD_LIMIT {
        return Err(Refusal::server(format!(
            "Payload exceeds maximum size; {} > {PAYLOAD_LIMIT}",
            request.payload_size
        )));
    }
    let required = texts(config, "MetaRequired");
    let optional = texts(config, "MetaOptional");
    let unpermitted: Vec<_> = request
        .meta
        .keys()
        .filter(|name| !required.contains(name) && !optional.contains(name))
        .cloned()
        .collect();
    if !unpermitted.is_empty() {
        return Err(Refusal::server(format!(
            "Dispatch request included unpermitted metadata keys: [{}]",
            unpermitted.join(" ")
        )));
    }
    let missing: Vec<_> = required
        .into_iter()
        .filter(|name| !request.meta.contains_key(name))
        .collect();
    if !missing.is_empty() {
        return Err(Refusal::server(format!(
            "Dispatch did not provide required meta keys: [{}]",
            missing.join(" ")
        )));
    }
    Ok(())
}
