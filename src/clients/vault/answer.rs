//! What Vault's answers hold.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::path::SecretPath;
use crate::secret::Secret;

/// What one path holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VaultSecrets {
    /// Strings as they are; numbers and booleans in the letters that they have in Vault's JSON.
    pub values: BTreeMap<String, Secret>,
    /// Changes whenever the content may have changed; `None` where Vault keeps no versions (KV version 1).
    ///
    /// Path, version and its time of creation: versions begin at 1 again when a secret was removed with all of them.
    pub version: Option<String>,
    /// Keys that were left out, sorted: those that cannot name a variable, and those whose values cannot be one (lists,
    /// objects, null, texts with a NUL). Fit for a log: on one line, shortened, quoted where they need it.
    pub skipped: Vec<String>,
}

/// What an answer to a read is about.
pub(super) enum Found {
    Secrets(VaultSecrets),
    Deleted { version: u64, destroyed: bool },
}

/// An object in the letters that it came in.
type Members<'a> = BTreeMap<String, &'a RawValue>;

/// The token of a login. The parser's own error may quote it and is dropped.
pub(super) fn token_in(body: &Secret) -> Option<Secret> {
    #[derive(Deserialize)]
    struct Answer {
        auth: Auth,
    }
    #[derive(Deserialize)]
    struct Auth {
        client_token: Secret,
    }
    let Answer { auth } = serde_json::from_str(body.expose()).ok()?;
    Some(auth.client_token).filter(|token| !token.is_empty())
}

/// What Vault says besides: errors, then warnings.
pub(super) fn texts_in(body: &Secret) -> Vec<String> {
    #[derive(Deserialize)]
    struct Answer {
        errors: Option<Vec<String>>,
        warnings: Option<Vec<String>>,
    }
    let Ok(answer) = serde_json::from_str::<Answer>(body.expose()) else {
        return Vec::new();
    };
    let errors = answer.errors.unwrap_or_default();
    errors
        .into_iter()
        .chain(answer.warnings.unwrap_or_default())
        .collect()
}

/// The secrets of an answer, or that there were some. `None` where it holds neither.
pub(super) fn found_in(body: &Secret, path: &SecretPath) -> Option<Found> {
    #[derive(Deserialize)]
    struct Answer<'a> {
        #[serde(borrow)]
        data: Members<'a>,
    }
    let Answer { data } = serde_json::from_str(body.expose()).ok()?;
    let versioned = path.has_data_part().then(|| versioned(&data)).flatten();
    let Some((metadata, members)) = versioned else {
        return Some(Found::Secrets(secrets(&data, None)));
    };
    Some(match members {
        Some(members) => Found::Secrets(secrets(&members, metadata.name(path))),
        None => Found::Deleted {
            version: metadata.version,
            destroyed: metadata.destroyed,
        },
    })
}

#[derive(Deserialize)]
struct Metadata {
    version: u64,
    created_time: Option<String>,
    #[serde(default)]
    destroyed: bool,
}

impl Metadata {
    /// Without a time the number alone would promise too much.
    fn name(&self, path: &SecretPath) -> Option<String> {
        let created = self.created_time.as_deref()?;
        Some(format!("{}#{}@{created}", path.path(), self.version))
    }
}

/// The two halves of a KV version 2 answer; no members when that version is gone.
///
/// A secret of KV version 1 may have a key `data` too, so both halves must have their form.
fn versioned<'a>(data: &Members<'a>) -> Option<(Metadata, Option<Members<'a>>)> {
    let metadata = serde_json::from_str(data.get("metadata")?.get()).ok()?;
    let members = serde_json::from_str(data.get("data")?.get()).ok()?;
    Some((metadata, members))
}

fn secrets(members: &Members<'_>, version: Option<String>) -> VaultSecrets {
    let (mut values, mut skipped) = (BTreeMap::new(), Vec::new());
    for (key, raw) in members {
        match text_of(raw).filter(|_| names_a_variable(key)) {
            Some(value) => {
                values.insert(key.clone(), value);
            }
            None => skipped.push(shown(key)),
        }
    }
    VaultSecrets {
        values,
        version,
        skipped,
    }
}

