//! `cs why`.

use serde_json::json;

use super::jobs::{service, with};
use super::snapshot::assert_snapshot;
use super::stage::Stage;

#[test]
fn every_kind_of_trouble_is_told_from_its_first_cause() {
    let stage = Stage::fleet();
    for job in [
        "shop", "crash", "oom", "slow", "plan9", "done", "bad", "gone", "zero", "canary", "revert",
        "backup", "import",
    ] {
        let line = format!("why {job}");
        assert_snapshot(
            &format!("why-{job}"),
            &format!("cs {line}"),
            stage.cs(&line),
        );
    }
}

#[test]
fn a_task_that_is_restarted_again_and_again_is_named_although_it_may_run_just_now() {
    let stage = Stage::fleet();
    stage.until("/v1/job/loop/allocations", |found| {
        found[0]["TaskStates"]["app"]["Restarts"].as_u64() > Some(0)
    });
    let ended = stage.cs("why loop").run();
    ended.assert_code(0);
    for shown in [
        "exit code 3",
        "fatal: no database",
        "restarted ",
        "cs logs loop --alloc ",
    ] {
        assert!(ended.stdout.contains(shown), "{shown}\n{ended}");
    }
}

#[test]
fn an_image_that_cannot_be_pulled_is_named_in_the_registrys_words() {
    let stage = Stage::new();
    stage.rolled_out(&service("shop", "pull:1", 1));
    let ended = stage.cs("why shop").run();
    ended.assert_code(0);
    let first = ended.stdout.lines().next().unwrap();
    assert!(
        first.starts_with("shop is not healthy: Failed to pull `pull:1`: manifest unknown"),
        "{ended}"
    );
    assert!(ended.stdout.contains("has written nothing"), "{ended}");
}

#[test]
fn the_exit_code_tells_the_kind_of_trouble_only_when_asked() {
    let stage = Stage::fleet();
    stage.cs("why crash").run().assert_code(0);
    for (job, code) in [("crash", 5), ("plan9", 7), ("shop", 0), ("canary", 0)] {
        let line = format!("why {job} --exit-code");
        stage.cs(&line).run().assert_code(code);
    }
}

#[test]
fn a_job_that_is_not_there_is_answered_with_what_was_meant() {
    let stage = Stage::new();
    stage.register(&service("storefront", "ok:1", 0));
    assert_snapshot("why-meant", "cs why storefont", stage.cs("why storefont"));
    let line = "why storefront -n team";
    assert_snapshot("why-elsewhere", &format!("cs {line}"), stage.cs(line));
    assert_snapshot("why-absent", "cs why x", stage.cs("why x"));
}

#[test]
fn commands_to_copy_name_the_namespace() {
    let stage = Stage::new();
    let job = with(service("shop", "crash:1", 1), "/Namespace", json!("team"));
    stage.register(&job);
    stage.until("/v1/job/shop/deployment?namespace=team", |found| {
        found["Status"] == "failed"
    });
    let ended = stage.cs("why shop -n team").run();
    assert!(
        ended.stdout.contains("cs logs shop -n team --alloc "),
        "{ended}"
    );
}

#[test]
fn the_report_carries_cause_steps_and_commands() {
    let stage = Stage::fleet();
    let report = stage.cs("why crash -o json").run().document();
    assert_eq!(report["kind"], "StatusReport");
    assert_eq!(report["outcome"], "unhealthy");
    let job = &report["results"][0];
    assert_eq!(job["cause"]["kind"], "exit");
    assert_eq!(job["cause"]["task"], "app");
    let steps: Vec<&str> = job["steps"]
        .as_array()
        .unwrap()
        .iter()
        .map(|step| step["step"].as_str().unwrap())
        .collect();
    assert_eq!(
        steps,
        [
            "spec",
            "evaluation",
            "placement",
            "rollout",
            "allocation",
            "log"
        ]
    );
    let child = stage.cs("why backup -o json").run().document();
    assert_eq!(child["results"][0]["child"]["health"], "unhealthy");
}
