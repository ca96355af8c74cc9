//! Symbolic links of an archive, kept until everything else is on the disk, so that nothing is written through one.

use std::collections::BTreeMap;
use std::ops::Bound;

use super::error::ArchiveError;
use super::name::Name;

/// Bytes of names and targets that are kept, with [`EACH`] for each link: some 100,000 links of usual lengths.
const BUDGET: usize = 16 << 20;

/// What a map needs for an entry, about.
const EACH: usize = 80;

/// Longest target that Linux takes.
const LONGEST_TARGET: usize = 4095;

/// Links that are not made yet. None stands below another: making them cannot go through one of them.
#[derive(Debug, Default)]
pub(super) struct Links {
    targets: BTreeMap<Vec<u8>, Vec<u8>>,
    bytes: usize,
}

impl Links {
    /// Keeps a link; one of the same name is replaced.
    ///
    /// # Errors
    /// It cannot be made, there are too many, or something stands above or below it.
    pub(super) fn insert(&mut self, name: &Name, target: &[u8]) -> Result<(), ArchiveError> {
        let refuse = |why| {
            Err(ArchiveError::LinkTarget {
                name: name.shown(),
                why,
            })
        };
        if target.is_empty() {
            return refuse("is empty");
        }
        if target.contains(&0) {
            return refuse("has a NUL");
        }
        if target.len() > LONGEST_TARGET {
            return refuse("is longer than 4095 bytes");
        }
        self.admit(name)?;
        self.remove(name);
        if self.any_below(name) {
            return Err(ArchiveError::Conflict { name: name.shown() });
        }
        self.bytes += name.as_bytes().len() + target.len() + EACH;
        if self.bytes > BUDGET {
            return Err(ArchiveError::TooManyLinks);
        }
        self.targets
            .insert(name.as_bytes().to_owned(), target.to_owned());
        Ok(())
    }

    /// # Errors
    /// The name leads through a link.
    pub(super) fn admit(&self, name: &Name) -> Result<(), ArchiveError> {
        if !self.targets.is_empty()
            && name
                .parents()
                .any(|parent| self.targets.contains_key(parent))
        {
            return Err(ArchiveError::ThroughLink { name: name.shown() });
        }
        Ok(())
    }

    /// Whether there are links below a name.
    pub(super) fn any_below(&self, name: &Name) -> bool {
        if self.targets.is_empty() {
            return false;
        }
        let start = [name.as_bytes(), b"/"].concat();
        let after = (Bound::Excluded(start.as_slice()), Bound::Unbounded);
        self.targets
            .range::<[u8], _>(after)
            .next()
            .is_some_and(|(next, _)| next.starts_with(&start))
    }

    /// Forgets a link, because something else takes its name.
    pub(super) fn remove(&mut self, name: &Name) {
        if let Some(target) = self.targets.remove(name.as_bytes()) {
            self.bytes -= name.as_bytes().len() + target.len() + EACH;
        }
    }

    /// Where a link points.
    pub(super) fn target(&self, name: &Name) -> Option<&[u8]> {
        self.targets.get(name.as_bytes()).map(Vec::as_slice)
    }

    /// Names and targets in the order of names.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.targets
            .iter()
            .map(|(name, target)| (name.as_slice(), target.as_slice()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        Name::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn no_link_stands_below_another() {
        let mut links = Links::default();
        links.insert(&name("a/l"), b"x").unwrap();
        for below in ["a/l/m", "a/l/m/n"] {
            let refused = links.insert(&name(below), b"x");
            assert!(
                matches!(refused, Err(ArchiveError::ThroughLink { .. })),
                "{below}"
            );
        }
        // The directory `a` cannot become a link: `a/l` would be made through it.
        assert!(matches!(
            links.insert(&name("a"), b"/etc"),
            Err(ArchiveError::Conflict { .. })
        ));
        for beside in ["a!", "a.b", "a/l2", "a/k", "b"] {
            links.insert(&name(beside), b"x").unwrap();
            assert!(!links.any_below(&name(beside)), "{beside}");
        }
        assert!(links.any_below(&name("a")));
    }

    #[test]
    fn the_last_link_of_a_name_counts_and_a_removed_one_does_not() {
        let mut links = Links::default();
        links.insert(&name("l"), b"x").unwrap();
        links.insert(&name("l"), b"longer").unwrap();
        assert_eq!(links.target(&name("l")), Some(&b"longer"[..]));
        links.remove(&name("l"));
        links.remove(&name("l"));
        assert_eq!((links.iter().count(), links.bytes), (0, 0));
        links.admit(&name("l/x")).unwrap();
    }

    #[test]
    fn a_target_that_cannot_exist_is_refused() {
        let mut links = Links::default();
        let long = [b'x'; LONGEST_TARGET + 1];
        for target in [&b""[..], b"a\0b", &long] {
            assert!(links.insert(&name("l"), target).is_err());
        }
        links.insert(&name("l"), &long[1..]).unwrap();
    }

    #[test]
    fn what_is_kept_has_a_bound() {
        let mut links = Links::default();
        let target = [b'x'; LONGEST_TARGET];
        let refused = (0..u32::MAX)
            .map(|number| links.insert(&name(&number.to_string()), &target))
            .find_map(Result::err);
        assert!(matches!(refused, Some(ArchiveError::TooManyLinks)));
        assert!(links.bytes < BUDGET + 2 * LONGEST_TARGET);
    }
}
