//! The settings of a connection, their three names, and where a value came from.

use std::fmt;
use std::path::PathBuf;

use crate::config::credential::Credential;
use crate::secret::Secret;

/// One setting of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    /// Where the agent listens.
    Address,
    /// Region.
    Region,
    /// Namespace.
    Namespace,
    /// ACL token.
    Token,
    /// Credentials of a proxy.
    HttpAuth,
    /// CA certificates.
    CaCert,
    /// Directory of CA certificates.
    CaPath,
    /// Our certificate.
    ClientCert,
    /// Its key.
    ClientKey,
    /// Name in the server's certificate.
    TlsServerName,
    /// Accept any certificate.
    TlsSkipVerify,
}

impl Key {
    /// Every one, in the order in which they are shown.
    pub const ALL: [Self; 11] = [
        Self::Address,
        Self::Region,
        Self::Namespace,
        Self::Token,
        Self::HttpAuth,
        Self::CaCert,
        Self::CaPath,
        Self::ClientCert,
        Self::ClientKey,
        Self::TlsServerName,
        Self::TlsSkipVerify,
    ];

    /// The variable, the flag (some have none) and the member of a context.
    pub(super) const fn names(self) -> (&'static str, Option<&'static str>, &'static str) {
        match self {
            Self::Address => ("NOMAD_ADDR", Some("--address"), "address"),
            Self::Region => ("NOMAD_REGION", Some("--region"), "region"),
            Self::Namespace => ("NOMAD_NAMESPACE", Some("--namespace"), "namespace"),
            Self::Token => ("NOMAD_TOKEN", Some("--token-file"), "token"),
            Self::HttpAuth => ("NOMAD_HTTP_AUTH", None, "httpAuth"),
            Self::CaCert => ("NOMAD_CACERT", Some("--ca-cert"), "caCert"),
            Self::CaPath => ("NOMAD_CAPATH", Some("--ca-path"), "caPath"),
            Self::ClientCert => ("NOMAD_CLIENT_CERT", Some("--client-cert"), "clientCert"),
            Self::ClientKey => ("NOMAD_CLIENT_KEY", Some("--client-key"), "clientKey"),
            Self::TlsServerName => (
                "NOMAD_TLS_SERVER_NAME",
                Some("--tls-server-name"),
                "tlsServerName",
            ),
            Self::TlsSkipVerify => (
                "NOMAD_SKIP_VERIFY",
                Some("--tls-skip-verify"),
                "tlsSkipVerify",
            ),
        }
    }

    /// Its environment variable.
    #[must_use]
    pub const fn variable(self) -> &'static str {
        self.names().0
    }

    /// Its member in a context of the config file.
    #[must_use]
    pub const fn member(self) -> &'static str {
        self.names().2
    }

    /// Whether it may leave a context only towards the address of that context.
    pub(super) const fn is_bound(self) -> bool {
        !matches!(self, Self::Address | Self::Region | Self::Namespace)
    }
}

/// Where a setting came from. Prints as the user knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A flag, e.g. `--address`.
    Flag(&'static str),
    /// An environment variable.
    Variable(&'static str),
    /// A member of the config file.
    File {
        /// E.g. `contexts.prod.address`.
        member: String,
        /// The file.
        file: PathBuf,
        /// The line.
        line: u64,
    },
    /// Nobody said anything.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(name) | Self::Variable(name) => f.write_str(name),
            Self::File { member, file, line } => {
                write!(f, "{member} ({}:{line})", file.display())
            }
            Self::Default => f.write_str("default"),
        }
    }
}

/// What a setting is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    /// The text itself; a secret one for tokens and addresses.
    Text(Secret),
    /// Where the text is kept, and where relative paths start.
    Kept(Credential, PathBuf),
}

/// A setting and where it came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    pub(super) value: Value,
    /// Where it came from.
    pub origin: Origin,
}
