//! Where Nomad is, how to reach it and how to prove who we are.
//!
//! Reads the variables that Nomad's own command line reads, through a lookup that the caller passes in: nothing here
//! looks at the environment. No error and no `Debug` shows a token, a password or the text of a bad value.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use url::Url;

use crate::ids::Namespace;
use crate::secret::{SafeUrl, Secret};

/// Where an agent listens when nothing else is said. Source: Nomad, `api.DefaultConfig`.
pub const DEFAULT_ADDRESS: &str = "http://127.0.0.1:4646";

/// Why there is no usable connection. All of these need a change by a person: retrying is pointless.
#[derive(Debug)]
pub enum ConnectionError {
    /// A variable's text is not what it must be. The text is not repeated, it may hold a credential.
    BadValue {
        /// The variable.
        variable: &'static str,
        /// What it must be, worded to follow the name.
        rule: &'static str,
    },
    /// A file that a variable names cannot be read.
    ReadFile {
        /// The variable.
        variable: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file does not contain what its variable promises.
    BadPem {
        /// The variable.
        variable: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// `certificate` or `private key`.
        wanted: &'static str,
    },
    /// Certificates and keys are readable, but make no TLS configuration.
    Tls {
        /// Why.
        source: rustls::Error,
    },
    /// The HTTP client cannot be built.
    Http {
        /// Why.
        source: reqwest::Error,
    },
}

impl fmt::Display for ConnectionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.told(&|variable| variable.to_owned()))
    }
}

impl std::error::Error for ConnectionError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::ReadFile { source, .. } => Some(source),
            Self::Tls { source } => Some(source),
            Self::Http { source } => Some(source),
            Self::BadValue { .. } | Self::BadPem { .. } => None,
        }
    }
}

impl ConnectionError {
    /// The message with `name` applied to every variable that it names, so that whoever gave the value by another door (a
    /// flag, a file) reads of that one.
    #[must_use]
    pub fn told(&self, name: &dyn Fn(&'static str) -> String) -> String {
        match self {
            Self::BadValue { variable, rule } => {
                // The one rule about two variables.
                let key = "NOMAD_CLIENT_KEY";
                format!("{} {}", name(variable), rule.replace(key, &name(key)))
            }
            Self::ReadFile { variable, path, .. } => format!(
                "{} names {}, which cannot be read",
                name(variable),
                path.display()
            ),
            Self::BadPem {
                variable,
                path,
                wanted,
            } => format!(
                "{} names {}, which holds no valid PEM {wanted}",
                name(variable),
                path.display()
            ),
            Self::Tls { .. } => format!(
                "cannot set up TLS: check that {} and {} belong together and that {} (or the system) provides CA \
                 certificates",
                name("NOMAD_CLIENT_CERT"),
                name("NOMAD_CLIENT_KEY"),
                name("NOMAD_CACERT")
            ),
            Self::Http { .. } => "cannot set up the HTTP client".to_owned(),
        }
    }
}

/// Where an agent listens. Prints without credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// `http://` or `https://`, without user, query and fragment; a path is a prefix of `/v1`.
    Tcp(SafeUrl),
    /// A Unix socket, e.g. a task's `${NOMAD_SECRETS_DIR}/api.sock`. It always wants a token (nomad-api.md 1.10).
    Unix(PathBuf),
}

impl Address {
    /// Reads `http://…`, `https://…` or `unix:///…`; a user and a password are taken out of it.
    ///
    /// # Errors
    /// What it must be, worded to follow the name of whatever gave it. The text is not repeated.
    pub fn parse(text: &str) -> Result<(Self, Option<HttpAuth>), &'static str> {
        let text = text.trim();
        if let Some(path) = text.strip_prefix("unix://") {
            return if path.starts_with('/') {
                Ok((Self::Unix(PathBuf::from(path)), None))
            } else {
                Err("must name a socket by its absolute path, as in unix:///run/nomad/api.sock")
            };
        }
        let mut url = Url::parse(text).map_err(|_| ADDRESS_RULE)?;
        let known = matches!(url.scheme(), "http" | "https") && url.has_host();
        if !known || url.query().is_some() || url.fragment().is_some() {
            return Err(ADDRESS_RULE);
        }
        let auth = take_user_info(&mut url);
        Ok((Self::Tcp(SafeUrl::from(url)), auth))
    }

    /// Whether TLS is spoken.
    #[must_use]
    pub fn is_https(&self) -> bool {
        matches!(self, Self::Tcp(url) if url.expose().scheme() == "https")
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(url) => f.write_str(url.to_string().trim_end_matches('/')),
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
        }
    }
}

