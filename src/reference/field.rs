//! The fields of a kind as a tree, read from its schema.

use serde::Serialize;
use serde_json::{Map, Value};

use crate::spec::schema::{KindSchema, resolve, split_default};
use crate::spec::suggest::closest;

/// One field and everything below it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Field {
    /// Its name; `*` stands for the names that users choose. The kind's name at the top.
    pub name: String,
    /// Where it is, e.g. `spec.ports[].check`; empty at the top.
    pub path: String,
    /// Its type: `string`, `integer`, `boolean`, `duration`, `object`, `any`; `[]T` is a list, `map[string]T` a mapping of
    /// free names, `T|U` is either.
    #[serde(rename = "type")]
    pub type_name: String,
    /// Whether it must be there.
    pub required: bool,
    /// What it is, one paragraph a line.
    pub description: String,
    /// What it is when it is left out, in words or as a value in backticks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default: Option<String>,
    /// Its values, when they are a choice.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<Choice>,
    /// What it must be or have besides, e.g. `must be at least 1`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub constraint: Option<String>,
    /// Name of the type of what has fields, e.g. `SecretRef`; the same type has the same fields everywhere.
    #[serde(skip)]
    pub shared: Option<String>,
    /// The fields below it, or of its elements, in the order of the alphabet.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<Field>,
}

/// One of the values of a choice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Choice {
    /// The word in files.
    pub value: String,
    /// What it means.
    pub meaning: String,
}

/// A path that leads nowhere.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{parent}` has no field `{name}`")]
pub struct NoField {
    /// Path of the last field that there is, the kind included.
    pub parent: String,
    /// What it does not have.
    pub name: String,
    /// What was probably meant.
    pub meant: Option<String>,
    /// Every field that it has.
    pub known: Vec<String>,
}

impl Field {
    /// The fields of a kind.
    #[must_use]
    pub fn of_kind(kind: &KindSchema) -> Self {
        let schema = kind.schema();
        let none = Map::new();
        let definitions = schema["definitions"].as_object().unwrap_or(&none);
        let reader = Reader { definitions };
        reader.field(kind.name, "", &schema, true)
    }

    /// The field at a path such as `spec.ports.check`; `[]`, `[0]` and `[*]` behind lists may be written or not.
    ///
    /// # Errors
    /// There is none; says where the path leaves the tree and what is there instead.
    pub fn find(&self, path: &str) -> Result<&Self, NoField> {
        let mut found = self;
        let mut trail = self.name.clone();
        for step in path.split('.').filter(|step| !step.is_empty()) {
            let name = step.split('[').next().unwrap_or(step);
            if name.is_empty() {
                continue;
            }
            found = found
                .fields
                .iter()
                .find(|field| field.name == name || field.name == "*")
                .ok_or_else(|| found.without(&trail, name))?;
            trail = format!("{trail}.{name}");
        }
        Ok(found)
    }

    fn without(&self, trail: &str, name: &str) -> NoField {
        let known: Vec<String> = self.fields.iter().map(|field| field.name.clone()).collect();
        NoField {
            parent: trail.to_owned(),
            name: name.to_owned(),
            meant: closest(name, known.iter().map(String::as_str)).map(str::to_owned),
            known,
        }
    }

    /// The first sentence of the description.
    #[must_use]
    pub fn summary(&self) -> &str {
        first_sentence(&self.description)
    }

    /// This field and everything below it, in the order of the tree.
    pub fn walk<'f>(&'f self, visit: &mut dyn FnMut(&'f Self)) {
        visit(self);
        for field in &self.fields {
            field.walk(visit);
        }
    }
}

/// Up to the first full stop that ends a sentence.
fn first_sentence(text: &str) -> &str {
    let mut is_code = false;
    let mut characters = text.char_indices().peekable();
    while let Some((at, character)) = characters.next() {
        let ends = characters
            .peek()
            .is_none_or(|(_, next)| next.is_whitespace());
        match character {
            '`' => is_code = !is_code,
            '.' if !is_code && ends && !text[..at].ends_with("e.g") => return &text[..=at],
            _ => {}
        }
    }
    text
}

struct Reader<'s> {
    definitions: &'s Map<String, Value>,
}

/// What a schema without its description says.
#[derive(Default)]
struct Shape {
    type_name: String,
    values: Vec<Choice>,
    constraint: Option<String>,
    shared: Option<String>,
    fields: Vec<Field>,
}

