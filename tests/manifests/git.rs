//! Specs in a Git repository.

use std::path::Path;

use cs::config::Environment;
use cs::manifests::{LoadError, Loaded, Request, load};
use tokio_util::sync::CancellationToken;

use super::spec;
use crate::support::git_server::{GitServer, Repository, Shown, Stage, Trouble};

const TOKEN: &str = "canary-9f8e7d";

struct Desk {
    temp: tempfile::TempDir,
    stop: CancellationToken,
}

impl Desk {
    fn new() -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        Self {
            temp: tempfile::tempdir().unwrap(),
            stop: CancellationToken::new(),
        }
    }

    /// Reads sources, and checks that nothing is left on the disk and no token is shown.
    async fn load(&self, sources: &[String], token: Option<&str>) -> Result<Loaded, LoadError> {
        let temp = self.temp.path().display().to_string();
        let environment = Environment::of_pairs([
            ("TMPDIR", &*temp),
            ("CS_GIT_TOKEN", token.unwrap_or_default()),
        ])
        .for_a_person();
        let request = Request::new(sources, &[], Vec::new(), &environment)?;
        let loaded = load(&request, &self.stop).await;
        assert_eq!(std::fs::read_dir(self.temp.path()).unwrap().count(), 0);
        let shown = match &loaded {
            Ok(loaded) => format!("{loaded:?}"),
            Err(error) => format!("{error:?} {}", cs::clients::chain(error)),
        };
        assert!(!shown.contains(TOKEN), "{shown}");
        loaded
    }
}

fn specs(server: &GitServer) -> (Repository, String) {
    let repository = server.repository("team/specs");
    repository
        .file("prod/a.yaml", spec("a"))
        .file("prod/jobs/web.nomad.hcl", "job \"web\" {}\n")
        .file("dev/overlay.yaml", "apiVersion: cloudstation.io/v1\nkind: Overlay\nspec: {bases: [../prod], namespace: dev}\n")
        .file("native.yaml", "apiVersion: cloudstation.io/v1\nkind: NomadJob\nmetadata: {name: web}\nspec: {path: prod/jobs/web.nomad.hcl}\n");
    let commit = repository.commit();
    (repository, commit)
}

fn names(loaded: &Loaded) -> Vec<String> {
    let manifests = loaded.manifests.iter();
    manifests
        .map(|manifest| {
            format!(
                "{} {}",
                manifest.document.file(),
                manifest.document.resource.metadata().name
            )
        })
        .collect()
}

#[tokio::test]
async fn a_folder_of_a_repository_is_read_at_a_revision() {
    let Some(server) = GitServer::start(Some(TOKEN)) else {
        return;
    };
    let (repository, first) = specs(&server);
    repository.tag("v1").file("prod/b.yaml", spec("b"));
    let second = repository.commit();
    let url = server.url("team/specs");
    let desk = Desk::new();
    for (reference, commit, count) in [
        ("", &second, 3),
        ("?ref=main", &second, 3),
        ("?ref=v1", &first, 2),
        (&*format!("?ref={first}"), &first, 2),
    ] {
        let source = format!("{url}//prod{reference}");
        let loaded = desk.load(&[source], Some(TOKEN)).await.unwrap();
        assert_eq!(loaded.findings, vec![]);
        assert!(loaded.is_complete);
        assert_eq!(loaded.manifests.len(), count, "{reference}");
        assert_eq!(names(&loaded)[0], format!("{url}//prod/a.yaml a"));
        let revision = loaded.revision.unwrap();
        assert_eq!((&revision.commit, &*revision.path), (commit, "prod"));
        assert_eq!(revision.repository, url);
    }
    assert!(
        server
            .calls()
            .iter()
            .all(|call| call.credentials != Shown::Wrong)
    );
}

