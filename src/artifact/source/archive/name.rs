//! Names of entries that can be unpacked.
//!
//! Absolute names and `..` are refused rather than bent into the tree, which the program that `cs` replaces did with
//! absolute ones: packers strip both on their own, so an archive that has them was made to reach something else, and what
//! `/etc/passwd` becomes below a source is nobody's intention. `./` in front is what `tar -c .` writes, and is fine.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use super::error::ArchiveError;
use crate::artifact::source::text::shown;

/// Longest name. Linux takes paths of 4095 bytes, of which the work directory needs some.
const LONGEST: usize = 3072;

/// Longest part of a name, as in every usual file system.
const LONGEST_PART: usize = 255;

/// Most parts of a name. What a tree may be nested, and far more than sources are.
const DEEPEST: usize = 256;

/// A path inside the tree, without `.`, `..` and empty parts. The empty one is the top.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Name(Vec<u8>);

impl Name {
    /// Takes the bytes of a tar entry, which need not be UTF-8.
    ///
    /// # Errors
    /// What is wrong with it: a half sentence after "its name".
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, &'static str> {
        if bytes.is_empty() {
            return Err("is empty");
        }
        if bytes.contains(&0) {
            return Err("has a NUL");
        }
        if bytes.len() > LONGEST {
            return Err("is longer than 3072 bytes");
        }
        if bytes[0] == b'/' {
            return Err("is absolute; pack the source with names relative to its top");
        }
        let mut parts = Vec::new();
        for part in bytes.split(|byte| *byte == b'/') {
            match part {
                b"" | b"." => {}
                b".." => return Err("climbs with `..`; pack the source with names below its top"),
                part if part.len() > LONGEST_PART => {
                    return Err("has a part longer than 255 bytes");
                }
                part => parts.push(part),
            }
        }
        if parts.len() > DEEPEST {
            return Err("is nested deeper than 256 directories");
        }
        Ok(Self(parts.join(&b'/')))
    }

    /// The same with an error that names the entry.
    pub(super) fn of_entry(bytes: &[u8]) -> Result<Self, ArchiveError> {
        Self::parse(bytes).map_err(|why| ArchiveError::Name {
            name: shown(bytes),
            why,
        })
    }

    /// Whether it is the top of the tree.
    pub(super) fn is_top(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    pub(super) fn as_path(&self) -> &Path {
        Path::new(OsStr::from_bytes(&self.0))
    }

    /// Where it stands below a directory.
    pub(super) fn below(&self, root: &Path) -> PathBuf {
        root.join(self.as_path())
    }

    /// The directories that it stands in, outermost first, without the top.
    pub(super) fn parents(&self) -> impl Iterator<Item = &[u8]> {
        let slashes = self.0.iter().enumerate().filter(|(_, byte)| **byte == b'/');
        slashes.map(|(place, _)| &self.0[..place])
    }

    /// For a message.
    pub(super) fn shown(&self) -> String {
        shown(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_below_the_top_are_cleaned() {
        for (name, wanted) in [
            ("a/b", "a/b"),
            ("./a/b", "a/b"),
            ("a/", "a"),
            ("a//./b/.", "a/b"),
            (".", ""),
            ("./", ""),
            ("..a/b..", "..a/b.."),
            ("...", "..."),
            ("a\\..\\b", "a\\..\\b"),
            (" ", " "),
        ] {
            assert_eq!(
                Name::parse(name.as_bytes()).unwrap().as_bytes(),
                wanted.as_bytes()
            );
        }
        assert_eq!(Name::parse(b"\xff\xfe").unwrap().as_bytes(), b"\xff\xfe");
    }

    #[test]
    fn names_that_reach_elsewhere_or_cannot_exist_are_refused() {
        for name in [
            "", "/", "/a", "//a", "..", "../a", "a/..", "a/../b", "./../a", "a\0b",
        ] {
            assert!(Name::parse(name.as_bytes()).is_err(), "{name:?}");
        }
        let part = "x".repeat(LONGEST_PART);
        assert!(Name::parse(part.as_bytes()).is_ok());
        assert!(Name::parse(format!("{part}x").as_bytes()).is_err());
        assert!(Name::parse("a/".repeat(DEEPEST).as_bytes()).is_ok());
        assert!(Name::parse("a/".repeat(DEEPEST + 1).as_bytes()).is_err());
        assert!(Name::parse(vec![b'/'; LONGEST + 1].as_slice()).is_err());
        assert!(Name::parse(format!("a{}", "/".repeat(LONGEST)).as_bytes()).is_err());
    }

    #[test]
    fn parents_come_outermost_first() {
        let name = Name::parse(b"a/bc/d").unwrap();
        assert_eq!(name.parents().collect::<Vec<_>>(), [&b"a"[..], b"a/bc"]);
        assert_eq!(Name::parse(b"a").unwrap().parents().count(), 0);
    }

    proptest! {
        /// Whatever the bytes, an accepted name is a path below the root by text.
        #[test]
        fn an_accepted_name_stays_below_its_root(bytes in proptest::collection::vec(
            prop_oneof![Just(b'/'), Just(b'.'), any::<u8>()], 0..40)
        ) {
            if let Ok(name) = Name::parse(&bytes) {
                let path = name.below(Path::new("/root"));
                prop_assert!(path.starts_with("/root"));
                prop_assert!(name.as_path().components().all(|part| matches!(part, std::path::Component::Normal(_))));
                prop_assert_eq!(Name::parse(name.as_bytes()).ok().filter(|_| !name.is_top()),
                    Some(name.clone()).filter(|_| !name.is_top()));
            }
        }
    }
}
