//! The simulator and, where there is one, a real Nomad.
