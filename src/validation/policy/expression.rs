//! CEL expressions with a bound on what they cost.
//!
//! The interpreter has no bound of its own: `x.all(a, x.all(b, x.all(c, …)))` over a thousand elements runs for hours. So
//! the parsed expression is changed before it runs. Whatever is iterated first passes a function that charges for it, and
//! so does whatever is added or put into a list or mapping. The charge counts work, not time: the same expression over the
//! same document always ends the same way.

mod rewrite;
mod surroundings;

use std::thread;

use cel::objects::Value;
use cel::{ExecutionError, IdedExpr, Program};

use super::VARIABLES;
use crate::spec::suggest::closest;
use rewrite::Rewrite;

pub(super) use surroundings::{Surroundings, value};

/// Longest expression, in bytes. Bounds the parser's stack as well.
const MAX_BYTES: usize = 4096;

/// Deepest nesting of brackets. The parser takes long where they do not match.
const MAX_BRACKETS: usize = 32;

/// Deepest tree. The interpreter needs up to 40 KiB of stack for a level, and workers have
/// [`STACK`](crate::validation::parallel::STACK) of it.
const MAX_DEPTH: usize = 64;

/// Stack for reading an expression before its depth is known, of which only what is used takes memory.
const COMPILER_STACK: usize = 64 * 1024 * 1024;

/// An expression that can be evaluated.
#[derive(Debug)]
pub(super) struct Expression {
    tree: IdedExpr,
    /// It speaks of the Nomad job.
    pub(super) looks_at_job: bool,
}

/// Why a text is no expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) message: String,
    pub(super) help: Option<String>,
}

impl Fault {
    fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            help: None,
        }
    }
}

/// Why an expression did not say yes or no. Never repeats a value of the document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Undecided(pub(super) String);

impl Expression {
    pub(super) fn compile(text: &str) -> Result<Self, Fault> {
        check_bounds(text)?;
        thread::scope(|scope| {
            let compiler = thread::Builder::new().stack_size(COMPILER_STACK);
            let compiled = compiler.spawn_scoped(scope, || Self::compile_deep(text));
            compiled.map_or_else(
                |_| Err(Fault::new("there is no memory to read it")),
                |thread| thread.join().unwrap_or_else(|_| Err(Fault::new("not CEL"))),
            )
        })
    }

    /// Needs a large stack: the tree may have a level for every two bytes.
    fn compile_deep(text: &str) -> Result<Self, Fault> {
        let program = Program::compile(text).map_err(|errors| syntax(&errors))?;
        let mut tree = program.expression().clone();
        let mut rewrite = Rewrite::default();
        rewrite.node(&mut tree);
        if rewrite.is_too_deep {
            return Err(too_deep());
        }
        if let Some(name) = rewrite.unknown {
            return Err(unknown_variable(&name));
        }
        Ok(Self {
            tree,
            looks_at_job: rewrite.looks_at_job,
        })
    }

    /// Whether the expression is true.
    pub(super) fn holds(&self, surroundings: &Surroundings) -> Result<bool, Undecided> {
        surroundings.budget.fill();
        let result = Value::resolve(&self.tree, &surroundings.context);
        if surroundings.budget.is_used_up() {
            return Err(Undecided("it costs too much".to_owned()));
        }
        match result {
            Ok(Value::Bool(holds)) => Ok(holds),
            Ok(other) => Err(Undecided(format!(
                "it gives {}, not `true` or `false`",
                in_words(&other)
            ))),
            Err(error) => Err(Undecided(reason(&error))),
        }
    }
}

fn check_bounds(text: &str) -> Result<(), Fault> {
    if text.len() > MAX_BYTES {
        return Err(Fault {
            help: Some("split it into several policies".to_owned()),
            ..Fault::new(format!("an expression has at most {MAX_BYTES} bytes"))
        });
    }
    let mut depth = 0_usize;
    for byte in text.bytes() {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > MAX_BRACKETS {
            return Err(too_deep());
        }
    }
    Ok(())
}

fn too_deep() -> Fault {
    Fault {
        help: Some("split it into several policies".to_owned()),
        ..Fault::new("it is nested too deeply")
    }
}

