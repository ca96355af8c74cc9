//! Places in a job: where a difference is, and which ones belong to others.

use std::fmt::Write as _;
use std::str::FromStr;

/// A step from a value into one of its parts.
#[derive(Debug, Clone)]
pub(super) enum Step<'a> {
    /// A member of an object.
    Member(&'a str),
    /// An entry of a list, by name.
    Entry(String),
}

impl<'a> Step<'a> {
    pub(super) fn member(&self) -> Option<&'a str> {
        match self {
            Self::Member(member) => Some(member),
            Self::Entry(_) => None,
        }
    }

    fn text(&self) -> &str {
        match self {
            Self::Member(member) => member,
            Self::Entry(entry) => entry,
        }
    }
}

/// `TaskGroups[web].Tasks[app].Env.PORT`
pub(super) fn render(path: &[Step<'_>]) -> String {
    let mut text = String::new();
    for step in path {
        match step {
            Step::Entry(entry) => {
                let _ = write!(text, "[{entry}]");
            }
            Step::Member(member) => {
                if !text.is_empty() {
                    text.push('.');
                }
                text.push_str(member);
            }
        }
    }
    text
}

/// A place in a job, written as a JSON pointer whose list steps are names: `/TaskGroups/web/Count`, `/Meta/owner`.
///
/// `*` stands for any one step. Everything inside the place belongs to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place(Vec<String>);

/// Why a text is no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a place starts with `/` and names at least one member, e.g. `/TaskGroups/web/Count`")]
pub struct InvalidPlace;

impl FromStr for Place {
    type Err = InvalidPlace;

    fn from_str(text: &str) -> Result<Self, InvalidPlace> {
        let steps = text
            .strip_prefix('/')
            .filter(|rest| !rest.is_empty())
            .ok_or(InvalidPlace)?;
        let unescape = |step: &str| step.replace("~1", "/").replace("~0", "~");
        Ok(Self(steps.split('/').map(unescape).collect()))
    }
}

impl Place {
    pub(super) fn steps(&self) -> &[String] {
        &self.0
    }

    /// Whether the path leads into it.
    pub(super) fn covers(&self, path: &[Step<'_>]) -> bool {
        self.0.len() <= path.len()
            && self
                .0
                .iter()
                .zip(path)
                .all(|(wanted, step)| wanted == "*" || wanted == step.text())
    }
}
