//! The platform's backend: domains, what is known about a service, and the progress of a deployment.
//!
//! The backend only shows what happens; it decides nothing. So no call returns an error: a failure is one warning in the
//! log, and the deployment goes on. The access token travels in the query, as the backend demands, and therefore no URL
//! and no error of the HTTP library is ever shown as it is.

mod answer;
mod breaker;
mod client;
mod reporter;
mod retry;
mod wire;

pub use client::{Backend, BackendConfigError, CallOutcome};
pub use reporter::BackendReporter;
pub use wire::{DeploymentType, NetworkUpdate, ServiceUpdate, Step, StepStatus};