#[tokio::test]
async fn overlays_and_named_files_stay_inside_of_the_repository() {
    let Some(server) = GitServer::start(None) else {
        return;
    };
    let (repository, _) = specs(&server);
    let url = server.url("team/specs");
    let desk = Desk::new();
    let loaded = desk.load(&[format!("{url}//dev")], None).await.unwrap();
    assert_eq!(loaded.findings, vec![]);
    assert_eq!(
        names(&loaded),
        [
            format!("{url}//prod/a.yaml a"),
            format!("{url}//prod/jobs/web.nomad.hcl web")
        ]
    );
    let loaded = desk
        .load(&[format!("{url}//native.yaml")], None)
        .await
        .unwrap();
    assert_eq!(
        &*loaded.manifests[0].native.as_ref().unwrap().text,
        "job \"web\" {}\n"
    );
    repository
        .file("dev/overlay.yaml", "apiVersion: cloudstation.io/v1\nkind: Overlay\nspec: {bases: [../../..]}\n")
        .file("native.yaml", "apiVersion: cloudstation.io/v1\nkind: NomadJob\nmetadata: {name: web}\nspec: {path: ../git/HEAD}\n")
        .link("prod/out.yaml", "../../git/config");
    repository.commit();
    for (path, code) in [
        ("dev", "base-outside"),
        ("native.yaml", "file-outside"),
        ("prod", "link-broken"),
    ] {
        let loaded = desk.load(&[format!("{url}//{path}")], None).await.unwrap();
        let codes: Vec<&str> = loaded.findings.iter().map(|finding| finding.code).collect();
        assert!(
            codes.contains(&code) || codes.contains(&"link-outside"),
            "{path}: {:?}",
            loaded.findings
        );
        assert!(!loaded.is_complete);
    }
}

#[tokio::test]
async fn repositories_and_files_of_this_machine_may_be_mixed() {
    let Some(server) = GitServer::start(None) else {
        return;
    };
    specs(&server);
    let url = server.url("team/specs");
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("z.yaml"), spec("z")).unwrap();
    let local = home.path().join("z.yaml").display().to_string();
    let sources = [
        local.clone(),
        format!("git::{url}//prod"),
        format!("{url}//native.yaml?ref=main"),
    ];
    let loaded = Desk::new().load(&sources, None).await.unwrap();
    assert_eq!(loaded.findings, vec![]);
    assert_eq!(loaded.manifests.len(), 4);
    assert_eq!(names(&loaded)[0], format!("{local} z"));
    assert_eq!(loaded.revision, None);
}

#[tokio::test]
async fn a_path_that_the_repository_does_not_have_is_a_finding() {
    let Some(server) = GitServer::start(None) else {
        return;
    };
    specs(&server);
    let url = server.url("team/specs");
    let sources = [format!("{url}//nothing?ref=main"), format!("{url}//prod")];
    let loaded = Desk::new().load(&sources, None).await.unwrap();
    assert!(!loaded.is_complete);
    assert_eq!(loaded.exit_code(), 2);
    assert_eq!(
        loaded.findings[0].to_string(),
        format!("{url}//nothing: error[not-found]: the repository has nothing there at main")
    );
    assert_eq!(loaded.manifests.len(), 2);
}

#[tokio::test]
async fn a_repository_that_cannot_be_had_is_an_error_that_says_what_to_do() {
    let Some(server) = GitServer::start(Some(TOKEN)) else {
        return;
    };
    specs(&server);
    let url = server.url("team/specs");
    let desk = Desk::new();
    let refused = desk
        .load(&[format!("{url}//prod")], None)
        .await
        .unwrap_err();
    assert_eq!(refused.exit_code(), 2);
    assert_eq!(
        refused.help(),
        Some("set CS_GIT_TOKEN to a token that may read the repository")
    );
    let missing = desk
        .load(&[format!("{url}//prod?ref=nope")], Some(TOKEN))
        .await
        .unwrap_err();
    let text = cs::clients::chain(&missing);
    assert!(text.contains("has no branch or tag `nope`"), "{text}");
    let inside = url.replace("http://", &format!("http://user:{TOKEN}@"));
    let error = desk
        .load(&[format!("{inside}//prod")], None)
        .await
        .unwrap_err();
    let text = cs::clients::chain(&error);
    assert!(text.contains("credentials inside"), "{text}");
}

#[tokio::test]
async fn a_stop_ends_a_fetch_and_removes_what_came() {
    let Some(server) = GitServer::start(None) else {
        return;
    };
    specs(&server);
    server.trouble(Stage::Pack, Trouble::Hang);
    let desk = Desk::new();
    let stop = desk.stop.clone();
    let hanging = async {
        while !server.calls().iter().any(|call| call.stage == Stage::Pack) {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        stop.cancel();
    };
    let source = [format!("{}//prod", server.url("team/specs"))];
    let (loaded, ()) = tokio::join!(desk.load(&source, None), hanging);
    let error = loaded.unwrap_err();
    assert!(matches!(error, LoadError::Stopped), "{error:?}");
    assert_eq!(error.exit_code(), 10);
    assert!(Path::new(desk.temp.path()).exists());
}
