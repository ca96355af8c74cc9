//! Why params cannot be used, in words that never repeat a value.

use std::fmt;

use super::decode::DecodeError;
use super::task::Task;

/// Why params cannot be used.
///
/// Each is one complete message: it names the task, every field and what was expected of it. Scripts and people look
/// for `failed to parse`, so it stands in all that concerns reading. Source: contract 1.2, 1.6.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParamsError {
    /// No text, or none that can be decoded.
    #[error("failed to parse {} parameters: {problem}", task.params_name())]
    Decode {
        /// Whose params.
        task: Task,
        /// What is wrong with the text.
        problem: DecodeError,
    },
    /// The text is not one JSON object.
    #[error("failed to parse {} parameters: not a valid JSON object: {reason}", task.params_name())]
    Json {
        /// Whose params.
        task: Task,
        /// What is wrong, with line and column where it is the syntax.
        reason: String,
    },
    /// Fields hold another type than theirs.
    #[error("failed to parse {} parameters: {}", task.params_name(), listed(problems))]
    Types {
        /// Whose params.
        task: Task,
        /// Every such field.
        problems: Vec<Problem>,
    },
    /// Fields are missing, or hold what cannot be used.
    #[error("invalid {} parameters: {}", task.params_name(), listed(problems))]
    Invalid {
        /// Whose params.
        task: Task,
        /// Every such field.
        problems: Vec<Problem>,
    },
}

/// Which class of exit code an error belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The input does not parse: exit code 2.
    Usage,
    /// The input parses and is not valid: exit code 3.
    Invalid,
}

impl ParamsError {
    /// Which class of exit code it belongs to. The only place that decides it.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::Decode { .. } | Self::Json { .. } | Self::Types { .. } => ErrorKind::Usage,
            Self::Invalid { .. } => ErrorKind::Invalid,
        }
    }

    /// The fields it is about; none when the text itself is at fault.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        match self {
            Self::Types { problems, .. } | Self::Invalid { problems, .. } => problems,
            Self::Decode { .. } | Self::Json { .. } => &[],
        }
    }
}

/// What is wrong with one field. Prints as a sentence that names the field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where, e.g. `networks[0].portNumber`.
    pub field: String,
    message: String,
}

impl Problem {
    pub(super) fn required(field: impl Into<String>) -> Self {
        let field = field.into();
        let message = format!("{field} is required");
        Self { field, message }
    }

    pub(super) fn worded(field: &str, message: &str) -> Self {
        Self {
            field: field.to_owned(),
            message: message.to_owned(),
        }
    }

    pub(super) fn refused(field: impl Into<String>, why: impl fmt::Display) -> Self {
        let field = field.into();
        let message = format!("{field}: {why}");
        Self { field, message }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

fn listed(problems: &[Problem]) -> String {
    let texts: Vec<&str> = problems.iter().map(|p| p.message.as_str()).collect();
    texts.join("; ")
}
