//! The pages of an inventory, as far as they were read.
//!
//! The root covers every job. A page that was split refers to others; a page of which nobody speaks does not belong to
//! the inventory, whatever is in it. Pages are found by following references only, never by listing: Nomad leaves out of
//! a list what the token may not see, without a word (nomad-api.md 1.1).

use std::collections::{BTreeMap, BTreeSet};

use super::codec::{self, Unreadable};
use super::page::{Content, Items, Page, Prefix, Reference};
use super::{Inventory, InventoryError, paths};
use crate::clients::nomad::calls::variables::VariablePath;
use crate::ids::{JobKey, ModifyIndex, OwnerId};

/// So often in a row a page may be gone that another one refers to. Once means that we read an older reference, while
/// somebody tidied up; always means that somebody removed the page.
const MAX_GONE: u32 = 10;

/// Where a page stands and what it covers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) path: VariablePath,
    pub(super) prefix: Prefix,
}

/// A page as it was read.
#[derive(Debug, Clone)]
pub(super) struct Node {
    /// Basis of the next write; 0 for a root that does not exist.
    pub(super) index: ModifyIndex,
    pub(super) page: Page,
}

/// All pages.
#[derive(Debug)]
pub(super) struct Tree {
    pub(super) owner: OwnerId,
    pub(super) root: VariablePath,
    nodes: BTreeMap<VariablePath, Node>,
    gone: u32,
}

/// What following the references has found.
#[derive(Debug, Default)]
struct Walk {
    /// Pages with items, in order.
    leaves: Vec<Place>,
    /// Pages other than the root that were split.
    split: Vec<Place>,
    /// Pages that have to be read before more is known.
    unread: Vec<Place>,
}

impl Tree {
    /// Nothing was read yet.
    pub(super) fn new(owner: OwnerId) -> Self {
        Self {
            root: paths::root(&owner),
            owner,
            nodes: BTreeMap::new(),
            gone: 0,
        }
    }

    fn walk(&self) -> Walk {
        let mut walk = Walk::default();
        let mut next = vec![Place {
            path: self.root.clone(),
            prefix: Prefix::ALL,
        }];
        while let Some(place) = next.pop() {
            match self.nodes.get(&place.path).map(|node| &node.page.content) {
                None => walk.unread.push(place),
                Some(Content::Items(_)) => walk.leaves.push(place),
                Some(Content::Split(to)) => {
                    next.extend(to.iter().rev().map(|reference| self.place(reference)));
                    if place.path != self.root {
                        walk.split.push(place);
                    }
                }
            }
        }
        walk
    }

    fn place(&self, reference: &Reference) -> Place {
        Place {
            path: paths::part(&self.root, &reference.tag),
            prefix: reference.prefix,
        }
    }

    /// What has to be read next; empty when all is known.
    pub(super) fn unread(&mut self) -> Vec<Place> {
        let unread = self.walk().unread;
        if unread.is_empty() {
            self.gone = 0;
        }
        unread
    }

    /// Every page that belongs to the inventory.
    pub(super) fn members(&self) -> BTreeSet<VariablePath> {
        let walk = self.walk();
        let all = walk.leaves.into_iter().chain(walk.split).chain(walk.unread);
        all.map(|place| place.path).collect()
    }

    /// Pages with items. Complete when nothing is unread.
    pub(super) fn leaves(&self) -> Vec<Place> {
        self.walk().leaves
    }

    /// What the root would say if it referred to every page with items itself, and the pages that nobody would need
    /// then. `None` when it does so already.
    pub(super) fn shortcut(&self) -> Option<(Page, Vec<(VariablePath, ModifyIndex)>)> {
        let walk = self.walk();
        if walk.split.is_empty() {
            return None;
        }
        let tag = |place: Place| {
            let (_, tag) = place
                .path
                .as_str()
                .rsplit_once('/')
                .expect("paths have segments");
            Reference {
                prefix: place.prefix,
                tag: tag.to_owned(),
            }
        };
        let to = walk.leaves.into_iter().map(tag).collect();
        let root = self.node(&self.root)?.page.with(Content::Split(to));
        let superfluous = walk.split.into_iter().filter_map(|place| {
            let index = self.node(&place.path)?.index;
            Some((place.path, index))
        });
        Some((root, superfluous.collect()))
    }

