//! The texts that are read, the places in them, and everything that is wrong.

use std::ops::Range;
use std::sync::Arc;

use hcl::edit::Span as _;
use hcl::edit::expr::Expression;

use crate::spec::parse::File;
use crate::spec::{Diagnostic, Severity};

/// Most findings about one project. More help nobody, and each of them costs a look into the text.
const MOST: usize = 100;

/// A byte of one of the texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct At {
    /// Which text.
    pub(super) file: usize,
    pub(super) offset: usize,
}

impl At {
    pub(super) fn new(file: usize, span: Option<Range<usize>>) -> Self {
        Self {
            file,
            offset: span.map_or(0, |span| span.start),
        }
    }

    /// Where an expression begins.
    pub(super) fn of(file: usize, expression: &Expression) -> Self {
        Self::new(file, expression.span())
    }
}

/// A text, and where its lines start.
struct Text {
    file: Arc<File>,
    lines: Vec<usize>,
}

/// Texts and findings about them.
#[derive(Default)]
pub(super) struct Findings {
    texts: Vec<Text>,
    list: Vec<Diagnostic>,
    left_out: usize,
}

impl Findings {
    /// Adds a text and returns its number.
    pub(super) fn text(&mut self, name: &str, text: &str) -> usize {
        let starts = text.match_indices('\n').map(|(at, _)| at + 1);
        self.texts.push(Text {
            lines: std::iter::once(0).chain(starts).collect(),
            file: Arc::new(File {
                name: name.into(),
                text: text.into(),
            }),
        });
        self.texts.len() - 1
    }

    /// All texts, by their numbers.
    pub(super) fn files(&self) -> Arc<[Arc<File>]> {
        self.texts
            .iter()
            .map(|text| Arc::clone(&text.file))
            .collect()
    }

    /// Line and column of a place, both from 1, the column in characters.
    pub(super) fn place(&self, at: At) -> (u64, u64) {
        let Some(text) = self.texts.get(at.file) else {
            return (0, 0);
        };
        let line = text.lines.partition_point(|start| *start <= at.offset);
        let start = text.lines[line - 1];
        let before = text.file.text.get(start..at.offset).unwrap_or_default();
        (line as u64, before.chars().count() as u64 + 1)
    }

    /// Says that something is wrong.
    pub(super) fn error(
        &mut self,
        at: At,
        code: &'static str,
        path: &str,
        message: impl Into<String>,
        help: Option<String>,
    ) {
        self.add(Severity::Error, at, code, path, message.into(), help);
    }

    /// Says that somebody should look.
    pub(super) fn warn(
        &mut self,
        at: At,
        code: &'static str,
        path: &str,
        message: impl Into<String>,
        help: Option<String>,
    ) {
        self.add(Severity::Warning, at, code, path, message.into(), help);
    }

    fn add(
        &mut self,
        severity: Severity,
        at: At,
        code: &'static str,
        path: &str,
        message: String,
        help: Option<String>,
    ) {
        if self.list.len() >= MOST {
            self.left_out += 1;
            return;
        }
        let (line, column) = self.place(at);
        let name = self.texts.get(at.file).map(|text| &*text.file.name);
        self.list.push(Diagnostic {
            file: name.unwrap_or_default().to_owned(),
            line,
            column,
            code,
            severity,
            path: path.to_owned(),
            message,
            help,
        });
    }

    pub(super) fn has_errors(&self) -> bool {
        self.left_out > 0
            || self
                .list
                .iter()
                .any(|finding| finding.severity == Severity::Error)
    }

    /// All of them, in the order of the texts, the same one only once.
    pub(super) fn into_list(mut self) -> Vec<Diagnostic> {
        let order = |one: &Diagnostic| {
            let file = self
                .texts
                .iter()
                .position(|text| *text.file.name == *one.file);
            (file, one.line, one.column)
        };
        self.list.sort_by_key(order);
        self.list.dedup();
        if self.left_out > 0 {
            self.list.push(Diagnostic {
                file: self
                    .texts
                    .first()
                    .map_or_else(String::new, |text| text.file.name.to_string()),
                line: 0,
                column: 0,
                code: "too-many",
                severity: Severity::Error,
                path: String::new(),
                message: format!("{} more findings are not shown", self.left_out),
                help: None,
            });
        }
        self.list
    }
}

/// Names for a message: "`a`, `b`".
pub(super) fn listed<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    let quoted: Vec<String> = words.into_iter().map(|word| format!("`{word}`")).collect();
    quoted.join(", ")
}

/// "did you mean …?", else what is known.
pub(super) fn meant<'a>(word: &str, known: impl IntoIterator<Item = &'a str> + Clone) -> String {
    match crate::spec::suggest::closest(word, known.clone()) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => format!("known are {}", listed(known)),
    }
}

/// A name of the file as it may be printed: short, without control characters.
pub(super) fn shown(name: &str) -> String {
    const LONGEST: usize = 64;
    name.chars()
        .filter(|c| !crate::plain::steers(*c))
        .take(LONGEST)
        .collect()
}
