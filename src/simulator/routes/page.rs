//! Lists: filter, order, pages.

use serde_json::Value;

use super::Request;
use super::filter::Filter;
use crate::simulator::world::Refusal;

/// An item of a list: what names it in a token, what a filter looks at, what is shown.
pub(super) struct Item {
    pub(super) token: String,
    /// The whole object; `Null` when it is what is shown.
    pub(super) whole: Value,
    pub(super) shown: Value,
}

impl Item {
    /// An item that is filtered by what is shown.
    pub(super) fn new(token: impl Into<String>, shown: Value) -> Self {
        Self {
            token: token.into(),
            whole: Value::Null,
            shown,
        }
    }
}

/// Applies `filter`, `reverse`, `per_page` and `next_token`; returns the page and the token of the next.
pub(super) fn page(
    request: &Request,
    mut items: Vec<Item>,
) -> Result<(Value, Option<String>), Refusal> {
    let expression = request.query.get("filter");
    if !expression.is_empty() {
        items = filtered(items, expression)?;
    }
    if request.query.flag("reverse") {
        items.reverse();
    }
    let token = request.query.get("next_token");
    if !token.is_empty() {
        items = match items.iter().position(|item| item.token == token) {
            Some(at) => items.split_off(at),
            None => Vec::new(),
        };
    }
    let size = request.query.number("per_page").unwrap_or(0);
    let size = usize::try_from(size).unwrap_or(usize::MAX);
    let mut next = None;
    if size > 0 && items.len() > size {
        next = items.get(size).map(|item| item.token.clone());
        items.truncate(size);
    }
    let shown = items.into_iter().map(|item| item.shown).collect();
    Ok((Value::Array(shown), next))
}

fn filtered(items: Vec<Item>, expression: &str) -> Result<Vec<Item>, Refusal> {
    let filter = Filter::parse(expression).map_err(|error| {
        Refusal::bad_request(format!(
            "failed to create result paginator: failed to read filter expression: {error}"
        ))
    })?;
    let mut kept = Vec::new();
    for item in items {
        let datum = if item.whole.is_null() {
            &item.shown
        } else {
            &item.whole
        };
        let holds = filter.matches(datum).map_err(|error| {
            Refusal::bad_request(format!(
                "failed to read result page: error finding value in datum: {error}"
            ))
        })?;
        if holds {
            kept.push(item);
        }
    }
    Ok(kept)
}
