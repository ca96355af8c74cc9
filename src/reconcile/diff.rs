//! Drift (placeholder until merged).
use serde_json::Value;
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Drift {
    pub changes: Vec<String>,
}
impl Drift {
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }
}
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DiffOptions;
pub fn diff(d: &Value, o: &Value, _: &DiffOptions) -> Drift {
    let stop = o.get("Stop").and_then(Value::as_bool).unwrap_or(false);
    if stop || d["TaskGroups"] != o["TaskGroups"] || d["Meta"] != o["Meta"] {
        Drift {
            changes: vec!["x".into()],
        }
    } else {
        Drift::default()
    }
}
pub fn merged(d: &Value, _: &Value, _: &DiffOptions) -> Value {
    d.clone()
}
