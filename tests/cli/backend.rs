//! A backend in trouble never fails a deployment.

use std::time::Duration;

use serde_json::json;

use super::lab::{Lab, SUCCEEDED, image_with};
use crate::support::backend::Reply;
use crate::support::env::Ended;
use crate::support::ports::CLOSED_PORT;

/// A public port without a domain, so that every kind of call is made.
fn deploy(lab: &Lab) -> Ended {
    let network = json!({"networks": [{"portNumber": 8080, "portType": "http", "public": true}]});
    let ended = lab.deploy(&image_with(network)).run();
    ended
        .assert_code(0)
        .assert_hides("canary-access")
        .assert_says("WARN");
    assert_eq!(ended.subjects(), SUCCEEDED);
    assert!(ended.took < Duration::from_secs(50), "{ended}");
    ended
}

#[test]
fn a_backend_that_is_down_is_warned_of() {
    let mut lab = Lab::new();
    let address = format!("http://127.0.0.1:{}", CLOSED_PORT);
    lab.env
        .set("BACKEND_URL", &address)
        .set("ACCESS_TOKEN", "canary-access");
    deploy(&lab).assert_says(&address);
}

#[test]
fn a_backend_that_answers_500_is_warned_of() {
    let mut lab = Lab::new();
    let backend = lab.backend();
    backend.script("", usize::MAX, Reply::Status(500));
    deploy(&lab).assert_says("500");
}

#[test]
fn a_backend_that_does_not_know_the_token_is_warned_of_and_not_asked_again_and_again() {
    let mut lab = Lab::new();
    let backend = lab.backend();
    backend.script("", usize::MAX, Reply::Status(401));
    let ended = deploy(&lab);
    ended.assert_says("401");
    assert!(ended.took < Duration::from_secs(15), "{ended}");
    assert!(backend.requests().len() <= 9, "{:?}", backend.requests());
}

#[test]
fn a_backend_that_never_answers_is_given_up() {
    let mut lab = Lab::new();
    let backend = lab.backend();
    backend.script("", usize::MAX, Reply::Hang);
    deploy(&lab);
}

#[test]
fn an_address_that_is_none_is_warned_of() {
    let mut lab = Lab::new();
    lab.env
        .set("BACKEND_URL", "not an address")
        .set("ACCESS_TOKEN", "canary-access");
    deploy(&lab).assert_says("backend");
}
