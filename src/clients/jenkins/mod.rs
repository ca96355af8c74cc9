//! Jenkins by its remote API: start a job, follow its place in the queue to the number of a build.
//!
//! User and API token go with every call, and to no other host: redirects are not followed, and of the queue item's address
//! only the number is used. A crumb (protection against forged requests) is fetched before a job is started, with its
//! session; servers without it are asked without. What Jenkins says in a body is HTML for people and is never repeated.
//!
//! Starting a job is not harmless to repeat. Only what certainly did not arrive is sent again; where nobody knows,
//! [`JenkinsError::is_unclear`] says so, and [`Jenkins::find`] looks for the run by its id.

mod address;
mod client;
mod error;
mod find;
mod queue;

pub use address::{InvalidJenkinsUrl, JenkinsUrl};
pub use client::{Credentials, Jenkins};
pub use error::JenkinsError;
pub use find::Found;
pub use queue::Queued;