impl Reader<'_> {
    fn field(&self, name: &str, path: &str, schema: &Value, required: bool) -> Field {
        let real = resolve(schema, self.definitions);
        let told = schema["description"]
            .as_str()
            .or(real["description"].as_str())
            .unwrap_or_default();
        let (description, default) = split_default(told);
        let shape = self.shape(path, schema);
        Field {
            name: name.to_owned(),
            path: path.to_owned(),
            type_name: shape.type_name,
            required,
            description: description.to_owned(),
            default: default.map(str::to_owned),
            values: shape.values,
            constraint: shape.constraint,
            shared: shape.shared,
            fields: shape.fields,
        }
    }

    fn shape(&self, path: &str, schema: &Value) -> Shape {
        let real = resolve(schema, self.definitions);
        let definition = definition_name(schema);
        if let Some(choices) = real["oneOf"].as_array() {
            return choice(choices);
        }
        if let Some(parts) = real["anyOf"].as_array() {
            return self.either(path, parts, definition);
        }
        match real_type(real) {
            Some("array") => self.list(path, &real["items"]),
            Some("object") if real["properties"].is_object() => Shape {
                constraint: exactly_one(real),
                shared: definition.map(str::to_owned),
                fields: self.members(path, real),
                ..Shape::plain("object")
            },
            Some("object") => self.mapping(path, &real["additionalProperties"]),
            Some(_) if definition == Some("Duration") => Shape::plain("duration"),
            Some(name) => Shape {
                constraint: constraint(real),
                ..Shape::plain(name)
            },
            None => Shape::plain("any"),
        }
    }

    fn members(&self, path: &str, real: &Value) -> Vec<Field> {
        let required = real["required"].as_array();
        let is_required =
            |name: &str| required.is_some_and(|names| names.iter().any(|known| known == name));
        let properties = real["properties"].as_object().into_iter().flatten();
        properties
            .map(|(name, property)| {
                self.field(name, &below(path, name), property, is_required(name))
            })
            .collect()
    }

    fn list(&self, path: &str, items: &Value) -> Shape {
        let element = self.shape(&format!("{path}[]"), items);
        Shape {
            type_name: format!("[]{}", element.type_name),
            ..element
        }
    }

    fn mapping(&self, path: &str, values: &Value) -> Shape {
        let value = self.field("*", &below(path, "*"), values, false);
        Shape {
            type_name: format!("map[string]{}", value.type_name),
            fields: if value.fields.is_empty() {
                Vec::new()
            } else {
                vec![value]
            },
            ..Shape::default()
        }
    }

    /// A text or a mapping: the names of the types, the fields of what has some.
    fn either(&self, path: &str, parts: &[Value], definition: Option<&str>) -> Shape {
        let shapes: Vec<Shape> = parts.iter().map(|part| self.shape(path, part)).collect();
        let names: Vec<&str> = shapes
            .iter()
            .map(|shape| shape.type_name.as_str())
            .collect();
        Shape {
            type_name: names.join("|"),
            shared: definition.map(str::to_owned),
            fields: shapes.into_iter().flat_map(|shape| shape.fields).collect(),
            ..Shape::default()
        }
    }
}

impl Shape {
    fn plain(type_name: &str) -> Self {
        Self {
            type_name: type_name.to_owned(),
            ..Self::default()
        }
    }
}

fn choice(choices: &[Value]) -> Shape {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    Shape {
        values: choices
            .iter()
            .map(|choice| Choice {
                value: text(&choice["const"]),
                meaning: text(&choice["description"]),
            })
            .collect(),
        ..Shape::plain("string")
    }
}

/// Name of what a schema refers to, also behind `null` or a description of its own.
fn definition_name(schema: &Value) -> Option<&str> {
    if let Some(reference) = schema["$ref"].as_str() {
        return reference.rsplit('/').next();
    }
    let parts = schema["allOf"].as_array().or(schema["anyOf"].as_array())?;
    let mut real = parts.iter().filter(|part| part["type"] != "null");
    match (real.next(), real.next()) {
        (Some(part), None) => definition_name(part),
        _ => None,
    }
}

/// The type besides `null`.
fn real_type(schema: &Value) -> Option<&str> {
    match &schema["type"] {
        Value::String(name) => Some(name),
        Value::Array(names) => names
            .iter()
            .filter_map(Value::as_str)
            .find(|name| *name != "null"),
        _ => None,
    }
}

/// Bounds that a reader would not expect anyway.
fn constraint(schema: &Value) -> Option<String> {
    let least = schema["minimum"].as_i64().filter(|least| *least != 0);
    let most = schema["maximum"]
        .as_i64()
        .filter(|most| *most != i64::from(u32::MAX));
    match (least, most) {
        (Some(least), Some(most)) => Some(format!("must be from {least} to {most}")),
        (Some(least), None) => Some(format!("must be at least {least}")),
        (None, Some(most)) => Some(format!("must be at most {most}")),
        (None, None) => None,
    }
}

