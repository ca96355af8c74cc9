//! `cs runner`: real agents, a real nats-server, a simulated Nomad.

mod fleet;
mod giving_up;
mod lab;
mod leaks;
mod order;
mod outages;
mod setup;
mod stopping;
mod submit;
mod traces;
