//! The cluster itself: nodes, namespaces, the agent, the leader.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::clients::nomad::client::{NomadClient, ReadCall, segment};
use crate::clients::nomad::error::NomadError;
use crate::clients::nomad::types::null_default;
use crate::ids::Namespace;

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
    /// Version of Nomad, e.g. `1.9.3`; only in lists.
    #[serde(deserialize_with = "null_default")]
    pub version: String,
    /// What was found out about it, e.g. `consul.version`; empty in lists.
    #[serde(deserialize_with = "null_default")]
    pub attributes: BTreeMap<String, String>,
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

/// The token of the calls, without its secret.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct OwnToken {
    /// Public id; `anonymous` when calls carry no token, `acls-disabled` where none is needed.
    #[serde(rename = "AccessorID")]
    pub accessor_id: String,
    /// For people.
    #[serde(deserialize_with = "null_default")]
    pub name: String,
    /// `client` or `management`.
    #[serde(rename = "Type", deserialize_with = "null_default")]
    pub kind: String,
    /// Its policies.
    #[serde(deserialize_with = "null_default")]
    pub policies: Vec<String>,
    /// Its roles, which add policies.
    #[serde(deserialize_with = "null_default")]
    pub roles: Vec<RoleLink>,
    /// When it ends; absent when never.
    pub expiration_time: Option<String>,
}

/// A role of a token.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct RoleLink {
    /// Its name.
    #[serde(deserialize_with = "null_default")]
    pub name: String,
}

/// How the scheduler is set up.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct SchedulerConfig {
    /// Whether `memory_max` has an effect.
    pub memory_oversubscription_enabled: bool,
    /// Only management tokens may register jobs.
    pub reject_job_registration: bool,
    /// Nothing is placed.
    pub pause_eval_broker: bool,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct SchedulerReply {
    scheduler_config: SchedulerConfig,
}

/// What a server says first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Greeting {
    /// Address of the leader; empty when there is none.
    pub leader: String,
    /// Its clock, as it stands in the HTTP `Date` header: whole seconds.
    pub date: Option<String>,
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

    /// One namespace. `None` only when the token may see that there is none.
    pub fn namespace_info(&self, name: &Namespace) -> ReadCall<Option<NamespaceStub>> {
        self.read(
            "read",
            format!("namespace `{name}`"),
            format!("namespace/{}", segment(name.as_str())),
        )
        .global()
        .absent_when("Namespace not found")
    }

    /// The token of the calls. Where there are no ACLs its id is `acls-disabled`, or the call is refused with 400 `ACL
    /// support disabled`. A workload identity is none: 404 `ACL token not found`.
    pub fn own_token(&self) -> ReadCall<OwnToken> {
        self.read(
            "read",
            "our own token".to_owned(),
            "acl/token/self".to_owned(),
        )
        .global()
    }

    /// How the scheduler is set up; needs `operator:read`.
    ///
    /// # Errors
    /// See [`NomadError`].
    pub async fn scheduler_config(&self) -> Result<SchedulerConfig, NomadError> {
        let call: ReadCall<SchedulerReply> = self.read(
            "read",
            "the scheduler's configuration".to_owned(),
            "operator/scheduler/configuration".to_owned(),
        );
        Ok(call.global().await?.value.scheduler_config)
    }

    /// The leader's address and the server's clock, in one call that needs no token.
    ///
    /// # Errors
    /// Nobody answers, or somebody who is no Nomad. Without a leader a server says so after 5 s.
    pub async fn greet(&self) -> Result<Greeting, NomadError> {
        let call = self.leader().into_call();
        let answer = self.transport.exchange(&call).await?;
        if !answer.status.is_success() {
            return Err(self.transport.refusal(&call, &answer));
        }
        let leader = serde_json::from_slice(&answer.body)
            .map_err(|error| self.transport.unreadable(&call, &error))?;
        Ok(Greeting {
            leader,
            date: answer.text("date").map(str::to_owned),
        })
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
