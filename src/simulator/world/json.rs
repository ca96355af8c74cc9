//! Reading JSON trees whose members may be missing or `null`.

use serde_json::{Map, Value};

/// A member as text; `""` when it is absent.
#[must_use]
pub fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// A member as a whole number; 0 when it is absent.
#[must_use]
pub fn int(value: &Value, name: &str) -> i64 {
    let Some(value) = value.get(name) else {
        return 0;
    };
    value
        .as_i64()
        .or_else(|| value.as_f64().map(round))
        .unwrap_or(0)
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "1.0 is as good as 1; saturates"
)]
fn round(value: f64) -> i64 {
    value as i64
}

/// A member as a count; 0 when it is absent or negative.
#[must_use]
pub fn count(value: &Value, name: &str) -> u64 {
    u64::try_from(int(value, name)).unwrap_or(0)
}

/// A member as a flag.
#[must_use]
pub fn flag(value: &Value, name: &str) -> bool {
    value.get(name).and_then(Value::as_bool).unwrap_or(false)
}

/// A member as a list; empty when it is absent.
#[must_use]
pub fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value
        .get(name)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

/// A member as a list of texts.
#[must_use]
pub fn texts(value: &Value, name: &str) -> Vec<String> {
    list(value, name)
        .iter()
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect()
}

/// A member as an object, when it is one.
#[must_use]
pub fn object<'a>(value: &'a Value, name: &str) -> Option<&'a Map<String, Value>> {
    value.get(name).and_then(Value::as_object)
}

/// Whether a member is there and not `null`.
#[must_use]
pub fn present(value: &Value, name: &str) -> bool {
    value.get(name).is_some_and(|value| !value.is_null())
}

/// A member by its name, upper and lower case being the same, as Go's decoder has it. An exact match wins.
#[must_use]
pub fn any_case<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    let members = value.as_object()?;
    members.get(name).or_else(|| {
        members
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    })
}
