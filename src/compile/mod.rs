//! Desired → Nomad job.
