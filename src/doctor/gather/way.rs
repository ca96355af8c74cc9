//! The way to an address, step by step: name, then connection.

use std::net::SocketAddr;
use std::path::Path;

use futures::FutureExt as _;
use futures::stream::{FuturesUnordered, StreamExt as _};
use tokio::net::{TcpStream, UnixStream};

use super::{EACH, within};
use crate::clients::nomad::Address;
use crate::doctor::facts::{Trouble, TroubleKind, Way, WayTrouble};

/// Tries the way. Nothing is sent.
pub(super) async fn ask(address: &Address) -> Way {
    match address {
        Address::Unix(path) => Way::Socket {
            connected: within(EACH, socket(path)).await,
        },
        Address::Tcp(url) => {
            let url = url.expose();
            let host = url.host_str().unwrap_or_default().to_owned();
            let port = url.port_or_known_default().unwrap_or(4646);
            let connected = tokio::time::timeout(EACH, connect(&host, port))
                .await
                .unwrap_or(Err(WayTrouble::Late(EACH)));
            Way::Tcp {
                host,
                port,
                connected,
            }
        }
    }
}

async fn socket(path: &Path) -> Result<(), Trouble> {
    let connected = UnixStream::connect(path).await;
    connected.map(drop).map_err(|error| Trouble {
        kind: TroubleKind::Connect,
        text: error.to_string(),
    })
}

async fn connect(host: &str, port: u16) -> Result<(usize, String), WayTrouble> {
    let name = host.trim_start_matches('[').trim_end_matches(']');
    let found = tokio::net::lookup_host((name, port)).await;
    let addresses: Vec<SocketAddr> = found
        .map_err(|error| WayTrouble::Name(error.to_string()))?
        .collect();
    if addresses.is_empty() {
        return Err(WayTrouble::Name("it has no address".to_owned()));
    }
    // All at once: one that swallows packets must not hide the others.
    let mut attempts: FuturesUnordered<_> = addresses
        .iter()
        .map(|address| TcpStream::connect(*address).map(move |tried| (address, tried)))
        .collect();
    let mut refused = Vec::new();
    while let Some((address, tried)) = attempts.next().await {
        match tried {
            Ok(_) => return Ok((addresses.len(), address.to_string())),
            Err(error) => refused.push(format!("{address}: {error}")),
        }
    }
    Err(WayTrouble::Connect(refused.join("; ")))
}
