//! The simulator over HTTP: what goes over the wire, faults, time, and the request log.

mod faults;
mod lab;
mod wire;
