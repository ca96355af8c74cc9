//! From a tree in a pack to files on disk.

use std::ffi::OsStr;
use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, BufRead as _, Read as _, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use git2::Oid;

use super::Checkout;
use super::attributes::{Attributes, Conversion};
use super::fault::{Fault, go_on};
use super::index::IndexWriter;
use super::pack::{Content, Objects};
use super::tree::{Mode, Node, Walk};
use crate::artifact::source::Limits;

const ATTRIBUTES: &[u8] = b".gitattributes";

/// Largest `.gitattributes` that is obeyed: 1 MiB.
const LARGEST_ATTRIBUTES: u64 = 1 << 20;

/// Longest target of a link, in bytes. What Linux takes.
const LONGEST_TARGET: u64 = 4095;

/// Largest pointer of Git LFS, in bytes. Source: Git LFS, specification.
const LARGEST_POINTER: u64 = 1024;

/// What is in a tree, before anything is written.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Survey {
    /// Links included.
    pub(super) files: u64,
    pub(super) bytes: u64,
    pub(super) submodules: u64,
    /// The first of them.
    pub(super) named_submodules: Vec<String>,
    has_links: bool,
    /// Whether `.gitattributes` may change the content of files.
    converts: bool,
    /// Whether they ask for another encoding.
    pub(super) encodes: bool,
    /// One that is too large to be obeyed.
    pub(super) large_attributes: Option<String>,
}

impl Survey {
    /// Goes through a tree and checks its bounds.
    pub(super) fn of(objects: &mut Objects, tree: Oid, limits: &Limits) -> Result<Self, Fault> {
        let mut survey = Self::default();
        let mut walk = Walk::new(objects, tree)?;
        let mut entries = 0;
        while let Some(node) = walk.next(objects)? {
            entries += 1;
            if entries > limits.entries {
                return Err(Fault::TooMany {
                    limit: limits.entries,
                });
            }
            survey.see(objects, &walk, &node)?;
            if survey.bytes > limits.unpacked_bytes {
                return Err(Fault::TooLarge {
                    limit: limits.unpacked_bytes,
                });
            }
        }
        Ok(survey)
    }

    fn see(&mut self, objects: &mut Objects, walk: &Walk, node: &Node) -> Result<(), Fault> {
        let Some(place) = node.place else {
            self.submodules += 1;
            if self.named_submodules.len() < Checkout::NAMED {
                self.named_submodules.push(walk.shown());
            }
            return Ok(());
        };
        if node.mode == Mode::Directory {
            return Ok(());
        }
        let size = objects.entry(place).size;
        self.files += 1;
        self.bytes = self.bytes.saturating_add(size);
        self.has_links |= node.mode == Mode::Link;
        if node.mode != Mode::Link && walk.name() == ATTRIBUTES {
            self.see_attributes(objects, walk, place, size)?;
        }
        Ok(())
    }

    fn see_attributes(
        &mut self,
        objects: &mut Objects,
        walk: &Walk,
        place: u32,
        size: u64,
    ) -> Result<(), Fault> {
        if size > LARGEST_ATTRIBUTES {
            self.large_attributes.get_or_insert_with(|| walk.shown());
            return Ok(());
        }
        let mut text = Vec::new();
        let mut reader = objects.content(place)?.reader(0)?;
        reader
            .read_to_end(&mut text)
            .map_err(Fault::disk(Path::new("objects/pack")))?;
        let says = |word: &[u8]| text.windows(word.len()).any(|part| part == word);
        self.converts |= says(b"eol=crlf") || says(b"ident");
        self.encodes |= says(b"working-tree-encoding");
        Ok(())
    }
}

/// What only the content of files tells.
#[derive(Debug, Default)]
pub(super) struct Findings {
    pub(super) pointers: u64,
    /// The first of them.
    pub(super) named_pointers: Vec<String>,
    /// Files that stay as they are because they are large.
    pub(super) unconverted: u64,
}

