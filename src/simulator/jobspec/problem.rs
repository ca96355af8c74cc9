//! What is wrong with a job specification, and where.

use std::fmt;
use std::ops::Range;

/// A text that is read, under the name that Nomad gives it: `input.hcl`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Source<'a> {
    pub(super) text: &'a str,
}

/// Line and column, both from 1. Columns count characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Position {
    line: usize,
    column: usize,
}

/// A stretch of the text, for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    start: Position,
    end: Position,
}

/// One thing that is wrong. Displayed as Nomad does: `input.hcl:2,3-7: Unsupported argument; …`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Problem {
    place: Option<Place>,
    /// The kind of mistake.
    pub(super) summary: String,
    /// What is wrong here.
    pub(super) detail: String,
}

impl<'a> Source<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text }
    }

    /// Bytes to lines and columns.
    pub(super) fn place(self, bytes: Range<usize>) -> Place {
        Place {
            start: self.position(bytes.start),
            end: self.position(bytes.end),
        }
    }

    fn position(self, byte: usize) -> Position {
        let before = self.text.get(..byte).unwrap_or(self.text);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        Position {
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
        }
    }

    /// The text of a stretch; nothing when it is none of this text.
    pub(super) fn slice(self, bytes: Range<usize>) -> &'a str {
        self.text.get(bytes).unwrap_or_default()
    }

    pub(super) fn problem(
        self,
        bytes: Range<usize>,
        summary: &str,
        detail: impl Into<String>,
    ) -> Problem {
        Problem {
            place: Some(self.place(bytes)),
            summary: summary.to_owned(),
            detail: detail.into(),
        }
    }
}

impl Problem {
    /// One at a place that was worked out before.
    pub(super) fn at(place: Place, summary: impl Into<String>, detail: impl Into<String>) -> Self {
        Self {
            place: Some(place),
            summary: summary.into(),
            detail: detail.into(),
        }
    }

    /// One that belongs to no place.
    pub(super) fn nowhere(summary: impl Into<String>, detail: impl Into<String>) -> Self {
        Self {
            place: None,
            summary: summary.into(),
            detail: detail.into(),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { start, end } = self;
        write!(f, "input.hcl:{},{}-", start.line, start.column)?;
        if start.line != end.line {
            write!(f, "{},", end.line)?;
        }
        write!(f, "{}", end.column)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Some(place) => write!(f, "{place}")?,
            None => f.write_str("<nil>")?,
        }
        write!(f, ": {}; {}", self.summary, self.detail)
    }
}

/// All of them, a line each.
pub(super) fn one_by_one(problems: &[Problem]) -> String {
    let lines: Vec<String> = problems.iter().map(Problem::to_string).collect();
    lines.join("\n")
}
