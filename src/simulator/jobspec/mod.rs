//! Nomad's job specification language: HCL text in, a job as Nomad's API writes it out.
//!
//! Order of work: read the text ([`syntax`]), give values to variables and locals ([`variables`]), then walk the `job`
//! block along a table of the blocks and arguments that Nomad knows ([`schema`], [`decode`]), unfolding `dynamic` blocks
//! ([`expand`]) and evaluating expressions ([`evaluate`], [`functions`]) on the way, and last do what Nomad does once the
//! whole job is there ([`normalize`]).
//!
//! References that nobody defines stay as they are written, because Nomad's clients resolve them: `${NOMAD_PORT_http}`,
//! `${attr.kernel.name}`. What is wrong is reported in Nomad's words, all of it that can be seen at once. What cannot be
//! evaluated here, although a real Nomad could, is refused with a sentence that says so.
//!
//! Source: Nomad 2.0.6-dev, `jobspec2`; HCL 2.20 with Nomad's changes; every rule was compared with a running agent.

mod convert;
mod decode;
mod evaluate;
mod expand;
mod functions;
mod normalize;
mod problem;
mod schema;
mod syntax;
mod types;
mod variables;

#[cfg(test)]
mod tests;

use serde_json::Value;

use problem::{Problem, Source, one_by_one};
use variables::Inputs;

/// Reads a job. `variables` is HCL that gives values to the variables that `text` declares.
///
/// # Errors
/// What is wrong, in Nomad's words and with the places in the text.
pub(super) fn parse(text: &str, variables: &str) -> Result<Value, String> {
    let source = Source::new(text);
    if text.trim_start().starts_with('{') {
        return Err(
            "input.hcl: this simulated Nomad reads HCL, not HCL written as JSON".to_owned(),
        );
    }
    let body = syntax::read(source).map_err(|problems| summarized(&problems))?;
    let values = Source::new(variables);
    let assigned = syntax::read(values)
        .map_err(|problems| format!("unable to parse var content: {}", summarized(&problems)))?;
    decode::check_top(&body, source).map_err(|problems| one_by_one(&problems))?;
    let inputs = Inputs::read(&body, source, &assigned, values);
    let scope = inputs.map_err(|problems| one_by_one(&problems))?;
    let decoded = decode::job(&body, &scope);
    let mut job = decoded.map_err(|problems| match problems {
        decode::Failure::Body(problems) => one_by_one(&problems),
        decode::Failure::Free(problems) => summarized(&problems),
    })?;
    normalize::job(&mut job);
    Ok(job)
}

/// The first problem and how many there are more, as Nomad reports errors of syntax.
fn summarized(problems: &[Problem]) -> String {
    match problems {
        [] => "no diagnostics".to_owned(),
        [only] => only.to_string(),
        [first, rest @ ..] => format!("{first}, and {} other diagnostic(s)", rest.len()),
    }
}
