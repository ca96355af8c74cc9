//! Which calls bring changes into an inventory, without ever losing an entry: no IO, no time, no randomness.
//!
//! The caller makes the calls of a [`Step`], all at once if it likes, answers each, and asks for the next step. Others may
//! do the same to the same inventory at any moment, and everybody may die between any two calls.
//!
//! - Every write names the index that was seen. After a conflict the page is read again and our changes are made to what
//!   is there. They say what an item shall be, so making them twice is making them once, and a write of which nobody
//!   knows whether it was carried out is handled in the same way: look, then make what is missing.
//! - A page that gets too large is split. Its parts are new variables, of which nobody knows yet. When all of them stand,
//!   one write puts their names into the page, in place of its items. It names the index of the page that was parted, so
//!   nothing that somebody else wrote in between is left behind; without that write the parts mean nothing.
//! - Parts are removed again only when that write can no longer come: after the page was seen at another index, without
//!   our parts. A page that was split is removed only when the root refers to its parts itself.
//! - The root is never removed, so that a write of the first items that comes late finds it.
//! - A run that dies between making parts and naming them leaves these variables behind. They cost space, nothing else.

use std::collections::BTreeMap;

use jiff::Timestamp;

use self::split::Split;
use super::codec::{self, Unreadable};
use super::page::{self, Content, Items, Page};
use super::tree::{Node, Place, Tree, unreadable};
use super::{Entry, InventoryError};
use crate::clients::nomad::calls::variables::VariablePath;
use crate::ids::ModifyIndex;

mod split;

/// What shall become of an item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wish {
    /// This, whatever is there.
    Put(Entry),
    /// Nothing, whatever is there.
    Remove,
    /// This, unless what is there was written later: it was kept elsewhere for a while.
    Recover(Entry),
    /// Nothing, unless what is there was written after this time.
    Forget(Timestamp),
}

impl Wish {
    /// Whether what is there, if anything, was written too late for this to replace it.
    pub(super) fn gives_way_to(&self, written: Option<Timestamp>) -> bool {
        match self {
            Self::Put(_) | Self::Remove => false,
            Self::Recover(entry) => written.is_some_and(|at| at >= entry.written),
            Self::Forget(time) => written.is_some_and(|at| at > *time),
        }
    }
}

/// One call to Nomad.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Call {
    /// A page of the inventory.
    Read(Place),
    /// A variable that we may have made and of which nobody knows.
    Check(VariablePath),
    Write {
        path: VariablePath,
        items: Items,
        expected: ModifyIndex,
    },
    Delete {
        path: VariablePath,
        expected: ModifyIndex,
    },
}

/// How a call ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reply {
    Absent,
    Found {
        index: ModifyIndex,
        items: Items,
    },
    Written(ModifyIndex),
    Deleted,
    Conflict,
    /// It may have been carried out, or be carried out later.
    Unknown,
    Forbidden,
}

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// Make these calls, in any order or at once, and answer every one.
    Calls(Vec<Call>),
    /// Every change stands or was refused.
    Done,
}

/// A write of a page that is not split.
#[derive(Debug)]
struct Sent {
    page: Page,
    names: Vec<String>,
}

/// Brings changes into an inventory.
pub(super) struct Recorder {
    tree: Tree,
    /// By name of the item.
    pending: BTreeMap<String, Wish>,
    /// What the token may not do.
    refused: BTreeMap<String, Wish>,
    splits: BTreeMap<VariablePath, Split>,
    sent: BTreeMap<VariablePath, Sent>,
    /// The root as it will be after tidying, and what is superfluous then.
    tidying: Option<(Page, Vec<(VariablePath, ModifyIndex)>)>,
    tidied: bool,
    /// Variables of which nobody speaks.
    rubbish: Vec<(VariablePath, ModifyIndex)>,
    conflicts: u32,
    /// The token lost its right to read: all that is left to do was refused.
    blind: bool,
    /// Largest page in bytes.
    room: usize,
    tag: Tags,
}

