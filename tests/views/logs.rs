//! `cs logs` without following.

use serde_json::json;

use super::jobs::{batch, nowhere, service, with};
use super::snapshot::assert_snapshot;
use super::stage::Stage;

#[test]
fn the_log_of_one_task_is_shown_as_it_was_written() {
    let stage = Stage::new();
    stage.rolled_out(&service("shop", "talk:1", 1));
    assert_snapshot("logs-one", "cs logs shop", stage.cs("logs shop"));
    let lines = |line: &str| stage.cs(line).run().stdout;
    assert_eq!(lines("logs shop --stderr"), "oops\n");
    assert_eq!(lines("logs shop --stdout --tail 2"), "line 3\nline 4\n");
    assert_eq!(lines("logs shop --stdout --tail 0"), "");
    assert_eq!(lines("logs shop --tail 1"), "line 4\noops\n");
    let id = &stage.allocations("shop", "running")[0];
    let prefixed = lines("logs shop --stdout --tail 1 --prefix always");
    assert_eq!(prefixed, format!("{} app | line 4\n", &id[..8]));
}

#[test]
fn several_logs_are_told_apart_by_allocation_and_task() {
    let stage = Stage::new();
    stage.rolled_out(&service("shop", "talk:1", 2));
    assert_snapshot("logs-several", "cs logs shop", stage.cs("logs shop"));
    let id = &stage.allocations("shop", "running")[0];
    let one = stage
        .cs(&format!("logs shop --alloc {} --stderr", &id[..6]))
        .run();
    one.assert_code(0);
    assert_eq!(one.stdout, "oops\n");
    let json = stage.cs("logs shop --stderr -o json").run();
    assert_eq!(
        json.stdout
            .matches(r#""stream":"stderr","line":"oops""#)
            .count(),
        2
    );
}

#[test]
fn when_nothing_runs_the_last_words_are_shown() {
    let stage = Stage::new();
    stage.rolled_out(&service("crash", "crash:1", 1));
    let ended = stage.cs("logs crash").run();
    ended
        .assert_code(0)
        .assert_says("nothing of crash runs; this is what ran last");
    assert_eq!(ended.stdout, "starting\nfatal: no database\n");
    stage.ended(&batch("import", "crash:1"));
    let ended = stage.cs("logs import --stderr").run();
    assert_eq!(ended.stdout, "fatal: no database\n");
}

#[test]
fn the_previous_allocation_is_the_one_that_was_replaced() {
    let stage = Stage::new();
    stage.rolled_out(&service("shop", "talk:1", 1));
    stage
        .cs("logs shop --previous")
        .run()
        .assert_code(1)
        .assert_says("no allocation before");
    let first = stage.allocations("shop", "running")[0].clone();
    stage.put(&format!("/v1/allocation/{first}/stop"));
    stage.until("/v1/job/shop/allocations", |found| {
        let list = found.as_array().unwrap();
        list.len() == 2
            && list.iter().any(|it| it["ClientStatus"] == "complete")
            && list.iter().any(|it| it["ClientStatus"] == "running")
    });
    let ended = stage
        .cs("logs shop --previous --prefix always --stderr")
        .run();
    ended.assert_code(0);
    assert_eq!(ended.stdout, format!("{} app ! oops\n", &first[..8]));
}

#[test]
fn the_last_run_of_a_periodic_job_is_shown() {
    let stage = Stage::new();
    let periodic = json!({"Enabled": true, "Spec": "0 3 1 1 *", "SpecType": "cron"});
    stage.register(&with(batch("backup", "crash:1"), "/Periodic", periodic));
    assert_snapshot("logs-no-run", "cs logs backup", stage.cs("logs backup"));
    stage.put("/v1/job/backup/periodic/force");
    stage.until("/v1/jobs?prefix=backup/", |found| {
        found[0]["Status"] == "dead"
    });
    let ended = stage.cs("logs backup --stderr").run();
    ended
        .assert_code(0)
        .assert_says("the last run of backup is backup/periodic-");
    assert_eq!(ended.stdout, "fatal: no database\n");
}

#[test]
fn where_there_is_no_log_it_says_why_and_what_to_type_next() {
    let stage = Stage::new();
    stage.rolled_out(&service("shop", "talk:1", 1));
    for (name, line) in [
        ("logs-no-task", "logs shop --task ap"),
        ("logs-no-group", "logs shop --group wbe"),
        ("logs-absent", "logs shp"),
    ] {
        assert_snapshot(name, &format!("cs {line}"), stage.cs(line));
    }
    let ended = stage.cs("logs shop --alloc ffffffff").run();
    ended
        .assert_code(1)
        .assert_says("no allocation of it begins with `ffffffff`");
    stage.blocked(&nowhere("plan9"));
    assert_snapshot("logs-nothing", "cs logs plan9", stage.cs("logs plan9"));
    stage.cs("logs shop --tail ten").run().assert_code(2);
    stage.cs("logs shop -f --previous").run().assert_code(2);
}

#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    let stage = Stage::new();
    let mut job = service("shop", "ok:1", 1);
    job["TaskGroups"][0]["Tasks"][0]["Driver"] = json!("mock_driver");
    job["TaskGroups"][0]["Tasks"][0]["Config"] =
        json!({"run_for": "900s", "stdout_string": "a line of text\n", "stdout_repeat": 200_000});
    stage.rolled_out(&job);
    let whole = stage.cs("logs shop").run();
    whole.assert_code(0);
    assert_eq!(whole.stdout.lines().count(), 200_001);
    let tail = stage.cs("logs shop --tail 150000").run();
    assert_eq!(tail.stdout.lines().count(), 150_000);
    let bin = env!("CARGO_BIN_EXE_cs");
    let head = std::process::Command::new("sh")
        .args([
            "-c",
            &format!("{bin} logs shop | head -2; {bin} logs shop > /dev/full; true"),
        ])
        .env_clear()
        .env("NOMAD_ADDR", &stage.lab.nomad.url)
        .env("PATH", "/usr/bin:/bin")
        .output()
        .unwrap();
    assert_eq!(
        String::from_utf8_lossy(&head.stdout),
        "a line of text\na line of text\n"
    );
    assert_eq!(String::from_utf8_lossy(&head.stderr), "");
}
