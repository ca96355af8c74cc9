//! The JSON Schemas of the kinds, for editors and CI.
//!
//! Generated from the same types that read the files, so neither knows a field that the other does not. Draft 7, because
//! that is what the YAML language server reads best. [`KINDS`] is the one list of kinds; everything that tells of them
//! (`cs schema`, `cs explain`, the reference under `docs/spec/`) walks it.
//!
//! One schema describes every document, so that one modeline fits every file: `if` a document's kind is so, `then` it is
//! like that. `oneOf` would say the same, but a checker that finds no match among alternatives cannot tell which one was
//! meant, and complains about all of them. With `if` it complains about the field, and editors complete exactly the
//! fields of the kind that the file names.

use schemars::generate::SchemaSettings;
use schemars::transform::{Transform, transform_subschemas};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

use crate::committed::{self, in_debug};

use super::duration::Span;
use super::nomad_job::NomadJob;
use super::overlay::{KIND as OVERLAY, Overlay};
use super::resource::Kind;
use super::workload::{API_VERSION, Workload};

/// Where the schemas say that they live. Identifies them; not an address to be fetched.
const BASE: &str = "https://cloudstation.io/schemas";

/// File of the schema of every document, below `schemas/`. The modelines of spec files name it.
pub const DOCUMENT_FILE: &str = "cloudstation.io_v1.json";

/// A kind and its schema.
#[derive(Debug, Clone, Copy)]
pub struct KindSchema {
    /// The word in files, e.g. `Workload`.
    pub name: &'static str,
    part: Option<Part>,
}

/// What makes the part of a schema that is a kind's own.
type Part = fn(&mut SchemaGenerator) -> Schema;

/// Every kind of this build. A new one needs its line here and nothing else.
pub static KINDS: [KindSchema; 3] = [
    KindSchema {
        name: Kind::Workload.as_str(),
        part: in_debug(SchemaGenerator::subschema_for::<Workload> as Part),
    },
    KindSchema {
        name: Kind::NomadJob.as_str(),
        part: in_debug(SchemaGenerator::subschema_for::<NomadJob> as Part),
    },
    KindSchema {
        name: OVERLAY,
        part: in_debug(SchemaGenerator::subschema_for::<Overlay> as Part),
    },
];

impl KindSchema {
    /// The kind of that name, in letters of any case.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        KINDS
            .iter()
            .find(|kind| kind.name.eq_ignore_ascii_case(name))
    }

    /// The name in commands and file names: lower case.
    #[must_use]
    pub fn word(&self) -> String {
        self.name.to_ascii_lowercase()
    }

    /// File of its schema, below `schemas/`: group, kind and version, as kubeconform and its like look for schemas.
    #[must_use]
    pub fn file(&self) -> String {
        let (group, version) = API_VERSION
            .split_once('/')
            .expect("an API version is group and version");
        format!("{group}/{}_{version}.json", self.word())
    }

    /// The schema of a document of this kind.
    #[must_use]
    pub fn schema(&self) -> Value {
        let Some(part) = self.part else {
            return committed_schema(&self.file());
        };
        let mut generator = generator();
        let reference = part(&mut generator).to_value();
        let mut definitions = generator.take_definitions(true);
        let root = reference["$ref"]
            .as_str()
            .and_then(|reference| definitions.remove(reference.strip_prefix(POINTER)?))
            .expect("kinds are definitions, and no kind contains itself");
        finished(root, definitions, &self.file(), self.name)
    }

    /// The same as text, as it is committed and printed.
    #[must_use]
    pub fn text(&self) -> String {
        rendered(&self.schema())
    }
}

fn committed_schema(file: &str) -> Value {
    let text = committed::text(file).expect("a test finds every schema committed");
    serde_json::from_str(&text).expect("it was written as JSON")
}

const POINTER: &str = "#/definitions/";

/// The schema of any document.
#[must_use]
pub fn document_schema() -> Value {
    let parts: Option<Vec<Part>> = KINDS.iter().map(|kind| kind.part).collect();
    let Some(parts) = parts else {
        return committed_schema(DOCUMENT_FILE);
    };
    let mut generator = generator();
    let references: Vec<Value> = parts
        .iter()
        .map(|part| part(&mut generator).to_value())
        .collect();
    let definitions = generator.take_definitions(true);
    let branches = KINDS.iter().zip(&references).map(|(kind, reference)| {
        json!({
            "if": { "properties": { "kind": { "const": kind.name } }, "required": ["kind"] },
            "then": reference,
        })
    });
    let root = json!({
        "type": "object",
        "description": format!("A document of one of the kinds {}.", KINDS.map(|kind| kind.name).join(", ")),
        "properties": shared_properties(&references, &definitions),
        "required": ["apiVersion", "kind"],
        "allOf": branches.collect::<Vec<_>>(),
    });
    finished(root, definitions, DOCUMENT_FILE, "document")
}

