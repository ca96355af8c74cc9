//! The inventory in Nomad's variables and in the local file, with everything that goes wrong on the way.

mod file;
mod lab;
mod rights;
mod sizes;
mod troubles;
mod variables;
