//! A world from its number: what is in it, what is done, and how much goes wrong meanwhile.

use std::fmt::Write as _;

use cs::simulator::Script;
use cs::simulator::world::Random;
use serde_json::{Value, json};

/// A command, with everything that it is given.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Command {
    /// `deploy-image`.
    Deploy {
        /// Which job of those that are dispatched.
        job: usize,
        image: Image,
        /// Number of the deployment, never the same.
        deployment: u64,
    },
    /// `destroy-job-pack`.
    Destroy { jobs: Vec<usize>, reason: String },
    /// `cs apply --prune` of one owner's files.
    Apply { owner: usize, files: Files },
}

/// What an image does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Image {
    /// It runs.
    Good(u64),
    /// It ends with an error at once.
    Bad(u64),
}

impl Image {
    pub(super) fn tag(self) -> String {
        match self {
            Self::Good(number) => format!("{number}"),
            Self::Bad(number) => format!("bad-{number}"),
        }
    }
}

/// The files of an owner.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Files {
    pub(super) documents: Vec<String>,
    /// Jobs that they describe and that may be ours: all but the one that belongs to somebody else.
    pub(super) jobs: Vec<String>,
    /// Some image of them is bad.
    pub(super) is_bad: bool,
    /// They claim a job that belongs to somebody else.
    pub(super) collides: bool,
}

/// How much goes wrong while a command runs.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Trouble {
    /// Of a hundred calls to Nomad.
    pub(super) nomad: u64,
    /// Of a hundred publishes.
    pub(super) sink: u64,
    /// Faults of one command; then nothing goes wrong any more.
    pub(super) most: u64,
    /// The process dies so often, each time at some call.
    pub(super) crashes: u64,
}

/// One command and what happens meanwhile.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Step {
    pub(super) command: Command,
    pub(super) trouble: Trouble,
}

/// A world.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Case {
    pub(super) seed: u64,
    pub(super) nodes: usize,
    /// Jobs that nobody here owns.
    pub(super) foreign: Vec<(String, String)>,
    pub(super) steps: Vec<Step>,
}

/// Owners of sets.
pub(super) const OWNERS: [&str; 2] = ["team-a", "team-b"];

/// Names of dispatched jobs: prefixes of each other, and of those of others.
pub(super) const DISPATCHED: [&str; 3] = ["shop", "shop-1", "shop-10"];

/// A job of somebody else that files of ours claim now and then.
pub(super) const CLAIMED: &str = "legacy";

/// Every name that a job of a command can have.
pub(super) fn names() -> impl Iterator<Item = String> {
    let of_sets = OWNERS.iter().flat_map(|owner| {
        let ends = (0..4)
            .map(|place| place.to_string())
            .chain(["before".to_owned(), "after".to_owned()]);
        ends.map(move |end| format!("{owner}-{end}"))
    });
    DISPATCHED
        .iter()
        .map(|name| (*name).to_owned())
        .chain([CLAIMED.to_owned()])
        .chain(of_sets)
}

/// A number below a bound.
pub(super) fn below(random: &mut Random, bound: u64) -> u64 {
    random.number() % bound.max(1)
}

impl Case {
    pub(super) fn roll(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let nodes = 1 + usize::try_from(below(&mut random, 3)).expect("few");
        let mut foreign = vec![("default".to_owned(), CLAIMED.to_owned())];
        for (namespace, id) in [
            ("default", "shop-100"),
            ("default", "sho"),
            ("team", "shop"),
            ("team", "team-a-0"),
            ("default", "team-a-00"),
        ] {
            if below(&mut random, 2) == 0 {
                foreign.push((namespace.to_owned(), id.to_owned()));
            }
        }
        let mut steps: Vec<Step> = (0..1 + below(&mut random, 4))
            .map(|number| step(&mut random, number))
            .collect();
        // The last word about each owner is one that can be had.
        for owner in 0..OWNERS.len() {
            let is_used = |step: &Step| matches!(&step.command, Command::Apply { owner: of, .. } if *of == owner);
            if steps.iter().any(is_used) {
                let files = files(&mut random, owner, 90, true);
                let command = Command::Apply { owner, files };
                let trouble = trouble(&mut random);
                steps.push(Step { command, trouble });
            }
        }
        Self {
            seed,
            nodes,
            foreign,
            steps,
        }
    }
}

fn step(random: &mut Random, number: u64) -> Step {
    let command = match below(random, 8) {
        0 => {
            let first = usize::try_from(below(random, 3)).expect("few");
            let several = below(random, 2) == 0;
            let jobs = if several {
                vec![first, (first + 1) % 3]
            } else {
                vec![first]
            };
            let reason = if below(random, 2) == 0 {
                "delete"
            } else {
                "pause"
            };
            Command::Destroy {
                jobs,
                reason: reason.to_owned(),
            }
        }
        1..=4 => {
            let job = usize::try_from(below(random, 3)).expect("few");
            let image = if below(random, 4) == 0 {
                Image::Bad(number)
            } else {
                Image::Good(below(random, 3))
            };
            Command::Deploy {
                job,
                image,
                deployment: number,
            }
        }
        _ => {
            let owner = usize::try_from(below(random, 2)).expect("few");
            let files = files(random, owner, number, false);
            Command::Apply { owner, files }
        }
    };
    let trouble = trouble(random);
    Step { command, trouble }
}

