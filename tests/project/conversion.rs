//! Params → project file → the same job; values of variables; what a project file means.

use cs::compile::compile;
use cs::desired::{Options, validate};
use cs::dispatch::convert::apply_builder;
use cs::dispatch::{ConvertOptions, DeployParams, Params, Task, convert, params};
use cs::project::write::{Written, write};
use cs::project::{Deploy, Project};
use cs::secret::Secret;
use cs::spec::Workload;
use cs::spec::workload::{EnvValue, SecretRef};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Around, project};
use crate::compile::{CASES, case, read};

/// What a built image is called where none is built.
const BUILT: &str = "registry.example.com/built:1";

fn deploy_params(task: Task, params: &Value) -> Box<DeployParams> {
    match params::parse(task, params.to_string().as_bytes()).unwrap() {
        Params::Deploy(params) => params,
        Params::Destroy(_) => panic!("it deploys"),
    }
}

/// The job of a workload.
fn job(workload: &Workload) -> Value {
    let mut options = Options::new("dispatch".parse().unwrap());
    options.image = Some(BUILT.to_owned());
    let desired = validate(workload, &options).unwrap_or_else(|issues| panic!("{issues:?}"));
    compile(&desired).to_value()
}

fn written(params: &DeployParams) -> Written {
    let converted = convert(params, &ConvertOptions::default()).unwrap();
    write(params, &converted.workload, &converted.run).unwrap()
}

fn read_back(written: &Written) -> Project {
    let vars = written.vars.clone().unwrap_or_default();
    let around = Around {
        files: vec![("vars.hcl", &vars)],
        environment: vec![("NOMAD_TOKEN", "t"), ("S", "canary"), ("HOME", "canary")],
        ..Around::default()
    };
    project(&written.project, &around).unwrap_or_else(|findings| {
        panic!("{findings:#?}\n{}\n{vars}", written.project);
    })
}

/// The job of params, and the job of the files that are written of them.
fn both(task: Task, params: &Value) -> (Value, Value) {
    let params = deploy_params(task, params);
    let mut direct = convert(&params, &ConvertOptions::default())
        .unwrap()
        .workload;
    if task.builds() && params.build.builder.is_empty() {
        // Without a name the file asks for railpack.
        apply_builder(&mut direct, "railpack");
    }
    let project = read_back(&written(&params));
    let mut back = project.apps[0].workload().clone();
    if let Some(pull) = &mut back.spec.pull {
        // Where it goes is known when it is pushed.
        pull.authenticate = direct
            .spec
            .pull
            .as_ref()
            .is_some_and(|pull| pull.authenticate);
    }
    (job(&direct), job(&back))
}

#[test]
fn every_golden_case_comes_back_as_the_same_job() {
    for name in CASES {
        let task: Task = case(name)["task"].as_str().unwrap().parse().unwrap();
        let mut params = read(name, "params.json").unwrap();
        params["nomadAddress"] = Value::Null;
        let (direct, back) = both(task, &params);
        assert_eq!(direct, back, "{name}");
    }
}

fn repository() -> Value {
    json!({
        "jobId": "csi-shop", "deploymentId": "d-1", "serviceId": "s-1", "projectId": "p-1", "ownerId": 7,
        "imageName": "acme/shop", "imageTag": "1.0", "cpu": 100, "ram": 128, "repository": "acme/shop", "branch": "main",
        "gitPass": "canary-git", "nomadToken": "canary-nomad", "nomadAddress": "http://user:canary-login@n.example:4646",
        "vaultAddress": "https://vault.example", "roleId": "canary-role", "secretId": "canary-secret",
        "secretsPath": "p-1/data/s-1", "accessToken": "canary-access", "backendUrl": "https://b.example",
        "registry": {"pack": "cloudstation", "useEmbedded": true, "registryToken": "canary-pack",
            "registrySource": "https://x:canary-source@git.example/packs"},
        "networks": [{"portNumber": 8080, "portType": "http"}],
        "build": {"builder": "csdocker", "dockerfilePath": "docker/Dockerfile", "rootDirectory": "/app/",
            "startCommand": "npm start", "buildArgs": {"A": "1"}, "staticBuildEnv": {"B": "2"},
            "registryUrl": "registry.example.com/", "registryUsername": "canary-user", "registryPassword": "canary-password"},
    })
}

