//! Packs of others: a double of the program `nomad-pack` that writes down what it is given, and the real one where it is on
//! PATH.

use super::stage::Stage;

/// A job as a pack renders it.
const JOB: &str = r#"job "hello" {
  type = "service"
  group "web" {
    task "web" {
      driver = "docker"
      config {
        image = "nginx:1.27"
      }
      env {
        KEY = "@KEY@"
      }
    }
    update {
      min_healthy_time  = "1s"
      healthy_deadline  = "10s"
      progress_deadline = "12s"
    }
  }
}
"#;

const PROJECT: &str = r#"project = "shop"
variable "key" {
  sensitive = true
  env       = ["KEY"]
}
app "web" {
  build {
    use = "noop"
  }
  deploy {
    use             = "nomad-pack"
    deployment_name = "hi"
    pack            = "hello"
    registry_name   = "mine"
    registry_source = "https://user:canary-login@git.example/packs"
    registry_ref    = "v2"
    registry_target = "hello"
    registry_token  = env("PACK_TOKEN")
    variables       = { key = var.key }
    variable_files  = ["more.hcl"]
  }
}
"#;

/// Writes down arguments and environment, and renders [`JOB`] with the key of its variable files.
fn double(stage: &Stage, more: &str) -> std::path::PathBuf {
    let notes = stage.lab.env.root().join("notes");
    let job = stage.lab.env.file("hello.nomad", JOB);
    let script = format!(
        "PATH=/usr/bin:/bin\necho \"$@\" >> {notes}\nenv >> {notes}.env\n{more}\n\
         if [ \"$1\" = render ]; then\n  for a in \"$@\"; do case \"$a\" in\n    --to-dir=*) to=\"${{a#--to-dir=}}\" ;;\n    \
         --var-file=*) f=\"${{a#--var-file=}}\"; ls -l \"$f\" >> {notes}; k=$(sed -n 's/^key = \"\\(.*\\)\"$/\\1/p' \"$f\"); \
         [ -n \"$k\" ] && key=\"$k\" ;;\n  esac; done\n  mkdir -p \"$to/hello\"\n  sed \"s/@KEY@/$key/\" {job} > \"$to/hello/hello.nomad\"\n  \
         echo 'rendered with canary-on-stdout'\nfi\nexit 0",
        notes = notes.display(),
        job = job.display(),
    );
    stage.program("nomad-pack", &script);
    notes
}

#[test]
fn a_pack_is_rendered_by_the_program_and_goes_through_the_loop() {
    let stage = Stage::new();
    stage
        .write("cloudstation.hcl", PROJECT)
        .write("more.hcl", "count = 1\n");
    let notes = double(&stage, "");
    let up = || {
        stage
            .on_project("up")
            .var("KEY", "canary-key")
            .var("PACK_TOKEN", "canary-pack")
            .var("NOMAD_TOKEN", "canary-nomad")
    };
    let ended = up().args(["--log-level", "trace"]).run();
    ended.assert_code(0);
    let job = stage.lab.job("hello").expect("the rendered job");
    assert_eq!(job["TaskGroups"][0]["Tasks"][0]["Env"]["KEY"], "canary-key");
    let arguments = std::fs::read_to_string(&notes).unwrap();
    let mut lines = arguments.lines();
    assert_eq!(
        lines.next().unwrap(),
        "registry add --target=hello --ref=v2 mine https://git.example/packs"
    );
    let render = lines.next().unwrap();
    assert!(
        render.starts_with("render --name=hi --skip-aux-files --to-dir="),
        "{render}"
    );
    assert!(
        render.contains(" --registry=mine --ref=v2 ") && render.ends_with(" hello"),
        "{render}"
    );
    assert!(
        lines.all(|line| line.starts_with("-rw-------")),
        "{arguments}"
    );
    assert!(!arguments.contains("canary"), "{arguments}");
    let said = format!("{ended:?}");
    assert!(!said.contains("canary"), "{said}");
    // The token of the registry goes to that host alone, by Git's own configuration.
    let environment = std::fs::read_to_string(notes.with_extension("env")).unwrap();
    assert!(
        environment.contains("GIT_CONFIG_KEY_0=http.https://git.example/.extraHeader"),
        "{environment}"
    );
    assert!(!environment.contains("\nKEY="), "{environment}");
    let tmp = stage.lab.env.root().join("tmp");
    assert!(std::fs::read_dir(tmp).unwrap().next().is_none());
    // The same again changes nothing.
    up().run().assert_code(0);
    assert_eq!(stage.version("hello"), 0);
}

#[test]
fn without_the_program_it_is_named_with_what_to_do() {
    let stage = Stage::new();
    stage
        .write("cloudstation.hcl", PROJECT)
        .write("more.hcl", "");
    let ended = stage.on_project("up").run();
    ended.assert_code(3);
    assert!(
        ended
            .stderr
            .contains("`nomad-pack`, which is not on PATH: install it")
            && ended.stderr.contains("cloudstation.hcl:"),
        "{}",
        ended.stderr
    );
    // The built-in pack needs none.
    let built_in = PROJECT
        .replace(
            "pack            = \"hello\"",
            "pack            = \"cloudstation\"",
        )
        .replace(
            "variables       = { key = var.key }",
            "variables       = { image = \"nginx:1\" }",
        )
        .replace(
            "registry_source = \"https://user:canary-login@git.example/packs\"",
            "",
        );
    stage.write("cloudstation.hcl", &built_in);
    stage.on_project("up").arg("--dry-run").run().assert_code(0);
}

#[test]
fn what_the_program_says_when_it_fails_is_told_without_secrets() {
    let stage = Stage::new();
    stage
        .write("cloudstation.hcl", PROJECT)
        .write("more.hcl", "");
    double(
        &stage,
        "if [ \"$1\" = render ]; then echo \"! no such pack, said canary-key\"; exit 1; fi",
    );
    let ended = stage.on_project("up").var("KEY", "canary-key").run();
    ended.assert_code(1);
    assert!(ended.stderr.contains("no such pack"), "{}", ended.stderr);
    assert!(!format!("{ended:?}").contains("canary"), "{ended:?}");
    double(&stage, "[ \"$1\" = render ] && exit 0");
    let ended = stage.on_project("up").run();
    ended.assert_code(1);
    assert!(ended.stderr.contains("rendered no job"), "{}", ended.stderr);
}

#[test]
fn a_program_that_hangs_ends_with_the_command() {
    let stage = Stage::new();
    stage
        .write("cloudstation.hcl", PROJECT)
        .write("more.hcl", "");
    let notes = double(&stage, "[ \"$1\" = render ] && sleep 600");
    let mut running = stage.on_project("up").start();
    running.until("it renders", |_| {
        std::fs::read_to_string(&notes).is_ok_and(|text| text.contains("render --name"))
    });
    running.signal("TERM");
    let ended = running.wait();
    assert_ne!(ended.code, Some(0));
    assert!(ended.took.as_secs() < 40, "{:?}", ended.took);
    assert!(stage.lab.job("hello").is_none());
}
