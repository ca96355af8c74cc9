//! The JSON Schema of the kinds, for editors and CI.
//!
//! Generated from the same types that read the files, so neither knows a field that the other does not. Draft 7, because
//! that is what the YAML language server reads best. Committed as `schemas/cloudstation.io_v1.json`.

use schemars::generate::SchemaSettings;
use schemars::transform::{Transform, transform_subschemas};
use schemars::{JsonSchema, Schema};
use serde_json::{Value, json};

use super::workload::Workload;

/// Identifies the schema; not an address to be fetched.
const ID: &str = "https://cloudstation.io/schemas/cloudstation.io_v1.json";

/// The schema of a document of kind `Workload`.
#[must_use]
pub fn workload_schema() -> Value {
    let mut schema = SchemaSettings::draft07()
        .with_transform(OptionalMayBeNull)
        .into_generator()
        .into_root_schema_for::<Workload>();
    schema.insert("$id".to_owned(), json!(ID));
    schema.insert("title".to_owned(), json!("CloudStation workload"));
    schema.to_value()
}

/// The schema as it is committed and printed: indented, with a line break at its end.
#[must_use]
pub fn rendered() -> String {
    indented(&workload_schema())
}

/// The schema of something that `cs` writes, such as a report, in the same form.
#[must_use]
pub fn rendered_output<T: JsonSchema>(id: &str, title: &str) -> String {
    let mut schema = SchemaSettings::draft07()
        .for_serialize()
        .into_generator()
        .into_root_schema_for::<T>();
    schema.insert("$id".to_owned(), json!(id));
    schema.insert("title".to_owned(), json!(title));
    indented(&schema.to_value())
}

fn indented(schema: &Value) -> String {
    let mut text =
        serde_json::to_string_pretty(schema).expect("a schema is JSON with text keys only");
    text.push('\n');
    text
}

/// Lets every member that may be left out be `null` as well: the reader takes both for absent.
#[derive(Debug, Clone)]
struct OptionalMayBeNull;

impl Transform for OptionalMayBeNull {
    fn transform(&mut self, schema: &mut Schema) {
        transform_subschemas(self, schema);
        let required: Vec<String> = match schema.get("required") {
            Some(Value::Array(names)) => names
                .iter()
                .filter_map(|name| name.as_str().map(str::to_owned))
                .collect(),
            _ => Vec::new(),
        };
        let Some(Value::Object(properties)) = schema.get_mut("properties") else {
            return;
        };
        for (name, property) in properties.iter_mut() {
            if !required.contains(name) {
                allow_null(property);
            }
        }
    }
}

fn allow_null(property: &mut Value) {
    let Some(members) = property.as_object_mut() else {
        return;
    };
    if let Some(Value::String(one)) = members.get("type") {
        let types = json!([one, "null"]);
        members.insert("type".to_owned(), types);
    } else if let Some(combined) = members.remove("allOf").or_else(|| {
        let reference = members.remove("$ref")?;
        Some(json!([{ "$ref": reference }]))
    }) {
        let any = match combined {
            Value::Array(mut schemas) if schemas.len() == 1 => {
                json!([schemas.remove(0), { "type": "null" }])
            }
            all => json!([{ "allOf": all }, { "type": "null" }]),
        };
        members.insert("anyOf".to_owned(), any);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_knows_every_field_and_no_other() {
        let schema = workload_schema();
        assert_eq!(schema["$schema"], "http://json-schema.org/draft-07/schema#");
        assert_eq!(schema["additionalProperties"], false);
        let port = &schema["definitions"]["Port"];
        assert_eq!(port["additionalProperties"], false);
        assert_eq!(port["required"], json!(["port"]));
        assert!(port["properties"]["customDomain"].is_object());
    }
}
