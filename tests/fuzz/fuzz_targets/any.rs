//! libFuzzer's door to the targets: a binary for each name, all of this file.
#![no_main]

#[path = "../targets/mod.rs"]
mod targets;

use std::sync::OnceLock;

/// The target that is called like this binary, or that CS_FUZZ_TARGET names.
fn target() -> &'static targets::Target {
    static FOUND: OnceLock<&targets::Target> = OnceLock::new();
    FOUND.get_or_init(|| {
        let of_binary = env!("CARGO_BIN_NAME");
        let name = match of_binary {
            "any" => std::env::var("CS_FUZZ_TARGET").expect("CS_FUZZ_TARGET names a target"),
            name => name.to_owned(),
        };
        targets::named(&name).unwrap_or_else(|| panic!("there is no target `{name}`"))
    })
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    (target().run)(data);
});
