//! Changes of a JSON tree.

use cs::simulator::world::Random;
use serde_json::{Value, json};

use super::mutate::{below, pick};

/// Changes one place.
pub(super) fn change(random: &mut Random, value: &mut Value, donor: Option<&Value>) {
    let count = places(value);
    let mut left = below(random, count);
    let place = nth(value, &mut left).expect("it has so many places");
    match below(random, 6) {
        0 => *place = odd(random),
        1 => *place = json!([place.take()]),
        2 => *place = json!({"a": place.take()}),
        3 => shuffle(random, place),
        4 => {
            if let Some(donor) = donor {
                let mut donor = donor.clone();
                let mut left = below(random, places(&donor));
                *place = nth(&mut donor, &mut left)
                    .expect("it has so many places")
                    .take();
            }
        }
        _ => *place = other_type(place),
    }
}

fn places(value: &Value) -> usize {
    1 + match value {
        Value::Array(items) => items.iter().map(places).sum(),
        Value::Object(members) => members.values().map(places).sum(),
        _ => 0,
    }
}

fn nth<'v>(value: &'v mut Value, left: &mut usize) -> Option<&'v mut Value> {
    if *left == 0 {
        return Some(value);
    }
    *left -= 1;
    match value {
        Value::Array(items) => items.iter_mut().find_map(|item| nth(item, left)),
        Value::Object(members) => members.values_mut().find_map(|item| nth(item, left)),
        _ => None,
    }
}

/// Takes away, doubles or renames a member.
fn shuffle(random: &mut Random, place: &mut Value) {
    match place {
        Value::Array(items) if !items.is_empty() => {
            let at = below(random, items.len());
            match below(random, 2) {
                0 => drop(items.remove(at)),
                _ => items.insert(at, items[at].clone()),
            }
        }
        Value::Object(members) if !members.is_empty() => {
            let name = members
                .keys()
                .nth(below(random, members.len()))
                .cloned()
                .expect("it has so many");
            let value = members.remove(&name).expect("it is there");
            if below(random, 2) == 0 {
                members.insert(name.to_uppercase(), value);
            }
        }
        _ => *place = odd(random),
    }
}

fn odd(random: &mut Random) -> Value {
    let long = "x".repeat(1 << below(random, 12));
    let texts: [&str; 10] = [
        "",
        " ",
        "\0",
        "${x}",
        "{{ x }}",
        "../..",
        "%{ if x }",
        "\u{202e}",
        "-1",
        &long,
    ];
    match below(random, 6) {
        0 => Value::Null,
        1 => json!(below(random, 2) == 0),
        2 => json!(i64::MIN),
        3 => json!(u64::MAX),
        4 => json!(1e300),
        _ => json!(pick(random, &texts)),
    }
}

/// The same as another type: a number as text, a text as a number.
fn other_type(value: &Value) -> Value {
    match value {
        Value::Number(number) => json!(number.to_string()),
        Value::String(text) => text
            .parse::<f64>()
            .map_or(Value::Null, |number| json!(number)),
        Value::Bool(flag) => json!(flag.to_string()),
        _ => json!(0),
    }
}
