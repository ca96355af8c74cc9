//! Which files an ignore file keeps out of a context.
//!
//! Rules: one pattern a line; `#` in the first column starts a comment; white space around a pattern, a slash at its start
//! or end and `.` parts do not count; `!` makes an exception; a pattern that matches a directory matches all below it; the
//! last match wins. Source: `moby/patternmatcher`, `ignorefile.ReadAll` and `MatchesUsingParentResults`.

use super::pattern::{Malformed, Pattern};

/// A list of patterns, in order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DockerIgnore {
    rules: Vec<Rule>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Rule {
    pattern: Pattern,
    /// Whether it began with `!`.
    exception: bool,
}

/// A line that is no pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("line {line} is no pattern: {rule}")]
pub struct InvalidPattern {
    /// From 1.
    pub line: usize,
    /// The broken rule.
    pub rule: &'static str,
}

/// What is decided about a path.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Verdict {
    /// Whether it is kept out.
    pub ignored: bool,
    /// By rule: whether it matches the path or a directory above it. Empty above the top.
    matched: Vec<bool>,
}

impl DockerIgnore {
    /// Reads an ignore file.
    ///
    /// # Errors
    /// The first line that is no pattern.
    pub fn parse(text: &str) -> Result<Self, InvalidPattern> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut rules = Vec::new();
        for (index, line) in text.split('\n').enumerate() {
            if line.starts_with('#') || line.trim().is_empty() {
                continue;
            }
            let rule = Rule::parse(line.trim()).map_err(|rule| InvalidPattern {
                line: index + 1,
                rule,
            })?;
            rules.push(rule);
        }
        Ok(Self { rules })
    }

    /// Makes an exception for one file if it is ignored so far.
    pub fn keep(&mut self, path: &str) {
        if self.ignores(path) {
            self.rules.push(Rule {
                pattern: Pattern::exactly(path),
                exception: true,
            });
        }
    }

    /// Whether a path is kept out. Relative to the context, with `/` between its parts, e.g. `web/.env`.
    #[must_use]
    pub fn ignores(&self, path: &str) -> bool {
        let slashes = path.match_indices('/').map(|(at, _)| &path[..at]);
        slashes
            .chain([path])
            .fold(Verdict::default(), |above, path| self.judge(path, &above))
            .ignored
    }

    /// Decides about a path when what is decided about the directory above it is known.
    #[must_use]
    pub fn judge(&self, path: &str, above: &Verdict) -> Verdict {
        let mut verdict = Verdict::default();
        for (index, rule) in self.rules.iter().enumerate() {
            let matches = above.matched.get(index).is_some_and(|matched| *matched)
                // A rule that would change nothing is not asked, here as in Docker. It shows: what is below then does
                // not count as matched by it.
                || (rule.exception == verdict.ignored && rule.pattern.matches(path));
            if matches {
                verdict.ignored = !rule.exception;
            }
            verdict.matched.push(matches);
        }
        verdict
    }

    /// Whether something below an ignored directory may be an exception. Never wrong when it says no.
    #[must_use]
    pub fn may_keep_below(&self, directory: &str) -> bool {
        self.rules
            .iter()
            .any(|rule| rule.exception && rule.pattern.may_match_below(directory))
    }
}

impl Rule {
    /// Reads a line that has no white space around it.
    fn parse(line: &str) -> Result<Self, Malformed> {
        let (mark, path) = match line.strip_prefix('!') {
            Some(path) => ("!", path.trim()),
            None => ("", line),
        };
        let path = if path.is_empty() {
            String::new()
        } else {
            clean(path)
        };
        let path = match path.strip_prefix('/') {
            Some(relative) if !relative.is_empty() => relative,
            _ => &path,
        };
        // Twice, as in Docker: `/!a` turns out to be an exception, and `!/` to be nothing.
        let line = clean(&format!("{mark}{path}"));
        let (exception, path) = match line.strip_prefix('!') {
            Some("") => return Err("there is nothing after its `!`"),
            Some(path) => (true, path),
            None => (false, line.as_str()),
        };
        Ok(Self {
            pattern: Pattern::parse(path)?,
            exception,
        })
    }
}

