//! What is owned and no longer wanted. Never on a guess.

use cs::simulator::{Effect, Matcher, Script};

use super::lab::{Specs, breaks};
use crate::cli::lab::rule;

/// Six jobs that stand.
fn six() -> Specs {
    let specs = Specs::new();
    for name in ["a", "b", "c", "d", "e", "f"] {
        specs.service(name, "x:1", "");
    }
    specs.applied();
    specs
}

#[test]
fn what_left_the_files_is_stopped_and_purged_when_it_is_asked_for() {
    let specs = six();
    specs.remove("a.yaml");
    let plan = specs.on_folder("plan").run();
    plan.assert_code(0);
    assert!(
        plan.stdout
            .contains("= keep default/a  (add --prune to remove it)"),
        "{plan}"
    );
    specs.apply().run().assert_code(0);
    assert!(specs.runs("a"));

    let plan = specs.on_folder("plan").arg("--prune").run();
    plan.assert_code(1);
    assert!(plan.stdout.contains("- prune default/a"), "{plan}");
    specs.apply().arg("--prune").run().assert_code(0);
    assert!(specs.lab.job("a").is_none());
    for name in ["b", "c", "d", "e", "f"] {
        assert!(specs.runs(name), "{name}");
    }
    specs.on_folder("plan").arg("--prune").run().assert_code(0);
}

#[test]
fn a_broken_file_protects_what_it_would_have_described() {
    let specs = six();
    specs.write(
        "a.yaml",
        "apiVersion: cloudstation.io/v1\nkind: Workload\nmetadata: {name: a\n",
    );
    specs.lab.nomad.clear_requests();
    let ended = specs.apply().arg("--prune").run();
    ended.assert_code(3).assert_says("a.yaml");
    assert!(specs.lab.nomad.writes().is_empty());
    assert!(specs.runs("a"));
}

#[test]
fn more_than_a_share_needs_a_word() {
    let specs = six();
    specs.remove("a.yaml").remove("b.yaml");
    let refused = specs.apply().arg("--prune").run();
    refused.assert_code(9);
    assert!(refused.stdout.contains("--prune-limit 2"), "{refused}");
    assert!(specs.runs("a") && specs.runs("b"));
    specs.on_folder("plan").arg("--prune").run().assert_code(9);
    specs
        .apply()
        .args(["--prune", "--prune-limit", "40%"])
        .run()
        .assert_code(0);
    assert!(specs.lab.job("a").is_none() && specs.lab.job("b").is_none());
}

#[test]
fn an_empty_folder_prunes_nothing() {
    let specs = six();
    for name in ["a", "b", "c", "d", "e", "f"] {
        specs.remove(&format!("{name}.yaml"));
    }
    let ended = specs.apply().arg("--prune").run();
    assert_ne!(ended.code, Some(0), "{ended}");
    assert!(specs.runs("a"));
}

#[test]
fn a_label_protects_a_job_also_when_its_file_is_gone() {
    let specs = six();
    let text = super::lab::service("g", "x:1", "").replace(
        "metadata: {name: g}",
        "metadata: {name: g, labels: {cs.prune: disabled}}",
    );
    specs.write("g.yaml", &text);
    specs.applied();
    specs.remove("g.yaml");
    let ended = specs.apply().arg("--prune").run();
    ended.assert_code(0);
    assert!(specs.runs("g"));
    let plan = specs.on_folder("plan").arg("--prune").run();
    assert!(plan.stdout.contains("cs.prune: disabled"), "{plan}");
}

#[test]
fn a_job_that_somebody_made_anew_or_took_over_stays() {
    let specs = six();
    specs.remove("a.yaml");
    specs
        .cs(["delete", "a", "--purge", "--yes"])
        .run()
        .assert_code(0);
    specs.service("a", "x:1", "");
    specs.applied();
    // Behind our back: purged, and made anew without our mark.
    let mut job = specs.lab.job("a").expect("it is there");
    specs.lab.purge("a");
    job["Meta"] = serde_json::Value::Null;
    specs.lab.register(&job);
    specs.remove("a.yaml");
    specs.apply().arg("--prune").run();
    assert!(specs.runs("a"));
}

