//! `cs logs -f`.

use std::time::Duration;

use cs::simulator::{Effect, Faults, Matcher, Rule};
use serde_json::{Value, json};

use super::cut::Cut;
use super::jobs::{SECOND, batch, service, with};
use super::stage::Stage;

/// A task that is restarted for ever, and speaks each time.
fn talkative(id: &str) -> Value {
    let policy =
        json!({"Attempts": 1000, "Interval": 3600 * SECOND, "Delay": SECOND, "Mode": "delay"});
    with(
        service(id, "crash:1", 1),
        "/TaskGroups/0/RestartPolicy",
        policy,
    )
}

fn count(text: &str, part: &str) -> usize {
    text.matches(part).count()
}

#[test]
fn what_is_written_is_shown_until_an_interruption_which_is_no_failure() {
    let stage = Stage::new();
    stage.register(&talkative("shop"));
    stage.until("/v1/job/shop/allocations", |found| {
        found[0]["TaskStates"]["app"]["Restarts"].as_u64() > Some(0)
    });
    let mut follow = stage.cs("logs shop -f --stderr --tail 1").start();
    follow.until("several lines", |it| {
        count(&it.stdout(), "fatal: no database") > 3
    });
    let id = &stage
        .allocations("shop", "running")
        .into_iter()
        .chain(stage.allocations("shop", "pending"))
        .next()
        .unwrap()[..8];
    assert!(
        follow
            .stdout()
            .starts_with(&format!("{id} app ! fatal: no database\n")),
        "{}",
        follow.stdout()
    );
    follow.signal("INT");
    follow.wait().assert_code(0);
}

#[test]
fn an_allocation_that_takes_the_place_of_another_is_followed_too() {
    let stage = Stage::new();
    stage.rolled_out(&service("shop", "talk:1", 1));
    let first = stage.allocations("shop", "running")[0].clone();
    let mut follow = stage.cs("logs shop -f --stdout").start();
    follow.until("the first log", |it| it.stdout().contains("line 4"));
    stage.put(&format!("/v1/allocation/{first}/stop"));
    follow.until("the second log", |it| count(&it.stdout(), "line 4") == 2);
    follow.until("the note", |it| {
        it.stderr().contains("following allocation ")
    });
    let shown = follow.stdout();
    assert_eq!(count(&shown, "line 1"), 2, "{shown}");
    let second = stage.allocations("shop", "running")[0].clone();
    assert_eq!(
        count(&shown, &format!("{} app | ", &second[..8])),
        4,
        "{shown}"
    );
    follow.signal("TERM");
    follow.wait().assert_code(0);
}

#[test]
fn it_ends_by_itself_with_the_job() {
    let stage = Stage::new();
    stage.rolled_out(&service("shop", "talk:1", 1));
    let mut follow = stage.cs("logs shop -f").start();
    follow.until("the log", |it| it.stdout().contains("oops"));
    stage.delete("/v1/job/shop");
    let ended = follow.wait();
    ended.assert_code(0).assert_says("shop has ended");
    assert_eq!(count(&ended.stdout, "line "), 4, "{ended}");

    stage.hold();
    stage.register(&batch("import", "crash:1"));
    let mut follow = stage.cs("logs import -f").start();
    follow.until("the wait", |_| {
        let requests = stage.lab.nomad.requests();
        requests
            .iter()
            .any(|it| it.path == "/v1/job/import/allocations" && it.query.contains("index="))
    });
    stage.set_faults(Faults::default());
    let ended = follow.wait();
    ended.assert_code(0);
    assert_eq!(count(&ended.stdout, "fatal: no database"), 1, "{ended}");

    let ended = stage.cs("logs import -f").run();
    ended.assert_code(0).assert_says("nothing of import runs");
    assert_eq!(count(&ended.stdout, "fatal: no database"), 1, "{ended}");
}

