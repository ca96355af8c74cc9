//! Nomad away, slow, full, without a leader, or of another opinion.

use std::time::Duration;

use cs::secret::Secret;
use cs::simulator::{Effect, Faults, Matcher, Rule};

use super::lab::{FAILED, JOB, Lab, SUCCEEDED, image, rule};
use crate::support::ports::CLOSED_PORT;

fn all() -> Matcher {
    Matcher::new("", "/v1/*")
}

fn register() -> Matcher {
    Matcher::new("write", "/v1/jobs")
}

fn error(status: u16, body: &str) -> Effect {
    Effect::Error {
        status,
        body: body.to_owned(),
    }
}

#[test]
fn a_refused_port_ends_with_the_deadline_and_names_the_address_and_what_to_do() {
    let lab = Lab::new();
    let address = format!("http://127.0.0.1:{}", CLOSED_PORT);
    let ended = lab
        .deploy(&image())
        .var("NOMAD_ADDR", &address)
        .args(["--deadline", "1s"])
        .run();
    ended
        .assert_code(4)
        .assert_says("cannot reach Nomad")
        .assert_says(&address)
        .assert_says("NOMAD_ADDR");
    let last = ended
        .stderr
        .lines()
        .skip_while(|line| !line.starts_with("error: "));
    let last = last.collect::<Vec<_>>().join("\n");
    assert!(
        last.contains(&address),
        "the end does not name the address\n{ended}"
    );
    assert_eq!(ended.subjects(), FAILED);
    assert!(ended.took < Duration::from_secs(5), "{ended}");
}

#[test]
fn nomad_that_comes_back_inside_the_deadline_is_waited_for() {
    for effect in [
        Effect::TooManyConnections,
        error(500, "No cluster leader"),
        error(502, "bad gateway"),
        error(503, "unavailable"),
        error(
            429,
            "Your IP is issuing too many concurrent connections, please rate limit your calls",
        ),
        Effect::NotReady,
        Effect::Reset,
        Effect::ResetMidBody,
    ] {
        let lab = Lab::with_faults(rule(all().times(2), effect.clone()));
        let ended = lab.deploy(&image()).run();
        assert_eq!(ended.code, Some(0), "{effect:?}\n{ended}");
        ended.assert_says("trying again");
        assert_eq!(ended.subjects(), SUCCEEDED);
        assert_eq!(lab.registrations(), 1, "{effect:?}");
    }
}

#[test]
fn a_lasting_outage_ends_with_the_deadline_and_names_the_reason() {
    for (effect, says) in [
        (error(500, "No cluster leader"), "no leader"),
        (Effect::TooManyConnections, "Nomad answers ("),
        (
            error(429, "Your IP is issuing too many concurrent connections"),
            "no room for another connection",
        ),
        (Effect::Reset, "connection"),
    ] {
        let lab = Lab::with_faults(rule(all(), effect.clone()));
        let ended = lab.deploy(&image()).args(["--deadline", "800ms"]).run();
        assert_eq!(ended.code, Some(4), "{effect:?}\n{ended}");
        let last = ended
            .stderr
            .lines()
            .find(|line| line.starts_with("error: "));
        let last = last.expect("an error");
        assert!(
            last.contains(says) && last.contains(&lab.nomad.url),
            "{ended}"
        );
        assert_eq!(ended.subjects(), FAILED);
    }
}

#[test]
fn slow_answers_are_waited_for() {
    let lab = Lab::with_faults(rule(
        all(),
        Effect::Latency {
            wait: "150ms".to_owned(),
        },
    ));
    lab.deploy(&image()).run().assert_code(0);
}

#[test]
fn an_answer_that_never_comes_ends_with_the_deadline() {
    let lab = Lab::with_faults(rule(all(), Effect::Hang));
    let ended = lab.deploy(&image()).args(["--deadline", "1s"]).run();
    ended
        .assert_code(4)
        .assert_says(&format!("until Nomad at {} answers", lab.nomad.url));
    assert_eq!(ended.subjects(), FAILED);
    assert!(ended.took < Duration::from_secs(5), "{ended}");
}

#[test]
fn a_wrong_token_stalls_at_once() {
    let lab = Lab::with_options(|options| options.token = Some(Secret::new("the-right-token")));
    let ended = lab
        .deploy(&image())
        .var("NOMAD_TOKEN", "canary-wrong-token")
        .run();
    ended
        .assert_code(1)
        .assert_says("Nomad does not allow")
        .assert_says(&lab.nomad.url)
        .assert_says("NOMAD_TOKEN")
        .assert_hides("canary-wrong-token");
    assert_eq!(ended.subjects(), FAILED);
    assert!(ended.took < Duration::from_secs(10), "{ended}");
}

