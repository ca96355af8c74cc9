//! Checks of rows. They record instead of panicking, so that one run reports all that differs.

use std::collections::BTreeSet;
use std::fmt::{self, Debug, Display};
use std::sync::Mutex;

use serde_json::Value;

use super::client::Reply;
use super::run::Run;

/// A row that does not hold.
#[derive(Debug, Clone)]
pub(super) struct Finding {
    row: String,
    what: String,
    expected: String,
    got: String,
}

impl Finding {
    pub(super) fn new(
        row: &str,
        what: &str,
        expected: impl Into<String>,
        got: impl Into<String>,
    ) -> Self {
        Self {
            row: row.to_owned(),
            what: what.to_owned(),
            expected: expected.into(),
            got: got.into(),
        }
    }
}

impl Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            row,
            what,
            expected,
            got,
        } = self;
        write!(
            f,
            "{row}: {what}\n      expected {expected}\n      got      {got}"
        )
    }
}

/// What a run has checked, and what did not hold.
#[derive(Debug, Default)]
pub(super) struct Checks {
    checked: Mutex<BTreeSet<String>>,
    findings: Mutex<Vec<Finding>>,
}

impl Checks {
    fn mark(&self, row: &str) {
        self.checked
            .lock()
            .expect("no check panics")
            .insert(row.to_owned());
    }

    fn found(&self, finding: Finding) {
        self.findings.lock().expect("no check panics").push(finding);
    }

    /// Rows looked at so far.
    pub(super) fn checked(&self) -> BTreeSet<String> {
        self.checked.lock().expect("no check panics").clone()
    }

    /// Rows that did not hold so far.
    pub(super) fn findings(&self) -> Vec<Finding> {
        self.findings.lock().expect("no check panics").clone()
    }
}

impl Run {
    /// Both are equal.
    pub(super) fn same<T: PartialEq<U> + Debug, U: Debug>(
        &self,
        row: &str,
        what: &str,
        got: T,
        expected: U,
    ) {
        self.checks.mark(row);
        if got != expected {
            self.checks.found(Finding::new(
                row,
                what,
                shortened(&format!("{expected:?}")),
                shortened(&format!("{got:?}")),
            ));
        }
    }

    /// The condition holds; `got` is shown when it does not.
    pub(super) fn holds(&self, row: &str, what: &str, condition: bool, got: impl Debug) {
        self.checks.mark(row);
        if !condition {
            self.checks.found(Finding::new(
                row,
                what,
                "it holds",
                shortened(&format!("{got:?}")),
            ));
        }
    }

    /// The member at a JSON pointer has the value; absent counts as `null`.
    pub(super) fn at(&self, row: &str, value: &Value, pointer: &str, expected: impl Into<Value>) {
        let (got, expected) = (
            value.pointer(pointer).cloned().unwrap_or_default(),
            expected.into(),
        );
        self.checks.mark(row);
        if got != expected {
            self.checks.found(Finding::new(
                row,
                pointer,
                expected.to_string(),
                shortened(&got.to_string()),
            ));
        }
    }

    /// The answer is this status with exactly this text. Followers and client-only agents put `rpc error: ` before errors
    /// without a code of their own, so that prefix does not count.
    pub(super) fn answers(&self, row: &str, reply: &Reply, status: u16, text: &str) {
        self.checks.mark(row);
        let got = reply
            .text
            .strip_prefix("rpc error: ")
            .unwrap_or(&reply.text);
        if (reply.status, got) != (status, text) {
            let got = shortened(&format!("{} {got:?}", reply.status));
            self.checks.found(Finding::new(
                row,
                "answer",
                format!("{status} {text:?}"),
                got,
            ));
        }
    }

    /// The answer is this status and its text contains `part`.
    pub(super) fn mentions(&self, row: &str, reply: &Reply, status: u16, part: &str) {
        let condition = reply.status == status && reply.text.contains(part);
        self.holds(
            row,
            &format!("{status} with {part:?}"),
            condition,
            (reply.status, &reply.text),
        );
    }
}

/// Long bodies would bury the rest of a report.
pub(super) fn shortened(text: &str) -> String {
    const LONGEST: usize = 900;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
