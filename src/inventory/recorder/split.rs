//! Splitting a page that has grown too large: parts first, then the one write that names them.

use std::collections::BTreeMap;

use super::{Call, Recorder, Reply};
use crate::clients::nomad::calls::variables::VariablePath;
use crate::ids::ModifyIndex;
use crate::inventory::page::{self, Content, Items, Page, Prefix, Reference};
use crate::inventory::tree::Node;
use crate::inventory::{InventoryError, paths};

/// A page on its way into parts.
#[derive(Debug)]
pub(super) struct Split {
    expected: ModifyIndex,
    /// The page as it shall be.
    page: Page,
    parts: BTreeMap<VariablePath, Part>,
    /// Changes that are in the parts.
    names: Vec<String>,
    stage: Stage,
    forbidden: bool,
}

#[derive(Debug)]
struct Part {
    page: Page,
    items: Items,
    made: Made,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Made {
    No,
    /// Look whether it is there.
    Perhaps,
    At(ModifyIndex),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Making the parts. Nobody can know of them.
    Making,
    /// Naming them.
    Naming,
    /// They may have been named: the tree tells.
    Unsure,
}

impl Part {
    fn call(&self, path: &VariablePath) -> Option<Call> {
        match self.made {
            Made::At(_) => None,
            Made::No => Some(Call::Write {
                path: path.clone(),
                items: self.items.clone(),
                expected: ModifyIndex::MUST_BE_NEW,
            }),
            Made::Perhaps => Some(Call::Check(path.clone())),
        }
    }
}

impl Recorder {
    /// Parts a page. Nothing is called yet.
    pub(super) fn split(
        &mut self,
        prefix: Prefix,
        node: &Node,
        full: Page,
        names: Vec<String>,
    ) -> Result<Split, InventoryError> {
        let Content::Items(items) = full.content else {
            unreachable!("only pages with items are split");
        };
        let owner = self.tree.owner.clone();
        let head = page::size(&Page::new(Content::Items(Items::new())).encode(&owner));
        let largest = items
            .iter()
            .max_by_key(|(name, text)| name.len() + text.len());
        let largest = largest.map(|(name, _)| name.clone()).unwrap_or_default();
        let shares = page::shares(prefix, items, self.room.saturating_sub(head))
            .filter(|shares| shares.len() > 1)
            .ok_or(InventoryError::TooLarge { job: largest })?;
        let mut references = Vec::new();
        let mut parts = BTreeMap::new();
        for (prefix, items) in shares {
            let tag = (self.tag)();
            let page = Page::new(Content::Items(items));
            let items = page.encode(&owner);
            let made = Made::No;
            parts.insert(
                paths::part(&self.tree.root, &tag),
                Part { page, items, made },
            );
            references.push(Reference { prefix, tag });
        }
        Ok(Split {
            expected: node.index,
            page: node.page.with(Content::Split(references)),
            parts,
            names,
            stage: Stage::Making,
            forbidden: false,
        })
    }

    /// Decides about splits that may have been made real. The tree was read after their last call.
    pub(super) fn settle_splits(&mut self) {
        if self
            .splits
            .values()
            .all(|split| split.stage != Stage::Unsure)
        {
            return;
        }
        let members = self.tree.members();
        for (path, mut split) in std::mem::take(&mut self.splits) {
            if split.stage != Stage::Unsure {
                self.splits.insert(path, split);
            } else if split.parts.keys().any(|part| members.contains(part)) {
                self.done(&split.names);
            } else if self
                .tree
                .node(&path)
                .is_some_and(|node| node.index == split.expected)
                && !split.forbidden
            {
                // It may still come. Only the same write again can decide it.
                split.stage = Stage::Naming;
                self.splits.insert(path, split);
            } else {
                self.abandon(split);
            }
        }
    }

    /// Nobody will ever speak of these parts.
    fn abandon(&mut self, split: Split) {
        for (path, part) in split.parts {
            if let Made::At(index) = part.made {
                self.rubbish.push((path, index));
            }
        }
        if split.forbidden {
            self.refuse(&split.names);
        }
    }

    pub(super) fn split_calls(&mut self) -> Vec<Call> {
        let mut calls = Vec::new();
        for (path, split) in &mut self.splits {
            if split.stage == Stage::Making {
                let parts = split
                    .parts
                    .iter()
                    .filter_map(|(path, part)| part.call(path));
                let before = calls.len();
                calls.extend(parts);
                if calls.len() > before {
                    continue;
                }
                split.stage = Stage::Naming;
            }
            calls.push(Call::Write {
                path: path.clone(),
                items: split.page.encode(&self.tree.owner),
                expected: split.expected,
            });
        }
        calls
    }

    pub(super) fn checked(&mut self, path: &VariablePath, reply: Reply) {
        let Some(page) = self.split_of(path) else {
            return;
        };
        let part = self.part(&page, path);
        match reply {
            Reply::Found { index, items } if items == part.items => part.made = Made::At(index),
            Reply::Absent => part.made = Made::No,
            reply => self.give_up(&page, reply == Reply::Forbidden),
        }
    }

    fn part(&mut self, page: &VariablePath, path: &VariablePath) -> &mut Part {
        let split = self.splits.get_mut(page).expect("the caller found it");
        split.parts.get_mut(path).expect("the caller found it")
    }

    /// The page whose part this is.
    pub(super) fn split_of(&self, part: &VariablePath) -> Option<VariablePath> {
        let found = self
            .splits
            .iter()
            .find(|(_, split)| split.parts.contains_key(part));
        found.map(|(path, _)| path.clone())
    }

    pub(super) fn part_made(&mut self, page: &VariablePath, path: &VariablePath, reply: &Reply) {
        let part = self.part(page, path);
        match reply {
            Reply::Written(index) => part.made = Made::At(*index),
            Reply::Forbidden => self.give_up(page, true),
            // Perhaps an earlier attempt of our own.
            _ => {
                part.made = Made::Perhaps;
                self.conflicts += 1;
            }
        }
    }

    /// Ends a split of which nobody can know.
    fn give_up(&mut self, page: &VariablePath, forbidden: bool) {
        let mut split = self.splits.remove(page).expect("the caller found it");
        split.forbidden = forbidden;
        self.conflicts += 1;
        self.abandon(split);
    }

    pub(super) fn named(&mut self, path: &VariablePath, reply: &Reply) {
        let Reply::Written(index) = reply else {
            let split = self.splits.get_mut(path).expect("the caller found it");
            // After a conflict too: the one who was faster may have been an earlier attempt of our own.
            split.stage = Stage::Unsure;
            split.forbidden |= *reply == Reply::Forbidden;
            self.conflicts += 1;
            self.tree.forget(path);
            return;
        };
        let split = self.splits.remove(path).expect("the caller found it");
        for (path, part) in split.parts {
            if let Made::At(index) = part.made {
                let page = part.page;
                self.tree.set(path, Node { index, page });
            }
        }
        let (index, page) = (*index, split.page);
        self.tree.set(path.clone(), Node { index, page });
        self.done(&split.names);
    }
}
