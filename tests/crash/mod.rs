//! The real binary, killed with SIGKILL at every step boundary and started again with the same command.
//!
//! A process that talks to the world through sockets alone dies, as far as the world can tell, between two messages. So
//! a proxy in front of each server stops at the n-th message in either direction, the process is killed there, and the
//! same command is run again; n counts up until a run ends before it. The world then has to look as if nothing had
//! happened, and the stream has to hold each event once and in order.

pub(crate) mod proxy;
mod stage;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use futures::future::join_all;
use serde_json::Value;

use self::proxy::{Trap, Way};
use self::stage::{Ended, Picture, Scene, Server, Stage, earlier_job};
use crate::support::nats::NatsServer;

/// What a stream remembers of message ids in production, by default.
const LONG: Duration = Duration::from_secs(120);
/// The least that NATS takes: the ledger alone has to keep events from being sent twice.
const SHORT: Duration = Duration::from_millis(100);

/// How many worlds exist at once in one test.
const WORKERS: usize = 4;
/// More boundaries than any run has.
const MOST: usize = 400;

/// What is the same for all crashes of one test.
struct Sweep {
    scene: Scene,
    nats: NatsServer,
    earlier: Value,
    /// What an undisturbed run leaves behind.
    expected: Picture,
    window: Duration,
}

/// Where a process died.
#[derive(Debug, Clone, Copy)]
struct Boundary {
    server: Server,
    trap: Trap,
}

impl Sweep {
    /// Runs the scene undisturbed.
    async fn begin(scene: Scene, window: Duration) -> Self {
        let nats = NatsServer::start().await;
        let earlier = earlier_job().await;
        let stage = Stage::set(scene, &earlier, &nats, window).await;
        assert_eq!(
            stage.run().await,
            Ended::Exited(scene.code()),
            "{}",
            stage.log()
        );
        let expected = stage.settled().await;
        assert_eq!(expected.ours, usize::from(scene != Scene::Destroy));
        assert_events(&stage, scene, "an undisturbed run").await;
        stage.clear().await;
        Self {
            scene,
            nats,
            earlier,
            expected,
            window,
        }
    }

    async fn stage(&self) -> Stage<'_> {
        Stage::set(self.scene, &self.earlier, &self.nats, self.window).await
    }

    /// Dies at each boundary of one server in one direction. Returns how many there were.
    async fn every(&self, server: Server, way: Way) -> usize {
        let (next, reached) = (AtomicUsize::new(1), AtomicUsize::new(0));
        let over = AtomicBool::new(false);
        let worker = || async {
            while !over.load(Ordering::Relaxed) {
                let at = next.fetch_add(1, Ordering::Relaxed);
                assert!(at < MOST, "a run with {MOST} boundaries does not end");
                let trap = Trap { way, at };
                if self.dies_and_repeats(Boundary { server, trap }).await {
                    reached.fetch_max(at, Ordering::Relaxed);
                } else {
                    over.store(true, Ordering::Relaxed);
                }
            }
        };
        join_all((0..WORKERS).map(|_| worker())).await;
        reached.into_inner()
    }

    /// Kills a run at a boundary and repeats it. False: the run ended before it got there.
    async fn dies_and_repeats(&self, boundary: Boundary) -> bool {
        let stage = self.stage().await;
        let first = stage.run_into(boundary.server, boundary.trap).await;
        let last = match first {
            Ended::Killed => stage.run().await,
            Ended::Exited(_) => first,
        };
        let at = format!("{boundary:?}, {first:?}");
        assert_eq!(
            last,
            Ended::Exited(self.scene.code()),
            "{at}\n{}",
            stage.log()
        );
        if let Err(seen) = stage.settles_as(&self.expected).await {
            assert_eq!(*seen, self.expected, "{at}\n{}", stage.log());
        }
        if self.window == LONG || boundary.trap.way == Way::Out {
            assert_events(&stage, self.scene, &at).await;
        } else {
            assert_at_most_one_twice(&stage, self.scene, &at).await;
        }
        stage.clear().await;
        first == Ended::Killed
    }

    /// Dies at every boundary of every server.
    async fn everywhere(&self) {
        for server in [Server::Nomad, Server::Nats, Server::Backend] {
            for way in [Way::Out, Way::Back] {
                let count = self.every(server, way).await;
                // Destroying a job tells the backend nothing.
                let is_silent = self.scene == Scene::Destroy && server == Server::Backend;
                assert_eq!(
                    count == 0,
                    is_silent,
                    "{server:?} {way:?}: {count} boundaries"
                );
            }
        }
    }
}