fn trouble(random: &mut Random) -> Trouble {
    if below(random, 8) == 0 {
        return Trouble::default();
    }
    let level =
        |random: &mut Random| [0, 5, 15, 35][usize::try_from(below(random, 4)).expect("few")];
    Trouble {
        nomad: level(random),
        sink: level(random),
        most: below(random, 14),
        crashes: [0, 0, 1, 1, 2, 3][usize::try_from(below(random, 6)).expect("few")],
    }
}

fn files(random: &mut Random, owner: usize, number: u64, is_last: bool) -> Files {
    let mut files = Files {
        documents: Vec::new(),
        jobs: Vec::new(),
        is_bad: false,
        collides: !is_last && below(random, 5) == 0,
    };
    let count = 1 + below(random, 4);
    for place in 0..count {
        let name = format!("{}-{place}", OWNERS[owner]);
        let is_bad = !is_last && below(random, 6) == 0;
        files.is_bad |= is_bad;
        let image = if is_bad {
            format!("app:bad-{number}")
        } else {
            format!("app:{}", below(random, 3))
        };
        let mut more = String::new();
        if place > 0 && below(random, 2) == 0 {
            writeln!(
                more,
                "dependsOn: [{{name: {}-{}}}]",
                OWNERS[owner],
                below(random, place)
            )
            .expect("a text");
        }
        if below(random, 4) == 0 {
            more.push_str("onFailure: revert\n");
        }
        let canary = u64::from(below(random, 4) == 0);
        files.documents.push(service(&name, &image, canary, &more));
        files.jobs.push(name);
    }
    for (phase, word) in [("pre", "before"), ("post", "after")] {
        if below(random, 4) == 0 {
            let name = format!("{}-{word}", OWNERS[owner]);
            files.documents.push(hook(&name, phase));
            files.jobs.push(name);
        }
    }
    if files.collides {
        files.documents.push(service(CLAIMED, "app:1", 0, ""));
    }
    files
}

fn service(name: &str, image: &str, canary: u64, more: &str) -> String {
    let more: String = more.lines().map(|line| format!("  {line}\n")).collect();
    let promotes = if canary > 0 {
        "autoPromote: true, "
    } else {
        ""
    };
    format!(
        "apiVersion: cloudstation.io/v1
kind: Workload
metadata: {{name: {name}}}
spec:
  source: {{image: 'example/{image}'}}
  service: {{provider: nomad}}
  rollout: {{canary: {canary}, {promotes}minHealthyTime: 1s, healthyDeadline: 10s, progressDeadline: 12s}}
  restart: {{attempts: 0, mode: fail}}
{more}"
    )
}

fn hook(name: &str, phase: &str) -> String {
    format!(
        "apiVersion: cloudstation.io/v1
kind: Workload
metadata: {{name: {name}}}
spec:
  type: batch
  source: {{image: 'example/hook:1'}}
  restart: {{attempts: 0, mode: fail}}
  hook: {{phase: {phase}}}
"
    )
}

/// Params as the platform would send them.
pub(super) fn deployment(job: usize, image: Image, deployment: u64) -> Value {
    let id = DISPATCHED[job];
    json!({
        "jobId": id, "deploymentId": format!("dep-{deployment}"), "deploymentJobId": deployment + 1,
        "serviceId": format!("img_{id}"), "projectId": "prj_shop", "ownerId": "team_shop",
        "imageName": "127.0.0.1:1/shop", "imageTag": image.tag(), "replicaCount": 1, "cpu": 50, "ram": 64,
        "networks": [{"portNumber": 8080, "portType": "http", "public": false}],
        "restartMode": "fail", "restartAttempts": 0,
        "update": {"minHealthyTime": "1s", "healthyDeadline": "5s", "progressDeadline": "6s", "canary": 0, "autoRevert": true},
    })
}

pub(super) fn destruction(jobs: &[usize], reason: &str) -> Value {
    let entry = |job: &usize| json!({"jobId": DISPATCHED[*job], "serviceId": format!("img_{}", DISPATCHED[*job])});
    json!({"jobs": jobs.iter().map(entry).collect::<Vec<_>>(), "reason": reason})
}

/// How images behave.
pub(super) fn workloads() -> Vec<Script> {
    let ends = |image: &str, exit_code| Script {
        image: image.to_owned(),
        run_for: Some("1s".to_owned()),
        exit_code: Some(exit_code),
        ..Script::default()
    };
    vec![ends("*:bad-*", 3), ends("example/hook:*", 0)]
}

/// A job that belongs to nobody here.
pub(super) fn foreign(id: &str) -> Value {
    json!({"ID": id, "Name": id, "Type": "service", "Datacenters": ["*"], "TaskGroups": [{
        "Name": "g", "Count": 1,
        "Tasks": [{"Name": "t", "Driver": "docker", "Config": {"image": "theirs:1"}, "Resources": {"CPU": 20, "MemoryMB": 16}}],
    }]})
}
