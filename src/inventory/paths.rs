//! Where an owner's variables stand.
//!
//! `cs/inventory/<owner>` is the root, `cs/inventory/<owner>/<tag>` what it is split into. A path of Nomad has at most
//! 128 characters out of letters, digits, `-`, `_`, `~` and `/`; an owner is any printable text.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

use crate::clients::nomad::calls::variables::VariablePath;
use crate::ids::OwnerId;

/// Above every inventory.
pub(super) const PREFIX: &str = "cs/inventory/";

/// A name under which no owner stands: an encoded owner never is a single `~`.
pub(super) const NOBODY: &str = "cs/inventory/~";

/// Longest encoded owner. With the prefix, `/` and a tag a path stays below 128.
const LONGEST: usize = 80;

/// An owner as one segment of a path, or of a file's name. Two owners never get the same one.
///
/// Letters, digits, `-` and `_` stand for themselves, every other byte is `~` and two hex digits. What gets too long
/// becomes `~~` and 128 bits of its SHA-256; no escape begins so.
pub(super) fn segment(owner: &OwnerId) -> String {
    let mut text = String::new();
    for byte in owner.as_str().bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_') {
            text.push(char::from(byte));
        } else {
            write!(text, "~{byte:02x}").expect("a String takes all");
        }
    }
    if text.len() <= LONGEST {
        return text;
    }
    let hash = Sha256::digest(owner.as_str());
    format!("~~{}", hex(&hash[..16]))
}

/// Reads a segment; `None` when it is a hash, or nothing that [`segment`] writes.
pub(super) fn owner(segment: &str) -> Option<OwnerId> {
    let mut bytes = Vec::with_capacity(segment.len());
    let mut rest = segment.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'~' {
            bytes.push(byte);
            continue;
        }
        let pair = [rest.next()?, rest.next()?];
        let digits = std::str::from_utf8(&pair).ok()?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
    }
    let owner: OwnerId = String::from_utf8(bytes).ok()?.parse().ok()?;
    (self::segment(&owner) == segment).then_some(owner)
}

/// The variable that everything of an owner hangs on.
pub(super) fn root(owner: &OwnerId) -> VariablePath {
    path(format!("{PREFIX}{}", segment(owner)))
}

/// A part of it. `tag` is short and made of letters and digits.
pub(super) fn part(root: &VariablePath, tag: &str) -> VariablePath {
    path(format!("{}/{tag}", root.as_str()))
}

fn path(text: String) -> VariablePath {
    text.parse()
        .expect("segments and tags are short and made of allowed characters")
}

/// Bytes in lower-case hex.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a String takes all");
        text
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn id(text: &str) -> OwnerId {
        text.parse().unwrap()
    }

    #[test]
    fn an_ordinary_owner_stands_under_its_own_name() {
        assert_eq!(root(&id("web-shop_2")).as_str(), "cs/inventory/web-shop_2");
        let part = part(&root(&id("Team A/ü~")), "0123456789ab");
        assert_eq!(
            part.as_str(),
            "cs/inventory/Team~20A~2f~c3~bc~7e/0123456789ab"
        );
    }

    #[test]
    fn a_long_owner_is_hashed_and_does_not_meet_the_owner_of_that_name() {
        let long = id(&"x".repeat(81));
        let hashed = segment(&long);
        assert!(hashed.starts_with("~~") && hashed.len() == 34, "{hashed}");
        assert_eq!(owner(&hashed), None);
        assert_ne!(segment(&id(&hashed)), hashed);
        assert_eq!(owner(&"x".repeat(80)), Some(id(&"x".repeat(80))));
    }

    #[test]
    fn what_nobody_wrote_names_no_owner() {
        for bad in ["", "~", "~4", "~zz", "~41", "~~", "a.b", "~ff"] {
            assert_eq!(owner(bad), None, "{bad:?}");
        }
        assert_eq!(owner(NOBODY.strip_prefix(PREFIX).unwrap()), None);
    }

    proptest! {
        #[test]
        fn every_owner_has_a_path_of_its_own(left in "\\PC{1,60}", right in "\\PC{1,60}") {
            let (Ok(left), Ok(right)) = (left.parse::<OwnerId>(), right.parse::<OwnerId>()) else {
                return Ok(());
            };
            prop_assert!(part(&root(&left), "0123456789ab").as_str().len() <= 128);
            prop_assert_eq!(left == right, root(&left) == root(&right));
            if let Some(read) = owner(&segment(&left)) {
                prop_assert_eq!(read, left);
            }
        }
    }
}
