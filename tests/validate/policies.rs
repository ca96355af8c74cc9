//! `--policy`: rules of the users.

use super::{put, validate, workload};
use crate::support::env::TestEnv;

const POLICIES: &str = "\
apiVersion: cloudstation.io/v1
kind: Policies
policies:
  - name: registry
    expression: object.spec.source.image.startsWith('registry.example.com/')
    message: images come from our registry
    path: spec.source.image
    match: {kind: Workload}
  - name: memory
    expression: job.TaskGroups.all(g, g.Tasks.all(t, t.Resources.MemoryMB <= 512))
    message: more than 512 MB needs a talk
    severity: warning
    match: {namespace: prod, labels: {team: storefront}}
  - name: names
    expression: >-
      name.matches('^[a-z]+$') &&
      kind == 'Workload' && namespaceName != 'test' && (!has(object.metadata.namespace) || object.metadata.namespace == 'prod')
    message: names are letters
";

fn env() -> TestEnv {
    let env = TestEnv::new();
    put(&env, "policies.yaml", POLICIES);
    env
}

#[test]
fn a_broken_policy_is_a_finding_at_the_place_that_it_names() {
    let env = env();
    put(&env, "a.yaml", workload("shop"));
    let ended = validate(&env, "a.yaml --policy policies.yaml");
    ended.assert_code(3);
    assert_eq!(
        ended.stdout,
        "a.yaml:5:19: error[policy]: images come from our registry (`spec.source.image`)\n \
         5 │   source: {image: \"nginx:1.27\"}\n   \
           ·                   ────────────\n  \
         help: policy `registry` (policies.yaml:5)\n"
    );
    ended.assert_says("checked 2 files, 1 resource against 3 policies: 1 error");
}

#[test]
fn a_policy_sees_the_job_and_is_about_those_that_match() {
    let env = env();
    let text = workload("shop").replace("nginx", "registry.example.com/nginx")
        + "  resources: {memory: 1024}\n";
    put(&env, "a.yaml", &text);
    validate(&env, "a.yaml --policy policies.yaml").assert_code(0);
    put(
        &env,
        "a.yaml",
        text.replace("{name: shop}", "{name: shop, labels: {team: storefront}}"),
    );
    let ended = validate(&env, "a.yaml --policy policies.yaml -n prod");
    ended.assert_code(0);
    assert!(
        ended
            .stdout
            .contains("warning[policy]: more than 512 MB needs a talk"),
        "{ended}"
    );
    validate(&env, "a.yaml --policy policies.yaml -n prod --strict").assert_code(3);
}

#[test]
fn a_policy_that_cannot_be_decided_never_passes_silently() {
    for (expression, part) in [
        (
            "object.spec.moon > 1",
            "cannot be decided for Workload `shop` (a.yaml:3:18): there is no `moon`",
        ),
        ("name + 1 == 'x'", "cannot be decided"),
        ("name", "it gives text, not `true` or `false`"),
        ("nmae == 'x'", "there is no variable `nmae`"),
        ("name ==", "not CEL: line 1, column "),
        (
            "object.spec.env.all(a, object.spec.env.all(b, object.spec.env.all(c, true)))",
            "it costs too much",
        ),
    ] {
        let env = TestEnv::new();
        let variables: String = (0..200).map(|n| format!("    V{n}: x\n")).collect();
        put(&env, "a.yaml", workload("shop") + "  env:\n" + &variables);
        put(
            &env,
            "p.yaml",
            format!(
                "apiVersion: cloudstation.io/v1\nkind: Policies\npolicies:\n  - {{name: p, expression: \"{expression}\", \
                 message: x}}\n"
            ),
        );
        let ended = validate(&env, "a.yaml --policy p.yaml");
        ended.assert_code(3);
        assert!(
            ended.stdout.starts_with("p.yaml:4:27: error[policy-"),
            "{ended}"
        );
        assert!(ended.stdout.contains(part), "{part}\n{ended}");
    }
}

