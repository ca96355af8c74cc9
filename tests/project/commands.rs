//! `cs init`, `cs convert`, `cs build --dry-run`, `cs deploy`: what needs no engine.

use serde_json::{Value, json};

use super::stage::{Stage, images};

/// Nothing is built: the job runs a ready image.
const READY: &str = "project = \"shop\"
variable \"tag\" {
  env     = [\"TAG\"]
  default = \"1.27\"
}
variable \"password\" {
  sensitive = true
  env       = [\"DB_PASSWORD\"]
}
app \"web\" {
  build {
    use  = \"noop\"
    name = \"nginx\"
    tag  = var.tag
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
    env = { DB_PASSWORD = var.password, LEVEL = \"info\" }
  }
  release {
    use = \"noop\"
  }
}
";

#[test]
fn init_writes_a_project_file_of_what_it_sees_and_never_overwrites() {
    let stage = Stage::new();
    stage
        .write("Dockerfile", "FROM scratch\nEXPOSE 8081/tcp\n")
        .write("go.mod", "module x\n");
    let ended = stage.on_project("init").run();
    ended.assert_code(0);
    let written = stage.read("cloudstation.hcl");
    for part in [
        "project = \"shop\"",
        "use = \"csdocker\"",
        "port = 8081",
        "pack = \"cloudstation\"",
    ] {
        assert!(written.contains(part), "{part}\n{written}");
    }
    // What it wrote is what the other commands take.
    let path = stage.folder().join("cloudstation.hcl");
    stage
        .lab
        .env
        .cs(["convert"])
        .arg(&path)
        .run()
        .assert_code(0);
    stage.write("cloudstation.hcl", "mine");
    let again = stage.on_project("init").args(["-o", "json"]).run();
    again.assert_code(0);
    assert_eq!(again.document()["outcome"], "exists");
    assert_eq!(stage.read("cloudstation.hcl"), "mine");
}

#[test]
fn init_reports_what_it_saw_and_writes_nothing_on_a_dry_run() {
    let stage = Stage::new();
    stage.write("package.json", "{}");
    let ended = stage
        .on_project("init")
        .args([
            "--dry-run",
            "-o",
            "json",
            "--app",
            "web",
            "--image",
            "registry.example.com/team/web:2",
        ])
        .run();
    ended.assert_code(0);
    let report = ended.document();
    assert_eq!(report["outcome"], "planned");
    assert_eq!(report["summary"]["language"], "Node.js");
    assert_eq!(report["summary"]["builder"], "railpack");
    assert_eq!(report["summary"]["port"], Value::Null);
    let content = report["results"][0]["content"].as_str().unwrap();
    assert!(
        content.contains("image = \"registry.example.com/team/web\"")
            && content.contains("tag = \"2\""),
        "{content}"
    );
    assert!(!stage.folder().join("cloudstation.hcl").exists());
}

#[test]
fn init_writes_a_spec_that_is_valid() {
    let stage = Stage::new();
    stage.write("Dockerfile.prod", "FROM scratch\n");
    stage
        .on_project("init")
        .args(["--to", "spec", "--port", "9000"])
        .run()
        .assert_code(0);
    let path = stage.folder().join("cloudstation.yaml");
    stage
        .lab
        .env
        .cs(["validate"])
        .arg(&path)
        .run()
        .assert_code(0);
    let text = stage.read("cloudstation.yaml");
    assert!(
        text.contains("path: '.'") && text.contains("port: 9000"),
        "{text}"
    );
}

#[test]
fn a_project_is_shown_as_its_workloads_with_references_for_secrets() {
    let stage = Stage::new();
    stage.write("cloudstation.hcl", READY);
    let path = stage.folder().join("cloudstation.hcl");
    let ended = stage
        .lab
        .env
        .cs(["convert", "--var", "tag=1.28"])
        .arg(&path)
        .var("DB_PASSWORD", "canary-password")
        .run();
    ended.assert_code(0);
    for part in [
        "image: nginx:1.28",
        "fromEnv: DB_PASSWORD",
        "LEVEL: info",
        "provider: nomad",
    ] {
        assert!(ended.stdout.contains(part), "{part}\n{}", ended.stdout);
    }
    assert!(!format!("{ended:?}").contains("canary-password"));
    // It is a spec like any other.
    let spec = stage.lab.env.file("spec.yaml", &ended.stdout);
    stage
        .lab
        .env
        .cs(["validate"])
        .arg(&spec)
        .run()
        .assert_code(0);
}