/// Writes a tree down, into a directory that is empty, and its index.
pub(super) fn write(
    objects: &mut Objects,
    tree: Oid,
    survey: &Survey,
    work_tree: &Path,
    git_dir: &Path,
) -> Result<Findings, Fault> {
    let index = git_dir.join("index");
    let mut writing = Writing {
        objects,
        work_tree,
        attributes: None,
        index: IndexWriter::new(&index, survey.files + survey.submodules)?,
        findings: Findings::default(),
    };
    writing.objects.progress().files.expect(survey.files);
    if survey.converts && survey.large_attributes.is_none() {
        // All of them must be there before the first file is looked up.
        writing.pass(tree, Writing::prepare)?;
        let scratch = git_dir.join("attributes.config");
        writing.attributes = Some(Attributes::new(work_tree, &scratch).map_err(unreadable(""))?);
        writing.pass(tree, Writing::file)?;
        std::fs::remove_file(&scratch).map_err(Fault::disk(&scratch))?;
    } else {
        writing.pass(tree, Writing::file)?;
    }
    if survey.has_links {
        // At the end, so that no `.gitattributes` is read through one.
        writing.pass(tree, Writing::link)?;
    }
    writing.index.finish()?;
    Ok(writing.findings)
}

struct Writing<'a> {
    objects: &'a mut Objects,
    work_tree: &'a Path,
    /// Present when files are to be converted. All directories and `.gitattributes` exist then.
    attributes: Option<Attributes>,
    index: IndexWriter,
    findings: Findings,
}

