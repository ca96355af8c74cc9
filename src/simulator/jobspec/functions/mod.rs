//! The functions of the language, as a table a topic.
//!
//! Functions that read files are refused, as Nomad's agents refuse them. A few that nobody needs in a job are not there:
//! `bcrypt`, `rsadecrypt`, `md5`, `yamlencode`, and `uuidv4`, which makes another job each time.

mod collection;
mod encoding;
mod format;
mod network;
mod number;
mod text;
mod time;

use std::ops::Range;

use hcl::edit::Span as _;
use hcl::edit::expr::{Expression, FuncCall};
use serde_json::Value;

use super::convert::{self, Numeric};
use super::evaluate::place;
use super::problem::{Problem, Source};
use super::syntax::suggestion;

/// What a function says about arguments that it cannot use.
enum Wrong {
    /// The argument at this position.
    Argument(usize, String),
    /// Anything else.
    Call(String),
}

type Outcome = Result<Value, Wrong>;

/// A function: its name, the names of its parameters, the name of those that may be repeated.
struct Function {
    name: &'static str,
    parameters: &'static [&'static str],
    repeated: Option<&'static str>,
    run: fn(&[Value]) -> Outcome,
}

const fn fixed(
    name: &'static str,
    parameters: &'static [&'static str],
    run: fn(&[Value]) -> Outcome,
) -> Function {
    Function {
        name,
        parameters,
        repeated: None,
        run,
    }
}

const fn repeated(
    name: &'static str,
    parameters: &'static [&'static str],
    rest: &'static str,
    run: fn(&[Value]) -> Outcome,
) -> Function {
    Function {
        name,
        parameters,
        repeated: Some(rest),
        run,
    }
}

const TABLES: &[&[Function]] = &[
    collection::TABLE,
    encoding::TABLE,
    format::TABLE,
    network::TABLE,
    number::TABLE,
    text::TABLE,
    time::TABLE,
];

/// They exist, and an agent refuses them.
const FILES: &[&str] = &[
    "abspath",
    "basename",
    "dirname",
    "file",
    "filebase64",
    "fileexists",
    "fileset",
    "pathexpand",
];

/// They exist in a real Nomad only.
const ABSENT: &[&str] = &["bcrypt", "md5", "rsadecrypt", "uuidv4", "yamlencode"];

/// Calls a function.
///
/// # Errors
/// An unknown name, the wrong number of arguments, or what the function says.
pub(super) fn call(
    call: &FuncCall,
    arguments: &[Value],
    source: Source<'_>,
) -> Result<Value, Problem> {
    let name = call.name.name.as_str();
    let at = call.name.name.span().unwrap_or_default();
    let failed = |text: &str| {
        let detail = format!("Call to function {name:?} failed: {text}.");
        source.problem(opening(call), "Error in function call", detail)
    };
    if FILES.contains(&name) {
        return Err(failed("filesystem function disabled"));
    }
    if ABSENT.contains(&name) {
        return Err(failed("this simulated Nomad does not have it"));
    }
    let mut all = TABLES.iter().copied().flatten();
    let Some(function) = all.find(|function| function.name == name) else {
        let names = TABLES.iter().copied().flatten().map(|known| known.name);
        let hint = suggestion(name, names);
        let detail = format!("There is no function named {name:?}.{hint}");
        return Err(source.problem(at, "Call to unknown function", detail));
    };
    count(function, call, arguments, source)?;
    (function.run)(arguments).map_err(|wrong| match wrong {
        Wrong::Call(text) => failed(&text),
        Wrong::Argument(position, text) => {
            let parameter = function.parameter(position);
            let detail = format!("Invalid value for {parameter:?} parameter: {text}.");
            let argument = call.args.iter().nth(position);
            let at = argument.map_or_else(|| at.clone(), argument_place);
            source.problem(at, "Invalid function argument", detail)
        }
    })
}

/// The name with the parenthesis behind it.
pub(super) fn opening(call: &FuncCall) -> Range<usize> {
    let name = call.name.name.span().unwrap_or_default();
    name.start..name.end + 1
}

/// Nomad points at the beginning of an argument.
fn argument_place(argument: &Expression) -> Range<usize> {
    let whole = place(argument);
    match argument {
        Expression::Array(_) | Expression::Object(_) => whole.start..whole.start + 1,
        Expression::String(_) if whole.len() > 2 => whole.start + 1..whole.end - 1,
        _ => whole,
    }
}

impl Function {
    fn parameter(&self, position: usize) -> &'static str {
        let named = self.parameters.get(position).copied();
        named.or(self.repeated).unwrap_or_default()
    }
}

fn count(
    function: &Function,
    call: &FuncCall,
    arguments: &[Value],
    source: Source<'_>,
) -> Result<(), Problem> {
    let Function {
        name,
        parameters,
        repeated,
        ..
    } = function;
    let wanted = parameters.len();
    if let Some(missing) = parameters.get(arguments.len()) {
        let least = if repeated.is_some() { "at least " } else { "" };
        let close = call.span().unwrap_or_default().end.saturating_sub(1);
        return Err(source.problem(
            close..close + 1,
            "Not enough function arguments",
            format!("Function {name:?} expects {least}{wanted} argument(s). Missing value for {missing:?}."),
        ));
    }
    if repeated.is_none() && arguments.len() > wanted {
        let extra = call.args.iter().nth(wanted);
        return Err(source.problem(
            extra.map(argument_place).unwrap_or_default(),
            "Too many function arguments",
            format!("Function {name:?} expects only {wanted} argument(s)."),
        ));
    }
    Ok(())
}

fn text_at(arguments: &[Value], position: usize) -> Result<String, Wrong> {
    match &arguments[position] {
        Value::Null => Err(Wrong::Argument(
            position,
            "argument must not be null".into(),
        )),
        value => convert::text(value).map_err(|error| Wrong::Argument(position, error)),
    }
}

fn number_at(arguments: &[Value], position: usize) -> Result<Numeric, Wrong> {
    match &arguments[position] {
        Value::Null => Err(Wrong::Argument(
            position,
            "argument must not be null".into(),
        )),
        value => convert::number(value).map_err(|error| Wrong::Argument(position, error)),
    }
}

fn whole_at(arguments: &[Value], position: usize) -> Result<i64, Wrong> {
    let wrong = || Wrong::Argument(position, "a whole number is required".to_owned());
    match number_at(arguments, position)? {
        Numeric::Whole(whole) => i64::try_from(whole).map_err(|_| wrong()),
        Numeric::Fraction(_) => Err(wrong()),
    }
}

fn list_at(arguments: &[Value], position: usize) -> Result<&[Value], Wrong> {
    match &arguments[position] {
        Value::Array(items) => Ok(items),
        other => {
            let error = format!("list required, but have {}", convert::kind(other));
            Err(Wrong::Argument(position, error))
        }
    }
}

fn failed<T>(text: impl Into<String>) -> Result<T, Wrong> {
    Err(Wrong::Call(text.into()))
}