#[test]
fn a_policy_that_fails_for_many_is_told_once() {
    let env = TestEnv::new();
    for name in ["a", "b", "c"] {
        put(&env, &format!("specs/{name}.yaml"), workload(name));
    }
    put(
        &env,
        "p.yaml",
        "apiVersion: cloudstation.io/v1\nkind: Policies\npolicies:\n  - {name: p, expression: job.X == 1, message: x}\n",
    );
    let ended = validate(&env, "specs --policy p.yaml");
    ended.assert_code(3).assert_says("1 error");
    assert!(
        ended
            .stdout
            .contains("for Workload `a` (specs/a.yaml:3:18), and 2 more: there is no `X`"),
        "{ended}"
    );
}

#[test]
fn a_file_that_is_none_of_policies_is_told_with_what_it_should_be() {
    let env = TestEnv::new();
    put(&env, "a.yaml", workload("a"));
    put(
        &env,
        "p.yaml",
        POLICIES
            .replace("expression: job", "expresion: job")
            .replace("kind: Policies", "kind: Polices"),
    );
    let ended = validate(&env, "a.yaml --policy p.yaml");
    ended.assert_code(3);
    for part in ["did you mean `expression`?", "did you mean `Policies`?"] {
        assert!(ended.stdout.contains(part), "{part}\n{ended}");
    }
    validate(&env, "a.yaml --policy gone.yaml").assert_code(2);
}

#[test]
fn values_of_a_spec_do_not_reach_findings_through_policies() {
    let env = TestEnv::new();
    put(&env, "a.yaml", workload("a") + "  env: {A: s3cr3t}\n");
    for expression in [
        "object.spec.env.A",
        "object.spec.env.A > 1",
        "int(object.spec.env.A) == 1",
        "{object.spec.env.A: 1}.x == 1",
    ] {
        put(
            &env,
            "p.yaml",
            format!(
                "apiVersion: cloudstation.io/v1\nkind: Policies\npolicies:\n  - {{name: p, expression: \"{expression}\", message: x}}\n"
            ),
        );
        validate(&env, "a.yaml --policy p.yaml")
            .assert_code(3)
            .assert_hides("s3cr3t");
    }
}

#[test]
fn policies_among_the_specs_hold_without_being_named() {
    let env = env();
    put(&env, "specs/a.yaml", workload("shop"));
    put(&env, "specs/policies.yaml", POLICIES);
    let ended = validate(&env, "specs");
    ended
        .assert_code(3)
        .assert_says("checked 2 files, 1 resource against 3 policies: 1 error");
    assert!(
        ended
            .stdout
            .contains("policy `registry` (specs/policies.yaml:5)"),
        "{ended}"
    );
    // Named as well, they are the same policies.
    let again = validate(&env, "specs --policy specs/policies.yaml");
    assert_eq!(again.stdout, ended.stdout);
}

#[test]
fn a_slip_in_policies_among_the_specs_is_told_at_its_place() {
    let env = env();
    put(&env, "specs/a.yaml", workload("shop"));
    let slip = POLICIES.replace("expression: job", "expresion: job");
    put(&env, "specs/policies.yaml", slip);
    let ended = validate(&env, "specs");
    ended.assert_code(3);
    assert!(
        ended.stdout.contains("did you mean `expression`?"),
        "{ended}"
    );
    let slip = POLICIES.replace("kind: Policies", "kind: Polices");
    put(&env, "specs/policies.yaml", slip);
    let ended = validate(&env, "specs");
    ended.assert_code(3);
    assert!(ended.stdout.contains("did you mean `Policies`?"), "{ended}");
}

#[test]
fn policies_without_specs_are_told_as_such() {
    let env = env();
    let ended = validate(&env, "policies.yaml");
    ended.assert_code(3);
    assert_eq!(
        ended.stdout,
        "policies.yaml: error[no-documents]: policies.yaml holds policies and no document\n  \
         help: name the specs that they are about as well\n"
    );
}
