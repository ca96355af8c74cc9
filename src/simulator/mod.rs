//! An embedded Nomad for people without a cluster (`cs dev`, `cs demo`) and for tests that need faults.

pub mod routes;
pub mod world;
