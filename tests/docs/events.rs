//! docs/events.md shows every event exactly as the code writes it.

use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cs::bridge::api::RolloutState;
use cs::bridge::event::BridgeEvent;
use cs::bridge::status::DeploymentStatus;
use cs::events::{
    Announcer, AnnouncerConfig, DeploymentKind, DeploymentOutcome, Event, LogEnd, LogIdentity,
    LogLimits, LogStream, Phase, Subject, SubjectPrefix,
};

use super::markdown::Page;

/// Every event of a run. A new variant does not compile until it stands here, in [`event_name`] and on the page.
const EVENTS: [&str; 5] = ["started", "succeeded", "failed", "destroyed", "log-end"];

/// Every event of the bridge.
const BRIDGE_EVENTS: [&str; 4] = ["status", "run-start", "run-failure", "rollout"];

fn event_name(event: &Event) -> &'static str {
    match event {
        Event::DeploymentStarted { .. } => EVENTS[0],
        Event::DeploymentSucceeded(_) => EVENTS[1],
        Event::DeploymentFailed(_) => EVENTS[2],
        Event::JobDestroyed { .. } => EVENTS[3],
        Event::BuildLogEnd { .. } => EVENTS[4],
    }
}

fn bridge_event_name(event: &BridgeEvent) -> &'static str {
    match event {
        BridgeEvent::StatusUpdate { .. } => BRIDGE_EVENTS[0],
        BridgeEvent::RunStart { .. } => BRIDGE_EVENTS[1],
        BridgeEvent::RunFailure { .. } => BRIDGE_EVENTS[2],
        BridgeEvent::RolloutUpdate { .. } => BRIDGE_EVENTS[3],
    }
}

fn prefix() -> SubjectPrefix {
    "cs".parse().expect("a prefix")
}

fn outcome(deployment: &str) -> DeploymentOutcome {
    DeploymentOutcome {
        job_id: 4711,
        kind: DeploymentKind::Image,
        deployment_id: deployment.to_owned(),
        service_id: "img_shop".to_owned(),
        team_id: "team_7".to_owned(),
        user_id: 42,
        owner_id: "3694".to_owned(),
    }
}

fn events() -> Vec<Event> {
    let deployment_id: cs::ids::DeploymentId = "dep_1".parse().expect("an id");
    vec![
        Event::DeploymentStarted {
            deployment_id: "dep_1".to_owned(),
            job_id: 4711,
        },
        Event::DeploymentSucceeded(outcome("dep_1")),
        Event::DeploymentFailed(DeploymentOutcome {
            kind: DeploymentKind::GitRepo,
            team_id: String::new(),
            user_id: 0,
            ..outcome("dep_2")
        }),
        Event::BuildLogEnd {
            deployment_id,
            job_id: 4711,
            status: LogEnd::Success,
        },
        Event::JobDestroyed {
            service_id: "img_shop".to_owned(),
            reason: "delete".to_owned(),
            occasion: "shop@41".to_owned(),
        },
    ]
}

fn bridge_events() -> Vec<BridgeEvent> {
    let deployment_id = "b0b8f265-edba-44e7-aa90-167246463cbc".to_owned();
    let job_id = "job-fd8e3d7b-98cf-401b-90bb-0aff8bed6f4e".to_owned();
    let run_id = "3acfac72-2bb4-4e9d-b625-fd54ce7610e1".to_owned();
    vec![
        BridgeEvent::RunStart {
            deployment_id: deployment_id.clone(),
            status: DeploymentStatus::Running,
            job_id: job_id.clone(),
            run_id: run_id.clone(),
        },
        BridgeEvent::RunFailure {
            deployment_id: deployment_id.clone(),
            status: DeploymentStatus::Pending,
            job_id: job_id.clone(),
            run_id,
            code: "jenkins-no-such-job".to_owned(),
            message: "there is no job team/shop".to_owned(),
        },
        BridgeEvent::StatusUpdate {
            deployment_id: deployment_id.clone(),
            status: DeploymentStatus::Completed,
            job_id: job_id.clone(),
            build_number: "7".to_owned(),
        },
        BridgeEvent::RolloutUpdate {
            deployment_id,
            job_id,
            build_number: "7".to_owned(),
            state: RolloutState::Converged,
            outcome: Some("converged".to_owned()),
            message: Some("converged and healthy".to_owned()),
        },
    ]
}

/// Takes the lines that a run without NATS prints.
#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// What a run without NATS prints for all of them, a line of a log among them.
async fn lines() -> Vec<String> {
    let out = Captured::default();
    let time: jiff::Timestamp = "2026-03-01T12:00:00Z".parse().expect("a time");
    let announcer = Announcer::start(AnnouncerConfig {
        nats: None,
        prefix: prefix(),
        state_dir: None,
        stdout: Box::new(out.clone()),
        clock: Arc::new(move || time),
        log_limits: LogLimits::default(),
    });
    let log = announcer.build_log(&LogIdentity {
        deployment_id: "dep_1".parse().expect("an id"),
        job_id: 4711,
        service_id: "img_shop".to_owned(),
        owner_id: "3694".to_owned(),
    });
    log.write(Phase::Deploy, LogStream::Stdout, b"registered job shop\n")
        .await;
    for event in events() {
        announcer.announce(event).await;
    }
    let delivery = announcer.finish(Duration::from_secs(20)).await;
    assert_eq!(delivery.pending, []);
    let bytes = out.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let text = String::from_utf8(bytes).expect("lines are text");
    text.lines().map(str::to_owned).collect()
}

#[test]
fn there_is_an_example_of_every_event() {
    let events = events();
    let mut shown: Vec<&str> = events.iter().map(event_name).collect();
    shown.sort_unstable();
    let mut all = EVENTS.to_vec();
    all.sort_unstable();
    assert_eq!(shown, all);
    let events = bridge_events();
    let mut shown: Vec<&str> = events.iter().map(bridge_event_name).collect();
    shown.sort_unstable();
    let mut all = BRIDGE_EVENTS.to_vec();
    all.sort_unstable();
    assert_eq!(shown, all);
}

#[tokio::test]
async fn the_page_shows_what_is_written() {
    let page = Page::read("docs/events.md");
    let blocks: Vec<&str> = page
        .blocks
        .iter()
        .filter(|block| block.language == "json")
        .map(|block| block.text.trim_end())
        .collect();
    let mut missing = Vec::new();
    let lines = lines().await;
    assert_eq!(lines.len(), EVENTS.len() + 1, "{lines:#?}");
    for line in lines {
        if !blocks.contains(&line.as_str()) {
            missing.push(line);
        }
    }
    for event in bridge_events() {
        let subject = Subject::cicd(&prefix(), event.name());
        let payload = event.payload();
        if !blocks.contains(&payload.as_str()) {
            missing.push(format!("{subject}: {payload}"));
        }
        if !page.text.contains(&format!("`{subject}`")) {
            missing.push(format!("the subject `{subject}`"));
        }
    }
    assert!(
        missing.is_empty(),
        "docs/events.md does not show\n{}",
        missing.join("\n")
    );
}
