//! Encodings, digests and names made of names.

use crate::spec::single;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256, Sha512};

use super::{Function, Outcome, failed, fixed, text_at};
use crate::simulator::jobspec::convert;

pub(super) const TABLE: &[Function] = &[
    fixed("base64decode", &["str"], |arguments| {
        let bytes = STANDARD.decode(text_at(arguments, 0)?);
        match bytes.map(String::from_utf8) {
            Ok(Ok(text)) => Ok(json!(text)),
            Ok(Err(_)) => failed("the result of decoding the provided string is not valid UTF-8"),
            Err(_) => failed("failed to decode base64 data"),
        }
    }),
    fixed("base64encode", &["str"], |arguments| {
        Ok(json!(STANDARD.encode(text_at(arguments, 0)?)))
    }),
    fixed("csvdecode", &["str"], |arguments| {
        csv(&text_at(arguments, 0)?)
    }),
    fixed(
        "jsondecode",
        &["str"],
        |arguments| match serde_json::from_str::<Value>(&text_at(arguments, 0)?) {
            Ok(value) => Ok(plain_numbers(value)),
            Err(error) => failed(error.to_string()),
        },
    ),
    fixed("jsonencode", &["val"], |arguments| {
        Ok(json!(json_text(&arguments[0])))
    }),
    fixed("yamldecode", &["src"], |arguments| {
        match single::values(&text_at(arguments, 0)?) {
            Ok(values) => Ok(plain_numbers(values.into_iter().next().unwrap_or_default())),
            Err(flaw) => failed(flaw.message),
        }
    }),
    fixed("urlencode", &["str"], |arguments| {
        let text = text_at(arguments, 0)?;
        let encoded = url::form_urlencoded::byte_serialize(text.as_bytes());
        Ok(json!(
            encoded
                .collect::<String>()
                .replace("%7E", "~")
                .replace('*', "%2A")
        ))
    }),
    fixed("sha1", &["str"], |arguments| {
        Ok(json!(
            sha1_smol::Sha1::from(text_at(arguments, 0)?).hexdigest()
        ))
    }),
    fixed("sha256", &["str"], |arguments| {
        Ok(json!(hex(&Sha256::digest(text_at(arguments, 0)?))))
    }),
    fixed("sha512", &["str"], |arguments| {
        Ok(json!(hex(&Sha512::digest(text_at(arguments, 0)?))))
    }),
    fixed("uuidv5", &["namespace", "name"], named_id),
];

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// As Go writes JSON: what could be taken for HTML is escaped.
pub(super) fn json_text(value: &Value) -> String {
    value
        .to_string()
        .replace('<', "\\u003c")
        .replace('>', "\\u003e")
        .replace('&', "\\u0026")
        .replace('\u{2028}', "\\u2028")
        .replace('\u{2029}', "\\u2029")
}

fn plain_numbers(value: Value) -> Value {
    match value {
        Value::Number(number) => convert::numeric(&number).value(),
        Value::Array(items) => items.into_iter().map(plain_numbers).collect(),
        Value::Object(members) => members
            .into_iter()
            .map(|(key, value)| (key, plain_numbers(value)))
            .collect(),
        other => other,
    }
}

fn named_id(arguments: &[Value]) -> Outcome {
    let namespace = match text_at(arguments, 0)?.as_str() {
        "dns" => uuid::Uuid::NAMESPACE_DNS,
        "url" => uuid::Uuid::NAMESPACE_URL,
        "oid" => uuid::Uuid::NAMESPACE_OID,
        "x500" => uuid::Uuid::NAMESPACE_X500,
        other => match uuid::Uuid::parse_str(other) {
            Ok(namespace) => namespace,
            Err(_) => return failed(format!("uuidv5() doesn't support namespace {other}")),
        },
    };
    let name = text_at(arguments, 1)?;
    Ok(json!(
        uuid::Uuid::new_v5(&namespace, name.as_bytes()).to_string()
    ))
}

/// Rows as maps, named by the first row.
fn csv(text: &str) -> Outcome {
    let Some(mut rows) = csv_rows(text) else {
        return failed("a quoted field is not closed");
    };
    if rows.is_empty() {
        return failed("missing header line");
    }
    let names = rows.remove(0);
    let mut values = Vec::new();
    for row in rows {
        if row.len() != names.len() {
            return failed("wrong number of fields");
        }
        let members = names.iter().cloned().zip(row.into_iter().map(Value::from));
        values.push(members.collect::<Value>());
    }
    Ok(Value::Array(values))
}

/// Nothing when a quote is not closed.
fn csv_rows(text: &str) -> Option<Vec<Vec<String>>> {
    let mut rows = vec![vec![String::new()]];
    let mut letters = text.chars().peekable();
    let mut quoted = false;
    while let Some(letter) = letters.next() {
        let field = rows.last_mut()?.last_mut()?;
        match letter {
            '"' if quoted && letters.peek() == Some(&'"') => field.extend(letters.next()),
            '"' => quoted = !quoted,
            ',' if !quoted => rows.last_mut()?.push(String::new()),
            '\r' if !quoted && letters.peek() == Some(&'\n') => {}
            '\n' if !quoted => rows.push(vec![String::new()]),
            letter => field.push(letter),
        }
    }
    rows.retain(|row| row.len() > 1 || row.iter().any(|field| !field.is_empty()));
    (!quoted).then_some(rows)
}
