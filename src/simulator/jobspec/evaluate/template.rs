//! Texts with `${…}` and `%{…}` in them, in quotes and as heredocs.
//!
//! A template is first laid out as a row of tokens, as HCL does it, because white space is taken away token by token: `~`
//! reaches no further than the line it stands on, and the indentation that `<<-` removes is that of lines of the source.

use std::ops::Range;

use hcl::edit::Span as _;
use hcl::edit::expr::Expression;
use hcl::edit::template::{
    Directive, Element, HeredocTemplate, IfDirective, StringTemplate, Strip, Template,
};
use serde_json::Value;

use super::{Scope, collection, place};
use crate::simulator::jobspec::convert;
use crate::simulator::jobspec::problem::{Problem, Source};

enum Token<'t> {
    Text(String),
    Value(&'t Expression),
    If(&'t Expression),
    Else,
    For(&'t hcl::edit::template::ForTemplateExpr),
    End,
}

/// A template in quotes. One that is nothing but `${…}` gives the value itself, of whatever kind.
pub(super) fn quoted(template: &StringTemplate, scope: &Scope<'_>) -> Result<Value, Problem> {
    if let Some(Element::Interpolation(only)) = template.as_single_element() {
        return super::value(&only.expr, scope);
    }
    let mut row = Row::new(Lines::Whole);
    row.template(template);
    evaluate(&row.tokens, scope).map(Value::String)
}

pub(super) fn heredoc(heredoc: &HeredocTemplate, scope: &Scope<'_>) -> Result<Value, Problem> {
    let source = scope.source();
    let mut row = Row::new(Lines::Split(source));
    row.template(&heredoc.template);
    let opening = source.slice(heredoc.span().unwrap_or_default());
    if opening.starts_with("<<-") {
        flush(&mut row.tokens);
    }
    evaluate(&row.tokens, scope).map(Value::String)
}

/// Where the first part of a template stands.
pub(super) fn start(template: &StringTemplate) -> Option<Range<usize>> {
    match template.iter().next()? {
        Element::Literal(literal) => literal.span(),
        Element::Interpolation(part) if template.len() > 1 => part.expr.span(),
        _ => None,
    }
}

/// How literal text becomes tokens.
#[derive(Clone, Copy)]
enum Lines<'a> {
    /// One token, as the parser read it.
    Whole,
    /// A token a line, from the source: the parser has removed indentation by rules of its own.
    Split(Source<'a>),
}

struct Row<'t, 'a> {
    tokens: Vec<Token<'t>>,
    lines: Lines<'a>,
    trim_next: bool,
}

impl<'t, 'a> Row<'t, 'a> {
    fn new(lines: Lines<'a>) -> Self {
        Self {
            tokens: Vec::new(),
            lines,
            trim_next: false,
        }
    }

    fn template(&mut self, template: &'t Template) {
        for element in template {
            match element {
                Element::Literal(literal) => match self.lines {
                    Lines::Whole => self.text(literal.as_str()),
                    Lines::Split(source) => {
                        let raw = source.slice(literal.span().unwrap_or_default());
                        let plain = raw.replace("$${", "${").replace("%%{", "%{");
                        plain.split_inclusive('\n').for_each(|line| self.text(line));
                    }
                },
                Element::Interpolation(part) => self.marker(Token::Value(&part.expr), part.strip),
                Element::Directive(directive) => match directive.as_ref() {
                    Directive::If(directive) => self.branches(directive),
                    Directive::For(directive) => {
                        let each = &directive.for_expr;
                        self.marker(Token::For(each), each.strip);
                        self.template(&each.template);
                        self.marker(Token::End, directive.endfor_expr.strip);
                    }
                },
            }
        }
    }

    fn branches(&mut self, directive: &'t IfDirective) {
        let first = &directive.if_expr;
        self.marker(Token::If(&first.cond_expr), first.strip);
        self.template(&first.template);
        if let Some(other) = &directive.else_expr {
            self.marker(Token::Else, other.strip);
            self.template(&other.template);
        }
        self.marker(Token::End, directive.endif_expr.strip);
    }

    fn text(&mut self, text: &str) {
        let text = if std::mem::take(&mut self.trim_next) {
            text.trim_start()
        } else {
            text
        };
        self.tokens.push(Token::Text(text.to_owned()));
    }

    fn marker(&mut self, token: Token<'t>, strip: Strip) {
        let (before, after) = match strip {
            Strip::None => (false, false),
            Strip::Start => (true, false),
            Strip::End => (false, true),
            Strip::Both => (true, true),
        };
        if before && let Some(Token::Text(text)) = self.tokens.last_mut() {
            text.truncate(text.trim_end().len());
        }
        self.trim_next = after;
        self.tokens.push(token);
    }
}

/// Takes away the indentation that all lines share. Lines of nothing but white space do not count.
fn flush(tokens: &mut [Token<'_>]) {
    let mut least = usize::MAX;
    let mut starts = Vec::new();
    let mut new_line = true;
    for (at, token) in tokens.iter().enumerate() {
        let Token::Text(text) = token else {
            if std::mem::take(&mut new_line) {
                least = 0;
            }
            continue;
        };
        if std::mem::take(&mut new_line) {
            let rest = text.trim_start();
            if !rest.is_empty() || !text.ends_with('\n') {
                let indent = text[..text.len() - rest.len()].chars().count();
                least = least.min(indent);
                starts.push(at);
            }
        }
        new_line = text.ends_with('\n');
    }
    for at in starts {
        if let Token::Text(text) = &mut tokens[at] {
            *text = text.chars().skip(least).collect();
        }
    }
}

fn evaluate(tokens: &[Token<'_>], scope: &Scope<'_>) -> Result<String, Problem> {
    let mut text = String::new();
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        at += 1;
        match token {
            Token::Text(literal) => text.push_str(literal),
            Token::Value(expression) => text.push_str(&included(expression, scope)?),
            Token::If(condition) => {
                let (then, otherwise, end) = sides(&tokens[at..]);
                let chosen = if holds(condition, scope)? {
                    then
                } else {
                    otherwise
                };
                text.push_str(&evaluate(chosen, scope)?);
                at += end;
            }
            Token::For(each) => {
                let (body, _, end) = sides(&tokens[at..]);
                for (key, value) in collection::iterated(&each.collection_expr, scope)? {
                    let mut names = vec![(each.value_var.as_str().to_owned(), value)];
                    if let Some(name) = &each.key_var {
                        names.push((name.as_str().to_owned(), key));
                    }
                    text.push_str(&evaluate(body, &scope.inner(names))?);
                }
                at += end;
            }
            // The ends that belong to an opening were stepped over with it.
            Token::Else | Token::End => {}
        }
    }
    Ok(text)
}

/// What stands before and after the `else` that belongs to an opening, and where it ends.
fn sides<'s, 't>(tokens: &'s [Token<'t>]) -> (&'s [Token<'t>], &'s [Token<'t>], usize) {
    let mut depth = 0_usize;
    let mut middle = None;
    for (at, token) in tokens.iter().enumerate() {
        match token {
            Token::If(_) | Token::For(_) => depth += 1,
            Token::Else if depth == 0 => middle = Some(at),
            Token::End if depth == 0 => {
                let then = &tokens[..middle.unwrap_or(at)];
                let otherwise = middle.map_or(&[][..], |middle| &tokens[middle + 1..at]);
                return (then, otherwise, at + 1);
            }
            Token::End => depth -= 1,
            _ => {}
        }
    }
    (tokens, &[], tokens.len())
}

fn holds(condition: &Expression, scope: &Scope<'_>) -> Result<bool, Problem> {
    let value = super::value(condition, scope)?;
    convert::flag(&value).map_err(|_| {
        scope.source().problem(
            place(condition),
            "Incorrect condition type",
            "The condition expression must be of type bool.",
        )
    })
}

/// The value of an expression as part of a text.
fn included(expression: &Expression, scope: &Scope<'_>) -> Result<String, Problem> {
    let value = super::value(expression, scope)?;
    let detail = match convert::text(&value) {
        Ok(text) => return Ok(text),
        Err(_) if value.is_null() => {
            "The expression result is null. Cannot include a null value in a string template."
                .to_owned()
        }
        Err(error) => format!("Cannot include the given value in a string template: {error}."),
    };
    let at = place(expression);
    Err(scope.source().problem(at, TEMPLATE_VALUE, detail))
}

/// The one summary after which Nomad does not add that a value is missing.
pub(in crate::simulator::jobspec) const TEMPLATE_VALUE: &str =
    "Invalid template interpolation value";
