//! An embedded Nomad for people without a cluster (`cs dev`, `cs demo`) and for tests that need faults.
//!
//! [`world`] is the cluster as a pure model, [`routes`] Nomad's API over it; around them the HTTP shell, the clock and
//! the [`Faults`]. [`Simulator::start`] runs all of it in the current process. It answers as Nomad 2.0 does as far as
//! `cs` and its tests ask; what it does not have (ACL rules, volumes, quotas, several regions) it says or leaves empty.

mod clock;
mod control;
mod deed;
mod faults;
mod http;
mod jobspec;
mod listener;
pub mod routes;
mod server;
mod stream;
mod within;
pub mod world;

pub use faults::{Action, Deed, Effect, Faults, Matcher, Rule};
pub use server::{Logged, Options, Simulator, WorldGuard};
pub use within::Within;
pub use world::{Node, Script};

/// Reads a job specification in HCL, with the values of its variables as HCL.
///
/// # Errors
/// What is wrong, in Nomad's words.
pub(crate) fn parse_jobspec(text: &str, variables: &str) -> Result<serde_json::Value, String> {
    jobspec::parse(text, variables)
}
