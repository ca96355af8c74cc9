//! Desired → Nomad job, against the golden jobs.

mod envfile;
mod equal;
mod golden;
mod hcl;
mod members;
mod render;
mod text_safety;
