//! Nodes, pools, namespaces, and the scheduler's configuration.

use serde_json::{Value, json};

use super::World;
use super::job::JobKey;
use super::json::text;
use super::node::Node;
use super::refusal::Refusal;
use super::tables::{Named, Table, Tx};

/// `GET /operator/scheduler/configuration`, as a fresh cluster has it.
pub(super) fn default_scheduler_config() -> Value {
    json!({
        "SchedulerAlgorithm": "binpack",
        "PreemptionConfig": {"SystemSchedulerEnabled": true, "SysBatchSchedulerEnabled": false,
            "BatchSchedulerEnabled": false, "ServiceSchedulerEnabled": false},
        "MemoryOversubscriptionEnabled": false,
        "RejectJobRegistration": false,
        "PauseEvalBroker": false,
        "CreateIndex": 5, "ModifyIndex": 5,
    })
}

impl World {
    /// Fills a fresh cluster.
    pub(super) fn found(&mut self, pools: Vec<String>, namespaces: Vec<String>, nodes: Vec<Node>) {
        let builtin = [
            ("all", "Node pool with all nodes in the cluster."),
            ("default", "Default node pool."),
        ];
        for (name, description) in builtin {
            self.add_pool(name, description);
        }
        for name in pools {
            self.add_pool(&name, "");
        }
        self.put_namespace("default", "Default shared namespace", Value::Null);
        for name in namespaces {
            self.put_namespace(&name, "", Value::Null);
        }
        for node in nodes {
            self.join(node);
        }
    }

    fn add_pool(&mut self, name: &str, description: &str) {
        let body = json!({"Name": name, "Description": description, "Meta": null, "NodeIdentityTTL": 0,
            "SchedulerConfiguration": null});
        let tx = self.begin("NodePoolUpserted");
        put_named(&mut self.pools, name, body, tx.index);
        self.touch(Table::Pools, &tx);
        self.commit(tx);
    }

    /// Writes a node pool.
    ///
    /// # Errors
    /// The built-in ones cannot be changed.
    pub fn put_pool(
        &mut self,
        name: &str,
        description: &str,
        meta: &Value,
    ) -> Result<u64, Refusal> {
        if matches!(name, "all" | "default") {
            return Err(Refusal::bad_request(format!(
                "modifying node pool {name:?} is not allowed"
            )));
        }
        self.add_pool(name, description);
        if let Some(pool) = self.pools.get_mut(name) {
            pool.body["Meta"] = meta.clone();
        }
        Ok(self.index)
    }

    /// Deletes a node pool.
    ///
    /// # Errors
    /// Built in, unknown, or in use.
    pub fn delete_pool(&mut self, name: &str) -> Result<u64, Refusal> {
        if matches!(name, "all" | "default") {
            return Err(Refusal::bad_request(format!(
                "deleting node pool {name:?} is not allowed"
            )));
        }
        if !self.pools.contains_key(name) {
            return Err(Refusal::server(format!("node pool {name} not found")));
        }
        let jobs = self
            .jobs
            .values()
            .any(|entry| text(&entry.job.spec, "NodePool") == name && entry.job.status != "dead");
        let nodes = self.nodes.values().any(|node| node.pool == name);
        if jobs || nodes {
            return Err(Refusal::many(&[format!("node pool {name:?} is in use")]));
        }
        let tx = self.begin("NodePoolDeleted");
        self.pools.remove(name);
        self.touch(Table::Pools, &tx);
        Ok(tx.index)
    }

    /// Writes a namespace.
    pub fn put_namespace(&mut self, name: &str, description: &str, meta: Value) -> u64 {
        let body = json!({"Name": name, "Description": description, "Meta": meta, "Quota": "",
            "Capabilities": null, "NodePoolConfiguration": null});
        let tx = self.begin("NamespaceUpserted");
        put_named(&mut self.namespaces, name, body, tx.index);
        self.touch(Table::Namespaces, &tx);
        tx.index
    }

