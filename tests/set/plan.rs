//! What plan and diff say.

use super::lab::{Specs, assert_valid, result};

#[test]
fn a_plan_names_what_is_created_changed_and_left_alone() {
    let specs = Specs::new();
    specs
        .service("same", "same:1", "")
        .service("app", "app:1", "");
    specs.applied();
    specs
        .service("app", "app:2", "replicas: 2\nenv: {MODE: fast}")
        .service("new", "new:1", "dependsOn: [{name: app}]");
    let ended = specs.on_folder("plan").run();
    ended.assert_code(1);
    let lines: Vec<&str> = ended.stdout.lines().collect();
    let update = "~ update default/app  (Workload; replaces what runs; 1 placed";
    assert!(ended.stdout.contains(update), "{ended}");
    for expected in [
        "    ~ TaskGroups[app].Count: 1 -> 2",
        "    ~ TaskGroups[app].Tasks[app].Config.image: \"example/app:1\" -> \"example/app:2\"",
        "    + TaskGroups[app].Tasks[app].Env.MODE: (after)",
        "+ create default/new  (Workload; 1 placed)",
        "  new after app",
        "Plan: 1 to create, 1 to update, 1 unchanged.",
    ] {
        assert!(
            lines.contains(&expected),
            "`{expected}` is missing\n{ended}"
        );
    }
}

#[test]
fn nothing_is_written_by_looking() {
    let specs = Specs::new();
    specs.service("app", "app:1", "");
    specs.on_folder("plan").run().assert_code(1);
    specs.on_folder("diff").run().assert_code(1);
    specs.apply().arg("--dry-run").run().assert_code(1);
    assert!(specs.lab.nomad.writes().is_empty());
    assert!(specs.lab.job("app").is_none());
}

#[test]
fn an_unchanged_set_costs_one_list_call_and_no_write() {
    let specs = Specs::new();
    for number in 0..20 {
        specs.service(&format!("app-{number}"), "app:1", "");
    }
    specs.applied();
    specs.lab.nomad.clear_requests();
    specs.applied();
    specs.assert_settled();
    assert!(specs.lab.nomad.writes().is_empty());
    assert_eq!(specs.calls(|_, path| path == "/v1/jobs"), 2);
    assert_eq!(specs.calls(|_, path| path.starts_with("/v1/job/")), 0);
    assert_eq!(specs.calls(|_, path| path.ends_with("/plan")), 0);
}

#[test]
fn a_changed_job_costs_a_read_and_a_write() {
    let specs = Specs::new();
    for number in 0..10 {
        specs.service(&format!("app-{number}"), "app:1", "replicas: 0");
    }
    specs.applied();
    for number in 0..10 {
        specs.service(&format!("app-{number}"), "app:2", "replicas: 0");
    }
    specs.lab.nomad.clear_requests();
    specs.apply().arg("--no-wait").run().assert_code(0);
    let of_jobs = |method: &str, path: &str| {
        path.starts_with("/v1/job/") || method == "PUT" && path == "/v1/jobs"
    };
    assert_eq!(specs.calls(of_jobs), 20);
}

#[test]
fn reports_are_what_their_schemas_say() {
    let specs = Specs::new();
    specs
        .service("app", "app:1", "")
        .service("late", "late:1", "dependsOn: [{name: app}]");
    assert_valid(&specs.plan(), "plan");
    let applied = specs.apply().args(["-o", "json"]).run().document();
    assert_valid(&applied, "apply");
    assert_eq!(applied["summary"]["exitCode"], 0);
    let plan = specs.plan();
    assert_valid(&plan, "plan");
    assert_eq!(plan["outcome"], "same");
    specs.service("app", "app:2", "");
    let plan = specs.plan();
    assert_valid(&plan, "plan");
    assert_eq!(result(&plan, "app")["effect"], "destructive");
    assert_eq!(result(&plan, "app")["changes"][0]["change"], "changed");
}

#[test]
fn secrets_are_shown_nowhere() {
    let specs = Specs::new();
    let spec = "env: {PASSWORD: {fromEnv: SHOP_PASSWORD}, PLAIN: canary-plain}";
    specs.service("app", "app:1", spec);
    let with =
        |invocation: crate::support::env::Invocation| invocation.var("SHOP_PASSWORD", "canary-old");
    let ended = with(specs.apply()).run();
    ended.assert_code(0).assert_hides("canary-");
    let again = |command: &str| {
        let ended = specs
            .on_folder(command)
            .var("SHOP_PASSWORD", "canary-new")
            .run();
        ended.assert_code(1).assert_hides("canary-");
        assert!(ended.stdout.contains("(before) -> (after)"), "{ended}");
    };
    again("plan");
    again("diff");
    // Without the secret nothing is done, and the place is named.
    specs
        .on_folder("plan")
        .run()
        .assert_code(3)
        .assert_says("spec.env.PASSWORD");
}

#[test]
fn the_size_that_an_autoscaler_chose_is_its_own() {
    let specs = Specs::new();
    specs.service("app", "app:1", "ignoreFields: [/TaskGroups/app/Count]");
    specs.applied();
    let mut job = specs.lab.job("app").expect("it is there");
    job["TaskGroups"][0]["Count"] = 4.into();
    specs.lab.register(&job);
    specs.assert_settled();
    specs.service("app", "app:2", "ignoreFields: [/TaskGroups/app/Count]");
    specs.applied();
    let job = specs.lab.job("app").expect("it is there");
    assert_eq!(job["TaskGroups"][0]["Count"], 4);
}

#[test]
fn a_value_for_a_variable_that_no_job_declares_is_a_slip() {
    let specs = Specs::new();
    let hcl = "variable \"tag\" {\n  default = \"0\"\n}\njob \"app\" {\n  group \"g\" {\n    count = 0\n    task \"t\" {\n      \
               driver = \"docker\"\n      config {\n        image = \"x:${var.tag}\"\n      }\n    }\n  }\n}\n";
    specs.write("app.nomad.hcl", hcl);
    let ended = specs.on_folder("plan").args(["--var", "tga=1"]).run();
    ended.assert_code(2).assert_says("did you mean `tag`?");
    let ended = specs.on_folder("plan").args(["--var", "tag=1"]).run();
    ended.assert_code(1);
    specs.apply().args(["--var", "tag=1"]).run().assert_code(0);
    assert_eq!(specs.image("app").as_deref(), Some("x:1"));
}

#[test]
fn policies_among_the_specs_keep_what_breaks_them_out() {
    let specs = Specs::new();
    specs
        .service("app", "app:1", "")
        .service("big", "app:1", "resources: {memory: 4096}")
        .write(
            "policies.yaml",
            "apiVersion: cloudstation.io/v1\nkind: Policies\npolicies:\n  - name: small\n    expression: \
             job.TaskGroups.all(g, g.Tasks.all(t, t.Resources.MemoryMB <= 2048))\n    message: more than 2 GB needs a talk\n",
        );
    for command in ["plan", "diff", "apply"] {
        let ended = specs.on_folder(command).run();
        ended
            .assert_code(3)
            .assert_says("big.yaml:")
            .assert_says("more than 2 GB needs a talk");
    }
    assert!(specs.lab.nomad.writes().is_empty());
    specs.service("big", "app:1", "resources: {memory: 1024}");
    specs.applied();
    specs.assert_settled();
}