#[test]
fn a_repository_task_becomes_a_project_that_builds_pushes_and_deploys_the_same() {
    let params = deploy_params(Task::DeployRepository, &repository());
    let written = written(&params);
    let (direct, back) = both(Task::DeployRepository, &repository());
    assert_eq!(direct, back);
    let project = read_back(&written);
    assert_eq!(project.name, "csi-shop");
    let build = project.apps[0].workload().spec.build.clone().unwrap();
    assert_eq!(build.builder.as_deref(), Some("csdocker"));
    assert_eq!(build.root_directory.as_deref(), Some("app"));
    assert_eq!(build.dockerfile.as_deref(), Some("docker/Dockerfile"));
    assert_eq!(
        build.image.as_deref(),
        Some("registry.example.com/acme/shop")
    );
    assert_eq!(build.tag.as_deref(), Some("1.0"));
    assert_eq!(build.args["A"], "1");
    assert_eq!(build.env["B"], "2");
    assert!(!build.push.unwrap().disabled);
    let text = format!("{}{}", written.project, written.vars.unwrap());
    assert!(!text.contains("canary"), "{text}");
    for wanted in [
        "username = var.registry_username",
        "env = [\n    \"REGISTRY_USERNAME\"\n  ]",
        "nomad_token = env(\"NOMAD_TOKEN\")",
        "role_id = env(\"VAULT_ROLE_ID\")",
        "variable_files = [",
    ] {
        assert!(text.contains(wanted), "{wanted}\n{text}");
    }
}

#[test]
fn without_a_push_there_is_neither_registry_nor_variables_for_it() {
    let mut params = repository();
    params["build"]["disablePush"] = true.into();
    let written = written(&deploy_params(Task::DeployRepository, &params));
    assert!(
        !written.project.contains("registry {"),
        "{}",
        written.project
    );
    assert!(
        !written.project.contains("variable \""),
        "{}",
        written.project
    );
    let project = read_back(&written);
    let build = project.apps[0].workload().spec.build.clone().unwrap();
    assert!(build.push.unwrap().disabled);
}

#[test]
fn the_rows_of_the_variables_stand_in_the_order_of_the_contract() {
    let vars = written(&deploy_params(Task::DeployRepository, &repository()))
        .vars
        .unwrap();
    let keys: Vec<&str> = vars
        .lines()
        .filter(|line| !line.starts_with([' ', ']', '}']))
        .filter_map(|line| line.split(" = ").next())
        .collect();
    assert_eq!(
        keys,
        [
            "job_name",
            "secret_path",
            "restart_attempts",
            "restart_mode",
            "resources",
            "user_id",
            "alloc_id",
            "project_id",
            "service_id",
            "regions",
            "user",
            "image",
            "use_csi_volume",
            "config_files",
            "template",
            "network",
            "use_tls",
            "vault_linked_secrets",
            "args",
        ]
    );
}

#[test]
fn a_job_whose_name_no_project_can_have_is_refused() {
    let mut params = repository();
    params["jobId"] = "a.b".into();
    let params = deploy_params(Task::DeployRepository, &params);
    let converted = convert(&params, &ConvertOptions::default()).unwrap();
    assert!(write(&params, &converted.workload, &converted.run).is_err());
}

/// Texts that every language on the way might take for its own.
fn hostile() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => "[a-z0-9 ]{1,4}",
        1 => Just("\"".to_owned()),
        1 => Just("\\".to_owned()),
        1 => Just("${env(\"S\")}".to_owned()),
        1 => Just("${".to_owned()),
        1 => Just("$S".to_owned()),
        1 => Just("$${S}".to_owned()),
        1 => Just("env('S')".to_owned()),
        1 => Just("env(\"S\")".to_owned()),
        1 => Just("%{ if true }".to_owned()),
        1 => Just("{{ key \"x\" }}".to_owned()),
        1 => Just("\n".to_owned()),
        1 => Just("\t".to_owned()),
        1 => Just("EOT\n}\n".to_owned()),
        1 => Just("é\u{2028}".to_owned()),
    ];
    prop::collection::vec(piece, 1..6).prop_map(|pieces| format!("x{}", pieces.concat()))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// No text of the params is ever read as HCL or expanded from the environment.
    #[test]
    fn hostile_texts_come_back_as_they_are(
        command in hostile(), argument in hostile(), entry in hostile(), key in hostile(), content in hostile(),
    ) {
        let mut params = repository();
        params["build"]["startCommand"] = argument.clone().into();
        params["command"] = command.clone().into();
        params["entrypoint"] = json!([entry]);
        params["build"]["buildArgs"] = json!({ (key.clone()): content.clone() });
        params["build"]["buildCommand"] = content.clone().into();
        let parsed = deploy_params(Task::DeployRepository, &params);
        let project = read_back(&written(&parsed));
        let spec = &project.apps[0].workload().spec;
        prop_assert_eq!(spec.container.command.as_ref(), Some(&command));
        prop_assert_eq!(spec.container.start_command.as_ref(), Some(&argument));
        prop_assert_eq!(&spec.container.entrypoint, &[entry]);
        let build = spec.build.as_ref().unwrap();
        prop_assert_eq!(build.command.as_ref(), Some(&content));
        prop_assert_eq!(build.args.get(&key), Some(&content));
    }
}

