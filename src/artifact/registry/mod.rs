//! What an image says about itself, read from its registry: ports, user, command.
//!
//! Nothing is pulled: two or three small documents are read through the registry's HTTP API (version 2). The facts are a
//! convenience, so a caller that cannot have them warns and goes on with [`ports`]`(None)`. Answers of a registry are
//! foreign: they are bounded, checked against their digests, and cannot send credentials where they do not belong.

mod auth;
mod client;
mod config_file;
mod error;
mod manifest;
mod reference;
mod session;

pub use auth::Credentials;
pub use client::Registry;
pub use config_file::docker_config_credentials;
pub use error::RegistryError;
pub use manifest::{ImageConfig, ImageFacts, ports};
pub use reference::{ImageReference, InvalidImage};

/// Reads the same bytes as everything that a registry answers with.
pub(crate) fn read_anything(bytes: &[u8]) {
    let _ = manifest::Manifest::parse(bytes);
    if let Some(facts) = manifest::facts(bytes, String::new()) {
        let _ = ports(Some(&facts));
    }
    if let Ok(value) = axum::http::HeaderValue::from_bytes(bytes) {
        let headers = [(axum::http::header::WWW_AUTHENTICATE, value)];
        let _ = auth::challenge(&headers.into_iter().collect());
    }
}
