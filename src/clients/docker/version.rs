//! Versions of the engine's API, and which of them are spoken.

use std::fmt;
use std::str::FromStr;

/// A version of the API, e.g. `1.41`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ApiVersion {
    major: u16,
    minor: u16,
}

impl ApiVersion {
    /// The oldest that is spoken: that of Docker 17.06, the first whose builds say the id of their image.
    pub const OLDEST: Self = Self::new(1, 30);

    /// The newest that is spoken: that of Docker 28.3. Newer engines speak it too.
    pub const NEWEST: Self = Self::new(1, 51);

    /// The first whose builds can use BuildKit: that of Docker 18.09.
    pub(super) const BUILDKIT: Self = Self::new(1, 39);

    const fn new(major: u16, minor: u16) -> Self {
        Self { major, minor }
    }

    /// The version to speak with an engine that knows `oldest` to `newest`. `None`: there is none.
    pub(super) fn common(oldest: Option<Self>, newest: Self) -> Option<Self> {
        let common = newest.min(Self::NEWEST);
        let known = oldest.is_none_or(|oldest| common >= oldest);
        (known && common >= Self::OLDEST).then_some(common)
    }
}

impl fmt::Display for ApiVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// A text is not two numbers with a dot between them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a version of the engine's API; expected e.g. `1.41`")]
pub struct BadVersion;

impl FromStr for ApiVersion {
    type Err = BadVersion;

    fn from_str(text: &str) -> Result<Self, BadVersion> {
        let (major, minor) = text.split_once('.').ok_or(BadVersion)?;
        let number = |text: &str| text.parse().map_err(|_| BadVersion);
        Ok(Self::new(number(major)?, number(minor)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(text: &str) -> ApiVersion {
        text.parse().unwrap()
    }

    fn common(oldest: &str, newest: &str) -> Option<String> {
        let common = ApiVersion::common(oldest.parse().ok(), version(newest));
        common.map(|common| common.to_string())
    }

    #[test]
    fn versions_are_compared_as_numbers() {
        assert!(version("1.9") < version("1.30"));
        assert_eq!(version("1.41").to_string(), "1.41");
        for bad in ["", "1", "1.", "v1.41", "1.41.0", "1.x"] {
            assert_eq!(bad.parse::<ApiVersion>(), Err(BadVersion), "{bad}");
        }
    }

    #[test]
    fn the_newest_that_both_know_is_spoken() {
        assert_eq!(common("1.12", "1.41").as_deref(), Some("1.41"));
        assert_eq!(common("1.40", "1.56").as_deref(), Some("1.51"));
        assert_eq!(common("", "1.43").as_deref(), Some("1.43"));
        assert_eq!(common("1.52", "1.60"), None, "the engine is too new");
        assert_eq!(common("1.12", "1.29"), None, "the engine is too old");
    }
}