/// What editors offer before a document names its kind: the members of all kinds, the kind with its choice.
fn shared_properties(references: &[Value], definitions: &Map<String, Value>) -> Value {
    let kinds: Vec<&Map<String, Value>> = references
        .iter()
        .filter_map(|reference| resolve(reference, definitions)["properties"].as_object())
        .collect();
    let Some((first, others)) = kinds.split_first() else {
        return json!({});
    };
    let mut shared = Map::new();
    for (name, property) in *first {
        if others.iter().all(|other| other.contains_key(name)) {
            let meaning = resolve(property, definitions);
            let is_same = others
                .iter()
                .all(|other| resolve(&other[name], definitions) == meaning);
            let property = match (name.as_str(), is_same) {
                ("kind", _) => kind_choice(definitions),
                (_, true) => property.clone(),
                // Told apart by the kind.
                (_, false) => json!({ "description": property["description"] }),
            };
            shared.insert(name.clone(), property);
        }
    }
    Value::Object(shared)
}

fn kind_choice(definitions: &Map<String, Value>) -> Value {
    let kinds = KINDS.map(|kind| {
        json!({ "type": "string", "const": kind.name, "description": definitions[kind.name]["description"] })
    });
    json!({ "description": "What the document describes.", "oneOf": kinds })
}

fn generator() -> SchemaGenerator {
    SchemaSettings::draft07()
        .with_transform(AsTheReader)
        .into_generator()
}

fn finished(mut root: Value, definitions: Map<String, Value>, file: &str, what: &str) -> Value {
    root["$schema"] = json!("http://json-schema.org/draft-07/schema#");
    root["$id"] = json!(format!("{BASE}/{file}"));
    root["title"] = json!(format!("CloudStation {what}"));
    let known = Value::Object(definitions.clone());
    root["definitions"] = Value::Object(definitions);
    add_defaults(&mut root, &known);
    join_lines(&mut root);
    root
}

/// Makes one line of each paragraph of a description: where a comment is broken is no concern of its readers.
fn join_lines(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            for (name, member) in members {
                match member {
                    Value::String(text) if name == "description" => {
                        let paragraphs: Vec<String> = text
                            .split("\n\n")
                            .map(|paragraph| paragraph.replace('\n', " "))
                            .collect();
                        *text = paragraphs.join("\n\n");
                    }
                    _ => join_lines(member),
                }
            }
        }
        Value::Array(elements) => elements.iter_mut().for_each(join_lines),
        _ => {}
    }
}

/// A schema as it is committed and printed: indented, with a line break at its end.
#[must_use]
pub fn rendered(schema: &Value) -> String {
    let mut text =
        serde_json::to_string_pretty(schema).expect("a schema is JSON with text keys only");
    text.push('\n');
    text
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
    rendered(&schema.to_value())
}

/// For `allOf`: exactly one of these members is there, where `null` counts as absent.
///
/// With `not` instead of `oneOf`, because editors offer every member that an alternative names once more.
pub(super) fn one_of(members: &[&str]) -> Value {
    let all_null: Map<String, Value> = members
        .iter()
        .map(|member| ((*member).to_owned(), json!({ "type": "null" })))
        .collect();
    let none = json!({ "not": { "properties": all_null } });
    let there = json!({ "not": { "type": "null" } });
    let two = members.iter().enumerate().flat_map(|(index, one)| {
        let there = &there;
        members[index + 1..].iter().map(move |other| {
            json!({ "not": { "properties": { *one: there, *other: there }, "required": [one, other] } })
        })
    });
    std::iter::once(none).chain(two).collect()
}

/// What a schema refers to, or itself; also behind `null` and a description of its own.
#[must_use]
pub fn resolve<'s>(schema: &'s Value, definitions: &'s Map<String, Value>) -> &'s Value {
    if let Some(reference) = schema["$ref"].as_str() {
        let name = reference.strip_prefix(POINTER).unwrap_or(reference);
        return definitions.get(name).unwrap_or(schema);
    }
    let parts = schema["allOf"].as_array().or(schema["anyOf"].as_array());
    let mut real = parts
        .into_iter()
        .flatten()
        .filter(|part| part["type"] != "null");
    match (real.next(), real.next()) {
        (Some(part), None) => resolve(part, definitions),
        _ => schema,
    }
}

/// Takes the last sentence of a description apart when it tells the default: `(what it is, the default)`.
///
/// Comments end with `Default: X.`; that is where the reference and the schemas have it from.
#[must_use]
pub fn split_default(description: &str) -> (&str, Option<&str>) {
    const MARK: &str = "Default:";
    match description.rfind(MARK) {
        Some(at) => {
            let default = description[at + MARK.len()..].trim();
            (
                description[..at].trim_end(),
                Some(default.strip_suffix('.').unwrap_or(default)),
            )
        }
        None => (description, None),
    }
}

