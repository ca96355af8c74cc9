//! The OpenAPI 3.1 document: paths by hand, bodies from the types that are read and written.

use axum::body::Body;
use axum::http::HeaderValue;
use axum::http::header::CONTENT_TYPE;
use axum::response::Response;
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};

use crate::bridge::api::{
    CreateDeployment, Deployment, DeploymentList, History, ProblemBody, RunAnswer, RunDeployment,
    WebhookAnswer,
};
use crate::bridge::webhook::WebhookBody;
use crate::committed::{self, in_debug};

/// `GET /openapi.json`
pub(super) async fn serve() -> Response {
    let mut response = Response::new(Body::from(document()));
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// The document, as it is served and committed.
#[must_use]
pub fn document() -> String {
    const MAKE: Option<fn() -> String> = in_debug(make as fn() -> String);
    match MAKE {
        Some(make) => make(),
        None => committed::text("openapi.json").expect("a test finds it committed"),
    }
}

fn make() -> String {
    // OpenAPI 3.1 takes JSON Schema 2020-12 as it is; only the place of definitions is another.
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
        settings.meta_schema = None;
    });
    let mut read = settings.clone().for_deserialize().into_generator();
    let mut written = settings.for_serialize().into_generator();
    let paths = paths(&mut read, &mut written);
    let mut schemas: Map<String, Value> = Map::new();
    for generator in [&mut read, &mut written] {
        schemas.extend(generator.take_definitions(true));
    }
    let document = json!({
        "openapi": "3.1.0",
        "info": {
            "title": "cs serve",
            "version": "1",
            "summary": "Deployments whose builds run in a CI server",
            "description": "Errors are problems (RFC 9457) with a `code` for programs and `help` for people.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "security": [{"bearer": []}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {"bearer": {
                "type": "http", "scheme": "bearer", "description": "The token in CS_API_TOKEN.",
            }},
        },
    });
    let mut text = serde_json::to_string_pretty(&document).expect("it is JSON");
    text.push('\n');
    text
}

fn body<T: JsonSchema>(generator: &mut SchemaGenerator) -> Value {
    json!({"application/json": {"schema": generator.subschema_for::<T>()}})
}

fn answer<T: JsonSchema>(generator: &mut SchemaGenerator, description: &str) -> Value {
    json!({"description": description, "content": body::<T>(generator)})
}

/// An operation with the problems that every one of them may end in.
fn operation(written: &mut SchemaGenerator, mut operation: Value) -> Value {
    let schema = written.subschema_for::<ProblemBody>();
    operation["responses"]["default"] = json!({
        "description": "A problem",
        "content": {"application/problem+json": {"schema": schema}},
    });
    operation
}

fn query(name: &str, description: &str, schema: &Value) -> Value {
    json!({"name": name, "in": "query", "description": description, "schema": schema})
}

fn in_path(name: &str) -> Value {
    json!({"name": name, "in": "path", "required": true, "schema": {"type": "string"}})
}

fn key() -> Value {
    json!({
        "name": "Idempotency-Key", "in": "header",
        "description": "The same key again does nothing again.", "schema": {"type": "string", "maxLength": 128},
    })
}

