//! Variables: compare-and-set, and locks (nomad-api.md 1.8).

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::World;
use super::refusal::Refusal;
use super::tables::Table;
use super::time::{Nanos, SECOND, format_go};

/// What names a variable.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct VariableKey {
    /// Namespace.
    pub namespace: String,
    /// Path.
    pub path: String,
}

/// A lock that is held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lock {
    /// Id.
    pub id: String,
    /// How long it lives without a renewal.
    pub ttl: Nanos,
    /// How long it stays closed after it has died.
    pub delay: Nanos,
    /// When it was acquired or renewed.
    pub renewed: Nanos,
}

impl Lock {
    /// A dead holder blocks others for twice its TTL and the delay.
    fn held_at(&self, now: Nanos) -> bool {
        now < self.renewed + 2 * self.ttl + self.delay
    }

    fn json(&self) -> Value {
        json!({"ID": self.id, "TTL": format_go(self.ttl), "LockDelay": format_go(self.delay)})
    }
}

/// A variable.
#[derive(Debug, Clone)]
pub struct Variable {
    /// Its name.
    pub key: VariableKey,
    /// Contents.
    pub items: BTreeMap<String, String>,
    /// Lock, held or dead.
    pub lock: Option<Lock>,
    /// Index of its creation.
    pub create_index: u64,
    /// Index of its last change: the base of the next write.
    pub modify_index: u64,
    /// When it was made.
    pub create_time: Nanos,
    /// When it was changed.
    pub modify_time: Nanos,
}

impl Variable {
    /// Without its contents, as lists show it.
    #[must_use]
    pub fn metadata(&self, now: Nanos) -> Value {
        let mut value = json!({
            "Namespace": self.key.namespace, "Path": self.key.path,
            "CreateIndex": self.create_index, "ModifyIndex": self.modify_index,
            "CreateTime": self.create_time, "ModifyTime": self.modify_time,
        });
        if let Some(lock) = self.lock.as_ref().filter(|lock| lock.held_at(now)) {
            value["Lock"] = lock.json();
        }
        value
    }

    /// With its contents.
    #[must_use]
    pub fn json(&self, now: Nanos) -> Value {
        let mut value = self.metadata(now);
        value["Items"] = json!(self.items);
        value
    }
}

/// What became of a write.
#[derive(Debug, Clone)]
pub enum VariableWrite {
    /// Written.
    Done {
        /// The variable, as the API shows it.
        body: Value,
        /// Raft index.
        index: u64,
    },
    /// 409, with the current state, as far as the caller may see it.
    Conflict(Value),
}

/// Largest contents, keys included, in bytes.
const SIZE_LIMIT: usize = 64 * 1024;

impl World {
    fn held(&self, key: &VariableKey) -> Option<&Lock> {
        let lock = self.variables.get(key)?.lock.as_ref()?;
        lock.held_at(self.now).then_some(lock)
    }

    fn conflict(&self, key: &VariableKey, foreign_lock: bool) -> VariableWrite {
        let body = match self.variables.get(key) {
            Some(variable) if !foreign_lock => variable.json(self.now),
            _ => {
                json!({"Namespace": key.namespace, "Path": key.path, "CreateIndex": 0, "ModifyIndex": 0,
                "CreateTime": 0, "ModifyTime": 0})
            }
        };
        VariableWrite::Conflict(body)
    }

    /// Whether a write has to give way: to a lock of somebody else, or to another index than it saw.
    fn obstacle(
        &self,
        key: &VariableKey,
        cas: Option<u64>,
        lock_id: &str,
    ) -> Option<VariableWrite> {
        if self.held(key).is_some_and(|lock| lock.id != lock_id) {
            return Some(self.conflict(key, true));
        }
        let current = self
            .variables
            .get(key)
            .map_or(0, |variable| variable.modify_index);
        if cas.is_some_and(|cas| cas != current) {
            return Some(self.conflict(key, false));
        }
        None
    }

    fn store(
        &mut self,
        key: &VariableKey,
        items: BTreeMap<String, String>,
        lock: Option<Lock>,
    ) -> u64 {
        let mut tx = self.begin("VariablesApply");
        let now = self.now;
        let old = self.variables.get(key);
        let variable = Variable {
            key: key.clone(),
            items,
            lock,
            create_index: old.map_or(tx.index, |old| old.create_index),
            modify_index: tx.index,
            create_time: old.map_or(now, |old| old.create_time),
            modify_time: now,
        };
        tx.emit(
            "Variable",
            &key.path,
            &key.namespace,
            Vec::new(),
            json!({"Variable": variable.metadata(now)}),
        );
        self.variables.insert(key.clone(), variable);
        self.touch(Table::Variables, &tx);
        let index = tx.index;
        self.commit(tx);
        index
    }

    fn done(&self, key: &VariableKey, index: u64) -> VariableWrite {
        let body = self
            .variables
            .get(key)
            .map_or(Value::Null, |variable| variable.json(self.now));
        VariableWrite::Done { body, index }
    }

    /// `PUT /var/:path`.
    ///
    /// # Errors
    /// Contents that are missing, too large, or at a path that Nomad keeps for itself.
    pub fn put_variable(
        &mut self,
        key: &VariableKey,
        items: BTreeMap<String, String>,
        cas: Option<u64>,
        lock_id: &str,
    ) -> Result<VariableWrite, Refusal> {
        check_path(&key.path)?;
        check_items(&items)?;
        if let Some(obstacle) = self.obstacle(key, cas, lock_id) {
            return Ok(obstacle);
        }
        let lock = self.held(key).cloned();
        let index = self.store(key, items, lock);
        Ok(self.done(key, index))
    }