/// Gives names that nobody ever used: at most 16 letters and digits.
pub(super) type Tags = Box<dyn FnMut() -> String + Send>;

impl Recorder {
    /// Changes an inventory of which `tree` is known. Pages are split when they exceed `room` bytes.
    pub(super) fn new(tree: Tree, wishes: BTreeMap<String, Wish>, room: usize, tag: Tags) -> Self {
        Self {
            tree,
            pending: wishes,
            refused: BTreeMap::new(),
            splits: BTreeMap::new(),
            sent: BTreeMap::new(),
            tidying: None,
            tidied: false,
            rubbish: Vec::new(),
            conflicts: 0,
            blind: false,
            room,
            tag,
        }
    }

    /// How often somebody else was faster so far, or nobody knows.
    pub(super) fn conflicts(&self) -> u32 {
        self.conflicts
    }

    /// What is not in the inventory yet and was not refused.
    pub(super) fn waiting(&self) -> usize {
        self.pending.len()
    }

    /// What is known of the inventory now, and what the token may not do.
    pub(super) fn finish(self) -> (Tree, BTreeMap<String, Wish>) {
        (self.tree, self.refused)
    }

    /// What to do next.
    ///
    /// # Errors
    /// What is there cannot be read or written by this build.
    pub(super) fn step(&mut self) -> Result<Step, InventoryError> {
        if self.blind {
            return Ok(Step::Done);
        }
        let unread = self.tree.unread();
        if !unread.is_empty() {
            return Ok(Step::Calls(unread.into_iter().map(Call::Read).collect()));
        }
        self.settle_splits();
        let mut calls = self.writes()?;
        calls.extend(self.split_calls());
        if calls.is_empty() {
            calls.extend(self.tidy());
        }
        let rubbish = self.rubbish.drain(..);
        calls.extend(rubbish.map(|(path, expected)| Call::Delete { path, expected }));
        Ok(match calls.is_empty() {
            true => Step::Done,
            false => Step::Calls(calls),
        })
    }

    /// Writes of the pages that changes fall into. Pages that are being split have theirs already.
    fn writes(&mut self) -> Result<Vec<Call>, InventoryError> {
        let mut calls = Vec::new();
        for (place, names) in self.by_page() {
            if self.splits.contains_key(&place.path) {
                continue;
            }
            let node = self
                .tree
                .node(&place.path)
                .expect("every page was read")
                .clone();
            let before = node.page.items().expect("a leaf has items");
            let mut items = before.clone();
            for name in &names {
                make(&mut items, name, &self.pending[name])
                    .map_err(|why| unreadable(&place.path, &format!("item `{name}`"), why))?;
            }
            if items == *before {
                self.done(&names);
            } else {
                calls.extend(self.write(&place, &node, items, names)?);
            }
        }
        Ok(calls)
    }

    /// Changes by the page that they fall into.
    fn by_page(&self) -> Vec<(Place, Vec<String>)> {
        let mut pages: Vec<(Place, Vec<String>)> = self
            .tree
            .leaves()
            .into_iter()
            .map(|place| (place, Vec::new()))
            .collect();
        for name in self.pending.keys() {
            let hash = page::hash(name);
            // Leaves are in the order of their prefixes and cover everything.
            let at = pages.partition_point(|(place, _)| place.prefix.ends_before(hash));
            pages[at].1.push(name.clone());
        }
        pages.retain(|(_, names)| !names.is_empty());
        pages
    }

    /// The write of one page; none when it has to be split first.
    fn write(
        &mut self,
        place: &Place,
        node: &Node,
        items: Items,
        names: Vec<String>,
    ) -> Result<Option<Call>, InventoryError> {
        let page = node.page.with(Content::Items(items));
        let encoded = page.encode(&self.tree.owner);
        let (path, expected) = (place.path.clone(), node.index);
        if page::size(&encoded) > self.room {
            let split = self.split(place.prefix, node, page, names)?;
            self.splits.insert(path, split);
            return Ok(None);
        }
        self.sent.insert(path.clone(), Sent { page, names });
        Ok(Some(Call::Write {
            path,
            items: encoded,
            expected,
        }))
    }

