//! The doctor at a real Nomad with ACLs on, where there is one.

use serde_json::{Value, json};

use super::{assert_check, report};
use crate::support::env::TestEnv;
use crate::support::nomad::RealNomad;

struct Acls {
    nomad: RealNomad,
    root: String,
    runtime: tokio::runtime::Runtime,
    env: TestEnv,
}

impl Acls {
    fn start() -> Option<Self> {
        let (nomad, root) = RealNomad::with_acls()?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        let mut env = TestEnv::new();
        env.set("NOMAD_ADDR", nomad.address());
        Some(Self {
            nomad,
            root,
            runtime: runtime.expect("a runtime"),
            env,
        })
    }

    fn call(&self, method: reqwest::Method, path: &str, body: &Value) -> Value {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder()
            .no_proxy()
            .build()
            .expect("a client");
        let request = client
            .request(method, format!("{}/v1/{path}", self.nomad.address()))
            .header("X-Nomad-Token", &self.root)
            .body(body.to_string());
        self.runtime.block_on(async {
            let answer = request.send().await.expect("it answers");
            assert!(answer.status().is_success(), "{path}: {}", answer.status());
            let text = answer.text().await.expect("a body");
            serde_json::from_str(&text).unwrap_or(Value::Null)
        })
    }

    /// A token with one policy.
    fn token(&self, name: &str, rules: &str) -> String {
        let policy = json!({"Name": name, "Rules": rules});
        self.call(reqwest::Method::PUT, &format!("acl/policy/{name}"), &policy);
        let wanted = json!({"Name": name, "Type": "client", "Policies": [name]});
        let token = self.call(reqwest::Method::PUT, "acl/token", &wanted);
        token["SecretID"].as_str().expect("a token").to_owned()
    }

    fn doctor(&self, token: &str, arguments: &[&str]) -> Value {
        let run = self.env.cs(["doctor", "-o", "json"]).args(arguments);
        let ended = run.var("NOMAD_TOKEN", token).run();
        if !token.is_empty() {
            ended.assert_hides(token);
        }
        report(&ended)
    }
}

#[test]
fn rights_are_those_that_a_real_nomad_grants() {
    let Some(acls) = Acls::start() else {
        return;
    };
    let found = acls.doctor("", &[]);
    assert_check(
        &found,
        "token",
        "fail",
        "none, and this cluster has ACLs",
        "nomad login",
    );
    for unknown in ["nope", "00000000-0000-0000-0000-000000000000", "a.b.c"] {
        let found = acls.doctor(unknown, &[]);
        assert_check(
            &found,
            "token",
            "fail",
            "does not know the token",
            "nomad login",
        );
    }

    let found = acls.doctor(&acls.root, &[]);
    assert_check(&found, "token", "ok", "management", "");
    for name in [
        "register-job",
        "inventory",
        "version",
        "namespace",
        "nodes",
        "oversubscription",
    ] {
        assert_check(&found, name, "ok", "", "");
    }
    let found = acls.doctor(&acls.root, &["-n", "moon"]);
    assert_check(
        &found,
        "namespace",
        "fail",
        "no namespace `moon`",
        "nomad namespace apply moon",
    );
    assert_check(&found, "register-job", "skipped", "no namespace `moon`", "");

    let look = acls.token("look", r#"namespace "default" { policy = "read" }"#);
    let found = acls.doctor(&look, &[]);
    assert_check(&found, "read-job", "ok", "", "");
    assert_check(&found, "plan-job", "fail", "may not plan", "");
    assert_check(
        &found,
        "register-job",
        "fail",
        "may not register",
        "--read-only",
    );
    assert_check(
        &found,
        "inventory",
        "warn",
        "may neither read nor write",
        "",
    );
    assert_check(&found, "nodes", "skipped", "may not list", "");
    let found = acls.doctor(&look, &["--read-only"]);
    assert_eq!(found["summary"]["fail"], 0, "{found:#}");
    let found = acls.doctor(&look, &["-n", "moon"]);
    assert_check(&found, "namespace", "fail", "no namespace `moon`", "");

    let deploy = acls.token(
        "deploy",
        r#"namespace "default" {
  policy = "write"
  variables {
    path "cs/inventory/*" { 
      capabilities = ["read", "list", "write", "destroy"]
    }
  }
}
agent { 
  policy = "read"
}"#,
    );
    let found = acls.doctor(&deploy, &[]);
    for name in [
        "list-jobs",
        "read-job",
        "plan-job",
        "register-job",
        "inventory",
        "version",
    ] {
        assert_check(&found, name, "ok", "", "");
    }

    acls.call(
        reqwest::Method::PUT,
        "operator/scheduler/configuration",
        &json!({"RejectJobRegistration": true}),
    );
    let found = acls.doctor(&deploy, &[]);
    assert_check(
        &found,
        "register-job",
        "fail",
        "switched registrations off",
        "-reject-job-registration=false",
    );

    // All of that left no trace.
    assert_eq!(
        acls.call(reqwest::Method::GET, "jobs", &Value::Null),
        json!([])
    );
    assert_eq!(
        acls.call(reqwest::Method::GET, "vars", &Value::Null),
        json!([])
    );
}