/// A scalar that can be a variable's value.
fn text_of(raw: &RawValue) -> Option<Secret> {
    let json = raw.get();
    match json.as_bytes().first()? {
        b'"' => serde_json::from_str::<Secret>(json)
            .ok()
            .filter(|text| !text.expose().contains('\0')),
        b't' | b'f' | b'-' | b'0'..=b'9' => Some(Secret::new(json)),
        _ => None,
    }
}

/// The rule of the variables that the service itself gets from the same secret: letters, digits, `_`, `-` and `.`, with
/// a letter or `_` first.
fn names_a_variable(key: &str) -> bool {
    key.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && key
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c))
}

fn shown(key: &str) -> String {
    const LONGEST: usize = 100;
    let mut shown: String = key.chars().take(LONGEST).collect();
    if shown.len() < key.len() {
        shown.push('…');
    }
    if names_a_variable(key) {
        shown
    } else {
        format!("{shown:?}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const METADATA: &str = r#""metadata": {"created_time": "2026-03-01T00:00:00.5Z", "deletion_time": "",
        "destroyed": false, "version": 3, "custom_metadata": null}"#;

    fn found(path: &str, data: &str) -> Option<Found> {
        let body = Secret::new(format!(r#"{{"request_id": "x", "data": {data}}}"#));
        found_in(&body, &SecretPath::parse(path).unwrap())
    }

    fn read(path: &str, data: &str) -> VaultSecrets {
        match found(path, data) {
            Some(Found::Secrets(secrets)) => secrets,
            _ => panic!("no secrets in {data}"),
        }
    }

    fn values(secrets: &VaultSecrets) -> Vec<(&str, &str)> {
        let pairs = secrets.values.iter();
        pairs
            .map(|(key, value)| (key.as_str(), value.expose()))
            .collect()
    }

    #[test]
    fn scalars_are_taken_as_they_are_written_and_others_are_named() {
        let secrets = read(
            "kv1/a",
            r#"{"text": "a \"b\"\nc é", "empty": "", "int": 12345678901234567890123, "float": 1.50, "big": 1e+22,
                "minus": -0, "yes": true, "no":false, "list": [1], "object": {"a": 1}, "null": null, "nul": "a\u0000b",
                "half": "\ud800"}"#,
        );
        assert_eq!(
            values(&secrets),
            [
                ("big", "1e+22"),
                ("empty", ""),
                ("float", "1.50"),
                ("int", "12345678901234567890123"),
                ("minus", "-0"),
                ("no", "false"),
                ("text", "a \"b\"\nc é"),
                ("yes", "true"),
            ]
        );
        assert_eq!(secrets.skipped, ["half", "list", "nul", "null", "object"]);
        assert_eq!(secrets.version, None);
    }

    #[test]
    fn keys_that_name_no_variable_are_skipped_and_shown_in_one_line() {
        let long = "k".repeat(300);
        let secrets = read(
            "kv1/a",
            &format!(
                r#"{{"A": "1", "_b-c.d": "2", "": "x", "1a": "x", "a b": "x", "a=b": "x", "a\nb": "x", "é": "x", "{long}": []}}"#
            ),
        );
        assert_eq!(values(&secrets), [("A", "1"), ("_b-c.d", "2")]);
        let long = format!("{}…", "k".repeat(100));
        assert_eq!(
            secrets.skipped,
            [
                r#""""#,
                r#""1a""#,
                r#""a\nb""#,
                r#""a b""#,
                r#""a=b""#,
                &long,
                r#""é""#
            ]
        );
    }

    #[test]
    fn version_2_is_unwrapped_and_named_by_path_number_and_time() {
        let secrets = read(
            "/v1/kv/data/a?version=3",
            &format!(r#"{{"data": {{"A": "1", "metadata": "m", "data": "d"}}, {METADATA}}}"#),
        );
        assert_eq!(
            values(&secrets),
            [("A", "1"), ("data", "d"), ("metadata", "m")]
        );
        assert_eq!(
            secrets.version.as_deref(),
            Some("kv/data/a#3@2026-03-01T00:00:00.5Z")
        );
        let timeless = r#"{"data": {}, "metadata": {"version": 3}}"#;
        assert_eq!(read("kv/data/a", timeless).version, None);
    }

    #[test]
    fn version_1_secrets_that_look_like_version_2_are_not_unwrapped() {
        let whole = format!(r#"{{"data": {{"A": "1"}}, {METADATA}}}"#);
        for (path, data) in [
            ("kv1/a", whole.as_str()),
            ("kv1/data/a", r#"{"data": {"A": "1"}}"#),
            (
                "kv1/data/a",
                r#"{"data": {"A": "1"}, "metadata": {"a": 1}}"#,
            ),
            (
                "kv1/data/a",
                r#"{"data": {"A": "1"}, "metadata": {"version": "3"}}"#,
            ),
        ] {
            let secrets = read(path, data);
            assert!(
                secrets.values.is_empty() && secrets.version.is_none(),
                "{data}"
            );
            assert_eq!(secrets.skipped[0], "data", "{data}");
        }
        let text = r#"{"data": "d", "metadata": {"version": 1}}"#;
        assert_eq!(values(&read("kv1/data/a", text)), [("data", "d")]);
    }

    #[test]
    fn a_deleted_version_is_no_empty_secret() {
        for (flag, gone) in [("false", false), ("true", true)] {
            let data = format!(
                r#"{{"data": null, "metadata": {{"version": 7, "created_time": "t", "destroyed": {flag}}}}}"#
            );
            let Some(Found::Deleted { version, destroyed }) = found("kv/data/a", &data) else {
                panic!("not deleted: {data}")
            };
            assert_eq!((version, destroyed), (7, gone));
        }
    }

    #[test]
    fn what_is_no_object_holds_nothing() {
        for data in ["null", "[]", r#""canary""#, "1", "{"] {
            assert!(found("kv/data/a", data).is_none(), "{data}");
        }
        let path = SecretPath::parse("kv/a").unwrap();
        for body in ["", "{}", "null", "<html>", r#"{"data": {"a": }}"#] {
            assert!(found_in(&Secret::new(body), &path).is_none(), "{body}");
            assert!(token_in(&Secret::new(body)).is_none(), "{body}");
            assert!(texts_in(&Secret::new(body)).is_empty(), "{body}");
        }
    }

    #[test]
    fn a_login_without_a_token_gives_none() {
        let token =
            |body: &str| token_in(&Secret::new(body)).map(|token| token.expose().to_owned());
        assert_eq!(
            token(r#"{"auth": {"client_token": "t"}}"#).as_deref(),
            Some("t")
        );
        for body in [
            r#"{"auth": null}"#,
            r#"{"auth": {}}"#,
            r#"{"auth": {"client_token": ""}}"#,
            r#"{"auth": {"client_token": 1}}"#,
        ] {
            assert_eq!(token(body), None, "{body}");
        }
    }

    #[test]
    fn errors_come_before_warnings() {
        let body = Secret::new(r#"{"errors": ["a", "b"], "warnings": ["c"], "data": null}"#);
        assert_eq!(texts_in(&body), ["a", "b", "c"]);
        let body = Secret::new(r#"{"errors": [], "warnings": null}"#);
        assert!(texts_in(&body).is_empty());
    }

    #[test]
    fn debug_shows_no_value() {
        let secrets = read("kv1/a", r#"{"A": "canary", "B": 777123}"#);
        let shown = format!("{secrets:?}");
        assert!(
            !shown.contains("canary") && !shown.contains("777123"),
            "{shown}"
        );
    }
}