const PRECEDENCE: &str = r#"
project = "shop"
variable "tag" {
  env     = ["FIRST", "SECOND"]
  default = "default"
}
app "web" {
  build {
    use = "docker"
    tag = var.tag
  }
  deploy { use = "noop" }
}"#;

#[test]
fn a_flag_wins_over_a_file_over_the_environment_over_the_default() {
    let tag = |around: &Around<'_>| {
        let project = project(PRECEDENCE, around).unwrap();
        let build = project.apps[0].workload().spec.build.clone().unwrap();
        build.tag.unwrap()
    };
    let mut around = Around::default();
    assert_eq!(tag(&around), "default");
    around.environment = vec![("SECOND", "second")];
    assert_eq!(tag(&around), "second");
    around.environment.push(("FIRST", "first"));
    assert_eq!(tag(&around), "first");
    around.variable_files = vec![
        ("a.hcl".to_owned(), "tag = \"file\"".to_owned()),
        ("b.hcl".to_owned(), "tag = \"later\"".to_owned()),
    ];
    assert_eq!(tag(&around), "later");
    around.flags = vec![("tag".to_owned(), Secret::from("flag"))];
    assert_eq!(tag(&around), "flag");
}

#[test]
fn a_flag_for_an_undeclared_variable_is_an_error_and_a_file_only_a_warning() {
    let around = Around {
        flags: vec![("tga".to_owned(), Secret::from("x"))],
        ..Around::default()
    };
    let found = project(PRECEDENCE, &around).unwrap_err();
    assert_eq!(found[0].code, "undeclared-variable");
    assert_eq!(found[0].help.as_deref(), Some("did you mean `tag`?"));
    let around = Around {
        variable_files: vec![("a.hcl".to_owned(), "tga = \"x\"".to_owned())],
        ..Around::default()
    };
    let read = project(PRECEDENCE, &around).unwrap();
    assert_eq!(read.warnings[0].code, "undeclared-variable");
    assert_eq!(read.warnings[0].file, "a.hcl");
}

const EXPRESSIONS: &str = r#"
project = lower("SHOP")
variable "team"  { default = "acme" }
variable "image" { default = "${var.team}/web" }
variable "debug" {
  type    = bool
  default = true
}
variable "password" {
  sensitive = true
  env       = ["DB_PASSWORD"]
}
app "web" {
  path   = "services/${var.team}"
  labels = { team = var.team, Upper = upper(var.team) }
  build {
    use "docker" {
      name       = var.image
      tag        = concat("v", 1, null, "-", env("SUFFIX"))
      dockerfile = var.debug == "true" && !false ? "Dockerfile.dev" : "Dockerfile"
      context    = "./app"
      env        = { HOME = "$HOME", PATH = "x-${"$"}", USER = "env('WHO')/${var.team}" }
    }
    registry {
      use "docker" {
        image    = "registry.example.com/${var.image}"
        tag      = "1"
        auth {
          username = "me"
          password = var.password
        }
      }
    }
  }
  deploy {
    use = "nomadpack"
    variables = { count = var.count_of, network = [{ port = 8080 }] }
  }
  config {
    env = {
      LEVEL    = "info"
      DATABASE = "pg://u:${var.password}@db"
      PLAIN    = env("DB_PASSWORD")
      SIGNED   = "for-$WHO"
    }
  }
}
variable "count_of" { default = 3 }
"#;

