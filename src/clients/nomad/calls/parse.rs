//! HCL → job: Nomad evaluates specifications, and says what it does not like about them.

use serde::Serialize;
use serde_json::Value;

use crate::clients::nomad::client::{NomadClient, ReadCall};
use crate::clients::nomad::error::{ApiError, NomadError};

/// What Nomad's parser answers.
#[derive(Debug, Clone, PartialEq)]
pub enum ParseReply {
    /// The job, without defaults. Its namespace is the one that the specification names, if any.
    Job(Value),
    /// It is no specification that Nomad takes. At least one fault.
    Refused(Vec<ParseFault>),
}

/// One thing that Nomad's parser does not like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseFault {
    /// It is about the values of variables, and the line is one of theirs.
    pub in_variables: bool,
    /// From 1, when Nomad names one.
    pub line: Option<u64>,
    /// In characters, from 1; 0 without a line.
    pub column: u64,
    /// What is wrong, on one line, at most [`ApiError::LONGEST`] characters.
    pub message: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ParseBody<'a> {
    #[serde(rename = "JobHCL")]
    job_hcl: &'a str,
    variables: &'a str,
    canonicalize: bool,
}

impl NomadClient {
    /// Has Nomad parse and evaluate a specification in HCL. `variables` is the text of one variable file; values of
    /// variables that the specification does not declare are overlooked. Writes nothing.
    ///
    /// # Errors
    /// The call itself failed; a refused specification is an answer.
    ///
    /// # Cancel safety
    /// A read: dropping it changes nothing.
    pub async fn parse(&self, hcl: &str, variables: &str) -> Result<ParseReply, NomadError> {
        let body = ParseBody {
            job_hcl: hcl,
            variables,
            canonicalize: false,
        };
        let read: ReadCall<()> = self.read(
            "parse",
            "a job specification".to_owned(),
            "jobs/parse".to_owned(),
        );
        let call = read.body(&body).into_call();
        let answer = self.transport.exchange(&call).await?;
        if answer.status.is_success() {
            return serde_json::from_slice(&answer.body)
                .map(ParseReply::Job)
                .map_err(|error| self.transport.unreadable(&call, &error));
        }
        let text = String::from_utf8_lossy(&answer.body);
        match faults(text.trim()).filter(|_| answer.status == 400) {
            Some(faults) => Ok(ParseReply::Refused(faults)),
            None => Err(self.transport.refusal(&call, &answer)),
        }
    }
}

/// The parts of a refusal; `None` for other texts.
///
/// Source: Nomad, `JobsParseRequest` and `jobspec2.decode`: diagnostics of the HCL library, one a line, each as
/// `input.hcl:2,3-7: Summary; detail` (lines and columns from 1), or `<nil>: …` without a place. Both the specification
/// and the variable file are called `input.hcl`, so the words decide which is meant.
fn faults(body: &str) -> Option<Vec<ParseFault>> {
    let text = match body {
        "Job spec is empty" => body,
        other => other.strip_prefix("Failed to parse job: ")?,
    };
    let mut parts: Vec<String> = Vec::new();
    for line in text.lines() {
        match parts.last_mut() {
            Some(part) if !begins_a_part(line) => {
                part.push(' ');
                part.push_str(line);
            }
            _ => parts.push(line.to_owned()),
        }
    }
    Some(parts.iter().map(|part| fault(part)).collect())
}

const UNPLACED: &str = "<nil>: ";
const SYNTAX_OF_VARIABLES: &str = "unable to parse var content: ";

fn begins_a_part(line: &str) -> bool {
    line.starts_with(UNPLACED) || position(line).is_some()
}

fn fault(part: &str) -> ParseFault {
    let (text, is_syntax) = match part.strip_prefix(SYNTAX_OF_VARIABLES) {
        Some(rest) => (rest, true),
        None => (part, false),
    };
    let (place, said) = match position(text) {
        Some((line, column, rest)) => (Some((line, column)), rest),
        None => (None, text.strip_prefix(UNPLACED).unwrap_or(text)),
    };
    ParseFault {
        in_variables: is_syntax
            || [
                "Invalid value for variable; ",
                "Invalid value for varfile variable; ",
            ]
            .iter()
            .any(|summary| said.starts_with(summary)),
        line: place.map(|(line, _)| line),
        column: place.map_or(0, |(_, column)| column),
        message: message(said),
    }
}

/// `input.hcl:LINE,COLUMN-…: REST`.
fn position(text: &str) -> Option<(u64, u64, &str)> {
    let rest = text.strip_prefix("input.hcl:")?;
    let (line, rest) = rest.split_once(',')?;
    let (column, rest) = rest.split_once('-')?;
    let (_, rest) = rest.split_once(": ")?;
    Some((line.parse().ok()?, column.parse().ok()?, rest))
}

/// `Summary; detail` as a sentence: with white space in one piece, and no longer than other messages of Nomad.
fn message(said: &str) -> String {
    let words: Vec<&str> = said.split_whitespace().collect();
    let text = words.join(" ").replacen("; ", ": ", 1);
    ApiError::new(400, text.trim_end_matches('.'), &[]).message
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(line: u64, column: u64, message: &str) -> ParseFault {
        ParseFault {
            in_variables: false,
            line: Some(line),
            column,
            message: message.to_owned(),
        }
    }

    #[test]
    fn each_diagnostic_keeps_its_place() {
        let body = "Failed to parse job: input.hcl:2,2-6: Unsupported argument; An argument named \"nope\" is not \
                    expected here.\ninput.hcl:4,1-7,2: Unsupported block type; Blocks of type \"server\" are not \
                    expected here.";
        assert_eq!(
            faults(body).unwrap(),
            [
                at(
                    2,
                    2,
                    "Unsupported argument: An argument named \"nope\" is not expected here"
                ),
                at(
                    4,
                    1,
                    "Unsupported block type: Blocks of type \"server\" are not expected here"
                ),
            ]
        );
    }

    #[test]
    fn a_detail_of_several_lines_stays_in_one_piece() {
        let body = "Failed to parse job: input.hcl:1,10-15: Invalid value for varfile variable; Too small.\n\nThis was \
                    checked by the validation rule at input.hcl:5,3-13.";
        let found = faults(body).unwrap();
        assert_eq!(found.len(), 1);
        assert!(found[0].in_variables);
        assert_eq!((found[0].line, found[0].column), (Some(1), 10));
        assert!(
            found[0].message.ends_with(
                "Too small. This was checked by the validation rule at input.hcl:5,3-13"
            )
        );
    }

    #[test]
    fn a_diagnostic_without_a_place_is_one_too() {
        let found = faults(
            "Failed to parse job: <nil>: Unset variable \"a\"; A used variable must be set.",
        )
        .unwrap();
        assert_eq!(found[0].line, None);
        assert_eq!(
            found[0].message,
            "Unset variable \"a\": A used variable must be set"
        );
        assert_eq!(
            faults("Job spec is empty").unwrap()[0].message,
            "Job spec is empty"
        );
    }

    #[test]
    fn the_syntax_of_values_is_told_from_that_of_the_job() {
        let body = "Failed to parse job: unable to parse var content: input.hcl:3,5-6: Invalid expression; Expected \
                    the start of an expression.";
        let found = faults(body).unwrap();
        assert!(found[0].in_variables);
        assert_eq!(found[0].line, Some(3));
    }

    #[test]
    fn other_refusals_are_no_diagnostics() {
        assert_eq!(faults("Permission denied"), None);
        assert_eq!(faults("json: cannot unmarshal"), None);
    }
}
