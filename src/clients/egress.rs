//! Which addresses a run may call when somebody else names them: params, specs, redirects, token servers.
//!
//! Judged twice. What an address says of itself is judged before the call: scheme, IP literals in every spelling, names that
//! mean this machine. What its name resolves to is judged by the resolver of the very connection, so that a name which
//! changes its mind between two look-ups gains nothing. Every hop of a redirect is judged anew, because whoever follows
//! redirects makes a [`Egress::guard`] for each of them.
//!
//! What goes through a proxy is resolved by the proxy: then only names and literals are judged, and the proxy has to do the
//! rest. Addresses of the configuration (`NOMAD_ADDR`, `NATS_SERVERS`, …) are trusted and do not come here.

mod allow;
mod kind;

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use reqwest::ClientBuilder;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

use allow::Allowance;
pub use allow::InvalidAllowance;
use kind::Kind;

use super::tls::is_loopback;

/// How far an address that somebody else names may lead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reach {
    /// Addresses of the internet.
    Public,
    /// Those of private networks too.
    Private,
    /// This machine too.
    Local,
    /// Everything, metadata services of clouds too.
    Any,
}

impl std::str::FromStr for Reach {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "public" => Ok(Self::Public),
            "private" => Ok(Self::Private),
            "local" => Ok(Self::Local),
            "any" => Ok(Self::Any),
            _ => Err(()),
        }
    }
}

/// The rules for addresses that somebody else names. Clones share them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Egress(Arc<Rules>);

#[derive(Debug, PartialEq, Eq)]
struct Rules {
    reach: Reach,
    allowances: Vec<Allowance>,
    /// Hosts of the proxies that the environment names. They are dialled instead of what was asked for.
    proxies: Vec<String>,
}

impl Default for Egress {
    /// Private networks, never this machine.
    fn default() -> Self {
        Self::of(Reach::Private)
    }
}

impl Egress {
    /// Rules without exceptions.
    #[must_use]
    pub fn of(reach: Reach) -> Self {
        Self(Arc::new(Rules {
            reach,
            allowances: Vec::new(),
            proxies: Vec::new(),
        }))
    }

    /// Rules with exceptions: hosts, addresses and networks with commas between them, each with a port if wanted.
    /// `proxies` are the addresses of the proxies that calls may go through.
    ///
    /// # Errors
    /// One of the exceptions is none of these. The text is not repeated.
    pub fn new(reach: Reach, allow: &str, proxies: &[String]) -> Result<Self, InvalidAllowance> {
        let allowances = allow
            .split(',')
            .map(str::trim)
            .filter(|text| !text.is_empty())
            .map(str::parse)
            .collect::<Result<_, _>>()?;
        Ok(Self(Arc::new(Rules {
            reach,
            allowances,
            proxies: proxies.iter().filter_map(|text| proxy_host(text)).collect(),
        })))
    }

    /// The same exceptions, and a reach that is at least so far.
    #[must_use]
    pub fn at_least(&self, reach: Reach) -> Self {
        Self(Arc::new(Rules {
            reach: self.0.reach.max(reach),
            allowances: self.0.allowances.clone(),
            proxies: self.0.proxies.clone(),
        }))
    }

    /// Judges what an address says of itself, before its name is resolved.
    ///
    /// # Errors
    /// It must not be called.
    pub fn judge(&self, url: &Url) -> Result<(), Refused> {
        let target = Target::of(url);
        if !matches!(url.scheme(), "http" | "https") {
            return Err(target.refused(None, Why::Scheme));
        }
        match url.host() {
            Some(Host::Ipv4(address)) => self.reaches(&target, address.into()),
            Some(Host::Ipv6(address)) => self.reaches(&target, address.into()),
            Some(Host::Domain(name)) => {
                match Kind::of_name(&bare(name), is_loopback(&bare(name))) {
                    Some(kind) if !self.permits(kind) && !self.allows(&target, None) => {
                        Err(target.refused(None, Why::Kind(kind)))
                    }
                    _ => Ok(()),
                }
            }
            None => Err(target.refused(None, Why::Scheme)),
        }
    }

    /// Judges an address, and makes the client judge what its name resolves to. For calls to this host and port alone.
    ///
    /// # Errors
    /// The address must not be called.
    pub fn guard(&self, builder: ClientBuilder, url: &Url) -> Result<ClientBuilder, Refused> {
        self.judge(url)?;
        Ok(builder.dns_resolver(Guard {
            egress: self.clone(),
            target: Target::of(url),
        }))
    }

