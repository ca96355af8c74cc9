//! Every secret gets a canary of its own, and everything that the real binary says, sends and leaves is searched for it,
//! in the clear and encoded, with all logs on.

mod canary;
mod lab;
mod sets;

use cs::simulator::{Effect, Faults, Matcher, Rule};
use futures::{StreamExt as _, stream};
use nkeys::KeyPair;
use serde_json::{Value, json};

use self::canary::{canary, in_url};
use self::lab::Lab;
use crate::support::backend::Reply;
use crate::support::nats::NatsServer;
use crate::support::ports::CLOSED_PORT;
use crate::support::registry::DockerRegistry;

/// Output and log format of `cs reconcile`.
const FORMATS: [(&str, &str); 6] = [
    ("text", "text"),
    ("text", "json"),
    ("json", "text"),
    ("json", "json"),
    ("ndjson", "text"),
    ("ndjson", "json"),
];

/// How many programs run at once in one test.
const WORKERS: usize = 3;

/// An answer of somebody who repeats the secrets that he was told, as he was told them.
fn echo(told: &[String]) -> String {
    format!("refused: {}", told.join(" and "))
}

/// Runs `cs reconcile` in every format, each time in a lab of its own. Returns the exit codes.
async fn in_every_format(
    what: &str,
    task: &str,
    faults: &Faults,
    arrange: impl Fn(&mut Lab<'_>) -> String,
    check: impl Fn(&Lab<'_>),
) -> Vec<i32> {
    let nats = NatsServer::start().await;
    nats.create_stream("leaks").await;
    let (nats, arrange, check) = (&nats, &arrange, &check);
    stream::iter(FORMATS)
        .map(|(output, log)| async move {
            let mut lab = Lab::open(nats, faults.clone()).await;
            let params = arrange(&mut lab);
            lab.set("NOMAD_META_TASK", task);
            lab.set("NOMAD_META_PARAMS", &params);
            let arguments = ["reconcile", "-o", output, "--log-format", log];
            let ended = lab.run(what, &arguments).await;
            check(&lab);
            ended.status.code().expect("it is not killed")
        })
        .buffered(WORKERS)
        .collect()
        .await
}

fn set(mut params: Value, field: &str, value: Value) -> Value {
    params[field] = value;
    params
}

fn fault(method: &str, path: &str, status: u16) -> Faults {
    let effect = Effect::Error {
        status,
        body: echo(&[canary("nomadToken"), canary("nomadAddressPassword")]),
    };
    Faults {
        rules: vec![Rule::new(Matcher::new(method, path), effect)],
        ..Faults::default()
    }
}

fn nothing(_: &Lab<'_>) {}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deployment_shows_no_secret() {
    let codes = in_every_format(
        "a deployment",
        "deploy-image",
        &Faults::default(),
        |lab| lab.deployment().to_string(),
        |lab| {
            // Without this the search would prove nothing: each secret did arrive where it belongs.
            let said = lab.said_to_nomad();
            assert!(said.contains(&canary("nomadToken")), "the token is used");
            assert!(lab.said_to_nats().contains("leaks.deployment.succeeded"));
            let asked = lab.backend.requests();
            assert!(
                asked
                    .iter()
                    .any(|request| request.query.contains("accessToken=Cnry"))
            );
            assert!(!lab.registry.requests().is_empty());
        },
    )
    .await;
    assert_eq!(codes, [0; 6]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deployment_with_the_secrets_of_its_environment_shows_none() {
    let codes = in_every_format(
        "the environment",
        "deploy-image",
        &Faults::default(),
        |lab| {
            lab.unset("REGISTRY_PASSWORD");
            let mut params = lab.deployment();
            let fields = params.as_object_mut().expect("an object");
            for field in ["nomadToken", "nomadAddress", "accessToken", "backendUrl"] {
                fields.remove(field);
            }
            params.to_string()
        },
        |lab| {
            let said = lab.said_to_nomad();
            assert!(said.contains(&canary("NOMAD_TOKEN")));
            assert!(said.to_ascii_lowercase().contains("authorization: basic"));
            assert!(!lab.registry.requests().is_empty());
        },
    )
    .await;
    assert_eq!(codes, [0; 6]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repository_that_cannot_be_fetched_shows_no_secret() {
    for source in ["", "local_upload"] {
        let codes = in_every_format(
            "a repository",
            "deploy-repository",
            &Faults::default(),
            |lab| set(lab.deployment(), "sourceType", json!(source)).to_string(),
            nothing,
        )
        .await;
        assert_eq!(codes, [1; 6]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_destroy_shows_no_secret() {
    let codes = in_every_format(
        "a destroy",
        "destroy-job-pack",
        &Faults::default(),
        |lab| lab.destroy().to_string(),
        |lab| assert!(lab.said_to_nomad().contains(&canary("nomadToken"))),
    )
    .await;
    assert_eq!(codes, [0; 6]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn params_that_do_not_parse_show_no_secret() {
    type Spoil = fn(&Value) -> String;
    let spoilt: [(&str, Spoil); 8] = [
        ("cut off", |params| {
            let text = params.to_string();
            let at = text.find("Cnry+nomadToken").expect("it is there") + 20;
            text[..at].to_owned()
        }),
        ("a blank in front of the secret", |params| {
            params
                .to_string()
                .replace("\"nomadToken\":", "\"nomadToken\" \"x\":")
        }),
        ("no quotes", |params| {
            let quoted = format!("\"{}\"", canary("secretId"));
            params.to_string().replace(&quoted, &canary("secretId"))
        }),
        ("text after the end", |params| {
            format!("{params} {}", canary("gitPass"))
        }),
        ("not JSON at all", |_| canary("nomadToken")),
        ("an object for a token", |params| {
            let value = json!({canary("accessToken"): canary("accessToken")});
            set(params.clone(), "accessToken", value).to_string()
        }),
        ("a list for a secret", |params| {
            set(params.clone(), "secretId", json!([canary("secretId")])).to_string()
        }),
        ("a text where an object belongs", |params| {
            set(params.clone(), "build", json!(canary("registryPassword"))).to_string()
        }),
    ];
    for (what, spoil) in spoilt {
        let codes = in_every_format(
            what,
            "deploy-image",
            &Faults::default(),
            |lab| spoil(&lab.deployment()),
            nothing,
        )
        .await;
        assert_eq!(codes, [2; 6], "{what}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn params_that_make_no_sense_show_no_secret() {
    let cases = [
        ("jobId", json!("")),
        ("networks", json!([{"portNumber": 99_999}])),
        (
            "configFiles",
            json!([{"path": "../x", "content": canary("gitPass")}]),
        ),
    ];
    for (field, value) in cases {
        let codes = in_every_format(
            field,
            "deploy-image",
            &Faults::default(),
            |lab| set(lab.deployment(), field, value.clone()).to_string(),
            nothing,
        )
        .await;
        assert_eq!(codes, [3; 6], "{field}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_nomad_that_repeats_the_token_does_not_get_it_shown() {
    for (method, path, status) in [
        ("write", "/v1/jobs", 500),
        ("write", "/v1/jobs", 400),
        ("write", "/v1/jobs", 403),
        ("GET", "/v1/job/*", 403),
    ] {
        let codes = in_every_format(
            "Nomad repeats the token",
            "deploy-image",
            &fault(method, path, status),
            |lab| {
                lab.set("CS_DEADLINE", "5s");
                lab.deployment().to_string()
            },
            nothing,
        )
        .await;
        assert!(codes.iter().all(|code| *code != 0), "{codes:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_away_does_not_get_a_secret_shown() {
    let codes = in_every_format(
        "Nomad is away",
        "deploy-image",
        &Faults::default(),
        |lab| {
            lab.set("CS_DEADLINE", "1s");
            let address = format!(
                "http://user:{}@127.0.0.1:{}",
                in_url("nomadAddressPassword"),
                CLOSED_PORT
            );
            set(lab.deployment(), "nomadAddress", json!(address)).to_string()
        },
        nothing,
    )
    .await;
    assert_eq!(codes, [4; 6]);
    let codes = in_every_format(
        "the backend is away",
        "deploy-image",
        &Faults::default(),
        |lab| {
            let url = format!(
                "http://user:{}@127.0.0.1:{}",
                in_url("BACKEND_URL"),
                CLOSED_PORT
            );
            set(lab.deployment(), "backendUrl", json!(url)).to_string()
        },
        nothing,
    )
    .await;
    assert_eq!(codes, [0; 6]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backend_or_a_registry_that_repeats_a_secret_does_not_get_it_shown() {
    let codes = in_every_format(
        "backend and registry repeat secrets",
        "deploy-image",
        &Faults::default(),
        |lab| {
            let told = echo(&[canary("accessToken"), in_url("accessToken")]);
            let message = json!({"message": [told]}).to_string();
            lab.backend.script("", 100, Reply::Body(422, message));
            let told = echo(&[canary("REGISTRY_PASSWORD")]);
            let message = json!({"errors": [{"code": "DENIED", "message": told}]}).to_string();
            lab.registry.script("", 100, Reply::Body(401, message));
            lab.deployment().to_string()
        },
        nothing,
    )
    .await;
    assert_eq!(codes, [0; 6]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_registry_that_refuses_the_password_does_not_get_it_shown() {
    let Some(registry) = DockerRegistry::start().await else {
        return;
    };
    let image = format!("{}/shop", registry.host());
    for has_environment in [true, false] {
        let codes = in_every_format(
            "the registry refuses",
            "deploy-image",
            &Faults::default(),
            |lab| {
                if !has_environment {
                    // Docker's configuration is next.
                    lab.unset("REGISTRY_PASSWORD");
                    lab.log_in_to(&registry.host());
                }
                set(lab.deployment(), "imageName", json!(image)).to_string()
            },
            nothing,
        )
        .await;
        assert_eq!(codes, [0; 6]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_nats_that_refuses_does_not_get_the_seed_shown() {
    let stranger = KeyPair::new_user().seed().expect("a fresh pair has a seed");
    let broken = format!("SU{}", canary("brokenSeed"));
    for seed in [stranger, broken] {
        let codes = in_every_format(
            "NATS refuses",
            "deploy-image",
            &Faults::default(),
            |lab| {
                lab.seek("the refused seed", &seed);
                lab.set("NATS_CLIENT_PRIVATE_KEY", &seed);
                lab.deployment().to_string()
            },
            nothing,
        )
        .await;
        assert_eq!(codes, [1; 6]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_converted_or_rendered_holds_references_instead_of_secrets() {
    let nats = NatsServer::start().await;
    for task in ["deploy-image", "deploy-repository"] {
        for (command, format) in [
            ("convert", "yaml"),
            ("convert", "json"),
            ("render", "json"),
            ("render", "hcl"),
        ] {
            let lab = Lab::open(&nats, Faults::default()).await;
            let good = lab.deployment().to_string();
            let bad = set(lab.deployment(), "secretId", json!([canary("secretId")])).to_string();
            for (params, code) in [(good, 0), (bad, 2)] {
                let file = lab.file(&params);
                let arguments = [command, "--params", &file, "--task", task, "-o", format];
                let ended = lab.run(command, &arguments).await;
                assert_eq!(ended.status.code(), Some(code), "{command} {format} {task}");
                assert_eq!(ended.stdout.is_empty(), code != 0);
            }
        }
    }
}
