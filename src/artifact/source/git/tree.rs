//! Commits and trees: what they say, and a walk through all entries in their order.

use std::io::{self, BufRead};

use git2::Oid;

use super::fault::{Fault, go_on};
use super::pack::{Content, Kind, Objects};

/// Longest path of an entry, in bytes: what Linux takes, less some room for the directory in front of it.
const LONGEST_PATH: usize = 3000;

/// Tags that may stand for tags, before a commit must come.
const NESTED_TAGS: usize = 10;

/// Longest commit or tag that is read, in bytes. What matters stands in its first lines.
const LONGEST_HEADER: u64 = 1 << 20;

/// A commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Commit {
    pub(super) id: Oid,
    pub(super) tree: Oid,
    pub(super) parents: Vec<Oid>,
    /// Seconds since 1970.
    pub(super) committed_at: i64,
}

impl Commit {
    /// The commit that an object is, or that a tag stands for.
    pub(super) fn find(objects: &mut Objects, object: Oid) -> Result<Self, Fault> {
        const MISSING: Fault = Fault::Corrupt("the commit is not in the pack");
        let mut id = object;
        for _ in 0..NESTED_TAGS {
            let place = objects.find(id).ok_or(MISSING)?;
            let content = objects.content(place)?;
            match objects.entry(place).kind {
                Kind::Commit => {
                    let commit = Self::read(id, &content)?;
                    return commit.ok_or(Fault::Corrupt("the commit cannot be read"));
                }
                Kind::Tag => {
                    let target = header(&content, b"object ")?.and_then(|line| hex_id(&line));
                    id = target.ok_or(Fault::Corrupt("the tag cannot be read"))?;
                }
                _ => break,
            }
        }
        Err(Fault::Corrupt("the name does not stand for a commit"))
    }

    fn read(id: Oid, content: &Content) -> Result<Option<Self>, Fault> {
        let (mut tree, mut committed_at, mut parents) = (None, None, Vec::new());
        for line in lines(content)? {
            let line = line?;
            if line.is_empty() {
                break;
            } else if let Some(id) = line.strip_prefix(b"tree ") {
                tree = hex_id(id);
            } else if let Some(id) = line.strip_prefix(b"parent ") {
                parents.extend(hex_id(id));
            } else if let Some(committer) = line.strip_prefix(b"committer ") {
                committed_at = seconds(committer);
            }
        }
        Ok(tree.map(|tree| Self {
            id,
            tree,
            parents,
            // Git, too, takes an unreadable date for the beginning of time.
            committed_at: committed_at.unwrap_or_default(),
        }))
    }
}

fn lines(content: &Content) -> Result<impl Iterator<Item = Result<Vec<u8>, Fault>>, Fault> {
    let reader = io::Read::take(content.reader(0)?, LONGEST_HEADER);
    let wrong = |_| Fault::Corrupt("a commit or tag cannot be read");
    Ok(reader.split(b'\n').map(move |line| line.map_err(wrong)))
}

fn header(content: &Content, name: &[u8]) -> Result<Option<Vec<u8>>, Fault> {
    for line in lines(content)? {
        let line = line?;
        if let Some(value) = line.strip_prefix(name) {
            return Ok(Some(value.to_vec()));
        }
        if line.is_empty() {
            break;
        }
    }
    Ok(None)
}

fn hex_id(text: &[u8]) -> Option<Oid> {
    let text = std::str::from_utf8(text).ok()?;
    (text.len() == 40)
        .then(|| Oid::from_str(text).ok())
        .flatten()
}

/// The time of `Name <address> 1700000000 +0100`.
fn seconds(committer: &[u8]) -> Option<i64> {
    let after = committer.rsplit(|byte| *byte == b'>').next()?;
    let text = std::str::from_utf8(after).ok()?;
    text.split_whitespace().next()?.parse().ok()
}

/// What an entry of a tree is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    Directory,
    File,
    Executable,
    Link,
    Submodule,
}