/// Longest waits. Source of the defaults: nomad-api.md 5.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// Until a connection stands, TLS included: 5 s.
    pub connect: Duration,
    /// A whole read, from the wait for a free connection to the last byte: 10 s. A server without a leader takes 5 s to
    /// say so.
    pub read: Duration,
    /// A whole write: 35 s. Long, because giving up on a write leaves its outcome unknown.
    pub write: Duration,
    /// What a blocking query may take beyond the wait it asked for: 20 s. Nomad adds up to 1/16 of the wait.
    pub blocking_slack: Duration,
    /// Until the event stream's first line: 5 s. A stream with a bad token never sends one (trap 20).
    pub stream_greeting: Duration,
    /// Between two lines of the event stream: 35 s. A healthy server sends one every 30 s.
    pub stream_silence: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            read: Duration::from_secs(10),
            write: Duration::from_secs(35),
            blocking_slack: Duration::from_secs(20),
            stream_greeting: Duration::from_secs(5),
            stream_silence: Duration::from_secs(35),
        }
    }
}

/// HTTP basic authentication, for a proxy in front of Nomad.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpAuth {
    /// User.
    pub user: String,
    /// Password; may be empty.
    pub password: Secret,
}

/// Carries requests in place of the network.
pub trait Carry: Send + Sync {
    /// One request to its answer.
    fn carry(
        &self,
        request: reqwest::Request,
    ) -> BoxFuture<'static, reqwest::Result<reqwest::Response>>;
}

/// The way to a cluster within this process. All of the client but the socket stays as it is.
#[derive(Clone)]
pub struct Carrier(pub Arc<dyn Carry>);

impl fmt::Debug for Carrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Carrier")
    }
}

impl PartialEq for Carrier {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Carrier {}

/// Everything needed to reach one Nomad region.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionConfig {
    /// Where the agent listens.
    pub address: Address,
    /// Region to which the agent forwards; its own when absent.
    pub region: Option<String>,
    /// Namespace of every call; `default` when absent.
    pub namespace: Option<Namespace>,
    /// ACL token or workload identity.
    pub token: Option<Secret>,
    /// The only CA certificates to trust (PEM); the system's when this and `ca_path` are absent.
    pub ca_cert: Option<PathBuf>,
    /// A directory of such files.
    pub ca_path: Option<PathBuf>,
    /// Our certificate (PEM), for servers that verify their clients.
    pub client_cert: Option<PathBuf>,
    /// Its private key (PEM).
    pub client_key: Option<PathBuf>,
    /// Name to ask for and to expect in the server's certificate, e.g. `server.global.nomad`.
    pub tls_server_name: Option<String>,
    /// Accept any certificate. Whoever sits on the way can then read the token.
    pub skip_verify: bool,
    /// For a proxy in front of Nomad.
    pub http_auth: Option<HttpAuth>,
    /// Longest waits.
    pub timeouts: Timeouts,
    /// Takes the place of the network; never set from outside.
    pub carrier: Option<Carrier>,
}

impl ConnectionConfig {
    /// An address and defaults for everything else. `http`, `https` and `unix` addresses are known.
    ///
    /// # Errors
    /// The text is no such address; the error calls it `NOMAD_ADDR`.
    pub fn new(address: &str) -> Result<Self, ConnectionError> {
        let (address, http_auth) = parse_address("NOMAD_ADDR", address)?;
        Ok(Self {
            address,
            region: None,
            namespace: None,
            token: None,
            ca_cert: None,
            ca_path: None,
            client_cert: None,
            client_key: None,
            tls_server_name: None,
            skip_verify: false,
            http_auth,
            timeouts: Timeouts::default(),
            carrier: None,
        })
    }

