//! Blocks whose names are the users' own: `env`, `meta`, `header`, and `config`, where anything goes.

use hcl::edit::expr::Expression;
use hcl::edit::structure::{Block, Body};
use serde_json::{Map, Value, json};

use super::Decoder;
use super::argument::{UNSUITABLE, label, texts};
use crate::simulator::jobspec::evaluate::{self, Scope, start_place};
use crate::simulator::jobspec::expand::{Item, brace};

impl Decoder {
    /// `env { A = "b" }`
    pub(super) fn labels(&mut self, item: &Item<'_>) -> Value {
        self.each(item, label)
    }

    /// `header { Accept = ["text/plain"] }`
    pub(super) fn headers(&mut self, item: &Item<'_>) -> Value {
        self.each(item, texts)
    }

    fn each(&mut self, item: &Item<'_>, convert: fn(&Value) -> Result<Value, String>) -> Value {
        let source = item.scope.source();
        let mut members = Map::new();
        for attribute in item.block.body.attributes() {
            let Some(value) = self.evaluated(&attribute.value, &item.scope) else {
                continue;
            };
            match convert(&value) {
                Ok(value) => {
                    members.insert(attribute.key.as_str().to_owned(), value);
                }
                Err(error) => {
                    let at = start_place(&attribute.value, &item.scope);
                    let detail = format!("Unsuitable value: {error}");
                    self.problems.push(source.problem(at, UNSUITABLE, detail));
                }
            }
        }
        // A block counts as a list of maps, which is no text.
        for block in item.block.body.blocks() {
            if let Err(error) = convert(&json!([{}])) {
                let detail = format!("Unsuitable value: {error}");
                let at = brace(block, source);
                self.problems.push(source.problem(at, UNSUITABLE, detail));
            }
        }
        Value::Object(members)
    }

    /// `config { … }`: blocks become lists of maps, and so do maps that stand for themselves.
    pub(super) fn free(&mut self, item: &Item<'_>) -> Value {
        Value::Object(self.free_body(&item.block.body, &item.scope))
    }

    fn free_body(&mut self, body: &Body, scope: &Scope<'_>) -> Map<String, Value> {
        let mut members = Map::new();
        for attribute in body.attributes() {
            let value = match evaluate::value(&attribute.value, scope) {
                Ok(value) => value,
                Err(problem) => {
                    let at = start_place(&attribute.value, scope);
                    let detail = "Unsuitable value: value is not known";
                    let follows = scope.source().problem(at, "unsuitable value type", detail);
                    self.free.extend([problem, follows]);
                    continue;
                }
            };
            let value = match attribute.value {
                Expression::Object(_) => json!([value]),
                _ => value,
            };
            members.insert(attribute.key.as_str().to_owned(), value);
        }
        let mut lists: Vec<(&str, Vec<Value>)> = Vec::new();
        for block in body.blocks() {
            let value = self.free_block(block, scope);
            let kind = block.ident.as_str();
            match lists.iter_mut().find(|(known, _)| *known == kind) {
                Some((_, list)) => list.push(value),
                None => lists.push((kind, vec![value])),
            }
        }
        let lists = lists.into_iter();
        members.extend(lists.map(|(kind, list)| (kind.to_owned(), Value::Array(list))));
        members
    }

    /// Labels become keys around it, from the inside out.
    fn free_block(&mut self, block: &Block, scope: &Scope<'_>) -> Value {
        let inner = Value::Object(self.free_body(&block.body, scope));
        let labels = block.labels.iter().rev();
        labels.fold(inner, |inner, label| json!({ label.as_str(): [inner] }))
    }
}
