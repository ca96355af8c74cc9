//! The commands that work on files and on jobs of a cluster.

use cs::simulator::Options;

use super::canary::{Canary, canary};
use crate::set::lab::Specs;
use crate::support::env::Invocation;

/// Where secrets stand, and what each is called in a report.
const PLACES: [&str; 7] = [
    "token",
    "named",
    "plain",
    "native",
    "flag",
    "environment",
    "basic",
];

fn workload(image: &str) -> String {
    format!(
        "env:
  SHOP_PASSWORD: {{fromEnv: SHOP_PASSWORD}}
  API_TOKEN: '{}'
  MODE: '{image}'",
        canary("plain")
    )
}

const NATIVE: &str = r#"
variable "db_password" {
  type    = string
  default = "none"
}
variable "api_key" {
  type    = string
  default = "none"
}
job "native" {
  group "g" {
    task "t" {
      driver = "docker"
      config {
        image = "example/app:1"
      }
      env {
        DB_PASSWORD = var.db_password
        API_KEY     = var.api_key
        SECRET      = "NATIVE"
      }
    }
  }
}
"#;

struct Scene {
    specs: Specs,
    canaries: Vec<Canary>,
}

impl Scene {
    fn new() -> Self {
        let specs = Specs::with_options(|options: &mut Options| {
            options.token = Some(canary("token").as_str().into());
        });
        specs.service("app", "app:1", &workload("one"));
        let native = NATIVE.replace("NATIVE", &canary("native"));
        specs.write("native.nomad.hcl", &native);
        Self {
            specs,
            canaries: PLACES
                .map(|place| Canary::new(place, &canary(place)))
                .into(),
        }
    }

    fn armed(&self, invocation: Invocation, takes_variables: bool) -> Invocation {
        let flag = format!("db_password={}", canary("flag"));
        let armed = invocation
            .var("NOMAD_TOKEN", canary("token"))
            .var("NOMAD_HTTP_AUTH", format!("user:{}", canary("basic")))
            .var("NOMAD_VAR_api_key", canary("environment"))
            .var("SHOP_PASSWORD", canary("named"))
            .args(["--log-level", "trace"]);
        match takes_variables {
            true => armed.args(["--var", &flag]),
            false => armed,
        }
    }

    /// Runs a command and searches all that it says and leaves. Returns the code and what it wrote to standard output.
    #[track_caller]
    fn run(
        &self,
        name: &str,
        invocation: Invocation,
        takes_variables: bool,
    ) -> (Option<i32>, String) {
        let ended = self.armed(invocation, takes_variables).run();
        for canary in &self.canaries {
            for (stream, text) in [("output", &ended.stdout), ("errors", &ended.stderr)] {
                if let Some(form) = canary.found_in(text) {
                    let line = text
                        .lines()
                        .find(|line| line.contains(form))
                        .unwrap_or_default();
                    panic!(
                        "{name}: {stream} shows {} as `{form}`: {line}",
                        canary.place
                    );
                }
            }
        }
        (ended.code, ended.stdout.clone())
    }

    /// Everything below the home of the commands, except for the files that people wrote.
    fn search_files(&self) {
        for path in super::lab::below(self.specs.lab.env.root()) {
            if path.starts_with(self.specs.lab.env.root().join("specs")) || path.is_dir() {
                continue;
            }
            let text = std::fs::read(&path).expect("it was just listed");
            let text = String::from_utf8_lossy(&text);
            for canary in &self.canaries {
                let found = canary.found_in(&text);
                assert!(found.is_none(), "{} holds {}", path.display(), canary.place);
            }
        }
    }
}

#[test]
fn commands_on_files_and_on_jobs_show_no_secret() {
    let scene = Scene::new();
    let specs = &scene.specs;
    let sealed = specs.lab.env.root().join("plan.json");
    let on_folder = |command: &str, more: &[&str]| specs.on_folder(command).args(more);
    let at_once = |arguments: &[&str]| specs.lab.env.cs(arguments);
    for output in ["text", "json", "sarif", "junit", "github"] {
        scene.run("validate", on_folder("validate", &["-o", output]), true);
    }
    scene.run(
        "validate --server",
        on_folder("validate", &["--server"]),
        true,
    );
    let out = ["--out", sealed.to_str().expect("a plain path")];
    for (output, code) in [("text", 1), ("json", 1)] {
        let plan = on_folder("plan", &["-o", output]).args(out);
        assert_eq!(scene.run("plan", plan, true).0, Some(code));
    }
    let sealed_apply = specs
        .lab
        .env
        .cs(["apply", "--timeout", "40s", "--plan", out[1]]);
    assert_eq!(scene.run("apply --plan", sealed_apply, true).0, Some(0));
    specs.service("app", "app:2", &workload("two"));
    for output in ["text", "json"] {
        let diff = on_folder("diff", &["-o", output]);
        assert_eq!(scene.run("diff", diff, true).0, Some(1));
    }
    assert_eq!(
        scene
            .run("apply", specs.apply().args(["-o", "json"]), true)
            .0,
        Some(0)
    );
    for arguments in [
        &["status"][..],
        &["status", "-o", "json"],
        &["why", "app"],
        &["why", "native", "-o", "json"],
        &["get", "app"],
        &["get", "native", "-o", "json"],
        &["get", "native", "-o", "json", "--raw"],
        &["get", "native", "-o", "hcl"],
        &["history", "app", "--diff"],
        &["history", "app", "-o", "json"],
        &["logs", "app"],
        &["wait", "app", "--timeout", "20s"],
        &["doctor"],
        &["doctor", "-o", "json"],
        &["rollback", "app", "--dry-run"],
        &["import", "app", "--leave-secrets"],
        &["import", "native", "--leave-secrets"],
    ] {
        scene.run(&arguments.join(" "), at_once(arguments), false);
    }
    scene.run("delete", on_folder("delete", &["--yes"]), false);
    scene.search_files();
    // Otherwise nothing was looked for.
    let shown = |id: &str| {
        let asked = at_once(&["get", id, "-o", "json", "--show-secrets"]);
        scene.armed(asked, false).run().document()
    };
    let env = &shown("native")["TaskGroups"][0]["Tasks"][0]["Env"];
    assert_eq!(env["DB_PASSWORD"], canary("flag"));
    assert_eq!(env["API_KEY"], canary("environment"));
    assert_eq!(env["SECRET"], canary("native"));
    let app = shown("app").to_string();
    for place in ["named", "plain"] {
        assert!(app.contains(&canary(place)), "{place}: {app}");
    }
}