    /// `DELETE /var/:path`. A missing one is no error.
    pub fn delete_variable(&mut self, key: &VariableKey, cas: Option<u64>) -> VariableWrite {
        if let Some(obstacle) = self.obstacle(key, cas, "") {
            return obstacle;
        }
        let tx = self.begin("VariablesApply");
        self.variables.remove(key);
        self.touch(Table::Variables, &tx);
        VariableWrite::Done {
            body: Value::Null,
            index: tx.index,
        }
    }

    /// `PUT /var/:path?lock-acquire`.
    ///
    /// # Errors
    /// A time to live or a delay outside Nomad's limits.
    pub fn acquire_lock(
        &mut self,
        key: &VariableKey,
        items: BTreeMap<String, String>,
        lock_id: &str,
        ttl: Option<Nanos>,
        delay: Option<Nanos>,
    ) -> Result<VariableWrite, Refusal> {
        check_path(&key.path)?;
        let (ttl, delay) = (ttl.unwrap_or(15 * SECOND), delay.unwrap_or(15 * SECOND));
        if !(10 * SECOND..=86_400 * SECOND).contains(&ttl) {
            return Err(Refusal::bad_request(
                "RPC Error:: 400,lock TTL must be between 10 seconds and 24 hours",
            ));
        }
        if let Some(obstacle) = self.obstacle(key, None, lock_id) {
            return Ok(obstacle);
        }
        let id = match self.held(key) {
            Some(lock) => lock.id.clone(),
            None => self.random.uuid(),
        };
        let items = if items.is_empty() {
            self.variables
                .get(key)
                .map(|variable| variable.items.clone())
                .unwrap_or_default()
        } else {
            items
        };
        let lock = Lock {
            id,
            ttl,
            delay,
            renewed: self.now,
        };
        let index = self.store(key, items, Some(lock));
        Ok(self.done(key, index))
    }

    /// `PUT /var/:path?lock-renew`.
    ///
    /// # Errors
    /// 409 when somebody else holds it or nobody does.
    pub fn renew_lock(
        &mut self,
        key: &VariableKey,
        lock_id: &str,
    ) -> Result<VariableWrite, Refusal> {
        if self.held(key).is_none_or(|lock| lock.id != lock_id) {
            return Err(Refusal {
                status: 409,
                text: "attempting to modify locked variable".to_owned(),
            });
        }
        let now = self.now;
        if let Some(lock) = self
            .variables
            .get_mut(key)
            .and_then(|variable| variable.lock.as_mut())
        {
            lock.renewed = now;
        }
        let body = self
            .variables
            .get(key)
            .map_or(Value::Null, |variable| variable.metadata(now));
        Ok(VariableWrite::Done {
            body,
            index: self.index,
        })
    }

    /// `PUT /var/:path?lock-release`.
    ///
    /// # Errors
    /// 500 when nobody holds it.
    pub fn release_lock(
        &mut self,
        key: &VariableKey,
        lock_id: &str,
    ) -> Result<VariableWrite, Refusal> {
        match self.held(key) {
            None => return Err(Refusal::server("variable doesn't hold a lock")),
            Some(lock) if lock.id != lock_id => return Ok(self.conflict(key, true)),
            Some(_) => {}
        }
        let items = self
            .variables
            .get(key)
            .map(|variable| variable.items.clone())
            .unwrap_or_default();
        let index = self.store(key, items, None);
        let body = self
            .variables
            .get(key)
            .map_or(Value::Null, |variable| variable.metadata(self.now));
        Ok(VariableWrite::Done { body, index })
    }

    /// Lists the variables of a namespace (`*` for all) under a prefix, without their contents.
    #[must_use]
    pub fn list_variables(&self, namespace: &str, prefix: &str) -> Vec<Value> {
        self.variables
            .values()
            .filter(|variable| namespace == "*" || variable.key.namespace == namespace)
            .filter(|variable| variable.key.path.starts_with(prefix))
            .map(|variable| variable.metadata(self.now))
            .collect()
    }
}

fn check_items(items: &BTreeMap<String, String>) -> Result<(), Refusal> {
    if items.is_empty() {
        return Err(Refusal::bad_request(
            "variable missing required Items object",
        ));
    }
    let size: usize = items
        .iter()
        .map(|(key, value)| key.len() + value.len())
        .sum();
    if size > SIZE_LIMIT {
        return Err(Refusal::bad_request(
            "RPC Error:: 400,variables are limited to 64KiB in total size",
        ));
    }
    Ok(())
}

fn check_path(path: &str) -> Result<(), Refusal> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "-_~/".contains(c);
    let reserved = (path == "nomad" || path.starts_with("nomad/"))
        && !path.starts_with("nomad/jobs")
        && !path.starts_with("nomad/job-templates");
    if path.is_empty() || path.len() > 128 || !path.chars().all(fits) {
        return Err(Refusal::bad_request(format!(
            "RPC Error:: 400,invalid path {path:?}"
        )));
    }
    if reserved {
        return Err(Refusal::bad_request(
            "RPC Error:: 400,only paths at \"nomad/jobs\" or below and \"nomad/job-templates\" or below are valid paths under the top-level \"nomad\" directory",
        ));
    }
    Ok(())
}

/// Reads `Items` of a request.
#[must_use]
pub(crate) fn items_of(body: &Value) -> BTreeMap<String, String> {
    super::json::any_case(body, "Items")
        .and_then(Value::as_object)
        .map(|items: &Map<String, Value>| {
            items
                .iter()
                .map(|(key, value)| (key.clone(), value.as_str().unwrap_or_default().to_owned()))
                .collect()
        })
        .unwrap_or_default()
}
