//! Plans that are kept.

use std::path::PathBuf;

use super::lab::Specs;

fn kept(specs: &Specs, more: &[&str]) -> PathBuf {
    let path = specs.lab.env.root().join("plan.json");
    let ended = specs
        .on_folder("plan")
        .args(more)
        .args(["--out"])
        .arg(&path)
        .run();
    ended.assert_code(1);
    path
}

fn apply(specs: &Specs, plan: &PathBuf) -> crate::support::env::Ended {
    specs.cs(["apply", "--plan"]).arg(plan).run()
}

#[test]
fn a_kept_plan_is_applied_as_it_was_shown() {
    let specs = Specs::new();
    specs.service("app", "app:1", "");
    let plan = kept(&specs, &[]);
    apply(&specs, &plan).assert_code(0);
    assert!(specs.runs("app"));
    specs.assert_settled();
    // Once only: the world has moved.
    apply(&specs, &plan).assert_code(8);
}

#[test]
fn a_plan_holds_no_secret_and_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let specs = Specs::new();
    specs.service("app", "app:1", "env: {PASSWORD: {fromEnv: P}, X: canary-2}");
    let path = specs.lab.env.root().join("plan.json");
    let plan = specs.on_folder("plan").var("P", "canary-1");
    plan.arg("--out").arg(&path).run().assert_code(1);
    let text = std::fs::read_to_string(&path).expect("it is there");
    assert!(!text.contains("canary"), "{text}");
    let mode = std::fs::metadata(&path)
        .expect("it is there")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_spec_that_moved_is_named_and_nothing_is_written() {
    let specs = Specs::new();
    specs.service("app", "app:1", "").service("b", "b:1", "");
    let plan = kept(&specs, &[]);
    specs
        .service("app", "app:2", "")
        .service("c", "c:1", "")
        .remove("b.yaml");
    apply(&specs, &plan)
        .assert_code(8)
        .assert_says("default/app: its spec was changed")
        .assert_says("default/c is new among the files")
        .assert_says("default/b is not among the files any more");
    assert!(specs.lab.nomad.writes().is_empty());
}

#[test]
fn a_job_that_was_changed_by_hand_is_named_and_nothing_is_written() {
    let specs = Specs::new();
    specs.service("app", "app:1", "");
    specs.applied();
    specs.service("app", "app:2", "");
    let plan = kept(&specs, &[]);
    let mut job = specs.lab.job("app").expect("it is there");
    job["Priority"] = 77.into();
    specs.lab.register(&job);
    specs.lab.nomad.clear_requests();
    apply(&specs, &plan)
        .assert_code(8)
        .assert_says("default/app: the job was written since (index");
    assert!(specs.lab.nomad.writes().is_empty());
    assert_eq!(specs.lab.job("app").expect("it is there")["Priority"], 77);
}

#[test]
fn an_edited_plan_and_other_files_are_refused() {
    let specs = Specs::new();
    specs.service("app", "app:1", "");
    let plan = kept(&specs, &[]);
    let text = std::fs::read_to_string(&plan).expect("it is there");
    std::fs::write(&plan, text.replace("\"create\"", "\"update\"")).expect("ours");
    apply(&specs, &plan)
        .assert_code(2)
        .assert_says("it was changed after it was made");
    for other in ["", "{}", "{\"format\": \"x\"}", "not json"] {
        std::fs::write(&plan, other).expect("ours");
        apply(&specs, &plan)
            .assert_code(2)
            .assert_says("it is no plan");
    }
    specs
        .cs(["apply", "--plan", "/nowhere/plan.json"])
        .run()
        .assert_code(2);
}

#[test]
fn a_kept_plan_prunes_what_it_said() {
    let specs = Specs::new();
    specs
        .service("app", "app:1", "")
        .service("old", "old:1", "");
    specs.applied();
    specs.remove("old.yaml").service("app", "app:2", "");
    let plan = kept(&specs, &["--prune"]);
    apply(&specs, &plan).assert_code(0);
    assert!(specs.lab.job("old").is_none());
    assert!(specs.runs("app"));
}
