//! What `.gitattributes` of the work tree say about a file. libgit2 interprets them.

use std::path::Path;

use git2::{AttrCheckFlags, AttrValue, Config, Index, Odb, Repository};

/// What is to be done to a file when it is checked out. Source: git, `gitattributes`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Conversion {
    pub(super) line_ends: LineEnds,
    /// `$Id$` becomes `$Id: <hash of the content> $`.
    pub(super) ident: bool,
}

/// What line feeds become.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum LineEnds {
    /// They stay.
    #[default]
    Kept,
    /// CR LF.
    Windows,
    /// CR LF, when the content looks like text.
    WindowsIfText,
}

/// The attributes of a work tree.
pub(super) struct Attributes(Repository);

impl Attributes {
    /// Prepares to read them. `scratch` is a file that may be written.
    ///
    /// The repository is one in memory, because opening one on disk reads the configuration of the machine and the user,
    /// and fails when that is broken; the configuration of this one names no attributes of theirs.
    pub(super) fn new(work_tree: &Path, scratch: &Path) -> Result<Self, git2::Error> {
        let write = std::fs::write(
            scratch,
            "[core]\n\tattributesFile = /dev/null\n\texcludesFile = /dev/null\n",
        );
        write.map_err(|error| git2::Error::from_str(&error.to_string()))?;
        let repository = Repository::from_odb(Odb::new()?)?;
        repository.set_config(&Config::open(scratch)?)?;
        repository.set_index(&mut Index::new()?)?;
        repository.set_workdir(work_tree, false)?;
        Ok(Self(repository))
    }

    /// Those of a file. All `.gitattributes` above it must have been checked out.
    pub(super) fn of(&self, path: &Path) -> Result<Conversion, git2::Error> {
        Ok(Conversion {
            line_ends: self.line_ends(path)?,
            ident: self.get(path, "ident")? == AttrValue::True,
        })
    }

    fn line_ends(&self, path: &Path) -> Result<LineEnds, git2::Error> {
        if self.get(path, "eol")? != AttrValue::Bytes(b"crlf") {
            return Ok(LineEnds::Kept);
        }
        let text = match self.get(path, "text")? {
            // Its older name.
            AttrValue::Unspecified => self.get(path, "crlf")?,
            text => text,
        };
        Ok(match text {
            AttrValue::False => LineEnds::Kept,
            AttrValue::Bytes(b"auto") => LineEnds::WindowsIfText,
            _ => LineEnds::Windows,
        })
    }

    fn get(&self, path: &Path, name: &str) -> Result<AttrValue<'_>, git2::Error> {
        let flags = AttrCheckFlags::FILE_THEN_INDEX | AttrCheckFlags::NO_SYSTEM;
        let value = self.0.get_attr_bytes(path, name, flags)?;
        Ok(AttrValue::always_bytes(value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_ends_follow_text_and_eol() {
        let home = tempfile::tempdir().unwrap();
        let rules = "* text=auto\n*.bat eol=crlf\n*.txt text eol=crlf\n*.sh text eol=lf\n*.bin -text eol=crlf\n*.old crlf eol=crlf\n*.id ident\n[attr]windows text eol=crlf\n*.macro windows\n";
        std::fs::write(home.path().join(".gitattributes"), rules).unwrap();
        std::fs::create_dir(home.path().join("sub")).unwrap();
        std::fs::write(home.path().join("sub/.gitattributes"), "*.txt -text\n").unwrap();
        let attributes = Attributes::new(home.path(), &home.path().join("scratch")).unwrap();
        for (path, line_ends, ident) in [
            ("a.c", LineEnds::Kept, false),
            ("a.bat", LineEnds::WindowsIfText, false),
            ("a.txt", LineEnds::Windows, false),
            ("sub/a.txt", LineEnds::Kept, false),
            ("a.sh", LineEnds::Kept, false),
            ("a.bin", LineEnds::Kept, false),
            ("a.macro", LineEnds::Windows, false),
            ("a.id", LineEnds::Kept, true),
        ] {
            let expected = Conversion { line_ends, ident };
            assert_eq!(attributes.of(Path::new(path)).unwrap(), expected, "{path}");
        }
    }
}