/// The members of which a mapping must have one and not two, as the schemas say it.
fn exactly_one(schema: &Value) -> Option<String> {
    let members = schema["allOf"][0]["not"]["properties"].as_object()?;
    let members: Vec<String> = members.keys().map(|member| format!("`{member}`")).collect();
    Some(format!("must have exactly one of {}", members.join(", ")))
}

fn below(path: &str, name: &str) -> String {
    if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}.{name}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::schema::KINDS;

    fn workload() -> Field {
        Field::of_kind(KindSchema::named("workload").unwrap())
    }

    #[test]
    fn a_field_is_found_with_and_without_the_signs_of_lists() {
        let workload = workload();
        for path in [
            "spec.ports.check.interval",
            "spec.ports[].check.interval",
            "spec.ports[0].check.interval",
            ".spec.ports[*].check.interval",
        ] {
            let field = workload.find(path).unwrap();
            assert_eq!(field.path, "spec.ports[].check.interval");
            assert_eq!(field.type_name, "duration");
            assert_eq!(field.default.as_deref(), Some("`30s`"));
        }
        assert_eq!(workload.find("").unwrap().name, "Workload");
        let secret = workload.find("spec.env.PASSWORD.fromVault").unwrap();
        assert_eq!(secret.path, "spec.env.*.fromVault");
    }

    #[test]
    fn types_say_what_is_in_lists_and_mappings() {
        let workload = workload();
        for (path, type_name) in [
            ("spec", "object"),
            ("spec.ports", "[]object"),
            ("spec.ports.port", "integer"),
            ("spec.ports.public", "boolean"),
            ("spec.container.args", "[]string"),
            ("spec.env", "map[string]string|object"),
            ("metadata.labels", "map[string]string"),
            ("spec.restart.mode", "string"),
        ] {
            assert_eq!(workload.find(path).unwrap().type_name, type_name, "{path}");
        }
        let native = Field::of_kind(KindSchema::named("NOMADJOB").unwrap());
        assert_eq!(native.find("spec.job").unwrap().type_name, "any");
        let variables = native.find("spec.variables").unwrap();
        assert_eq!(variables.type_name, "map[string]any");
    }

    #[test]
    fn choices_bounds_and_duty_are_told() {
        let workload = workload();
        let mode = workload.find("spec.restart.mode").unwrap();
        let words: Vec<&str> = mode
            .values
            .iter()
            .map(|choice| choice.value.as_str())
            .collect();
        assert_eq!(words, ["delay", "fail"]);
        assert!(mode.values.iter().all(|choice| !choice.meaning.is_empty()));
        let port = workload.find("spec.ports.port").unwrap();
        assert_eq!(port.constraint.as_deref(), Some("must be from 1 to 65535"));
        let source = workload.find("spec.source").unwrap();
        assert_eq!(
            source.constraint.as_deref(),
            Some("must have exactly one of `archive`, `git`, `image`, `path`")
        );
        assert_eq!(workload.find("spec.ports").unwrap().constraint, None);
        assert!(port.required && !mode.required);
    }

    #[test]
    fn a_path_that_leads_nowhere_says_where_it_left_and_what_is_there() {
        let no_field = workload().find("spec.rolout.canary").unwrap_err();
        assert_eq!(
            no_field.to_string(),
            "`Workload.spec` has no field `rolout`"
        );
        assert_eq!(no_field.meant.as_deref(), Some("rollout"));
        assert!(no_field.known.contains(&"replicas".to_owned()));
        let leaf = workload().find("spec.replicas.nope").unwrap_err();
        assert_eq!((leaf.meant, leaf.known.len()), (None, 0));
    }

    #[test]
    fn every_field_of_every_kind_is_described_in_whole_sentences() {
        for kind in &KINDS {
            Field::of_kind(kind).walk(&mut |field| {
                let name = format!("{}.{}", kind.name, field.path);
                assert!(
                    field.description.ends_with('.'),
                    "{name}: {:?}",
                    field.description
                );
                let first = field.description.chars().next();
                assert!(first.is_some_and(|c| !c.is_lowercase()), "{name}");
                assert!(field.summary().len() > 8, "{name}: {}", field.summary());
                assert!(!field.type_name.is_empty(), "{name}");
                for choice in &field.values {
                    assert!(!choice.meaning.is_empty(), "{name}: {}", choice.value);
                }
            });
        }
    }

    #[test]
    fn a_sentence_ends_neither_in_code_nor_after_an_abbreviation() {
        for (text, sentence) in [
            ("One. Two.", "One."),
            ("A path, e.g. `a.b. c`. Two.", "A path, e.g. `a.b. c`."),
            ("Version 1.2 of it. Two.", "Version 1.2 of it."),
            ("No stop", "No stop"),
        ] {
            assert_eq!(first_sentence(text), sentence);
        }
    }
}
