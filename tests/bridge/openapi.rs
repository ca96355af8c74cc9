//! The OpenAPI document: committed, valid, and what the server does.

use serde_json::Value;

use super::lab::Bridge;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/schemas/openapi.json");

#[test]
fn the_committed_document_is_the_one_that_is_served() {
    let document = cs::server::openapi::document();
    #[expect(clippy::disallowed_methods, reason = "the switch of whoever renews it")]
    if std::env::var_os("CS_RENEW_SNAPSHOTS").is_some() {
        std::fs::write(FILE, &document).expect("the repository is ours");
    }
    let committed = std::fs::read_to_string(FILE).unwrap_or_default();
    assert!(
        committed == document,
        "schemas/openapi.json is stale: CS_RENEW_SNAPSHOTS=1 cargo test --test suite bridge::openapi"
    );
    let bridge = Bridge::on_sqlite();
    let served = bridge.get("/openapi.json");
    assert_eq!(served.status, 200);
    assert_eq!(served.body, document);
}

#[test]
fn every_reference_leads_somewhere_and_every_answer_is_as_described() {
    let document: Value = serde_json::from_str(&cs::server::openapi::document()).expect("JSON");
    assert_eq!(document["openapi"], "3.1.0");
    let mut references = Vec::new();
    gather(&document, &mut references);
    assert!(references.len() > 10);
    for reference in references {
        let pointer = reference.strip_prefix('#').expect("inside the document");
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
    let bridge = Bridge::on_sqlite();
    let (id, job) = bridge.create();
    bridge.run(&id).assert_status(202);
    let webhook = bridge.webhook(&job, "SUCCESS", 1);
    for (schema, answer) in [
        ("Deployment", bridge.show(&id)),
        ("DeploymentList", bridge.get("/api/v1/deployments").json()),
        ("RunAnswer", bridge.run(&id).json()),
        (
            "History",
            bridge
                .get(&format!("/api/v1/deployments/{id}/history"))
                .json(),
        ),
        ("WebhookAnswer", webhook.json()),
        ("ProblemBody", bridge.get("/api/v1/deployments/x").json()),
    ] {
        let mut wanted = document.clone();
        wanted["$ref"] = Value::String(format!("#/components/schemas/{schema}"));
        wanted["$schema"] =
            Value::String("https://json-schema.org/draft/2020-12/schema".to_owned());
        let validator = jsonschema::draft202012::new(&wanted).expect("a schema");
        let errors: Vec<String> = validator
            .iter_errors(&answer)
            .map(|error| error.to_string())
            .collect();
        assert!(errors.is_empty(), "{schema}: {errors:?}\n{answer:#}");
    }
}

fn gather(value: &Value, references: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                match value {
                    Value::String(text) if name == "$ref" => references.push(text.clone()),
                    other => gather(other, references),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| gather(item, references)),
        _ => {}
    }
}