/// Writes each default that is a plain value into the schema, where editors look for it.
fn add_defaults(schema: &mut Value, definitions: &Value) {
    match schema {
        Value::Object(members) => {
            if let Some(Value::Object(properties)) = members.get_mut("properties") {
                for property in properties.values_mut() {
                    add_default(property, definitions);
                }
            }
            for member in members.values_mut() {
                add_defaults(member, definitions);
            }
        }
        Value::Array(elements) => {
            for element in elements {
                add_defaults(element, definitions);
            }
        }
        _ => {}
    }
}

fn add_default(property: &mut Value, definitions: &Value) {
    let default = property["description"]
        .as_str()
        .and_then(|description| split_default(description).1)
        .and_then(|default| literal(default, property, definitions.as_object()?));
    if let (Some(default), Some(members)) = (default, property.as_object_mut()) {
        members.insert("default".to_owned(), default);
    }
}

/// The value that a default names, unless it is words or depends on something.
fn literal(default: &str, property: &Value, definitions: &Map<String, Value>) -> Option<Value> {
    let real = resolve(property, definitions);
    let types = &real["type"];
    let is = |name: &str| {
        types == name
            || types
                .as_array()
                .is_some_and(|types| types.contains(&json!(name)))
    };
    if is("integer") {
        return default.parse::<u64>().ok().map(Value::from);
    }
    if is("boolean") {
        return default.parse::<bool>().ok().map(Value::from);
    }
    let text = default.strip_prefix('`')?.strip_suffix('`')?;
    let fits = match (real["oneOf"].as_array(), &real["pattern"]) {
        (Some(choices), _) => choices.iter().any(|choice| choice["const"] == text),
        (None, Value::String(_)) => text.parse::<Span>().is_ok(),
        (None, _) => is("string") && !text.contains('`'),
    };
    fits.then(|| json!(text))
}

/// Says what the reader does besides: every member that may be left out may be `null` as well, which counts as absent, and
/// numbers have the bounds of their type.
#[derive(Debug, Clone)]
struct AsTheReader;

impl Transform for AsTheReader {
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
            if property["format"] == "uint32" {
                // The generator writes the upper bounds of smaller numbers only.
                property["maximum"] = json!(u32::MAX);
            }
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
        if one == "null" {
            return;
        }
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
        let schema = KindSchema::named("workload").unwrap().schema();
        assert_eq!(schema["$schema"], "http://json-schema.org/draft-07/schema#");
        assert_eq!(schema["additionalProperties"], false);
        let port = &schema["definitions"]["Port"];
        assert_eq!(port["additionalProperties"], false);
        assert_eq!(port["required"], json!(["port"]));
        assert!(port["properties"]["customDomain"].is_object());
    }

    #[test]
    fn every_kind_of_a_document_has_its_branch_and_its_word() {
        let schema = document_schema();
        assert_eq!(schema["allOf"].as_array().unwrap().len(), KINDS.len());
        let words = schema["properties"]["kind"]["oneOf"].as_array().unwrap();
        let words: Vec<&Value> = words.iter().map(|word| &word["const"]).collect();
        let names = KINDS.map(|kind| kind.name);
        assert_eq!(words, names);
        assert_eq!(names[..2], Kind::ALL.map(Kind::as_str));
        assert_eq!(names[2], OVERLAY);
        for member in ["apiVersion", "kind", "metadata", "spec"] {
            assert!(schema["properties"][member].is_object(), "{member}");
        }
    }

    #[test]
    fn defaults_are_read_from_the_comments_where_they_are_plain_values() {
        let schema = document_schema();
        let of =
            |kind: &str, field: &str| &schema["definitions"][kind]["properties"][field]["default"];
        assert_eq!(of("WorkloadSpec", "replicas"), &json!(1));
        assert_eq!(of("Rollout", "autoRevert"), &json!(true));
        assert_eq!(of("Rollout", "minHealthyTime"), &json!("15s"));
        assert_eq!(of("Service", "provider"), &json!("consul"));
        assert_eq!(of("Schedule", "timeZone"), &json!("UTC"));
        for (kind, field) in [
            ("Rollout", "canary"),
            ("Restart", "mode"),
            ("Metadata", "namespace"),
            ("Volume", "mounts"),
            ("Push", "registry"),
        ] {
            assert!(of(kind, field).is_null(), "{kind}.{field}");
        }
    }

    #[test]
    fn the_last_sentence_tells_the_default() {
        assert_eq!(
            split_default("What. Default: `1.5s`."),
            ("What.", Some("`1.5s`"))
        );
        assert_eq!(split_default("Default: none."), ("", Some("none")));
        assert_eq!(split_default("What."), ("What.", None));
    }

    #[test]
    fn kinds_are_found_in_letters_of_any_case() {
        assert_eq!(KindSchema::named("nomadJOB").unwrap().name, "NomadJob");
        assert_eq!(
            KindSchema::named("workload").unwrap().file(),
            "cloudstation.io/workload_v1.json"
        );
        assert!(KindSchema::named("document").is_none());
    }
}
