//! One variable of an inventory: its items, or where they went.
//!
//! Item `cs` is the head and says whose it is: `v1 o=web`. A page whose items were moved away has nothing else, and its
//! head says where to: `v1 o=web to=0:1f3c9a2b44d0,1:77e0b1c2d3e4`. That is the one write that makes a split real: until
//! then the pages named there mean nothing, from then on they hold the items. A page that has been split stays split.

use std::collections::BTreeMap;
use std::fmt;

use sha2::{Digest as _, Sha256};

use super::codec::{self, Unreadable};
use crate::ids::OwnerId;

/// Items of a variable, as Nomad has them.
pub(super) type Items = BTreeMap<String, String>;

/// Name of the head. Keys of jobs contain a `/`.
const HEAD: &str = "cs";

/// Most bytes that a page is filled with, names and values together.
///
/// Nomad takes 65,536; the rest is air for a head that grows. Source: Nomad, `maxVariableSize`.
pub(super) const FULL: usize = 64_000;

/// What a variable holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Page {
    pub(super) content: Content,
    /// Tokens of the head that a later build added.
    extra: Vec<String>,
}

/// What a variable holds, without its head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Content {
    /// Items by name.
    Items(Items),
    /// They went to these pages, which together cover what this one covered, in order.
    Split(Vec<Reference>),
}

/// A page by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reference {
    /// What it covers.
    pub(super) prefix: Prefix,
    /// Last segment of its path: random, never used twice.
    pub(super) tag: String,
}

impl Page {
    pub(super) fn new(content: Content) -> Self {
        Self {
            content,
            extra: Vec::new(),
        }
    }

    /// The same page with other contents.
    pub(super) fn with(&self, content: Content) -> Self {
        Self {
            content,
            extra: self.extra.clone(),
        }
    }

    /// The items, when they are here.
    pub(super) fn items(&self) -> Option<&Items> {
        match &self.content {
            Content::Items(items) => Some(items),
            Content::Split(_) => None,
        }
    }

    /// Reads the items of a variable that covers `prefix`.
    pub(super) fn decode(
        mut items: Items,
        owner: &OwnerId,
        prefix: Prefix,
    ) -> Result<Self, Unreadable> {
        use Unreadable::Damaged;
        let head = items.remove(HEAD).ok_or(Damaged("item `cs` is missing"))?;
        let (mut named, mut split, mut extra) = (None, None, Vec::new());
        for token in codec::tokens(&head)? {
            match token.split_once('=') {
                Some(("o", value)) => named = codec::unescape(value),
                Some(("to", value)) => split = Some(references(value, prefix)?),
                _ => extra.push(token.to_owned()),
            }
        }
        if named.as_deref() != Some(owner.as_str()) {
            return Err(Damaged("its head names another owner"));
        }
        let content = match split {
            None => Content::Items(items),
            Some(to) if items.is_empty() => Content::Split(to),
            Some(_) => return Err(Damaged("it holds items although they were moved away")),
        };
        Ok(Self { content, extra })
    }

    /// The items to write.
    pub(super) fn encode(&self, owner: &OwnerId) -> Items {
        let mut head = format!("{} o={}", codec::VERSION, codec::escape(owner.as_str()));
        let mut items = Items::new();
        match &self.content {
            Content::Items(entries) => items.clone_from(entries),
            Content::Split(to) => {
                let to: Vec<String> = to.iter().map(Reference::to_string).collect();
                head.push_str(" to=");
                head.push_str(&to.join(","));
            }
        }
        for token in &self.extra {
            head.push(' ');
            head.push_str(token);
        }
        items.insert(HEAD.to_owned(), head);
        items
    }
}

/// Whose page it is, by its head.
pub(super) fn owner_of(items: &Items) -> Option<OwnerId> {
    let mut tokens = codec::tokens(items.get(HEAD)?).ok()?;
    let named = tokens.find_map(|token| token.strip_prefix("o="))?;
    codec::unescape(named)?.parse().ok()
}

/// Bytes that Nomad counts.
pub(super) fn size(items: &Items) -> usize {
    items
        .iter()
        .map(|(key, value)| key.len() + value.len())
        .sum()
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.prefix, self.tag)
    }
}