#[test]
fn a_list_that_fails_prunes_nothing() {
    let specs = six();
    specs.remove("a.yaml");
    let refused = Effect::Error {
        status: 403,
        body: "Permission denied".to_owned(),
    };
    specs
        .lab
        .nomad
        .set_faults(rule(Matcher::new("GET", "/v1/jobs"), refused));
    specs.lab.nomad.clear_requests();
    specs.apply().arg("--prune").run().assert_code(1);
    assert!(specs.lab.nomad.writes().is_empty());
    specs.lab.release();
    assert!(specs.runs("a"));
}

#[test]
fn a_variable_that_cannot_be_read_prunes_nothing() {
    let specs = six();
    specs.remove("a.yaml");
    let failing = Effect::Error {
        status: 500,
        body: "something broke".to_owned(),
    };
    specs
        .lab
        .nomad
        .set_faults(rule(Matcher::new("GET", "/v1/var*"), failing));
    specs.lab.nomad.clear_requests();
    let ended = specs.apply().arg("--prune").run();
    assert_ne!(ended.code, Some(0), "{ended}");
    specs.lab.release();
    assert!(specs.runs("a"));
}

#[test]
fn nothing_is_pruned_while_something_wanted_is_not_so() {
    let specs = Specs::with_scripts(vec![breaks("x:2")]);
    for name in ["a", "b", "c", "d", "e", "f"] {
        specs.service(name, "x:1", "");
    }
    specs.applied();
    specs.remove("a.yaml").service("b", "x:2", "");
    let ended = specs.apply().arg("--prune").run();
    ended.assert_code(6);
    assert!(ended.stdout.contains("nothing was pruned"), "{ended}");
    assert!(specs.runs("a"));
}

#[test]
fn only_jobs_of_this_owner_are_pruned() {
    let specs = six();
    let others = specs.lab.env.root().join("others");
    std::fs::create_dir(&others).expect("ours");
    std::fs::write(others.join("z.yaml"), super::lab::service("z", "z:1", "")).expect("ours");
    let apply = || {
        let apply = specs.cs(["apply", "--owner", "others", "--prune", "-f"]);
        apply.arg(&others).args(["--timeout", "40s"])
    };
    apply().run().assert_code(0);
    assert!(specs.runs("z"));
    for name in ["a", "b", "c", "d", "e", "f"] {
        assert!(specs.runs(name), "{name}");
    }
    specs.apply().arg("--prune").run().assert_code(0);
    assert!(specs.runs("z"));
}

#[test]
fn a_job_that_is_gone_already_is_only_forgotten() {
    let specs = six();
    specs.remove("a.yaml");
    specs.lab.purge("a");
    specs.apply().arg("--prune").run().assert_code(0);
    let plan = specs.on_folder("plan").arg("--prune").run();
    plan.assert_code(0);
    assert!(!plan.stdout.contains("default/a"), "{plan}");
}

#[test]
fn a_job_that_cannot_be_stopped_in_time_is_said_and_stays_remembered() {
    let specs = Specs::with_scripts(vec![Script::default()]);
    for name in ["a", "b"] {
        specs.service(name, "x:1", "");
    }
    specs.applied();
    specs.remove("a.yaml");
    let failing = Effect::Error {
        status: 500,
        body: "something broke".to_owned(),
    };
    specs
        .lab
        .nomad
        .set_faults(rule(Matcher::new("DELETE", "/v1/job/*"), failing));
    let ended = specs.apply().arg("--prune").run();
    ended.assert_code(1);
    specs.lab.release();
    specs.apply().arg("--prune").run().assert_code(0);
    assert!(specs.lab.job("a").is_none());
}
