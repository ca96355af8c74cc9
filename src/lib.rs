//! `cs`: a Kubernetes-style reconciler for HashiCorp Nomad.
//!
//! Pure, without IO, clock and environment:
//! [`ids`] names and numbers · [`secret`] what must not be printed · [`spec`] what users write · [`dispatch`] what the
//! platform sends · [`desired`] what `cs` holds true · [`compile`] desired → Nomad job · [`reconcile`] compare, judge
//! health, plan.
//!
//! Edges:
//! [`config`] the environment · [`clients`] Nomad, NATS, backend · [`events`] what is announced and kept until
//! acknowledged · [`artifact`] images and sources · [`controller`] observe, act, converge · [`simulator`] the embedded
//! Nomad · [`cli`] commands · [`telemetry`] logs.

pub mod artifact;
pub mod cli;
pub mod clients;
pub mod compile;
pub mod config;
pub mod controller;
pub mod desired;
pub mod dispatch;
pub mod events;
pub mod ids;
pub mod reconcile;
pub mod secret;
pub mod simulator;
pub mod spec;
pub mod telemetry;