fn syntax(errors: &cel::ParseErrors) -> Fault {
    let message = errors.errors.first().map_or_else(
        || "not CEL".to_owned(),
        |error| {
            let (line, column) = error.pos;
            let words: Vec<&str> = error.msg.split_whitespace().collect();
            let text = words.join(" ");
            let text = text.trim_start_matches("Syntax error: ");
            // What could stand there is nearly everything.
            let text = text.split(" expecting {").next().unwrap_or(text);
            let text: String = text.chars().take(200).collect();
            format!("not CEL: line {line}, column {column} of the expression: {text}")
        },
    );
    Fault::new(message)
}

fn unknown_variable(name: &str) -> Fault {
    let shown: String = name.chars().take(60).collect();
    Fault {
        message: format!("there is no variable `{shown}`"),
        help: Some(match closest(name, VARIABLES) {
            Some(known) => format!("did you mean `{known}`?"),
            None => format!("known: `{}`", VARIABLES.join("`, `")),
        }),
    }
}

fn in_words(value: &Value) -> &'static str {
    match value {
        Value::List(_) => "a list",
        Value::Map(_) => "a mapping",
        Value::Int(_) | Value::UInt(_) | Value::Float(_) => "a number",
        Value::String(_) => "text",
        Value::Null => "null",
        _ => "something else",
    }
}

