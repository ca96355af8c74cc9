//! Nodes: what the scheduler may place on, and what is in use.

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// A client node.
#[derive(Debug, Clone)]
pub struct Node {
    /// Id, a UUID.
    pub id: String,
    /// Name.
    pub name: String,
    /// Datacenter.
    pub datacenter: String,
    /// Node pool.
    pub pool: String,
    /// Pools whose jobs it takes besides its own. Nomad knows no such thing: a laptop with one node needs it to play jobs of
    /// the platform's pools and of `default` alike.
    pub serves: Vec<String>,
    /// Node class.
    pub class: String,
    /// `attr.*`, e.g. `kernel.name`.
    pub attributes: BTreeMap<String, String>,
    /// `meta.*`.
    pub meta: BTreeMap<String, String>,
    /// Healthy drivers.
    pub drivers: Vec<String>,
    /// Host volumes.
    pub host_volumes: Vec<String>,
    /// Devices: name (e.g. `nvidia/gpu`) → count.
    pub devices: BTreeMap<String, u64>,
    /// MHz.
    pub cpu: i64,
    /// MiB.
    pub memory: i64,
    /// MiB.
    pub disk: i64,
    /// `ready`, `down`, `disconnected` or `initializing`.
    pub status: &'static str,
    /// Takes new allocations.
    pub eligible: bool,
    /// Is being emptied.
    pub draining: bool,
    /// Index of its creation.
    pub create_index: u64,
    /// Index of its last change.
    pub modify_index: u64,
}

impl Node {
    /// A Linux node with the usual drivers and much room.
    #[must_use]
    pub fn linux(id: String, name: String) -> Self {
        let attributes = [
            ("kernel.name", "linux"),
            ("kernel.version", "6.1.0"),
            ("cpu.arch", "amd64"),
            ("os.name", "debian"),
            ("os.version", "12"),
            (
                "os.signals",
                "SIGABRT,SIGHUP,SIGINT,SIGKILL,SIGQUIT,SIGTERM,SIGUSR1,SIGUSR2",
            ),
            ("nomad.version", "2.0.6-dev"),
            ("nomad.service_discovery", "true"),
            ("consul.version", "1.20.0"),
            ("consul.grpc", "8502"),
            ("vault.version", "1.18.0"),
            ("driver.docker", "1"),
            ("plugins.cni.version.bridge", "v1.3.0"),
            ("plugins.cni.version.firewall", "v1.3.0"),
            ("plugins.cni.version.host-local", "v1.3.0"),
            ("plugins.cni.version.loopback", "v1.3.0"),
            ("plugins.cni.version.portmap", "v1.3.0"),
        ];
        let mut attributes: BTreeMap<_, _> = attributes
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        attributes.insert("unique.hostname".to_owned(), name.clone());
        Self {
            id,
            name,
            datacenter: "dc1".to_owned(),
            pool: "default".to_owned(),
            serves: Vec::new(),
            class: String::new(),
            attributes,
            meta: BTreeMap::new(),
            drivers: ["docker", "exec", "java", "mock_driver", "qemu", "raw_exec"]
                .map(str::to_owned)
                .to_vec(),
            host_volumes: Vec::new(),
            devices: BTreeMap::new(),
            cpu: 256_000,
            memory: 1_048_576,
            disk: 10_485_760,
            status: "ready",
            eligible: true,
            draining: false,
            create_index: 0,
            modify_index: 0,
        }
    }

    /// Whether something may be placed on it.
    #[must_use]
    pub fn ready(&self) -> bool {
        self.status == "ready" && self.eligible && !self.draining
    }

    /// What `${…}` stands for on this node; `None` when it has no such value.
    #[must_use]
    pub fn resolve(&self, target: &str) -> Option<String> {
        let Some(name) = target
            .strip_prefix("${")
            .and_then(|rest| rest.strip_suffix('}'))
        else {
            return Some(target.to_owned());
        };
        match name {
            "node.unique.id" => Some(self.id.clone()),
            "node.unique.name" => Some(self.name.clone()),
            "node.datacenter" => Some(self.datacenter.clone()),
            "node.class" => Some(self.class.clone()),
            "node.pool" => Some(self.pool.clone()),
            "node.region" => Some("global".to_owned()),
            _ => match name.split_once('.')? {
                ("attr", key) => self.attributes.get(key).cloned(),
                ("meta", key) => self.meta.get(key).cloned(),
                _ => None,
            },
        }
    }

    /// As a list shows it.
    #[must_use]
    pub fn stub(&self, resources: bool) -> Value {
        let drivers: serde_json::Map<_, _> = self
            .drivers
            .iter()
            .map(|driver| (driver.clone(), driver_info()))
            .collect();
        let mut stub = json!({
            "Address": "127.0.0.1",
            "CreateIndex": self.create_index,
            "Datacenter": self.datacenter,
            "Drain": self.draining,
            "Drivers": drivers,
            "HostVolumes": null,
            "ID": self.id,
            "LastDrain": null,
            "ModifyIndex": self.modify_index,
            "Name": self.name,
            "NodeClass": self.class,
            "NodePool": self.pool,
            "SchedulingEligibility": if self.eligible { "eligible" } else { "ineligible" },
            "Status": self.status,
            "StatusDescription": "",
            "Version": "2.0.6-dev",
        });
        if resources {
            stub["NodeResources"] = self.resources();
        }
        stub
    }

    /// As `GET /v1/node/:id` shows it.
    #[must_use]
    pub fn json(&self) -> Value {
        let mut node = self.stub(true);
        node["Attributes"] = json!(self.attributes);
        node["Meta"] = json!(self.meta);
        node["HTTPAddr"] = json!("127.0.0.1:4646");
        node["Resources"] = json!({"CPU": self.cpu, "MemoryMB": self.memory, "DiskMB": self.disk});
        node["Events"] = json!([]);
        node
    }

    fn resources(&self) -> Value {
        json!({
            "Cpu": {"CpuShares": self.cpu, "TotalCpuCores": 8},
            "Memory": {"MemoryMB": self.memory},
            "Disk": {"DiskMB": self.disk},
        })
    }
}

fn driver_info() -> Value {
    json!({"Attributes": {}, "Detected": true, "Healthy": true, "HealthDescription": "Healthy"})
}

/// What allocations take from a node.
#[derive(Debug, Clone, Default)]
pub struct Usage {
    /// MHz.
    pub cpu: i64,
    /// MiB.
    pub memory: i64,
    /// MiB.
    pub disk: i64,
    /// Devices: name → count.
    pub devices: BTreeMap<String, u64>,
    /// Allocations.
    pub allocations: u64,
}