    /// A page, if it was read.
    pub(super) fn node(&self, path: &VariablePath) -> Option<&Node> {
        self.nodes.get(path)
    }

    /// Takes note of what stands in a page.
    pub(super) fn set(&mut self, path: VariablePath, node: Node) {
        self.nodes.insert(path, node);
    }

    /// The page has to be read again.
    pub(super) fn forget(&mut self, path: &VariablePath) {
        self.nodes.remove(path);
    }

    /// Takes the answer to a read.
    ///
    /// # Errors
    /// What is there is not for us to use, or is gone.
    pub(super) fn read(
        &mut self,
        place: &Place,
        found: Option<(ModifyIndex, Items)>,
    ) -> Result<(), InventoryError> {
        let node = match found {
            Some((index, items)) => {
                let page = Page::decode(items, &self.owner, place.prefix)
                    .map_err(|why| unreadable(&place.path, "the head", why))?;
                Node { index, page }
            }
            None if place.path == self.root => Node {
                index: ModifyIndex::MUST_BE_NEW,
                page: Page::new(Content::Items(Items::new())),
            },
            None => return self.gone(&place.path),
        };
        self.nodes.insert(place.path.clone(), node);
        Ok(())
    }

    /// A page is not where another one said: what it was split into is named elsewhere by now.
    fn gone(&mut self, path: &VariablePath) -> Result<(), InventoryError> {
        self.gone += 1;
        if self.gone > MAX_GONE {
            return Err(InventoryError::Damaged {
                place: format!("variable `{}`", self.root),
                item: "the head".to_owned(),
                what: format!(
                    "it refers to variable `{}`, which was removed",
                    path.as_str()
                ),
            });
        }
        self.nodes.clear();
        Ok(())
    }

    /// All entries. To be called when nothing is unread.
    ///
    /// # Errors
    /// An item that cannot be read; nothing is left out silently.
    pub(super) fn inventory(&self) -> Result<Inventory, InventoryError> {
        let mut inventory = Inventory::default();
        for place in self.leaves() {
            let Some(items) = self.node(&place.path).and_then(|node| node.page.items()) else {
                continue;
            };
            // Names without a `/` are no jobs: a later build put them there.
            for (name, text) in items.iter().filter(|(name, _)| name.contains('/')) {
                let item = || format!("item `{name}`");
                let key = job_key(name).ok_or_else(|| {
                    unreadable(
                        &place.path,
                        &item(),
                        Unreadable::Damaged("it is named like no job"),
                    )
                })?;
                let entry =
                    codec::decode(text).map_err(|why| unreadable(&place.path, &item(), why))?;
                inventory.entries.insert(key, entry);
            }
        }
        Ok(inventory)
    }
}

/// Reads `namespace/job`. A namespace contains no `/`.
pub(super) fn job_key(name: &str) -> Option<JobKey> {
    let (namespace, job) = name.split_once('/')?;
    Some(JobKey {
        namespace: namespace.parse().ok()?,
        job: job.parse().ok()?,
    })
}

/// What a text that is no entry means for a person.
pub(super) fn unreadable(path: &VariablePath, item: &str, why: Unreadable) -> InventoryError {
    refused(format!("variable `{path}`"), item, why)
}

/// The same for any place.
pub(super) fn refused(place: String, item: &str, why: Unreadable) -> InventoryError {
    let item = item.to_owned();
    match why {
        Unreadable::Newer => InventoryError::Newer { place, item },
        Unreadable::Damaged(what) => InventoryError::Damaged {
            place,
            item,
            what: what.to_owned(),
        },
    }
}