    /// Deletes a namespace.
    ///
    /// # Errors
    /// The default one, an unknown one, or one with jobs that are not dead.
    pub fn delete_namespace(&mut self, name: &str) -> Result<u64, Refusal> {
        if name == "default" {
            return Err(Refusal::server("can not delete default namespace"));
        }
        if !self.namespaces.contains_key(name) {
            return Err(Refusal::server("namespace not found"));
        }
        let alive = self
            .jobs
            .iter()
            .any(|(key, entry)| key.namespace == name && entry.job.status != "dead");
        if alive {
            let head = format!(
                "namespace {name:?} has non-terminal jobs in regions: [{}]",
                self.region
            );
            return Err(Refusal::many(&[
                head,
                "error deleting namespace".to_owned(),
            ]));
        }
        let tx = self.begin("NamespaceDeleted");
        self.namespaces.remove(name);
        self.touch(Table::Namespaces, &tx);
        Ok(tx.index)
    }

    /// Adds a node; an empty id is filled in. Returns the id.
    pub fn join(&mut self, mut node: Node) -> String {
        if node.id.is_empty() {
            node.id = self.random.uuid();
        }
        let mut tx = self.begin("NodeRegistration");
        node.create_index = tx.index;
        node.modify_index = tx.index;
        if !self.pools.contains_key(&node.pool) {
            let body = json!({"Name": node.pool, "Description": "", "Meta": null, "NodeIdentityTTL": 0,
                "SchedulerConfiguration": null});
            put_named(&mut self.pools, &node.pool, body, tx.index);
            self.touch(Table::Pools, &tx);
        }
        let id = node.id.clone();
        emit_node(&mut tx, &node);
        self.nodes.insert(id.clone(), node);
        self.touch(Table::Nodes, &tx);
        self.commit(tx);
        self.node_changed(None);
        id
    }

    /// The id of the node with this name or id.
    #[must_use]
    pub fn node_named(&self, name: &str) -> Option<String> {
        self.nodes
            .values()
            .find(|node| node.name == name || node.id == name)
            .map(|node| node.id.clone())
    }

    /// A node goes `down`, is `disconnected`, or is `ready` again.
    ///
    /// # Errors
    /// Unknown node.
    pub fn set_node_status(&mut self, id: &str, status: &'static str) -> Result<u64, Refusal> {
        let index = self.change_node(id, "NodeUpdateStatus", |node| node.status = status)?;
        if status == "disconnected" {
            self.mark_unknown(id);
        }
        self.node_changed(Some(id));
        Ok(index)
    }

    /// A node takes new allocations, or does not.
    ///
    /// # Errors
    /// Unknown node.
    pub fn set_node_eligible(&mut self, id: &str, eligible: bool) -> Result<u64, Refusal> {
        let index =
            self.change_node(id, "NodeUpdateEligibility", |node| node.eligible = eligible)?;
        self.node_changed(Some(id));
        Ok(index)
    }

    /// A node is emptied, or no longer.
    ///
    /// # Errors
    /// Unknown node.
    pub fn set_node_drain(&mut self, id: &str, drain: bool) -> Result<u64, Refusal> {
        let index = self.change_node(id, "NodeUpdateDrain", |node| {
            node.draining = drain;
            node.eligible = !drain;
        })?;
        if drain {
            for alloc in self
                .allocs
                .values_mut()
                .filter(|alloc| alloc.node_id == id && !alloc.terminal())
            {
                alloc.migrate = !matches!(alloc.job.kind(), "system" | "sysbatch");
            }
        }
        self.node_changed(Some(id));
        Ok(index)
    }

    fn change_node(
        &mut self,
        id: &str,
        kind: &'static str,
        change: impl FnOnce(&mut Node),
    ) -> Result<u64, Refusal> {
        if !self.nodes.contains_key(id) {
            return Err(Refusal::not_found("node not found"));
        }
        let mut tx = self.begin(kind);
        let index = tx.index;
        if let Some(node) = self.nodes.get_mut(id) {
            change(node);
            node.modify_index = index;
            let node = node.clone();
            emit_node(&mut tx, &node);
        }
        self.touch(Table::Nodes, &tx);
        self.commit(tx);
        Ok(index)
    }

    fn mark_unknown(&mut self, id: &str) {
        let mut tx = self.begin("AllocationUpdated");
        let index = tx.index;
        let survivors: Vec<String> = self
            .allocs
            .values()
            .filter(|alloc| alloc.node_id == id && !alloc.terminal() && !self.node_lost(alloc))
            .map(|alloc| alloc.id.clone())
            .collect();
        for survivor in survivors {
            if let Some(alloc) = self.allocs.get_mut(&survivor) {
                alloc.client_status = "unknown";
                "alloc is unknown since its node is disconnected"
                    .clone_into(&mut alloc.client_description);
                alloc.modify_index = index;
                let alloc = alloc.clone();
                self.emit_alloc(&mut tx, &alloc);
            }
        }
        self.touch(Table::Allocs, &tx);
        self.commit(tx);
    }

