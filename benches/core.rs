//! Speed of the pure part: params, spec, job, drift, plan, fast path.
//!
//! `cargo bench --bench core`; with `-- --test` every body runs once. What whole processes take is measured by
//! `benches/process.rs`.

use std::fmt::Write as _;
use std::hint::black_box;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use cs::clients::nomad::canonical::canonicalize;
use cs::clients::nomad::types::{JobRecord, JobStub};
use cs::compile::compile;
use cs::desired::{Desired, Digest, Options, validate};
use cs::dispatch::params::DeployParams;
use cs::dispatch::{ConvertOptions, Params, Task, convert, params};
use cs::ids::{JobKey, ModifyIndex};
use cs::inventory::{Entry, Inventory, State};
use cs::reconcile::diff::{DiffOptions, diff};
use cs::reconcile::fast::{Verdict, Wanted, verdicts};
use cs::reconcile::plan::{Action, Goal, Guard, Memory, Next, Plan, RunGoal, plan};
use cs::reconcile::{Activity, Observed, Seen};
use cs::spec::parse::parse;
use cs::spec::{Kind, Workload};
use serde_json::{Value, json};

/// A public web service as the platform sends it: 1.9 KB.
const PARAMS: &str = include_str!("../tests/fixtures/golden/image-typical/params.json");
/// A spec of 41 lines.
const SPEC: &str = include_str!("../specs/web.yaml");

fn deploy_params(text: &[u8]) -> DeployParams {
    match params::parse(Task::DeployImage, text).expect("a golden case") {
        Params::Deploy(params) => *params,
        Params::Destroy(_) => unreachable!("the task deploys"),
    }
}

fn workload() -> Workload {
    let params = deploy_params(PARAMS.as_bytes());
    let converted = convert(&params, &ConvertOptions::default()).expect("a golden case");
    converted.workload
}

fn options() -> Options {
    Options::new("bench".parse().expect("a valid owner"))
}

fn desired() -> Desired {
    validate(&workload(), &options()).expect("a golden case")
}

/// The job as Nomad would return it: every default filled in, indexes added.
fn stored(job: &Value) -> Value {
    let mut stored = job.clone();
    canonicalize(&mut stored, "global");
    let members = stored.as_object_mut().expect("a job is an object");
    for (member, value) in [
        ("Version", json!(3)),
        ("Stop", json!(false)),
        ("Stable", json!(true)),
        ("Status", json!("running")),
        ("CreateIndex", json!(100)),
        ("ModifyIndex", json!(205)),
        ("JobModifyIndex", json!(200)),
    ] {
        members.insert(member.to_owned(), value);
    }
    stored
}

/// A job and what is stored of it; different for every number.
fn pair(number: usize) -> (Value, Value) {
    let mut desired = desired();
    desired.id = format!("cst-docs-{number:06}").parse().expect("a valid id");
    desired.image = format!("ghcr.io/acme/docs:v{number}");
    let job = compile(&desired).to_value();
    let stored = stored(&job);
    (job, stored)
}

fn parsing(c: &mut Criterion) {
    let encoded = STANDARD.encode(PARAMS);
    let mut group = c.benchmark_group("params");
    for (name, text) in [("raw", PARAMS), ("base64", &encoded)] {
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_function(name, |b| {
            b.iter(|| params::parse(Task::DeployImage, black_box(text.as_bytes())));
        });
    }
    group.finish();

    let many = documents(1_000);
    let mut group = c.benchmark_group("yaml parse and validate");
    group.throughput(Throughput::Elements(1));
    group.bench_function("specs/web.yaml", |b| {
        b.iter(|| parsed_and_validated(black_box(SPEC)));
    });
    group
        .sample_size(10)
        .throughput(Throughput::Elements(1_000));
    group.bench_function("1000 documents in one file", |b| {
        b.iter(|| parsed_and_validated(black_box(&many)));
    });
    group.finish();
}