#[test]
fn what_is_wrong_with_a_job_is_told_where_it_stands_in_the_project_file() {
    let stage = Stage::new();
    let text = READY.replace(
        "port = 8080",
        "port = 8080, public = true, domain = \"a b\"",
    );
    stage.write("cloudstation.hcl", &text);
    let path = stage.folder().join("cloudstation.hcl");
    let ended = stage.lab.env.cs(["convert"]).arg(&path).run();
    ended.assert_code(3);
    let line = text
        .lines()
        .position(|line| line.contains("a b"))
        .expect("it is there")
        + 1;
    let place = format!("cloudstation.hcl:{line}:");
    assert!(ended.stderr.contains(&place), "{}", ended.stderr);
    assert_eq!(ended.stdout, "");
}

#[test]
fn params_become_two_files_on_standard_output_or_in_a_folder_that_is_not_overwritten() {
    let stage = Stage::new();
    let params = json!({"jobId": "shop", "deploymentId": "d", "serviceId": "s", "imageName": "nginx", "nomadToken": "canary"});
    let params = stage.lab.env.file("params.json", params.to_string());
    let convert = || {
        stage
            .lab
            .env
            .cs(["convert", "--to", "hcl", "--params"])
            .arg(&params)
    };
    let ended = convert().run();
    ended.assert_code(0);
    assert!(
        ended
            .stdout
            .starts_with("# ==> cloudstation.hcl <==\nproject = \"shop\"\n")
    );
    assert!(
        ended
            .stdout
            .contains("# ==> vars.hcl <==\njob_name = \"shop\"\n")
    );
    assert!(!ended.stdout.contains("canary"));
    let json = convert().args(["-o", "json"]).run().document();
    assert!(json["vars.hcl"].as_str().unwrap().starts_with("job_name"));
    let folder = stage.lab.env.root().join("out");
    convert().arg("--out").arg(&folder).run().assert_code(0);
    let written = std::fs::read_to_string(folder.join("cloudstation.hcl")).unwrap();
    assert_eq!(json["cloudstation.hcl"], written.as_str());
    convert().arg("--out").arg(&folder).run().assert_code(2);
    // And back.
    let back = folder.join("cloudstation.hcl");
    let spec = stage
        .lab
        .env
        .cs(["convert"])
        .arg(&back)
        .var("NOMAD_TOKEN", "canary")
        .run();
    spec.assert_code(0);
    assert!(spec.stdout.contains("deploymentId: d") && !spec.stdout.contains("canary"));
}

#[test]
fn a_dry_build_names_builders_and_image_and_touches_nothing() {
    let stage = Stage::new();
    stage.write("Dockerfile", "FROM scratch\n").write(
        "cloudstation.hcl",
        "project = \"shop\"\napp \"web\" {\n  build { use = \"nixpacks\" }\n  registry {\n    use = \"docker\"\n    \
         image = \"r.example/team/web\"\n  }\n  deploy { use = \"nomad-pack\" }\n}\n",
    );
    let ended = stage
        .on_project("build")
        .args(["--dry-run", "--push", "--tag", "7", "-o", "json"])
        .var("DOCKER_HOST", "unix:///nowhere")
        .run();
    ended.assert_code(0);
    let report = ended.document();
    assert_eq!(report["outcome"], "planned");
    assert_eq!(report["summary"]["dryRun"], true);
    let image = &report["results"][0];
    assert_eq!(image["image"], "r.example/team/web:7");
    assert_eq!(image["pushed"], "r.example/team/web:7");
    assert_eq!(
        image["builders"],
        json!(["nixpacks", "csdocker", "railpack"])
    );
}

