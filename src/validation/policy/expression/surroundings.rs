//! What expressions see, and what they may cost.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use cel::extractors::This;
use cel::objects::{Key, Value};
use cel::{Context, ExecutionError};
use regex_lite::RegexBuilder;
use serde_json::Value as Json;

use super::rewrite::{ADD, LOOK, MAKE};

/// What one evaluation may iterate, in nodes: less than a second of work.
const MOST_LOOKED_AT: u64 = 500_000;

/// What one evaluation may make, in nodes: some 20 MB of memory.
const MOST_MADE: u64 = 200_000;

/// So many bytes of text cost as much as a node.
const BYTES_PER_NODE: u64 = 64;

/// Largest compiled regular expression, in bytes.
const MAX_REGEX: usize = 256 * 1024;

/// What an expression sees, with the counter of its cost. One for all policies about a document.
pub(in super::super) struct Surroundings {
    pub(super) context: Context<'static, 'static>,
    pub(super) budget: Arc<Budget>,
}

impl Surroundings {
    pub(in super::super) fn new(variables: Vec<(&'static str, Value)>) -> Self {
        let budget = Arc::new(Budget::default());
        let mut context = Context::default();
        for (name, value) in variables {
            context.add_variable_from_value(name, value);
        }
        let [look, make, add] = [&budget, &budget, &budget].map(Arc::clone);
        let functions = [
            context.add_function(LOOK, move |value: Value| look.look(&value).map(|()| value)),
            context.add_function(MAKE, move |value: Value| make.make(&value).map(|()| value)),
            context.add_function(ADD, move |left: Value, right: Value| {
                add.make(&left)?;
                add.make(&right)?;
                left + right
            }),
            context.add_function("matches", matches),
        ];
        for added in functions {
            added.expect("the standard library has no such function");
        }
        Self { context, budget }
    }
}

/// CEL's `matches`, with an engine whose time is linear in the text.
fn matches(This(text): This<Arc<String>>, pattern: Arc<String>) -> Result<bool, ExecutionError> {
    RegexBuilder::new(&pattern)
        .size_limit(MAX_REGEX)
        .build()
        .map(|regex| regex.is_match(&text))
        .map_err(|_| ExecutionError::function_error("matches", "not a regular expression"))
}

/// What may still be done, in nodes.
#[derive(Debug, Default)]
pub(super) struct Budget {
    to_look_at: AtomicU64,
    to_make: AtomicU64,
}

impl Budget {
    pub(super) fn fill(&self) {
        self.to_look_at.store(MOST_LOOKED_AT, Ordering::Relaxed);
        self.to_make.store(MOST_MADE, Ordering::Relaxed);
    }

    pub(super) fn is_used_up(&self) -> bool {
        let counters = [&self.to_look_at, &self.to_make];
        counters
            .iter()
            .any(|counter| counter.load(Ordering::Relaxed) == 0)
    }

    fn look(&self, value: &Value) -> Result<(), ExecutionError> {
        charge(&self.to_look_at, value)
    }

    fn make(&self, value: &Value) -> Result<(), ExecutionError> {
        charge(&self.to_make, value)
    }
}

fn charge(counter: &AtomicU64, value: &Value) -> Result<(), ExecutionError> {
    let left = counter
        .load(Ordering::Relaxed)
        .saturating_sub(weight(value));
    counter.store(left, Ordering::Relaxed);
    match left {
        0 => Err(ExecutionError::function_error("budget", "used up")),
        _ => Ok(()),
    }
}

/// JSON as CEL sees it. Whole numbers are `int`, so that `replicas + 1` is a sum; the library would make most of them
/// `uint`, which CEL adds to no `int`.
pub(in super::super) fn value(json: &Json) -> Value {
    match json {
        Json::Null => Value::Null,
        Json::Bool(flag) => Value::Bool(*flag),
        Json::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(whole), _) => Value::Int(whole),
            (None, Some(whole)) => Value::UInt(whole),
            (None, None) => Value::Float(number.as_f64().unwrap_or(f64::NAN)),
        },
        Json::String(text) => Value::String(Arc::new(text.clone())),
        Json::Array(values) => Value::List(Arc::new(values.iter().map(value).collect())),
        Json::Object(members) => {
            let members = members.iter();
            let map: HashMap<Key, Value> = members
                .map(|(name, json)| (Key::from(name.clone()), value(json)))
                .collect();
            Value::from(map)
        }
    }
}

/// The nodes of a value, long texts counted as several.
fn weight(value: &Value) -> u64 {
    let of_text = |bytes: usize| bytes as u64 / BYTES_PER_NODE;
    1 + match value {
        Value::List(values) => values.iter().map(weight).sum(),
        Value::Map(map) => map.map.values().map(|value| 1 + weight(value)).sum(),
        Value::String(text) => of_text(text.len()),
        Value::Bytes(bytes) => of_text(bytes.len()),
        _ => 0,
    }
}
