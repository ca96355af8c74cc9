//! The cluster itself: nodes, namespaces, the agent, the leader.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::clients::nomad::client::{NomadClient, ReadCall, segment};
use crate::clients::nomad::types::null_default;

/// A node, as far as messages name it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Node {
    /// Id.
    #[serde(rename = "ID")]
    pub id: String,
    /// Name.
    pub name: String,
    /// Datacenter.
    pub datacenter: String,
    /// Node pool.
    #[serde(deserialize_with = "null_default")]
    pub node_pool: String,
    /// `initializing`, `ready`, `down` or `disconnected`.
    pub status: String,
    /// `eligible` or `ineligible`.
    #[serde(deserialize_with = "null_default")]
    pub scheduling_eligibility: String,
    /// Draining.
    #[serde(deserialize_with = "null_default")]
    pub drain: bool,
    /// Driver → state.
    #[serde(deserialize_with = "null_default")]
    pub drivers: BTreeMap<String, Driver>,
}

/// A driver on a node.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Driver {
    /// Found.
    pub detected: bool,
    /// Usable.
    pub healthy: bool,
}

/// A namespace.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct NamespaceStub {
    /// Name.
    pub name: String,
    /// For people.
    #[serde(deserialize_with = "null_default")]
    pub description: String,
}

/// The agent that answers.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct AgentSelf {
    /// Its configuration, for what is not named here.
    pub config: Value,
    /// Its membership.
    pub member: Value,
}

impl AgentSelf {
    /// Version such as `1.9.3`, without a `-dev` suffix.
    #[must_use]
    pub fn version(&self) -> Option<&str> {
        self.config
            .pointer("/Version/Version")
            .and_then(Value::as_str)
    }

    /// Its own region.
    #[must_use]
    pub fn region(&self) -> Option<&str> {
        self.config.pointer("/Region").and_then(Value::as_str)
    }
}

/// Health of the agent's parts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct AgentHealth {
    /// When it is a client.
    pub client: Option<PartHealth>,
    /// When it is a server.
    pub server: Option<PartHealth>,
}

/// Health of one part.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct PartHealth {
    /// Works.
    pub ok: bool,
    /// Why not.
    pub message: String,
}

impl NomadClient {
    /// Lists nodes.
    pub fn nodes(&self) -> ReadCall<Vec<Node>> {
        self.read("list", "nodes".to_owned(), "nodes".to_owned())
            .global()
            .list()
    }

    /// One node.
    pub fn node(&self, id: &str) -> ReadCall<Option<Node>> {
        self.read(
            "read",
            format!("node `{id}`"),
            format!("node/{}", segment(id)),
        )
        .global()
        .absent_when("node not found")
    }

    /// Lists namespaces. With ACLs on and no token Nomad answers with an empty list: that proves nothing.
    pub fn namespaces(&self) -> ReadCall<Vec<NamespaceStub>> {
        self.read("list", "namespaces".to_owned(), "namespaces".to_owned())
            .global()
            .list()
    }

    /// The agent that answers.
    pub fn agent_self(&self) -> ReadCall<AgentSelf> {
        self.read("read", "the agent".to_owned(), "agent/self".to_owned())
            .global()
    }

    /// Health of the agent that answers; needs no token. Without a leader this is an error like any other call.
    pub fn agent_health(&self) -> ReadCall<AgentHealth> {
        self.read(
            "read",
            "the agent's health".to_owned(),
            "agent/health".to_owned(),
        )
        .global()
    }

    /// Address of the leader; needs no token.
    pub fn leader(&self) -> ReadCall<String> {
        self.read("read", "the leader".to_owned(), "status/leader".to_owned())
            .global()
    }
}
