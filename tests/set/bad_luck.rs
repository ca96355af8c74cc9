//! Signals, outages, and what is found afterwards.

use cs::simulator::{Effect, Faults, Matcher, Rule};

use super::lab::{Specs, result};
use crate::cli::lab::rule;

#[test]
fn a_signal_begins_nothing_new_and_the_same_command_finishes_it() {
    let specs = Specs::new();
    specs
        .service("db", "db:1", "")
        .service("app", "app:1", "dependsOn: [{name: db}]");
    specs.lab.hold();
    let mut run = specs.apply().args(["-o", "json"]).start();
    run.until("db is registered", |_| specs.lab.job("db").is_some());
    run.signal("INT");
    let ended = run.wait();
    ended.assert_code(10);
    let report = ended.document();
    assert_eq!(result(&report, "db")["outcome"], "cancelled");
    assert_eq!(result(&report, "app")["outcome"], "blocked");
    assert!(specs.lab.job("app").is_none());
    specs.lab.release();
    specs.applied();
    assert_eq!(specs.version("db"), 0);
    specs.assert_settled();
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let specs = Specs::new();
    specs.service("app", "app:1", "");
    // The job is never answered for: even a polite end would wait.
    specs.lab.nomad.set_faults(Faults {
        speed: Some(1e-6),
        rules: vec![Rule::new(
            Matcher {
                skip: 1,
                ..Matcher::new("PUT", "/v1/var/*")
            },
            Effect::Hang,
        )],
        ..Faults::default()
    });
    let mut run = specs.apply().start();
    run.until("it is registered", |_| specs.lab.job("app").is_some());
    run.signal("INT");
    run.until("it says so", |run| run.stderr().contains("once more"));
    run.signal("INT");
    run.wait().assert_code(10);
    specs.lab.release();
    specs.applied();
}

#[test]
fn nomad_going_away_in_the_middle_is_waited_out() {
    let specs = Specs::new();
    specs
        .service("db", "db:1", "")
        .service("app", "app:1", "dependsOn: [{name: db}]");
    specs.lab.hold();
    let mut run = specs.apply().start();
    run.until("db is registered", |_| specs.lab.job("db").is_some());
    specs
        .lab
        .nomad
        .set_faults(rule(Matcher::default(), Effect::Reset));
    run.until("it is noticed", |run| run.stderr().contains("trying again"));
    specs.lab.release();
    run.wait().assert_code(0);
    assert_eq!(specs.version("db"), 0);
    assert_eq!(specs.version("app"), 0);
    specs.assert_settled();
}

#[test]
fn nomad_going_away_for_good_says_what_was_done_and_what_was_not() {
    let specs = Specs::new();
    specs
        .service("db", "db:1", "")
        .service("app", "app:1", "dependsOn: [{name: db}]");
    specs.lab.hold();
    let mut run = specs
        .on_folder("apply")
        .args(["--timeout", "8s", "-o", "json"])
        .start();
    run.until("db is registered", |_| specs.lab.job("db").is_some());
    specs
        .lab
        .nomad
        .set_faults(rule(Matcher::default(), Effect::Reset));
    let ended = run.wait();
    ended.assert_code(4);
    let report = ended.document();
    assert_eq!(result(&report, "db")["outcome"], "deadline");
    assert_eq!(result(&report, "app")["outcome"], "blocked");
    ended.assert_says("could not be remembered");
    specs.lab.release();
    specs.applied();
    specs.assert_settled();
}

#[test]
fn a_write_whose_answer_is_lost_is_found_to_stand() {
    let specs = Specs::new();
    specs.service("app", "app:1", "");
    let on = Matcher {
        count: Some(1),
        ..Matcher::new("PUT", "/v1/jobs")
    };
    specs.lab.nomad.set_faults(rule(on, Effect::DropReply));
    specs.applied();
    assert_eq!(specs.version("app"), 0);
    specs.assert_settled();
}

#[test]
fn an_inventory_that_cannot_be_written_writes_no_job() {
    let specs = Specs::new();
    specs.service("app", "app:1", "");
    let failing = Effect::Error {
        status: 500,
        body: "something broke".to_owned(),
    };
    specs
        .lab
        .nomad
        .set_faults(rule(Matcher::new("PUT", "/v1/var/*"), failing));
    let ended = specs.apply().run();
    assert_ne!(ended.code, Some(0), "{ended}");
    assert!(specs.lab.job("app").is_none());
    specs.lab.release();
    specs.applied();
}

#[test]
fn a_token_that_may_not_write_variables_is_said_and_the_state_directory_remembers() {
    let specs = Specs::new();
    specs.service("app", "app:1", "").service("old", "o:1", "");
    let refused = Effect::Error {
        status: 403,
        body: "Permission denied".to_owned(),
    };
    specs
        .lab
        .nomad
        .set_faults(rule(Matcher::new("PUT", "/v1/var/*"), refused));
    let ended = specs.apply().run();
    ended
        .assert_code(0)
        .assert_says("warning: the inventory stands in")
        .assert_says("may not write variable");
    specs.assert_settled();
    specs.remove("old.yaml");
    let ended = specs.apply().arg("--prune").run();
    ended.assert_code(0);
    assert!(specs.lab.job("old").is_none(), "{ended}");
    assert!(specs.runs("app"));
}

#[test]
fn a_cluster_without_a_leader_is_asked_again() {
    let specs = Specs::new();
    specs.service("app", "app:1", "");
    let on = Matcher {
        count: Some(2),
        ..Matcher::new("GET", "/v1/jobs")
    };
    specs.lab.nomad.set_faults(rule(on, Effect::Stale));
    specs.applied();
}

#[test]
fn a_kill_at_any_write_is_repaired_by_the_same_command() {
    for nth in 0..6 {
        let specs = Specs::new();
        specs
            .service("db", "db:1", "")
            .service("app", "app:1", "dependsOn: [{name: db}]");
        let on = Matcher {
            skip: nth,
            count: Some(1),
            ..Matcher::new("write", "*")
        };
        specs.lab.nomad.set_faults(rule(on, Effect::Hang));
        let mut run = specs.apply().start();
        let before = |specs: &Specs| {
            specs
                .lab
                .nomad
                .requests()
                .iter()
                .filter(|request| request.is_write())
                .count()
        };
        run.until("the write hangs, or all is done", |_| {
            before(&specs) as u64 > nth || specs.lab.job("app").is_some()
        });
        run.signal("KILL");
        run.wait();
        specs.lab.release();
        specs.applied();
        assert_eq!(specs.version("db"), 0, "killed at write {nth}");
        assert_eq!(specs.version("app"), 0, "killed at write {nth}");
        specs.assert_settled();
        specs.remove("app.yaml");
        specs
            .apply()
            .args(["--prune", "--prune-limit", "1"])
            .run()
            .assert_code(0);
        assert!(specs.lab.job("app").is_none(), "killed at write {nth}");
    }
}

#[test]
fn a_cluster_that_cannot_be_reached_is_no_difference() {
    let specs = Specs::new();
    specs.service("app", "app:1", "");
    // A port that nobody but a privileged user could listen on.
    let nowhere = |command: &str| {
        let command = specs.on_folder(command);
        command.var("NOMAD_ADDR", "http://127.0.0.1:1")
    };
    for ended in [
        nowhere("plan").run(),
        nowhere("diff").run(),
        nowhere("apply").arg("--dry-run").run(),
    ] {
        ended
            .assert_code(2)
            .assert_says("cannot read the inventory: cannot reach Nomad")
            .assert_says("check NOMAD_ADDR");
    }
    nowhere("apply").run().assert_code(1);
}
