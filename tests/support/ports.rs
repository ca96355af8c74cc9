//! Free ports of the loopback.

use std::net::{Ipv4Addr, TcpListener};

/// A port nobody listens on, now and later. One that is only free at the moment may be given to another test meanwhile.
pub(crate) const CLOSED_PORT: u16 = 1;

/// A port nobody listens on right now. Another process may take it before the caller does: retry on "in use".
pub(crate) fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|listener| listener.local_addr())
        .expect("the loopback has free ports")
        .port()
}