/// What went wrong, in words that hold no value: the library's own texts of some errors do.
fn reason(error: &ExecutionError) -> String {
    match error {
        ExecutionError::NoSuchKey(key) => format!("there is no `{key}`"),
        ExecutionError::UndeclaredReference(name) => format!("there is no function `{name}`"),
        ExecutionError::NoSuchOverload(overload) => format!(
            "`{}` cannot be used with ({})",
            overload.function(),
            overload.argument_types().join(", ")
        ),
        ExecutionError::FunctionError { function, message } if function == "matches" => {
            format!("`matches`: {message}")
        }
        ExecutionError::InvalidArgumentCount { expected, actual } => {
            format!("a function takes {expected} arguments, not {actual}")
        }
        ExecutionError::UnexpectedType { .. } | ExecutionError::UnsupportedBinaryOperator(..) => {
            "a value is of another type than is needed".to_owned()
        }
        ExecutionError::IndexOutOfBounds(_) => "a list is shorter than that".to_owned(),
        ExecutionError::DivisionByZero(_) | ExecutionError::RemainderByZero(_) => {
            "division by zero".to_owned()
        }
        ExecutionError::Overflow(..) => "a number is too large".to_owned(),
        _ => "it cannot be evaluated".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use serde_json::json;

    use super::*;
    use crate::validation::parallel;

    fn surroundings() -> Surroundings {
        let many: Vec<u32> = (0..1_000).collect();
        let object = json!({
            "list": [1, 2, 3], "many": many, "secret": "hunter2", "text": "x".repeat(100_000),
            "ports": [{"port": 80, "public": true}, {"port": 81}], "map": {"a": 1},
        });
        Surroundings::new(vec![
            ("object", value(&object)),
            ("name", Value::from("shop")),
        ])
    }

    fn ask(text: &str) -> Result<bool, String> {
        let compiled = Expression::compile(text).map_err(|fault| fault.message)?;
        compiled
            .holds(&surroundings())
            .map_err(|undecided| undecided.0)
    }

    #[test]
    fn what_cel_says_is_said() {
        for (text, expected) in [
            ("name == 'shop'", true),
            ("object.list.all(x, x < 3)", false),
            (
                "object.list.exists(x, x == 3) && size(object.list) == 3",
                true,
            ),
            ("object.list.map(x, x * 2) == [2, 4, 6]", true),
            (
                "object.list.filter(x, x > 1).map(x, string(x) + '!') == ['2!', '3!']",
                true,
            ),
            (
                "object.ports.exists_one(p, has(p.public) && p.public)",
                true,
            ),
            ("object.map.all(key, object.map[key] == 1)", true),
            ("!has(object.missing) || object.missing.x", true),
            ("name.matches('^s[a-z]+$') && !matches(name, 'S')", true),
            ("name.startsWith('sh') ? type(name) == string : false", true),
            (
                "[1] + [2] == [1, 2] && 1 + 1 == 2 && 'a' + 'b' == 'ab'",
                true,
            ),
        ] {
            assert_eq!(ask(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_understood_is_told() {
        for (text, part) in [
            ("name ==", "not CEL: line 1, column "),
            ("", "not CEL"),
            ("nme == 'x'", "no variable `nme`"),
            ("object.list.all(x, y == 1)", "no variable `y`"),
            ("[1].all(x, true) && x", "no variable `x`"),
        ] {
            let fault = ask(text).unwrap_err();
            assert!(fault.contains(part), "{text}: {fault}");
        }
        let help = Expression::compile("objct.a").unwrap_err().help;
        assert_eq!(help.as_deref(), Some("did you mean `object`?"));
    }

    #[test]
    fn what_cannot_be_decided_is_told_without_values() {
        for (text, part) in [
            ("object.moon == 1", "there is no `moon`"),
            ("object.secret", "it gives text"),
            ("object.list", "it gives a list"),
            ("object.secret + 1 == 2", "type"),
            ("object.secret > 1", "cannot be used with (string, int)"),
            ("object.secret.moon()", "there is no function `moon`"),
            ("object.list[7] == 1", ""),
            ("1 / 0 == 1", "division by zero"),
            ("name.matches('(')", "not a regular expression"),
            ("object.secret.all(x, true)", ""),
            ("int(object.secret) == 1", ""),
            ("{object.secret: 1}[object.list] == 1", ""),
        ] {
            let told = ask(text).unwrap_err();
            assert!(told.contains(part), "{text}: {told}");
            assert!(!told.contains("hunter2"), "{text}: {told}");
        }
    }

    #[test]
    fn no_expression_runs_for_ever() {
        let mut doubled = String::from("[object.text]");
        for level in 0..12 {
            doubled = format!("{doubled}.map(v{level}, v{level} + v{level})");
        }
        for text in [
            "object.many.all(a, object.many.all(b, object.many.all(c, true)))".to_owned(),
            "object.many.exists(a, object.many.exists(b, object.many.exists(c, false)))".to_owned(),
            "object.many.map(a, object.many.map(b, object.many)).size() == 1".to_owned(),
            format!("size({doubled}) == 1"),
            format!("[{}].size() == 1", ["object"; 500].join(", ")),
        ] {
            let began = Instant::now();
            let told = parallel::map(&[()], |()| ask(&text));
            assert_eq!(told[0].as_ref().unwrap_err(), "it costs too much", "{text}");
            assert!(began.elapsed() < Duration::from_secs(30), "{text}");
        }
    }

    #[test]
    fn a_budget_is_for_one_evaluation() {
        let compiled = Expression::compile("object.list.all(a, object.many.all(b, true))").unwrap();
        let surroundings = surroundings();
        for _ in 0..200 {
            assert_eq!(compiled.holds(&surroundings), Ok(true));
        }
    }

    #[test]
    fn long_and_deep_texts_do_not_reach_the_parser() {
        assert!(
            ask(&"(".repeat(MAX_DEPTH + 1))
                .unwrap_err()
                .contains("nested")
        );
        assert!(
            ask(&" ".repeat(MAX_BYTES + 1))
                .unwrap_err()
                .contains("bytes")
        );
    }

    /// On threads with the stack that workers have.
    #[test]
    fn the_deepest_trees_fit_into_a_stack() {
        let chains = [
            ("object", ".a"),
            ("object", ".a()"),
            ("object", "[0]"),
            ("[1]", ".map(x, x)"),
            ("['a']", ".filter(x, x.size() > 0)"),
            ("1", " + 1"),
            ("1", " < 1"),
            ("1", " ? 1 : 1"),
            ("true", " && true"),
            ("true", " ? true : true"),
        ];
        for (first, unit) in chains {
            let text = |length: usize| format!("{first}{}", unit.repeat(length));
            let longest = (MAX_BYTES - first.len()) / unit.len();
            // Most are too deep; those that are not must not be.
            let _ = parallel::map(&[text(longest)], |text| ask(text).is_ok());
            let fits = |length: &usize| Expression::compile(&text(*length)).is_ok();
            let deepest = (1..=MAX_DEPTH).rev().find(fits);
            let text = text(deepest.expect("short ones are fine"));
            let asked = parallel::map(&[()], |()| ask(&text).is_ok());
            assert_eq!(asked.len(), 1, "{text}");
        }
    }
}
