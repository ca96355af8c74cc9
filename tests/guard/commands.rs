//! No command is without a test that looks for secrets in all that it says and leaves.
//!
//! A command that is added fails the first test here until somebody says which test gives its secrets canaries.

use std::path::Path;

use crate::leaks::canary::{Canary, canary};
use crate::set::lab::Specs;

/// Every command and the test that searches it: file below `tests/` and function.
const SEARCHED: [(&str, &str, &str); 45] = [
    (
        "apply",
        "leaks/sets.rs",
        "commands_on_files_and_on_jobs_show_no_secret",
    ),
    ("build", HERE, REST),
    ("completions", HERE, REST),
    ("context", HERE, REST),
    ("context delete", HERE, REST),
    ("context list", HERE, REST),
    ("context rename", HERE, REST),
    ("context set", HERE, REST),
    ("context show", HERE, REST),
    ("context use", HERE, REST),
    (
        "convert",
        "leaks/mod.rs",
        "what_is_converted_or_rendered_holds_references_instead_of_secrets",
    ),
    (
        "delete",
        "leaks/sets.rs",
        "commands_on_files_and_on_jobs_show_no_secret",
    ),
    ("demo", HERE, REST),
    ("deploy", HERE, REST),
    (
        "dev",
        HERE,
        "what_goes_on_until_it_is_stopped_shows_no_secret",
    ),
    (
        "diff",
        "leaks/sets.rs",
        "commands_on_files_and_on_jobs_show_no_secret",
    ),
    (
        "doctor",
        "leaks/sets.rs",
        "commands_on_files_and_on_jobs_show_no_secret",
    ),
    ("explain", HERE, REST),
    (
        "get",
        "leaks/sets.rs",
        "commands_on_files_and_on_jobs_show_no_secret",
    ),
    (
        "history",
        "leaks/sets.rs",
        "commands_on_files_and_on_jobs_show_no_secret",
    ),
    (
        "import",
        "leaks/sets.rs",
        "commands_on_files_and_on_jobs_show_no_secret",
    ),
    ("init", HERE, REST),
    (
        "logs",
        "leaks/sets.rs",
        "commands_on_files_and_on_jobs_show_no_secret",
    ),
    ("man", HERE, REST),
    ("new", HERE, REST),
    ("new nomadjob", HERE, REST),
    ("new workload", HERE, REST),
    (
        "plan",
        "leaks/sets.rs",
        "commands_on_files_and_on_jobs_show_no_secret",
    ),
    ("promote", HERE, REST),
    ("reconcile", "leaks/mod.rs", "a_deployment_shows_no_secret"),
    (
        "render",
        "leaks/mod.rs",
        "what_is_converted_or_rendered_holds_references_instead_of_secrets",
    ),
    ("rollback", HERE, REST),
    ("runner", HERE, REST),
    (
        "runner agent",
        "agent/leaks.rs",
        "params_and_keys_are_nowhere_but_in_the_queue",
    ),
    ("runner setup", HERE, REST),
    ("runner status", HERE, REST),
    ("runner submit", HERE, REST),
    ("schema", HERE, REST),
    (
        "serve",
        "bridge/leaks.rs",
        "no_secret_leaves_the_server_on_sqlite",
    ),
    (
        "status",
        "leaks/sets.rs",
        "commands_on_files_and_on_jobs_show_no_secret",
    ),
    ("up", HERE, REST),
    (
        "validate",
        "leaks/sets.rs",
        "commands_on_files_and_on_jobs_show_no_secret",
    ),
    ("version", HERE, REST),
    (
        "wait",
        "leaks/sets.rs",
        "commands_on_files_and_on_jobs_show_no_secret",
    ),
    (
        "why",
        "leaks/sets.rs",
        "commands_on_files_and_on_jobs_show_no_secret",
    ),
];

const HERE: &str = "guard/commands.rs";
const REST: &str = "the_other_commands_show_no_secret";

/// Commands below one, as its help lists them.
fn listed(specs: &Specs, path: &[&str]) -> Vec<String> {
    let help = specs.lab.env.cs(path).arg("--help").run();
    help.assert_code(0);
    let sections = help.stdout.split("\nOptions");
    let commands = sections.take(1).flat_map(str::lines);
    let mut is_list = path.is_empty();
    let mut found = Vec::new();
    for line in commands {
        is_list |= line == "Commands:";
        let name = line
            .strip_prefix("  ")
            .and_then(|rest| rest.split(' ').next());
        if let Some(name) = name.filter(|name| is_list && !matches!(*name, "" | "help")) {
            found.push(name.to_owned());
        }
    }
    found
}

#[test]
fn every_command_is_searched_for_secrets_by_a_test_that_exists() {
    let specs = Specs::new();
    let mut commands = Vec::new();
    for command in listed(&specs, &[]) {
        for below in listed(&specs, &[&command]) {
            commands.push(format!("{command} {below}"));
        }
        commands.push(command);
    }
    commands.sort();
    let searched: Vec<&str> = SEARCHED.iter().map(|(command, ..)| *command).collect();
    assert_eq!(
        commands, searched,
        "a command needs a test that gives its secrets canaries: name it in `SEARCHED`"
    );
    for (command, file, function) in SEARCHED {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests")
            .join(file);
        let text = std::fs::read_to_string(path).expect("the file is there");
        let is_there = text.contains(&format!("fn {function}("));
        assert!(is_there, "{command}: {file} has no {function}");
        // What runs the rest says so line by line.
        let is_run = function != REST || text.contains(&format!("        \"{command}"));
        assert!(
            is_run || command == "runner",
            "{command} is not run in {file}"
        );
    }
}

