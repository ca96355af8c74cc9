//! Changes a parsed expression so that its cost is counted.

use cel::IdedExpr;
use cel::common::ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr, operators};

use super::super::VARIABLES;
use super::MAX_DEPTH;

/// Charges for what is iterated, and hands it on. The name cannot be written in CEL; nor can the next two.
pub(super) const LOOK: &str = "@look";

/// Charges for what becomes part of a list or mapping, and hands it on.
pub(super) const MAKE: &str = "@make";

/// Charges for a sum, and adds.
pub(super) const ADD: &str = "@add";

/// Names that are no variables: types, and what functions are kept under.
const NAMESPACES: [&str; 13] = [
    "bool",
    "bytes",
    "double",
    "dyn",
    "google",
    "int",
    "list",
    "map",
    "null_type",
    "optional",
    "string",
    "type",
    "uint",
];

/// Changes a parsed expression so that its cost is counted, and finds out what it speaks of.
#[derive(Default)]
pub(super) struct Rewrite {
    /// Variables of the loops around the node.
    bound: Vec<String>,
    /// A variable that there is not.
    pub(super) unknown: Option<String>,
    /// It speaks of the Nomad job.
    pub(super) looks_at_job: bool,
    depth: usize,
    /// The tree is deeper than the interpreter can take; the rest was not looked at.
    pub(super) is_too_deep: bool,
}

impl Rewrite {
    pub(super) fn node(&mut self, node: &mut IdedExpr) {
        self.depth += 1;
        self.is_too_deep |= self.depth > MAX_DEPTH;
        if !self.is_too_deep {
            self.parts(node);
        }
        self.depth -= 1;
    }

    fn parts(&mut self, node: &mut IdedExpr) {
        match &mut node.expr {
            Expr::Ident(name) => self.name(name),
            Expr::Call(call) => self.call(call),
            Expr::Comprehension(comprehension) => self.comprehension(comprehension),
            Expr::List(list) => list.elements.iter_mut().for_each(|one| self.made(one)),
            Expr::Map(map) => map
                .entries
                .iter_mut()
                .for_each(|one| self.entry(&mut one.expr)),
            Expr::Struct(fields) => {
                let entries = fields.entries.iter_mut();
                entries.for_each(|one| self.entry(&mut one.expr));
            }
            Expr::Select(select) => self.node(&mut select.operand),
            Expr::Literal(_) | Expr::Unspecified => {}
        }
    }

    fn entry(&mut self, entry: &mut EntryExpr) {
        match entry {
            EntryExpr::StructField(field) => self.made(&mut field.value),
            EntryExpr::MapEntry(entry) => {
                self.node(&mut entry.key);
                self.made(&mut entry.value);
            }
        }
    }

    /// Something that becomes part of a list or mapping.
    fn made(&mut self, node: &mut IdedExpr) {
        if !matches!(node.expr, Expr::Literal(_)) {
            wrap(MAKE, node);
        }
        self.node(node);
    }

    fn name(&mut self, name: &str) {
        if self.bound.iter().any(|bound| bound == name) {
            return;
        }
        self.looks_at_job |= name == "job";
        if !VARIABLES.contains(&name) && !NAMESPACES.contains(&name) && self.unknown.is_none() {
            self.unknown = Some(name.to_owned());
        }
    }

    fn call(&mut self, call: &mut CallExpr) {
        if let Some(target) = &mut call.target {
            self.node(target);
        }
        call.args
            .iter_mut()
            .for_each(|argument| self.node(argument));
        // What a loop collects is added to a variable that has no name in CEL, one element at a time.
        let collects = matches!(&call.args[..], [IdedExpr { expr: Expr::Ident(name), .. }, _] if name.starts_with('@'));
        if call.func_name == operators::ADD && !collects {
            ADD.clone_into(&mut call.func_name);
        }
    }

    fn comprehension(&mut self, comprehension: &mut ComprehensionExpr) {
        wrap(LOOK, &mut comprehension.iter_range);
        self.node(&mut comprehension.iter_range);
        self.node(&mut comprehension.accu_init);
        let outer = self.bound.len();
        self.bound.push(comprehension.iter_var.clone());
        self.bound.extend(comprehension.iter_var2.clone());
        self.bound.push(comprehension.accu_var.clone());
        self.node(&mut comprehension.loop_cond);
        self.node(&mut comprehension.loop_step);
        self.node(&mut comprehension.result);
        self.bound.truncate(outer);
    }
}

/// Puts a node into a call.
fn wrap(function: &str, node: &mut IdedExpr) {
    let inner = std::mem::take(node);
    *node = IdedExpr {
        id: inner.id,
        expr: Expr::Call(CallExpr {
            func_name: function.to_owned(),
            target: None,
            args: vec![inner],
        }),
    };
}
