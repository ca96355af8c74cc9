//! A simulated cluster with jobs that do well, and jobs in every kind of trouble.

use cs::simulator::{Faults, Options, Script};
use serde_json::{Value, json};

use super::jobs::{SECOND, batch, nowhere, service, with};
use crate::cli::lab::Lab;
use crate::support::env::{Invocation, eventually};

/// The simulator and the binary.
pub(super) struct Stage {
    pub(super) lab: Lab,
}

/// How images behave.
fn scripts() -> Vec<Script> {
    let of = |image: &str| Script {
        image: image.to_owned(),
        ..Script::default()
    };
    let ends = |image: &str, code: i64| Script {
        run_for: Some("100ms".to_owned()),
        exit_code: Some(code),
        exit_message: Some(String::new()),
        ..of(image)
    };
    vec![
        Script {
            stdout: vec!["starting".to_owned()],
            stderr: vec!["fatal: no database".to_owned()],
            ..ends("crash:*", 3)
        },
        Script {
            oom: true,
            run_for: Some("100ms".to_owned()),
            ..of("oom:*")
        },
        Script {
            pull_error: Some("manifest unknown".to_owned()),
            ..of("pull:*")
        },
        Script {
            failing_check: true,
            ..of("check:*")
        },
        Script {
            never_healthy: true,
            ..of("slow:*")
        },
        Script {
            stdout: (1..=4).map(|n| format!("line {n}")).collect(),
            stderr: vec!["oops".to_owned()],
            ..of("talk:*")
        },
        ends("done:*", 0),
    ]
}

impl Stage {
    pub(super) fn new() -> Self {
        Self::with(|_| {})
    }

    pub(super) fn with(change: impl FnOnce(&mut Options)) -> Self {
        let lab = Lab::with_options(|options| {
            options.faults.workloads = scripts();
            options.namespaces = vec!["team".to_owned()];
            change(options);
        });
        Self { lab }
    }

    /// Changes what goes wrong with requests; images behave as before.
    pub(super) fn set_faults(&self, faults: Faults) {
        let workloads = scripts();
        self.lab.nomad.set_faults(Faults {
            workloads,
            ..faults
        });
    }

    /// Lets no time pass from now on; what its scripts say still holds.
    pub(super) fn hold(&self) {
        self.set_faults(Faults {
            speed: Some(1e-6),
            ..Faults::default()
        });
    }

    /// A command line, split at spaces.
    pub(super) fn cs(&self, line: &str) -> Invocation {
        self.lab.env.cs(line.split_whitespace())
    }

    /// Waits until what a path answers is as wanted.
    #[track_caller]
    pub(super) fn until(&self, path: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let mut last = Value::Null;
        eventually(path, || {
            last = self.lab.get(path).unwrap_or_default();
            wanted(&last)
        });
        last
    }

    /// Registers a job and waits until the rollout of that version has come to an end, or waits for a person.
    #[track_caller]
    pub(super) fn rolled_out(&self, job: &Value) -> Value {
        let id = self.register(job);
        let version = self.lab.job(&id).expect("just registered")["Version"].clone();
        self.until(&format!("/v1/job/{id}/deployment"), |found| {
            let is_over = matches!(
                found["Status"].as_str(),
                Some("successful" | "failed" | "cancelled")
            );
            let words = found["StatusDescription"].as_str().unwrap_or_default();
            let group = &found["TaskGroups"]["web"];
            let waits = words.contains("manual promotion")
                && group["HealthyAllocs"].as_u64() >= group["DesiredCanaries"].as_u64();
            found["JobVersion"].as_u64() > version.as_u64()
                || found["JobVersion"] == version && (is_over || waits)
        })
    }

    /// Registers a job and returns its id.
    pub(super) fn register(&self, job: &Value) -> String {
        self.lab.register(job);
        job["ID"].as_str().expect("an id").to_owned()
    }