    /// Lets the root refer to every page itself, once, when all else is done: one read less for everybody.
    fn tidy(&mut self) -> Option<Call> {
        if std::mem::replace(&mut self.tidied, true) {
            return None;
        }
        let (root, superfluous) = self.tree.shortcut()?;
        let items = root.encode(&self.tree.owner);
        // With so many pages the longer way has to do.
        if page::size(&items) > self.room {
            return None;
        }
        let path = self.tree.root.clone();
        let expected = self.tree.node(&path)?.index;
        self.tidying = Some((root, superfluous));
        Some(Call::Write {
            path,
            items,
            expected,
        })
    }

    /// Takes the answer to a call.
    ///
    /// # Errors
    /// What was read is not for us to use.
    pub(super) fn answer(&mut self, call: &Call, reply: Reply) -> Result<(), InventoryError> {
        match call {
            Call::Read(place) => return self.read(place, reply),
            Call::Check(path) => self.checked(path, reply),
            Call::Write { path, .. } => {
                if self.splits.contains_key(path) {
                    self.named(path, &reply);
                } else if let Some(page) = self.split_of(path) {
                    self.part_made(&page, path, &reply);
                } else if self.sent.contains_key(path) {
                    self.written(path, &reply);
                } else {
                    self.tidied(&reply);
                }
            }
            // Whether rubbish is gone makes no difference.
            Call::Delete { .. } => {}
        }
        Ok(())
    }

    fn read(&mut self, place: &Place, reply: Reply) -> Result<(), InventoryError> {
        match reply {
            Reply::Found { index, items } => self.tree.read(place, Some((index, items))),
            Reply::Absent => self.tree.read(place, None),
            _ => {
                self.blind = true;
                self.refused.append(&mut self.pending);
                Ok(())
            }
        }
    }

    fn written(&mut self, path: &VariablePath, reply: &Reply) {
        let Sent { page, names } = self.sent.remove(path).expect("the caller found it");
        match *reply {
            Reply::Written(index) => {
                self.tree.set(path.clone(), Node { index, page });
                self.done(&names);
            }
            Reply::Forbidden => self.refuse(&names),
            _ => {
                self.conflicts += 1;
                self.tree.forget(path);
            }
        }
    }

    fn tidied(&mut self, reply: &Reply) {
        let Some((page, superfluous)) = self.tidying.take() else {
            return;
        };
        let root = self.tree.root.clone();
        if let Reply::Written(index) = *reply {
            self.tree.set(root, Node { index, page });
            for (path, _) in &superfluous {
                self.tree.forget(path);
            }
            self.rubbish.extend(superfluous);
        } else {
            self.tree.forget(&root);
        }
    }

    fn done(&mut self, names: &[String]) {
        for name in names {
            self.pending.remove(name);
        }
    }

    fn refuse(&mut self, names: &[String]) {
        for name in names {
            if let Some((name, wish)) = self.pending.remove_entry(name) {
                self.refused.insert(name, wish);
            }
        }
    }
}

/// Makes one change.
pub(super) fn make(items: &mut Items, name: &str, wish: &Wish) -> Result<(), Unreadable> {
    let previous = items.get(name).map(String::as_str);
    if let Some(Err(Unreadable::Newer)) = previous.map(codec::decode) {
        return Err(Unreadable::Newer);
    }
    if wish.gives_way_to(previous.and_then(codec::written)) {
        return Ok(());
    }
    match wish {
        Wish::Put(entry) | Wish::Recover(entry) => {
            let text = codec::encode(entry, previous);
            items.insert(name.to_owned(), text);
        }
        Wish::Remove | Wish::Forget(_) => drop(items.remove(name)),
    }
    Ok(())
}

#[cfg(test)]
mod tests;
