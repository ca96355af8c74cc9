//! What this build is: version, commit, target, compiler.
//!
//! The build script (`src/build.rs`) finds it out. Nothing here depends on when or where it was built.

#[cfg(test)]
mod commit;

/// Version of the package, e.g. `0.1.0`: what reports and the `User-Agent` carry.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Version and commit in one line: `0.1.0 (abc123456 2026-11-21)`. The commit ends with `-dirty` when the sources were
/// changed; `0.1.0 (no commit)` when they came without one.
pub const LONG: &str = env!("CS_BUILD_VERSION");

/// Target triple that it was built for.
pub const TARGET: &str = env!("CS_BUILD_TARGET");

/// `release` or `debug`.
pub const PROFILE: &str = env!("CS_BUILD_PROFILE");

/// The compiler in one line.
pub const RUSTC: &str = env!("CS_BUILD_RUSTC");

/// The commit, with `-dirty` when the sources were changed; `None` when they came without one.
#[must_use]
pub fn commit() -> Option<&'static str> {
    told(env!("CS_BUILD_COMMIT"))
}

/// The day of the commit in UTC, e.g. `2026-11-21`; `None` when it is not known.
#[must_use]
pub fn commit_date() -> Option<&'static str> {
    told(env!("CS_BUILD_COMMIT_DATE"))
}

fn told(text: &'static str) -> Option<&'static str> {
    (!text.is_empty()).then_some(text)
}
