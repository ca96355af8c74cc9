//! What the backend's answers say.

use reqwest::StatusCode;
use serde::Deserialize;

/// Whether a `PUT` arrived.
pub(super) fn is_taken(status: StatusCode) -> bool {
    matches!(status, StatusCode::OK | StatusCode::CREATED)
}

/// Whether a router may say so of a path whose other form, with or without the slash at its end, it knows.
pub(super) fn is_another_path(status: StatusCode) -> bool {
    status == StatusCode::NOT_FOUND || status.is_redirection()
}

/// The subdomain of an answer, if it is one: letters, digits, `-`, `_` and `.`, at most 253 bytes.
pub(super) fn domain_in(body: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Allocated {
        domain: String,
    }
    let Allocated { domain } = serde_json::from_slice(body).ok()?;
    let fits = (1..=253).contains(&domain.len())
        && domain
            .chars()
            .all(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | '.'));
    fits.then_some(domain)
}

/// What a refusal says: `message`, a text or a list of them.
pub(super) fn message_in(body: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Refusal {
        message: Message,
    }
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Message {
        One(String),
        Many(Vec<String>),
    }
    match serde_json::from_slice::<Refusal>(body).ok()?.message {
        Message::One(text) => Some(text),
        Message::Many(texts) => Some(texts.join("; ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_name_is_taken_as_a_domain() {
        assert_eq!(
            domain_in(br#"{"domain":"shop-1"}"#).as_deref(),
            Some("shop-1")
        );
        for bad in [
            r#"{"domain":""}"#,
            r#"{"domain":"a b"}"#,
            r#"{"domain":"a`,x"}"#,
            "{}",
            "x",
            r#"{"domain":7}"#,
        ] {
            assert_eq!(domain_in(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn a_message_is_one_text_or_a_list() {
        assert_eq!(message_in(br#"{"message":"no"}"#).as_deref(), Some("no"));
        assert_eq!(
            message_in(br#"{"message":["a","b"]}"#).as_deref(),
            Some("a; b")
        );
        assert_eq!(message_in(b"updated!"), None);
    }
}