    /// Registers a job and waits until Nomad has found no node for it.
    #[track_caller]
    pub(super) fn blocked(&self, job: &Value) {
        let id = self.register(job);
        self.until(&format!("/v1/job/{id}/evaluations"), |found| {
            let mut list = found.as_array().into_iter().flatten();
            list.any(|evaluation| evaluation["Status"] == "blocked")
        });
    }

    /// Registers a job and waits until it has ended.
    #[track_caller]
    pub(super) fn ended(&self, job: &Value) {
        let id = self.register(job);
        self.until(&format!("/v1/job/{id}"), |job| job["Status"] == "dead");
    }

    /// Stops a job and waits until nothing of it runs.
    #[track_caller]
    pub(super) fn stopped(&self, id: &str) {
        self.delete(&format!("/v1/job/{id}"));
        self.until(&format!("/v1/job/{id}/allocations"), |found| {
            let mut list = found.as_array().into_iter().flatten();
            list.all(|it| it["ClientStatus"] != "running" && it["ClientStatus"] != "pending")
        });
    }

    pub(super) fn delete(&self, path: &str) {
        self.send(reqwest::Method::DELETE, path);
    }

    pub(super) fn put(&self, path: &str) {
        self.send(reqwest::Method::PUT, path);
    }

    fn send(&self, method: reqwest::Method, path: &str) {
        let address = format!("{}{path}", self.lab.nomad.url);
        let request = reqwest::Client::new().request(method, address).body("{}");
        let answer = self.lab.runtime.block_on(request.send());
        assert!(answer.expect("it answers").status().is_success(), "{path}");
    }

    /// Ids of the allocations of a job in a state.
    pub(super) fn allocations(&self, id: &str, state: &str) -> Vec<String> {
        let list = self.lab.get(&format!("/v1/job/{id}/allocations"));
        let list = list.unwrap_or_default();
        let found = list.as_array().into_iter().flatten();
        let found = found.filter(|it| it["ClientStatus"] == state);
        found
            .map(|it| it["ID"].as_str().expect("an id").to_owned())
            .collect()
    }

    /// One job in each condition, each settled in it.
    pub(super) fn fleet() -> Self {
        let stage = Self::new();
        stage.rolled_out(&service("shop", "ok:1", 2));
        stage.rolled_out(&service("crash", "crash:1", 1));
        stage.rolled_out(&service("oom", "oom:1", 1));
        stage.rolled_out(&service("slow", "slow:1", 1));
        stage.blocked(&nowhere("plan9"));
        stage.ended(&batch("done", "done:1"));
        stage.ended(&batch("bad", "crash:1"));
        stage.rolled_out(&service("gone", "ok:1", 1));
        stage.stopped("gone");
        stage.register(&service("zero", "ok:1", 0));
        stage.rolled_out(&service("canary", "ok:1", 2));
        stage.rolled_out(&with(
            service("canary", "ok:2", 2),
            "/Update/Canary",
            json!(1),
        ));
        let reverting = |image| {
            with(
                service("revert", image, 1),
                "/Update/AutoRevert",
                json!(true),
            )
        };
        stage.rolled_out(&reverting("ok:1"));
        stage.rolled_out(&reverting("crash:2"));
        stage.until("/v1/job/revert/deployment", |found| {
            found["JobVersion"] == 2 && found["Status"] == "successful"
        });
        let periodic = json!({"Enabled": true, "Spec": "0 3 1 1 *", "SpecType": "cron"});
        stage.register(&with(batch("backup", "crash:1"), "/Periodic", periodic));
        stage.put("/v1/job/backup/periodic/force");
        stage.until("/v1/jobs?prefix=backup/", |found| {
            found[0]["Status"] == "dead"
        });
        stage.register(&with(
            batch("import", "done:1"),
            "/ParameterizedJob",
            json!({}),
        ));
        let loops =
            json!({"Attempts": 1000, "Interval": 3600 * SECOND, "Delay": SECOND, "Mode": "delay"});
        stage.register(&with(
            service("loop", "crash:1", 1),
            "/TaskGroups/0/RestartPolicy",
            loops,
        ));
        stage
    }
}
