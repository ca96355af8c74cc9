//! `cs dev`: the embedded Nomad on a port.