fn paths(read: &mut SchemaGenerator, written: &mut SchemaGenerator) -> Value {
    let limit = query(
        "limit",
        "Entries of a page.",
        &json!({"type": "integer", "minimum": 1, "maximum": 200, "default": 50}),
    );
    let text = json!({"type": "string"});
    let created = answer::<Deployment>(written, "Made");
    let known = answer::<Deployment>(written, "Made before, by a request with the same key");
    let create = json!({
        "operationId": "createDeployment",
        "summary": "Make a deployment, its CI job and their mapping",
        "parameters": [key()],
        "requestBody": {"required": true, "content": body::<CreateDeployment>(read)},
        "responses": {"201": created, "200": known},
    });
    let listed = answer::<DeploymentList>(written, "A page, newest first");
    let list = json!({
        "operationId": "listDeployments",
        "summary": "List deployments",
        "parameters": [
            limit,
            query("after", "`next` of the page before.", &text),
            query("status", "Only those.", &json!({"enum": ["pending", "running", "completed", "failed"]})),
        ],
        "responses": {"200": listed},
    });
    let show = json!({
        "operationId": "getDeployment",
        "summary": "Show a deployment",
        "parameters": [in_path("id")],
        "responses": {"200": answer::<Deployment>(written, "The deployment")},
    });
    let accepted = answer::<RunAnswer>(written, "Begun");
    let repeated = answer::<RunAnswer>(written, "One is under way, or this key was used before");
    let run = json!({
        "operationId": "runDeployment",
        "summary": "Start the CI job of a deployment",
        "parameters": [in_path("id"), key()],
        "requestBody": {"required": false, "content": body::<RunDeployment>(read)},
        "responses": {"202": accepted, "200": repeated},
    });
    let history = json!({
        "operationId": "getHistory",
        "summary": "What happened to a deployment",
        "parameters": [in_path("id"), limit, query("before", "`next` of the page before.", &text)],
        "responses": {"200": answer::<History>(written, "A page, newest first")},
    });
    json!({
        "/api/v1/deployments": {
            "post": operation(written, create), "get": operation(written, list),
        },
        "/api/v1/deployments/{id}": {"get": operation(written, show)},
        "/api/v1/deployments/{id}/run": {"post": operation(written, run)},
        "/api/v1/deployments/{id}/history": {"get": operation(written, history)},
        "/{locale}/{tenant}/deployment/webhooks/jenkins": {"post": webhook(read, written)},
        "/events": {"get": events(written)},
        "/healthz": {"get": plain("healthz", "The process answers", true)},
        "/readyz": {"get": plain("readyz", "The database answers (503: it does not)", true)},
        "/metrics": {"get": plain("metrics", "Metrics in the text that Prometheus reads", false)},
        "/openapi.json": {"get": plain("openapi", "This document", false)},
    })
}

fn webhook(read: &mut SchemaGenerator, written: &mut SchemaGenerator) -> Value {
    let taken = answer::<WebhookAnswer>(written, "Taken");
    let unmapped = answer::<WebhookAnswer>(written, "No deployment is mapped to the job");
    let webhook = json!({
        "operationId": "jenkinsWebhook",
        "summary": "Jenkins tells the status of a build",
        "security": [],
        "parameters": [
            in_path("locale"),
            in_path("tenant"),
            {
                "name": "X-CS-Signature", "in": "header", "required": true,
                "description": "`sha256=` and the HMAC-SHA256 of the raw body in hexadecimal digits. The name can be changed.",
                "schema": {"type": "string", "pattern": "^sha256=[0-9a-fA-F]{64}$"},
            },
        ],
        "requestBody": {"required": true, "content": body::<WebhookBody>(read)},
        "responses": {"200": taken, "202": unmapped},
    });
    operation(written, webhook)
}

fn events(written: &mut SchemaGenerator) -> Value {
    let events = json!({
        "operationId": "events",
        "summary": "Follow events",
        "description": "Server-sent events `DEPLOYMENT_STATUS_UPDATE`, `DEPLOYMENT_RUN_START`, `DEPLOYMENT_RUN_FAILURE`, \
                        `DEPLOYMENT_ROLLOUT_UPDATE`, and `GAP` when some are not kept any more.",
        "parameters": [
            {"name": "Last-Event-ID", "in": "header", "description": "Go on behind this event; 0: all that are kept.",
             "schema": {"type": "string"}},
            query("lastEventId", "The same, for those who cannot set headers.", &json!({"type": "string"})),
        ],
        "responses": {"200": {
            "description": "Events",
            "content": {"text/event-stream": {"schema": {"type": "string"}}},
        }},
    });
    operation(written, events)
}

fn plain(id: &str, summary: &str, is_open: bool) -> Value {
    let mut operation = json!({
        "operationId": id,
        "summary": summary,
        "responses": {"200": {"description": "So it is"}},
    });
    if is_open {
        operation["security"] = json!([]);
    }
    operation
}
