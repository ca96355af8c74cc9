//! What names mean at a place of the text.

use std::cell::Cell;
use std::rc::Rc;

use hcl::edit::expr::Expression;
use serde_json::Value;

use crate::simulator::jobspec::problem::{Problem, Source};

/// Expressions that one job may evaluate. A job of a thousand groups stays far below; a loop over a loop over a loop must
/// end some time.
const MOST_STEPS: u32 = 300_000;

/// Names and their values, the inner ones before the outer ones. Cheap to clone.
#[derive(Debug, Clone)]
pub(in crate::simulator::jobspec) struct Scope<'a> {
    frame: Rc<Frame<'a>>,
}

#[derive(Debug)]
struct Frame<'a> {
    outer: Option<Scope<'a>>,
    names: Vec<(String, Value)>,
    source: Source<'a>,
    unknown: Unknown,
    steps: Rc<Cell<u32>>,
}

/// What becomes of a name that nobody defines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unknown {
    /// It stays as it is written, for Nomad's clients.
    Kept,
    /// It is a mistake.
    Refused,
    /// It is a mistake, and so is the call of a function.
    Constant,
}

impl<'a> Scope<'a> {
    /// For the job: unknown names stay.
    pub(in crate::simulator::jobspec) fn of_job(
        source: Source<'a>,
        names: Vec<(String, Value)>,
    ) -> Self {
        Self::outermost(source, names, Unknown::Kept)
    }

    /// For conditions: unknown names are mistakes.
    pub(in crate::simulator::jobspec) fn checked(
        source: Source<'a>,
        names: Vec<(String, Value)>,
    ) -> Self {
        Self::outermost(source, names, Unknown::Refused)
    }

    /// For values that stand for themselves, e.g. the default of a variable: neither names nor functions.
    pub(in crate::simulator::jobspec) fn constant(source: Source<'a>) -> Self {
        Self::outermost(source, Vec::new(), Unknown::Constant)
    }

    fn outermost(source: Source<'a>, names: Vec<(String, Value)>, unknown: Unknown) -> Self {
        let steps = Rc::default();
        let frame = Frame {
            outer: None,
            names,
            source,
            unknown,
            steps,
        };
        Self {
            frame: Rc::new(frame),
        }
    }

    /// A scope inside this one.
    pub(in crate::simulator::jobspec) fn inner(&self, names: Vec<(String, Value)>) -> Self {
        let outer = &self.frame;
        let frame = Frame {
            outer: Some(self.clone()),
            names,
            source: outer.source,
            unknown: outer.unknown,
            steps: outer.steps.clone(),
        };
        Self {
            frame: Rc::new(frame),
        }
    }

    pub(in crate::simulator::jobspec) fn source(&self) -> Source<'a> {
        self.frame.source
    }

    /// The value of a name.
    pub(super) fn get(&self, name: &str) -> Option<&Value> {
        let own = self.frame.names.iter().find(|(known, _)| known == name);
        match own {
            Some((_, value)) => Some(value),
            None => self.frame.outer.as_ref()?.get(name),
        }
    }

    pub(super) fn keeps_unknown(&self) -> bool {
        self.frame.unknown == Unknown::Kept
    }

    pub(super) fn is_constant(&self) -> bool {
        self.frame.unknown == Unknown::Constant
    }

    /// Counts an evaluation.
    pub(super) fn step(&self, expression: &Expression) -> Result<(), Problem> {
        let steps = self.frame.steps.get() + 1;
        self.frame.steps.set(steps);
        if steps <= MOST_STEPS {
            return Ok(());
        }
        Err(self.source().problem(
            super::place(expression),
            "Too much to evaluate",
            "This simulated Nomad gives up here: the job has too many expressions, or loops inside loops.",
        ))
    }
}
