//! The schemas as they are committed below `schemas/`, packed into the binary by the build script.
//!
//! They are made from the types that read and write, by code that takes ten times their room. So a debug build makes them,
//! which is what the check for stale files compares and what `cs schema` prints from `cargo run`; a release prints what is
//! committed.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::sync::OnceLock;

use flate2::read::GzDecoder;

static PACKED: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/schemas.json.gz"));

/// `make` in a debug build. In a release nothing, not even its code: this is to be called in a `const` or a `static`.
pub(crate) const fn in_debug<T: Copy>(make: T) -> Option<T> {
    if cfg!(debug_assertions) {
        Some(make)
    } else {
        None
    }
}

/// The committed text of a file below `schemas/`.
pub(crate) fn text(file: &str) -> Option<String> {
    static TEXTS: OnceLock<BTreeMap<String, String>> = OnceLock::new();
    let texts = TEXTS.get_or_init(|| {
        let mut text = String::new();
        let read = GzDecoder::new(PACKED).read_to_string(&mut text);
        read.expect("the build script packed it");
        serde_json::from_str(&text).expect("the build script wrote it")
    });
    texts.get(file).cloned()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn what_is_packed_is_what_is_committed() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas");
        for file in [
            "cloudstation.io_v1.json",
            "openapi.json",
            "reports/run.json",
        ] {
            let committed = std::fs::read_to_string(root.join(file)).unwrap();
            assert_eq!(text(file).unwrap(), committed, "{file}");
        }
        assert_eq!(text("nothing.json"), None);
    }
}