fn references(text: &str, covered: Prefix) -> Result<Vec<Reference>, Unreadable> {
    let parse = |part: &str| {
        let (prefix, tag) = part.split_once(':')?;
        let prefix = Prefix::parse(prefix)?;
        let valid =
            !tag.is_empty() && tag.len() <= 16 && tag.bytes().all(|b| b.is_ascii_alphanumeric());
        valid.then(|| Reference {
            prefix,
            tag: tag.to_owned(),
        })
    };
    let references: Option<Vec<Reference>> = text.split(',').map(parse).collect();
    references
        .filter(|references| {
            references.len() > 1
                && covered.is_covered_by(references.iter().map(|reference| reference.prefix))
        })
        .ok_or(Unreadable::Damaged(
            "`to=` does not name what it was split into",
        ))
}

/// The first bits of the hash of an item's name. The empty one covers everything.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Prefix {
    /// The bits at the upper end, zeros below.
    bits: u64,
    length: u32,
}

impl Prefix {
    /// Covers everything.
    pub(super) const ALL: Self = Self { bits: 0, length: 0 };

    /// The two halves; `None` when there are no more bits.
    pub(super) fn halves(self) -> Option<[Self; 2]> {
        let length = self.length + 1;
        let one = 1u64.checked_shl(u64::BITS.checked_sub(length)?)?;
        let half = |bits| Self { bits, length };
        Some([half(self.bits), half(self.bits | one)])
    }

    /// Whether a name falls under it.
    pub(super) fn covers(self, hash: u64) -> bool {
        hash.checked_shr(u64::BITS - self.length).unwrap_or(0)
            == self.bits.checked_shr(u64::BITS - self.length).unwrap_or(0)
    }

    /// Whether everything under it comes before a name, in the order of prefixes.
    pub(super) fn ends_before(self, hash: u64) -> bool {
        self.start() + self.span() <= u128::from(hash)
    }

    fn span(self) -> u128 {
        1 << (u64::BITS - self.length)
    }

    fn start(self) -> u128 {
        u128::from(self.bits)
    }

    /// Whether the parts, in order, are exactly this, without gap or overlap.
    fn is_covered_by(self, mut parts: impl Iterator<Item = Self>) -> bool {
        let end = parts.try_fold(self.start(), |at, part| {
            (part.start() == at).then(|| at + part.span())
        });
        end == Some(self.start() + self.span())
    }

