//! Against a real registry with basic auth.

use cs::artifact::registry::{RegistryError, ports};
use serde_json::{Value, json};

use super::{facts, shown, user};
use crate::support::logs::Logs;
use crate::support::ports::CLOSED_PORT;
use crate::support::registry::{DockerRegistry, PASSWORD};

fn config(port: &str) -> Value {
    json!({
        "architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": []},
        "config": {"ExposedPorts": {port: {}, "53/udp": {}, "70/tcp": {}}, "User": "1000",
                   "Env": ["PORT=1"], "Cmd": ["serve"], "Entrypoint": ["/app"]},
    })
}

#[tokio::test]
async fn the_facts_of_a_pushed_image_are_read() {
    let Some(registry) = DockerRegistry::start().await else {
        return;
    };
    let pushed = registry
        .push_image("acme/app", "1", &config("8080/tcp"))
        .await;
    let digest = pushed["digest"].as_str().unwrap();
    let by_digest = format!("acme/app@{digest}");
    for name in ["acme/app:1", by_digest.as_str()] {
        let facts = facts(&registry.host(), name, Some(&user(PASSWORD)))
            .await
            .unwrap();
        assert_eq!(facts.digest.as_deref(), Some(digest));
        assert_eq!(ports(Some(&facts)), [70, 8080]);
        assert_eq!(facts.env_ports, [1]);
        assert_eq!(facts.user.as_deref(), Some("1000"));
        assert_eq!(
            (facts.entrypoint, facts.cmd),
            (vec!["/app".to_owned()], vec!["serve".to_owned()])
        );
    }
}

#[tokio::test]
async fn of_a_list_the_image_for_the_usual_platform_is_read() {
    let Some(registry) = DockerRegistry::start().await else {
        return;
    };
    let mut arm = registry.push_image("app", "arm", &config("1111/tcp")).await;
    arm["platform"] = json!({"os": "linux", "architecture": "arm64"});
    let mut amd = registry.push_image("app", "amd", &config("2222/tcp")).await;
    amd["platform"] = json!({"os": "linux", "architecture": "amd64"});
    let list = registry.push_list("app", "latest", &[arm, amd]).await;
    let facts = facts(&registry.host(), "app", Some(&user(PASSWORD)))
        .await
        .unwrap();
    assert_eq!(facts.exposed_ports, [70, 2222]);
    assert_eq!(
        facts.digest.as_deref(),
        list["digest"].as_str(),
        "of the name, not of the choice"
    );
}

#[tokio::test]
async fn each_refusal_has_its_error_and_none_shows_the_password() {
    let Some(registry) = DockerRegistry::start().await else {
        return;
    };
    let logs = Logs::capture();
    let host = registry.host();
    let unknown = facts(&host, "nothing:1", Some(&user(PASSWORD)))
        .await
        .unwrap_err();
    assert!(
        matches!(unknown, RegistryError::NotFound { .. }),
        "{unknown:?}"
    );
    let wrong = facts(&host, "app:1", Some(&user("canary-wrong")))
        .await
        .unwrap_err();
    assert!(
        matches!(wrong, RegistryError::Unauthorized { .. }),
        "{wrong:?}"
    );
    let anonymous = facts(&host, "app:1", None).await.unwrap_err();
    assert!(
        matches!(anonymous, RegistryError::Unauthorized { .. }),
        "{anonymous:?}"
    );
    let nobody = format!("127.0.0.1:{}", CLOSED_PORT);
    let nobody = facts(&nobody, "app:1", Some(&user(PASSWORD)))
        .await
        .unwrap_err();
    assert!(
        matches!(nobody, RegistryError::Unreachable { .. }),
        "{nobody:?}"
    );
    let all = [unknown, wrong, anonymous, nobody]
        .map(|error| shown(&error))
        .join(" ");
    assert!(
        !format!("{all} {}", logs.text()).contains("canary"),
        "{all} {}",
        logs.text()
    );
}
