//! Why a text has no tree.

use cs_yaml::{ErrorKind, ScanError, Span};

use super::Place;

/// Why a text has no tree, and where. Never repeats values of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::spec) struct Flaw {
    /// Stable name of the rule.
    pub(in crate::spec) code: &'static str,
    pub(in crate::spec) place: Place,
    pub(in crate::spec) message: String,
    pub(in crate::spec) help: Option<&'static str>,
}

impl Flaw {
    pub(super) fn syntax(place: Place, message: &str) -> Self {
        Self {
            code: "yaml-syntax",
            place,
            message: message.to_owned(),
            help: None,
        }
    }

    pub(super) fn too_complex(place: Place) -> Self {
        Self {
            code: "too-complex",
            place,
            message: "the file has more nesting, nodes or aliases than a spec may have".to_owned(),
            help: None,
        }
    }

    pub(super) fn repeated_key(key: &str, place: Place) -> Self {
        let shown: String = key.chars().take(60).collect();
        Self {
            code: "duplicate-key",
            place,
            message: format!(
                "the key `{}` stands here a second time",
                shown.escape_debug()
            ),
            help: None,
        }
    }

    fn tab(place: Place) -> Self {
        Self {
            code: "tab-indentation",
            place,
            message: "YAML does not allow tabs for indentation".to_owned(),
            help: Some("put spaces in their place"),
        }
    }

    pub(super) fn tag(place: Place) -> Self {
        Self {
            code: "yaml-tag",
            place,
            message: "a tag such as `!name` has no meaning in a spec".to_owned(),
            help: Some("remove the tag; put the value in quotes if it begins with `!`"),
        }
    }

    /// The same at the node's tag, when it has one.
    pub(super) fn at_tag(self, span: &Span) -> Self {
        let place = span.tag_start().map_or(self.place, Place::from);
        Self { place, ..self }
    }

    /// What the parser says, which never repeats the file, except for single characters.
    pub(super) fn of_scan(error: &ScanError, text: &str) -> Self {
        let place = Place::from(*error.marker());
        match error.kind() {
            ErrorKind::UnknownAnchor => Self::syntax(
                place,
                "the alias names an anchor that is not defined above it",
            ),
            ErrorKind::RecursionLimitExceeded => Self::too_complex(place),
            ErrorKind::TabNotAllowed
            | ErrorKind::TabInBlockIndentation
            | ErrorKind::TabInIndentation
            | ErrorKind::TabAtBlockScalarStart
            | ErrorKind::TabInPlainScalar => {
                let column = tab_before(text, place).unwrap_or(place.column);
                Self::tab(Place { column, ..place })
            }
            // Often the parser stumbles only over what follows from the tab.
            kind => match (tab_before(text, place), kind) {
                (Some(column), _) => Self::tab(Place { column, ..place }),
                (None, ErrorKind::Custom(_)) => Self::syntax(place, "not YAML that a spec may use"),
                (None, kind) => Self::syntax(place, &format!("not YAML: {kind}")),
            },
        }
    }
}

/// The column of the first tab that indents the line of a place.
fn tab_before(text: &str, place: Place) -> Option<u32> {
    let line = usize::try_from(place.line).ok()?.checked_sub(1)?;
    let line = super::lines(text).nth(line)?;
    let indent = line.chars().take_while(|c| matches!(c, ' ' | '\t'));
    let column = indent.zip(1_u32..).find(|(c, _)| *c == '\t')?.1;
    (column <= place.column).then_some(column)
}