/// A file of that many specs, each with its own name.
fn documents(count: usize) -> String {
    let mut text = String::new();
    for number in 0..count {
        let spec = SPEC.replace("name: shop\n", &format!("name: shop-{number}\n"));
        write!(text, "---\n{spec}").expect("a String takes every write");
    }
    text
}

fn parsed_and_validated(text: &str) -> Vec<Desired> {
    let documents = parse("bench.yaml", text).expect("valid specs");
    documents
        .iter()
        .map(|document| validate(document.workload().unwrap(), &options()).expect("valid specs"))
        .collect()
}

fn compiling(c: &mut Criterion) {
    let params = deploy_params(PARAMS.as_bytes());
    let (workload, desired) = (workload(), desired());
    let job = compile(&desired);
    let value = job.to_value();
    let mut group = c.benchmark_group("job");
    group.bench_function("convert and validate", |b| {
        b.iter(|| {
            let converted = convert(black_box(&params), &ConvertOptions::default());
            validate(&converted.expect("a golden case").workload, &options())
        });
    });
    group.bench_function("validate", |b| {
        b.iter(|| validate(black_box(&workload), &options()));
    });
    group.bench_function("digest", |b| b.iter(|| black_box(&desired).digest()));
    group.bench_function("compile", |b| b.iter(|| compile(black_box(&desired))));
    group.bench_function("to_value", |b| b.iter(|| black_box(&job).to_value()));
    group.bench_function("canonicalize", |b| {
        let canonical = |mut job: Value| {
            canonicalize(&mut job, "global");
            job
        };
        b.iter_batched(|| value.clone(), canonical, BatchSize::SmallInput);
    });
    group.finish();
}

fn comparing(c: &mut Criterion) {
    let (job, same) = pair(1);
    let (_, other) = pair(2);
    let options = DiffOptions::default();
    assert!(diff(&job, &same, &options).is_empty());
    assert!(!diff(&job, &other, &options).is_empty());
    let mut group = c.benchmark_group("diff");
    for (name, observed) in [("unchanged", &same), ("changed", &other)] {
        group.bench_function(name, |b| {
            b.iter(|| diff(black_box(&job), black_box(observed), &options));
        });
    }
    let fleet: Vec<(Value, Value)> = (0..1_000).map(pair).collect();
    group
        .sample_size(10)
        .throughput(Throughput::Elements(1_000));
    group.bench_function("1000 unchanged jobs", |b| {
        b.iter(|| {
            let drifted = fleet
                .iter()
                .filter(|(job, stored)| !diff(job, stored, &options).is_empty());
            assert_eq!(drifted.count(), 0);
        });
    });
    group.finish();
}

fn planning(c: &mut Criterion) {
    let (job, same) = pair(1);
    let (_, other) = pair(2);
    let goal = Goal::Run(RunGoal {
        id: "cst-docs-000001".parse().expect("a valid id"),
        job,
        run: None,
        owner: "bench".parse().expect("a valid owner"),
        guard: Guard::Named,
        options: DiffOptions::default(),
    });
    let memory = Memory {
        stood_at: None,
        accepted_at: None,
        sent_at: None,
        writes: 0,
        blocked_for: None,
        placement_grace: Duration::from_secs(30),
    };
    let (same, other) = (observed(same), observed(other));
    assert!(registers(&plan(&goal, &other, &memory)));
    assert!(!registers(&plan(&goal, &same, &memory)));
    let mut group = c.benchmark_group("plan");
    for (name, observed) in [("unchanged", &same), ("changed", &other)] {
        group.bench_function(name, |b| {
            b.iter(|| plan(black_box(&goal), black_box(observed), &memory));
        });
    }
    group.bench_function("new", |b| {
        let absent = Observed::absent();
        b.iter(|| plan(black_box(&goal), &absent, &memory));
    });
    group.finish();
}

