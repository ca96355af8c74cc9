//! nomad_client
