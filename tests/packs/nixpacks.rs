//! The builder `nixpacks`, with a fake of the program.

use cs::artifact::build::nixpacks::{Generated, plan};
use cs::artifact::build::{BuildError, Recipe};
use cs::config::Environment;
use tokio_util::sync::CancellationToken;

use super::{CANARY, Lab, NOTED, Said, files, listener, plain, secrets, shown};

/// A plan without variables, for values that the fake cannot write as JSON.
const NO_VARIABLES: &str = "[ $1 = plan ] && { echo '{}'; exit 0; }\n";

/// Writes what nixpacks 1.41 would, with the variables that it was named, and prints them as its plan.
const FAKE: &str = r#"
    command=$1; directory=$2; shift 2
    names= ; out=
    while [ $# -gt 0 ]; do
        case $1 in
            --out) out=$2; shift ;;
            --env) names="$names $2"; shift ;;
        esac
        shift
    done
    if [ $command = plan ]; then
        printf '{"providers":[],"variables":{"CI":"true"'
        for name in $names; do printf ',"%s":"%s"' $name "$(eval echo \$$name)"; done
        printf '},"phases":{}}\n'
        exit 0
    fi
    mkdir -p $out/.nixpacks
    pairs=; values=
    for name in CI $names; do
        pairs="$pairs $name=\$$name"; values="$values --build-arg $name=$(eval echo \$$name)"
    done
    printf 'docker build%s' "$values" > $out/.nixpacks/build.sh
    printf '{}' > $out/.nixpacks/nixpkgs.nix
    printf 'FROM base\nCOPY .nixpacks/nixpkgs.nix .\nRUN nix-env\n\nARG CI%s\nENV%s\n\n# build phase\nCOPY . /app/.\nRUN  make\n\n# start\nCOPY . /app\n\nCMD ["run"]\n' \
        "$names" "$pairs" > $out/.nixpacks/Dockerfile
    printf '\033[1m╔═ Nixpacks ═╗\033[0m\n'
"#;

fn fake(lab: &Lab, more: &str) {
    lab.program("nixpacks", &format!("{NOTED}{more}{FAKE}"));
}

async fn planned(lab: &Lab, recipe: &Recipe) -> (Result<Generated, BuildError>, Said) {
    let (output, said) = listener();
    let stop = CancellationToken::new();
    let generated = plan(recipe, &lab.environment(), &output, &stop).await;
    drop(output);
    (generated, said.await.expect("it listens"))
}