fn observed(job: Value) -> Observed {
    let record: JobRecord = serde_json::from_value(job).expect("a stored job");
    Observed {
        job: Seen::Present(record),
        activity: Activity::default(),
        ..Observed::absent()
    }
}

fn registers(plan: &Plan) -> bool {
    matches!(plan.actions[..], [Action::Register { .. }]) && plan.next == Next::LookAgain
}

/// A fleet that converged, as it is remembered and as Nomad lists it.
struct Fleet {
    inventory: Inventory,
    names: Vec<(JobKey, Digest)>,
    list: String,
}

fn fleet(size: usize) -> Fleet {
    let names: Vec<(JobKey, Digest)> = (0..size)
        .map(|number| {
            let key = JobKey {
                namespace: "default".parse().expect("a valid namespace"),
                job: format!("cst-docs-{number:06}").parse().expect("a valid id"),
            };
            (key, Digest(format!("{number:064x}")))
        })
        .collect();
    let entries = names.iter().zip(1..).map(|((key, digest), index)| {
        let entry = Entry {
            kind: Kind::Workload,
            digest: digest.into(),
            index: ModifyIndex(index),
            created: index,
            state: State::Converged,
            written: jiff::Timestamp::UNIX_EPOCH,
            keep: false,
            adopted: false,
            failed: None,
            hook: None,
            revision: None,
        };
        (key.clone(), entry)
    });
    let inventory = Inventory {
        entries: entries.collect(),
    };
    // Nomad lists by namespace and id; the members are those of a real answer, 570 bytes a job.
    let list: Vec<Value> = names
        .iter()
        .zip(1..)
        .map(|((key, _), index)| listed(key.job.as_str(), index))
        .collect();
    Fleet {
        inventory,
        names,
        list: Value::from(list).to_string(),
    }
}

fn listed(id: &str, index: u64) -> Value {
    let summary = json!({"Queued": 0, "Complete": 0, "Failed": 0, "Running": 2, "Starting": 0, "Lost": 0, "Unknown": 0});
    json!({
        "ID": id, "ParentID": "", "Name": id, "Namespace": "default", "Datacenters": ["*"], "NodePool": "minions",
        "Multiregion": null, "Type": "service", "Priority": 50, "Periodic": false, "ParameterizedJob": false,
        "Stop": false, "Status": "running", "StatusDescription": "",
        "JobSummary": {
            "JobID": id, "Namespace": "default", "Summary": {id: summary},
            "Children": {"Pending": 0, "Running": 0, "Dead": 0}, "CreateIndex": index, "ModifyIndex": index + 3,
        },
        "CreateIndex": index, "ModifyIndex": index + 5, "JobModifyIndex": index, "SubmitTime": 1_763_720_000_000_000_000u64,
    })
}

fn fast_path(c: &mut Criterion) {
    let mut group = c.benchmark_group("fast path");
    group.sample_size(20);
    for size in [1_000, 10_000] {
        let Fleet {
            inventory,
            names,
            list,
        } = fleet(size);
        let wanted: Vec<Wanted<'_>> = names
            .iter()
            .map(|(key, digest)| Wanted { key, digest })
            .collect();
        let decoded: Vec<JobStub> = serde_json::from_str(&list).expect("a job list");
        let unchanged = |list: &[JobStub]| {
            let found = verdicts(&wanted, &inventory, list);
            assert!(found.iter().all(|verdict| *verdict == Verdict::Unchanged));
        };
        group.throughput(Throughput::Elements(size as u64));
        group.bench_function(BenchmarkId::new("verdicts", size), |b| {
            b.iter(|| unchanged(black_box(&decoded)));
        });
        group.bench_function(BenchmarkId::new("list decoded and verdicts", size), |b| {
            b.iter(|| {
                let stubs: Vec<JobStub> = serde_json::from_str(&list).expect("a job list");
                unchanged(&stubs);
            });
        });
    }
    group.finish();
}

criterion_group!(benches, parsing, compiling, comparing, planning, fast_path);
criterion_main!(benches);
