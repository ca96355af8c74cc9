//! `cs status`.

use cs::simulator::{Effect, Faults, Matcher, Rule};
use serde_json::Value;

use super::jobs::service;
use super::snapshot::assert_snapshot;
use super::stage::Stage;

#[test]
fn the_fleet_is_shown_with_a_word_for_each_job() {
    let stage = Stage::fleet();
    // The one that is restarted again and again may be found between two starts.
    let settled = "shop crash oom slow plan9 done bad gone zero canary revert backup import";
    let line = format!("status {settled}");
    assert_snapshot("status-fleet", &format!("cs {line}"), stage.cs(&line));
    let wide = stage.cs("status plan9 shop -o wide").run();
    wide.assert_code(0);
    for shown in [
        "INDEX",
        "MESSAGE",
        "0 of 2 healthy, no node for 2 allocations",
    ] {
        assert!(wide.stdout.contains(shown), "{shown}\n{wide}");
    }
}

#[test]
fn the_word_is_the_one_that_a_closer_look_finds() {
    let stage = Stage::fleet();
    let report = stage.cs("status -o json").run().document();
    let jobs = report["results"].as_array().unwrap();
    assert_eq!(jobs.len(), 14, "{report}");
    for job in jobs {
        let id = job["job"].as_str().unwrap();
        if id == "loop" {
            continue;
        }
        let why = stage.cs(&format!("why {id} -o json")).run().document();
        assert_eq!(why["results"][0]["health"], job["health"], "{id}");
    }
}

#[test]
fn an_empty_cluster_says_so_and_is_no_failure() {
    let stage = Stage::new();
    assert_snapshot("status-empty", "cs status", stage.cs("status"));
    assert_snapshot("status-empty-all", "cs status -A", stage.cs("status -A"));
    let report = stage.cs("status -o json").run().document();
    assert_eq!(report["outcome"], "converged");
    assert_eq!(report["results"], serde_json::json!([]));
}

#[test]
fn the_exit_code_tells_of_trouble_only_when_asked() {
    let stage = Stage::new();
    stage.rolled_out(&service("shop", "ok:1", 1));
    stage.rolled_out(&service("crash", "crash:1", 1));
    stage.cs("status").run().assert_code(0);
    stage.cs("status --exit-code").run().assert_code(5);
    stage.cs("status shop --exit-code").run().assert_code(0);
}

#[test]
fn a_name_that_does_not_exist_is_an_error_beside_those_that_do() {
    let stage = Stage::new();
    stage.rolled_out(&service("shop", "ok:1", 1));
    assert_snapshot(
        "status-missing",
        "cs status shop shp",
        stage.cs("status shop shp"),
    );
    assert_snapshot(
        "status-elsewhere",
        "cs status shop -n team",
        stage.cs("status shop -n team"),
    );
}

#[test]
fn namespaces_and_owners_narrow_the_list() {
    let stage = Stage::new();
    stage.rolled_out(&service("shop", "ok:1", 1));
    let mut other = service("api", "ok:1", 1);
    other["Namespace"] = "team".into();
    other["Meta"]["cs.owner"] = "platform".into();
    stage.register(&other);
    stage.until("/v1/job/api/deployment?namespace=team", |found| {
        found["Status"] == "successful"
    });
    let names = |line: &str| {
        let report = stage.cs(&format!("status -o json {line}")).run().document();
        let jobs = report["results"].as_array().unwrap().iter();
        jobs.map(|job| {
            format!(
                "{}/{}",
                job["namespace"].as_str().unwrap(),
                job["job"].as_str().unwrap()
            )
        })
        .collect::<Vec<_>>()
    };
    assert_eq!(names(""), ["default/shop"]);
    assert_eq!(names("-n team"), ["team/api"]);
    assert_eq!(names("-A"), ["default/shop", "team/api"]);
    assert_eq!(names("-A --owner platform"), ["team/api"]);
    assert_eq!(names("-A api shop"), ["default/shop", "team/api"]);
    let ended = stage.cs("status shop --owner platform").run();
    ended.assert_code(1).assert_says("platform has no job shop");
}

#[test]
fn a_fleet_costs_two_calls() {
    let stage = Stage::new();
    for number in 0..30 {
        stage.register(&service(&format!("job-{number}"), "ok:1", 0));
    }
    stage.lab.nomad.clear_requests();
    stage.cs("status").run().assert_code(0);
    let paths: Vec<String> = stage
        .lab
        .nomad
        .requests()
        .into_iter()
        .map(|request| request.path)
        // What is remembered costs a list and a read an owner.
        .filter(|path| !path.starts_with("/v1/var"))
        .collect();
    assert_eq!(paths.len(), 2, "{paths:?}");
}

#[test]
fn a_nomad_without_the_call_and_one_that_refuses_are_told_apart() {
    let stage = Stage::new();
    let answers = |status: u16, body: &str| Faults {
        rules: vec![Rule::new(
            Matcher::new("*", "/v1/jobs/statuses"),
            Effect::Error {
                status,
                body: body.to_owned(),
            },
        )],
        ..Faults::default()
    };
    stage.set_faults(answers(404, ""));
    let ended = stage.cs("status").run();
    ended.assert_code(1).assert_says("needs Nomad 1.8 or newer");
    stage.set_faults(answers(403, "Permission denied"));
    let ended = stage.cs("status").run();
    ended.assert_code(1).assert_says("check NOMAD_TOKEN");
}

#[test]
fn a_watch_adds_the_rows_that_change_until_it_is_interrupted() {
    let stage = Stage::new();
    stage.rolled_out(&service("shop", "ok:1", 1));
    let mut watch = stage.cs("status --watch").start();
    watch.until("the first table", |watch| watch.stdout().contains("shop"));
    stage.rolled_out(&service("crash", "crash:1", 1));
    watch.until("the new job", |watch| {
        let shown = watch.stdout();
        shown
            .lines()
            .any(|line| line.contains("crash") && line.contains("unhealthy"))
    });
    stage.delete("/v1/job/shop?purge=true");
    watch.until("the purge", |watch| {
        watch
            .stdout()
            .contains("shop is gone from namespace default")
    });
    watch.signal("INT");
    let ended = watch.wait();
    ended.assert_code(0);
    assert_eq!(ended.stdout.matches("NAMESPACE").count(), 1, "{ended}");
}

#[test]
fn a_watch_as_json_is_one_report_a_line() {
    let stage = Stage::new();
    stage.rolled_out(&service("shop", "ok:1", 1));
    let mut watch = stage.cs("status --watch -o json").start();
    watch.until("a report", |watch| watch.stdout().contains('\n'));
    watch.signal("TERM");
    let ended = watch.wait();
    ended.assert_code(0);
    let first: Value = serde_json::from_str(ended.stdout.lines().next().unwrap()).unwrap();
    assert_eq!(first["results"][0]["job"], "shop");
}