/// What is no log line.
fn events(subjects: &[String]) -> Vec<&str> {
    subjects
        .iter()
        .map(String::as_str)
        .filter(|subject| {
            !subject.starts_with("build.log.") || subject.starts_with("build.log.end.")
        })
        .collect()
}

/// Each event is there once and in order, and no log line follows the end of the log.
async fn assert_events(stage: &Stage<'_>, scene: Scene, at: &str) {
    let subjects = stage.subjects().await;
    assert_eq!(events(&subjects), scene.subjects(), "{at}\n{}", stage.log());
    assert_eq!(
        subjects.last().map(String::as_str),
        scene.subjects().last().copied(),
        "{at}: a line follows the end of the log\n{}",
        stage.log()
    );
}

/// Between the acknowledgement and its line in the ledger a death is forgotten: the one event it concerns is sent again.
/// Only a stream that remembers its id tells the two apart.
async fn assert_at_most_one_twice(stage: &Stage<'_>, scene: Scene, at: &str) {
    let subjects = stage.subjects().await;
    let seen = events(&subjects);
    let mut once = seen.clone();
    once.dedup();
    assert_eq!(once, scene.subjects(), "{at}\n{}", stage.log());
    assert!(seen.len() <= once.len() + 1, "{at}: {seen:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_first_deployment_survives_a_kill_at_every_boundary() {
    Sweep::begin(Scene::New, LONG).await.everywhere().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_update_survives_a_kill_at_every_boundary() {
    Sweep::begin(Scene::Update, LONG).await.everywhere().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broken_image_that_is_rolled_back_survives_a_kill_at_every_boundary() {
    Sweep::begin(Scene::Broken, LONG).await.everywhere().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_destroy_survives_a_kill_at_every_boundary() {
    Sweep::begin(Scene::Destroy, LONG).await.everywhere().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_ledger_alone_keeps_events_from_being_sent_twice() {
    let sweep = Sweep::begin(Scene::New, SHORT).await;
    for way in [Way::Out, Way::Back] {
        assert!(sweep.every(Server::Nats, way).await > 3);
    }
}

/// Both run the same command on the same state directory; one dies somewhere, the other one has to do all of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_runs_of_one_dispatch_the_survivor_finishes() {
    let sweep = Sweep::begin(Scene::Update, LONG).await;
    let places = [
        (Server::Nomad, 12),
        (Server::Nats, 20),
        (Server::Backend, 6),
    ];
    let cases = places.iter().flat_map(|&(server, most)| {
        (1..=most)
            .step_by(2)
            .flat_map(move |at| [Way::Out, Way::Back].map(|way| (server, Trap { way, at })))
    });
    let cases: Vec<_> = cases.collect();
    let next = AtomicUsize::new(0);
    let worker = || async {
        while let Some((server, trap)) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
            let stage = sweep.stage().await;
            let at = format!("{server:?} {trap:?}");
            // Whoever comes to the boundary first hangs there; the trap is gone once that one is dead.
            let (first, second) = tokio::join!(stage.run_into(*server, *trap), stage.run());
            let code = Ended::Exited(sweep.scene.code());
            assert!(
                first == code || first == Ended::Killed,
                "{at}: {first:?}\n{}",
                stage.log()
            );
            assert_eq!(second, code, "{at}, {first:?}\n{}", stage.log());
            if let Err(seen) = stage.settles_as(&sweep.expected).await {
                assert_eq!(*seen, sweep.expected, "{at}\n{}", stage.log());
            }
            let subjects = stage.subjects().await;
            assert_eq!(
                events(&subjects),
                sweep.scene.subjects(),
                "{at}, {first:?}\n{}",
                stage.log()
            );
            stage.clear().await;
        }
    };
    join_all((0..WORKERS).map(|_| worker())).await;
}
