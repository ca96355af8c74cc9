//! A page as its readers see it: blocks with their info strings, headings with their anchors, links.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// One Markdown file of the repository.
pub(super) struct Page {
    /// Relative to the repository, e.g. `docs/dispatch.md`.
    pub(super) name: String,
    pub(super) text: String,
    pub(super) blocks: Vec<Block>,
}

/// A fenced block.
#[derive(Debug, Clone)]
pub(super) struct Block {
    /// Line of its first line of content, from 1.
    pub(super) line: usize,
    /// First word of the info string; empty without one.
    pub(super) language: String,
    /// The rest of it: `name=value`, `name="a value"` or `name`.
    pub(super) attributes: Vec<(String, String)>,
    pub(super) text: String,
}

impl Block {
    pub(super) fn attribute(&self, name: &str) -> Option<&str> {
        let found = self.attributes.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.attribute(name).is_some()
    }

    /// Whether it holds commands.
    pub(super) fn is_shell(&self) -> bool {
        matches!(self.language.as_str(), "sh" | "console")
    }
}

impl Page {
    pub(super) fn read(name: &str) -> Self {
        let path = super::repository(name);
        let text = std::fs::read_to_string(&path)
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Self::of(name, text)
    }

    pub(super) fn of(name: &str, text: String) -> Self {
        let blocks = blocks(name, &text);
        Self {
            name: name.to_owned(),
            text,
            blocks,
        }
    }

    /// Where a block stands, as editors understand it.
    pub(super) fn place(&self, line: usize) -> String {
        format!("{}:{line}", self.name)
    }

    /// The lines outside of fenced blocks, with their numbers.
    pub(super) fn prose(&self) -> Vec<(usize, &str)> {
        let mut inside = false;
        let mut prose = Vec::new();
        for (index, line) in self.text.lines().enumerate() {
            if line.trim_start().starts_with("```") {
                inside = !inside;
            } else if !inside {
                prose.push((index + 1, line));
            }
        }
        prose
    }

    /// What may stand behind `#` in a link to this page, as code hosts make it of headings.
    pub(super) fn anchors(&self) -> BTreeSet<String> {
        let mut anchors = BTreeSet::new();
        for (_, line) in self.prose() {
            let title = line.trim_start_matches('#');
            if title.len() == line.len() || !title.starts_with(' ') {
                continue;
            }
            let anchor = anchor(title.trim());
            let again = (1..).map(|number| format!("{anchor}-{number}"));
            let free = std::iter::once(anchor.clone())
                .chain(again)
                .find(|name| !anchors.contains(name));
            anchors.insert(free.expect("numbers do not end"));
        }
        anchors
    }

    /// Targets of links and pictures outside of blocks and code, with their lines.
    pub(super) fn links(&self) -> Vec<(usize, String)> {
        let mut links = Vec::new();
        for (number, line) in self.prose() {
            let plain = without_code(line);
            for part in plain.split("](").skip(1) {
                let target: String = part.chars().take_while(|c| *c != ')').collect();
                links.push((number, target));
            }
        }
        links
    }
}

/// A heading as an anchor: lower case, hyphens for spaces, nothing else than letters, digits, `-` and `_`.
fn anchor(title: &str) -> String {
    let kept = |c: &char| c.is_alphanumeric() || matches!(c, '-' | '_' | ' ');
    let plain: String = title.to_lowercase().chars().filter(kept).collect();
    plain.replace(' ', "-")
}

fn without_code(line: &str) -> String {
    let parts = line.split('`').enumerate();
    let outside = parts.filter(|(index, _)| index % 2 == 0);
    outside.map(|(_, part)| part).collect()
}

fn blocks(page: &str, text: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut lines = text.lines().enumerate();
    while let Some((index, line)) = lines.next() {
        let trimmed = line.trim_start();
        let Some(info) = trimmed.strip_prefix("```") else {
            continue;
        };
        let indent = line.len() - trimmed.len();
        let mut content = String::new();
        loop {
            let Some((_, line)) = lines.next() else {
                panic!("{page}:{}: this block has no end", index + 1);
            };
            if line.trim() == "```" {
                break;
            }
            content.push_str(line.get(indent..).unwrap_or(line.trim_start()));
            content.push('\n');
        }
        let (language, rest) = info.split_once(' ').unwrap_or((info, ""));
        blocks.push(Block {
            line: index + 2,
            language: language.to_owned(),
            attributes: attributes(rest)
                .unwrap_or_else(|| panic!("{page}:{}: the info string has no end", index + 1)),
            text: content,
        });
    }
    blocks
}

/// `a=b c="d e" f` → pairs; `None` when a quote has no end.
fn attributes(mut rest: &str) -> Option<Vec<(String, String)>> {
    let mut pairs = Vec::new();
    loop {
        rest = rest.trim_start();
        if rest.is_empty() {
            return Some(pairs);
        }
        let end = rest.find([' ', '=']).unwrap_or(rest.len());
        let (name, after) = rest.split_at(end);
        let Some(value) = after.strip_prefix('=') else {
            pairs.push((name.to_owned(), String::new()));
            rest = after;
            continue;
        };
        let (value, after) = match value.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"')?,
            None => value.split_once(' ').unwrap_or((value, "")),
        };
        pairs.push((name.to_owned(), value.to_owned()));
        rest = after;
    }
}

/// Every page: README.md, docs/, deploy/, by name.
pub(super) fn names() -> Vec<String> {
    let mut names = vec!["README.md".to_owned()];
    let mut folders = vec![PathBuf::from("docs"), PathBuf::from("deploy")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(super::repository(&folder)).expect("part of the repository")
        {
            let name = folder.join(entry.expect("readable").file_name());
            if super::repository(&name).is_dir() {
                folders.push(name);
            } else if name.extension() == Some(Path::new("md").as_os_str()) {
                names.push(name.display().to_string());
            }
        }
    }
    names.sort();
    names
}

pub(super) fn all() -> Vec<Page> {
    names().iter().map(|name| Page::read(name)).collect()
}

#[test]
fn a_page_is_read_as_a_code_host_reads_it() {
    let text = "# A *page*, of `cs`\n## Two\n## Two\n```sh no-run=\"takes a day\" x=1 y\ncs demo # [no](link)\n```\n\
                [a](b.md#c) and `[not](this)` ![p](p.svg)\n  ```yaml\n  a: 1\n  ```\n";
    let page = Page::of("p.md", text.to_owned());
    let anchors: Vec<String> = page.anchors().into_iter().collect();
    assert_eq!(anchors, ["a-page-of-cs", "two", "two-1"]);
    let links: Vec<String> = page.links().into_iter().map(|(_, link)| link).collect();
    assert_eq!(links, ["b.md#c", "p.svg"]);
    let [shell, yaml] = &page.blocks[..] else {
        panic!("{:?}", page.blocks)
    };
    assert_eq!((shell.line, shell.language.as_str()), (5, "sh"));
    assert_eq!(shell.attribute("no-run"), Some("takes a day"));
    assert_eq!(shell.attribute("x"), Some("1"));
    assert!(shell.has("y") && !shell.has("z"));
    assert_eq!(yaml.text, "a: 1\n");
}