impl Mode {
    fn read(digits: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(digits).ok()?;
        let bits = u32::from_str_radix(text, 8).ok()?;
        Some(match bits & 0o170_000 {
            0o040_000 => Self::Directory,
            // Git knows no other permission than this one.
            0o100_000 if bits & 0o100 != 0 => Self::Executable,
            0o100_000 => Self::File,
            0o120_000 => Self::Link,
            0o160_000 => Self::Submodule,
            _ => return None,
        })
    }

    /// As Git's index writes it.
    pub(super) fn bits(self) -> u32 {
        match self {
            Self::Directory => 0o040_000,
            Self::File => 0o100_644,
            Self::Executable => 0o100_755,
            Self::Link => 0o120_000,
            Self::Submodule => 0o160_000,
        }
    }
}

/// An entry, found on a walk.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) mode: Mode,
    pub(super) id: Oid,
    /// In the pack. Submodules have none.
    pub(super) place: Option<u32>,
}

/// A walk through a tree and those below it, in the order of Git's index.
pub(super) struct Walk {
    /// The trees that are open, the top first.
    open: Vec<Level>,
    /// The content of the last of them, from where the walk stands in it.
    reader: Option<Box<dyn BufRead>>,
    /// Of the last entry, relative to the top.
    path: Vec<u8>,
}

struct Level {
    place: u32,
    /// Bytes of it that have been read.
    position: u64,
    /// Length of its own path.
    path: usize,
}

impl Walk {
    pub(super) fn new(objects: &Objects, tree: Oid) -> Result<Self, Fault> {
        let mut walk = Self {
            open: Vec::new(),
            reader: None,
            path: Vec::new(),
        };
        let place = found(objects, tree, Kind::Tree)?;
        walk.enter(place);
        Ok(walk)
    }

    /// The last entry's path, relative to the top.
    pub(super) fn path(&self) -> &[u8] {
        &self.path
    }

    /// The same to be shown.
    pub(super) fn shown(&self) -> String {
        shown(&self.path)
    }

    /// The last component of the path.
    pub(super) fn name(&self) -> &[u8] {
        self.path
            .rsplit(|byte| *byte == b'/')
            .next()
            .unwrap_or_default()
    }

    /// The next entry. A directory comes before what is in it.
    pub(super) fn next(&mut self, objects: &mut Objects) -> Result<Option<Node>, Fault> {
        go_on(objects.halt())?;
        while let Some(level) = self.open.last_mut() {
            let reader = match &mut self.reader {
                Some(reader) => reader,
                // A tree is read anew after one below it, so that only one is held at a time.
                closed => closed.insert(objects.content(level.place)?.reader(level.position)?),
            };
            self.path.truncate(level.path);
            let Some((mode, id, length)) = entry(reader, &mut self.path)? else {
                self.open.pop();
                self.reader = None;
                continue;
            };
            level.position += length;
            self.check()?;
            let place = match mode {
                Mode::Submodule => None,
                Mode::Directory => Some(found(objects, id, Kind::Tree)?),
                Mode::File | Mode::Executable | Mode::Link => Some(found(objects, id, Kind::Blob)?),
            };
            if let (Mode::Directory, Some(place)) = (mode, place) {
                self.enter(place);
            }
            return Ok(Some(Node { mode, id, place }));
        }
        Ok(None)
    }

    fn enter(&mut self, place: u32) {
        self.open.push(Level {
            place,
            position: 0,
            path: self.path.len(),
        });
        self.reader = None;
    }

    /// Refuses names that lead out of the directory or into Git's own.
    fn check(&self) -> Result<(), Fault> {
        let problem = match self.name() {
            b"" | b"." | b".." => "no file has such a name",
            name if name.eq_ignore_ascii_case(b".git") => {
                "it would be taken for Git's own directory"
            }
            _ if self.path.len() > LONGEST_PATH => "its path is too long",
            _ => return Ok(()),
        };
        Err(Fault::Entry {
            path: self.shown(),
            problem,
        })
    }
}

/// A path for people.
pub(super) fn shown(path: &[u8]) -> String {
    let text = String::from_utf8_lossy(path);
    text.chars()
        .filter(|c| !crate::plain::steers(*c))
        .take(500)
        .collect()
}