#[test]
fn a_project_with_a_ready_image_is_deployed_and_a_repeat_changes_nothing() {
    let stage = Stage::new();
    stage.write("cloudstation.hcl", READY);
    let up = || stage.on_project("up").var("DB_PASSWORD", "canary-password");
    let ended = up().args(["-o", "json"]).run();
    ended.assert_code(0);
    let report = ended.document();
    assert_eq!(report["outcome"], "converged");
    assert_eq!(images(&report)[0]["outcome"], "ready");
    assert_eq!(report["results"][0]["outcome"], "converged");
    assert_eq!(stage.image("web"), "nginx:1.27");
    let job = stage.lab.job("web").unwrap();
    assert_eq!(job["Meta"]["cs.owner"], "shop", "{}", job["Meta"]);
    assert_eq!(
        job["TaskGroups"][0]["Tasks"][0]["Env"]["DB_PASSWORD"],
        "canary-password"
    );
    assert!(!format!("{ended:?}").contains("canary-password"));
    let again = up().run();
    again.assert_code(0);
    assert!(!format!("{again:?}").contains("canary-password"));
    assert_eq!(stage.version("web"), 0);
    // Another tag is another version.
    up().args(["--var", "tag=1.28"]).run().assert_code(0);
    assert_eq!(stage.image("web"), "nginx:1.28");
    // A ready image goes before the project's.
    stage
        .on_project("deploy")
        .args(["--image", "caddy:2"])
        .var("DB_PASSWORD", "x")
        .run()
        .assert_code(0);
    assert_eq!(stage.image("web"), "caddy:2");
}

#[test]
fn a_dry_up_shows_the_plan_and_writes_nothing() {
    let stage = Stage::new();
    stage.write("cloudstation.hcl", READY);
    let text = stage.on_project("up").arg("--dry-run").run();
    text.assert_code(0);
    assert!(text.stdout.contains("web"), "{}", text.stdout);
    let json = stage
        .on_project("up")
        .args(["--dry-run", "-o", "json"])
        .run();
    json.assert_code(0);
    let report = json.document();
    assert_eq!(report["outcome"], "planned");
    assert_eq!(report["plan"][0]["action"], "create");
    assert!(stage.lab.job("web").is_none());
}

#[test]
fn an_app_is_chosen_by_name_and_a_wrong_name_is_told() {
    let stage = Stage::new();
    let second = READY.split_once("app \"web\"").unwrap().1;
    let text = format!("{READY}app \"api\"{second}");
    stage.write("cloudstation.hcl", &text);
    stage
        .on_project("up")
        .args(["--app", "api"])
        .var("DB_PASSWORD", "x")
        .run()
        .assert_code(0);
    assert!(stage.lab.job("api").is_some() && stage.lab.job("web").is_none());
    let ended = stage.on_project("up").args(["--app", "wbe"]).run();
    ended.assert_code(2);
    assert!(
        ended.stderr.contains("did you mean `web`?"),
        "{}",
        ended.stderr
    );
    let ended = stage.on_project("deploy").args(["--image", "x:1"]).run();
    ended.assert_code(2);
}

#[test]
fn a_deploy_that_does_not_become_healthy_says_so_by_its_exit_code() {
    let stage = Stage::new();
    let text = READY.replace("nginx", "broken");
    stage.write("cloudstation.hcl", &text);
    stage.lab.nomad.set_faults(cs::simulator::Faults {
        workloads: vec![cs::simulator::Script {
            image: "broken:*".to_owned(),
            never_healthy: true,
            ..cs::simulator::Script::default()
        }],
        ..cs::simulator::Faults::default()
    });
    let ended = stage
        .on_project("up")
        .args(["-o", "json"])
        .var("DB_PASSWORD", "x")
        .run();
    assert!(matches!(ended.code, Some(5 | 6)), "{ended:?}");
    assert_eq!(ended.document()["outcome"], "failed");
}

