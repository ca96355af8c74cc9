//! Nomad's HTTP API: types, canonical form, typed errors, client, watching.
//!
//! [`connection`] where Nomad is and how to prove who we are · [`client`] the client and its two kinds of call ·
//! [`calls`] the endpoints by theme · [`error`] what went wrong and what the loop does about it · [`retry`] trying
//! again inside a deadline · [`watch`] and [`stream`] hints that something changed.

pub mod calls;
pub mod canonical;
pub mod client;
pub mod connection;
pub mod error;
pub mod job;
pub mod retry;
pub mod stream;
pub mod types;
pub mod watch;

mod classify;
mod route;
mod tls;
mod transport;

pub use client::{NomadClient, Read, ReadCall};
pub use connection::{Address, ConnectionConfig, ConnectionError};
pub use error::{Disposition, NomadError};