    /// Reads `NOMAD_ADDR`, `NOMAD_UNIX_ADDR` (only without `NOMAD_ADDR`; Nomad sets it in tasks), `NOMAD_REGION`,
    /// `NOMAD_NAMESPACE`, `NOMAD_TOKEN`, `NOMAD_CACERT`, `NOMAD_CAPATH`, `NOMAD_CLIENT_CERT`, `NOMAD_CLIENT_KEY`,
    /// `NOMAD_TLS_SERVER_NAME`, `NOMAD_SKIP_VERIFY` and `NOMAD_HTTP_AUTH` through `lookup`. Empty counts as absent.
    ///
    /// # Errors
    /// Names the variable and what it must be, never its text.
    pub fn from_vars(lookup: &dyn Fn(&str) -> Option<String>) -> Result<Self, ConnectionError> {
        let get = |name: &str| lookup(name).filter(|text| !text.trim().is_empty());
        let (variable, text) = ["NOMAD_ADDR", "NOMAD_UNIX_ADDR"]
            .into_iter()
            .find_map(|name| get(name).map(|text| (name, text)))
            .unwrap_or(("NOMAD_ADDR", DEFAULT_ADDRESS.to_owned()));
        let (address, address_auth) = parse_address(variable, &text)?;
        let path = |name: &str| get(name).map(PathBuf::from);
        let config = Self {
            address,
            region: get("NOMAD_REGION").map(|text| text.trim().to_owned()),
            namespace: get("NOMAD_NAMESPACE")
                .map(|text| parse_namespace(&text))
                .transpose()?,
            token: get("NOMAD_TOKEN")
                .map(|text| parse_token(&text))
                .transpose()?,
            ca_cert: path("NOMAD_CACERT"),
            ca_path: path("NOMAD_CAPATH"),
            client_cert: path("NOMAD_CLIENT_CERT"),
            client_key: path("NOMAD_CLIENT_KEY"),
            tls_server_name: get("NOMAD_TLS_SERVER_NAME")
                .map(|text| parse_server_name(&text))
                .transpose()?,
            skip_verify: get("NOMAD_SKIP_VERIFY")
                .map(|text| parse_bool("NOMAD_SKIP_VERIFY", &text))
                .transpose()?
                .unwrap_or(false),
            http_auth: get("NOMAD_HTTP_AUTH")
                .map(|text| parse_http_auth(&text))
                .or(address_auth),
            timeouts: Timeouts::default(),
            carrier: None,
        };
        if config.client_cert.is_some() != config.client_key.is_some() {
            return Err(bad(
                "NOMAD_CLIENT_CERT",
                "and NOMAD_CLIENT_KEY must be set together",
            ));
        }
        Ok(config)
    }
}

pub(super) fn bad(variable: &'static str, rule: &'static str) -> ConnectionError {
    ConnectionError::BadValue { variable, rule }
}

const ADDRESS_RULE: &str = "must be an address such as http://127.0.0.1:4646, https://nomad.example:4646 or \
                            unix:///run/nomad/api.sock, without a query and a fragment";

fn parse_address(
    variable: &'static str,
    text: &str,
) -> Result<(Address, Option<HttpAuth>), ConnectionError> {
    Address::parse(text).map_err(|rule| bad(variable, rule))
}

/// Moves `user:password@` out of an address, so that the address can be printed.
fn take_user_info(url: &mut Url) -> Option<HttpAuth> {
    let decode = |text: &str| {
        percent_encoding::percent_decode_str(text)
            .decode_utf8_lossy()
            .into_owned()
    };
    let (user, password) = (
        decode(url.username()),
        decode(url.password().unwrap_or_default()),
    );
    url.set_username("").expect("an http address has a host");
    url.set_password(None).expect("an http address has a host");
    (!user.is_empty() || !password.is_empty()).then(|| HttpAuth {
        user,
        password: Secret::new(password),
    })
}

fn parse_namespace(text: &str) -> Result<Namespace, ConnectionError> {
    // `*` is Nomad's "all namespaces". It makes sense for lists alone: a read of one job in `*` is a 404, which would
    // look like an absent job.
    text.trim().parse().map_err(|_| {
        bad(
            "NOMAD_NAMESPACE",
            "must be one namespace: 1 to 128 letters, digits or hyphens (not `*`)",
        )
    })
}

fn parse_token(text: &str) -> Result<Secret, ConnectionError> {
    let text = text.trim();
    if text.bytes().all(|byte| byte.is_ascii_graphic()) {
        Ok(Secret::new(text))
    } else {
        Err(bad(
            "NOMAD_TOKEN",
            "must be one token of visible ASCII characters",
        ))
    }
}

/// What [`is_server_name`] wants, worded to follow a name.
pub const SERVER_NAME_RULE: &str = "must be a DNS name such as server.global.nomad";

/// Whether a text can be the name in a server's certificate: a DNS name, no IP address.
#[must_use]
pub fn is_server_name(text: &str) -> bool {
    text.parse::<IpAddr>().is_err() && rustls::pki_types::DnsName::try_from(text.to_owned()).is_ok()
}

fn parse_server_name(text: &str) -> Result<String, ConnectionError> {
    let text = text.trim();
    is_server_name(text)
        .then(|| text.to_owned())
        .ok_or_else(|| bad("NOMAD_TLS_SERVER_NAME", SERVER_NAME_RULE))
}

/// What Nomad's command line accepts. Source: Go, `strconv.ParseBool`.
fn parse_bool(variable: &'static str, text: &str) -> Result<bool, ConnectionError> {
    match text.trim() {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err(bad(variable, "must be true or false")),
    }
}