impl Writing<'_> {
    /// Does something for each entry of the tree.
    fn pass(
        &mut self,
        tree: Oid,
        mut act: impl FnMut(&mut Self, &Walk, &Node) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        let mut walk = Walk::new(self.objects, tree)?;
        while let Some(node) = walk.next(self.objects)? {
            act(self, &walk, &node)?;
        }
        Ok(())
    }

    /// Directories and `.gitattributes`.
    fn prepare(&mut self, walk: &Walk, node: &Node) -> Result<(), Fault> {
        match (node.mode, node.place) {
            (Mode::Directory, _) => self.directory(walk),
            (Mode::File | Mode::Executable, Some(place)) if walk.name() == ATTRIBUTES => {
                let path = self.path(walk);
                let content = self.objects.content(place)?;
                let mut file = create(&path, node.mode).map_err(refused(walk, &path))?;
                copy(&content, &mut file, &path, self.objects)
            }
            _ => Ok(()),
        }
    }

    /// Everything but links.
    fn file(&mut self, walk: &Walk, node: &Node) -> Result<(), Fault> {
        if node.mode != Mode::Directory {
            self.index.add(walk.path(), node.mode, node.id)?;
        }
        match (node.mode, node.place) {
            (Mode::Directory, _) if self.attributes.is_some() => Ok(()),
            // That of a submodule stays empty.
            (Mode::Directory | Mode::Submodule, _) => self.directory(walk),
            (Mode::File | Mode::Executable, Some(place)) => {
                self.blob(walk, node, place)?;
                self.objects.progress().files.advance();
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn link(&mut self, walk: &Walk, node: &Node) -> Result<(), Fault> {
        let (Mode::Link, Some(place)) = (node.mode, node.place) else {
            return Ok(());
        };
        let wrong = |problem| Fault::Entry {
            path: walk.shown(),
            problem,
        };
        if self.objects.entry(place).size > LONGEST_TARGET {
            return Err(wrong("the target of the link is too long"));
        }
        let path = self.path(walk);
        let mut target = Vec::new();
        let mut reader = self.objects.content(place)?.reader(0)?;
        reader
            .read_to_end(&mut target)
            .map_err(Fault::disk(&path))?;
        if target.is_empty() || target.contains(&0) {
            return Err(wrong("the target of the link is no path"));
        }
        symlink(OsStr::from_bytes(&target), &path).map_err(refused(walk, &path))?;
        self.objects.progress().files.advance();
        Ok(())
    }

    fn directory(&mut self, walk: &Walk) -> Result<(), Fault> {
        let path = self.path(walk);
        std::fs::create_dir(&path).map_err(refused(walk, &path))
    }

    fn path(&self, walk: &Walk) -> PathBuf {
        self.work_tree.join(OsStr::from_bytes(walk.path()))
    }

    fn blob(&mut self, walk: &Walk, node: &Node, place: u32) -> Result<(), Fault> {
        let conversion = self.conversion(walk)?;
        let content = self.objects.content(place)?;
        self.look_for_pointer(walk, place, &content)?;
        let path = self.path(walk);
        // It is there already, as it is in the repository.
        let is_prepared = self.attributes.is_some() && walk.name() == ATTRIBUTES;
        match &content {
            Content::Memory(bytes) if conversion != Conversion::default() => {
                let converted = conversion.apply(bytes, node.id);
                let mut file = if is_prepared {
                    File::create(&path).map_err(Fault::disk(&path))?
                } else {
                    create(&path, node.mode).map_err(refused(walk, &path))?
                };
                file.write_all(&converted).map_err(Fault::disk(&path))
            }
            _ if is_prepared => Ok(()),
            Content::Memory(_) => {
                let mut file = create(&path, node.mode).map_err(refused(walk, &path))?;
                copy(&content, &mut file, &path, self.objects)
            }
            Content::File(from) => {
                if conversion != Conversion::default() {
                    self.findings.unconverted += 1;
                }
                self.large(walk, node, place, from, &content)
            }
        }
    }

    /// A large file moves to its place, unless the same content is at another place already.
    fn large(
        &mut self,
        walk: &Walk,
        node: &Node,
        place: u32,
        from: &Path,
        content: &Content,
    ) -> Result<(), Fault> {
        let path = self.path(walk);
        // Claims the name, because moving a file there would silently replace another one.
        let mut file = create(&path, node.mode).map_err(refused(walk, &path))?;
        let mode = file.metadata().map_err(Fault::disk(&path))?.permissions();
        if !self.objects.give_away(place, from, &path)? {
            return copy(content, &mut file, &path, self.objects);
        }
        let permissions = Permissions::from_mode(mode.mode());
        std::fs::set_permissions(&path, permissions).map_err(Fault::disk(&path))
    }

    fn conversion(&self, walk: &Walk) -> Result<Conversion, Fault> {
        let path = Path::new(OsStr::from_bytes(walk.path()));
        match &self.attributes {
            Some(attributes) => attributes.of(path).map_err(unreadable(&walk.shown())),
            None => Ok(Conversion::default()),
        }
    }

    fn look_for_pointer(
        &mut self,
        walk: &Walk,
        place: u32,
        content: &Content,
    ) -> Result<(), Fault> {
        const MARKS: [&[u8]; 2] = [
            b"version https://git-lfs.github.com/spec/v1\n",
            // Its name before the first release.
            b"version https://hawser.github.com/spec/v1\n",
        ];
        if self.objects.entry(place).size > LARGEST_POINTER {
            return Ok(());
        }
        let mut reader = content.reader(0)?;
        let start = reader
            .fill_buf()
            .map_err(Fault::disk(Path::new("objects/pack")))?;
        if MARKS.iter().any(|mark| start.starts_with(mark)) {
            self.findings.pointers += 1;
            if self.findings.named_pointers.len() < Checkout::NAMED {
                self.findings.named_pointers.push(walk.shown());
            }
        }
        Ok(())
    }
}

/// A new file; never one that exists, and never through a link.
fn create(path: &Path, mode: Mode) -> io::Result<File> {
    let permissions = if mode == Mode::Executable {
        0o777
    } else {
        0o666
    };
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(permissions)
        .open(path)
}

fn copy(content: &Content, file: &mut File, path: &Path, objects: &Objects) -> Result<(), Fault> {
    let mut reader = content.reader(0)?;
    loop {
        go_on(objects.halt())?;
        let piece = reader.fill_buf().map_err(Fault::disk(path))?;
        let length = piece.len();
        if length == 0 {
            return Ok(());
        }
        file.write_all(piece).map_err(Fault::disk(path))?;
        reader.consume(length);
    }
}

/// Names the entry when it is to blame, else the place on disk.
fn refused(walk: &Walk, path: &Path) -> impl FnOnce(io::Error) -> Fault {
    move |error| {
        let problem = match error.kind() {
            io::ErrorKind::AlreadyExists => "it is there twice",
            io::ErrorKind::InvalidFilename => "its name is too long",
            _ => return Fault::disk(path)(error),
        };
        Fault::Entry {
            path: walk.shown(),
            problem,
        }
    }
}

fn unreadable(path: &str) -> impl FnOnce(git2::Error) -> Fault {
    move |source| Fault::Attributes {
        path: path.to_owned(),
        source,
    }
}