#[test]
fn a_purge_ends_it_quietly() {
    let stage = Stage::new();
    stage.rolled_out(&service("shop", "talk:1", 1));
    let mut follow = stage.cs("logs shop -f").start();
    follow.until("the log", |it| it.stdout().contains("oops"));
    stage.delete("/v1/job/shop?purge=true");
    follow.wait().assert_code(0).assert_says("shop was purged");
}

#[test]
fn a_node_that_is_away_for_a_moment_loses_no_line_and_repeats_none() {
    let stage = Stage::new();
    stage.rolled_out(&service("shop", "talk:1", 1));
    // What there is already is read, then the node is away twice.
    let away = Rule::new(
        Matcher {
            skip: 1,
            ..Matcher::new("GET", "/v1/client/fs/logs/*").times(2)
        },
        Effect::Error {
            status: 500,
            body: "No path to node".to_owned(),
        },
    );
    stage.set_faults(Faults {
        rules: vec![away],
        ..Faults::default()
    });
    let mut follow = stage.cs("logs shop -f --stdout").start();
    follow.until("the trouble", |it| {
        it.stderr().contains("No path to node; trying again")
    });
    let first = stage.allocations("shop", "running")[0].clone();
    follow.until("the log is open again", |_| {
        let requests = stage.lab.nomad.requests();
        requests.iter().any(|it| {
            it.path.ends_with(&first) && it.query.contains("follow=true") && it.status == 200
        })
    });
    stage.put(&format!("/v1/allocation/{first}/stop"));
    follow.until("the next allocation", |it| {
        count(&it.stdout(), "line 4") == 2
    });
    let shown = follow.stdout();
    assert_eq!(
        count(&shown, &format!("{} app | ", &first[..8])),
        4,
        "{shown}"
    );
    follow.signal("INT");
    let ended = follow.wait();
    ended.assert_code(0);
    assert!(ended.took < Duration::from_secs(45), "{ended}");
}

#[test]
fn a_connection_that_breaks_again_and_again_loses_no_line_and_repeats_none() {
    let stage = Stage::new();
    stage.register(&talkative("shop"));
    stage.until("/v1/job/shop/allocations", |found| {
        found[0]["ClientStatus"] == "running"
    });
    let way = Cut::start(stage.lab.nomad.addr, 900);
    let line = "logs shop -f --tail all --stderr --prefix never";
    let mut follow = stage.cs(line).var("NOMAD_ADDR", way.url()).start();
    follow.until("it broke three times", |_| way.cuts() >= 3);
    let before = count(&follow.stdout(), "fatal");
    follow.until("it goes on", |it| count(&it.stdout(), "fatal") > before);
    stage.delete("/v1/job/shop");
    let ended = follow.wait();
    ended.assert_code(0).assert_says("trying again");
    let whole = stage.cs("logs shop --stderr").run();
    assert_eq!(ended.stdout, whole.stdout);
}

#[test]
fn one_allocation_that_was_named_ends_it_with_its_own_end() {
    let stage = Stage::new();
    stage.rolled_out(&service("shop", "talk:1", 2));
    let first = stage.allocations("shop", "running")[0].clone();
    let mut follow = stage
        .cs(&format!("logs shop -f --stderr --alloc {}", &first[..8]))
        .start();
    follow.until("the log", |it| it.stdout() == "oops\n");
    stage.put(&format!("/v1/allocation/{first}/stop"));
    let ended = follow.wait();
    ended.assert_code(0);
    assert_eq!(ended.stdout, "oops\n");
}

#[test]
fn more_logs_than_connections_are_refused() {
    let stage = Stage::with(|options| {
        options.nodes = cs::simulator::Options::default().with_nodes(6).nodes
    });
    let mut job = service("shop", "talk:1", 30);
    job["Update"]["MaxParallel"] = json!(30);
    stage.rolled_out(&job);
    let ended = stage.cs("logs shop -f").run();
    ended
        .assert_code(2)
        .assert_says("60 logs are more than the 40")
        .assert_says("--stderr");
}