fn parse_http_auth(text: &str) -> HttpAuth {
    let (user, password) = text.split_once(':').unwrap_or((text, ""));
    HttpAuth {
        user: user.to_owned(),
        password: Secret::new(password),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(vars: &[(&str, &str)]) -> Result<ConnectionConfig, ConnectionError> {
        let lookup = |name: &str| {
            vars.iter()
                .find(|(key, _)| *key == name)
                .map(|(_, value)| (*value).to_owned())
        };
        ConnectionConfig::from_vars(&lookup)
    }

    #[test]
    fn without_variables_the_local_agent_is_meant() {
        let config = read(&[("NOMAD_ADDR", " ")]).unwrap();
        assert_eq!(config.address.to_string(), "http://127.0.0.1:4646");
        assert_eq!(
            (config.token, config.namespace, config.skip_verify),
            (None, None, false)
        );
    }

    #[test]
    fn every_standard_variable_is_read() {
        let config = read(&[
            ("NOMAD_ADDR", "https://nomad.example:4646/prefix/"),
            ("NOMAD_REGION", "eu"),
            ("NOMAD_NAMESPACE", "team-a"),
            ("NOMAD_TOKEN", "canary\n"),
            ("NOMAD_CACERT", "/ca.pem"),
            ("NOMAD_CAPATH", "/cas"),
            ("NOMAD_CLIENT_CERT", "/c.pem"),
            ("NOMAD_CLIENT_KEY", "/k.pem"),
            ("NOMAD_TLS_SERVER_NAME", "server.eu.nomad"),
            ("NOMAD_SKIP_VERIFY", "T"),
            ("NOMAD_HTTP_AUTH", "user:pa:ss"),
        ])
        .unwrap();
        assert_eq!(
            config.address.to_string(),
            "https://nomad.example:4646/prefix"
        );
        assert_eq!(config.region.as_deref(), Some("eu"));
        assert_eq!(config.namespace.as_ref().unwrap().as_str(), "team-a");
        assert_eq!(config.token.as_ref().unwrap().expose(), "canary");
        assert_eq!(config.ca_cert, Some("/ca.pem".into()));
        assert_eq!(config.ca_path, Some("/cas".into()));
        assert_eq!(config.client_cert, Some("/c.pem".into()));
        assert_eq!(config.client_key, Some("/k.pem".into()));
        assert_eq!(config.tls_server_name.as_deref(), Some("server.eu.nomad"));
        assert!(config.skip_verify);
        let auth = config.http_auth.as_ref().unwrap();
        assert_eq!(
            (auth.user.as_str(), auth.password.expose()),
            ("user", "pa:ss")
        );
        assert!(!format!("{config:?}").contains("canary"));
    }

    #[test]
    fn a_tasks_socket_is_used_only_without_an_address() {
        let unix = ("NOMAD_UNIX_ADDR", "unix:///secrets/api.sock");
        assert_eq!(
            read(&[unix]).unwrap().address,
            Address::Unix("/secrets/api.sock".into())
        );
        let both = read(&[unix, ("NOMAD_ADDR", "http://h:1")]).unwrap();
        assert_eq!(both.address.to_string(), "http://h:1");
    }

    #[test]
    fn credentials_in_the_address_become_basic_authentication() {
        let config = read(&[("NOMAD_ADDR", "http://us%40er:canary@h:1")]).unwrap();
        assert_eq!(config.address.to_string(), "http://h:1");
        let auth = config.http_auth.unwrap();
        assert_eq!(
            (auth.user.as_str(), auth.password.expose()),
            ("us@er", "canary")
        );
    }

    #[test]
    fn a_bad_value_is_named_and_never_shown() {
        for (name, text) in [
            ("NOMAD_ADDR", "canary:4646"),
            ("NOMAD_ADDR", "ftp://canary"),
            ("NOMAD_ADDR", "http://h/?token=canary"),
            ("NOMAD_ADDR", "unix://canary/api.sock"),
            ("NOMAD_UNIX_ADDR", "canary"),
            ("NOMAD_NAMESPACE", "canary_"),
            ("NOMAD_NAMESPACE", "*"),
            ("NOMAD_TOKEN", "can ary"),
            ("NOMAD_TLS_SERVER_NAME", "canary canary"),
            ("NOMAD_TLS_SERVER_NAME", "127.0.0.1"),
            ("NOMAD_SKIP_VERIFY", "canary"),
            ("NOMAD_CLIENT_CERT", "/canary"),
        ] {
            let error = read(&[(name, text)]).unwrap_err();
            let shown = format!("{error} {error:?}");
            assert!(shown.contains(name), "{name}: {shown}");
            assert!(!shown.contains("canary"), "{name}: {shown}");
        }
    }
}
