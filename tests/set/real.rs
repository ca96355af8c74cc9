//! The set on a real Nomad, where there is one: hooks, going back, prune, delete. The scheduler is Nomad's own.

use serde_json::Value;

use super::lab::{assert_valid, result};
use crate::support::env::{Invocation, TestEnv};
use crate::support::nomad::RealNomad;

/// A folder of native jobs, all of whose names begin alike; what is left of them is deleted at the end.
struct Real {
    env: TestEnv,
    prefix: String,
}

impl Real {
    /// `None` where there is no real Nomad, which has been said.
    fn new(prefix: &str) -> Option<Self> {
        let nomad = RealNomad::shared()?;
        let mut env = TestEnv::new();
        env.set("NOMAD_ADDR", nomad.address());
        std::fs::create_dir(env.root().join("specs")).expect("a fresh directory");
        let id = uuid::Uuid::new_v4().simple().to_string();
        Some(Self {
            env,
            prefix: format!("{prefix}-{}", &id[..6]),
        })
    }

    fn id(&self, name: &str) -> String {
        format!("{}-{name}", self.prefix)
    }

    /// Writes a job that runs a line of the shell; `more` stands below its `spec`.
    fn write(&self, name: &str, job_type: &str, line: &str, more: &str) -> &Self {
        let id = self.id(name);
        let update = match job_type {
            "service" => {
                "update {\n        health_check = \"task_states\"\n        min_healthy_time = \"1s\"\n        \
                 healthy_deadline = \"20s\"\n        progress_deadline = \"25s\"\n      }"
            }
            _ => "",
        };
        let text = format!(
            "apiVersion: cloudstation.io/v1
kind: NomadJob
metadata: {{name: {id}}}
spec:
{more}  hcl: |
    job \"{id}\" {{
      type = \"{job_type}\"
      {update}
      group \"g\" {{
        restart {{
          attempts = 0
          mode = \"fail\"
        }}
        reschedule {{
          attempts = 0
          unlimited = false
        }}
        task \"t\" {{
          driver = \"raw_exec\"
          config {{
            command = \"/bin/sh\"
            args = [\"-c\", \"{line}\"]
          }}
          resources {{
            cpu = 10
            memory = 16
          }}
        }}
      }}
    }}
"
        );
        let path = self.env.root().join("specs").join(format!("{name}.yaml"));
        std::fs::write(path, text).expect("the directory is ours");
        self
    }

    fn remove(&self, name: &str) {
        let path = self.env.root().join("specs").join(format!("{name}.yaml"));
        std::fs::remove_file(path).expect("it was written");
    }

    fn cs(&self, command: &str) -> Invocation {
        self.env
            .cs([command, "-f"])
            .arg(self.env.root().join("specs"))
            .args(["--owner", &self.prefix])
    }

    fn apply(&self) -> Invocation {
        self.cs("apply").args(["--timeout", "50s", "-o", "json"])
    }

    #[track_caller]
    fn applied(&self) -> Value {
        let ended = self.apply().run();
        ended.assert_code(0);
        let report = ended.document();
        assert_valid(&report, "apply");
        report
    }

    /// The job as `cs get` shows it, unless there is none.
    fn job(&self, name: &str) -> Option<Value> {
        let ended = self
            .env
            .cs(["get", &self.id(name), "-o", "json", "--raw"])
            .run();
        (ended.code == Some(0)).then(|| ended.document())
    }

    #[track_caller]
    fn version(&self, name: &str) -> u64 {
        let job = self.job(name).expect("it is there");
        job["Version"].as_u64().expect("a number")
    }

    #[track_caller]
    fn line(&self, name: &str) -> String {
        let job = self.job(name).expect("it is there");
        let line = &job["TaskGroups"][0]["Tasks"][0]["Config"]["args"][1];
        line.as_str().expect("a text").to_owned()
    }
}

impl Drop for Real {
    fn drop(&mut self) {
        let _ = self.cs("delete").args(["--purge", "--yes"]).run();
    }
}

#[test]
fn hooks_run_around_a_service_once_a_generation() {
    let Some(real) = Real::new("hooks") else {
        return;
    };
    real.write("before", "batch", "true", "  hook: {phase: pre}\n")
        .write("app", "service", "sleep 600", "")
        .write("after", "batch", "true", "  hook: {phase: post}\n");
    let report = real.applied();
    for name in ["before", "app", "after"] {
        assert_eq!(result(&report, &real.id(name))["outcome"], "converged");
    }
    real.cs("plan").run().assert_code(0);
    let versions = || ["before", "app", "after"].map(|name| real.version(name));
    let first = versions();
    real.applied();
    assert_eq!(versions(), first);
    real.write("app", "service", "sleep 601", "");
    real.applied();
    assert!(std::iter::zip(versions(), first).all(|(now, before)| now > before));
    real.cs("plan").run().assert_code(0);
}

#[test]
fn a_hook_that_fails_keeps_its_service_out() {
    let Some(real) = Real::new("blocked") else {
        return;
    };
    let failing = "echo no table; exit 7";
    real.write("before", "batch", failing, "  hook: {phase: pre}\n")
        .write("app", "service", "sleep 600", "");
    let ended = real.apply().run();
    ended.assert_code(5);
    let report = ended.document();
    assert_eq!(result(&report, &real.id("app"))["outcome"], "blocked");
    assert_eq!(report["summary"]["written"], 1);
    let cause = result(&report, &real.id("before"))["cause"].to_string();
    assert!(cause.contains('7'), "{cause}");
    assert!(real.job("app").is_none());
}

#[test]
fn a_failure_takes_the_whole_set_back_where_that_is_wanted() {
    let Some(real) = Real::new("revert") else {
        return;
    };
    let needs = format!("  dependsOn: [{{name: {}}}]\n", real.id("a"));
    real.write("a", "service", "sleep 600", "")
        .write("b", "service", "sleep 600", &needs);
    real.applied();
    real.write("a", "service", "sleep 601", "")
        .write("b", "service", "exit 3", &needs);
    let ended = real.apply().args(["--on-failure", "revert-set"]).run();
    ended.assert_code(5);
    for name in ["a", "b"] {
        assert_eq!(real.line(name), "sleep 600", "{name}: {ended}");
    }
    // It failed like this before, and is not tried again.
    real.apply().run().assert_code(9);
}

#[test]
fn what_left_the_files_is_pruned_and_the_rest_is_deleted() {
    let Some(real) = Real::new("prune") else {
        return;
    };
    real.write("a", "service", "sleep 600", "")
        .write("b", "service", "sleep 600", "")
        .write("task", "batch", "true", "");
    real.applied();
    real.remove("a");
    let plan = real.cs("plan").arg("--prune").run();
    plan.assert_code(1);
    assert!(plan.stdout.contains("- prune"), "{plan}");
    real.apply().arg("--prune").run().assert_code(0);
    assert!(real.job("a").is_none());
    assert_eq!(real.job("b").expect("it stays")["Stop"], false);
    real.cs("delete").arg("--yes").run().assert_code(0);
    assert_eq!(real.job("b").expect("not purged")["Stop"], true);
    real.cs("delete")
        .args(["--purge", "--yes"])
        .run()
        .assert_code(0);
    assert!(real.job("b").is_none() && real.job("task").is_none());
}