/// The shortest path with the same meaning. Source: Go, `filepath.Clean`.
fn clean(path: &str) -> String {
    let root = if path.starts_with('/') { "/" } else { "" };
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            ".." if !root.is_empty() => {}
            name => parts.push(name),
        }
    }
    if root.is_empty() && parts.is_empty() {
        return ".".to_owned();
    }
    format!("{root}{}", parts.join("/"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::Deserialize;

    use super::*;

    /// What Docker's own matcher answers.
    #[derive(Deserialize)]
    struct Table {
        paths: Vec<String>,
        rows: Vec<Row>,
    }

    #[derive(Deserialize)]
    struct Row {
        file: String,
        ignored: Vec<String>,
        #[serde(default)]
        invalid: bool,
    }

    fn table() -> Table {
        let text = include_str!("../../../../tests/fixtures/dockerignore.json");
        serde_json::from_str(text).expect("a table")
    }

    #[test]
    fn every_answer_is_dockers() {
        let table = table();
        let mut differences = Vec::new();
        for row in &table.rows {
            let Ok(ignore) = DockerIgnore::parse(&row.file) else {
                if !row.invalid {
                    differences.push(format!("{:?} is valid", row.file));
                }
                continue;
            };
            if row.invalid {
                differences.push(format!("{:?} is invalid", row.file));
                continue;
            }
            for path in &table.paths {
                let wanted = row.ignored.contains(path);
                if ignore.ignores(path) != wanted {
                    differences.push(format!("{:?} {path}: {wanted}", row.file));
                }
            }
        }
        assert!(differences.is_empty(), "{}", differences.join("\n"));
        assert!(table.rows.len() > 200 && table.paths.len() > 50);
    }

    #[test]
    fn what_cannot_be_kept_below_a_directory_is_not_kept() {
        let table = table();
        for row in table.rows.iter().filter(|row| !row.invalid) {
            let ignore = DockerIgnore::parse(&row.file).unwrap();
            for directory in &table.paths {
                if !ignore.ignores(directory) || ignore.may_keep_below(directory) {
                    continue;
                }
                let below = format!("{directory}/");
                for path in table.paths.iter().filter(|path| path.starts_with(&below)) {
                    assert!(ignore.ignores(path), "{:?} {directory} {path}", row.file);
                }
            }
        }
        let ignore = DockerIgnore::parse("*\n!docs/README.md\n!web/*/x").unwrap();
        assert!(ignore.may_keep_below("docs"));
        assert!(ignore.may_keep_below("web"));
        assert!(ignore.may_keep_below("web/a"));
        assert!(!ignore.may_keep_below("docs/README.md"));
        assert!(!ignore.may_keep_below("node_modules"));
    }

    #[test]
    fn a_line_that_is_no_pattern_is_named() {
        for (text, message) in [
            ("a\n\n# x\n[", "line 4 is no pattern: a `[` has no `]`"),
            ("!", "line 1 is no pattern: there is nothing after its `!`"),
            ("a\nb\\", "line 2 is no pattern: a `\\` stands at its end"),
            (
                "[z-a]",
                "line 1 is no pattern: a range in its `[…]` runs backwards",
            ),
            (
                "[]]",
                "line 1 is no pattern: `-` and `]` in `[…]` need a `\\` before them",
            ),
        ] {
            assert_eq!(DockerIgnore::parse(text).unwrap_err().to_string(), message);
        }
    }

    #[test]
    fn a_kept_file_is_the_only_exception() {
        let mut ignore = DockerIgnore::parse("*\n").unwrap();
        ignore.keep("docker/Docker[file]");
        assert!(!ignore.ignores("docker/Docker[file]"));
        assert!(ignore.ignores("docker/Dockerf"));
        assert!(ignore.ignores("docker"));
        assert!(ignore.may_keep_below("docker"));
        assert!(!ignore.may_keep_below("web"));
    }

    #[test]
    fn signs_of_regular_expressions_are_characters() {
        for (pattern, path, other) in [
            (r"\d*", "dx", "1x"),
            ("a|b*", "a|bc", "ac"),
            ("a{2}*", "a{2}x", "aa"),
            ("^a*", "^ab", "ab"),
            ("[*]x", "*x", "ax"),
        ] {
            let ignore = DockerIgnore::parse(pattern).unwrap();
            assert!(ignore.ignores(path), "{pattern} {path}");
            assert!(!ignore.ignores(other), "{pattern} {other}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in any::<String>(), path in any::<String>()) {
            if let Ok(ignore) = DockerIgnore::parse(&text) {
                let _ = ignore.ignores(&path);
            }
        }

        #[test]
        fn any_pattern_of_wildcards_is_read_or_refused(text in r"[ab/*?!\[\]^\\. -]{0,12}", path in "[ab/.]{1,12}") {
            if let Ok(ignore) = DockerIgnore::parse(&text) {
                let _ = ignore.ignores(&path);
                let _ = ignore.may_keep_below(&path);
            }
        }
    }
}