    /// Evaluates what a changed node concerns: jobs on it, system jobs, and what waits for room.
    fn node_changed(&mut self, id: Option<&str>) {
        let mut keys: Vec<JobKey> = self
            .allocs
            .values()
            .filter(|alloc| id == Some(alloc.node_id.as_str()) && !alloc.terminal())
            .map(super::Alloc::key)
            .collect();
        let everywhere = self.jobs.iter().filter(|(_, entry)| {
            matches!(entry.job.kind(), "system" | "sysbatch")
                && !entry.job.stopped()
                && !entry.job.is_parent()
        });
        keys.extend(everywhere.map(|(key, _)| key.clone()));
        keys.sort();
        keys.dedup();
        for key in keys {
            self.raise_eval(&key, "node-update");
        }
        self.unblock();
    }

    /// Writes the scheduler's configuration.
    pub fn put_scheduler_config(&mut self, change: &Value) -> u64 {
        let tx = self.begin("SchedulerConfigUpserted");
        for (name, value) in change.as_object().into_iter().flatten() {
            self.scheduler_config[name.as_str()] = value.clone();
        }
        self.scheduler_config["ModifyIndex"] = json!(tx.index);
        tx.index
    }

    /// `GET /services` and `GET /service/:name`: services of running allocations with the `nomad` provider.
    #[must_use]
    pub fn services(&self) -> Vec<Value> {
        self.allocs
            .values()
            .filter(|alloc| alloc.client_status == "running" && alloc.desired_status == "run")
            .flat_map(|alloc| alloc_services(self, alloc))
            .collect()
    }
}

fn alloc_services(world: &World, alloc: &super::Alloc) -> Vec<Value> {
    let Some(group) = super::spec::raw_group(&alloc.job.spec, &alloc.group) else {
        return Vec::new();
    };
    let of_tasks = super::json::list(group, "Tasks").iter().flat_map(|task| {
        super::json::list(task, "Services")
            .iter()
            .map(|service| (text(task, "Name").to_owned(), service))
    });
    let of_group = super::json::list(group, "Services")
        .iter()
        .map(|service| (format!("group-{}", alloc.group), service));
    let ports = alloc.ports();
    let datacenter = world
        .nodes
        .get(&alloc.node_id)
        .map_or("", |node| &node.datacenter);
    of_group
        .chain(of_tasks)
        .filter(|(_, service)| text(service, "Provider") == "nomad")
        .map(|(owner, service)| {
            let (name, label) = (text(service, "Name"), text(service, "PortLabel"));
            let port = ports
                .as_array()
                .into_iter()
                .flatten()
                .find(|port| text(port, "Label") == label)
                .map_or(json!(0), |port| port["Value"].clone());
            json!({
                "ID": format!("_nomad-task-{}-{owner}-{name}-{label}", alloc.id),
                "ServiceName": name, "Namespace": alloc.job.namespace(), "NodeID": alloc.node_id,
                "Datacenter": datacenter, "JobID": alloc.job.id(), "AllocID": alloc.id,
                "Tags": service["Tags"], "Address": "127.0.0.1", "Port": port,
                "CreateIndex": alloc.modify_index, "ModifyIndex": alloc.modify_index,
            })
        })
        .collect()
}

fn put_named(
    table: &mut std::collections::BTreeMap<String, Named>,
    name: &str,
    body: Value,
    index: u64,
) {
    let create_index = table.get(name).map_or(index, |old| old.create_index);
    table.insert(
        name.to_owned(),
        Named {
            body,
            create_index,
            modify_index: index,
        },
    );
}

fn emit_node(tx: &mut Tx, node: &Node) {
    tx.emit(
        "Node",
        &node.id,
        "",
        Vec::new(),
        json!({"Node": node.json()}),
    );
}

impl Named {
    /// As the API shows it.
    #[must_use]
    pub fn json(&self) -> Value {
        let mut body = self.body.clone();
        body["CreateIndex"] = json!(self.create_index);
        body["ModifyIndex"] = json!(self.modify_index);
        body
    }
}
