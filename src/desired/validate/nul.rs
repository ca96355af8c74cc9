//! NUL is nowhere allowed: environment, arguments and paths end at it, so the process would see another text.

use serde_json::Value;

use super::issues::Issues;
use crate::spec::path;
use crate::spec::workload::Workload;

/// Adds an issue for every text and key with a NUL.
pub(super) fn check(workload: &Workload, issues: &mut Issues) {
    // In JSON a NUL is written `\u0000`. Looking for that is far cheaper than walking a tree; the tree decides.
    let json = serde_json::to_string(workload).unwrap_or_default();
    if json.contains(r"\u0000") {
        let tree = serde_json::from_str(&json).unwrap_or_default();
        walk(&tree, "", issues);
    }
}

fn walk(value: &Value, at: &str, issues: &mut Issues) {
    const MESSAGE: &str = "must not contain a NUL character";
    match value {
        Value::String(text) if text.contains('\0') => issues.add("nul", at, MESSAGE),
        Value::Array(values) => {
            for (index, value) in values.iter().enumerate() {
                walk(value, &path::element(at, index), issues);
            }
        }
        Value::Object(members) => {
            for (key, value) in members {
                let at = path::member(at, key);
                if key.contains('\0') {
                    issues.add("nul", &at, MESSAGE);
                }
                walk(value, &at, issues);
            }
        }
        _ => {}
    }
}