fn text(generated: &Generated, name: &str) -> String {
    let path = generated.context.join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[tokio::test]
async fn the_context_is_the_source_with_what_was_generated_and_the_source_stays_as_it_is() {
    let lab = Lab::new();
    fake(&lab, "");
    lab.source("src/main.c", "int main;")
        .source("Makefile", "all:");
    let recipe = Recipe {
        args: plain(&[("ARG", "1")]),
        env: plain(&[("ENVIRONMENT", "two words")]),
        ..lab.recipe()
    };
    let (generated, said) = planned(&lab, &recipe).await;
    let generated = generated.expect("it can be planned");
    assert!(generated.context.starts_with(lab.at("scratch")));
    assert_eq!(text(&generated, "src/main.c"), "int main;");
    assert_eq!(text(&generated, ".nixpacks/nixpkgs.nix"), "{}");
    assert_eq!(generated.dockerfile, ".nixpacks/Dockerfile");
    let dockerfile = text(&generated, &generated.dockerfile);
    assert!(
        dockerfile.contains("\nENV CI=$CI ARG=$ARG ENVIRONMENT=$ENVIRONMENT\n"),
        "{dockerfile}"
    );
    let wanted = [("CI", "true"), ("ARG", "1"), ("ENVIRONMENT", "two words")];
    assert_eq!(generated.args, plain(&wanted));
    assert!(generated.secrets.is_empty());
    assert_eq!(said.stdout(), "╔═ Nixpacks ═╗\n");
    assert_eq!(files(&lab.at("source")).len(), 2);
    assert!(!generated.context.join(".nixpacks/build.sh").exists());
}

#[tokio::test]
async fn arguments_name_variables_and_hold_no_value() {
    let lab = Lab::new();
    fake(&lab, NO_VARIABLES);
    let recipe = Recipe {
        image: "r.example:5000/shop:7".to_owned(),
        args: plain(&[("ARG", CANARY)]),
        env: plain(&[("ENVIRONMENT", CANARY)]),
        secrets: secrets(&[("TOKEN", CANARY), ("NIXPACKS_PKGS", "cowsay")]),
        build_command: Some("-x; make $ARG".to_owned()),
        start_command: Some("./run \"a\"".to_owned()),
        ..lab.recipe()
    };
    planned(&lab, &recipe).await.0.expect("it can be planned");
    let source = lab.at("source").display().to_string();
    let context = lab.at("scratch/nixpacks/context").display().to_string();
    let shared = [
        "--build-cmd=-x; make $ARG",
        "--start-cmd=./run \"a\"",
        "--env",
        "ARG",
        "--env",
        "ENVIRONMENT",
        "--env",
        "NIXPACKS_PKGS",
    ];
    let key = lab
        .list("argv.build")
        .into_iter()
        .find(|word| word.starts_with("--cache-key="))
        .unwrap();
    let mut wanted = vec![
        "build",
        &source,
        "--out",
        &context,
        "--name=r.example:5000/shop:7",
        &key,
    ];
    wanted.extend(shared);
    assert_eq!(lab.list("argv.build"), wanted);
    let mut wanted = vec!["plan", &source, "--format=json"];
    wanted.extend(shared);
    assert_eq!(lab.list("argv.plan"), wanted);
}

#[tokio::test]
async fn the_program_sees_plain_variables_its_settings_and_nothing_of_the_runner_or_the_secrets() {
    let lab = Lab::new();
    fake(&lab, NO_VARIABLES);
    let recipe = Recipe {
        env: plain(&[("GREETING", "it's\n\"me\"")]),
        secrets: secrets(&[
            ("TOKEN", CANARY),
            ("NIXPACKS_PKGS", "cowsay"),
            ("LD_PRELOAD", CANARY),
        ]),
        ..lab.recipe()
    };
    let (generated, said) = planned(&lab, &recipe).await;
    generated.expect("it can be planned");
    for run in ["env.build", "env.plan"] {
        let seen = lab.variables(run);
        assert_eq!(seen["GREETING"], "it's\n\"me\"");
        assert_eq!(seen["NIXPACKS_PKGS"], "cowsay");
        let home = lab.at("scratch/nixpacks/home").display().to_string();
        assert_eq!(seen["HOME"], home);
        let shell = ["PWD", "_", "SHLVL", "OLDPWD"];
        let mut names: Vec<&str> = seen.keys().map(String::as_str).collect();
        names.retain(|name| !shell.contains(name));
        let wanted = [
            "BUILDKIT_HOST",
            "GREETING",
            "HOME",
            "LANG",
            "NIXPACKS_PKGS",
            "NO_COLOR",
            "PATH",
            "TERM",
            "TMPDIR",
        ];
        assert_eq!(names, wanted);
    }
    assert!(
        said.stderr()
            .contains("\"LD_PRELOAD\" does not reach the build"),
        "{}",
        said.stderr()
    );
    assert!(!said.stderr().contains("canary"));
}

#[tokio::test]
async fn secrets_are_mounted_and_neither_arguments_nor_files() {
    let lab = Lab::new();
    fake(&lab, "");
    let recipe = Recipe {
        env: plain(&[("PLAIN", "1"), ("BOTH", CANARY)]),
        secrets: secrets(&[
            ("TOKEN", CANARY),
            ("NIXPACKS_PKGS", "cowsay"),
            ("BOTH", "other"),
        ]),
        ..lab.recipe()
    };
    let generated = planned(&lab, &recipe).await.0.expect("it can be planned");
    assert_eq!(generated.args, plain(&[("CI", "true"), ("PLAIN", "1")]));
    let [(id, script)]: [_; 1] = Vec::from_iter(&generated.secrets).try_into().expect("one");
    let script = script.expose();
    for name in ["TOKEN", "BOTH", "NIXPACKS_PKGS"] {
        assert!(script.contains(&format!("export {name}='")), "{name}");
    }
    let dockerfile = text(&generated, &generated.dockerfile);
    assert!(
        dockerfile.contains("\nARG CI PLAIN\nENV CI=$CI PLAIN=$PLAIN\n"),
        "{dockerfile}"
    );
    let mounted = format!(
        "\nRUN --mount=type=secret,id={id},target=/run/secrets/cs-build-env,required=true,mode=0444 . /run/secrets/cs-build-env; make\n"
    );
    assert!(dockerfile.contains(&mounted), "{dockerfile}");
    assert_eq!(lab.traces("canary"), Vec::<std::path::PathBuf>::new());
    assert_eq!(lab.traces("cowsay"), Vec::<std::path::PathBuf>::new());
    assert!(!format!("{generated:?}").contains("canary"));
}

#[tokio::test]
async fn an_unusual_dockerfile_is_refused_where_secrets_are_at_stake_and_taken_where_none_are() {
    let lab = Lab::new();
    lab.program(
        "nixpacks",
        r##"
        [ $1 = plan ] && { echo '{"variables":null}'; exit 0; }
        mkdir -p $4/.nixpacks
        printf 'FROM base\n# a phase\nADD x y\n# start\n' > $4/.nixpacks/Dockerfile
        echo wrote it
    "##,
    );
    let generated = planned(&lab, &lab.recipe())
        .await
        .0
        .expect("no secret, no matter");
    assert_eq!(
        text(&generated, &generated.dockerfile),
        "FROM base\n# a phase\nADD x y\n# start\n"
    );
    let recipe = Recipe {
        secrets: secrets(&[("TOKEN", CANARY)]),
        ..lab.recipe()
    };
    let error = planned(&lab, &recipe).await.0.unwrap_err();
    assert_eq!(
        error.to_string(),
        "nixpacks failed: line 3 of the Dockerfile that nixpacks wrote has an instruction that nixpacks does not write"
    );
    assert!(error.falls_back() && !shown(&error).contains("canary"));
}

#[tokio::test]
async fn what_cannot_be_planned_is_told_with_the_reason_and_the_last_lines() {
    let lab = Lab::new();
    let cases = [
        (
            "echo; echo 'Nixpacks was unable to generate a build plan for this app.'; seq 100; exit 1",
            "nixpacks failed: it does not recognise the application; add a nixpacks.toml or a Dockerfile",
        ),
        (
            "echo 'Error: No start command could be found' >&2; exit 1",
            "nixpacks failed: No start command could be found (exit code 1)",
        ),
        (
            "echo x; exit 9",
            "nixpacks failed: `nixpacks` ended with exit code 9",
        ),
        (
            "echo Saved output",
            "nixpacks failed: `nixpacks plan` gives no plan that is understood",
        ),
        (
            "[ $1 = plan ] && echo '{}' || echo Saved output",
            "nixpacks failed: it ended well, yet wrote no usable `.nixpacks/Dockerfile`: this version of nixpacks may be unknown (known: 1.41)",
        ),
        (
            "[ $1 = plan ] && echo '{}' || echo 'Using subdirectory \"../x\"'",
            "nixpacks failed: it chose a directory outside the source",
        ),
    ];
    for (script, wanted) in cases {
        lab.program("nixpacks", script);
        let error = planned(&lab, &lab.recipe()).await.0.unwrap_err();
        assert_eq!(error.to_string(), wanted, "{script}");
        assert!(error.falls_back());
    }
    lab.program("nixpacks", "echo one; echo two >&2; exit 1");
    let Err(BuildError::Failed { mut tail, .. }) = planned(&lab, &lab.recipe()).await.0 else {
        panic!("it failed");
    };
    tail.sort();
    assert_eq!(tail, ["one", "two"]);
}

#[tokio::test]
async fn a_build_command_of_several_lines_is_refused_before_anything_runs() {
    let lab = Lab::new();
    fake(&lab, "");
    let recipe = Recipe {
        build_command: Some("make\nENV A=1".to_owned()),
        ..lab.recipe()
    };
    let error = planned(&lab, &recipe).await.0.unwrap_err();
    assert!(error.to_string().contains("more than one line"), "{error}");
    assert!(!lab.at("notes/argv.build").exists());
}

#[tokio::test]
async fn the_only_directory_below_is_the_context_when_nixpacks_says_so() {
    let lab = Lab::new();
    fake(
        &lab,
        "[ $1 = plan ] || echo 'Using subdirectory \"web/app\"'\n",
    );
    lab.source("web/app/main.c", "int main;");
    let generated = planned(&lab, &lab.recipe())
        .await
        .0
        .expect("it can be planned");
    assert_eq!(text(&generated, "main.c"), "int main;");
    assert!(!generated.context.join("web").exists());
}

#[tokio::test]
async fn a_second_attempt_starts_afresh() {
    let lab = Lab::new();
    fake(&lab, "");
    lab.source("old", "");
    planned(&lab, &lab.recipe())
        .await
        .0
        .expect("it can be planned");
    std::fs::remove_file(lab.at("source/old")).unwrap();
    let generated = planned(&lab, &lab.recipe())
        .await
        .0
        .expect("it can be planned");
    assert!(!generated.context.join("old").exists());
}

#[tokio::test]
async fn a_missing_program_is_named() {
    let lab = Lab::new();
    let (output, _said) = listener();
    let environment = Environment::of_pairs([("PATH", "/nonexistent")]);
    let error = plan(
        &lab.recipe(),
        &environment,
        &output,
        &CancellationToken::new(),
    )
    .await
    .unwrap_err();
    assert!(
        matches!(
            error,
            BuildError::NotInstalled {
                program: "nixpacks",
                ..
            }
        ),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_stopped_plan_leaves_no_value_behind() {
    let lab = Lab::new();
    let script = r#"
        mkdir -p $4/.nixpacks; echo "$NIXPACKS_X" > $4/.nixpacks/build.sh
        echo ready > "$NOTES/ready"; sleep 300"#;
    lab.program("nixpacks", script);
    let recipe = Recipe {
        secrets: secrets(&[("NIXPACKS_X", CANARY)]),
        ..lab.recipe()
    };
    let (output, _said) = listener();
    let stop = CancellationToken::new();
    let stopping = async {
        lab.note_once("ready").await;
        assert_eq!(
            lab.traces("canary").len(),
            1,
            "the test would prove nothing"
        );
        stop.cancel();
    };
    let environment = lab.environment();
    let (ended, ()) = tokio::join!(plan(&recipe, &environment, &output, &stop), stopping);
    assert!(matches!(ended, Err(BuildError::Stopped)), "{ended:?}");
    assert_eq!(lab.traces("canary"), Vec::<std::path::PathBuf>::new());
}