fn found(objects: &Objects, id: Oid, kind: Kind) -> Result<u32, Fault> {
    objects
        .find(id)
        .filter(|place| objects.entry(*place).kind == kind)
        .ok_or(Fault::Corrupt("an object is missing"))
}

/// Reads `<mode> <name>\0<id>` and appends the name to a path. `None` at the end.
fn entry(tree: &mut dyn BufRead, path: &mut Vec<u8>) -> Result<Option<(Mode, Oid, u64)>, Fault> {
    const LONGEST_MODE: usize = 7;
    const LONGEST_NAME: usize = 4096;
    let wrong = || Fault::Corrupt("a tree cannot be read");
    let mut digits = Vec::new();
    read_until(tree, b' ', LONGEST_MODE, &mut digits).ok_or_else(wrong)?;
    if digits.is_empty() {
        return Ok(None);
    }
    let mode = digits
        .strip_suffix(b" ")
        .and_then(Mode::read)
        .ok_or_else(wrong)?;
    if !path.is_empty() {
        path.push(b'/');
    }
    let mut name = Vec::new();
    read_until(tree, 0, LONGEST_NAME, &mut name).ok_or_else(wrong)?;
    let own = name
        .strip_suffix(b"\0")
        .filter(|name| !name.contains(&b'/'))
        .ok_or_else(wrong)?;
    path.extend_from_slice(own);
    let mut id = [0; 20];
    tree.read_exact(&mut id).map_err(|_| wrong())?;
    let id = Oid::from_bytes(&id).map_err(|_| wrong())?;
    Ok(Some((mode, id, (digits.len() + name.len() + 20) as u64)))
}

fn read_until(tree: &mut dyn BufRead, end: u8, most: usize, into: &mut Vec<u8>) -> Option<usize> {
    io::Read::take(tree, most as u64).read_until(end, into).ok()
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::*;

    fn content(text: &str) -> Content {
        Content::Memory(Rc::new(text.as_bytes().to_vec()))
    }

    fn read(tree: &[u8]) -> Option<(Mode, String)> {
        let mut path = b"dir".to_vec();
        let mut tree = tree;
        let (mode, _, length) = entry(&mut tree, &mut path).ok()??;
        assert!(length > 20);
        Some((mode, String::from_utf8(path).unwrap()))
    }

    #[test]
    fn a_commit_is_read_up_to_its_message() {
        let (one, two) = ("1".repeat(40), "2".repeat(40));
        let text = format!(
            "tree {one}\nparent {two}\nauthor A <a> 1 +0000\ncommitter B > <b@c> 1700000000 -0500\n\ntree {two}\n"
        );
        let id = Oid::from_str(&two).unwrap();
        let commit = Commit::read(id, &content(&text)).unwrap().unwrap();
        assert_eq!(commit.tree.to_string(), one);
        assert_eq!(commit.parents, [id]);
        assert_eq!(commit.committed_at, 1_700_000_000);
        assert_eq!(Commit::read(id, &content("\ntree")).unwrap(), None);
    }

    #[test]
    fn modes_are_those_of_git() {
        for (digits, mode) in [
            ("40000", Mode::Directory),
            ("100644", Mode::File),
            ("100664", Mode::File),
            ("100755", Mode::Executable),
            ("120000", Mode::Link),
            ("160000", Mode::Submodule),
        ] {
            let tree = [digits.as_bytes(), b" name\0", &[7; 20]].concat();
            assert_eq!(read(&tree), Some((mode, "dir/name".to_owned())));
        }
    }

    #[test]
    fn trees_that_make_no_sense_are_refused() {
        for tree in [
            &b"100644"[..],
            b"100644 name",
            b"100644 name\0short",
            b"999999 name\x00aaaaaaaaaaaaaaaaaaaa",
            b"010000 name\x00aaaaaaaaaaaaaaaaaaaa",
            b"100644 na/me\x00aaaaaaaaaaaaaaaaaaaa",
            b"10064444444 name\x00aaaaaaaaaaaaaaaaaaaa",
        ] {
            assert!(entry(&mut &*tree, &mut Vec::new()).is_err(), "{tree:?}");
        }
    }
}
