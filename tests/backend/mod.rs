//! The backend client against a server that records and fails. The clock is paused, so that waits cost nothing.

mod calls;
mod failures;
mod leaks;
mod reporter;

use cs::clients::backend::{Backend, NetworkUpdate, ServiceUpdate};
use cs::config::Environment;
use cs::secret::Secret;

use crate::support::backend::RecordingBackend;

const TOKEN: &str = "canary token&+";
const ASK: &str = "/api/local/ask-domain";
const UPDATE: &str = "/api/local/service-update";
const UPDATE_SLASH: &str = "/api/local/service-update/";
const STEP: &str = "/api/local/deployment-step/update";

fn client(server: &RecordingBackend) -> Backend {
    client_of(&server.url(), TOKEN)
}

/// A backend under the rules of addresses that the platform names.
fn client_of(address: &str, token: &str) -> Backend {
    let egress = Environment::default().egress_of_the_platform();
    Backend::new(address, Secret::new(token), &egress).expect("the URL is fine")
}

fn update() -> ServiceUpdate {
    ServiceUpdate {
        service_id: "img_1".to_owned(),
        network: vec![NetworkUpdate {
            port: 8080,
            port_type: "http".to_owned(),
            public: true,
            domain: "shop.cluster.example".to_owned(),
            has_health_check: "http".to_owned(),
            check_type: "http".to_owned(),
            check_path: "/".to_owned(),
            check_interval: "30s".to_owned(),
            check_timeout: "30s".to_owned(),
            check_port: Some(8080),
        }],
        docker_user: None,
        cmd: Some("serve".to_owned()),
        entrypoint: None,
    }
}
