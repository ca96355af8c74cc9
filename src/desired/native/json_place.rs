//! Where a member of a JSON text stands.

use super::specification::Lines;
use crate::spec::path;

/// Line and column of the key (or the entry) at a path such as `TaskGroups[0].Name`; of the nearest part that is there.
///
/// The text must have been read as JSON before.
pub(super) fn find(text: &str, wanted: &str) -> Option<(u64, u64)> {
    let mut scan = Scan {
        text,
        at: 0,
        wanted,
        best: None,
    };
    scan.value("", 0);
    let (_, offset) = scan.best?;
    Some(Lines::of(text).place(text, offset))
}

struct Scan<'a> {
    text: &'a str,
    at: usize,
    wanted: &'a str,
    /// Length of the longest path so far that leads to what is wanted, and where it stands.
    best: Option<(usize, usize)>,
}

impl Scan<'_> {
    fn peek(&mut self) -> Option<u8> {
        let bytes = self.text.as_bytes();
        while bytes.get(self.at).is_some_and(u8::is_ascii_whitespace) {
            self.at += 1;
        }
        bytes.get(self.at).copied()
    }

    fn value(&mut self, path: &str, start: usize) {
        let leads = path.is_empty()
            || self
                .wanted
                .strip_prefix(path)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']));
        if leads && self.best.is_none_or(|(length, _)| length < path.len()) {
            self.best = Some((path.len(), start));
        }
        match self.peek() {
            Some(b'{') => self.entries(b'}', |scan, _| {
                scan.peek();
                let start = scan.at;
                let key = scan.string();
                scan.peek();
                // The colon.
                scan.at += 1;
                scan.value(&path::member(path, &key), start);
            }),
            Some(b'[') => self.entries(b']', |scan, index| {
                scan.peek();
                let start = scan.at;
                scan.value(&path::element(path, index), start);
            }),
            Some(b'"') => drop(self.string()),
            _ => {
                let rest = &self.text[self.at..];
                self.at += rest.find([',', ']', '}']).unwrap_or(rest.len());
            }
        }
    }

    fn entries(&mut self, close: u8, mut entry: impl FnMut(&mut Self, usize)) {
        self.at += 1;
        let mut index = 0;
        while let Some(next) = self.peek() {
            if next == close {
                self.at += 1;
                return;
            }
            if next == b',' {
                self.at += 1;
            }
            entry(self, index);
            index += 1;
        }
    }

    /// Reads a string from its opening quote to behind its closing one.
    fn string(&mut self) -> String {
        let start = self.at;
        let bytes = self.text.as_bytes();
        self.at += 1;
        while let Some(byte) = bytes.get(self.at) {
            self.at += match byte {
                b'\\' => 2,
                b'"' => break,
                _ => 1,
            };
        }
        self.at = (self.at + 1).min(bytes.len());
        serde_json::from_str(&self.text[start..self.at]).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"{
  "Job": {
    "ID": "é\" }", "Meta": {"a.b": "c"},
    "TaskGroups": [ {"Name": "a"},
      {"Name": "b", "Count": 1} ]
  }
}"#;

    #[test]
    fn members_and_entries_are_found() {
        for (path, place) in [
            ("Job", (2, 3)),
            ("Job.ID", (3, 5)),
            (r#"Job.Meta["a.b"]"#, (3, 29)),
            ("Job.TaskGroups[1].Count", (5, 21)),
            ("Job.TaskGroups[1]", (5, 7)),
        ] {
            assert_eq!(find(TEXT, path), Some(place), "{path}");
        }
    }

    #[test]
    fn what_is_not_there_is_placed_at_its_nearest_part() {
        assert_eq!(find(TEXT, "Job.TaskGroups[0].Count"), Some((4, 21)));
        assert_eq!(find(TEXT, "Other"), Some((1, 1)));
        assert_eq!(find("", "Other"), Some((1, 1)));
    }
}