/// Secrets of the environment, wherever one may stand.
const PLACES: [&str; 14] = [
    "NOMAD_TOKEN",
    "NATS_CLIENT_PRIVATE_KEY",
    "ACCESS_TOKEN",
    "REGISTRY_PASSWORD",
    "CS_GIT_TOKEN",
    "VAULT_TOKEN",
    "CS_API_TOKEN",
    "CS_WEBHOOK_SECRET",
    "CS_JENKINS_TOKEN",
    "NOMAD_VAR_secret",
    "SHOP_PASSWORD",
    "VAULT_SECRET_ID",
    "PACK_TOKEN",
    "DOCKER_AUTH_CONFIG",
];

const PROJECT: &str = "project = \"shop\"
variable \"password\" {
  sensitive = true
  env       = [\"SHOP_PASSWORD\"]
}
app \"web\" {
  build {
    use  = \"noop\"
    name = \"127.0.0.1:1/acme/web\"
    tag  = \"1\"
  }
  deploy {
    use       = \"nomad-pack\"
    variables = {
      resources = { cpu = 100, memory = 128 }
      network   = [{ port = 8080, type = \"http\" }]
      update    = { min_healthy_time = \"1s\", healthy_deadline = \"10s\", progress_deadline = \"12s\" }
    }
  }
  config {
    env = { SHOP_PASSWORD = var.password }
  }
  release {
    use = \"noop\"
  }
}
";

fn scene() -> (Specs, Vec<Canary>) {
    let mut specs = Specs::new();
    let secrets: Vec<Canary> = PLACES
        .iter()
        .map(|place| Canary::new(place, &canary(place)))
        .collect();
    for place in PLACES {
        specs.lab.env.set(place, canary(place));
    }
    specs.service(
        "app",
        "app:1",
        "env: {SHOP_PASSWORD: {fromEnv: SHOP_PASSWORD}}",
    );
    let project = specs.lab.env.root().join("project");
    std::fs::create_dir(&project).unwrap();
    std::fs::write(project.join("Dockerfile"), "FROM scratch\n").unwrap();
    std::fs::write(project.join("cloudstation.hcl"), PROJECT).unwrap();
    specs
        .lab
        .env
        .set("DOCKER_HOST", "unix:///nonexistent/docker.sock");
    (specs, secrets)
}

#[track_caller]
fn assert_hidden(secrets: &[Canary], what: &str, text: &str) {
    for secret in secrets {
        let found = secret.found_in(text);
        assert!(found.is_none(), "{what} shows {}:\n{text}", secret.place);
    }
}

#[test]
fn the_other_commands_show_no_secret() {
    let (specs, secrets) = scene();
    specs.apply().run().assert_code(0);
    specs.service(
        "app",
        "app:2",
        "env: {SHOP_PASSWORD: {fromEnv: SHOP_PASSWORD}}",
    );
    specs.apply().run().assert_code(0);
    let params = specs
        .lab
        .env
        .file("params.json", crate::cli::lab::image().to_string());
    let params = params.display().to_string();
    for line in [
        "build --path project",
        "build --path project -o json",
        "deploy --path project",
        "deploy --path project -o json",
        "up --path project --yes",
        "init --path project --yes",
        "init --path specs --yes --dry-run",
        "completions bash",
        "context",
        "context set a --address http://127.0.0.1:1",
        "context use a",
        "context rename a b",
        "context list -o json",
        "context show -o json",
        "context delete b",
        "demo",
        "explain workload.spec",
        "man",
        "new nomadjob import",
        "new workload shop --image x:1",
        "promote app",
        "promote app -o json",
        "rollback app --timeout 20s",
        "runner setup",
        "runner status -o json",
        "runner submit --task deploy-image --params PARAMS",
        "schema workload",
        "version",
        "version -o json",
    ] {
        let line = line.replace("PARAMS", &params);
        let invocation = specs.lab.env.cs(line.split_whitespace());
        let ended = invocation
            .args(["--log-level", "trace"])
            .var("NATS_SERVERS", "nats://127.0.0.1:1")
            .var("CS_CONFIG", specs.lab.env.root().join("config"))
            .run();
        assert_hidden(
            &secrets,
            &line,
            &format!("{}{}", ended.stdout, ended.stderr),
        );
        assert!(!ended.stderr.contains("panicked"), "{ended}");
    }
    for path in super::below(specs.lab.env.root()) {
        if path.is_file() {
            let bytes = std::fs::read(&path).unwrap();
            let place = path.display().to_string();
            assert_hidden(&secrets, &place, &String::from_utf8_lossy(&bytes));
        }
    }
    // Otherwise nothing was looked for.
    let job = specs.lab.job("app").unwrap().to_string();
    assert!(job.contains(&canary("SHOP_PASSWORD")));
}

#[test]
fn what_goes_on_until_it_is_stopped_shows_no_secret() {
    let (specs, secrets) = scene();
    let mut running = specs
        .lab
        .env
        .cs(["dev", "--listen", "127.0.0.1:0", "--log-level", "trace"])
        .start();
    running.until("it listens", |running| {
        running.stdout().contains("NOMAD_ADDR")
    });
    running.signal("TERM");
    let ended = running.wait();
    assert_hidden(
        &secrets,
        "dev",
        &format!("{}{}", ended.stdout, ended.stderr),
    );
}
