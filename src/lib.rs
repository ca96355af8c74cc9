//! `cs`: a Kubernetes-style reconciler for HashiCorp Nomad.
//!
//! Pure, without IO, clock and environment:
//! [`ids`] names and numbers · [`secret`] what must not be printed · [`plain`] texts of others made harmless · [`spec`] what
//! users write · [`dispatch`] what the platform sends · [`project`] `cloudstation.hcl` · [`desired`] what `cs` holds true ·
//! [`compile`] desired → Nomad job · [`reconcile`] compare, judge health, plan · [`set`] many resources as one · [`views`]
//! what people are shown of a cluster · [`reference`] what the fields of a spec mean · [`importing`] a running job → its
//! spec · [`bridge`] what CI tells of a deployment · [`version`] what this build is.
//!
//! Edges:
//! [`private`] files that only their owner may read · [`config`] the environment and the config file · [`clients`] Nomad,
//! NATS, backend · [`events`] what is announced and kept until acknowledged · [`inventory`] what an owner owns ·
//! [`manifests`] files → documents · [`artifact`] images and sources · [`controller`] observe, act, converge · [`agent`]
//! tasks from a queue for many machines · [`simulator`] the embedded Nomad · [`doctor`] what stands in the way of all that ·
//! [`cli`] commands · [`telemetry`] logs · [`observe`] traces and what a run leaves for machines · [`metrics`] what
//! Prometheus reads · [`store`] the bridge's database · [`server`] its HTTP side.

pub mod agent;
pub mod artifact;
pub mod bridge;
pub mod cli;
pub mod clients;
mod committed;
pub mod compile;
pub mod config;
pub mod controller;
pub mod desired;
pub mod dispatch;
pub mod doctor;
pub mod events;
pub mod ids;
pub mod importing;
pub mod inventory;
pub mod manifests;
pub mod metrics;
pub mod observe;
pub mod plain;
pub mod private;
pub mod project;
pub mod reconcile;
pub mod reference;
pub mod secret;
pub mod server;
pub mod set;
pub mod simulator;
pub mod spec;
pub mod store;
pub mod telemetry;
pub mod validation;
pub mod version;
pub mod views;