#[test]
fn the_project_names_the_cluster_and_flags_win() {
    let stage = Stage::new();
    let named = READY.replace(
        "    use       = \"nomad-pack\"\n",
        "    use       = \"nomad-pack\"\n    nomad_addr = \"http://127.0.0.1:9\"\n    nomad_token = \"canary-token\"\n",
    );
    stage.write("cloudstation.hcl", &named);
    let up = || stage.on_project("up").var("DB_PASSWORD", "x");
    let ended = up().var("CS_DEADLINE", "5s").arg("--dry-run").run();
    assert_ne!(ended.code, Some(0));
    assert!(!format!("{ended:?}").contains("canary-token"));
    let address = stage.lab.nomad.url.clone();
    up().args(["--address", &address]).run().assert_code(0);
    assert!(stage.lab.job("web").is_some());
}

#[test]
fn a_token_goes_to_no_other_address_than_its_own_unless_the_project_says_so() {
    let stage = Stage::with_options(|options| options.token = Some("canary-token".into()));
    let address = stage.lab.nomad.url.clone();
    let on = |more: &str| {
        let named =
            format!("    use       = \"nomad-pack\"\n    nomad_addr = \"{address}\"\n{more}");
        READY.replace("    use       = \"nomad-pack\"\n", &named)
    };
    let up = || {
        stage
            .on_project("up")
            .arg("--dry-run")
            .var("DB_PASSWORD", "x")
            .var("NOMAD_ADDR", "http://127.0.0.1:9")
            .var("NOMAD_TOKEN", "canary-token")
    };
    // The simulator takes this very token: were it sent, all would be well.
    stage.write("cloudstation.hcl", &on(""));
    let ended = up().run();
    ended
        .assert_code(1)
        .assert_hides("canary-token")
        .assert_says("nomad_token = env(\"NOMAD_TOKEN\")");
    stage.write(
        "cloudstation.hcl",
        &on("    nomad_token = env(\"NOMAD_TOKEN\")\n"),
    );
    up().run().assert_code(0).assert_hides("canary-token");
    // The same address is no other.
    stage.write("cloudstation.hcl", &on(""));
    up().var("NOMAD_ADDR", &address).run().assert_code(0);
}

#[test]
fn a_dry_up_that_is_refused_says_so_by_its_code() {
    let stage = Stage::new();
    stage.write("cloudstation.hcl", READY);
    let up = || stage.on_project("up").var("DB_PASSWORD", "x");
    up().run().assert_code(0);
    let ended = up().args(["--dry-run", "--owner", "somebody-else"]).run();
    ended.assert_code(9);
    let ended = up()
        .args(["--dry-run", "--owner", "somebody-else", "-o", "json"])
        .run();
    ended.assert_code(9);
    assert_eq!(ended.document()["summary"]["exitCode"], 9);
}

#[test]
fn apply_names_up_for_what_has_to_be_built() {
    let stage = Stage::new();
    stage.write(
        "shop.yaml",
        "apiVersion: cloudstation.io/v1\nkind: Workload\nmetadata: {name: shop}\nspec: {source: {path: .}}\n",
    );
    let ended = stage
        .lab
        .env
        .cs(["apply", "-f"])
        .arg(stage.folder().join("shop.yaml"))
        .run();
    ended.assert_code(3);
    assert!(ended.stderr.contains("`cs up -f FILE`"), "{}", ended.stderr);
}

#[test]
fn a_file_that_is_no_project_ends_with_its_code_and_nothing_is_done() {
    let stage = Stage::new();
    for (text, code) in [
        ("project = \"a\" {", 2),
        ("project = \"a\"\n", 3),
        ("\u{0}", 2),
    ] {
        stage.write("cloudstation.hcl", text);
        for command in ["build", "deploy", "up"] {
            let ended = stage.on_project(command).run();
            ended.assert_code(code);
            assert_eq!(ended.stdout, "", "{text:?}");
        }
    }
    assert_eq!(stage.lab.get("/v1/jobs").unwrap(), json!([]));
}