    fn parse(text: &str) -> Option<Self> {
        let length = u32::try_from(text.len())
            .ok()
            .filter(|length| *length <= u64::BITS)?;
        let mut bits = 0u64;
        for (byte, at) in text.bytes().zip((0..u64::BITS).rev()) {
            match byte {
                b'0' => {}
                b'1' => bits |= 1 << at,
                _ => return None,
            }
        }
        Some(Self { bits, length })
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for at in 0..self.length {
            let bit = self.bits >> (u64::BITS - 1 - at) & 1;
            write!(f, "{bit}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Prefix({self})")
    }
}

/// Hash of an item's name, by which pages are split.
pub(super) fn hash(name: &str) -> u64 {
    let digest = Sha256::digest(name);
    let mut first = [0; 8];
    first.copy_from_slice(&digest[..8]);
    u64::from_be_bytes(first)
}

/// Parts the items of a page that has grown too large into pages that are not, in order. `None` when one item alone is
/// too large for a page.
pub(super) fn shares(prefix: Prefix, items: Items, room: usize) -> Option<Vec<(Prefix, Items)>> {
    if size(&items) <= room {
        return Some(vec![(prefix, items)]);
    }
    if items.len() < 2 {
        return None;
    }
    let [low, high] = prefix.halves()?;
    let (left, right): (Items, Items) = items
        .into_iter()
        .partition(|(name, _)| low.covers(hash(name)));
    let mut parts = shares(low, left, room)?;
    parts.extend(shares(high, right, room)?);
    Some(parts)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn web() -> OwnerId {
        "web".parse().unwrap()
    }

    fn items(pairs: &[(&str, &str)]) -> Items {
        pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn a_page_is_read_as_it_was_written_with_what_a_later_build_put_into_its_head() {
        let stored = items(&[("cs", "v1 o=web lang=de"), ("default/shop", "v1 x")]);
        let page = Page::decode(stored.clone(), &web(), Prefix::ALL).unwrap();
        assert_eq!(page.items(), Some(&items(&[("default/shop", "v1 x")])));
        assert_eq!(page.encode(&web()), stored);
        let emptied = page.with(Content::Items(Items::new())).encode(&web());
        assert_eq!(emptied, items(&[("cs", "v1 o=web lang=de")]));
        assert_eq!(owner_of(&stored), Some(web()));
    }

    #[test]
    fn a_split_page_names_its_parts() {
        let stored = items(&[("cs", "v1 o=web to=00:a,01:b,1:c")]);
        let page = Page::decode(stored.clone(), &web(), Prefix::ALL).unwrap();
        let Content::Split(to) = &page.content else {
            panic!("{page:?}");
        };
        assert_eq!(to.len(), 3);
        assert_eq!(page.encode(&web()), stored);
        let half = Prefix::parse("01").unwrap();
        let stored = items(&[("cs", "v1 o=web to=010:a,011:b")]);
        assert!(Page::decode(stored, &web(), half).is_ok());
    }

    #[test]
    fn a_page_that_cannot_be_relied_on_is_refused() {
        let read = |pairs: &[(&str, &str)]| Page::decode(items(pairs), &web(), Prefix::ALL);
        assert_eq!(read(&[("cs", "v2 o=web")]), Err(Unreadable::Newer));
        for bad in [
            &[("default/shop", "v1 x")][..],
            &[("cs", "v1")],
            &[("cs", "v1 o=other")],
            &[("cs", "v1 o=web to=0:a,1:b"), ("default/shop", "v1 x")],
            &[("cs", "v1 o=web to=")],
            &[("cs", "v1 o=web to=:a")],
            &[("cs", "v1 o=web to=0:a")],
            &[("cs", "v1 o=web to=0:a,10:b")],
            &[("cs", "v1 o=web to=1:a,0:b")],
            &[("cs", "v1 o=web to=0:a,0:b,1:c")],
            &[("cs", "v1 o=web to=0:a/b,1:c")],
            &[("cs", "v1 o=web to=0:a,1:")],
            &[("cs", "v1 o=web to=0:a,x:b")],
        ] {
            assert!(matches!(read(bad), Err(Unreadable::Damaged(_))), "{bad:?}");
        }
    }

    #[test]
    fn halves_end_with_the_bits() {
        let mut prefix = Prefix::ALL;
        for length in 1..=64 {
            let [low, high] = prefix.halves().unwrap();
            assert!(prefix.is_covered_by([low, high].into_iter()));
            assert_eq!(
                (low.length, Prefix::parse(&high.to_string())),
                (length, Some(high))
            );
            assert!(high.covers(u64::MAX) && !low.covers(u64::MAX) && low.covers(low.bits));
            prefix = high;
        }
        assert_eq!(prefix.halves(), None);
    }

    #[test]
    fn an_item_that_fits_no_page_is_said_to_be_so() {
        let large = items(&[("default/a", &"x".repeat(50)), ("default/b", "")]);
        assert!(shares(Prefix::ALL, large.clone(), 58).is_none());
        assert!(shares(Prefix::ALL, large, 59).is_some());
    }

    proptest! {
        #[test]
        fn every_item_is_in_the_one_share_that_covers_it(
            all in prop::collection::btree_map("[a-c]/[a-z]{1,6}", "x{0,40}", 0..80),
            room in 60..400usize,
        ) {
            let parts = shares(Prefix::ALL, all.clone(), room).unwrap();
            prop_assert!(parts.len() == 1 || Prefix::ALL.is_covered_by(parts.iter().map(|(prefix, _)| *prefix)));
            let mut found = Items::new();
            for (prefix, items) in parts {
                prop_assert!(size(&items) <= room);
                prop_assert!(items.keys().all(|name| prefix.covers(hash(name))));
                found.extend(items);
            }
            prop_assert_eq!(found, all);
        }
    }
}
