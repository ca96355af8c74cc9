//! What Nomad makes of jobs, and how they are compared: recorded pairs, properties, and a real Nomad where there is one.

mod canonical;
mod golden;
mod rename;
mod worlds;
