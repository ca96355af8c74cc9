//! What Nomad makes of a job.
