//! A `cs` that breaks its word, each time another one: what the judges are for. Put between the library and whoever judges it.

use reqwest::Request;
use serde_json::{Value, json};

use super::case::CLAIMED;

/// A promise that is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Betrayal {
    /// A job is written without the index that was seen.
    Blind,
    /// Somebody else's job is written.
    Trespassing,
    /// Each change is made by two versions.
    Flapping,
    /// What is written is not what is wanted, so that every run writes again.
    Restless,
    /// The inventory is not written, although Nomad is said to have it.
    Forgetful,
    /// An end that was announced is not sent.
    Silent,
    /// An event is sent again after the stream has forgotten its id.
    Repeating,
    /// The log goes on after its end.
    Talkative,
    /// It goes on for long after its deadline.
    Late,
    /// It fails, and does not say why.
    Mute,
}

impl Betrayal {
    /// Each, with words of the problem that it has to be found by.
    pub(super) const ALL: [(Self, &'static str); 10] = [
        (Self::Blind, "a write without an index"),
        (Self::Trespassing, "a job of others was touched"),
        (Self::Flapping, "made 2 versions of"),
        (Self::Restless, "although all was as wanted"),
        (Self::Forgetful, "the inventory of"),
        (Self::Silent, "0 successes, 0 failures"),
        (Self::Repeating, "is there 2 times"),
        (Self::Talkative, "follows the end of the log"),
        (Self::Late, " took "),
        (Self::Mute, "without a reason"),
    ];

    /// What becomes of a request, and whether Nomad ever hears of it.
    pub(super) fn twist(self, request: &mut Request) -> Heard {
        let path = request.url().path();
        let (is_register, is_inventory) = (path == "/v1/jobs", path.starts_with("/v1/var/"));
        let Some(mut body) = body_of(request).filter(|_| *request.method() != "GET") else {
            return Heard::Once;
        };
        let mut heard = Heard::Once;
        match self {
            Self::Blind if is_register => body["EnforceIndex"] = false.into(),
            Self::Trespassing if is_register => {
                // Every world has it.
                body["Job"]["ID"] = CLAIMED.into();
                body["EnforceIndex"] = false.into();
            }
            Self::Flapping if is_register => heard = Heard::Twice,
            Self::Restless if is_register => {
                let groups = body["Job"]["TaskGroups"].as_array_mut();
                for group in groups.into_iter().flatten() {
                    group["Meta"] = json!({"somebody": "else"});
                }
            }
            Self::Forgetful if is_inventory => heard = Heard::Never,
            _ => return Heard::Once,
        }
        *request.body_mut() = Some(body.to_string().into());
        heard
    }

    /// A version of the job that nobody wants, before the one that is wanted.
    pub(super) fn another(request: &Request) -> Option<(Request, Request)> {
        let (mut first, mut second) = (request.try_clone()?, request.try_clone()?);
        let mut body = body_of(request)?;
        let wanted = body["Job"].clone();
        body["Job"]["Meta"]["between"] = "yes".into();
        *first.body_mut() = Some(body.to_string().into());
        *second.body_mut() = Some(json!({ "Job": wanted }).to_string().into());
        Some((first, second))
    }
}

/// How often Nomad hears of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Heard {
    Never,
    Once,
    Twice,
}

fn body_of(request: &Request) -> Option<Value> {
    let body = request.body().and_then(reqwest::Body::as_bytes)?;
    serde_json::from_slice(body).ok()
}
