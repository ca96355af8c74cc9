//! Labels, read from a real registry.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{facts, user};
use crate::support::registry::{DockerRegistry, PASSWORD};

fn config(labels: &Value) -> Value {
    json!({
        "architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": []},
        "config": {"Labels": labels},
    })
}

async fn labels(registry: &DockerRegistry, name: &str) -> BTreeMap<String, String> {
    let read = facts(&registry.host(), name, Some(&user(PASSWORD))).await;
    read.unwrap().labels
}

#[tokio::test]
async fn the_labels_of_a_pushed_image_are_read() {
    let Some(registry) = DockerRegistry::start().await else {
        return;
    };
    let written = json!({"inputs": "sha256:0", "empty": "", "text": "a=b \"c\"\nü"});
    let pushed = registry
        .push_image("acme/app", "1", &config(&written))
        .await;
    let by_digest = format!("acme/app@{}", pushed["digest"].as_str().unwrap());
    for name in ["acme/app:1", by_digest.as_str()] {
        let read = labels(&registry, name).await;
        assert_eq!(json!(read), written, "{name}");
    }
}

#[tokio::test]
async fn an_image_without_labels_has_none() {
    let Some(registry) = DockerRegistry::start().await else {
        return;
    };
    for (tag, none) in [("null", Value::Null), ("empty", json!({}))] {
        registry.push_image("app", tag, &config(&none)).await;
        let read = labels(&registry, &format!("app:{tag}")).await;
        assert_eq!(read, BTreeMap::new(), "{tag}");
    }
}

#[tokio::test]
async fn of_a_list_the_labels_of_the_usual_platform_are_read() {
    let Some(registry) = DockerRegistry::start().await else {
        return;
    };
    let mut images = Vec::new();
    for architecture in ["arm64", "amd64"] {
        let config = config(&json!({"for": architecture}));
        let mut image = registry.push_image("app", architecture, &config).await;
        image["platform"] = json!({"os": "linux", "architecture": architecture});
        images.push(image);
    }
    registry.push_list("app", "latest", &images).await;
    assert_eq!(
        json!(labels(&registry, "app").await),
        json!({"for": "amd64"})
    );
}

#[tokio::test]
async fn a_tag_that_moves_brings_its_own_labels() {
    let Some(registry) = DockerRegistry::start().await else {
        return;
    };
    for inputs in ["one", "two"] {
        let config = config(&json!({"inputs": inputs}));
        registry.push_image("app", "1", &config).await;
        let read = labels(&registry, "app:1").await;
        assert_eq!(json!(read), json!({"inputs": inputs}));
    }
}
