//! Where addresses lead that params, specs and servers name.

use cs::artifact::output::Output;
use cs::artifact::registry::{ImageReference, Registry};
use cs::artifact::source::archive::{ArchiveRequest, fetch};
use cs::artifact::source::{Limits, WorkDir};
use cs::clients::chain;
use cs::clients::egress::{Egress, Reach};
use cs::secret::Secret;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::cli::lab::{Lab, image_with};
use crate::support::files_server::{Answer, FilesServer};

/// Every spelling of addresses that nobody may be led to.
const METADATA: [&str; 8] = [
    "http://169.254.169.254/latest/meta-data/iam/",
    "http://2852039166/",
    "http://0xa9.0xfe.0xa9.0xfe/",
    "http://[::ffff:169.254.169.254]/",
    "http://[64:ff9b::a9fe:a9fe]/",
    "http://[fd00:ec2::254]/",
    "http://100.100.100.200/",
    "http://metadata.google.internal/",
];

/// Params that lead to a server: an archive, a repository, a registry.
fn doors(host: &str) -> [(&'static str, serde_json::Value); 3] {
    [
        (
            "deploy-repository",
            image_with(json!({
                "sourceType": "local_upload", "sourceUrl": format!("http://{host}/a.tar.gz?sig=canary"),
            })),
        ),
        (
            "deploy-repository",
            image_with(json!({"repository": format!("http://{host}/acme/shop"), "branch": "main"})),
        ),
        (
            "deploy-image",
            image_with(json!({
                // Ports are looked up.
                "imageName": format!("{host}/acme/shop"), "networks": [],
            })),
        ),
    ]
}

#[test]
fn params_do_not_lead_to_the_machine_that_runs_them() {
    let lab = Lab::new();
    let server = lab.runtime.block_on(FilesServer::with(Answer::bare(404)));
    for (task, params) in doors(server.host()) {
        let refused = lab
            .task(task, &params)
            .var("CS_DEADLINE", "30s")
            .without("CS_EGRESS")
            .run();
        let said = format!("{}{}", refused.stdout, refused.stderr);
        let remedy = format!("CS_EGRESS_ALLOW={}", server.host());
        assert!(said.contains("this machine itself"), "{refused}");
        assert!(
            said.contains(&remedy) && !said.contains("canary"),
            "{refused}"
        );
        assert_eq!(server.asked().len(), 0, "{refused}");
    }
    for (task, params) in doors(server.host()) {
        let before = server.asked().len();
        lab.task(task, &params)
            .var("CS_DEADLINE", "30s")
            .without("CS_EGRESS")
            .var("CS_EGRESS_ALLOW", server.host())
            .run();
        assert!(server.asked().len() > before, "{task}: it is allowed");
    }
}

#[test]
fn people_may_name_their_own_machine_unless_they_are_told_not_to() {
    let lab = Lab::new();
    let server = lab.runtime.block_on(FilesServer::with(Answer::bare(404)));
    let source = format!("git::http://{}/team/specs.git//prod", server.host());
    let plan = || lab.env.cs(["plan", "-f", &source]).without("CS_EGRESS");
    plan().run();
    assert_eq!(server.asked().len(), 1);
    plan()
        .var("CS_EGRESS", "private")
        .run()
        .assert_says("this machine itself");
    assert_eq!(server.asked().len(), 1);
    plan()
        .var("CS_EGRESS", "everything")
        .run()
        .assert_code(2)
        .assert_says("CS_EGRESS: expected");
}

#[test]
fn the_cluster_of_params_is_no_socket_and_no_metadata_service() {
    let lab = Lab::new();
    for address in ["unix:///run/docker.sock", METADATA[0], METADATA[2]] {
        let address = address.trim_end_matches("latest/meta-data/iam/");
        let params = image_with(json!({"nomadAddress": address, "nomadToken": "canary"}));
        let ended = lab.deploy(&params).var("CS_DEADLINE", "20s").run();
        ended.assert_says("is not called").assert_hides("canary");
        assert_ne!(ended.code, Some(0), "{ended}");
    }
}

#[test]
fn the_backend_of_params_is_no_metadata_service() {
    let lab = Lab::new();
    for address in [METADATA[0], METADATA[2]] {
        let params = image_with(json!({"backendUrl": address, "accessToken": "canary"}));
        let ended = lab.deploy(&params).run();
        // The backend decides nothing: the deployment goes on.
        ended
            .assert_code(0)
            .assert_says("the backend is not called")
            .assert_says("CS_EGRESS_ALLOW=")
            .assert_hides("canary");
    }
}

#[test]
fn whoever_sets_up_the_runner_can_make_an_exception_for_the_cluster_of_params() {
    let lab = Lab::new();
    let params = image_with(json!({"nomadAddress": "http://169.254.1.2:4646"}));
    let run = |allowed: &str| {
        let run = lab.deploy(&params).var("CS_EGRESS_ALLOW", allowed);
        run.var("CS_DEADLINE", "6s").run()
    };
    run("10.0.0.0/8").assert_says("is not called");
    let ended = run("169.254.1.2:4646");
    assert!(!ended.stderr.contains("is not called"), "{ended}");
}

async fn fetched(url: &str, egress: Egress) -> String {
    let parent = tempfile::tempdir().unwrap();
    let work = WorkDir::create(parent.path()).unwrap();
    let request = ArchiveRequest {
        url: Secret::new(url),
        sha256: None,
    };
    let limits = Limits {
        egress,
        ..Limits::default()
    };
    let (output, _nobody_listens) = Output::channel();
    let into = work.path().join("source");
    let stop = CancellationToken::new();
    let result = fetch(&request, &into, &limits, &output, &stop).await;
    work.remove().await.unwrap();
    chain(&result.unwrap_err())
}

#[tokio::test]
async fn no_redirect_leads_to_a_metadata_service() {
    for target in METADATA {
        let server = FilesServer::with(Answer::redirect(302, target)).await;
        let error = fetched(&server.url("/a"), Egress::of(Reach::Local)).await;
        assert!(error.contains("is not called"), "{target}: {error}");
        assert!(error.contains("CS_EGRESS_ALLOW="), "{target}: {error}");
        // Without a detour neither.
        let error = fetched(target, Egress::of(Reach::Local)).await;
        assert!(error.contains("is not called"), "{target}: {error}");
    }
}

#[tokio::test]
async fn an_exception_for_one_port_is_none_for_its_neighbour() {
    let inner = FilesServer::with(Answer::bare(404)).await;
    let outer = FilesServer::with(Answer::redirect(307, &inner.url("/v1/jobs"))).await;
    let egress = Egress::new(Reach::Private, outer.host(), &[]).unwrap();
    let error = fetched(&outer.url("/a"), egress).await;
    assert!(error.contains(inner.host()), "{error}");
    assert_eq!((outer.asked().len(), inner.asked().len()), (1, 0));
}

#[tokio::test]
async fn a_registry_cannot_send_credentials_or_calls_to_a_metadata_service() {
    for target in [
        "https://169.254.169.254/token",
        "https://[::ffff:a9fe:a9fe]/token",
    ] {
        let challenge = format!("Bearer realm=\"{target}\",service=\"x\"");
        let asks = Answer::bare(401)
            .header("WWW-Authenticate", &challenge)
            .header("Content-Length", "0");
        for answer in [asks, Answer::redirect(307, target)] {
            let server = FilesServer::with(answer).await;
            let egress = Egress::new(Reach::Private, server.host(), &[]).unwrap();
            let image: ImageReference = format!("{}/a/b:1", server.host()).parse().unwrap();
            let error = Registry::new(egress).image_facts(&image, None).await;
            let error = chain(&error.unwrap_err());
            assert!(error.contains("link-local"), "{error}");
        }
    }
}
