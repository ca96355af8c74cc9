//! `.csignore`: which files of a folder are no specs. The rules are those of `.gitignore`.
//!
//! One pattern a line; `#` in front makes a comment, `!` takes back what an earlier line ignores, the last match wins, and
//! a file in a deeper folder wins over one above it. A pattern with a slash at its start or in its middle is meant from the
//! file's own folder, any other for every folder below; a slash at the end means folders only. `*` and `?` stop at a slash,
//! `**` as a whole part crosses them. What is in an ignored folder cannot be taken back, as in Git.

use std::borrow::Cow;

use crate::artifact::build::context::pattern::Pattern;

/// The name of the file.
pub(super) const NAME: &str = ".csignore";

/// The rules of one file.
#[derive(Debug, Default)]
pub(super) struct Ignore {
    rules: Vec<Rule>,
}

#[derive(Debug)]
struct Rule {
    pattern: Pattern,
    is_exception: bool,
    for_folders: bool,
}

/// A line that is no pattern.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct BadLine {
    /// From 1.
    pub(super) line: usize,
    pub(super) problem: &'static str,
}

impl Ignore {
    /// Reads a file.
    pub(super) fn parse(text: &str) -> Result<Self, BadLine> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut rules = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let parsed = Rule::parse(line).map_err(|problem| BadLine {
                line: index + 1,
                problem,
            })?;
            rules.extend(parsed);
        }
        Ok(Self { rules })
    }

    /// What it says about a path, relative to its folder; `None` when it says nothing.
    pub(super) fn says(&self, path: &str, is_folder: bool) -> Option<bool> {
        let mut rules = self.rules.iter().rev();
        let last =
            rules.find(|rule| (is_folder || !rule.for_folders) && rule.pattern.matches(path));
        last.map(|rule| !rule.is_exception)
    }
}

impl Rule {
    fn parse(line: &str) -> Result<Option<Self>, &'static str> {
        let line = without_trailing_spaces(line);
        if line.is_empty() || line.starts_with('#') {
            return Ok(None);
        }
        let (is_exception, line) = match line.strip_prefix('!') {
            Some(rest) => (true, rest),
            None => (false, line),
        };
        let (for_folders, path) = match line.strip_suffix('/') {
            Some(path) => (true, path),
            None => (false, line),
        };
        let is_from_here = path.contains('/');
        let path = path.strip_prefix('/').unwrap_or(path);
        if path.is_empty() {
            return Err("there is no name in it");
        }
        let path = if is_from_here {
            Cow::Borrowed(path)
        } else {
            Cow::Owned(format!("**/{path}"))
        };
        let parts: Vec<Cow<'_, str>> = path.split('/').map(part).collect();
        Ok(Some(Self {
            pattern: Pattern::parse(&parts.join("/"))?,
            is_exception,
            for_folders,
        }))
    }
}

/// Spaces at the end of a line do not count, unless a `\` stands in front of them.
fn without_trailing_spaces(line: &str) -> &str {
    let mut line = line.trim_end_matches('\r');
    while let Some(shorter) = line.strip_suffix(' ') {
        let backslashes = shorter.len() - shorter.trim_end_matches('\\').len();
        if backslashes % 2 == 1 {
            break;
        }
        line = shorter;
    }
    line
}

/// One part of a path in the pattern's own language: `**` crosses slashes there wherever it stands, and sets are negated
/// with `^` only.
fn part(text: &str) -> Cow<'_, str> {
    if text == "**" || !(text.contains("**") || text.contains("[!")) {
        return Cow::Borrowed(text);
    }
    let mut text = text.replace("[!", "[^");
    while text.contains("**") {
        text = text.replace("**", "*");
    }
    Cow::Owned(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether a path is ignored, as the walk asks it: folder by folder.
    fn ignores(rules: &str, path: &str) -> bool {
        let ignore = Ignore::parse(rules).unwrap();
        let is_folder = path.ends_with('/');
        let path = path.trim_end_matches('/');
        let above = path.match_indices('/').map(|(at, _)| (&path[..at], true));
        above
            .chain([(path, is_folder)])
            .any(|(path, is_folder)| ignore.says(path, is_folder) == Some(true))
    }

    /// Every line was checked with `git check-ignore`.
    #[test]
    fn rules_mean_what_they_mean_to_git() {
        for (rules, ignored, kept) in [
            (
                "a.yaml\n",
                vec!["a.yaml", "d/a.yaml", "d/e/a.yaml", "a.yaml/x"],
                vec!["b.yaml", "xa.yaml"],
            ),
            ("/a.yaml\n", vec!["a.yaml"], vec!["d/a.yaml"]),
            ("d/a.yaml\n", vec!["d/a.yaml"], vec!["a.yaml", "e/d/a.yaml"]),
            (
                "d/\n",
                vec!["d/", "d/a.yaml", "e/d/a.yaml"],
                vec!["d", "e/d"],
            ),
            (
                "*.yaml\n!keep.yaml\n",
                vec!["a.yaml", "d/a.yaml"],
                vec!["keep.yaml", "d/keep.yaml", "a.yml"],
            ),
            ("!keep.yaml\n*.yaml\n", vec!["keep.yaml"], vec![]),
            ("d/\n!d/keep.yaml\n", vec!["d/keep.yaml"], vec![]),
            (
                "d/*\n!d/keep.yaml\n",
                vec!["d/a.yaml"],
                vec!["d/keep.yaml", "d/"],
            ),
            (
                "**/x/*.yaml\n",
                vec!["x/a.yaml", "d/x/a.yaml"],
                vec!["x/y/a.yaml", "a.yaml"],
            ),
            (
                "d/**/a.yaml\n",
                vec!["d/a.yaml", "d/e/a.yaml", "d/e/f/a.yaml"],
                vec!["a.yaml"],
            ),
            (
                "d/**\n",
                vec!["d/a.yaml", "d/e/a.yaml"],
                vec!["d/", "e/a.yaml"],
            ),
            ("a**b\n", vec!["axb", "ab", "d/axxb"], vec!["a/b"]),
            ("# a\n\n  \n\\#a\n\\!b\n", vec!["#a", "!b"], vec!["a", "b"]),
            ("a \nb\\ \nc\r\n", vec!["a", "b ", "c"], vec!["a ", "b"]),
            ("[!a]b\n[c-e]?\n", vec!["xb", "dz"], vec!["ab", "ff"]),
            ("\u{feff}a\n", vec!["a"], vec!["b"]),
            (
                "*\n!*/\n!*.yaml\n",
                vec!["a.txt", "d/a.txt"],
                vec!["a.yaml", "d/a.yaml", "d/"],
            ),
        ] {
            for path in ignored {
                assert!(ignores(rules, path), "{rules:?} {path}");
            }
            for path in kept {
                assert!(!ignores(rules, path), "{rules:?} {path}");
            }
        }
    }

    #[test]
    fn a_line_that_is_no_pattern_is_told() {
        for (text, line) in [("a\n[\n", 2), ("/\n", 1), ("!\n", 1), ("\n\na\\\n", 3)] {
            assert_eq!(Ignore::parse(text).unwrap_err().line, line, "{text:?}");
        }
    }
}
