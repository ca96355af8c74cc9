//! Lists and maps.

use serde_json::{Map, Value, json};

use super::{Function, Outcome, Wrong, failed, fixed, list_at, repeated, text_at, whole_at};
use crate::simulator::jobspec::convert;
use crate::simulator::jobspec::types::as_set;

pub(super) const TABLE: &[Function] = &[
    fixed("chunklist", &["list", "size"], |arguments| {
        let list = list_at(arguments, 0)?;
        match usize::try_from(whole_at(arguments, 1)?) {
            Ok(0) => Ok(json!([list])),
            Ok(size) => Ok(list.chunks(size).map(|chunk| json!(chunk)).collect()),
            Err(_) => failed("the size argument must be positive"),
        }
    }),
    repeated("coalesce", &[], "vals", |arguments| {
        let mut values = arguments.to_vec();
        convert::unify(&mut values);
        match values.into_iter().find(|value| !value.is_null()) {
            Some(value) => Ok(value),
            None => failed("no non-null arguments"),
        }
    }),
    repeated("coalescelist", &[], "vals", |arguments| {
        for position in 0..arguments.len() {
            let list = list_at(arguments, position)?;
            if !list.is_empty() {
                return Ok(json!(list));
            }
        }
        failed("no non-null arguments")
    }),
    fixed("compact", &["list"], |arguments| {
        let list = list_at(arguments, 0)?.iter();
        let kept = list.filter(|item| !item.is_null() && *item != "");
        Ok(kept.cloned().collect())
    }),
    repeated("concat", &[], "seqs", |arguments| {
        let mut all = Vec::new();
        for position in 0..arguments.len() {
            all.extend_from_slice(list_at(arguments, position)?);
        }
        Ok(Value::Array(all))
    }),
    fixed("contains", &["list", "value"], |arguments| {
        Ok(json!(list_at(arguments, 0)?.contains(&arguments[1])))
    }),
    fixed("distinct", &["list"], |arguments| {
        let mut kept: Vec<Value> = Vec::new();
        for item in list_at(arguments, 0)? {
            if !kept.contains(item) {
                kept.push(item.clone());
            }
        }
        Ok(Value::Array(kept))
    }),
    fixed("element", &["list", "index"], |arguments| {
        let list = list_at(arguments, 0)?;
        if list.is_empty() {
            return failed("cannot use element function with an empty list");
        }
        let length = i64::try_from(list.len()).unwrap_or(i64::MAX);
        let at = whole_at(arguments, 1)?.rem_euclid(length);
        Ok(list[usize::try_from(at).unwrap_or(0)].clone())
    }),
    fixed("flatten", &["list"], |arguments| {
        let mut flat = Vec::new();
        flatten(list_at(arguments, 0)?, &mut flat);
        Ok(Value::Array(flat))
    }),
    fixed("index", &["collection", "key"], index),
    fixed("keys", &["inputMap"], |arguments| {
        Ok(map_at(arguments, 0)?.keys().map(|key| json!(key)).collect())
    }),
    fixed("values", &["mapping"], |arguments| {
        Ok(map_at(arguments, 0)?.values().cloned().collect())
    }),
    fixed("length", &["collection"], |arguments| match &arguments[0] {
        Value::Array(items) => Ok(json!(items.len())),
        _ => failed("collection must be a list, a map or a tuple"),
    }),
    fixed("lookup", &["inputMap", "key", "default"], |arguments| {
        let key = text_at(arguments, 1)?;
        let found = map_at(arguments, 0)?.get(&key);
        Ok(found.unwrap_or(&arguments[2]).clone())
    }),
    repeated("merge", &[], "maps", |arguments| {
        let mut merged = Map::new();
        for (position, argument) in arguments.iter().enumerate() {
            if !argument.is_null() {
                merged.extend(map_at(arguments, position)?.clone());
            }
        }
        Ok(Value::Object(merged))
    }),
    repeated(
        "setintersection",
        &["first_set"],
        "other_sets",
        |arguments| {
            let mut kept = list_at(arguments, 0)?.to_vec();
            for position in 1..arguments.len() {
                let other = list_at(arguments, position)?;
                kept.retain(|item| other.contains(item));
            }
            Ok(Value::Array(as_set(kept)))
        },
    ),
    repeated("setunion", &["first_set"], "other_sets", |arguments| {
        let mut all = Vec::new();
        for position in 0..arguments.len() {
            all.extend_from_slice(list_at(arguments, position)?);
        }
        Ok(Value::Array(as_set(all)))
    }),
    repeated("setproduct", &[], "sets", product),
    fixed(
        "slice",
        &["list", "start_index", "end_index"],
        |arguments| {
            let list = list_at(arguments, 0)?;
            let bound = |position| whole_at(arguments, position).map(usize::try_from);
            match (bound(1)?, bound(2)?) {
                (Ok(start), Ok(end)) if start <= end && end <= list.len() => {
                    Ok(json!(list[start..end]))
                }
                _ => failed("start and end must be positions in the list, start before end"),
            }
        },
    ),
    fixed("sort", &["list"], |arguments| {
        let texts = list_at(arguments, 0)?.iter().map(convert::text);
        let mut texts = texts
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| Wrong::Argument(0, error))?;
        texts.sort_unstable();
        Ok(json!(texts))
    }),
    fixed("zipmap", &["keys", "values"], |arguments| {
        let (keys, values) = (list_at(arguments, 0)?, list_at(arguments, 1)?);
        if keys.len() != values.len() {
            return failed(format!(
                "number of keys ({}) does not match number of values ({})",
                keys.len(),
                values.len()
            ));
        }
        let pairs = keys.iter().zip(values);
        let pairs = pairs.map(|(key, value)| Ok((convert::text(key)?, value.clone())));
        pairs
            .collect::<Result<Map<_, _>, String>>()
            .map(Value::Object)
            .map_err(|error| Wrong::Argument(0, error))
    }),
];

/// Combinations that one call may make.
const MOST_COMBINATIONS: usize = 10_000;

fn map_at(arguments: &[Value], position: usize) -> Result<&Map<String, Value>, Wrong> {
    match &arguments[position] {
        Value::Object(members) => Ok(members),
        other => {
            let error = format!("map required, but have {}", convert::kind(other));
            Err(Wrong::Argument(position, error))
        }
    }
}

fn flatten(items: &[Value], flat: &mut Vec<Value>) {
    for item in items {
        match item {
            Value::Array(inner) => flatten(inner, flat),
            other => flat.push(other.clone()),
        }
    }
}

fn index(arguments: &[Value]) -> Outcome {
    let found = match &arguments[0] {
        Value::Array(items) => usize::try_from(whole_at(arguments, 1)?)
            .ok()
            .and_then(|at| items.get(at)),
        Value::Object(members) => members.get(&text_at(arguments, 1)?),
        _ => None,
    };
    match found {
        Some(value) => Ok(value.clone()),
        None => failed("invalid index"),
    }
}

fn product(arguments: &[Value]) -> Outcome {
    let mut rows: Vec<Vec<Value>> = vec![Vec::new()];
    for position in 0..arguments.len() {
        let list = list_at(arguments, position)?;
        if rows.len().saturating_mul(list.len()) > MOST_COMBINATIONS {
            return failed("this simulated Nomad makes no more than 10000 combinations");
        }
        let longer = rows.iter().flat_map(|row| {
            list.iter().map(|item| {
                let mut row = row.clone();
                row.push(item.clone());
                row
            })
        });
        rows = longer.collect();
    }
    if arguments.len() < 2 {
        return failed("at least two arguments are required");
    }
    Ok(json!(rows))
}
