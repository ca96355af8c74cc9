//! The events of a YAML text.
//!
//! A package of its own for one reason. The parser is generic, and generic code is optimised like the package that uses it. `cs`
//! is optimised for size, which makes this parser twice as slow; this package is optimised for speed, so what uses the parser
//! stands here, behind functions that are neither generic nor inlined (docs/PERFORMANCE.md).

pub use granit_parser::{ErrorKind, Event, Marker, ScalarStyle, ScanError, Span, Tag};

use granit_parser::{Options, Parser, StrInput};

/// The events of a text, each with its place. Comments are left out.
pub struct Events<'t>(Parser<'t, StrInput<'t>>);

impl<'t> Events<'t> {
    /// Nothing is read yet.
    #[inline(never)]
    #[must_use]
    pub fn of(text: &'t str) -> Self {
        let mut options = Options::default();
        options.set_emit_comments(false);
        Self(Parser::new_from_str_with_options(text, options))
    }
}

impl<'t> Iterator for Events<'t> {
    type Item = Result<(Event<'t>, Span), ScanError>;

    #[inline(never)]
    fn next(&mut self) -> Option<Self::Item> {
        self.0.next()
    }
}
