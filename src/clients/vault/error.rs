//! Why there are no secrets.

use std::path::PathBuf;
use std::time::Duration;

use super::said::Said;

/// Why there are no secrets. Carries no role id, secret id, token or value.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// The address cannot be used.
    #[error("the Vault address {rule}: give one like `https://vault.example:8200`")]
    Address {
        /// What is wrong with it.
        rule: &'static str,
    },
    /// The path cannot be used.
    #[error("the path of the secrets in Vault {rule}: give one like `kv/data/shop`")]
    Path {
        /// What is wrong with it.
        rule: &'static str,
    },
    /// There is no role id. Servers answer that with trouble of their own, status 500.
    #[error("the role id for Vault is empty: give the param `roleId`")]
    NoRoleId,
    /// The namespace cannot be sent.
    #[error("the Vault namespace contains a character that cannot be sent")]
    Namespace,
    /// The file with more trusted certificates cannot be read.
    #[error("cannot read the CA certificates for Vault from `{}`", path.display())]
    ReadCa {
        /// Which file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// The file with more trusted certificates holds none, or a broken one.
    #[error("`{}` holds no usable CA certificates for Vault: it must be PEM", path.display())]
    BadCa {
        /// Which file.
        path: PathBuf,
    },
    /// TLS cannot be set up.
    #[error("cannot prepare TLS for Vault: install the system's certificates, or name a CA file")]
    Tls(#[source] rustls::Error),
    /// The HTTP client cannot be built.
    #[error("cannot prepare connections to Vault")]
    Http(#[source] reqwest::Error),
    /// No connection, or it broke, at every attempt.
    #[error("cannot reach Vault at {address}")]
    Unreachable {
        /// Where.
        address: String,
        /// Without the address.
        #[source]
        source: reqwest::Error,
    },
    /// There is no trusted way to speak TLS with it.
    #[error(
        "cannot trust Vault at {address}: check the address, and name its CA file if its certificate is not from a public one"
    )]
    Untrusted {
        /// Where.
        address: String,
        /// Without the address.
        #[source]
        source: reqwest::Error,
    },
    /// No whole answer in time, at the last attempt.
    #[error("Vault at {address} did not answer within {} s", after.as_secs_f32())]
    TimedOut {
        /// Where.
        address: String,
        /// The bound of one attempt.
        after: Duration,
    },
    /// It points to an address that credentials are not sent to.
    #[error(
        "Vault at {address} redirects to {to}, which is not followed: {why}; give the address of Vault itself"
    )]
    Redirected {
        /// Where.
        address: String,
        /// Scheme, host and port.
        to: String,
        /// The rule that it breaks.
        why: &'static str,
    },
    /// It is sealed, at every attempt.
    #[error("Vault at {address} is sealed: it must be unsealed first")]
    Sealed {
        /// Where.
        address: String,
    },
    /// In trouble, overloaded, or without an active node, at every attempt.
    #[error("Vault at {address} cannot answer now: status {status}{said}")]
    Unavailable {
        /// Where.
        address: String,
        /// The last status.
        status: u16,
        /// In its own words.
        said: Said,
    },
    /// The role id or the secret id is wrong, used up, expired, or not for this machine.
    #[error(
        "Vault at {address} refuses role id or secret id: check the params `roleId` and `secretId`, and that the secret id is neither expired nor used up{}{said}",
        if *forbidden { "; it says 403 also after many wrong logins, and where AppRole is not enabled" } else { "" }
    )]
    LoginRefused {
        /// Where.
        address: String,
        /// Status 403: it locks a role after many wrong logins, and forbids every path where nothing is mounted.
        forbidden: bool,
        /// In its own words.
        said: Said,
    },
    /// The login is not known there.
    #[error(
        "Vault at {address} knows no login at `auth/approle/login`: AppRole is not enabled there, or the namespace is another{said}"
    )]
    NoAppRole {
        /// Where.
        address: String,
        /// In its own words.
        said: Said,
    },
    /// The role may not read the path.
    #[error(
        "Vault at {address} does not let this role read `{path}`: its policy must allow `read` there{}{said}", hint(*lacks_data)
    )]
    Denied {
        /// Where.
        address: String,
        /// What was read.
        path: String,
        /// There is no `data` in the path.
        lacks_data: bool,
        /// In its own words.
        said: Said,
    },
    /// There is no secret.
    #[error("Vault at {address} has nothing at `{path}`{}{said}", hint(*lacks_data))]
    NotFound {
        /// Where.
        address: String,
        /// What was read.
        path: String,
        /// There is no `data` in the path.
        lacks_data: bool,
        /// In its own words.
        said: Said,
    },
    /// There was a secret.
    #[error(
        "version {version} of `{path}` in Vault at {address} is {}: write a new version, or name another with `?version=`",
        if *destroyed { "destroyed" } else { "deleted" }
    )]
    Deleted {
        /// Where.
        address: String,
        /// What was read.
        path: String,
        /// Which version.
        version: u64,
        /// For good.
        destroyed: bool,
    },
    /// A status that fits no case above.
    #[error("Vault at {address} answered {operation} with status {status}{said}")]
    UnexpectedStatus {
        /// Where.
        address: String,
        /// `login` or `read`.
        operation: &'static str,
        /// Status.
        status: u16,
        /// In its own words.
        said: Said,
    },
    /// An answer that is none of Vault's.
    #[error(
        "what answers at {address} sent an unusable {what}: is it Vault, and is that a path of a KV mount?"
    )]
    Malformed {
        /// Where.
        address: String,
        /// Which part.
        what: &'static str,
    },
    /// An answer past its bound.
    #[error("Vault at {address} sent more than {limit} bytes")]
    TooLarge {
        /// Where.
        address: String,
        /// Bytes.
        limit: usize,
    },
    /// It was told to stop.
    #[error("reading from Vault was stopped")]
    Stopped,
}

fn hint(lacks_data: bool) -> &'static str {
    if lacks_data {
        "; in a KV version 2 mount the path needs `/data/` after the mount"
    } else {
        ""
    }
}