    /// The addresses that may be dialled of those that a name stands for.
    fn dialled(
        &self,
        target: &Target,
        name: &str,
        found: impl Iterator<Item = SocketAddr>,
    ) -> Result<Vec<SocketAddr>, Refused> {
        let is_proxy = self.0.proxies.iter().any(|proxy| *proxy == bare(name));
        let (mut kept, mut refused) = (Vec::new(), None);
        for address in found {
            match self.reaches(target, address.ip()) {
                Err(error) if !is_proxy => refused = refused.or(Some(error)),
                _ => kept.push(address),
            }
        }
        match refused {
            Some(refused) if kept.is_empty() => Err(refused),
            _ => Ok(kept),
        }
    }

    fn reaches(&self, target: &Target, address: IpAddr) -> Result<(), Refused> {
        let kind = Kind::of(address);
        if self.permits(kind) || self.allows(target, Some(address)) {
            return Ok(());
        }
        Err(target.refused(Some(address), Why::Kind(kind)))
    }

    fn permits(&self, kind: Kind) -> bool {
        match kind {
            Kind::Public => true,
            Kind::Private => self.0.reach >= Reach::Private,
            Kind::Loopback => self.0.reach >= Reach::Local,
            Kind::LinkLocal | Kind::Metadata | Kind::Special => self.0.reach == Reach::Any,
        }
    }

    fn allows(&self, target: &Target, address: Option<IpAddr>) -> bool {
        let mut allowances = self.0.allowances.iter();
        allowances.any(|allowance| allowance.covers(&target.host, target.port, address))
    }
}

/// Where a call goes.
#[derive(Debug, Clone)]
struct Target {
    scheme: String,
    /// Without brackets, lower case, without a dot at its end.
    host: String,
    port: u16,
}

impl Target {
    fn of(url: &Url) -> Self {
        Self {
            scheme: url.scheme().to_owned(),
            host: bare(url.host_str().unwrap_or_default()),
            port: url.port_or_known_default().unwrap_or(0),
        }
    }

    fn refused(&self, address: Option<IpAddr>, why: Why) -> Refused {
        let is_v6 = self.host.contains(':');
        let host = if is_v6 {
            format!("[{}]", self.host)
        } else {
            self.host.clone()
        };
        let is_itself = address.is_some_and(|address| address.to_string() == self.host);
        Refused {
            scheme: self.scheme.clone(),
            host,
            port: self.port,
            address: address.filter(|_| !is_itself),
            why,
        }
    }
}

fn bare(host: &str) -> String {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host.trim_end_matches('.').to_ascii_lowercase()
}

/// The host of a proxy as the environment names it, with or without a scheme.
fn proxy_host(text: &str) -> Option<String> {
    let url = match Url::parse(text) {
        Ok(url) if url.has_host() => url,
        _ => Url::parse(&format!("http://{text}")).ok()?,
    };
    url.host_str().map(bare)
}

/// Resolves names for one target, and hands on only what may be dialled.
struct Guard {
    egress: Egress,
    target: Target,
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let (egress, target) = (self.egress.clone(), self.target.clone());
        Box::pin(async move {
            // The port is the connector's business.
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let dialled = egress.dialled(&target, name.as_str(), found)?;
            Ok(Box::new(dialled.into_iter()) as Addrs)
        })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Why {
    Scheme,
    Kind(Kind),
}

/// An address that is not called. Shows scheme, host and port, never path and query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    scheme: String,
    host: String,
    port: u16,
    /// What the name stands for.
    address: Option<IpAddr>,
    why: Why,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, host, port) = (&self.scheme, &self.host, self.port);
        let kind = match self.why {
            Why::Scheme => {
                return write!(
                    f,
                    "a `{scheme}:` address is not called: only https and http are"
                );
            }
            Why::Kind(kind) => kind,
        };
        write!(f, "`{scheme}://{host}:{port}` is not called: ")?;
        match self.address {
            Some(address) => write!(f, "it stands for {address}, {kind}")?,
            None => write!(f, "it is {kind}")?,
        }
        let reach = match kind {
            Kind::Private => "CS_EGRESS=private or ",
            Kind::Loopback => "CS_EGRESS=local or ",
            _ => "",
        };
        write!(
            f,
            "; set {reach}CS_EGRESS_ALLOW={host}:{port} where `cs` runs if that is meant"
        )
    }
}

impl std::error::Error for Refused {}

/// The refusal that a failed call hides, when the resolver of its connection refused it.
#[must_use]
pub fn refusal(error: &reqwest::Error) -> Option<Refused> {
    let mut next: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = next {
        if let Some(refused) = error.downcast_ref::<Refused>() {
            return Some(refused.clone());
        }
        next = error.source();
    }
    None
}

#[cfg(test)]
mod tests;
