//! Tests call servers on the loopback: what they allow themselves, in one place.

use cs::artifact::registry::Registry;
use cs::artifact::source::Limits;
use cs::clients::egress::{Egress, Reach};

/// The value of `CS_EGRESS` for the binary.
pub(crate) const LOCAL: &str = "local";

/// Bounds of a source that is on this machine.
pub(crate) fn limits() -> Limits {
    Limits {
        egress: Egress::of(Reach::Local),
        ..Limits::default()
    }
}

/// Reads facts from registries on this machine.
pub(crate) fn registry() -> Registry {
    Registry::new(Egress::of(Reach::Local))
}
