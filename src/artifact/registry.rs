//! Image facts from a registry.