#[test]
fn variables_functions_and_the_environment_mean_what_the_contract_says() {
    let around = Around {
        environment: vec![
            ("SUFFIX", "$HOME"),
            ("HOME", "/home/x"),
            ("WHO", "anna"),
            ("DB_PASSWORD", "pa$HOME"),
        ],
        options: ConvertOptions {
            vault: false,
            ..ConvertOptions::default()
        },
        ..Around::default()
    };
    let read = project(EXPRESSIONS, &around).unwrap();
    assert_eq!(read.name, "shop");
    let app = &read.apps[0];
    let workload = app.workload();
    assert_eq!(workload.metadata.name, "web");
    assert_eq!(workload.metadata.labels["team"], "acme");
    assert_eq!(workload.metadata.labels["Upper"], "ACME");
    let spec = &workload.spec;
    assert_eq!(spec.source.path.as_deref(), Some("."));
    assert_eq!(spec.replicas, Some(3));
    assert_eq!(spec.ports[0].port, 8080);
    let build = spec.build.as_ref().unwrap();
    assert_eq!(build.root_directory.as_deref(), Some("services/acme/app"));
    assert_eq!(build.builder.as_deref(), Some("csdocker"));
    assert_eq!(build.dockerfile.as_deref(), Some("Dockerfile.dev"));
    assert_eq!(
        build.image.as_deref(),
        Some("registry.example.com/acme/web")
    );
    assert_eq!(build.tag.as_deref(), Some("1"), "the registry's tag wins");
    assert_eq!(build.env["HOME"], "/home/x");
    assert_eq!(build.env["PATH"], "x-$");
    assert_eq!(build.env["USER"], "anna/acme");
    // What the platform alone has is not asked of other clusters.
    assert_eq!(spec.placement.node_pool, None);
    assert_eq!(spec.container.user, None);
    assert_eq!(spec.platform, None);
    assert_eq!(spec.env["LEVEL"], EnvValue::Text("info".to_owned()));
    assert_eq!(
        spec.env["DATABASE"],
        EnvValue::Reference(SecretRef::env("DATABASE"))
    );
    assert_eq!(app.environment["DATABASE"].expose(), "pg://u:pa$HOME@db");
    // What comes out of the environment is referred to, too: nobody knows what it is.
    assert_eq!(
        spec.env["PLAIN"],
        EnvValue::Reference(SecretRef::env("DB_PASSWORD"))
    );
    assert_eq!(
        spec.env["SIGNED"],
        EnvValue::Reference(SecretRef::env("SIGNED"))
    );
    assert_eq!(app.environment["SIGNED"].expose(), "for-anna");
    assert_eq!(app.secrets["REGISTRY_PASSWORD"].expose(), "pa$HOME");
    assert_eq!(app.secrets["REGISTRY_USERNAME"].expose(), "me");
    let shown = format!("{read:?}");
    assert!(!shown.contains("pa$HOME"), "{shown}");
}

#[test]
fn two_apps_that_mean_different_secrets_by_one_name_do_not_share_them() {
    let app = |name: &str, variable: &str| {
        format!(
            "app \"{name}\" {{\n build {{\n use = \"noop\"\n name = \"nginx\"\n }}\n \
             deploy {{ use = \"nomad-pack\" }}\n config {{ env = {{ KEY = var.{variable} }} }}\n}}\n"
        )
    };
    let variable = |name: &str, value: &str| {
        format!("variable \"{name}\" {{\n sensitive = true\n default = \"{value}\"\n}}\n")
    };
    let text = format!(
        "project = \"shop\"\n{}{}{}{}",
        variable("a", "one"),
        variable("b", "two"),
        app("web", "a"),
        app("api", "b")
    );
    let read = project(&text, &Around::default()).unwrap();
    let of = |number: usize| {
        let app = &read.apps[number];
        let EnvValue::Reference(reference) = &app.workload().spec.env["KEY"] else {
            panic!("a sensitive value is a reference");
        };
        app.environment[reference.from_env.as_deref().unwrap()]
            .expose()
            .to_owned()
    };
    assert_eq!((of(0).as_str(), of(1).as_str()), ("one", "two"));
}

#[test]
fn a_pack_of_somebody_else_keeps_its_registry_and_its_variables() {
    let text = r#"
        project = "shop"
        app "web" {
          build { use = "noop" }
          deploy {
            use             = "nomad-pack"
            pack            = "hello_world"
            deployment_name = "hello"
            registry_name   = "mine"
            registry_source = "https://git.example/packs"
            registry_ref    = "v1"
            registry_target = "hello_world"
            registry_token  = var.PACK_TOKEN
            parser_v1       = true
            variables       = { text = "a\"$${b}", count = 2 }
            variable_files  = ["a.hcl"]
          }
        }"#;
    let around = Around {
        environment: vec![("PACK_TOKEN", "hunter2")],
        files: vec![("a.hcl", "x = 1")],
        ..Around::default()
    };
    let read = project(text, &around).unwrap();
    let Deploy::Pack(pack) = &read.apps[0].deploy else {
        panic!("{:?}", read.apps[0].deploy);
    };
    assert_eq!(pack.registry_token.as_ref().unwrap().expose(), "hunter2");
    assert_eq!(pack.registry_ref.as_deref(), Some("v1"));
    assert!(pack.parser_v1);
    assert_eq!(pack.variable_files[0].0, "a.hcl");
    let variables = pack.variables.as_ref().unwrap().expose();
    assert!(variables.contains("count = 2"), "{variables}");
    assert!(!format!("{read:?}").contains("hunter2"));
}