#[test]
fn a_token_that_may_read_and_not_write_stalls_at_once() {
    let lab = Lab::with_faults(rule(register(), Effect::Forbidden));
    let ended = lab.deploy(&image()).run();
    ended
        .assert_code(1)
        .assert_says("Nomad does not allow to register");
    assert_eq!(ended.subjects(), FAILED);
}

#[test]
fn an_unknown_namespace_stalls_and_is_named() {
    let lab = Lab::new();
    let ended = lab.deploy(&image()).var("NOMAD_NAMESPACE", "nowhere").run();
    ended
        .assert_code(1)
        .assert_says("the namespace does not exist")
        .assert_says("nowhere");
    assert_eq!(ended.subjects(), FAILED);
}

#[test]
fn jobs_land_in_the_namespace_of_the_environment() {
    let lab = Lab::with_options(|options| options.namespaces = vec!["team".to_owned()]);
    lab.deploy(&image())
        .var("NOMAD_NAMESPACE", "team")
        .run()
        .assert_code(0);
    assert_eq!(lab.job(JOB), None);
    assert!(lab.get("/v1/job/shop?namespace=team").is_some());
}

#[test]
fn an_unknown_node_pool_stalls_and_is_named() {
    let lab = Lab::new();
    let mut params = image();
    params["node_pool"] = "nowhere".into();
    let ended = lab.deploy(&params).run();
    ended
        .assert_code(1)
        .assert_says("node pool")
        .assert_says("nowhere");
}

#[test]
fn a_job_that_somebody_changes_meanwhile_is_looked_at_again() {
    let lab = Lab::new();
    lab.deploy(&image()).run().assert_code(0);
    lab.nomad
        .set_faults(rule(register().times(2), Effect::Conflict));
    let ended = lab.deploy(&super::lab::next_image("1.1")).run();
    ended.assert_code(0).assert_says("looking again");
    let image = &lab.job(JOB).unwrap()["TaskGroups"][0]["Tasks"][0]["Config"]["image"];
    assert!(image.as_str().unwrap().ends_with(":1.1"), "{image}");
}

#[test]
fn a_job_that_somebody_keeps_changing_ends_with_8() {
    let lab = Lab::new();
    lab.deploy(&image()).run().assert_code(0);
    lab.nomad.set_faults(rule(register(), Effect::Conflict));
    let ended = lab.deploy(&super::lab::next_image("1.1")).run();
    ended
        .assert_code(8)
        .assert_says(JOB)
        .assert_says("help: see who else writes this job");
}

#[test]
fn a_reply_that_was_lost_is_found_out_and_nothing_is_written_twice() {
    let lab = Lab::with_faults(rule(register().times(1), Effect::DropReply));
    let ended = lab.deploy(&image()).run();
    ended.assert_code(0);
    assert_eq!(ended.subjects(), SUCCEEDED);
    assert_eq!(lab.job(JOB).unwrap()["Version"], 0);
    let registers = lab.nomad.writes();
    let registers = registers.iter().filter(|write| write.path == "/v1/jobs");
    assert_eq!(registers.count(), 1);
}

#[test]
fn a_stream_that_breaks_off_or_says_nothing_is_only_a_hint() {
    for effect in [
        Effect::TruncateStream { lines: 1 },
        Effect::SilentStream,
        Effect::Forbidden,
        Effect::Reset,
    ] {
        let lab = Lab::with_faults(Faults {
            rules: vec![Rule::new(
                Matcher::new("GET", "/v1/event/stream"),
                effect.clone(),
            )],
            ..Faults::default()
        });
        let ended = lab.deploy(&image()).run();
        assert_eq!(ended.code, Some(0), "{effect:?}\n{ended}");
        assert!(ended.took < Duration::from_secs(20), "{effect:?}\n{ended}");
    }
}

#[test]
fn what_is_not_nomad_is_named() {
    let lab = Lab::with_faults(rule(all(), error(404, "<html>not here</html>")));
    let ended = lab.deploy(&image()).args(["--deadline", "2s"]).run();
    assert!(matches!(ended.code, Some(1 | 4)), "{ended}");
    ended.assert_says(&lab.nomad.url);
}

#[test]
fn nomads_refusal_is_passed_on() {
    let lab = Lab::with_faults(rule(
        register(),
        error(500, "1 error occurred:\n\t* Task group shop is nonsense"),
    ));
    let ended = lab.deploy(&image()).run();
    ended
        .assert_code(1)
        .assert_says("Task group shop is nonsense");
    assert_eq!(ended.subjects(), FAILED);
}
