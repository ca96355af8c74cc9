//! The real programs, where they are on `PATH`: planning needs no network.

use cs::artifact::build::nixpacks::{Generated, plan};
use cs::artifact::build::programs::find;
use cs::artifact::build::{BuildError, Builder, Recipe};
use cs::config::Environment;
use tokio_util::sync::CancellationToken;

use super::{CANARY, Lab, Said, listener, plain, secrets};

/// `None`, with a line that says so, where nixpacks is not installed.
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
async fn planned(lab: &Lab, recipe: &Recipe) -> Option<(Result<Generated, BuildError>, Said)> {
    let environment = Environment::of_process();
    if find(&environment, Builder::Nixpacks, "nixpacks")
        .await
        .is_err()
    {
        eprintln!("SKIPPED: `nixpacks` is not on PATH");
        return None;
    }
    let (output, said) = listener();
    let generated = plan(recipe, &environment, &output, &CancellationToken::new()).await;
    drop(output);
    assert!(
        lab.traces("canary").is_empty(),
        "{:?}",
        lab.traces("canary")
    );
    Some((generated, said.await.expect("it listens")))
}

/// Files by name.
type Sources = &'static [(&'static str, &'static str)];

fn dockerfile(generated: &Generated) -> String {
    std::fs::read_to_string(generated.context.join(&generated.dockerfile)).expect("it was written")
}

fn recipe(lab: &Lab) -> Recipe {
    Recipe {
        env: plain(&[("PLAIN", "a value")]),
        secrets: secrets(&[("TOKEN", CANARY), ("SECOND", CANARY)]),
        ..lab.recipe()
    }
}

#[tokio::test]
async fn applications_of_several_kinds_are_planned_without_a_secret_in_the_dockerfile() {
    let kinds: [(&str, Sources, &str); 4] = [
        (
            "node",
            &[
                (
                    "package.json",
                    r#"{"scripts":{"build":"x","start":"node index.js"},"engines":{"node":"20"}}"#,
                ),
                ("package-lock.json", "{}"),
                ("index.js", ""),
            ],
            "npm run build",
        ),
        (
            "python",
            &[("requirements.txt", "flask\n"), ("main.py", "")],
            "python -m venv --copies /opt/venv && . /opt/venv/bin/activate && pip install -r requirements.txt",
        ),
        (
            "go",
            &[
                ("go.mod", "module x\n\ngo 1.22\n"),
                ("main.go", "package main\n"),
            ],
            "go build -o out",
        ),
        (
            "staticfile",
            &[("index.html", "<h1>")],
            "mkdir /etc/nginx/ /var/log/nginx/ /var/cache/nginx/",
        ),
    ];
    for (kind, sources, command) in kinds {
        let lab = Lab::new();
        for (name, content) in sources {
            lab.source(name, content);
        }
        let Some((generated, said)) = planned(&lab, &recipe(&lab)).await else {
            return;
        };
        let generated = generated.unwrap_or_else(|error| panic!("{kind}: {error:?}"));
        let dockerfile = dockerfile(&generated);
        let mounted = "target=/run/secrets/cs-build-env,required=true,mode=0444 . /run/secrets/cs-build-env; ";
        assert!(
            dockerfile.contains(&format!("{mounted}{command}\n")),
            "{kind}: {dockerfile}"
        );
        for name in ["TOKEN", "SECOND"] {
            assert!(!dockerfile.contains(name), "{kind}: {dockerfile}");
        }
        assert!(dockerfile.contains(" PLAIN=$PLAIN"), "{kind}: {dockerfile}");
        assert_eq!(generated.args["PLAIN"], "a value", "{kind}");
        assert!(
            generated.args["NIXPACKS_METADATA"].contains(kind),
            "{kind}: {:?}",
            generated.args
        );
        assert_eq!(generated.secrets.len(), 1, "{kind}");
        assert!(generated.context.join(sources[0].0).is_file(), "{kind}");
        assert!(
            said.stdout().contains("Nixpacks v"),
            "{kind}: {}",
            said.stdout()
        );
    }
}

#[tokio::test]
async fn commands_and_settings_reach_the_plan() {
    let lab = Lab::new();
    lab.source("package.json", r#"{"scripts":{"start":"x"}}"#);
    let start = r#"sh -c "printf '\d\n'""#;
    let recipe = Recipe {
        build_command: Some("make 'it' \"$PLAIN\"".to_owned()),
        start_command: Some(start.to_owned()),
        secrets: secrets(&[("NIXPACKS_NODE_VERSION", "22"), ("TOKEN", CANARY)]),
        ..recipe(&lab)
    };
    let Some((generated, said)) = planned(&lab, &recipe).await else {
        return;
    };
    let generated = generated.expect("it can be planned");
    let dockerfile = dockerfile(&generated);
    assert!(
        dockerfile.contains("; make 'it' \"$PLAIN\"\n"),
        "{dockerfile}"
    );
    let command = dockerfile
        .lines()
        .find_map(|line| line.strip_prefix("CMD "))
        .expect("a command");
    assert_eq!(
        serde_json::from_str::<Vec<String>>(command).expect("a list"),
        [start]
    );
    assert!(said.stdout().contains("nodejs_22"), "{}", said.stdout());
    assert!(
        !dockerfile.contains("NIXPACKS_NODE_VERSION"),
        "{dockerfile}"
    );
    assert!(!generated.args.contains_key("NIXPACKS_NODE_VERSION"));
}

#[tokio::test]
async fn the_sources_own_plan_is_followed() {
    let lab = Lab::new();
    let own = r#"
        providers = []
        buildImage = "base:1"
        [variables]
        OWN = "from the source"
        TOKEN = "not this one"
        [phases.install]
        cmds = ["echo install", """two \\
          lines"""]
        [phases.build]
        dependsOn = ["install"]
        cmds = ["echo build"]
        paths = ["/opt/x"]
        cacheDirectories = ["c"]
        [start]
        cmd = "run"
        user = "app"
    "#;
    lab.source("nixpacks.toml", own);
    let Some((generated, _)) = planned(&lab, &recipe(&lab)).await else {
        return;
    };
    let generated = generated.expect("it can be planned");
    let dockerfile = dockerfile(&generated);
    assert!(dockerfile.starts_with("FROM base:1\n"), "{dockerfile}");
    assert!(
        dockerfile.contains("\nARG OWN PLAIN\nENV OWN=$OWN PLAIN=$PLAIN\n"),
        "{dockerfile}"
    );
    assert_eq!(
        generated.args,
        plain(&[("OWN", "from the source"), ("PLAIN", "a value")])
    );
    let mounts = dockerfile.matches("--mount=type=secret").count();
    assert_eq!(mounts, 3, "the three commands of the phases: {dockerfile}");
    assert!(dockerfile.contains("\nRUN useradd "), "{dockerfile}");
}

#[tokio::test]
async fn the_only_directory_of_a_source_is_its_context() {
    let lab = Lab::new();
    lab.source("web/index.html", "<h1>");
    let Some((generated, _)) = planned(&lab, &recipe(&lab)).await else {
        return;
    };
    let generated = generated.expect("it can be planned");
    assert!(generated.context.join("index.html").is_file());
}

#[tokio::test]
async fn a_source_of_no_kind_is_told() {
    let lab = Lab::new();
    lab.source("notes.txt", "");
    let Some((generated, _)) = planned(&lab, &recipe(&lab)).await else {
        return;
    };
    assert_eq!(
        generated.unwrap_err().to_string(),
        "nixpacks failed: it does not recognise the application; add a nixpacks.toml or a Dockerfile"
    );
}
